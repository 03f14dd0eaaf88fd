"""Uniform sampling of interleavings: each one exactly equally likely.

The number of ways from each state to an end is counted once, backwards; with it, the interleavings are numbered in thread
order, and the one with a given number is found step by step. A sample is then a uniformly random number. All of it is
integer arithmetic, so nothing is rounded. Where the states are too many to count, this refuses; `weighted_by_length.py`
samples any program, and is not uniform.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from simulator.machine import Machine, State
from simulator.search.budget import Budget
from simulator.search.chance import Draw, below
from simulator.search.interchange import Interchange
from simulator.search.naive import Interleaving
from simulator.search.tables import REMEMBERED
from simulator.search.ways import END, MAX_STATES, ways_to_an_end

__all__ = ["RankedInterleavings", "uniform"]


class RankedInterleavings:
    """All interleavings of a machine by number, in the order of `naive.interleavings`: `total` of them, from 0 on.

    With `max_steps`, those that are longer are cut there, and count once for all that begin so. Raises EndlessError for
    a program that can run for ever (unless `max_steps` is given), and LimitError where more than `max_states` states
    have to be counted or the time of the budget is up; interchangeable threads are counted in one order only.

    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    ...     yield Pause()
    >>> ranked = RankedInterleavings(Machine(Program({"a": body, "b": body})))
    >>> ranked.total, ranked.at(0).schedule, ranked.at(5).schedule
    (6, (0, 0, 1, 1), (1, 1, 0, 0))
    """

    def __init__(
        self,
        machine: Machine,
        *,
        max_steps: int | None = None,
        max_states: int = MAX_STATES,
        budget: Budget | None = None,
    ) -> None:
        self._machine = machine
        self._max_steps = max_steps
        self._ordered = Interchange(machine).ordered
        # A node is a state, and above its bits how many steps are left: always 0 if there is no limit, so that
        # states are counted once, whatever the number of steps to them.
        self._step = 0 if max_steps is None else 1 << machine.bits
        self._steps: dict[int, list[tuple[int, int, State]]] = {}
        root = self._node(machine.initial, 0 if max_steps is None else max_steps << machine.bits)
        self._ways = ways_to_an_end(root, self._after, max_states=max_states, budget=budget)
        self.total = self._ways[root]

    def at(self, number: int) -> Interleaving:
        """The interleaving with a number from 0 to `total` - 1."""
        state = self._machine.initial
        path: list[int] = []
        left = 0 if self._max_steps is None else self._max_steps << self._machine.bits
        remembered = self._steps
        while len(path) != self._max_steps:
            steps = remembered.get(state + left)
            if steps is None:
                steps = self._look_up(state, left)
            if not steps:
                return Interleaving(tuple(path), state, False)
            for ways, thread, reached in steps:
                if number < ways:
                    path.append(thread)
                    state = reached
                    break
                number -= ways
            left -= self._step
        return Interleaving(tuple(path), state, bool(self._machine.successors(state)))

    def _look_up(self, state: State, left: int) -> list[tuple[int, int, State]]:
        """The steps out of a state, each with how many interleavings go on with it."""
        found = [
            (self._ways[self._node(reached, left - self._step)], thread, reached)
            for thread, reached in self._machine.successors(state)
        ]
        if len(self._steps) < REMEMBERED:
            self._steps[state + left] = found
        return found

    def _node(self, state: State, left: int) -> int:
        return self._ordered(state)[0] + left

    def _after(self, node: int) -> list[int]:
        bits = self._machine.bits
        left = node >> bits << bits
        if self._step and not left:
            return [END]
        left -= self._step
        return [self._node(reached, left) for _, reached in self._machine.successors(node & ((1 << bits) - 1))] or [END]


def uniform(
    machine: Machine,
    *,
    draw: Draw,
    max_steps: int | None = None,
    max_states: int = MAX_STATES,
    budget: Budget | None = None,
) -> Iterator[Interleaving]:
    """Interleavings without end, lazily, each of those that there are exactly equally likely.

    Raises what `RankedInterleavings` raises, before the first one.

    >>> import random
    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> next(uniform(Machine(Program({"a": body, "b": body})), draw=random.Random(1).random)).schedule
    (0, 1)
    """
    ranked = RankedInterleavings(machine, max_steps=max_steps, max_states=max_states, budget=budget)
    return (ranked.at(below(ranked.total, draw)) for _ in repeat(None))
