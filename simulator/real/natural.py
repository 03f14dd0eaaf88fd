"""Let plain Python run freely on real threads, n times, on any Python, and say how each run ended.

One run is `free_run.py`'s; this file makes many of them in a child process, which may be another Python than ours, and
counts. Deadlocks on the code's own locks are noticed and unwound (`watched.py`); for everything else that could hang, the
child has a time limit. It reports after each run, so that what was seen before a hang, a crash of the interpreter or
Ctrl-C is kept.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import pickle
import re
import signal
import site
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from simulator.analysis.finding import Finding
from simulator.analysis.lock_order import LockEdge, LockOrder, explain_cycle, lock_cycles
from simulator.bodies import SourceLine
from simulator.errors import UsageError
from simulator.loading import GROUP, Loaded, load, module_name
from simulator.ops import show_name
from simulator.real import child as child_file
from simulator.real import free_run as free_run_file
from simulator.real.free_run import End, Fault, Ran, free_run, namespaces_of
from simulator.real.interpreters import Interpreter
from simulator.real.outside import Held, Outside
from simulator.real.watched import Deadlock, Order, Wait
from simulator.scenario import Plain
from simulator.source import described
from simulator.trace import Outcome

__all__ = ["Batch", "CycleSeen", "Logged", "Natural", "check_limits", "run_batch", "run_once"]

GRACE = 5.0
"""Seconds that a child gets beyond its own limit before it is killed from outside."""
MOST_EVENTS = 100_000
"""How many events of a recorded run are kept."""
LONGEST_SWITCH = 100.0
"""Seconds; the longest switch interval that is taken for meant."""
_LIBRARY = re.compile(r"[/\\]lib[/\\](?:python3\.\d+t?[/\\])?(?!.*site-packages)", re.IGNORECASE)
"""In the path of a file of some Python's own library."""


@dataclass(frozen=True, slots=True)
class Natural:
    """One natural run: how it and each of its threads ended, and what there is to say about its locks.

    `hung` names threads that had not ended at the limit; then there is no outcome.
    """

    outcome: Outcome | None
    ends: Mapping[str, End] = field(default_factory=dict)
    deadlocks: tuple[Deadlock, ...] = ()
    orders: tuple[Order, ...] = ()
    hung: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[str, ...]:
        """What threads said that crashed or failed a check."""
        return tuple(f"{thread}: {end}" for thread, end in self.ends.items() if end.said)

    def to_dict(self) -> dict[str, Any]:
        """The run in plain types."""
        return {
            "outcome": None if self.outcome is None else str(self.outcome),
            "threads": {
                thread: {"ended": end.how, "said": end.said or None, "where": _shown(end.file, end.line)}
                for thread, end in self.ends.items()
            },
            "deadlocks": list(map(str, self.deadlocks)),
            "lock_orders": [
                {
                    "thread": order.thread,
                    "held": list(order.held),
                    "wanted": order.wanted,
                    "where": _shown(order.file, order.line),
                }
                for order in self.orders
            ],
        }

    def __str__(self) -> str:
        said = [f"{thread} {end.how}{f': {end}' if end.said else ''}" for thread, end in self.ends.items()]
        said += [f"deadlock: {deadlock}" for deadlock in self.deadlocks]
        said += [
            f"{order.thread} held {', '.join(order.held)} and asked for {order.wanted} ({_shown(order.file, order.line)})"
            for order in self.orders
        ]
        return "\n".join(said)


class Logged(NamedTuple):
    """A run that is kept: which one it was, from 1, and what it did."""

    number: int
    run: Natural


