"""The lock strategies that are shipped, from none at all to a readers-writer lock, and where to find one by name.

Each says in its docstring what it promises, and in `promise` the same in words that `scenarios.bank.compare` holds against
every interleaving. Some are wrong on purpose.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import ClassVar

from scenarios.bank.lock_strategy import Entering, LockStrategy, Steps, lock_of
from simulator.errors import UsageError, nearest
from simulator.ops import Acquire, Pause, Release

__all__ = ["LockStrategy", "Steps", "lock_of", "named", "names"]


class NoLocks(LockStrategy):
    """No locks: nobody waits, so everything ends, and updates get lost and money with them."""

    name = "none"
    promise = "no deadlock, no livelock"

    def locks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        return ()

    def enter(self, *accounts: int) -> Steps:
        yield from ()

    def leave(self, *accounts: int) -> Steps:
        yield from ()


class FromThenTo(LockStrategy):
    """The article's unsafe one: the source's lock, then the target's. No lost update; opposite transfers can deadlock."""

    name = "from-then-to"
    promise = "no lost update, no livelock, serial, true audits"

    def enter(self, *accounts: int) -> Steps:
        return self.in_turn(*accounts)

    def leave(self, *accounts: int) -> Steps:
        return self.give_back(*accounts)


class Ordered(LockStrategy):
    """The article's safe one: always the account with the smaller id first, so that no cycle of waiting can close."""

    name = "ordered"
    promise = "no lost update, no deadlock, no livelock, serial, true audits"

    def enter(self, *accounts: int) -> Steps:
        return self.in_turn(*sorted(accounts))

    def leave(self, *accounts: int) -> Steps:
        return self.give_back(*sorted(accounts))


class WrongKey(LockStrategy):
    """Ordered by a key that is not unique, here the account's hash bucket, with ties left as they come.

    Java Concurrency in Practice (2006, 10.1.2) orders by `identityHashCode` and takes a third lock for ties; this is that
    without the third lock. Accounts of different buckets never deadlock, which is why tests on accounts 1 and 2 pass; 1 and
    3 in opposite directions do.
    """

    name = "wrong-key"
    promise = "no lost update, no livelock, serial, true audits"
    buckets: ClassVar[int] = 2

    def order(self, accounts: tuple[int, ...]) -> tuple[int, ...]:
        """The accounts by bucket; those of one bucket in the order in which they are needed."""
        return tuple(sorted(accounts, key=lambda account: account % self.buckets))

    def enter(self, *accounts: int) -> Steps:
        return self.in_turn(*self.order(accounts))

    def leave(self, *accounts: int) -> Steps:
        return self.give_back(*self.order(accounts))


class Global(LockStrategy):
    """One lock for the whole bank: nothing goes wrong, and no two transfers are made at once."""

    name = "global"
    promise = "no lost update, no deadlock, no livelock, serial, true audits"

    def locks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        return ("bank",)

    def enter(self, *accounts: int) -> Steps:
        yield Acquire("bank")

    def leave(self, *accounts: int) -> Steps:
        yield Release("bank")


class TryLock(LockStrategy):
    """The source's lock, then only try the target's; if it is taken, give the first one back and begin again.

    No lost update and no deadlock, but nothing says that it ends: two transfers can keep getting out of each other's way, a
    livelock that no fairness of the scheduler prevents. In practice random pauses do, most likely.
    """

    name = "try-lock"
    promise = "no lost update, no deadlock, serial, true audits"

    def enter(self, *accounts: int) -> Steps:
        while True:
            if (yield from self.first_then_try(*accounts)):
                return
            yield Pause(self.pause)

    def leave(self, *accounts: int) -> Steps:
        return self.give_back(*accounts)


class Timeout(LockStrategy):
    """The source's lock, then the target's if it comes free in time; if not, give the first one back and the transfer up.

    As `lock.acquire(timeout=…)`. Time is virtual in the model, so the wait is one try: the lock is free or it is not. Always
    ends and loses no update, but a transfer may not be made: somebody has to see to that.
    """

    name = "timeout"
    promise = "no lost update, no deadlock, no livelock, true audits"

    def enter(self, *accounts: int) -> Entering:
        return self.first_then_try(*accounts)

    def leave(self, *accounts: int) -> Steps:
        return self.give_back(*accounts)


