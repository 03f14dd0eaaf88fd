"""What a lock strategy is: it turns "these accounts are needed" into operations on locks.

It knows neither balances nor schedules. A transfer asks it in this order; an audit, which only reads, for the shared form:

    enter(source, target)                 before the funds are looked at
        upgrade(source, target)           between that look and the writes
            enter_one(account) … leave_one(account)       around each change of one balance
        downgrade(source, target)
    leave(source, target)

`enter` and `upgrade` may answer False: they gave up and hold nothing that they took, and the transfer is not made. To write a
strategy, derive from `LockStrategy`, say `enter` and `leave`, and pass the class, or on the command line
`path/to/file.py:Class`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Generator, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from simulator.errors import UsageError
from simulator.ops import Acquire, Operation, Pause, Release, TryAcquire

__all__ = ["Entering", "LockStrategy", "Steps", "lock_of", "locks_of", "made"]

Steps = Generator[Operation, Any, None]
Entering = Generator[Operation, Any, bool | None]
"""Steps that answer False when they gave up."""


def lock_of(account: int) -> Hashable:
    """The name of an account's own lock."""
    return ("lock", account)


@dataclass(frozen=True)
class LockStrategy:
    """What a thread does about locks. `pause` is the time in seconds that it spends between two of them.

    Frozen, and each thread has its own: what a strategy has to remember between `enter` and `leave` is best worked out again
    from the accounts. One that has to know which thread it is in sets `per_thread`: then `thread` is its number (from 0) out
    of `threads`.

    `promise` says what holds under this strategy whatever the transfers, as words with commas: see `scenarios.bank.compare`.
    """

    pause: float = 0.5
    thread: int = 0
    threads: int = 1

    name: ClassVar[str]
    promise: ClassVar[str]
    per_thread: ClassVar[bool] = False

    def locks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        """All the plain locks that there are: one for each account, unless said otherwise."""
        return tuple(lock_of(account) for account in accounts)

    def rlocks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        """All the re-entrant locks that there are: none, unless said otherwise."""
        return ()

    def enter(self, *accounts: int) -> Entering:
        """Take what is needed to change these accounts, given in the order in which the thread needs them."""
        raise NotImplementedError("has to say how to enter: define enter(self, *accounts)")

    def leave(self, *accounts: int) -> Steps:
        """Give it back."""
        raise NotImplementedError("has to say how to leave: define leave(self, *accounts)")

    def enter_shared(self, *accounts: int) -> Entering:
        """Take what is needed to read these accounts: as to change them, unless said otherwise."""
        return self.enter(*accounts)

    def leave_shared(self, *accounts: int) -> Steps:
        """Give it back."""
        return self.leave(*accounts)

    def upgrade(self, *accounts: int) -> Entering:
        """Take what is missing to change what was only looked at: nothing, unless said otherwise."""
        yield from ()
        return True

    def downgrade(self, *accounts: int) -> Steps:
        """Give back what `upgrade` took."""
        yield from ()

    def enter_one(self, account: int) -> Steps:
        """Take what changing one balance needs besides: nothing, unless said otherwise."""
        yield from ()

    def leave_one(self, account: int) -> Steps:
        """Give it back."""
        yield from ()

    # -- ways of taking locks that several strategies share

    def in_turn(self, *accounts: int) -> Steps:
        """Take the locks of accounts, one after another in the order given, with the pause in between."""
        for place, account in enumerate(accounts):
            if place:
                yield Pause(self.pause)
            yield Acquire(lock_of(account))

    def both(self, first: int, second: int) -> Steps:
        """Take the locks of two accounts, the first one first, with the pause between them."""
        return self.in_turn(first, second)

    def first_then_try(self, *accounts: int) -> Entering:
        """Wait for the first account's lock, only try the others'; if one is taken, give all back and answer False."""
        yield Acquire(lock_of(accounts[0]))
        yield Pause(self.pause)
        for place, account in enumerate(accounts[1:], start=1):
            if not (yield TryAcquire(lock_of(account))):
                yield from self.give_back(*accounts[:place])
                return False
        return True

    def give_back(self, *accounts: int) -> Steps:
        """Give back the locks of accounts, the last one first."""
        for account in reversed(accounts):
            yield Release(lock_of(account))


def made(
    strategy: type[LockStrategy], pause: float, thread: int, threads: int, accounts: tuple[int, ...], *, shared: bool
) -> LockStrategy:
    """A strategy as one thread has it, once it is known that its methods can be asked for these accounts.

    Raises UsageError, with the class's file and line, for a method that is missing, does not take so many accounts or yields
    nothing that could be a step. No step is taken for that.
    """
    numbers = {"thread": thread, "threads": threads} if strategy.per_thread else {}
    try:
        one = strategy(pause=pause, **numbers)
    except Exception as error:
        given = " and ".join(["pause", *numbers])
        raise UsageError(f"{_named(strategy)} cannot be made with {given}: {_raised(error)}") from error
    changing = ("enter", "leave", "upgrade", "downgrade", "enter_one", "leave_one")
    for method in ("enter_shared", "leave_shared") if shared else changing:
        needed = accounts[:1] if method.endswith("_one") else accounts
        try:
            steps = getattr(one, method)(*needed)
        except NotImplementedError as error:
            raise UsageError(f"{_named(strategy)} {error}") from None
        except Exception as error:
            raise UsageError(
                f"{_named(strategy)} cannot {method} for {len(needed)} accounts: {_raised(error)}"
            ) from error
        if not inspect.isgenerator(steps):
            raise UsageError(
                f"{_named(strategy)}: {method} returned {steps!r}, expected a generator of operations; to do nothing, "
                "write 'yield from ()'"
            )
        steps.close()
    return one


def locks_of(one: LockStrategy, accounts: tuple[int, ...]) -> dict[str, tuple[Hashable, ...]]:
    """The names of a strategy's plain and re-entrant locks, as a Program takes them. Raises UsageError as `made` does."""
    found = {}
    for method in ("locks", "rlocks"):
        try:
            found[method] = tuple(getattr(one, method)(accounts))
            hash(found[method])
        except Exception as error:
            raise UsageError(
                f"{_named(type(one))} cannot name its locks: {method}(accounts) has to return names that can be hashed: "
                f"{_raised(error)}"
            ) from error
    return found


def _raised(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _named(strategy: type[LockStrategy]) -> str:
    """`file:line: lock strategy Class`, or without the place where Python does not know it."""
    try:
        place = f"{os.path.basename(inspect.getsourcefile(strategy) or '')}:{inspect.getsourcelines(strategy)[1]}: "
    except (OSError, TypeError):
        place = ""
    return f"{place}lock strategy {strategy.__name__}"
