"""A stand-in for `threading` in one module: real locks that know who waits for whom, so that a deadlock ends at once.

`watching(namespace)` puts the stand-in into one module's globals and takes it out again; `threading.Lock` itself is
never touched, so only locks that the code under test makes meanwhile are watched. All else (Thread, Event, Condition,
Semaphore…) is the real module's.

A thread that would wait for a lock first asks whether its wait closes a circle: the lock's owner waits for a lock whose
owner waits … for this thread. Ownership passes only to threads that run, so a circle can only be closed by the thread
that comes to wait last, and looking there is enough. Then the deadlock is written down, and every thread in it, and
every thread stuck behind it, gets `Deadlocked` raised out of its `acquire`. A wait with a timeout ends by itself and
closes no circle. The locks that those threads held count as held for ever, even when the unwinding gives them back: a
thread that comes later must not get what it could never have got, or the memory at the end would be one that no real
deadlock leaves.

What is taken for granted: the thread that takes a lock gives it back. A plain lock used as a signal (taken twice by one
thread, so that another may wake it) would be called a deadlock. Python allows that use; the model does not.

This file runs on any CPython from 3.8 on, whether or not the rest of the simulator can be imported there (see `child.py`): it
imports nothing but the standard library and files beside it of the same kind, and keeps to the syntax of 3.8.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from simulator.real.reach import reach

__all__ = [
    "Deadlock",
    "Deadlocked",
    "Order",
    "Wait",
    "Watch",
    "WatchedLock",
    "WatchedRLock",
    "name_locks",
    "watching",
]

FOREVER = -1

if TYPE_CHECKING:
    Log = Callable[[str, str, "WatchedLock", FrameType | None], None]
    """Told of what happens to locks; see `Watch`."""


class Deadlocked(BaseException):
    """Raised in a thread that would wait for ever. Not an Exception, so that code under test does not swallow it."""


class Wait(NamedTuple):
    """A thread in a deadlock: what it holds, what it wants, and who has that.

    `holder_ended` says that the holder is no more, and will never give it back.
    """

    thread: str
    holds: tuple[str, ...]
    wants: str
    holder: str
    holder_ended: bool = False

    def __str__(self) -> str:
        holds = f" holds {', '.join(self.holds)} and" if self.holds else ""
        return (
            f"{self.thread}{holds} wants {self.wants}, held by {self.holder}{' (ended)' if self.holder_ended else ''}"
        )


class Deadlock(NamedTuple):
    """Threads that wait for each other in a circle, and those stuck behind them.

    The cycle starts with its first thread by name. It is empty where the lock was left behind by a thread
    that has ended.
    """

    cycle: tuple[Wait, ...]
    behind: tuple[Wait, ...] = ()

    @property
    def threads(self) -> tuple[str, ...]:
        """Everyone who cannot go on."""
        return tuple(wait.thread for wait in (*self.cycle, *self.behind))

    def __str__(self) -> str:
        return "; ".join(map(str, (*self.cycle, *self.behind)))


class Order(NamedTuple):
    """A thread asked for the lock `wanted` while it held the locks `held`: edges of the lock-order graph.

    `file` and `line` are where it asked.
    """

    thread: str
    held: tuple[str, ...]
    wanted: str
    file: str = ""
    line: int = 0


class _Waiter:
    """One thread's wait for one lock. `bell` is a raw lock that is released to wake the thread."""

    def __init__(self, thread: threading.Thread, lock: WatchedLock, endless: bool) -> None:
        self.thread = thread
        self.lock = lock
        self.endless = endless
        self.doomed = False
        self.bell = threading.Lock()
        self.bell.acquire()

    def ring(self) -> None:
        if self.bell.locked():
            self.bell.release()


