"""Happens-before: which steps of a run are ordered by cause, and the canonical form of a Mazurkiewicz trace.

Two steps are ordered when they are of one thread, or dependent (`ops.dependent`), or linked by a chain of such pairs. Two runs
with the same order are one trace. Vector clocks as in Mattern 1989: `clock[t]` counts the steps of thread t that
happened before, itself included. Memory accesses order as lock operations do here (the relation of DPOR), so what is
called a race is a *reversible* pair: dependent, of two threads, with nothing in between that orders them. Exactly those
pairs are next to each other in some equivalent run.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from simulator.ops import Access, Footprint
from simulator.trace import Event

__all__ = ["HappensBefore", "canonical_form"]

Clock = dict[str, int]


class HappensBefore:
    """The order of cause over a sequence of events, by their positions. It grows and shrinks at its end.

    >>> from simulator.bodies import SourceLine
    >>> from simulator.ops import Read, Write
    >>> here = SourceLine("f.py", 1)
    >>> order = HappensBefore([Event("a", Write("x", 1), None, 0, 1, here), Event("b", Read("x"), 1, 1, 1, here)])
    >>> order.before(0, 1), order.races()
    (True, [(0, 1)])
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._threads: list[str] = []
        self._footprints: list[Footprint] = []
        # For each event, those before it and itself, as bits by position; the first steps of the reversible pairs that
        # it ends; and what `pop` puts back.
        self._causes: list[int] = []
        self._races: list[tuple[int, ...]] = []
        self._undo: list[tuple[int, int, tuple[int, ...]]] = []
        # For each thread its latest event, and for each thing its last write and each thread's latest read since: what
        # came before it in its thread is before all that it is before.
        self._latest: dict[str, int] = {}
        self._written: dict[tuple[bool, Hashable], int] = {}
        self._read: dict[tuple[bool, Hashable], tuple[int, ...]] = {}
        for event in events:
            self.push(event)

    def push(self, event: Event) -> tuple[int, ...]:
        """Add an event at the end; the positions of the first steps of the reversible pairs that it ends."""
        thread, touched = event.thread, event.footprint
        threads = self._threads
        position = len(threads)
        previous = self._latest.get(thread, -1)
        causes = self._causes[previous] if previous >= 0 else 0
        last = -1
        since: tuple[int, ...] = ()
        races: tuple[int, ...] = ()
        if touched.access != Access.NONE:
            thing = (touched.on_lock, touched.name)
            last, since = self._written.get(thing, -1), self._read.get(thing, ())
            direct: tuple[int, ...] = (last,) if last >= 0 else ()
            if touched.access == Access.WRITE:
                direct = since or direct
                self._written[thing] = position
                self._read[thing] = ()
            else:
                self._read[thing] = (*(one for one in since if threads[one] != thread), position)
            races = tuple(
                one
                for one in direct
                if not causes >> one & 1 and not any(self._causes[other] >> one & 1 for other in direct if other != one)
            )
            for one in direct:
                causes |= self._causes[one]
        threads.append(thread)
        self._footprints.append(touched)
        self._causes.append(causes | 1 << position)
        self._races.append(races)
        self._undo.append((previous, last, since))
        self._latest[thread] = position
        return races

    def pop(self) -> None:
        """Take the last event away."""
        previous, last, since = self._undo.pop()
        self._latest[self._threads.pop()] = previous
        touched = self._footprints.pop()
        if touched.access != Access.NONE:
            thing = (touched.on_lock, touched.name)
            self._written[thing], self._read[thing] = last, since
        self._causes.pop()
        self._races.pop()

    def before(self, first: int, second: int) -> bool:
        """Whether the event at `first` happened before the one at `second`; an event is not before itself."""
        return first != second and bool(self._causes[second] >> first & 1)

    def clock(self, position: int) -> Clock:
        """The vector clock of an event: for each thread, how many of its steps came before or are this one."""
        clock: Clock = {}
        for other, thread in enumerate(self._threads[: position + 1]):
            if self._causes[position] >> other & 1:
                clock[thread] = clock.get(thread, 0) + 1
        return clock

    def footprint(self, position: int) -> Footprint:
        """What the event at a position touched."""
        return self._footprints[position]

    def races(self) -> list[tuple[int, int]]:
        """Reversible pairs, in order of the second: dependent, of two threads, and nothing between that orders them."""
        return [(first, second) for second, firsts in enumerate(self._races) for first in sorted(firsts)]


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
