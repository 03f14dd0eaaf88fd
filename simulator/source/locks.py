"""What locks do: `acquire`, `release`, `with lock`."""

from __future__ import annotations

import _thread
import threading
from typing import Any

from simulator.ops import Acquire, Release, TryAcquire
from simulator.source.kinds import is_hashable
from simulator.source.loops import Loops
from simulator.source.running import Steps
from simulator.source.shared import Ref

__all__ = ["Locks", "makes_lock"]

_LOCKS: dict[Any, str] = {
    threading.Lock: "lock", _thread.allocate_lock: "lock", threading.RLock: "rlock", _thread.RLock: "rlock",
}  # fmt: skip


class Locks(Loops):
    """A shared lock's methods as operations."""

    def new_lock(self, function: Any) -> Ref:
        """A lock that the thread makes."""
        kind = _LOCKS[function]
        type_ = type(function())
        return self.shared.new(self.new_name(self.shared.class_name(type_)), kind, type_)

    def lock_method(
        self, site: int | None, lock: Ref, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Steps:
        """A method of a lock."""
        if name in ("acquire", "acquire_lock"):
            blocking, timeout = _acquire_arguments(*arguments, **keywords)
            result = yield from self.acquire(lock, blocking and timeout < 0)
        elif name in ("release", "release_lock"):
            result = yield from self.release(lock)
        elif name == "__enter__":
            result = yield from self.acquire(lock, True)
        elif name == "__exit__":
            result = yield from self.release(lock)
        elif name in ("locked", "locked_lock"):
            raise self.wrong(f"asks whether {lock!r} is locked, which cannot be followed; try to take it instead", site)
        else:
            raise AttributeError(f"{lock.type.__qualname__!r} object has no attribute {name!r}")
        return result

    def acquire(self, lock: Ref, blocking: bool) -> Steps:
        """Take a lock. A wait with a time limit is a try: the limit may run out at any moment that the lock is not free."""
        self.shared.uses(lock)
        yield from self.hold()
        self.is_at(None)
        if not blocking:
            return (yield TryAcquire(lock.name))
        if self.code.granularity.has_gil:
            # The interpreter tries first; only a thread that has to wait gives the GIL back.
            got = yield TryAcquire(lock.name)
            if got:
                return True
            yield from self.let_go()
            self.is_at(None)
        yield Acquire(lock.name)
        return True

    def release(self, lock: Ref) -> Steps:
        """Give a lock back."""
        self.shared.uses(lock)
        yield from self.hold()
        self.is_at(None)
        try:
            yield Release(lock.name)
        except RuntimeError:
            # It was free, or another thread holds it, and may have its lock given back where it is a plain one.
            if lock.kind == "rlock":
                raise RuntimeError("cannot release un-acquired lock") from None
            if not (yield TryAcquire(lock.name)):
                raise self.wrong(
                    f"gives back {lock!r}, which another thread holds: locks that one thread takes and another gives back "
                    "cannot be followed",
                    None,
                ) from None
            yield Release(lock.name)
            raise RuntimeError("release unlocked lock") from None


def makes_lock(function: Any) -> bool:
    """Whether calling a function makes a lock that the model knows."""
    return is_hashable(function) and function in _LOCKS


def _acquire_arguments(blocking: bool = True, timeout: float = -1) -> tuple[bool, float]:
    # A lock of nobody's says in Python's words what is wrong with them.
    threading.Lock().acquire(blocking, timeout)
    return bool(blocking), timeout
