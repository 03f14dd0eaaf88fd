"""Money transfers between accounts: ordinary Python, with five ways of taking the accounts' locks.

This is how one would write it without knowing of the simulator: it imports `threading` and nothing of ours but the
description at the end that says how to start the threads and where to look afterwards. `from_then_to` can deadlock;
the pause between its two locks stands for the work that makes it likely.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Hashable
from functools import partial

from simulator.errors import UsageError, nearest
from simulator.scenario import Plain

__all__ = ["STRATEGIES", "Bank", "BankAccount", "plain"]


class BankAccount:
    """An account with its own lock."""

    def __init__(self, number: int, balance: int) -> None:
        self.id = number
        self.balance = balance
        self.lock = threading.Lock()


class Bank:
    """All accounts by id, and one lock for the strategy that has only one."""

    def __init__(self, accounts: tuple[tuple[int, int], ...]) -> None:
        self.accounts = {number: BankAccount(number, balance) for number, balance in accounts}
        self.lock = threading.Lock()


def move(source: BankAccount, target: BankAccount, amount: int) -> None:
    """Move the money if there is enough of it. Whoever calls this without holding locks can lose updates."""
    if source.balance >= amount:
        source.balance -= amount
        target.balance += amount


def from_then_to(source: BankAccount, target: BankAccount, amount: int, pause: float) -> None:
    """The source's lock, then the target's. Two transfers in opposite directions can deadlock."""
    with source.lock:
        time.sleep(pause)
        with target.lock:
            move(source, target, amount)


def ordered_by_id(source: BankAccount, target: BankAccount, amount: int, pause: float) -> None:
    """The lock of the account with the smaller id first, whatever the direction."""
    first, second = sorted((source, target), key=lambda account: account.id)
    with first.lock:
        time.sleep(pause)
        with second.lock:
            move(source, target, amount)


def one_global_lock(bank: Bank, source: BankAccount, target: BankAccount, amount: int) -> None:
    """One lock for the whole bank: safe, and one transfer at a time."""
    with bank.lock:
        move(source, target, amount)


def try_lock(source: BankAccount, target: BankAccount, amount: int, pause: float) -> None:
    """The source's lock, then the target's if it is free; if it is not, let go, wait a little and try again."""
    while True:
        with source.lock:
            if target.lock.acquire(blocking=False):
                try:
                    move(source, target, amount)
                finally:
                    target.lock.release()
                return
        # Not the same pause for everybody, or two threads could step aside for each other for ever.
        time.sleep(pause * random.random())


STRATEGIES = ("none", "from-then-to", "ordered", "global", "try-lock")


def transfer(bank: Bank, strategy: str, source_id: int, target_id: int, amount: int, pause: float) -> None:
    """What each thread does: one transfer, with the locks that the strategy says."""
    source, target = bank.accounts[source_id], bank.accounts[target_id]
    if strategy == "none":
        move(source, target, amount)
    elif strategy == "from-then-to":
        from_then_to(source, target, amount, pause)
    elif strategy == "ordered":
        ordered_by_id(source, target, amount, pause)
    elif strategy == "global":
        one_global_lock(bank, source, target, amount)
    else:
        try_lock(source, target, amount, pause)


def workers(
    bank: Bank, transfers: tuple[tuple[int, int, int], ...], strategy: str, pause: float
) -> dict[str, Callable[[], object]]:
    """A thread for each transfer."""
    return {
        f"t{number}": partial(transfer, bank, strategy, source, target, amount, pause)
        for number, (source, target, amount) in enumerate(transfers)
    }


def balances(bank: Bank) -> dict[Hashable, int]:
    """Where to look afterwards."""
    return {("balance", account.id): account.balance for account in bank.accounts.values()}


def plain(
    accounts: tuple[tuple[int, int], ...],
    transfers: tuple[tuple[int, int, int], ...],
    strategy: str,
    pause: float,
) -> Plain:
    """The bank on real threads `t0`, `t1`, … (one for each transfer), to be observed at ("balance", id).

    `accounts` are (id, balance), `transfers` are (source, target, amount). Raises UsageError for an unknown strategy.

    >>> one_transfer = plain(((1, 1000), (2, 1000)), ((1, 2, 500),), "ordered", pause=0)
    >>> bank = one_transfer.setup()
    >>> one_transfer.workers(bank)["t0"]()
    >>> one_transfer.observe(bank)
    {('balance', 1): 500, ('balance', 2): 1500}
    """
    if strategy not in STRATEGIES:
        raise UsageError(f"strategy is {strategy!r}{nearest(strategy, STRATEGIES)}")
    return Plain(
        setup=partial(Bank, accounts),
        workers=partial(workers, transfers=transfers, strategy=strategy, pause=pause),
        observe=balances,
        namespace=globals(),
        source=f"plain_bank.py:{transfer.__code__.co_firstlineno}: transfer, strategy {strategy!r}",
    )
