"""Outcomes held against those that were expected, whoever expects them.

An outcome is seen through a view as a key: how each thread ended and what was observed of the memory. What is expected,
and why, is not known here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from simulator.analysis.detector import Detector, Sightings
from simulator.analysis.finding import Finding, Kind, Sighting
from simulator.errors import ProgramError
from simulator.ops import Acquire, show_name, show_value
from simulator.trace import Outcome, Run, Situation
from simulator.values import Key, stable_repr, value_key

__all__ = ["Ending", "Endings", "Observe", "UnexpectedOutcome", "View"]

Observe = Callable[[Mapping[Hashable, Any]], Hashable]
"""What of a memory counts; None for all of it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """An outcome, with each thread that did not finish: its name, how it ended or that it waits, and where or for what."""

    outcome: Outcome
    threads: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of(cls, situation: Situation) -> Ending:
        """The ending of an interleaving that ends here; the outcome is as `Machine.outcome` says it."""
        threads = []
        for name, end in situation.ends.items():
            wanted = situation.pending[name]
            if end is None:
                lock = wanted.operation.lock if wanted and isinstance(wanted.operation, Acquire) else None
                threads.append((name, "waits", f"for {show_name(lock)}"))
            elif end.how == "crashed":
                threads.append((name, f"crashed with {end.message.partition(':')[0]}", f"at {end.where}"))
            elif end.how != "finished":
                threads.append((name, "failed a check", f"at {end.where}"))
        hows = {None if end is None else end.how for end in situation.ends.values()}
        for how in ("crashed", "failed check"):
            if how in hows:
                break
        else:
            how = "deadlocked" if None in hows else "finished"
        return cls(Outcome(how, tuple(situation.memory.items())), tuple(threads))


@dataclass(frozen=True, slots=True)
class View:
    """What of an ending counts.

    Which thread of a group ended how does not: threads in a group are interchangeable. Without `places` neither does where
    it failed, and for which lock it waits. `observe` says what counts of the memory. Both methods raise ProgramError when
    it raises, returns None, or what cannot be hashed.

    >>> deadlock = Outcome("deadlocked", (("x", 1), ("y", 2)))
    >>> one, other = (Ending(deadlock, ((name, "waits", "for m"),)) for name in "ab")
    >>> alike, apart = View((("a", "b"),)), View((("a",), ("b",)))
    >>> alike.key(one) == alike.key(other), apart.key(one) == apart.key(other)
    (True, False)
    >>> View((("a", "b"),), lambda memory: memory["x"]).text(one)
    'deadlocked: 1 (a waits for m)'
    """

    groups: tuple[tuple[str, ...], ...]
    observe: Observe | None = None
    places: bool = True

    def key(self, ending: Ending) -> Key:
        """Equal for two endings exactly when all that counts is equal. The order of locations does not matter."""
        told = {name: (how, where if self.places else "") for name, how, where in ending.threads}
        ends = tuple(tuple(sorted(told[name] for name in group if name in told)) for group in self.groups)
        if self.observe is None:
            return (ends, frozenset((location, value_key(value)) for location, value in ending.outcome.memory))
        return (ends, value_key(self._observed(ending.outcome)))

    def text(self, ending: Ending) -> str:
        """An ending with as much of it as is observed."""
        outcome = ending.outcome
        seen = str(outcome)
        if self.observe is not None:
            seen = stable_repr(self._observed(outcome))
            seen = seen if outcome.how == "finished" else f"{outcome.how}: {seen}"
        threads = "; ".join(" ".join(thread) for thread in ending.threads)
        return f"{seen} ({threads})" if threads else seen

    def _observed(self, outcome: Outcome) -> Hashable:
        assert self.observe is not None
        memory = dict(outcome.memory)
        code = getattr(self.observe, "__code__", None)
        place = "" if code is None else f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}: "
        try:
            seen = self.observe(MappingProxyType(memory))
        except Exception as error:
            raise ProgramError(f"{place}observe raised {type(error).__name__}: {error} on memory {memory!r}") from error
        if seen is None:
            raise ProgramError(
                f"{place}observe returned None on memory {memory!r}; return what of the memory counts (a forgotten 'return'?), "
                "in a tuple where that may be None"
            )
        try:
            hash(value_key(seen))
        except TypeError:
            raise ProgramError(
                f"{place}observe returned {seen!r}, which cannot be hashed; return a tuple, say"
            ) from None
        return seen


class Endings(Detector):
    """Sees nothing wrong, and keeps in `found` every ending that differs by key, the first that was met."""

    kind = Kind.FAILED_INVARIANT

    def __init__(self, view: View) -> None:
        self.found: dict[Key, Ending] = {}
        self._view = view

    def at_end(self, situation: Situation) -> Sightings:
        ending = Ending.of(situation)
        self.found.setdefault(self._view.key(ending), ending)
        return ()

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        raise ValueError(f"there is no sighting {sighting} to explain")


class UnexpectedOutcome(Detector):
    """An interleaving that ends otherwise than expected: the property `name` of its outcome does not hold."""

    kind = Kind.FAILED_INVARIANT

    def __init__(self, name: str, expected: Collection[Key], view: View) -> None:
        self.sighting = Sighting(self.kind, (), name)
        self._expected = frozenset(expected)
        self._view = view

    def at_end(self, situation: Situation) -> Sightings:
        return () if self._view.key(Ending.of(situation)) in self._expected else (self.sighting,)

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        memory = " ".join(f"{show_name(name)}={show_value(value)}" for name, value in run.final.memory.items())
        return Finding(
            kind=self.kind,
            objects=(),
            threads=run.threads,
            why=f"{sighting.detail} does not hold at the end: {memory}",
            detail=sighting.detail,
        )
