"""Locks and pauses that ask before they do anything, in the names of the modules under test.

While entered, `StandIns` stands where those modules have `threading`, `Lock`, `RLock`, `time` and `sleep`, and where
they have a lock at module level; afterwards all is put back. `threading` itself is never touched. A stand-in has a
real lock inside. A thread that is registered is asked about each operation (`Asked`); for any other thread, such as
the one that sets up the shared state, a stand-in is what it stands for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, MutableMapping, Sequence
from functools import partial
from threading import get_ident
from types import FunctionType
from typing import Any, Protocol

from simulator.errors import UsageError

__all__ = ["Asked", "StandInLock", "StandInRLock", "StandIns"]

FOREVER = -1

_LOCK = type(threading.Lock())
_RLOCK = type(threading.RLock())


class Asked(Protocol):
    """Who decides, in one thread, when its operations take effect."""

    def acquire(self, lock: StandInLock, blocking: bool, timeout: float) -> bool:
        """Take a lock, and say whether it was taken."""

    def release(self, lock: StandInLock) -> None:
        """Give a lock back."""

    def sleep(self, seconds: float) -> None:
        """Pause."""


class StandInLock:
    """A `threading.Lock` that asks. `name` may be set to what the model calls it; `holder` is the thread that has it."""

    def __init__(self, asked: dict[int, Asked], name: Hashable) -> None:
        self.name = name
        self.holder: str | None = None
        self.inner = self._make()
        self._asked = asked

    def _make(self) -> Any:
        return threading.Lock()

    def acquire(self, blocking: bool = True, timeout: float = FOREVER) -> bool:
        """As the real one."""
        if not blocking and timeout != FOREVER:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0 and timeout != FOREVER:
            raise ValueError("timeout value must be a non-negative number")
        asked = self._asked.get(get_ident())
        if asked is None:
            return bool(self.inner.acquire(blocking, timeout))
        return asked.acquire(self, blocking, timeout)

    def release(self) -> None:
        """As the real one."""
        asked = self._asked.get(get_ident())
        if asked is None:
            self.inner.release()
        else:
            asked.release(self)

    def take(self, thread: str, timeout: float = 0) -> bool:
        """Really take the lock within `timeout` seconds, in the calling thread, which is called `thread`."""
        taken = bool(self.inner.acquire(timeout=timeout) if timeout else self.inner.acquire(blocking=False))
        if taken:
            self.holder = thread
        return taken

    def give_back(self) -> None:
        """Really give the lock back. Raises RuntimeError as the real one does."""
        self.inner.release()
        self.holder = None

    def can_be_released(self) -> bool:
        """Whether a release by the calling thread would be none of Python's errors."""
        return bool(self.inner.locked())

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self.holder is not None or bool(self.inner.locked())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<lock {self.name}{f', held by {self.holder}' if self.holder is not None else ''}>"


class StandInRLock(StandInLock):
    """A `threading.RLock` that asks."""

    def _make(self) -> Any:
        return threading.RLock()

    def give_back(self) -> None:
        """Really give the lock back, once. Raises RuntimeError as the real one does."""
        self.inner.release()
        if not self.inner._is_owned():
            self.holder = None

    def can_be_released(self) -> bool:
        """Whether a release by the calling thread would be none of Python's errors."""
        return bool(self.inner._is_owned())

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self.holder is not None


class _Module:
    """A module with some of its names replaced."""

    def __init__(self, module: Any, replaced: dict[str, Any]) -> None:
        self.__dict__.update(replaced)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class StandIns:
    """While entered, makes the locks of these namespaces (`vars(module)` of each module under test) ask.

    `asked` says who is asked in which thread (by `threading.get_ident()`). Locks are called "lock 1", "lock 2"… in the
    order in which they are made, those at module level by their names there. Raises UsageError on entering when one of
    those is held.

    >>> module = {"threading": threading, "time": time}
    >>> with StandIns([module]):
    ...     module["threading"].Lock()
    <lock lock 1>
    >>> module["threading"] is threading
    True
    """

    def __init__(self, namespaces: Sequence[MutableMapping[str, Any]]) -> None:
        self.asked: dict[int, Asked] = {}
        self._namespaces = namespaces
        self._kept: list[Callable[[], None]] = []
        self._before: list[tuple[MutableMapping[str, Any], dict[str, Any]]] = []
        self._made = 0
        self._stand_ins: dict[int, StandInLock] = {}

    def __enter__(self) -> StandIns:
        stands_for = {
            id(threading): _Module(threading, {"Lock": self.lock, "RLock": self.rlock}),
            id(threading.Lock): self.lock,
            id(threading.RLock): self.rlock,
            id(time): _Module(time, {"sleep": self.sleep}),
            id(time.sleep): self.sleep,
        }
        try:
            for namespace in self._namespaces:
                replaced = {name: stands_for[id(value)] for name, value in namespace.items() if id(value) in stands_for}
                replaced |= {
                    name: self._stand_in(name, value)
                    for name, value in namespace.items()
                    if isinstance(value, (_LOCK, _RLOCK))
                }
                self._before.append((namespace, {name: namespace[name] for name in replaced}))
                namespace.update(replaced)
                for function in _functions(namespace):
                    self._stand_in_what_it_keeps(function, stands_for)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _stand_in_what_it_keeps(self, function: FunctionType, stands_for: Mapping[int, Any]) -> None:
        """What a function was given when it was defined: defaults, and what a dataclass makes its fields with."""
        defaults = function.__defaults__
        if any(id(each) in stands_for for each in defaults or ()):
            self._kept.append(partial(setattr, function, "__defaults__", defaults))
            function.__defaults__ = tuple(stands_for.get(id(each), each) for each in defaults or ())
        for cell in function.__closure__ or ():
            try:
                held = cell.cell_contents
            except ValueError:
                continue
            if id(held) in stands_for:
                self._kept.append(partial(setattr, cell, "cell_contents", held))
                cell.cell_contents = stands_for[id(held)]

    def __exit__(self, *_: object) -> None:
        while self._kept:
            self._kept.pop()()
        while self._before:
            namespace, before = self._before.pop()
            namespace.update(before)

    def lock(self) -> StandInLock:
        """What the code under test gets for `threading.Lock()`."""
        self._made += 1
        return StandInLock(self.asked, f"lock {self._made}")

    def rlock(self) -> StandInRLock:
        """What the code under test gets for `threading.RLock()`."""
        self._made += 1
        return StandInRLock(self.asked, f"lock {self._made}")

    def sleep(self, seconds: float) -> None:
        """What the code under test gets for `time.sleep`."""
        asked = self.asked.get(get_ident())
        if asked is None:
            time.sleep(seconds)
        else:
            asked.sleep(seconds)

    def _stand_in(self, name: str, lock: Any) -> StandInLock:
        """One stand-in for one lock, however many modules know it."""
        if id(lock) not in self._stand_ins:
            if "unlocked" not in repr(lock):
                raise UsageError(f"the lock {name!r} of the module is held before any thread runs; release it first")
            kind = StandInLock if isinstance(lock, _LOCK) else StandInRLock
            self._stand_ins[id(lock)] = kind(self.asked, name)
        return self._stand_ins[id(lock)]


def _functions(namespace: Mapping[str, Any]) -> Iterator[FunctionType]:
    """The functions of a module and the methods of its classes."""
    for value in tuple(namespace.values()):
        is_own = getattr(value, "__module__", None) == namespace.get("__name__")
        for each in tuple(vars(value).values()) if is_own and isinstance(value, type) else (value,):
            if isinstance(each, FunctionType):
                yield each