class CycleSeen(NamedTuple):
    """A lock-order cycle of natural runs: in how many it was seen, and in how many of these it was a deadlock."""

    finding: Finding
    runs: int
    deadlocked: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Natural runs, counted by how they ended.

    `deadlocks` and `errors` are the different ones seen, with how often; `logs` keeps the first run of each outcome;
    `cycles` are lock-order cycles, whether or not anything deadlocked. `stopped` says why fewer runs were done than `asked`
    for; it is empty when all were. `stacks` is where each thread stood when the limit was reached.
    """

    asked: int
    interpreter: Interpreter = field(default_factory=Interpreter.current)
    barrier: bool = True
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    logs: Mapping[Outcome, Logged] = field(default_factory=dict)
    deadlocks: Mapping[Deadlock, int] = field(default_factory=dict)
    cycles: tuple[CycleSeen, ...] = ()
    errors: Mapping[str, int] = field(default_factory=dict)
    stopped: str = ""
    interrupted: bool = False
    stacks: str = ""
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """How many runs came to an end."""
        return sum(self.outcomes.values())

    def uninterrupted(self) -> Batch:
        """The batch; but KeyboardInterrupt again where Ctrl-C ended it, for whoever has no use for a part of it."""
        if self.interrupted:
            raise KeyboardInterrupt
        return self


def run_once(
    plain: Plain, locations: Sequence[Hashable] = (), *, timeout: float = 10.0, barrier: bool = True
) -> Natural:
    """Run the plain version once in this process, on fresh state, with all threads let go at the same moment.

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
    try:
        ran = free_run(
            plain.setup,
            plain.workers,
            plain.observe,
            Outside(namespaces_of(plain)),
            deadline=time.monotonic() + timeout,
            locations=locations,
            barrier=barrier,
        )
    except (Fault, Held) as fault:
        raise UsageError(str(fault)) from fault
    return _natural(ran)


def _natural(ran: Ran) -> Natural:
    outcome = None if ran.hung else Outcome(ran.how, tuple(map(_hashable, ran.memory)))
    return Natural(outcome, ran.ends, ran.deadlocks, ran.orders, ran.hung)


def _hashable(item: tuple[Hashable, Any]) -> tuple[Hashable, Any]:
    try:
        hash(item[1])
    except TypeError:
        raise UsageError(
            f"observe of the plain version gives {show_name(item[0])} = {item[1]!r:.60}, which cannot be hashed; give a tuple, "
            "a frozenset or another immutable value"
        ) from None
    return item


# -- a batch, in a process of its own


