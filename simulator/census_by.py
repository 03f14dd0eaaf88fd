"""Exact counts by cost: how many interleavings of each outcome have no preemption, one, two …, or so many delays.

The same pass over the states as in `census`, with the thread that moved last kept beside the state, and a polynomial in
place of each number: the coefficient of its c-th power counts the ways there that cost c. A polynomial is one integer
of fixed-width fields, so that a step is a shift and an addition. Delays depend on the order of the threads, so
interchangeable threads are counted together for preemptions only. It does not know which interleavings they are:
`search.bounded` gives those.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.census import LONGEST, MAX_STATES, Census, _Counting, count
from simulator.machine import COMPACT, LayoutFull, Machine
from simulator.program import Program
from simulator.search.bounded import NOBODY, Cost
from simulator.search.budget import Budget, without_collecting
from simulator.trace import Outcome

__all__ = ["CensusBy", "count_by"]

LOOK_AT_CLOCK = 1024
Polynomial = int
Layer = dict[int, dict[int, Polynomial]]
"""The ways to each state, by who moved last."""


@dataclass(frozen=True, slots=True)
class CensusBy:
    """Every interleaving of a program, counted by outcome and by cost.

    `by_outcome` maps each outcome to its number of interleavings by cost, the cheapest first; costs that none has are
    left out. `census` has all that does not depend on the cost.
    """

    census: Census
    cost: Cost
    by_outcome: Mapping[Outcome, Mapping[int, int]]

    @property
    def numbers(self) -> dict[int, int]:
        """How many interleavings have each cost, whatever their outcome, the cheapest first."""
        summed: dict[int, int] = {}
        for numbers in self.by_outcome.values():
            for cost, number in numbers.items():
                summed[cost] = summed.get(cost, 0) + number
        return dict(sorted(summed.items()))

    @property
    def highest(self) -> int:
        """The most that an interleaving costs: a bound from here on bounds nothing."""
        return max(self.numbers)

    def within(self, bound: int) -> int:
        """How many interleavings cost at most this much."""
        return sum(number for cost, number in self.numbers.items() if cost <= bound)

    def to_dict(self) -> dict[str, Any]:
        """The census in plain types, as `simulator count --by … --json` prints it."""
        plain = self.census.to_dict()
        for outcome, numbers in self.by_outcome.items():
            plain["outcomes"][str(outcome)][f"by_{self.cost}"] = _keyed(numbers)
        return {**plain, f"by_{self.cost}": _keyed(self.numbers)}

    def __str__(self) -> str:
        from simulator.render.text import cost_table

        return cost_table(self)

    def _repr_html_(self) -> str:
        from simulator.render.html import preformatted

        return preformatted(str(self))


def count_by(
    program: Program | Machine,
    cost: Cost,
    *,
    max_steps: int | None = None,
    max_states: int = MAX_STATES,
    longest: int = LONGEST,
    budget: Budget | None = None,
) -> CensusBy:
    """Count a program's interleavings by outcome and by cost, exactly.

    An interleaving that `max_steps` cuts costs what was spent until then. Raises EndlessError and LimitError as
    `census.count` does.

    >>> from simulator.ops import Read, Write
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> counted = count_by(Program({"a": body, "b": body}, memory={"x": 0}), Cost.PREEMPTIONS)
    >>> {str(outcome): dict(numbers) for outcome, numbers in counted.by_outcome.items()}
    {'x=1': {1: 2, 2: 2}, 'x=2': {0: 2}}
    """
    machine = Machine(program, bits=COMPACT) if isinstance(program, Program) else program
    begun = (budget or Budget()).begun()
    census = count(machine, max_steps=max_steps, max_states=max_states, longest=longest, budget=begun)
    counting = _Preemptions if cost is Cost.PREEMPTIONS else _Delays
    while True:
        try:
            with without_collecting():
                found = counting(machine, census, _Counting(machine, max_steps, max_states, longest, begun)).run()
        except LayoutFull:
            machine = machine.widened()
        else:
            return CensusBy(census, cost, {outcome: found[outcome] for outcome in census.outcomes})


class _Layers(ABC):
    """Goes through the states layer by layer."""

    def __init__(self, machine: Machine, census: Census, counting: _Counting) -> None:
        self.machine = machine
        self.counting = counting
        self.width = census.interleavings.bit_length()
        """Bits of a coefficient: each way to a state goes on to the end, so there are no more ways than interleavings."""

    @abstractmethod
    def first(self) -> int:
        """What stands for the initial state."""

    @abstractmethod
    def outcome(self, node: int, *, cut: bool) -> Outcome:
        """How an interleaving that ends here ended."""

    @abstractmethod
    def advance(self, node: int, weights: Mapping[int, Polynomial], following: Layer) -> bool:
        """Add the steps from a node to the following layer; False if there are none."""

    def run(self) -> dict[Outcome, dict[int, int]]:
        counting = self.counting
        ended: dict[Outcome, Polynomial] = {}
        layer: Layer = {self.first(): {NOBODY: 1}}
        depth = 0
        while layer:
            following: Layer = {}
            cut = depth == counting.max_steps
            for place, (node, weights) in enumerate(layer.items()):
                if not place % LOOK_AT_CLOCK:
                    counting.check_limits(place + len(following))
                goes_on = self.advance(node, weights, following)
                if cut or not goes_on:
                    outcome = self.outcome(node, cut=goes_on)
                    ended[outcome] = ended.get(outcome, 0) + sum(weights.values())
            counting.visited += len(layer)
            layer = {} if cut else following
            depth += 1
        return {outcome: self.coefficients(ways) for outcome, ways in ended.items()}

    def coefficients(self, ways: Polynomial) -> dict[int, int]:
        mask = (1 << self.width) - 1
        found = {}
        power = 0
        while ways:
            if ways & mask:
                found[power] = ways & mask
            ways >>= self.width
            power += 1
        return found


class _Preemptions(_Layers):
    """Interchangeable threads are counted together, as in the census: a node says how many are in each local state.

    Of the thread that moved last only its local state is kept (as the number of its field). It is enabled if the others
    there are.
    """

    def __init__(self, machine: Machine, census: Census, counting: _Counting) -> None:
        super().__init__(machine, census, counting)
        self.reached: dict[tuple[int, int], int] = {}
        """Where a step leads, as a field, by the field that it leaves and the value that it touches."""

    def first(self) -> int:
        return self.counting.node(self.machine.initial)

    def outcome(self, node: int, *, cut: bool) -> Outcome:
        return self.machine.outcome(self.counting.state(node), cut=cut)

    def advance(self, node: int, weights: Mapping[int, Polynomial], following: Layer) -> bool:
        counting, reached, width = self.counting, self.reached, self.width
        moves = []
        enabled = 0
        for times, shift, mask, deltas, slot in counting.decode(node >> counting.shared_bits):
            value = (node >> shift) & mask
            delta = deltas[value] if value in deltas else counting.grow(slot, value)
            if delta is not None:
                source = slot.field
                target = reached.get((source, value))
                if target is None:
                    move = self.machine.grow_class(slot.number, slot.local, value)
                    assert move is not None
                    target = reached[source, value] = counting.slot(slot.number, move[0]).field
                same = weights.get(source, 0)
                enabled += same
                moves.append((node + delta, target, times, same))
        blocked = sum(weights.values()) - enabled
        for after, target, times, same in moves:
            # The last thread itself goes on, or one beside it, or one from elsewhere.
            ways = same + ((same * (times - 1) + (enabled - same) * times) << width) + blocked * times
            known = following.get(after)
            if known is None:
                following[after] = {target: ways}
            else:
                known[target] = known.get(target, 0) + ways
        return bool(moves)


class _Delays(_Layers):
    """Each thread by itself: a node is a state."""

    def first(self) -> int:
        return self.machine.initial

    def outcome(self, node: int, *, cut: bool) -> Outcome:
        return self.machine.outcome(node, cut=cut)

    def advance(self, node: int, weights: Mapping[int, Polynomial], following: Layer) -> bool:
        moves = self.machine.successors(node)
        if not moves:
            return False
        width = self.width
        threads = [thread for thread, _ in moves]
        turns = [0] * len(moves)
        """The ways here by whose turn it is now."""
        for last, ways in weights.items():
            turns[bisect_left(threads, last) % len(threads)] += ways
        # Once round: each place further is one delay more for all turns, but for the turn that is reached there.
        round_ = 0
        for ways in turns[1:] + turns[:1]:
            round_ = (round_ << width) + ways
        for place, (thread, after) in enumerate(moves):
            if place:
                round_ = (round_ << width) + turns[place] - (turns[place] << width * len(moves))
            known = following.get(after)
            if known is None:
                following[after] = {thread: round_}
            else:
                known[thread] = known.get(thread, 0) + round_
        return True


def _keyed(numbers: Mapping[int, int]) -> dict[str, int]:
    return {str(cost): number for cost, number in numbers.items()}
