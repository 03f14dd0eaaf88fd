"""What a detector is: a fold over events with a small hashable memo.

The same detector runs over one run (`sightings_in`) and rides inside a state-graph search, where its memo is a part of
the state, so that merging equal states never hides what depends on the path. A detector sees what happened, not who chose it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from simulator.analysis.finding import Finding, Kind, Sighting
from simulator.trace import Event, Notice, Pending, Run, Situation

__all__ = ["Detector", "Memo", "Sightings", "sightings_in"]

Memo = Hashable
Sightings = tuple[Sighting, ...]


class Detector:
    """The base of all detectors: sees nothing. Each overrides what it needs."""

    kind: Kind

    def over_states(self) -> Detector:
        """The detector to ride in a state-graph search: this one, unless looking at states finds the same with less memory."""
        return self

    def start(self, notices: Mapping[str, tuple[Notice, ...]]) -> tuple[Memo, Sightings]:
        """The memo before the first step, and what is seen already then."""
        return None, ()

    def after(self, memo: Memo, event: Event) -> tuple[Memo, Sightings]:
        """The memo after a step, and what that step shows."""
        return memo, ()

    def in_memory(self, memory: Mapping[Hashable, Any]) -> Sightings:
        """What a memory shows by itself, whenever it is reached."""
        return ()

    def together(self, first: Event, second: Event) -> Sightings:
        """What it shows that two threads are both able to take these steps in one reachable state."""
        return ()

    def over_all(self, pending: Iterable[tuple[str, Pending]]) -> Sightings:
        """What everything that any thread was about to do, over all explored runs, shows together."""
        return ()

    def at_end(self, situation: Situation) -> Sightings:
        """What the situation shows in which an interleaving ended."""
        return ()

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        """The whole story, from a run that ends with the sighting."""
        raise NotImplementedError


def sightings_in(detector: Detector, run: Run) -> dict[Sighting, int]:
    """Every sighting of a detector in one run, with the number of steps after which it was first seen.

    `over_all` is asked over this one run, so what needs no second run is found from a single one.
    """
    found: dict[Sighting, int] = {}
    memo, seen = detector.start(run.start)
    for sighting in (*seen, *detector.in_memory(run.situations[0].memory)):
        found.setdefault(sighting, 0)
    pending: list[tuple[str, Pending]] = []
    for number, event in enumerate(run.events, start=1):
        memo, seen = detector.after(memo, event)
        for sighting in (*seen, *detector.in_memory(run.situations[number].memory)):
            found.setdefault(sighting, number)
    pending.extend(
        (thread, wanted)
        for situation in run.situations
        for thread, wanted in situation.pending.items()
        if wanted is not None
    )
    late: list[Sighting] = list(detector.over_all(dict.fromkeys(pending)))
    if run.outcome is not None:
        late.extend(detector.at_end(run.final))
    for sighting in late:
        found.setdefault(sighting, len(run))
    return found