class ReadersWriter(LockStrategy):
    """A readers–writer lock for each account, taken in the order of their ids: audits exclude transfers, not each other.

    Built as Linux's old brlock ("big reader lock"): each thread has a lock of its own for each account. Who reads takes its
    own; who writes takes those of all threads, in thread order. Two writers meet at the first thread's lock, so that neither
    can hold half of them.
    """

    name = "readers-writer"
    promise = "no lost update, no deadlock, no livelock, serial, true audits"
    per_thread = True

    def locks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        return tuple(self.part(account, thread) for account in accounts for thread in range(self.threads))

    def part(self, account: int, thread: int) -> Hashable:
        """The lock of one thread for one account."""
        return ("lock", account, thread)

    def enter(self, *accounts: int) -> Steps:
        for place, account in enumerate(sorted(accounts)):
            if place:
                yield Pause(self.pause)
            for thread in range(self.threads):
                yield Acquire(self.part(account, thread))

    def leave(self, *accounts: int) -> Steps:
        for account in sorted(accounts, reverse=True):
            for thread in reversed(range(self.threads)):
                yield Release(self.part(account, thread))

    def enter_shared(self, *accounts: int) -> Steps:
        for place, account in enumerate(sorted(accounts)):
            if place:
                yield Pause(self.pause)
            yield Acquire(self.part(account, self.thread))

    def leave_shared(self, *accounts: int) -> Steps:
        for account in sorted(accounts, reverse=True):
            yield Release(self.part(account, self.thread))


class TwoPhase(ReadersWriter):
    """Two-phase locking: shared locks to look at the funds, exclusive ones for the writes, all kept till the end.

    Everything is in one order, and still two transfers that have both looked wait for each other: each wants to exclude the
    other's shared lock, and neither gives up its own. Databases know this upgrade deadlock and have update locks for it.
    """

    name = "two-phase"
    promise = "no lost update, no livelock, serial, true audits"

    def enter(self, *accounts: int) -> Steps:
        return self.enter_shared(*accounts)

    def leave(self, *accounts: int) -> Steps:
        return self.leave_shared(*accounts)

    def upgrade(self, *accounts: int) -> Steps:
        for account in sorted(accounts):
            for thread in range(self.threads):
                if thread != self.thread:
                    yield Acquire(self.part(account, thread))

    def downgrade(self, *accounts: int) -> Steps:
        for account in sorted(accounts, reverse=True):
            for thread in reversed(range(self.threads)):
                if thread != self.thread:
                    yield Release(self.part(account, thread))


class Reentrant(Ordered):
    """Re-entrant locks in the order of the ids, taken once more inside by each change of a balance.

    So a withdrawal is safe by itself and inside a transfer. With plain locks it would wait for itself.
    """

    name = "re-entrant"

    def locks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        return ()

    def rlocks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        return super().locks(accounts)

    def enter_one(self, account: int) -> Steps:
        yield Acquire(lock_of(account))

    def leave_one(self, account: int) -> Steps:
        yield Release(lock_of(account))


class Striped(LockStrategy):
    """Few locks for many accounts, the account's number modulo how many; in the order of the stripes, each one once.

    Once, for two accounts of one stripe have the same lock, and a plain lock taken twice waits for itself.
    """

    name = "striped"
    promise = "no lost update, no deadlock, no livelock, serial, true audits"
    stripes: ClassVar[int] = 2

    def locks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        return tuple(("stripe", number) for number in range(self.stripes))

    def stripes_of(self, accounts: tuple[int, ...]) -> tuple[int, ...]:
        """The stripes of accounts, in order."""
        return tuple(sorted({account % self.stripes for account in accounts}))

    def enter(self, *accounts: int) -> Steps:
        for place, stripe in enumerate(self.stripes_of(accounts)):
            if place:
                yield Pause(self.pause)
            yield Acquire(("stripe", stripe))

    def leave(self, *accounts: int) -> Steps:
        for stripe in reversed(self.stripes_of(accounts)):
            yield Release(("stripe", stripe))


_SHIPPED: tuple[type[LockStrategy], ...] = (
    NoLocks,
    FromThenTo,
    Ordered,
    WrongKey,
    Global,
    TryLock,
    Timeout,
    TwoPhase,
    ReadersWriter,
    Reentrant,
    Striped,
)


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
