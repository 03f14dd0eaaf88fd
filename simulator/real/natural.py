"""Let plain Python run freely on real threads, n times, and say how each run ended.

Nothing is traced and nobody is held up: threads meet at a barrier and go. Deadlocks on the code's own locks are
noticed and unwound (`watched.py`); for everything else that could hang, a batch of runs lives in a child process with
a time limit. The child reports after each run, so that what was seen before a hang, a crash of the interpreter or
Ctrl-C is kept.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import platform
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from simulator.bodies import SourceLine
from simulator.errors import SimulatorError, UsageError
from simulator.real.watched import Deadlock, Deadlocked, Order, Watch, name_locks, watching
from simulator.scenario import Plain
from simulator.trace import Outcome

__all__ = ["Batch", "Interpreter", "Natural", "run_batch", "run_once"]

GRACE = 5.0
"""Seconds that a child gets beyond its own limit before it is killed from outside."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Which Python ran the threads: that decides which outcomes are to be expected naturally."""

    implementation: str
    version: tuple[int, int, int]
    gil: bool
    switch_interval: float

    @classmethod
    def current(cls) -> Interpreter:
        """The one that runs this."""
        asked = getattr(sys, "_is_gil_enabled", None)
        gil = bool(asked()) if asked is not None else not sysconfig.get_config_var("Py_GIL_DISABLED")
        return cls(platform.python_implementation(), sys.version_info[:3], gil, sys.getswitchinterval())

    def __str__(self) -> str:
        version = ".".join(map(str, self.version))
        return f"{self.implementation} {version}, {'with the GIL' if self.gil else 'free-threaded'}"


@dataclass(frozen=True, slots=True)
class Natural:
    """One natural run: how it ended, and what there is to say about it.

    `hung` names threads that had not ended at the limit; then there is no outcome.
    """

    outcome: Outcome | None
    deadlocks: tuple[Deadlock, ...] = ()
    errors: tuple[str, ...] = ()
    orders: tuple[Order, ...] = ()
    hung: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Natural runs, counted by how they ended.

    `deadlocks`, `errors` and `orders` are the different ones seen; the first two with how often. `stopped` says why
    fewer runs were done than `asked` for; it is empty when all were. `stacks` is where each thread stood when the
    limit was reached.
    """

    asked: int
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    deadlocks: Mapping[Deadlock, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    orders: tuple[Order, ...] = ()
    stopped: str = ""
    interrupted: bool = False
    stacks: str = ""
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """How many runs came to an end."""
        return sum(self.outcomes.values())


def run_once(plain: Plain, locations: Sequence[Hashable] = (), *, timeout: float = 10.0) -> Natural:
    """Run the plain version once, on fresh state, with all threads let go at the same moment.

    The outcome's memory is what `observe` gives, in the order of `locations` (what else it gives comes after them). A
    worker that ends by AssertionError makes it a failed check, by another exception crashed; a deadlock is unwound. A
    thread that has not ended after `timeout` seconds is left behind, and named in `hung`: run what may hang in
    `run_batch`.

    Raises UsageError when `setup`, `workers` or `observe` is at fault.

    >>> from functools import partial
    >>> def append(state, value):
    ...     state.append(value)
    >>> def workers(state):
    ...     return {"t0": partial(append, state, 0), "t1": partial(append, state, 1)}
    >>> str(run_once(Plain(list, workers, lambda state: {"length": len(state)}, namespace={})).outcome)
    'length=2'
    """
    deadline = time.monotonic() + timeout
    with watching(plain.namespace) as watch:
        state = _asked("setup", plain.setup)
        name_locks(state)
        workers = _asked("workers", lambda: dict(plain.workers(state)))
        ends = _run_threads(watch, workers, deadline)
        hung = tuple(name for name in workers if name not in ends)
        errors = tuple(said for _, said in ends.values() if said)
        if hung:
            return Natural(None, watch.deadlocks, errors, watch.orders, hung)
        seen = _asked("observe", lambda: dict(plain.observe(state)))
    memory = [(location, seen.pop(location)) for location in locations if location in seen]
    hows = {how for how, _ in ends.values()}
    how = next(how for how in ("crashed", "failed check", "deadlocked", "finished") if how in hows or how == "finished")
    return Natural(Outcome(how, (*memory, *seen.items())), watch.deadlocks, errors, watch.orders)


def _asked(what: str, ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except Exception as error:
        raise UsageError(f"{what} of the plain version raised {type(error).__name__}: {error}") from error


def _run_threads(
    watch: Watch, workers: Mapping[str, Callable[[], object]], deadline: float
) -> dict[str, tuple[str, str]]:
    """Run all workers at once; how each that ended did, and what it said."""
    ends: dict[str, tuple[str, str]] = {}
    barrier = threading.Barrier(len(workers)) if workers else None

    def live(name: str, worker: Callable[[], object]) -> None:
        how, said = "finished", ""
        try:
            if barrier is not None:
                barrier.wait(max(0.0, deadline - time.monotonic()))
            worker()
        except Deadlocked:
            how = "deadlocked"
        except AssertionError as error:
            how, said = "failed check", f"{name}: {error or 'assertion failed'}{_line(error)}"
        except BaseException as error:
            how, said = "crashed", f"{name}: {type(error).__name__}: {error}{_line(error)}"
        watch.thread_ended()
        ends[name] = how, said

    threads = [threading.Thread(target=live, args=item, name=item[0], daemon=True) for item in workers.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: ends[name] for name in workers if name in ends}


def _line(error: BaseException) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return f" ({SourceLine(place.tb_frame.f_code.co_filename, place.tb_lineno)})" if place is not None else ""


# -- a batch, in a process of its own

_BOOTSTRAP = (
    "import json, sys; order = json.loads(sys.stdin.readline()); sys.path[:] = order['path']; "
    "from simulator.real.child import main; main(order)"
)


def run_batch(
    reference: str,
    values: Mapping[str, Any],
    *,
    runs: int,
    timeout: float = 60.0,
    progress: Callable[[int], None] | None = None,
) -> Batch:
    """Run the plain version of what `reference` names (see `simulator.loading`) up to `runs` times in a child process.

    Ends after `timeout` seconds at the latest, whatever the code does; runs done until then are kept, and after
    Ctrl-C too (`interrupted`). `progress` is called with the number of runs done so far.

    Raises UsageError when there is no plain version to run, or when it is at fault rather than under test.
    """
    if runs < 1:
        raise UsageError(f"runs is {runs}, expected a whole number above 0")
    if timeout <= 0:
        raise UsageError(f"timeout is {timeout}, expected seconds above 0")
    started = time.monotonic()
    tally = _Tally(runs, progress)
    order = {
        "path": [os.path.abspath(entry) for entry in sys.path],
        "reference": reference,
        "values": dict(values),
        "runs": runs,
        "timeout": timeout,
    }
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOTSTRAP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        # The child ends itself at its limit and says where it stood; this is for when it cannot.
        killer = threading.Timer(timeout + GRACE, _kill, [child])
        killer.daemon = True
        killer.start()
        interrupted = False
        try:
            tally.listen(child, order)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            killer.cancel()
            killer.join(GRACE)
            _kill(child)
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        return tally.batch(child.returncode, errors, interrupted, time.monotonic() - started, timeout)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started."""
    if child.poll() is None:
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(child.pid, signal.SIGKILL)
            else:
                child.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)


