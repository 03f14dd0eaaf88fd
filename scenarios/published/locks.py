"""Locks, more than one at a time or never given back, and little beside them."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from scenarios.published.parts import Steps, numbered
from simulator.ops import Acquire, Read, Release, Write
from simulator.program import Program
from simulator.scenario import Range, scenario

__all__ = ["bank_ring", "mpat", "mutex_deadlock", "philosophers"]


def ring(n: int) -> list[tuple[int, int]]:
    """Each number below n with the next one, the last with the first.

    >>> ring(3)
    [(0, 1), (1, 2), (2, 0)]
    """
    return [(number, (number + 1) % n) for number in range(n)]


def dine(first: int, second: int) -> Steps:
    """Take two forks and put them back, the last one first."""
    yield Acquire(("f", first))
    yield Acquire(("f", second))
    yield Release(("f", second))
    yield Release(("f", first))


@scenario(summary="Dining philosophers: each takes two forks, then puts them back.")
def philosophers(
    n: Annotated[int, Range(2, 128), "how many philosophers"] = 3,
    ordered: Annotated[bool, "take the fork with the smaller number first"] = False,
) -> Program:
    """Philosopher i takes fork i, then fork i + 1 (mod n), and puts them back in reverse.

    2ⁿ − 2 traces end well and one is a deadlock; in order, it is the 2ⁿ − 2 alone.
    """
    orders = [(min(pair), max(pair)) for pair in ring(n)] if ordered else ring(n)
    return Program(
        numbered(*(partial(dine, *order) for order in orders)),
        locks=[("f", fork) for fork in range(n)],
        name="philosophers",
    )


def transfer(first: int, second: int, source: int, target: int) -> Steps:
    """Read and write back two balances under two locks."""
    yield Acquire(("l", first))
    yield Acquire(("l", second))
    for account in (source, target):
        balance = yield Read(("b", account))
        yield Write(("b", account), balance)
    yield Release(("l", second))
    yield Release(("l", first))


@scenario(summary="A ring of accounts: each thread locks an account and the next, reads and writes both.")
def bank_ring(
    n: Annotated[int, Range(2, 128), "how many accounts, and threads"] = 3,
    ordered: Annotated[bool, "take the lock with the smaller number first"] = False,
) -> Program:
    """Thread i acquires lock i, then lock i + 1 (mod n); reads and writes balance i, then i + 1; releases in reverse.

    The philosophers with balances between the locks: as many traces, more interleavings.
    """
    pairs = ring(n)
    orders = [(min(pair), max(pair)) for pair in pairs] if ordered else pairs
    return Program(
        numbered(*(partial(transfer, *order, *pair) for order, pair in zip(orders, pairs, strict=True))),
        memory={("b", account): 0 for account in range(n)},
        locks=[("l", account) for account in range(n)],
        name="bank-ring",
    )


def nested(*locks: object) -> Steps:
    """Acquire locks in this order and release them in reverse."""
    for lock in locks:
        yield Acquire(lock)
    for lock in reversed(locks):
        yield Release(lock)


@scenario(summary="Pairs of threads with a lock for each pair; one thread of each pair goes by a common lock.")
def mpat(k: Annotated[int, Range(1, 32), "how many pairs"] = 2) -> Program:
    """For i from 0 to k − 1: acquire and release a[i] beside acquire m, acquire a[i], release a[i], release m.

    2ᵏ·k! traces.
    """
    return Program(
        numbered(
            *(partial(nested, ("a", pair)) for pair in range(k)),
            *(partial(nested, "m", ("a", pair)) for pair in range(k)),
        ),
        locks=["m", *(("a", pair) for pair in range(k))],
        name="mpat",
    )


def acquire_only() -> Steps:
    """Take the lock and end with it."""
    yield Acquire("m")


@scenario(summary="Threads acquire one lock and never release it.")
def mutex_deadlock(n: Annotated[int, Range(2, 64), "how many threads"] = 2) -> Program:
    """n threads, each: acquire m. The first one ends with the lock, the others wait for ever: n traces, all deadlocks."""
    return Program(numbered(*[acquire_only] * n), locks=["m"], name="mutex-deadlock")