def run_batch(
    what: Loaded | Plain | str,
    values: Mapping[str, Any] | None = None,
    *,
    runs: int,
    timeout: float = 60.0,
    interpreter: Interpreter | None = None,
    switch_interval: float | None = None,
    barrier: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Batch:
    """Run a plain version up to `runs` times in a child process of an `interpreter` (that which runs this, if none is given).

    `what` is a reference (see `simulator.loading`) or what one led to, with `values` for its parameters; or a Plain made of
    functions that another process can import. `switch_interval` is for `sys.setswitchinterval`, in seconds; without
    `barrier`, threads start without waiting for each other.

    Ends after `timeout` seconds at the latest, whatever the code does; runs done until then are kept, and after
    Ctrl-C too (`interrupted`). `progress` is called with the number of runs done so far.

    Raises UsageError when there is no plain version to run, when it is at fault rather than under test, or when the
    interpreter cannot run it.
    """
    check_limits(runs, timeout, switch_interval)
    order, _ = order_for(what, values or {}, interpreter)
    tally = _Tally(runs, barrier, interpreter or Interpreter.current(), progress)
    order.update(runs=runs, timeout=timeout, switch_interval=switch_interval, barrier=barrier)
    ran = converse(tally.interpreter, order, tally.take)
    return tally.batch(ran, timeout)


def check_limits(runs: int, timeout: float, switch_interval: float | None) -> None:
    """Raises UsageError for numbers that no batch can have."""
    if runs < 1:
        raise UsageError(f"runs is {runs}, expected a whole number above 0")
    if not timeout > 0:
        raise UsageError(f"timeout is {timeout}, expected seconds above 0")
    if switch_interval is not None and not 0 < switch_interval <= LONGEST_SWITCH:
        raise UsageError(
            f"switch_interval is {switch_interval:g}, expected seconds above 0 and up to {LONGEST_SWITCH:g}"
        )


def order_for(
    what: Loaded | Plain | str, values: Mapping[str, Any], interpreter: Interpreter | None
) -> tuple[dict[str, Any], Plain]:
    """What the child has to know to make the plain version, and the plain version as it is here."""
    order: dict[str, Any] = {
        "module": None,
        "file": None,
        "attribute": "",
        "values": {},
        "worker": False,
        "record": False,
        "most_events": 0,
    }
    first: list[str] = []
    last: list[str] = []
    locations: tuple[Hashable, ...] = ()
    if isinstance(what, Plain):
        plain = what
    else:
        loaded = load(what) if isinstance(what, str) else what
        made = loaded.plain(**values)
        if made is None:
            raise UsageError(f"{loaded.name} has no plain Python version to run")
        plain = made
        locations = tuple(loaded.program(**values).memory)
        module, file, attribute = _place(loaded.reference)
        defaults = {parameter.name: parameter.default for parameter in loaded.parameters}
        order.update(module=module, file=file, attribute=attribute, values={**defaults, **values})
        # Plain code itself, which so many threads run: the reference leads to no description of them.
        order["worker"] = getattr(plain.workers, "__module__", None) == described.__name__
        if file is not None:
            first.append(os.path.dirname(file))
        else:
            last.append(_root(module))
    order["parts"] = parts = _parts(plain)
    if order["module"] is None and parts is None:
        raise UsageError(
            "this plain version cannot be sent to another process: its setup, workers and observe have to be functions of a "
            "module, or partials of them"
        )
    last += [_root(part.__module__) for part in _functions(plain) if getattr(part, "__module__", None) in sys.modules]
    order["locations"] = _pickled(locations) or _pickled(())
    if interpreter is None or interpreter.executable == sys.executable:
        order["path"] = [os.path.abspath(entry) for entry in sys.path]
    else:
        order["path"] = None
        last = [*_own_path(), *last]
    order.update(first=first, last=list(dict.fromkeys(last)))
    return order, plain


def _place(reference: str) -> tuple[str, str | None, str]:
    """The module, its file where it has to be loaded by that, and the attribute that a reference names."""
    for entry in entry_points(group=GROUP):
        if entry.name == reference:
            reference = entry.value
    place, _, attribute = reference.rpartition(":")
    if place.endswith(".py") or os.sep in place:
        full = str(Path(place).resolve())
        # As `simulator.loading` calls it, so that what is pickled there is found here.
        name = module_name(full)
        return name, None if "." in name else full, attribute
    return place, None, attribute


def _root(module: str) -> str:
    """The folder from which a module's top-level package is imported."""
    with contextlib.suppress(Exception):
        top = importlib.import_module(module.split(".")[0])
        if top.__file__ is not None:
            here = Path(top.__file__).resolve().parent
            return str(here.parent if hasattr(top, "__path__") else here)
    return os.getcwd()


def _functions(plain: Plain) -> list[Any]:
    return [getattr(part, "func", part) for part in (plain.setup, plain.workers, plain.observe) if part is not None]


def _parts(plain: Plain) -> str | None:
    """The plain version as references to its functions, for where its scenario cannot be imported; None if that cannot be."""
    namespace = getattr(plain, "namespace", None)
    return _pickled(
        (plain.setup, plain.workers, plain.observe, None if namespace is None else namespace.get("__name__"))
    )


def _pickled(value: object) -> str | None:
    try:
        return base64.b64encode(pickle.dumps(value, 4)).decode()
    except Exception:
        return None


@cache
def _own_places() -> tuple[str, ...]:
    """Where this Python keeps its own and its installed modules, which are of no use to another one."""
    paths = sysconfig.get_paths()
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, paths["stdlib"], paths["platstdlib"], paths["purelib"]}
    with contextlib.suppress(Exception):
        found.add(site.getusersitepackages())
    return tuple(os.path.join(os.path.realpath(place), "") for place in found)


def _own_path() -> list[str]:
    """The entries of our import path that are not this Python's own."""
    entries = [os.path.realpath(entry or ".") for entry in sys.path]
    return [
        entry for entry in entries if os.path.isdir(entry) and not os.path.join(entry, "").startswith(_own_places())
    ]


class Spoken(NamedTuple):
    """How a conversation with a child ended."""

    code: int | None
    said: str
    interrupted: bool
    seconds: float