class _Tally:
    """What a child has reported so far."""

    def __init__(self, asked: int, progress: Callable[[int], None] | None) -> None:
        self.asked = asked
        self.progress = progress
        self.outcomes: dict[Outcome, int] = {}
        self.deadlocks: dict[Deadlock, int] = {}
        self.errors: dict[str, int] = {}
        self.orders: dict[Order, None] = {}
        self.hung: tuple[str, ...] = ()
        self.refusal = ""
        self.ended = False

    def listen(self, child: subprocess.Popen[bytes], order: Mapping[str, Any]) -> None:
        """Send the order and take the child's lines until there are no more."""
        if child.stdin is None or child.stdout is None:
            return
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(json.dumps(order).encode() + b"\n")
            child.stdin.flush()
        for line in child.stdout:
            self._take(json.loads(line))
            if self.ended:
                return

    def _take(self, report: Mapping[str, Any]) -> None:
        if "error" in report:
            self.refusal = report["error"]
        self.ended = "end" in report or "error" in report
        if "run" not in report:
            return
        natural: Natural = pickle.loads(base64.b64decode(report["run"]))
        self.hung = natural.hung
        if natural.outcome is not None:
            self.outcomes[natural.outcome] = self.outcomes.get(natural.outcome, 0) + 1
        for deadlock in natural.deadlocks:
            self.deadlocks[deadlock] = self.deadlocks.get(deadlock, 0) + 1
        for error in natural.errors:
            self.errors[error] = self.errors.get(error, 0) + 1
        self.orders.update(dict.fromkeys(natural.orders))
        if self.progress is not None:
            self.progress(sum(self.outcomes.values()))

    def batch(self, code: int | None, errors: BinaryIO, interrupted: bool, seconds: float, timeout: float) -> Batch:
        """Everything reported, and why there is no more."""
        if self.refusal:
            raise UsageError(self.refusal)
        errors.seek(0)
        said = errors.read().decode(errors="replace")
        done = sum(self.outcomes.values())
        stopped = stacks = ""
        if interrupted:
            stopped = f"interrupted after {done} of {self.asked} runs"
        elif not self.ended and (seconds >= timeout or self.hung):
            stopped, stacks = f"ended at its limit of {timeout:g} s after {done} of {self.asked} runs", said
        elif not self.ended:
            last = said.strip().splitlines()[-1:] or [""]
            stopped = f"the process died after {done} of {self.asked} runs (exit code {code}) {last[0]}".rstrip()
        elif done < self.asked:
            stopped = f"ended at its limit of {timeout:g} s after {done} of {self.asked} runs"
        return Batch(
            asked=self.asked,
            outcomes=self.outcomes,
            deadlocks=self.deadlocks,
            errors=self.errors,
            orders=tuple(self.orders),
            stopped=stopped,
            interrupted=interrupted,
            stacks=stacks,
            seconds=seconds,
        )


def report_line(natural: Natural) -> dict[str, str]:
    """One run as the child writes it. Values that cannot be pickled go as their repr."""
    try:
        packed = pickle.dumps(natural)
    except Exception:
        outcome = natural.outcome
        if outcome is None:
            raise SimulatorError("a run without an outcome cannot be reported") from None
        memory = tuple((location, _sendable(value)) for location, value in outcome.memory)
        packed = pickle.dumps(
            Natural(Outcome(outcome.how, memory), natural.deadlocks, natural.errors, natural.orders, natural.hung)
        )
    return {"run": base64.b64encode(packed).decode()}


def _sendable(value: object) -> object:
    try:
        pickle.dumps(value)
    except Exception:
        return repr(value)
    return value
