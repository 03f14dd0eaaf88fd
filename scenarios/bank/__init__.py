"""The article's bank: transfers between accounts at the same time, under a lock strategy."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any

from scenarios import plain_bank
from scenarios.bank.strategies import LockStrategy, Steps, lock_of, named, names
from simulator.errors import UsageError
from simulator.ops import Add, Read, Write
from simulator.program import Program
from simulator.scenario import Plain, Range, scenario

__all__ = ["LockStrategy", "Steps", "bank", "bank_program", "lock_of", "transfer"]

Transfer = tuple[int, int, int]
"""Source account, target account, amount."""

ARTICLE = "1-2:500,2-1:300"
_TRANSFER = re.compile(r"\s*(\d+)\s*(?:->|-|→)\s*(\d+)\s*:\s*(\d+)\s*")


def transfer(strategy: type[LockStrategy], pause: float, source: int, target: int, amount: int, check: bool) -> Steps:
    """One transfer: take locks, move the money if there is enough (and if that is checked), give the locks back."""
    locks = strategy(pause)
    yield from locks.enter(source, target)
    if not check or (yield Read(("balance", source))) >= amount:
        balance = yield Read(("balance", source))
        balance = yield Add(balance, -amount)
        yield Write(("balance", source), balance)
        balance = yield Read(("balance", target))
        balance = yield Add(balance, amount)
        yield Write(("balance", target), balance)
    yield from locks.leave(source, target)


def bank_program(
    balances: dict[int, int],
    transfers: tuple[Transfer, ...],
    strategy: type[LockStrategy],
    *,
    funds_check: bool = True,
    pause: float = 0.5,
) -> Program:
    """A bank as a program: one thread for each transfer, `t0`, `t1`, … in their order."""
    total = sum(balances.values())

    def conserved(memory: Any) -> bool:
        return bool(sum(memory.values()) == total)

    def no_negative(memory: Any) -> bool:
        return all(balance >= 0 for balance in memory.values())

    return Program(
        {
            f"t{number}": partial(transfer, strategy, pause, source, target, amount, funds_check)
            for number, (source, target, amount) in enumerate(transfers)
        },
        memory={("balance", account): balance for account, balance in balances.items()},
        locks=strategy(pause).locks(balances),
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
) -> Program:
    """Transfers run at the same time, each in its own thread, and take the accounts' locks by a strategy.

    Money has to be conserved, and with the funds check no balance may ever be negative.
    """
    return bank_program(
        *_workload(accounts, balances, transfers, ring), named(strategy), funds_check=funds_check, pause=pause
    )


@bank.as_plain
def _plain(
    strategy: str, accounts: int, balances: str, transfers: str, ring: int, funds_check: bool, pause: float
) -> Plain | None:
    if strategy not in names() or not funds_check:
        return None
    held, moves = _workload(accounts, balances, transfers, ring)
    return plain_bank.plain(
        accounts=tuple(held.items()), transfers=moves, strategy=strategy, pause=min(pause, REAL_PAUSE)
    )


REAL_PAUSE = 0.002
"""Real runs wait at most this many seconds between two locks, not the article's half second: long enough for the other
thread to take its first lock, short enough for hundreds of runs."""


def _workload(accounts: int, balances: str, transfers: str, ring: int) -> tuple[dict[int, int], tuple[Transfer, ...]]:
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
