"""Exact counting without enumeration: how many interleavings end in each outcome, and how likely each is under a random walk.

The number of ways to reach a state is the sum over its predecessors, so one pass over the states, layer by layer, counts what
enumeration would visit one by one; integers grow as they must. Interchangeable threads are kept in one order: exchanging two of
them maps interleavings to interleavings, so their states are counted together, and the counts still count every one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from simulator.errors import LimitError
from simulator.machine import COMPACT, LayoutFull, Machine, State
from simulator.program import Program
from simulator.search.budget import Budget, without_collecting
from simulator.trace import Outcome, memory_dict

__all__ = ["Census", "count"]

MAX_STATES = 5_000_000
Weight = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Census:
    """Every interleaving of a program, counted by outcome.

    `outcomes` maps each outcome to its number of interleavings; `odds` maps it to its exact probability when each enabled
    thread is equally likely at each step. `states` is how many the count visited (interchangeable threads in one
    order), `longest` the most steps that an interleaving takes. `max_steps` is the cut that was asked for, None for none.
    """

    outcomes: Mapping[Outcome, int]
    odds: Mapping[Outcome, Fraction]
    states: int
    longest: int
    max_steps: int | None = None

    @property
    def interleavings(self) -> int:
        """How many there are in all."""
        return sum(self.outcomes.values())

    def share(self, outcome: Outcome) -> Fraction:
        """The share of all interleavings, each equally likely, that end so."""
        return Fraction(self.outcomes[outcome], self.interleavings)

    def to_dict(self) -> dict[str, Any]:
        """The census in plain types, as `simulator count --json` prints it; counts are integers however large."""
        return {
            "interleavings": self.interleavings,
            "complete": self.max_steps is None,
            "max_steps": self.max_steps,
            "longest": self.longest,
            "states": self.states,
            "outcomes": {
                str(outcome): {
                    "interleavings": number,
                    "random_walk": str(self.odds[outcome]),
                    "how": outcome.how,
                    "memory": memory_dict(outcome.memory),
                }
                for outcome, number in self.outcomes.items()
            },
        }

    def __str__(self) -> str:
        from simulator.render.text import census_table

        return census_table(self)

    def _repr_html_(self) -> str:
        from simulator.render.html import preformatted

        return preformatted(str(self))


def count(
    program: Program | Machine,
    *,
    max_steps: int | None = None,
    max_states: int = MAX_STATES,
    budget: Budget | None = None,
) -> Census:
    """Count a program's interleavings by outcome, exactly.

    With `max_steps`, interleavings longer than that are cut there and counted as "out of steps". Raises LimitError for a program
    with interleavings without end (unless `max_steps` is given), and when more than `max_states` states are needed or the
    time of `budget` is up: a part of a count would be no count.

    >>> from simulator.ops import Read, Write
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> census = count(Program({"a": body, "b": body}, memory={"x": 0}))
    >>> census.interleavings, {str(outcome): number for outcome, number in census.outcomes.items()}
    (6, {'x=1': 4, 'x=2': 2})
    """
    machine = Machine(program, bits=COMPACT) if isinstance(program, Program) else program
    while True:
        try:
            with without_collecting():
                return _Counting(machine, max_steps, max_states, budget or Budget()).run()
        except LayoutFull:
            machine = machine.widened()


Canonical = tuple[int, ...]
"""The shared fields, then the threads' local states: interchangeable threads side by side, in ascending order."""


