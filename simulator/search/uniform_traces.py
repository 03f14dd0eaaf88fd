"""Uniform sampling of Mazurkiewicz traces: each class of equivalent interleavings exactly equally likely.

As `uniform.py`, over the tree of `sleep_sets.py`, which has one interleaving of each trace: the number of traces from a
state and a sleep set is counted once, backwards, and a trace is found by its number. Walks down that tree never come
to a dead end, for none of the traces goes there. Which of its interleavings stands for a trace is arbitrary but fixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from simulator.machine import Machine, State
from simulator.search.budget import Budget
from simulator.search.chance import Draw, below
from simulator.search.interchange import Interchange
from simulator.search.naive import Interleaving
from simulator.search.sleep_sets import SleepSets
from simulator.search.tables import REMEMBERED
from simulator.search.ways import END, MAX_STATES, ways_to_an_end

__all__ = ["RankedTraces", "uniform_traces"]


class RankedTraces:
    """All Mazurkiewicz traces of a machine by number, from 0 on, one interleaving of each: `total` of them.

    With `max_steps`, runs are cut there and two that are cut are one trace
    when they differ only in the order of independent steps up to there. Raises EndlessError for a program that can
    run for ever (unless `max_steps` is given), and LimitError where more than `max_states` pairs of state and sleep set
    have to be counted or the time of the budget is up; interchangeable threads are counted in one order only.

    >>> from simulator.ops import Read, Write
    >>> from simulator.program import Program
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> ranked = RankedTraces(Machine(Program({"a": body, "b": body}, memory={"x": 0})))
    >>> [ranked.at(number).schedule for number in range(ranked.total)]
    [(0, 1, 1, 0), (0, 1, 0, 1), (0, 0, 1, 1), (1, 1, 0, 0)]
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
        self._tree = SleepSets(machine)
        self._interchange = Interchange(machine)
        self._ordered = self._interchange.ordered
        # A node is a state, above its bits the sleep set, and above that how many steps are left (0 without a limit).
        self._above = machine.bits + len(machine.threads)
        self._step = 0 if max_steps is None else 1 << self._above
        self._steps: dict[int, list[tuple[int, int, int, tuple[int, ...]]] | None] = {}
        # Interchangeable threads begin alike, so they are in order at first.
        self._root = machine.initial + (0 if max_steps is None else max_steps << self._above)
        self._ways = ways_to_an_end(self._root, self._after, max_states=max_states, budget=budget)
        self.total = self._ways[self._root]

    def at(self, number: int) -> Interleaving:
        """The interleaving that stands for the trace with a number from 0 to `total` - 1."""
        node = self._root
        names = list(range(len(self._machine.threads)))
        path: list[int] = []
        remembered = self._steps
        while len(path) != self._max_steps:
            steps = remembered[node] if node in remembered else self._look_up(node)
            if steps is None:
                return Interleaving(tuple(path), self._state(node, names), False)
            for ways, thread, following, origin in steps:
                if number < ways:
                    path.append(names[thread])
                    node = following
                    if origin:
                        names = [names[place] for place in origin]
                    break
                number -= ways
        state = self._state(node, names)
        return Interleaving(tuple(path), state, bool(self._machine.successors(state)))

    def _state(self, node: int, names: list[int]) -> State:
        """The state at a node whose threads stand for those of these names."""
        state = node & ((1 << self._machine.bits) - 1)
        if names == sorted(names):
            return state
        return self._interchange.renamed(state, sorted(names, key=names.__getitem__))

    def _look_up(self, node: int) -> list[tuple[int, int, int, tuple[int, ...]]] | None:
        """The steps out of a node, with how many traces go on with each, the node after it, and where its threads come
        from; None at an end."""
        after = self._steps_from(node)
        found = None
        if after is not None:
            found = [(self._ways[following], thread, following, origin) for thread, following, origin in after]
        if len(self._steps) < REMEMBERED:
            self._steps[node] = found
        return found

    def _after(self, node: int) -> list[int]:
        if self._step and node < self._step:
            return [END]
        after = self._steps_from(node)
        return [END] if after is None else [following for _, following, _ in after]

    def _steps_from(self, node: int) -> list[tuple[int, int, tuple[int, ...]]] | None:
        bits, above = self._machine.bits, self._above
        after = self._tree.after(node & ((1 << bits) - 1), (node & ((1 << above) - 1)) >> bits)
        if after is None:
            return None
        left = (node >> above << above) - self._step
        found = []
        for thread, state, asleep in after:
            state, asleep, origin = self._ordered(state, asleep)
            found.append((thread, state + (asleep << bits) + left, origin))
        return found


def uniform_traces(
    machine: Machine,
    *,
    draw: Draw,
    max_steps: int | None = None,
    max_states: int = MAX_STATES,
    budget: Budget | None = None,
) -> Iterator[Interleaving]:
    """Interleavings without end, lazily, one of each Mazurkiewicz trace, each trace exactly equally likely.

    Raises what `RankedTraces` raises, before the first one.

    >>> import random
    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> next(uniform_traces(Machine(Program({"a": body, "b": body})), draw=random.Random(1).random)).schedule
    (0, 1)
    """
    ranked = RankedTraces(machine, max_steps=max_steps, max_states=max_states, budget=budget)
    return (ranked.at(below(ranked.total, draw)) for _ in repeat(None))
