"""Lock strategies: ways of taking the locks of the two accounts that a transfer needs.

A strategy is a small class: which locks there are, what to do before the money moves and what after. To add one, derive
from `LockStrategy`, give it a name, and pass the class (or on the command line `path/to/file.py:Class`) as the
strategy.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from simulator.errors import UsageError, nearest
from simulator.ops import Acquire, Operation, Pause, Release, TryAcquire

__all__ = ["LockStrategy", "Steps", "lock_of", "named", "names"]

Steps = Generator[Operation, Any, None]


def lock_of(account: int) -> Hashable:
    """The name of an account's own lock."""
    return ("lock", account)


@dataclass(frozen=True)
class LockStrategy:
    """What a transfer does about locks. `pause` is the time in seconds that it spends between two locks.

    Frozen, so that the simulator can tell when two transfers stand at the same place: keep state out of a strategy.
    """

    pause: float = 0.5

    name: ClassVar[str]
    promise: ClassVar[str]

    def locks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        """All the locks that there are: one for each account, unless said otherwise."""
        return tuple(lock_of(account) for account in accounts)

    def enter(self, source: int, target: int) -> Steps:
        """Take what is needed before money moves between two accounts."""
        raise NotImplementedError(f"lock strategy {type(self).__name__} has to say how to enter")

    def leave(self, source: int, target: int) -> Steps:
        """Give it back."""
        raise NotImplementedError(f"lock strategy {type(self).__name__} has to say how to leave")

    def both(self, first: int, second: int) -> Steps:
        """Take the locks of two accounts, the first one first, with the pause between them."""
        yield Acquire(lock_of(first))
        yield Pause(self.pause)
        yield Acquire(lock_of(second))


class NoLocks(LockStrategy):
    """Promises nothing: updates get lost and money with them."""

    name = "none"
    promise = "nothing"

    def locks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        return ()

    def enter(self, source: int, target: int) -> Steps:
        yield from ()

    def leave(self, source: int, target: int) -> Steps:
        yield from ()


class FromThenTo(LockStrategy):
    """The article's unsafe one: the source's lock, then the target's. No lost update; opposite transfers can deadlock."""

    name = "from-then-to"
    promise = "no lost update"

    def enter(self, source: int, target: int) -> Steps:
        yield from self.both(source, target)

    def leave(self, source: int, target: int) -> Steps:
        yield Release(lock_of(target))
        yield Release(lock_of(source))


class Ordered(LockStrategy):
    """The article's safe one: always the account with the smaller id first. No lost update, no deadlock."""

    name = "ordered"
    promise = "no lost update, no deadlock"

    def enter(self, source: int, target: int) -> Steps:
        yield from self.both(min(source, target), max(source, target))

    def leave(self, source: int, target: int) -> Steps:
        yield Release(lock_of(max(source, target)))
        yield Release(lock_of(min(source, target)))


class Global(LockStrategy):
    """One lock for the whole bank. No lost update, no deadlock, no two transfers at once."""

    name = "global"
    promise = "no lost update, no deadlock"

    def locks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        return ("bank",)

    def enter(self, source: int, target: int) -> Steps:
        yield Acquire("bank")

    def leave(self, source: int, target: int) -> Steps:
        yield Release("bank")


class TryLock(LockStrategy):
    """The source's lock, then only try the target's; if it is taken, give the first one back and begin again.

    No lost update and no deadlock, but nothing says that it ends: two transfers can keep getting out of each other's
    way.
    """

    name = "try-lock"
    promise = "no lost update, no deadlock"

    def enter(self, source: int, target: int) -> Steps:
        while True:
            yield Acquire(lock_of(source))
            yield Pause(self.pause)
            if (yield TryAcquire(lock_of(target))):
                return
            yield Release(lock_of(source))
            yield Pause(self.pause)

    def leave(self, source: int, target: int) -> Steps:
        yield Release(lock_of(target))
        yield Release(lock_of(source))


_SHIPPED: tuple[type[LockStrategy], ...] = (NoLocks, FromThenTo, Ordered, Global, TryLock)


def names() -> tuple[str, ...]:
    """The names of the strategies that are shipped."""
    return tuple(strategy.name for strategy in _SHIPPED)


def named(name: str) -> type[LockStrategy]:
    """The strategy of that name, or the class that `module:Class` or `path/to/file.py:Class` refers to. Raises UsageError."""
    for strategy in _SHIPPED:
        if strategy.name == name:
            return strategy
    if ":" not in name:
        raise UsageError(f"there is no lock strategy {name!r}{nearest(name, names())}")
    from simulator.loading import find, say

    found = find(name)
    if not (isinstance(found, type) and issubclass(found, LockStrategy)):
        raise UsageError(f"{name} is {say(found)}, expected a class derived from scenarios.bank.LockStrategy")
    return found
