"""Who does what with which objects, under which protection: as a value, as a program, and what to say of its memory.

It knows what is right: which references there are in the end, and so what was freed early, leaked or counted too low.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from scenarios.refcount.biased import BUGS, Biased
from scenarios.refcount.protection import Protection, freed_of
from scenarios.refcount.protections import Atomic, Global, PerObject, Unprotected
from scenarios.refcount.works import WORKS, given_of
from simulator.errors import UsageError, nearest
from simulator.program import Body, Program

__all__ = ["FREED_EARLY", "LEAKED", "PROTECTIONS", "TOO_LOW", "ProtectionName", "Sharing"]

ProtectionName = Literal["none", "per-object", "global", "atomic", "biased"]
PROTECTIONS: tuple[str, ...] = get_args(ProtectionName)

FREED_EARLY = "nothing is freed early"
LEAKED = "no leak"
TOO_LOW = "no count is too low"
"""The properties that every program of this scenario is held to."""


@dataclass(frozen=True)
class Sharing:
    """Who does what with which objects, and how counts are protected.

    `works` names each thread's work, in thread order. Raises UsageError where that makes no sense.

    >>> Sharing(("drop", "drop")).left
    {'a': 0}
    """

    works: tuple[str, ...]
    things: tuple[str, ...] = ("a",)
    protection: str = "none"
    in_order: bool = False
    handed: bool = True
    bug: str = "none"

    def __post_init__(self) -> None:
        for work in self.works:
            if work not in WORKS:
                raise UsageError(f"there is no work {work!r}{nearest(work, WORKS)}")
            if WORKS[work].things is not None and len(self.things) < 2:
                raise UsageError(f"work {work!r} needs two objects; say objects=2")
        if self.protection not in PROTECTIONS:
            raise UsageError(f"there is no protection {self.protection!r}{nearest(self.protection, PROTECTIONS)}")
        if self.bug != "none" and self.bug not in BUGS:
            raise UsageError(f"there is no bug {self.bug!r}{nearest(self.bug, ('none', *BUGS))}")
        if self.bug != "none" and self.protection != "biased":
            raise UsageError(f"bug {self.bug!r} is one of biased counting; say protection=biased")
        if self.in_order and self.protection != "per-object":
            raise UsageError("order=sorted is about two locks: say protection=per-object")
        if not self.handed and self.protection != "biased":
            raise UsageError("handed=False is about who counts: say protection=biased")
        if "give" in self.works and "collect" not in self.works:
            raise UsageError("work 'give' hands references to a thread that collects: let one thread do that")
        for thing in self.things:
            if not sum(self.owned(thing)):
                raise UsageError(f"nobody owns a reference to object {thing}; let one thread drop or copy, say")

    def counts(self, number: int) -> Protection:
        """The protection as one thread has it."""
        match self.protection:
            case "none":
                return Unprotected()
            case "per-object":
                return PerObject(in_order=self.in_order)
            case "global":
                return Global()
            case "atomic":
                return Atomic()
            case _:
                return Biased(owner=number == 0, handed=self.handed, bug=self.bug)

    def things_of(self, number: int) -> tuple[str, ...]:
        """The objects of one thread, in its order: two threads that assign begin with different ones."""
        if WORKS[self.works[number]].things is None:
            return self.things
        first = number % len(self.things)
        return (self.things[first], self.things[(first + 1) % len(self.things)])

    def owned(self, thing: str) -> tuple[int, ...]:
        """How many references to an object each thread has at first."""
        return tuple(self._of(number, thing, WORKS[work].before) for number, work in enumerate(self.works))

    @property
    def left(self) -> dict[str, int]:
        """How many references there are in the end, by object."""
        return {
            thing: sum(self._of(number, thing, WORKS[work].after) for number, work in enumerate(self.works))
            for thing in self.things
        }

    def _of(self, number: int, thing: str, references: tuple[int, ...]) -> int:
        things = self.things_of(number)
        if thing not in things:
            return 0
        return references[things.index(thing)] if len(references) > 1 else references[0]

    def leaked(self, memory: Mapping[Hashable, Any]) -> bool:
        """Whether an object that is never freed has a count above its references, or has none left."""
        counts, left = self.counts(0), self.left
        return any(
            not memory[freed_of(thing)] and (counts.count(memory, thing) > left[thing] or not left[thing])
            for thing in self.things
        )

    def freed_early(self, memory: Mapping[Hashable, Any]) -> bool:
        """Whether an object was freed to which a reference is left, or whose count was changed after it had come to 0."""
        counts, left = self.counts(0), self.left
        return any(
            memory[freed_of(thing)] and (left[thing] > 0 or counts.count(memory, thing) != 0) for thing in self.things
        )

    def counted_short(self, memory: Mapping[Hashable, Any]) -> bool:
        """Whether an object's count is below its references: it will be freed too early."""
        counts, left = self.counts(0), self.left
        return any(not memory[freed_of(thing)] and counts.count(memory, thing) < left[thing] for thing in self.things)

    def program(self) -> Program:
        """The program: threads t0, t1, …; t0 is the one that made the objects."""
        counts = self.counts(0)
        memory: dict[Hashable, Any] = {}
        for thing in self.things:
            memory |= counts.start(thing, self.owned(thing))
            memory[freed_of(thing)] = 0
            if "collect" in self.works:
                memory[given_of(thing)] = 0
        bodies: dict[str, Body] = {
            f"t{number}": partial(WORKS[work].body, self.counts(number), *self.things_of(number))
            for number, work in enumerate(self.works)
        }
        return Program(
            bodies,
            memory=memory,
            locks=counts.locks(self.things),
            always={FREED_EARLY: lambda memory: not self.freed_early(memory)},
            finally_={
                LEAKED: lambda memory: not self.leaked(memory),
                TOO_LOW: lambda memory: not self.counted_short(memory),
            },
            name="refcount",
        )
