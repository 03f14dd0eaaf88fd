"""One free run of plain Python on real threads: fresh state, all threads let go, how each ended, and the memory afterwards.

Knows the parts of a plain version (`setup`, `workers`, `observe`) and nothing of models, processes or how often this is done.
Nothing is traced and nobody is held up: threads meet at a barrier, if one is wanted, and go. What is written about them is
written after they have ended.

Like `watched.py`, this file runs on any CPython from 3.8 on, with nothing but the standard library.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from simulator.real.outside import Outside
from simulator.real.reach import reach
from simulator.real.watched import Deadlock, Deadlocked, Order, Watch, WatchedLock, name_locks, watching

if TYPE_CHECKING:
    from simulator.real.watched import Log

__all__ = ["End", "Fault", "Ran", "free_run", "namespaces_of"]


class Fault(Exception):
    """A part of the plain version is at fault, not what it does on threads."""


class End(NamedTuple):
    """How a thread ended ("finished", "failed check", "crashed", "deadlocked"), what it said, and where that was raised."""

    how: str
    said: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f" ({os.path.basename(self.file)}:{self.line})" if self.file else ""
        return f"{self.said}{place}" if self.said else self.how


class Ran(NamedTuple):
    """A run: how each thread ended, in thread order, and what `observe` saw.

    Threads in `hung` had not ended; then nothing was observed.
    """

    ends: Mapping[str, End]
    memory: Sequence[tuple[Hashable, Any]]
    deadlocks: tuple[Deadlock, ...]
    orders: tuple[Order, ...]
    hung: tuple[str, ...]

    @property
    def how(self) -> str:
        """How the run as a whole ended."""
        hows = {end.how for end in self.ends.values()}
        return next((how for how in ("crashed", "failed check", "deadlocked") if how in hows), "finished")


def free_run(
    setup: Callable[[], Any],
    workers: Callable[[Any], Mapping[str, Callable[[], object]]],
    observe: Callable[[Any], Mapping[Hashable, Any]] | None,
    outside: Outside,
    *,
    deadline: float,
    locations: Sequence[Hashable] = (),
    barrier: bool = True,
    log: Log | None = None,
    prepare: Callable[[Any], None] | None = None,
    ended: Callable[[str, End], None] | None = None,
) -> Ran:
    """Run once. What `time.monotonic()` says at the `deadline` is when threads that have not ended are left behind.

    The memory comes in the order of `locations`, what else there is after that; without `observe`, those of the locations that
    are the name of a plain value, as `reach.py` and `outside.py` name them. `log` is told of locks, `ended` of each
    thread's end, by that thread; `prepare` is called with the state before any thread runs.

    Raises Fault when `setup`, `workers` or `observe` raises.

    >>> def workers(state):
    ...     return {"t0": partial(state.append, 0), "t1": partial(state.append, 1)}
    >>> ran = free_run(list, workers, lambda state: {"length": len(state)}, Outside([]), deadline=time.monotonic() + 10)
    >>> ran.how, ran.memory
    ('finished', [('length', 2)])
    """
    with watching(*outside.namespaces, log=log) as watch, outside.anew(watch):
        state = _asked("setup", setup)
        name_locks(state)
        made = _asked("workers", lambda: _named(workers(state)))
        if prepare is not None:
            prepare(state)
        ends = _run_threads(watch, made, deadline, barrier, ended)
        hung = tuple(name for name in made if name not in ends)
        seen = {} if hung else _asked("observe", lambda: _seen(state, outside, locations, observe))
    memory = [(location, seen.pop(location)) for location in locations if location in seen]
    return Ran(
        {name: ends[name] for name in made if name in ends},
        [*memory, *seen.items()],
        watch.deadlocks,
        watch.orders,
        hung,
    )


def _seen(
    state: Any,
    outside: Outside,
    locations: Sequence[Hashable],
    observe: Callable[[Any], Mapping[Hashable, Any]] | None,
) -> dict[Hashable, Any]:
    if observe is not None:
        return dict(observe(state))
    everything = (*reach(state, (WatchedLock,)), *outside.now())
    return {name: value for name, value in everything if name in locations and _is_plain(value)}


def _is_plain(value: object) -> bool:
    kinds = (type(None), bool, int, float, str, bytes)
    return type(value) in kinds or (type(value) is tuple and all(map(_is_plain, value)))


def _asked(what: str, ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except Exception as error:
        raise Fault(f"{what} of the plain version raised {type(error).__name__}: {error}") from error


def _run_threads(
    watch: Watch,
    workers: Mapping[str, Callable[[], object]],
    deadline: float,
    meet: bool,
    ended: Callable[[str, End], None] | None,
) -> dict[str, End]:
    ends: dict[str, End] = {}
    barrier = threading.Barrier(len(workers)) if meet and workers else None

    def live(name: str, worker: Callable[[], object]) -> None:
        end = End("finished")
        try:
            if barrier is not None:
                barrier.wait(max(0.0, deadline - time.monotonic()))
            worker()
        except Deadlocked:
            end = End("deadlocked")
        except AssertionError as error:
            end = End("failed check", f"{error}" or "assertion failed", *_place(error))
        except BaseException as error:
            end = End("crashed", f"{type(error).__name__}: {error}", *_place(error))
        watch.thread_ended()
        if ended is not None:
            ended(name, end)
        ends[name] = end

    threads = [
        threading.Thread(target=_called(live, item[0]), args=item, name=item[0], daemon=True)
        for item in workers.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(ends)


def _called(function: Any, name: str) -> Any:
    """The same function under another name, by which `faulthandler` tells the threads apart."""
    return FunctionType(function.__code__.replace(co_name=name), globals(), name, None, function.__closure__)


def _named(workers: Any) -> dict[str, Callable[[], object]]:
    """Workers by the names of their threads: a list names them t0, t1, ..., in its order."""
    if isinstance(workers, (list, tuple)):
        return {f"t{number}": worker for number, worker in enumerate(workers)}
    return dict(workers)


def _place(error: BaseException) -> tuple[str, int]:
    """Where it was raised: the innermost line that is not ours."""
    found = ("", 0)
    place = error.__traceback__
    while place is not None:
        if os.path.dirname(place.tb_frame.f_code.co_filename) != _HERE:
            found = place.tb_frame.f_code.co_filename, place.tb_lineno
        place = place.tb_next
    return found


_HERE = os.path.dirname(_place.__code__.co_filename)
_STANDARD = os.path.join(os.path.realpath(sysconfig.get_paths()["stdlib"]), "")


def namespaces_of(plain: Any) -> list[dict[str, Any]]:
    """The globals in which `threading` is stood in for: those that the plain version names, or else its functions' own.

    Those are the modules of `setup`, `workers` and `observe`, and of the functions and classes that these name; never a module
    of the standard library.
    """
    given = getattr(plain, "namespace", None)
    if given is not None:
        return [given]
    modules: dict[str, None] = {}
    for part in filter(None, (plain.setup, plain.workers, plain.observe)):
        for function in _within(part):
            modules[getattr(function, "__module__", None) or ""] = None
            code = getattr(function, "__code__", None)
            for name in code.co_names if code is not None else ():
                named = function.__globals__.get(name)
                modules[getattr(named, "__module__", None) or ""] = None
    found = [sys.modules[name] for name in modules if name in sys.modules]
    return [
        vars(module)
        for module in found
        if getattr(module, "__file__", None)
        and (
            "site-packages" in str(module.__file__) or not os.path.realpath(str(module.__file__)).startswith(_STANDARD)
        )
    ]


def _within(thing: Any) -> list[Any]:
    """The function or class itself behind partials and methods, and what partials carry."""
    if isinstance(thing, partial):
        inside = [thing.func, *(each for each in (*thing.args, *thing.keywords.values()) if callable(each))]
        return [found for each in inside for found in _within(each)]
    return [getattr(thing, "__func__", thing)]
