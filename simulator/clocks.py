"""Happens-before: which steps of a run are ordered by cause, and the canonical form of a Mazurkiewicz trace.

Two steps are ordered when they are of one thread, or dependent (`ops.dependent`), or linked by a chain of such pairs. Two runs
with the same order are one trace. Vector clocks as in Mattern 1989: `clock[t]` counts the steps of thread t that
happened before, itself included. Memory accesses order as lock operations do here (the relation of DPOR), so what is
called a race is a *reversible* pair: dependent, of two threads, with nothing in between that orders them. Exactly those
pairs are next to each other in some equivalent run.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from simulator.ops import Access, Footprint, dependent
from simulator.trace import Event

__all__ = ["HappensBefore", "canonical_form"]

Clock = dict[str, int]


class HappensBefore:
    """The order of cause over a sequence of events, by their positions.

    >>> from simulator.bodies import SourceLine
    >>> from simulator.ops import Read, Write
    >>> here = SourceLine("f.py", 1)
    >>> order = HappensBefore([Event("a", Write("x", 1), None, 0, 1, here), Event("b", Read("x"), 1, 1, 1, here)])
    >>> order.before(0, 1), order.races()
    (True, [(0, 1)])
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self._threads = [event.thread for event in events]
        self._footprints = [event.footprint for event in events]
        self._clocks: list[Clock] = []
        self._numbers: list[int] = []
        self._parents: list[list[int]] = []
        """For each event, the latest earlier events that it depends on: its own thread's and those on the same object."""
        last: dict[str, int] = {}
        writes: dict[Hashable, int] = {}
        reads: dict[Hashable, list[int]] = {}
        for position, (thread, touched) in enumerate(zip(self._threads, self._footprints, strict=True)):
            parents = [last[thread]] if thread in last else []
            if touched.access != Access.NONE:
                thing = (touched.on_lock, touched.name)
                if thing in writes:
                    parents.append(writes[thing])
                if touched.access == Access.WRITE:
                    parents.extend(reads.pop(thing, ()))
                    writes[thing] = position
                else:
                    reads.setdefault(thing, []).append(position)
            clock: Clock = {}
            for parent in parents:
                for name, count in self._clocks[parent].items():
                    if count > clock.get(name, 0):
                        clock[name] = count
            number = self._numbers[last[thread]] + 1 if thread in last else 1
            clock[thread] = number
            last[thread] = position
            self._clocks.append(clock)
            self._numbers.append(number)
            self._parents.append(sorted(set(parents)))

    def before(self, first: int, second: int) -> bool:
        """Whether the event at `first` happened before the one at `second`; an event is not before itself."""
        return first != second and self._clocks[second].get(self._threads[first], 0) >= self._numbers[first]

    def clock(self, position: int) -> Clock:
        """The vector clock of an event: for each thread, how many of its steps came before or are this one."""
        return dict(self._clocks[position])

    def footprint(self, position: int) -> Footprint:
        """What the event at a position touched."""
        return self._footprints[position]

    def races(self) -> list[tuple[int, int]]:
        """Reversible pairs, in order of the second: dependent, of two threads, and nothing between that orders them."""
        found = []
        for second, parents in enumerate(self._parents):
            for first in parents:
                if self._threads[first] == self._threads[second]:
                    continue
                if not dependent(self._footprints[first], self._footprints[second]):
                    continue
                if not any(self.before(first, other) for other in parents if other != first):
                    found.append((first, second))
        return found


def canonical_form(events: Sequence[Event]) -> tuple[tuple[tuple[str, str, str], ...], ...]:
    """The Foata normal form: equal for two runs exactly when they are the same Mazurkiewicz trace.

    A tuple of layers; each layer holds, in thread order, the steps whose every cause is in an earlier layer.
    """
    order = HappensBefore(events)
    depth: list[int] = []
    layers: list[list[tuple[str, str, str]]] = []
    for position, event in enumerate(events):
        level = max((depth[other] + 1 for other in range(position) if order.before(other, position)), default=0)
        depth.append(level)
        if level == len(layers):
            layers.append([])
        layers[level].append((event.thread, repr(event.operation), repr(event.answer)))
    return tuple(tuple(sorted(layer)) for layer in layers)
