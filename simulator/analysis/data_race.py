"""Data race: two accesses of one location, one a write, not both atomic, that nothing orders.

Over one run: a pair that is *reversible*, with no chain of cause in between; equivalently, an equal run has them side
by side. Over a state graph: both are about to happen in one reachable state. The two give the same races, because a
plain access never blocks. Accesses of one location order what comes after them here, so a flag that is polled without
protection is reported as racing itself, and the data behind it is not reported a second time.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from simulator.analysis.detector import Detector, Memo, Sightings
from simulator.analysis.finding import Finding, Kind, Sighting, Step
from simulator.clocks import HappensBefore
from simulator.ops import Access, Footprint, dependent, show_name
from simulator.trace import Event, Notice, Run

__all__ = ["DataRace"]


class _Access(NamedTuple):
    """A memory access that a later one may race with."""

    thread: str
    location: Hashable
    access: Access
    atomic: bool


class _Holder(NamedTuple):
    """Who knows of accesses: a thread, the last write to an object, or one thread's read of it since."""

    what: str
    thing: Hashable
    reader: str = ""


class DataRace(Detector):
    """The memo: who knows of which accesses, as a set of pairs (holder, access).

    It is vector clocks cut down to what can still be asked: an access is forgotten when a later write of its location
    covers it.
    """

    kind = Kind.DATA_RACE

    def start(self, notices: Mapping[str, tuple[Notice, ...]]) -> tuple[Memo, Sightings]:
        return frozenset(), ()

    def after(self, memo: Memo, event: Event) -> tuple[Memo, Sightings]:
        assert isinstance(memo, frozenset)
        touched = event.footprint
        if touched.access == Access.NONE:
            return memo, ()
        pairs: set[tuple[_Holder, _Access]] = set(memo)
        thing = (touched.on_lock, touched.name)
        me, writer = _Holder("thread", event.thread), _Holder("write", thing)
        mine = _Access(event.thread, touched.name, touched.access, touched.atomic)
        knowledge: dict[_Holder, set[_Access]] = {}
        for holder, access in pairs:
            knowledge.setdefault(holder, set()).add(access)
        readers = {holder: known for holder, known in knowledge.items() if holder[:2] == ("read", thing)}
        known = knowledge.get(me, set())
        written = knowledge.get(writer, set())
        races = not touched.on_lock and _races(mine, known, written, readers)
        known = known | written
        if touched.access == Access.READ:
            reader = _Holder("read", thing, event.thread)
            if not touched.on_lock:
                # A later read by the same thread covers an earlier one.
                known = {access for access in known if access[:3] != mine[:3]} | {mine}
                pairs = {pair for pair in pairs if pair[1][:3] != mine[:3]}
            pairs = {pair for pair in pairs if pair[0] != reader} | {(reader, access) for access in known}
        else:
            known = known.union(*readers.values())
            pairs = {pair for pair in pairs if pair[0] != writer and pair[0][:2] != ("read", thing)}
            if not touched.on_lock:
                known = {access for access in known if access.location != touched.name} | {mine}
                pairs = {pair for pair in pairs if pair[1].location != touched.name}
            pairs |= {(writer, access) for access in known}
        pairs = {pair for pair in pairs if pair[0] != me}
        if event.pending is not None:
            pairs |= {(me, access) for access in known}
        return frozenset(pairs), (Sighting(self.kind, (touched.name,)),) if races else ()

    def over_states(self) -> Detector:
        return RacingNow()

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        (location,) = sighting.objects
        order = HappensBefore(run.events)
        for first, second in order.races():
            one, other = order.footprint(first), order.footprint(second)
            if one.on_lock or one.name != location or (one.atomic and other.atomic):
                continue
            threads = (run.events[first].thread, run.events[second].thread)
            why = (
                f"{threads[0]}'s {_verb(one)} and {threads[1]}'s {_verb(other)} of {show_name(location)} can happen at "
                "the same moment: no lock or other chain of cause orders them"
            )
            steps = tuple(Step.of(number + 1, run.events[number]) for number in (first, second))
            return Finding(kind=self.kind, objects=sighting.objects, threads=threads, why=why, steps=steps)
        raise ValueError(f"the run has no data race on {show_name(location)}")


class RacingNow(Detector):
    """Data races seen from states: two threads that can both take their step now, and the steps depend on each other."""

    kind = Kind.DATA_RACE

    def together(self, first: Event, second: Event) -> Sightings:
        one, other = first.footprint, second.footprint
        if one.on_lock or (one.atomic and other.atomic) or not dependent(one, other):
            return ()
        return (Sighting(self.kind, (one.name,)),)


def _races(mine: _Access, known: set[_Access], written: set[_Access], readers: Mapping[_Holder, set[_Access]]) -> bool:
    """Whether an access is a reversible pair with the last write of its location, or with a read since."""
    if mine.access == Access.WRITE and readers:
        for holder, knowledge in readers.items():
            others = [other for reader, other in readers.items() if reader != holder]
            for access in knowledge:
                if access[:3] != (holder.reader, mine.location, Access.READ) or access.thread == mine.thread:
                    continue
                if not (access.atomic and mine.atomic) and not any(access in other for other in (known, *others)):
                    return True
        return False
    return any(
        access.location == mine.location
        and access.access == Access.WRITE
        and access.thread != mine.thread
        and not (access.atomic and mine.atomic)
        and access not in known
        for access in written
    )


def _verb(touched: Footprint) -> str:
    return "write" if touched.access == Access.WRITE else "read"