class _Counting:
    def __init__(self, machine: Machine, max_steps: int | None, max_states: int, budget: Budget) -> None:
        self.machine = machine
        self.max_steps = max_steps
        self.max_states = max_states
        self.budget = budget
        self.order = [thread for members in machine.classes for thread in members]
        self.slices: list[tuple[int, int, int]] = []
        start = 1
        for number, members in enumerate(machine.classes):
            self.slices.append((number, start, start + len(members)))
            start += len(members)

    def run(self) -> Census:
        initial = self.canonical(self.machine.initial)
        scale = lcm(*range(1, len(self.order) + 1))
        layer: dict[Canonical, Weight] = {initial: (1, 1)}
        ended: dict[Outcome, list[Any]] = {}
        unit = 1
        depth = 0
        visited = 0
        checked_for_cycles = False
        deadline = self.budget.deadline()
        while layer:
            visited += len(layer)
            self.check_limits(visited, deadline)
            if self.max_steps is None and not checked_for_cycles and depth > self.locals_seen():
                # Longer than any run could be whose threads never come back to a place: there may be no end.
                checked_for_cycles = True
                self.refuse_cycles(initial)
            cut = depth == self.max_steps
            following: dict[Canonical, Weight] = {}
            get = following.get
            for state, (ways, chance) in layer.items():
                moves = self.moves(state)
                if not moves or cut:
                    outcome = self.machine.outcome(self.state(state), cut=bool(moves))
                    entry = ended.setdefault(outcome, [0, Fraction(0)])
                    entry[0] += ways
                    entry[1] += Fraction(chance, unit)
                    continue
                part = chance * (scale // sum(times for _, times in moves))
                for after, times in moves:
                    known = get(after)
                    if known is None:
                        following[after] = (ways * times, part * times)
                    else:
                        following[after] = (known[0] + ways * times, known[1] + part * times)
            layer = following
            unit *= scale
            depth += 1
        ranked = sorted(ended, key=lambda outcome: outcome.sort_key)
        return Census(
            outcomes={outcome: ended[outcome][0] for outcome in ranked},
            odds={outcome: ended[outcome][1] for outcome in ranked},
            states=visited,
            longest=depth - 1,
            max_steps=self.max_steps if any(outcome.how == "out of steps" for outcome in ranked) else None,
        )

    def moves(self, state: Canonical) -> list[tuple[Canonical, int]]:
        """The states one step on, each with how many of the interchangeable threads can take that step."""
        found = []
        shared = state[0]
        class_rows = self.machine.class_rows
        for number, start, stop in self.slices:
            rows = class_rows[number]
            at = start
            while at < stop:
                local = state[at]
                end = at + 1
                while end < stop and state[end] == local:
                    end += 1
                shift, mask, table = rows[local]
                value = (shared >> shift) & mask
                try:
                    move = table[value]
                except KeyError:
                    move = self.machine.grow_class(number, local, value)
                if move is not None:
                    reached, change = move
                    if stop - start == 1:
                        after = (shared + change, *state[1:at], reached, *state[stop:])
                    else:
                        members = [*state[start:at], *state[at + 1 : stop], reached]
                        members.sort()
                        after = (shared + change, *state[1:start], *members, *state[stop:])
                    found.append((after, end - at))
                at = end
        return found

    def canonical(self, state: State) -> Canonical:
        parts = [self.machine.shared_part(state)]
        for members in self.machine.classes:
            parts.extend(sorted(self.machine.locals_of(state, members)))
        return tuple(parts)

    def state(self, canonical: Canonical) -> State:
        return self.machine.state_of(canonical[0], dict(zip(self.order, canonical[1:], strict=True)))

    def locals_seen(self) -> int:
        rows = self.machine.class_rows
        return sum(len(rows[number]) * (stop - start) for number, start, stop in self.slices)

    def check_limits(self, visited: int, deadline: float | None) -> None:
        if visited > self.max_states:
            raise LimitError(
                f"counting needs more than {self.max_states:,} states (max_states): make the program smaller, raise "
                "the limit, or sample with a random walk"
            )
        if self.budget.late(deadline, visited):
            raise LimitError(f"counting was not done after {self.budget.timeout:g} s (timeout)")

    def refuse_cycles(self, initial: Canonical) -> None:
        if _has_cycle(initial, lambda state: [after for after, _ in self.moves(state)], self.max_states):
            raise LimitError(
                "the program can run for ever, so it has infinitely many interleavings: give max_steps to cut each one there"
            )


def _has_cycle(initial: Canonical, after: Callable[[Canonical], list[Canonical]], max_states: int) -> bool:
    """Whether a state can be reached again from itself: depth-first search for an edge back into the current path."""
    on_path: dict[Canonical, bool] = {initial: True}
    stack: list[tuple[Canonical, Iterator[Canonical]]] = [(initial, iter(after(initial)))]
    while stack:
        state, rest = stack[-1]
        for following in rest:
            known = on_path.get(following)
            if known:
                return True
            if known is None:
                if len(on_path) >= max_states:
                    raise LimitError(
                        f"the program was not seen to end within {max_states:,} states (max_states): give max_steps "
                        "to cut each interleaving there, or raise the limit"
                    )
                on_path[following] = True
                stack.append((following, iter(after(following))))
                break
        else:
            on_path[state] = False
            stack.pop()
    return False
