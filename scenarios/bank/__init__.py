"""The article's bank: transfers between accounts at the same time, and audits if asked for, under a lock strategy."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from scenarios import plain_bank
from scenarios.bank.lock_strategy import Entering, LockStrategy, Steps, lock_of, locks_of, made
from scenarios.bank.strategies import named, names
from simulator.errors import UsageError
from simulator.ops import Add, Check, Operation, Read, Write
from simulator.program import Body, Program
from simulator.scenario import Plain, Range, scenario

__all__ = ["Entering", "LockStrategy", "Steps", "audit", "bank", "bank_program", "lock_of", "transfer", "workload"]

Transfer = tuple[int, int, int]
"""Source account, target account, amount."""

ARTICLE = "1-2:500,2-1:300"
_TRANSFER = re.compile(r"\s*(\d+)\s*(?:->|-|→)\s*(\d+)\s*:\s*(\d+)\s*")


def transfer(locks: LockStrategy, source: int, target: int, amount: int, check: bool) -> Steps:
    """One transfer: take locks, move the money if there is enough (and if that is checked), give the locks back."""
    locks = replace(locks)  # A strategy that keeps state after all keeps it for this run of the thread alone.
    if (yield from locks.enter(source, target)) is False:
        return
    enough = not check or (yield Read(("balance", source))) >= amount
    if enough and (yield from locks.upgrade(source, target)) is not False:
        yield from _change(locks, source, -amount)
        yield from _change(locks, target, amount)
        yield from locks.downgrade(source, target)
    yield from locks.leave(source, target)


def _change(locks: LockStrategy, account: int, amount: int) -> Steps:
    """A withdrawal or a deposit."""
    yield from locks.enter_one(account)
    balance = yield Read(("balance", account))
    balance = yield Add(balance, amount)
    yield Write(("balance", account), balance)
    yield from locks.leave_one(account)


def audit(locks: LockStrategy, accounts: tuple[int, ...], total: int) -> Generator[Operation | Check, Any, None]:
    """One audit: read all balances under shared locks, and check that they are all the money there is."""
    locks = replace(locks)
    if (yield from locks.enter_shared(*accounts)) is False:
        return
    seen = 0
    for account in accounts:
        seen += yield Read(("balance", account))
    yield from locks.leave_shared(*accounts)
    yield Check(seen == total, f"the audit counts {seen}, and there is {total}")


def bank_program(
    balances: dict[int, int],
    transfers: tuple[Transfer, ...],
    strategy: type[LockStrategy],
    *,
    audits: int = 0,
    funds_check: bool = True,
    pause: float = 0.5,
) -> Program:
    """A bank as a program: a thread for each transfer, `t0`, `t1`, … in their order, and for each audit, `audit0`, ….

    Raises UsageError, with its file and line, for a strategy that lacks a method or cannot be used with these accounts.
    """
    total = sum(balances.values())
    accounts = tuple(balances)
    threads = len(transfers) + audits
    if audits < 0:
        raise UsageError(f"audits is {audits}, expected at least 0")
    if not threads:
        raise UsageError("a bank needs a transfer or an audit: there is no thread")

    def conserved(memory: Any) -> bool:
        return bool(sum(memory.values()) == total)

    def no_negative(memory: Any) -> bool:
        return all(balance >= 0 for balance in memory.values())

    bodies: dict[str, Body] = {}
    for number, (source, target, amount) in enumerate(transfers):
        locks = made(strategy, pause, number, threads, (source, target), shared=False)
        bodies[f"t{number}"] = partial(transfer, locks, source, target, amount, funds_check)
    for number in range(audits):
        locks = made(strategy, pause, len(transfers) + number, threads, accounts, shared=True)
        bodies[f"audit{number}"] = partial(audit, locks, accounts, total)
    names = locks_of(locks, accounts)
    return Program(
        bodies,
        memory={("balance", account): balance for account, balance in balances.items()},
        locks=names["locks"],
        rlocks=names["rlocks"],
        finally_={"money is conserved": conserved},
        always={"no negative balance": no_negative} if funds_check else {},
        name="bank",
    )


@scenario(summary="Transfers between bank accounts under a lock strategy.")
def bank(
    strategy: Annotated[str, f"how locks are taken: {', '.join(names())}, or path/to/file.py:Class"] = "from-then-to",
    accounts: Annotated[int, Range(2, 64), "how many accounts"] = 2,
    balances: Annotated[str, "what each account holds: one number for all, or one for each, with commas"] = "1000",
    transfers: Annotated[str, "who pays whom how much, one thread for each"] = ARTICLE,
    ring: Annotated[
        int, Range(0, 64), "instead: a ring of this many accounts, each pays the next 500 (0: no ring)"
    ] = 0,
    funds_check: Annotated[bool, "move money only if the source has it"] = True,
    pause: Annotated[float, Range(0, 60), "seconds between two locks (virtual in the model)"] = 0.5,
    audits: Annotated[int, Range(0, 8), "threads that add all balances up meanwhile"] = 0,
) -> Program:
    """Transfers run at the same time, each in its own thread, and take the accounts' locks by a strategy.

    Money has to be conserved, and with the funds check no balance may ever be negative. An audit has to see all the money.
    """
    return bank_program(
        *workload(accounts, balances, transfers, ring),
        named(strategy),
        audits=audits,
        funds_check=funds_check,
        pause=pause,
    )


@bank.as_plain
def _plain(
    strategy: str, accounts: int, balances: str, transfers: str, ring: int, funds_check: bool, pause: float, audits: int
) -> Plain | None:
    if strategy not in plain_bank.STRATEGIES or not funds_check or audits:
        return None
    held, moves = workload(accounts, balances, transfers, ring)
    return plain_bank.plain(
        accounts=tuple(held.items()), transfers=moves, strategy=strategy, pause=min(pause, REAL_PAUSE)
    )


REAL_PAUSE = 0.002
"""Real runs wait at most this many seconds between two locks, not the article's half second: long enough for the other
thread to take its first lock, short enough for hundreds of runs."""


def workload(
    accounts: int = 2, balances: str = "1000", transfers: str = ARTICLE, ring: int = 0
) -> tuple[dict[int, int], tuple[Transfer, ...]]:
    """What each account holds and what is transferred, from parameters as they are typed. Raises UsageError.

    >>> workload(transfers="1-2:5", balances="10,20")
    ({1: 10, 2: 20}, ((1, 2, 5),))
    """
    if ring:
        if transfers != ARTICLE or accounts != 2:
            raise UsageError("ring makes its own accounts and transfers; leave accounts and transfers out")
        if ring < 2:
            raise UsageError(f"ring is {ring}, expected 0 for none, or at least 2 accounts")
        accounts = ring
        moves: tuple[Transfer, ...] = tuple((n, n % ring + 1, 500) for n in range(1, ring + 1))
    else:
        moves = tuple(_transfer(text, accounts) for text in transfers.split(","))
    try:
        numbers = [int(text) for text in balances.split(",")]
    except ValueError:
        raise UsageError(f"balances is {balances!r}, expected one whole number, or one for each account") from None
    if len(numbers) == 1:
        numbers *= accounts
    if len(numbers) != accounts:
        raise UsageError(f"balances has {len(numbers)} numbers for {accounts} accounts; give one, or one for each")
    return dict(enumerate(numbers, start=1)), moves


def _transfer(text: str, accounts: int) -> Transfer:
    match = _TRANSFER.fullmatch(text)
    if match is None:
        raise UsageError(f"transfer {text!r} cannot be read; write SOURCE-TARGET:AMOUNT, such as 1-2:500")
    source, target, amount = map(int, match.groups())
    for account in (source, target):
        if not 1 <= account <= accounts:
            raise UsageError(f"transfer {text!r} names account {account}; there are accounts 1 to {accounts}")
    if source == target:
        raise UsageError(f"transfer {text!r} goes from an account to itself")
    return source, target, amount
