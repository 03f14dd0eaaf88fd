"""Where threads stand in the deadlocks of a program, and from where they can come there.

A search that has seen every end of every interleaving (a complete one has) spares the search for a shortest schedule to
a deadlock most of its nodes: a thread that can no longer come to where the deadlock has it is in no schedule to it. Only
deadlocks are kept, for nothing else is seen at an end alone. It knows local states one by one, and of their combinations
and of memory nothing: what it leaves may still be hopeless, what it rules out is.
"""

from __future__ import annotations

from collections.abc import Iterable

from simulator.analysis.finding import Kind, Sighting
from simulator.machine import Machine, State
from simulator.search.reachable import places_before

__all__ = ["Endings"]


class Endings:
    """The deadlocks of a machine's program, by sighting. Interchangeable threads are not told apart.

    >>> from simulator.analysis.finding import Kind
    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> machine = Machine(Program({"a": body}))
    >>> first, (last, _) = machine.initial, machine.step(machine.initial, 0)
    >>> endings, stays = Endings(machine), Sighting(Kind.DEADLOCK, ("x",))
    >>> endings.add(first, [stays])
    >>> endings.leading_to([stays]) == (frozenset(machine.locals_of(first, (0,))),)
    True
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._places: dict[Sighting, tuple[set[int], ...]] = {}

    def add(self, state: State, seen: Iterable[Sighting]) -> None:
        """An interleaving ends in this state, and shows these."""
        machine = self._machine
        for sighting in seen:
            if sighting.kind is not Kind.DEADLOCK:
                continue
            places = self._places.get(sighting)
            if places is None:
                places = self._places[sighting] = tuple(set() for _ in machine.classes)
            for own, members in zip(places, machine.classes, strict=True):
                own.update(machine.locals_of(state, members))

    def __contains__(self, sighting: Sighting) -> bool:
        return sighting in self._places

    def leading_to(self, wanted: Iterable[Sighting]) -> tuple[frozenset[int], ...]:
        """For each thread the local states from which it can come to where one of these deadlocks has it.

        Each of these must have been added. It is read off the steps that the machine knows by now.
        """
        machine = self._machine
        targets = tuple(set[int]() for _ in machine.classes)
        for sighting in wanted:
            for target, own in zip(targets, self._places[sighting], strict=True):
                target |= own
        found: list[frozenset[int]] = [frozenset()] * len(machine.threads)
        for members, target in zip(machine.classes, targets, strict=True):
            leading = frozenset(_back(target, places_before(machine, members)))
            for thread in members:
                found[thread] = leading
        return tuple(found)


def _back(targets: set[int], before: dict[int, list[int]]) -> set[int]:
    """The targets, and all that comes before them."""
    found = set(targets)
    waiting = list(targets)
    while waiting:
        for local in before.get(waiting.pop(), ()):
            if local not in found:
                found.add(local)
                waiting.append(local)
    return found