class Watch:
    """Who holds and who waits for which watched lock; what went wrong; in which order locks were taken.

    Has the attributes of the `threading` module, so it can stand where that stands. `log` is told of everything that happens
    to a lock, in the order in which it takes effect: what, which thread, which lock, and the frame that asked for it. What
    happens is "acquire" and "release"; "try" and "failed", of what does not wait for ever; "stuck", after which all that
    the thread does is unwinding; "re-acquire", before it waits for a plain lock that it holds itself; "free" and "foreign",
    releases of a lock that nobody, or another thread holds.
    """

    def __init__(self, log: Log | None = None) -> None:
        self._log = log
        self._guard = threading.Lock()
        self._owners: dict[WatchedLock, threading.Thread] = {}
        self._held: dict[threading.Thread, list[WatchedLock]] = {}
        self._waiting: dict[threading.Thread, _Waiter] = {}
        self._queues: dict[WatchedLock, list[_Waiter]] = {}
        self._doomed: set[threading.Thread] = set()
        self._lost: dict[WatchedLock, threading.Thread] = {}
        self._ended: set[threading.Thread] = set()
        self._places: dict[str, int] = {}
        self._deadlocks: list[Deadlock] = []
        self._orders: dict[Order, None] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)

    # The two names that the code under test calls.

    def Lock(self) -> WatchedLock:  # noqa: N802
        """A watched plain lock."""
        return WatchedLock(self, self._name())

    def RLock(self) -> WatchedRLock:  # noqa: N802
        """A watched re-entrant lock."""
        return WatchedRLock(self, self._name())

    @property
    def deadlocks(self) -> tuple[Deadlock, ...]:
        """Every deadlock so far, in the order in which they were noticed."""
        with self._guard:
            return tuple(self._deadlocks)

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every different order in which locks were asked for, deadlock or not."""
        with self._guard:
            return tuple(self._orders)

    def thread_ended(self) -> None:
        """Say that the calling thread has ended: whoever waits for a lock that it still holds is unwound."""
        me = threading.current_thread()
        with self._guard:
            if self._held.get(me):
                self._ended.add(me)
                self._doom_behind({me})

    # -- what a lock asks; each under the guard, which is held for a few dict operations only

    def take(self, lock: WatchedLock, blocking: bool, timeout: float) -> bool:
        """Take a lock whose owner is not the caller. Raises Deadlocked where that would wait for ever."""
        me = threading.current_thread()
        deadline = None if timeout == FOREVER else time.monotonic() + timeout
        with self._guard:
            held = self._held.setdefault(me, [])
            frame = _asking() if held or self._log is not None else None
            if blocking and held and frame is not None:
                names = tuple(owned.name for owned in held)
                self._orders[Order(me.name, names, lock.name, frame.f_code.co_filename, frame.f_lineno)] = None
            endless = blocking and deadline is None
            if self._seize(lock, me):
                self._tell("acquire" if endless else "try", me, lock, frame)
                return True
            if not blocking:
                self._tell("failed", me, lock, frame)
                return False
            if endless and self._owners.get(lock) is me:
                self._tell("re-acquire", me, lock, frame)
            waiter = _Waiter(me, lock, endless)
            self._waiting[me] = waiter
            self._queues.setdefault(lock, []).append(waiter)
            if waiter.endless:
                self._look_for_deadlock(me)
        while True:
            rung = waiter.bell.acquire(timeout=FOREVER if deadline is None else max(0.0, deadline - time.monotonic()))
            with self._guard:
                taken = not waiter.doomed and self._seize(lock, me)
                if taken or waiter.doomed or not rung:
                    del self._waiting[me]
                    self._queues[lock].remove(waiter)
                if waiter.doomed:
                    self._tell("stuck", me, lock, frame)
                    raise Deadlocked(f"{me.name} waits for {lock.name} for ever")
                if taken or not rung:
                    self._tell(("acquire" if endless else "try") if taken else "failed", me, lock, frame)
                    return taken

    def give_back(self, lock: WatchedLock) -> None:
        """Free a lock, as any thread may do with a plain one, and wake who has waited for it longest.

        Raises RuntimeError when nobody holds it.
        """
        me = threading.current_thread()
        with self._guard:
            owner = self._owners.pop(lock, None)
            if owner is None:
                self._tell("free", me, lock, None)
                raise RuntimeError("release unlocked lock")
            self._tell("release" if owner is me else "foreign", me, lock, None)
            self._held[owner].remove(lock)
            lock.inner.release()
            queue = self._queues.get(lock)
            if queue:
                queue[0].ring()

    def owner(self, lock: WatchedLock) -> threading.Thread | None:
        """Who holds a lock. Certain only as long as it is the caller."""
        return self._owners.get(lock)

    def again(self, lock: WatchedLock, what: str) -> None:
        """Say that the caller, who holds a re-entrant lock, took it once more, or gave one of several back."""
        self._tell(what, threading.current_thread(), lock, None)

    def _tell(self, what: str, me: threading.Thread, lock: WatchedLock, frame: FrameType | None) -> None:
        if self._log is not None:
            self._log(what, me.name, lock, frame or _asking())

    def _seize(self, lock: WatchedLock, me: threading.Thread) -> bool:
        if (lock in self._lost and me not in self._doomed) or not lock.inner.acquire(blocking=False):
            return False
        self._owners[lock] = me
        self._held[me].append(lock)
        return True

    def _look_for_deadlock(self, me: threading.Thread) -> None:
        chain = [me]
        while True:
            owner = self._holder(self._waiting[chain[-1]].lock)
            if owner is None:
                return
            if owner in chain:
                cycle = chain[chain.index(owner) :]
                first = cycle.index(min(cycle, key=lambda thread: thread.name))
                waits = tuple(map(self._wait, [*cycle[first:], *cycle[:first]]))
                self._deadlocks.append(Deadlock(waits))
                self._doom(cycle)
                self._doom_behind(set(cycle))
                return
            if owner in self._doomed or owner in self._ended:
                self._doom_behind({owner})
                return
            wait = self._waiting.get(owner)
            if wait is None or not wait.endless:
                return
            chain.append(owner)

    def _doom_behind(self, stuck: set[threading.Thread]) -> None:
        """Unwind everyone who waits, without a limit of their own, for somebody who is stuck."""
        behind: list[threading.Thread] = []
        while True:
            found = [
                thread
                for thread, wait in self._waiting.items()
                if wait.endless and thread not in stuck and self._holder(wait.lock) in stuck
            ]
            if not found:
                break
            stuck.update(found)
            behind += [thread for thread in found if not self._waiting[thread].doomed]
        if behind:
            waits = tuple(map(self._wait, behind))
            if self._deadlocks:
                last = self._deadlocks[-1]
                self._deadlocks[-1] = last._replace(behind=(*last.behind, *waits))
            else:
                self._deadlocks.append(Deadlock((), waits))
            self._doom(behind)

    def _doom(self, threads: list[threading.Thread]) -> None:
        for thread in threads:
            self._doomed.add(thread)
            self._lost.update({lock: thread for lock in self._held[thread] if lock not in self._lost})
            self._waiting[thread].doomed = True
            self._waiting[thread].ring()

    def _holder(self, lock: WatchedLock) -> threading.Thread | None:
        return self._lost.get(lock) or self._owners.get(lock)

    def _wait(self, thread: threading.Thread) -> Wait:
        lock = self._waiting[thread].lock
        owner = self._holder(lock)
        holds = tuple(owned.name for owned in self._held[thread])
        return Wait(thread.name, holds, lock.name, "nobody" if owner is None else owner.name, owner in self._ended)

    def _name(self) -> str:
        """A lock is called by the line that made it, numbered where that line made more than one."""
        caller = sys._getframe(2)
        place = f"{os.path.basename(caller.f_code.co_filename)}:{caller.f_lineno}"
        with self._guard:
            number = self._places[place] = self._places.get(place, 0) + 1
        return f"{place}#{number}"


class WatchedLock:
    """A `threading.Lock` with a watch kept on it. `name` may be set to something that a reader knows it by."""

    def __init__(self, watch: Watch, name: str) -> None:
        self.name = name
        self.inner = threading.Lock()
        self._watch = watch

    def acquire(self, blocking: bool = True, timeout: float = FOREVER) -> bool:
        """As `threading.Lock.acquire`. Raises Deadlocked where that would wait for ever."""
        _check(blocking, timeout)
        return self._watch.take(self, blocking, timeout)

    def release(self) -> None:
        """As `threading.Lock.release`. Raises RuntimeError when it is not locked."""
        self._watch.give_back(self)

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self.inner.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{'locked' if self.locked() else 'unlocked'} watched lock {self.name}>"


class WatchedRLock(WatchedLock):
    """A `threading.RLock` with a watch kept on it."""

    def __init__(self, watch: Watch, name: str) -> None:
        super().__init__(watch, name)
        self._times = 0

    def acquire(self, blocking: bool = True, timeout: float = FOREVER) -> bool:
        """As `threading.RLock.acquire`. Raises Deadlocked where that would wait for ever."""
        _check(blocking, timeout)
        if self._is_owned():
            self._watch.again(self, "acquire" if blocking and timeout == FOREVER else "try")
        elif not self._watch.take(self, blocking, timeout):
            return False
        self._times += 1
        return True

    def release(self) -> None:
        """As `threading.RLock.release`. Raises RuntimeError when the caller does not hold it."""
        if not self._is_owned():
            self._watch.again(self, "free")
            raise RuntimeError("cannot release un-acquired lock")
        self._times -= 1
        if self._times:
            self._watch.again(self, "release")
        else:
            self._watch.give_back(self)

    # What threading.Condition asks of a re-entrant lock.

    def _is_owned(self) -> bool:
        return self._watch.owner(self) is threading.current_thread()

    def _release_save(self) -> int:
        times, self._times = self._times, 0
        self._watch.give_back(self)
        return times

    def _acquire_restore(self, times: int) -> None:
        self._watch.take(self, True, FOREVER)
        self._times = times


def name_locks(state: object) -> None:
    """Call each watched lock that can be reached from `state` by the way that leads to it; others keep their names.

    >>> watch = Watch()
    >>> state = {"a": [watch.Lock()]}
    >>> name_locks(state)
    >>> state["a"][0].name
    "state['a'][0]"
    """
    for name, thing in reach(state, (WatchedLock,)):
        if isinstance(thing, WatchedLock):
            thing.name = name


def _asking() -> FrameType | None:
    """The frame of the code under test that called us: not this file's, nor the standard library's `threading`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename in _BETWEEN:
        frame = frame.f_back
    return frame


