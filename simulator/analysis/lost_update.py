"""Lost update: a thread reads x, another writes x, the first writes x from its stale read.

The other's write left no effect on x. (Phenomenon P4 of Berenson et al., "A Critique of ANSI SQL Isolation Levels",
1995.) An atomic update reads again at the moment it writes, so it loses nothing; an atomic update can itself be lost.

Where a location holds a whole container, x may be one item of it: a step that names such a part reads or writes that part
alone, and setting an item is a write without a look. What changes the container as a whole loses no update of a part here.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from simulator.analysis.detector import Detector, Memo, Sightings
from simulator.analysis.finding import Finding, Kind, Sighting, Step
from simulator.ops import Access, show_name, show_value
from simulator.trace import Event, Notice, Run

__all__ = ["LostUpdate"]

_Entry = tuple[str, Hashable]


class LostUpdate(Detector):
    """The memo: for each (thread, location) that the thread has read, whether another has written it since."""

    kind = Kind.LOST_UPDATE

    def start(self, notices: Mapping[str, tuple[Notice, ...]]) -> tuple[Memo, Sightings]:
        return frozenset(), ()

    def after(self, memo: Memo, event: Event) -> tuple[Memo, Sightings]:
        assert isinstance(memo, frozenset)
        touched = event.footprint
        seen: Sightings = ()
        if touched.access != Access.NONE and not touched.on_lock:
            location = touched.updated
            mine: _Entry = (event.thread, location)
            stale = (mine, True) in memo
            if touched.looks:
                memo = (memo - {(mine, True)}) | {(mine, False)}
            elif stale:
                memo = (memo - {(mine, True)}) | {(mine, False)}
                seen = (Sighting(self.kind, (location,)),)
            if touched.access == Access.WRITE:
                memo = frozenset(
                    (entry, old or (entry[1] == location and entry[0] != event.thread)) for entry, old in memo
                )
        if event.pending is None:
            memo = frozenset((entry, old) for entry, old in memo if entry[0] != event.thread)
        return memo, seen

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        (location,) = sighting.objects
        read, lost, stale = self._three_steps(location, run)
        reader, other = run.events[stale].thread, run.events[lost].thread
        name = show_name(location)
        if run.events[stale].footprint.part is not None:
            why = (
                f"{reader} looked at {name}, then {other} changed it, then {reader} set it from its stale read: "
                f"what {other} did left no effect"
            )
        else:
            value = show_value(run.events[lost].after)
            why = (
                f"{reader} read {name} = {show_value(run.events[read].after)}, then {other} wrote {value}, then {reader} wrote "
                f"{show_value(run.events[stale].after)} from its stale read: the {value} of {other} left no effect"
            )
        return Finding(
            kind=self.kind,
            objects=sighting.objects,
            threads=(reader, other),
            why=why,
            steps=tuple(Step.of(number + 1, run.events[number]) for number in (read, lost, stale)),
        )

    def _three_steps(self, location: Hashable, run: Run) -> tuple[int, int, int]:
        """The first lost update on a location in a run: the stale read, the write that is lost, the write that loses it."""
        memo, _ = self.start({})
        for stale, event in enumerate(run.events):
            memo, seen = self.after(memo, event)
            if any(sighting.objects == (location,) for sighting in seen):
                touching = [
                    (number, earlier)
                    for number, earlier in enumerate(run.events[:stale])
                    if earlier.footprint.updated == location and not earlier.footprint.on_lock
                ]
                lost = max(
                    number
                    for number, earlier in touching
                    if earlier.thread != event.thread and earlier.footprint.access == Access.WRITE
                )
                read = max(
                    number
                    for number, earlier in touching
                    if number < lost and earlier.thread == event.thread and earlier.footprint.looks
                )
                return read, lost, stale
        raise ValueError(f"the run has no lost update on {show_name(location)}")
