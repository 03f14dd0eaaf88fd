"""What walks look up again and again: the steps out of a state, and what a step touches.

Both only remember what `machine.py` says; forgetting it changes no answer.
"""

from __future__ import annotations

from collections.abc import Hashable

from simulator.machine import Machine, State
from simulator.ops import Access

__all__ = ["Moves", "Touches"]

REMEMBERED = 20_000
"""States whose steps are remembered: the first ones that are met, which are those that walks meet again and again."""


class Moves(dict[State, list[tuple[int, State, int]]]):
    """`moves[state]` is `machine.moves(state)`, remembered for `REMEMBERED` states."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._work_out = machine.moves

    def __missing__(self, state: State) -> list[tuple[int, State, int]]:
        found = self._work_out(state)
        if len(self) < REMEMBERED:
            self[state] = found
        return found


class Touches(dict[int, int]):
    """`touches[event]`, by the event's number: -1 if it touches nothing, else twice the number of the thing it touches,
    plus 1 if it writes.

    So two steps of different threads are dependent (as `ops.dependent` says) when their numbers are at least 0, at most
    the last bit of them differs, and one is odd.
    """

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._events = machine.events
        self._things: dict[tuple[bool, Hashable], int] = {}

    def __missing__(self, event: int) -> int:
        touched = self._events[event].footprint
        found = -1
        if touched.access != Access.NONE:
            thing = self._things.setdefault((touched.on_lock, touched.name), len(self._things))
            found = 2 * thing + (touched.access == Access.WRITE)
        self[event] = found
        return found