_BETWEEN = (_asking.__code__.co_filename, threading.Condition.wait.__code__.co_filename)


def _check(blocking: bool, timeout: float) -> None:
    if not blocking and timeout != FOREVER:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0 and timeout != FOREVER:
        raise ValueError("timeout value must be a non-negative number")


@contextmanager
def watching(*namespaces: MutableMapping[str, Any], log: Log | None = None) -> Iterator[Watch]:
    """Let modules' own `threading` (and `Lock`, `RLock` taken from it) make watched locks; put all back afterwards.

    >>> import threading
    >>> module = {"threading": threading}
    >>> with watching(module) as watch:
    ...     with module["threading"].Lock():
    ...         print(type(module["threading"]).__name__)
    Watch
    >>> module["threading"] is threading, watch.deadlocks
    (True, ())
    """
    watch = Watch(log)
    stand_ins = {id(threading): watch, id(threading.Lock): watch.Lock, id(threading.RLock): watch.RLock}
    before = [
        (namespace, {name: value for name, value in namespace.items() if id(value) in stand_ins})
        for namespace in namespaces
    ]
    for namespace, mine in before:
        namespace.update({name: stand_ins[id(value)] for name, value in mine.items()})
    try:
        yield watch
    finally:
        for namespace, mine in before:
            namespace.update(mine)
