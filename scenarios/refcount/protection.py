"""What a protection of reference counts is: it turns "one reference more" and "one reference fewer" into operations.

It knows neither who has which reference nor schedules. `incref` and `decref` are what a thread asks for; `enter` and `leave`
are for one that changes several counts at once.
"""

from __future__ import annotations

import enum
from collections.abc import Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from operator import add
from typing import Any, ClassVar

from simulator.ops import Check, Operation, Read, Update

__all__ = ["Counting", "Left", "Protection", "Steps", "free", "freed_of", "settle", "use"]

Steps = Generator[Operation | Check, Any, None]


class Left(enum.Enum):
    """What a thread that changed a count knows of the object's references."""

    SOME = enum.auto()
    NONE = enum.auto()
    """It gave up the last one, and has to free the object."""
    NONE_BEFORE = enum.auto()
    """There were none already: it touched an object that is freed, or is about to be."""


Counting = Generator[Operation | Check, Any, Left]
"""Steps that change a count."""


def freed_of(thing: str) -> Hashable:
    """Where it stands how often an object was freed.

    No program has such a place: it is what the memory allocator knows. Reading it is touching the object, without a race of
    its own: the race is in the counts.
    """
    return ("freed", thing)


def use(thing: str) -> Steps:
    """Touch an object: it has to live."""
    freed = yield Read(freed_of(thing), atomic=True)
    yield Check(not freed, f"use after free: {thing} is touched, and was freed")


def free(thing: str) -> Steps:
    """Give an object's memory back, once."""
    freed = yield Update(freed_of(thing), add, 1)
    yield Check(not freed, f"double free: {thing} was freed before")


def settle(thing: str, left: Left) -> Steps:
    """What follows from a count that was changed: the object is freed by who gave up the last reference."""
    yield Check(left is not Left.NONE_BEFORE, f"use after free: the count of {thing} is changed, and was 0 already")
    if left is Left.NONE:
        yield from free(thing)


@dataclass(frozen=True)
class Protection:
    """How counts are changed. Frozen, and each thread has its own; it keeps no state."""

    name: ClassVar[str]

    def start(self, thing: str, owned: Sequence[int]) -> dict[Hashable, Any]:
        """The memory of an object at first: `owned[n]` is how many references thread n has."""
        return {("count", thing): sum(owned)}

    def count(self, memory: Mapping[Hashable, Any], thing: str) -> int:
        """The references to an object, as they are counted."""
        return int(memory["count", thing])

    def locks(self, things: Sequence[str]) -> tuple[Hashable, ...]:
        """All the locks that there are: none, unless said otherwise."""
        return ()

    def more(self, thing: str) -> Counting:
        """One reference more, once `enter` is done."""
        raise NotImplementedError

    def fewer(self, thing: str) -> Counting:
        """One reference fewer, once `enter` is done; who calls frees the object if it was the last."""
        raise NotImplementedError

    def enter(self, *things: str) -> Steps:
        """Take what is needed to change the counts of these objects: nothing, unless said otherwise."""
        yield from ()

    def leave(self, *things: str) -> Steps:
        """Give it back."""
        yield from ()

    def safe_point(self) -> Steps:
        """Between two operations, where an interpreter looks up from its work: nothing, unless said otherwise."""
        yield from ()

    def exit(self) -> Steps:
        """What a thread has to do before it ends: nothing, unless said otherwise."""
        yield from ()

    def incref(self, thing: str) -> Steps:
        """INCREF: one reference more."""
        yield from self.enter(thing)
        left = yield from self.more(thing)
        yield from self.leave(thing)
        yield from settle(thing, left)

    def decref(self, thing: str) -> Steps:
        """DECREF: one reference fewer; whoever gives up the last one frees the object."""
        yield from self.enter(thing)
        left = yield from self.fewer(thing)
        yield from self.leave(thing)
        yield from settle(thing, left)
