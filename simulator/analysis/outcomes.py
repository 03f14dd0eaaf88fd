"""Outcomes held against those that were expected, whoever expects them.

An outcome is seen as a key: how the interleaving ended and what was observed of the memory. What is expected, and
why, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any

from simulator.analysis.detector import Detector, Sightings
from simulator.analysis.finding import Finding, Kind, Sighting
from simulator.errors import ProgramError
from simulator.ops import show_name, show_value
from simulator.trace import Outcome, Run, Situation
from simulator.values import Key, stable_repr, value_key

__all__ = ["Observe", "UnexpectedOutcome", "outcome_key", "outcome_text"]

Observe = Callable[[Mapping[Hashable, Any]], Hashable]
"""What of a memory counts; None for all of it."""


def outcome_key(outcome: Outcome, observe: Observe | None) -> Key:
    """Equal for two outcomes exactly when they end alike with the same observed. The order of locations does not matter.

    Raises ProgramError when what is observed cannot be hashed.
    """
    memory = dict(outcome.memory)
    if observe is None:
        return (outcome.how, frozenset((location, value_key(value)) for location, value in memory.items()))
    seen = observe(memory)
    try:
        return (outcome.how, value_key(seen))
    except TypeError:
        raise ProgramError(f"observe returned {seen!r}, which cannot be hashed; return a tuple, say") from None


def outcome_text(outcome: Outcome, observe: Observe | None) -> str:
    """An outcome with as much of it as is observed.

    >>> outcome_text(Outcome("deadlocked", (("x", 1), ("y", 2))), lambda memory: memory["x"])
    'deadlocked: 1'
    """
    if observe is None:
        return str(outcome)
    seen = stable_repr(observe(dict(outcome.memory)))
    return seen if outcome.how == "finished" else f"{outcome.how}: {seen}"


class UnexpectedOutcome(Detector):
    """An interleaving that ends otherwise than expected: the property `name` of its outcome does not hold."""

    kind = Kind.FAILED_INVARIANT

    def __init__(self, name: str, expected: Collection[Key], observe: Observe | None = None) -> None:
        self.sighting = Sighting(self.kind, (), name)
        self._expected = frozenset(expected)
        self._observe = observe

    def at_end(self, situation: Situation) -> Sightings:
        return () if outcome_key(_outcome(situation), self._observe) in self._expected else (self.sighting,)

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        memory = " ".join(f"{show_name(name)}={show_value(value)}" for name, value in run.final.memory.items())
        return Finding(
            kind=self.kind,
            objects=(),
            threads=run.threads,
            why=f"{sighting.detail} does not hold at the end: {memory}",
            detail=sighting.detail,
        )


def _outcome(situation: Situation) -> Outcome:
    """The outcome of an interleaving that ends here, as `Machine.outcome` says it."""
    hows = {None if end is None else end.how for end in situation.ends.values()}
    for how in ("crashed", "failed check"):
        if how in hows:
            break
    else:
        how = "deadlocked" if None in hows else "finished"
    return Outcome(how, tuple(situation.memory.items()))