def converse(interpreter: Interpreter, order: Mapping[str, Any], take: Callable[[Mapping[str, Any]], bool]) -> Spoken:
    """Start a child, send it an order, and take its lines until there are no more, or `take` says that it was the last."""
    started = time.monotonic()
    timeout: float = order["timeout"]
    with tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(
                [interpreter.executable, child_file.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(f"{interpreter.executable} cannot be started: {error.strerror or error}") from None
        # The child ends itself at its limit and says where it stood; this is for when it cannot.
        grace = GRACE + (child_file.TO_TELL if order["record"] else 0)
        killer = threading.Timer(timeout + grace, _kill, [child])
        killer.daemon = True
        killer.start()
        interrupted = False
        try:
            _listen(child, order, take)
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
        return Spoken(child.returncode, _all_of(errors), interrupted, time.monotonic() - started)


def _all_of(errors: BinaryIO) -> str:
    errors.seek(0)
    return errors.read().decode(errors="replace")


def _listen(
    child: subprocess.Popen[bytes], order: Mapping[str, Any], take: Callable[[Mapping[str, Any]], bool]
) -> None:
    if child.stdin is None or child.stdout is None:
        return
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.flush()
    for line in child.stdout:
        # What a customised interpreter prints when it starts is none of ours.
        with contextlib.suppress(ValueError):
            report = json.loads(line)
            if isinstance(report, dict) and take(report):
                return


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

    def __init__(
        self, asked: int, barrier: bool, interpreter: Interpreter, progress: Callable[[int], None] | None
    ) -> None:
        self.asked = asked
        self.barrier = barrier
        self.interpreter = interpreter
        self.progress = progress
        self.done = 0
        self.outcomes: dict[Outcome, int] = {}
        self.logs: dict[Outcome, Logged] = {}
        self.deadlocks: dict[Deadlock, int] = {}
        self.errors: dict[str, int] = {}
        self.orders: dict[frozenset[Order], int] = {}
        self.deadlocked: dict[frozenset[str], int] = {}
        self.hung: tuple[str, ...] = ()
        self.refusal = ""
        self.ended = False

    def take(self, report: Mapping[str, Any]) -> bool:
        """Take one report; whether it was the last."""
        if "error" in report:
            self.refusal = report["error"]
        if "interpreter" in report:
            self.interpreter = Interpreter.of(report["interpreter"], self.interpreter.path)
        if "run" in report:
            self._count(natural_of(report["run"]))
        self.ended = "end" in report or "error" in report
        return self.ended

    def _count(self, natural: Natural) -> None:
        self.hung = natural.hung
        if natural.outcome is not None:
            self.done += 1
            self.outcomes[natural.outcome] = self.outcomes.get(natural.outcome, 0) + 1
            self.logs.setdefault(natural.outcome, Logged(self.done, natural))
        for deadlock in natural.deadlocks:
            self.deadlocks[deadlock] = self.deadlocks.get(deadlock, 0) + 1
            locks = frozenset(wait.wants for wait in deadlock.cycle)
            self.deadlocked[locks] = self.deadlocked.get(locks, 0) + 1
        for error in natural.errors:
            self.errors[error] = self.errors.get(error, 0) + 1
        orders = frozenset(natural.orders)
        self.orders[orders] = self.orders.get(orders, 0) + 1
        if self.progress is not None:
            self.progress(self.done)

    def _cycles(self) -> tuple[CycleSeen, ...]:
        # Within one run each: a lock that a thread makes is called by its line and a number, and the next run numbers anew.
        found: dict[frozenset[str], tuple[Finding, int]] = {}
        for orders, times in self.orders.items():
            for finding in order_cycles(orders):
                locks = frozenset(map(str, finding.objects))
                first, before = found.get(locks, (finding, 0))
                found[locks] = first, before + times
        seen = []
        for locks, (finding, runs) in sorted(found.items(), key=lambda item: sorted(item[0])):
            seen.append(CycleSeen(finding, runs, self.deadlocked.get(locks, 0)))
        return tuple(seen)

    def batch(self, ran: Spoken, timeout: float) -> Batch:
        """Everything reported, and why there is no more."""
        if self.refusal:
            raise UsageError(self.refusal)
        stopped = stacks = ""
        if ran.interrupted:
            stopped = f"interrupted after {self.done} of {self.asked} runs"
        elif not self.ended and (ran.seconds >= timeout or self.hung):
            stopped, stacks = (
                f"ended at its limit of {timeout:g} s after {self.done} of {self.asked} runs",
                stacks_in(ran.said),
            )
        elif not self.ended:
            last = ran.said.strip().splitlines()[-1:] or [""]
            code = f"exit code {ran.code}"
            stopped = f"the process died after {self.done} of {self.asked} runs ({code}) {last[0]}".rstrip()
        elif self.done < self.asked:
            stopped = f"ended at its limit of {timeout:g} s after {self.done} of {self.asked} runs"
        return Batch(
            asked=self.asked,
            interpreter=self.interpreter,
            barrier=self.barrier,
            outcomes=self.outcomes,
            logs=self.logs,
            deadlocks=self.deadlocks,
            cycles=self._cycles(),
            errors=self.errors,
            stopped=stopped,
            interrupted=ran.interrupted,
            stacks=stacks,
            seconds=ran.seconds,
        )


_THREAD = re.compile(r"(?:Current thread|Thread) 0x[0-9a-f]+")
_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)')


def stacks_in(said: str) -> str:
    """Where each thread under test stood, a line for each, in what `faulthandler` says; all of it where none is in it.

    >>> print(stacks_in(f'''Timeout (0:00:03)!
    ... Thread 0x00007f (most recent call first):
    ...   File "/home/me/mine.py", line 7 in spin
    ...   File "{os.path.join(os.path.dirname(child_file.__file__), "free_run.py")}", line 150 in t0
    ... '''))
    t0 at mine.py:7, in spin
    """
    ours = os.path.dirname(os.path.abspath(child_file.__file__))
    lines = []
    for stack in _THREAD.split(said)[1:]:
        frames = [frame for line in stack.splitlines() if (frame := _FRAME.fullmatch(line)) is not None]
        if any(frame["file"] == child_file.__file__ for frame in frames):
            continue  # It waits for the others.
        names = [frame["function"] for frame in frames if frame["file"] == free_run_file.__file__]
        theirs = [frame for frame in frames if os.path.dirname(frame["file"]) != ours]
        own = [frame for frame in theirs if not _LIBRARY.search(frame["file"])] or theirs
        if names and own:
            where = SourceLine(own[0]["file"], int(own[0]["line"]))
            lines.append(f"{names[0]} at {where}, in {own[0]['function']}")
    return "\n".join(sorted(lines)) or said


def order_cycles(orders: frozenset[Order]) -> list[Finding]:
    """The lock-order cycles of one run, from the orders in which its threads asked for locks."""
    edges = [
        LockEdge(order.thread, held, order.wanted, frozenset(order.held) - {held}, SourceLine(order.file, order.line))
        for order in orders
        for held in order.held
        if order.wanted not in order.held
    ]
    if not edges:
        return []
    detector = LockOrder()
    return [explain_cycle(detector.sighting(cycle), cycle, None) for cycle in lock_cycles(edges)]


def natural_of(report: Mapping[str, Any]) -> Natural:
    """One run as the child told it."""
    ends = {name: End(*end) for name, *end in report["ends"]}
    deadlocks = tuple(Deadlock(*(tuple(map(_wait, waits)) for waits in told)) for told in report["deadlocks"])
    orders = tuple(Order(thread, tuple(held), *rest) for thread, held, *rest in report["orders"])
    memory = [(_unpacked(location), _unpacked(value)) for location, value in report["memory"]]
    return _natural(Ran(ends, memory, deadlocks, orders, tuple(report["hung"])))


def _wait(told: Sequence[Any]) -> Wait:
    thread, holds, wants, holder, ended = told
    return Wait(thread, tuple(holds), wants, holder, ended)


def _unpacked(packed: Mapping[str, Any]) -> Any:
    """A value as it was, or its text where this Python cannot make it."""
    if packed["pickled"] is not None:
        with contextlib.suppress(Exception):
            return pickle.loads(base64.b64decode(packed["pickled"]))
    return packed["shown"]


def _shown(file: str, line: int) -> str | None:
    return str(SourceLine(file, line)) if file else None
