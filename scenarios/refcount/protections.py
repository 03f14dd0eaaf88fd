"""Plain counts under no lock, a lock for each object or one for all, and counts changed by atomic instructions.

Each says what it promises. What they share is that an object has one count; `biased.py` has two of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from operator import add

from scenarios.refcount.protection import Counting, Left, Protection, Steps
from simulator.ops import Acquire, Add, Read, Release, Update, Write

__all__ = ["Atomic", "Global", "PerObject", "Unprotected"]


@dataclass(frozen=True)
class Unprotected(Protection):
    """No lock: read the count, add, write it. An INCREF or DECREF of another thread in between is lost."""

    name = "none"

    def more(self, thing: str) -> Counting:
        count = yield Read(("count", thing))
        if count <= 0:
            return Left.NONE_BEFORE
        count = yield Add(count, 1)
        yield Write(("count", thing), count)
        return Left.SOME

    def fewer(self, thing: str) -> Counting:
        count = yield Read(("count", thing))
        if count <= 0:
            return Left.NONE_BEFORE
        count = yield Add(count, -1)
        yield Write(("count", thing), count)
        return Left.SOME if count else Left.NONE


@dataclass(frozen=True)
class PerObject(Unprotected):
    """A lock for each object, held while its count is changed: nothing is lost.

    A thread that needs two objects at once takes two locks: as it needs them, which can deadlock, or (`in_order`) the one that
    comes first in the alphabet first, which cannot.
    """

    name = "per-object"
    in_order: bool = False

    def locks(self, things: Sequence[str]) -> tuple[Hashable, ...]:
        return tuple(("lock", thing) for thing in things)

    def enter(self, *things: str) -> Steps:
        for thing in sorted(things) if self.in_order else things:
            yield Acquire(("lock", thing))

    def leave(self, *things: str) -> Steps:
        for thing in reversed(things):
            yield Release(("lock", thing))


@dataclass(frozen=True)
class Global(Unprotected):
    """One lock for all objects, the GIL's answer: nothing is lost, and one lock cannot be taken in two orders."""

    name = "global"

    def locks(self, things: Sequence[str]) -> tuple[Hashable, ...]:
        return ("gil",)

    def enter(self, *things: str) -> Steps:
        yield Acquire("gil")

    def leave(self, *things: str) -> Steps:
        yield Release("gil")


@dataclass(frozen=True)
class Atomic(Protection):
    """An atomic instruction for each change: nothing is lost, nobody waits, and each change costs a bus transaction."""

    name = "atomic"

    def more(self, thing: str) -> Counting:
        count = yield Update(("count", thing), add, 1)
        return Left.SOME if count > 0 else Left.NONE_BEFORE

    def fewer(self, thing: str) -> Counting:
        count = yield Update(("count", thing), add, -1)
        if count <= 0:
            return Left.NONE_BEFORE
        return Left.SOME if count > 1 else Left.NONE
