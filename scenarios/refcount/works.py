"""What a thread does with references: what it starts with, its steps, and what it is left with.

It knows counts only by `incref` and `decref`; how those are protected is `protection.py`'s affair.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from scenarios.refcount.protection import Protection, Steps, settle, use
from simulator.ops import Update

__all__ = ["WORKS", "Work", "given_of"]


def drop(counts: Protection, *things: str) -> Steps:
    """Give up an owned reference: DECREF."""
    for thing in things:
        yield from counts.decref(thing)
    yield from counts.exit()


def copy(counts: Protection, *things: str) -> Steps:
    """Make a second reference of an owned one, use the object, give both up."""
    for thing in things:
        yield from counts.incref(thing)
        yield from use(thing)
        yield from counts.safe_point()
        yield from counts.decref(thing)
        yield from counts.decref(thing)
    yield from counts.exit()


def borrow(counts: Protection, *things: str) -> Steps:
    """Use an object by a reference that somebody else owns."""
    for thing in things:
        yield from use(thing)
    yield from counts.exit()


def take(counts: Protection, *things: str) -> Steps:
    """Make an owned reference of a borrowed one, use the object, give it up."""
    for thing in things:
        yield from counts.incref(thing)
        yield from use(thing)
        yield from counts.safe_point()
        yield from counts.decref(thing)
    yield from counts.exit()


def assign(counts: Protection, mine: str, other: str) -> Steps:
    """`x = y`, where x names one object and y another: INCREF the one, DECREF the other, both of them at once.

    Both names stay, so the thread is left with two references to what y names.
    """
    yield from counts.enter(other, mine)
    left_of_other = yield from counts.more(other)
    left_of_mine = yield from counts.fewer(mine)
    yield from counts.leave(other, mine)
    yield from settle(other, left_of_other)
    yield from settle(mine, left_of_mine)
    yield from counts.exit()


def given_of(thing: str) -> Hashable:
    """Where references are handed over: how many lie there, or that nobody will look there again."""
    return ("given", thing)


CLOSED = "closed"


def give(counts: Protection, *things: str) -> Steps:
    """Make a second reference of an owned one, hand both to the thread that collects; give them up if it has been there."""
    for thing in things:
        yield from counts.incref(thing)
        if (yield Update(given_of(thing), _and, 2)) == CLOSED:
            yield from counts.decref(thing)
            yield from counts.decref(thing)
    yield from counts.exit()


def collect(counts: Protection, *things: str) -> Steps:
    """Take over the references that were handed over by now, give them up, and an owned one."""
    for thing in things:
        given = yield Update(given_of(thing), _close)
        for _ in range(1 + (0 if given == CLOSED else given)):
            yield from counts.decref(thing)
            yield from counts.safe_point()
    yield from counts.exit()


def _and(given: Any, more: int) -> Any:
    return given if given == CLOSED else given + more


def _close(given: Any) -> str:
    return CLOSED


@dataclass(frozen=True)
class Work:
    """A body, and how many references to each of its objects, in their order, the thread has before it and after it.

    `things` is how many objects it takes; None for any number, with the same references to each.
    """

    body: Callable[..., Steps]
    before: tuple[int, ...]
    after: tuple[int, ...]
    things: int | None = None

    @property
    def said(self) -> str:
        """What it does, in a line."""
        return (self.body.__doc__ or "").splitlines()[0]


WORKS: Mapping[str, Work] = {
    "drop": Work(drop, (1,), (0,)),
    "copy": Work(copy, (1,), (0,)),
    "borrow": Work(borrow, (0,), (0,)),
    "take": Work(take, (0,), (0,)),
    "give": Work(give, (1,), (0,)),
    "collect": Work(collect, (1,), (0,)),
    "assign": Work(assign, (1, 1), (0, 2), things=2),
}
"""By name."""
