"""Uniform sampling of Mazurkiewicz traces: each class of equivalent interleavings exactly equally likely.

As `uniform.py`, over the tree of `sleep_sets.py`, which has one interleaving of each trace: the number of traces from a
state and a sleep set is counted once, backwards, and a trace is found by its number. The run that stands for it
is its first interleaving in thread order. Walks down that tree never come to a dead end, for one has no traces.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.machine import Machine, State
from simulator.search.chance import Draw, below
from simulator.search.naive import Interleaving
from simulator.search.sleep_sets import SleepSets
from simulator.search.tables import REMEMBERED
from simulator.search.ways import END, MAX_STATES, ways_to_an_end

__all__ = ["RankedTraces", "uniform_traces"]


class RankedTraces:
    """All Mazurkiewicz traces of a machine by number, each as its first interleaving in thread order: `total` of them.

    They are in the order of those interleavings. With `max_steps`, runs are cut there and two that are cut are one trace
    when they differ only in the order of independent steps up to there. Raises EndlessError for a program that can
    run for ever (unless `max_steps` is given), and LimitError where more than `max_states` pairs of state and sleep set
    have to be counted. (Interchangeable threads are told apart: a sleep set hangs on the order of the threads.)

    >>> from simulator.ops import Read, Write
    >>> from simulator.program import Program
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> ranked = RankedTraces(Machine(Program({"a": body, "b": body}, memory={"x": 0})))
    >>> [ranked.at(number).schedule for number in range(ranked.total)]
    [(0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0), (1, 1, 0, 0)]
    """

    def __init__(self, machine: Machine, *, max_steps: int | None = None, max_states: int = MAX_STATES) -> None:
        self._machine = machine
        self._max_steps = max_steps
        self._tree = SleepSets(machine)
        # A node is a state, above its bits the sleep set, and above that how many steps are left (0 without a limit).
        self._above = machine.bits + len(machine.threads)
        self._step = 0 if max_steps is None else 1 << self._above
        self._steps: dict[int, list[tuple[int, int, State, int]] | None] = {}
        root = self._node(machine.initial, 0, 0 if max_steps is None else max_steps << self._above)
        self._ways = ways_to_an_end(root, self._after, max_states=max_states)
        self.total = self._ways[root]

    def at(self, number: int) -> Interleaving:
        """The first interleaving of the trace with a number from 0 to `total` - 1."""
        state, asleep = self._machine.initial, 0
        path: list[int] = []
        bits = self._machine.bits
        left = 0 if self._max_steps is None else self._max_steps << self._above
        remembered = self._steps
        while len(path) != self._max_steps:
            node = state + (asleep << bits) + left
            steps = remembered[node] if node in remembered else self._look_up(state, asleep, left)
            if steps is None:
                return Interleaving(tuple(path), state, False)
            for ways, thread, reached, sleeping in steps:
                if number < ways:
                    path.append(thread)
                    state, asleep = reached, sleeping
                    break
                number -= ways
            left -= self._step
        return Interleaving(tuple(path), state, bool(self._machine.successors(state)))

    def _look_up(self, state: State, asleep: int, left: int) -> list[tuple[int, int, State, int]] | None:
        """The steps out of a node, each with how many traces go on with it; None at an end."""
        after = self._tree.after(state, asleep)
        found: list[tuple[int, int, State, int]] | None = None
        if after is not None:
            found = [
                (self._ways[self._node(reached, sleeping, left - self._step)], thread, reached, sleeping)
                for thread, reached, sleeping in after
            ]
        if len(self._steps) < REMEMBERED:
            self._steps[self._node(state, asleep, left)] = found
        return found

    def _node(self, state: State, asleep: int, left: int) -> int:
        return state + (asleep << self._machine.bits) + left

    def _after(self, node: int) -> list[int]:
        bits, above = self._machine.bits, self._above
        left = node >> above << above
        if self._step and not left:
            return [END]
        left -= self._step
        after = self._tree.after(node & ((1 << bits) - 1), (node & ((1 << above) - 1)) >> bits)
        if after is None:
            return [END]
        return [self._node(reached, sleeping, left) for _, reached, sleeping in after]


def uniform_traces(
    machine: Machine, *, draw: Draw, max_steps: int | None = None, max_states: int = MAX_STATES
) -> Iterator[Interleaving]:
    """Interleavings without end, lazily, one of each Mazurkiewicz trace, each trace exactly equally likely.

    Raises what `RankedTraces` raises, when the first one is asked for.

    >>> import random
    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> next(uniform_traces(Machine(Program({"a": body, "b": body})), draw=random.Random(1).random)).schedule
    (0, 1)
    """
    ranked = RankedTraces(machine, max_steps=max_steps, max_states=max_states)
    while True:
        yield ranked.at(below(ranked.total, draw))
