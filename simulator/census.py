"""Exact counting without enumeration: how many interleavings end in each outcome, and how likely each is under a random walk.

The number of ways to reach a state is the sum over its predecessors, so one pass over the states, layer by layer,
counts what enumeration would visit one by one; integers grow as they must. Interchangeable threads are kept in one
order: exchanging two of them maps interleavings to interleavings, so their states are counted together, and the counts
still count every one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from simulator.errors import EndlessError, LimitError
from simulator.machine import COMPACT, LayoutFull, Machine, State
from simulator.program import Program
from simulator.search.budget import Budget, without_collecting
from simulator.trace import Outcome, memory_dict

__all__ = ["Census", "count"]

MAX_STATES = 3_500_000
"""Each takes half a kilobyte to one."""
LONGEST = 50_000
"""Steps after which an interleaving is taken to have no end, unless told otherwise."""
LOOK_AT_CLOCK = 4096
Weight = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Census:
    """Every interleaving of a program, counted by outcome.

    `outcomes` maps each outcome to its number of interleavings; `odds` maps it to its exact probability when each
    enabled thread is equally likely at each step. `states` is how many the count visited (interchangeable threads in
    one order), `longest` the most steps that an interleaving takes. `max_steps` is the cut that was asked for, None for
    none.
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
    longest: int = LONGEST,
    budget: Budget | None = None,
) -> Census:
    """Count a program's interleavings by outcome, exactly.

    With `max_steps`, interleavings longer than that are cut there and counted as "out of steps". Raises EndlessError
    for a program that can run for ever (unless `max_steps` is given), and LimitError when one takes more than `longest`
    steps, when more than `max_states` states are needed or the time of `budget` is up: a part of a count would be no
    count.

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
                return _Counting(machine, max_steps, max_states, longest, budget or Budget()).run()
        except LayoutFull:
            machine = machine.widened()


class _Slot:
    """One local state of one class: where its number of threads stands in a node, and what its next step does."""

    __slots__ = ("deltas", "field", "local", "mask", "number", "shift")

    def __init__(self, number: int, local: int, field: int, shift: int, mask: int) -> None:
        self.number = number
        self.local = local
        self.field = field
        self.shift = shift
        self.mask = mask
        self.deltas: dict[int, int | None] = {}
        """What the step adds to a node, by the value that it touches; None where it is blocked."""


class _Counting:
    """A node is one integer: the memory and lock fields, and above them how many threads are in each local state.

    Interchangeable threads in one local state are so one number, and a step adds to the node whatever thread takes it.
    """

    def __init__(self, machine: Machine, max_steps: int | None, max_states: int, longest: int, budget: Budget) -> None:
        self.machine = machine
        self.max_steps = max_steps
        self.longest = longest
        self.max_states = max_states
        self.budget = budget
        self.deadline = budget.deadline()
        self.visited = 0
        self.width = len(machine.threads).bit_length()
        self.shared_bits = machine.bits - machine.shared_shift
        self.slots: list[_Slot] = []
        self.by_local: dict[tuple[int, int], _Slot] = {}
        self.occupied: dict[int, list[tuple[int, int, int, dict[int, int | None], _Slot]]] = {}

    def run(self) -> Census:
        initial = self.node(self.machine.initial)
        scale = lcm(*range(1, len(self.machine.threads) + 1))
        layer: dict[int, Weight] = {initial: (1, 1)}
        ways_to: dict[Outcome, int] = {}
        odds_of: dict[Outcome, Fraction] = {}
        unit = 1
        depth = 0
        checked_for_cycles = False
        while layer:
            self.check_limits(len(layer))
            self.visited += len(layer)
            if self.max_steps is None and not checked_for_cycles and depth > self.locals_seen():
                # Longer than any run could be whose threads never come back to a place: there may be no end.
                checked_for_cycles = True
                self.refuse_cycles(initial)
            if self.max_steps is None and depth > self.longest:
                raise LimitError(
                    f"the program was not seen to end within {self.longest:,} steps: give max_steps to cut each "
                    "interleaving there"
                )
            ended: dict[Outcome, Weight] = {}
            if depth == self.max_steps:
                following: dict[int, Weight] = {}
                for node, weight in layer.items():
                    self.end(node, weight, ended, cut=bool(self.moves(node)))
            else:
                following = self.next_layer(layer, scale, ended)
            for outcome, (ways, chance) in ended.items():
                ways_to[outcome] = ways_to.get(outcome, 0) + ways
                odds_of[outcome] = odds_of.get(outcome, Fraction(0)) + Fraction(chance, unit)
            layer = following
            unit *= scale
            depth += 1
        ranked = sorted(ways_to, key=lambda outcome: outcome.sort_key)
        return Census(
            outcomes={outcome: ways_to[outcome] for outcome in ranked},
            odds={outcome: odds_of[outcome] for outcome in ranked},
            states=self.visited,
            longest=depth - 1,
            max_steps=self.max_steps if any(outcome.how == "out of steps" for outcome in ranked) else None,
        )

    def next_layer(self, layer: Mapping[int, Weight], scale: int, ended: dict[Outcome, Weight]) -> dict[int, Weight]:
        """The nodes one step on with their weights; what has no step on is added to `ended`."""
        following: dict[int, Weight] = {}
        get = following.get
        occupied_by_threads = self.occupied
        shared_bits = self.shared_bits
        parts = [0, *(scale // enabled for enabled in range(1, len(self.machine.threads) + 1))]
        countdown = LOOK_AT_CLOCK
        for node, (ways, chance) in layer.items():
            countdown -= 1
            if not countdown:
                countdown = LOOK_AT_CLOCK
                self.check_limits(len(following))
            threads = node >> shared_bits
            occupied = occupied_by_threads.get(threads)
            if occupied is None:
                occupied = self.decode(threads)
            moves = []
            enabled = 0
            for times, shift, mask, deltas, slot in occupied:
                value = (node >> shift) & mask
                try:
                    delta = deltas[value]
                except KeyError:
                    delta = self.grow(slot, value)
                if delta is not None:
                    moves.append((node + delta, times))
                    enabled += times
            if not moves:
                self.end(node, (ways, chance), ended, cut=False)
                continue
            chance *= parts[enabled]
            for after, times in moves:
                known = get(after)
                if times == 1:
                    if known is None:
                        following[after] = (ways, chance)
                    else:
                        following[after] = (known[0] + ways, known[1] + chance)
                elif known is None:
                    following[after] = (ways * times, chance * times)
                else:
                    following[after] = (known[0] + ways * times, known[1] + chance * times)
        return following

    def moves(self, node: int) -> list[int]:
        """The nodes one step on."""
        found = []
        for _, shift, mask, deltas, slot in self.decode(node >> self.shared_bits):
            value = (node >> shift) & mask
            delta = deltas[value] if value in deltas else self.grow(slot, value)
            if delta is not None:
                found.append(node + delta)
        return found

    def end(self, node: int, weight: Weight, ended: dict[Outcome, Weight], *, cut: bool) -> None:
        outcome = self.machine.outcome(self.state(node), cut=cut)
        ways, chance = ended.get(outcome, (0, 0))
        ended[outcome] = (ways + weight[0], chance + weight[1])

    def decode(self, threads: int) -> list[tuple[int, int, int, dict[int, int | None], _Slot]]:
        """The local states that have threads in them, each with how many and what its step does."""
        known = self.occupied.get(threads)
        if known is not None:
            return known
        found = []
        rest = threads
        mask = (1 << self.width) - 1
        place = 0
        while rest:
            # Jump over empty fields: the lowest set bit tells the first field with threads.
            skip = ((rest & -rest).bit_length() - 1) // self.width
            place += skip
            rest >>= skip * self.width
            slot = self.slots[place]
            found.append((rest & mask, slot.shift, slot.mask, slot.deltas, slot))
            rest >>= self.width
            place += 1
        self.occupied[threads] = found
        return found

    def slot(self, number: int, local: int) -> _Slot:
        known = self.by_local.get((number, local))
        if known is None:
            shift, mask, _ = self.machine.class_rows[number][local]
            field = self.shared_bits + self.width * len(self.slots)
            known = _Slot(number, local, field, shift - self.machine.shared_shift if mask else 0, mask)
            self.by_local[number, local] = known
            self.slots.append(known)
        return known

    def grow(self, slot: _Slot, value: int) -> int | None:
        move = self.machine.grow_class(slot.number, slot.local, value)
        delta = None
        if move is not None:
            reached = self.slot(slot.number, move[0])
            delta = (move[1] >> self.machine.shared_shift) + (1 << reached.field) - (1 << slot.field)
        slot.deltas[value] = delta
        return delta

    def node(self, state: State) -> int:
        node = state >> self.machine.shared_shift
        for number, members in enumerate(self.machine.classes):
            for local in self.machine.locals_of(state, members):
                node += 1 << self.slot(number, local).field
        return node

    def state(self, node: int) -> State:
        """One of the states that a node stands for: threads are handed to local states in thread order."""
        free = [list(members) for members in self.machine.classes]
        locals_ = {}
        for times, _, _, _, slot in self.decode(node >> self.shared_bits):
            for _ in range(times):
                locals_[free[slot.number].pop(0)] = slot.local
        shared = (node & ((1 << self.shared_bits) - 1)) << self.machine.shared_shift
        return self.machine.state_of(shared, locals_)

    def locals_seen(self) -> int:
        return sum(
            len(rows) * len(members)
            for rows, members in zip(self.machine.class_rows, self.machine.classes, strict=True)
        )

    def check_limits(self, more: int) -> None:
        if self.visited + more > self.max_states:
            raise LimitError(
                f"counting needs more than {self.max_states:,} states (max_states): make the program smaller, raise "
                "the limit, or sample it (explore --scheduler random)"
            )
        if self.budget.late(self.deadline, self.visited):
            raise LimitError("counting was not done when the time was up (timeout)")

    def refuse_cycles(self, initial: int) -> None:
        if _has_cycle(initial, self.moves, self.max_states, self.longest):
            raise EndlessError(
                "the program can run for ever, so it has infinitely many interleavings; give max_steps to cut each one there"
            )


def _has_cycle(initial: int, after: Callable[[int], list[int]], max_states: int, longest: int) -> bool:
    """Whether a state can be reached again from itself: depth-first search for an edge back into the current path."""
    on_path: dict[int, bool] = {initial: True}
    stack: list[tuple[int, Iterator[int]]] = [(initial, iter(after(initial)))]
    while stack:
        state, rest = stack[-1]
        for following in rest:
            known = on_path.get(following)
            if known:
                return True
            if known is None:
                if len(on_path) >= max_states or len(stack) > longest:
                    raise LimitError(
                        f"the program was not seen to end within {len(stack):,} steps and {len(on_path):,} states: give "
                        "max_steps to cut each interleaving there"
                    )
                on_path[following] = True
                stack.append((following, iter(after(following))))
                break
        else:
            on_path[state] = False
            stack.pop()
    return False
