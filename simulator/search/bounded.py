"""Bounded search: the interleavings with the fewest preemptions, or delays, first; every one of a cost before any of the next.

It knows what a switch from one thread to another costs, and goes through the interleavings level by level, depth first
in thread order within a level. It does not know what an interleaving shows, nor how many levels are enough. Many bugs
need few preemptions (Musuvathi and Qadeer, PLDI 2007) or few delays (Emmi, Qadeer and Rakamarić, POPL 2011; their
deterministic scheduler is here the non-preemptive round robin over threads in the program's order). It reduces nothing
by equivalence: a bound on DPOR loses traces unless backtracking points are added for it (Coons, Musuvathi and McKinley,
OOPSLA 2013), and that is not done here.
"""

from __future__ import annotations

import enum
import sys
from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple, assert_never

from simulator.errors import UsageError
from simulator.machine import Machine, State
from simulator.search.naive import Interleaving

__all__ = ["NOBODY", "BoundedSearch", "Cost", "Level", "charges"]

REMEMBERED = 100_000
"""Nodes whose next steps are remembered, and ways to the end that are: then all is forgotten, and remembered anew."""
FEW = 64
"""A node whose ways to the end at the price have at most this many steps together has them remembered; none is a dead end."""
NOBODY = -1
"""The thread that moved last, before the first step."""

Node = int
"""A state and, in the lowest bits, the thread that moved last."""
Tails = tuple[int, list[tuple[tuple[int, ...], State]]]
"""The ways to the end that spend exactly what is left, and the most steps that looking for them took."""


class Cost(enum.StrEnum):
    """What is bounded.

    A *preemption* is a switch away from a thread that is still enabled. *Delays* are counted against round robin: the
    thread that moved last goes on, or else the next enabled one in circular thread order; to run the j-th enabled
    thread after that one is j delays. Before the first step it is the first thread's turn, and nobody can be preempted.
    """

    PREEMPTIONS = "preemptions"
    DELAYS = "delays"


def charges(cost: Cost, enabled: Sequence[int], last: int) -> list[int]:
    """What the next step of each enabled thread costs after a step of `last` (`NOBODY` before the first one).

    >>> charges(Cost.PREEMPTIONS, [0, 2, 3], 2), charges(Cost.PREEMPTIONS, [0, 2, 3], 1)
    ([1, 0, 1], [0, 0, 0])
    >>> charges(Cost.DELAYS, [0, 2, 3], 2), charges(Cost.DELAYS, [0, 2, 3], 1)
    ([2, 0, 1], [2, 0, 1])
    """
    match cost:
        case Cost.PREEMPTIONS:
            preempted = last in enabled
            return [int(preempted and thread != last) for thread in enabled]
        case Cost.DELAYS:
            turn = bisect_left(enabled, last)
            return [(place - turn) % len(enabled) for place in range(len(enabled))]
        case _:
            assert_never(cost)


class Level(NamedTuple):
    """A level that is done: its cost, its interleavings, and whether any interleaving costs more."""

    cost: int
    interleavings: int
    more: bool


class BoundedSearch:
    """All interleavings that cost at most `bound` (None: whatever they cost), the cheapest first; iterate over it.

    `levels` grows by one when a level is done, so that a search which is given up in the middle can say how far it
    came: each interleaving of `levels[-1].cost` or less was given. It ends after `bound`, or sooner when no interleaving
    costs more; then it is `complete`, and the bound was none.

    With `max_steps` longer interleavings are cut there, and cost what was spent until then. Without it, a program that can
    run for ever may have a level without end: give it, unless the program is known to end.

    Each interleaving is given once. Memory grows with the length of an interleaving, not with their number. What is
    remembered are ways to the end and dead ends: a level would otherwise walk through all the levels below it.

    Raises UsageError for a bound below 0.

    >>> from simulator.ops import Read, Write
    >>> from simulator.program import Program
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> search = BoundedSearch(Machine(Program({"a": body, "b": body}, memory={"x": 0})), 1)
    >>> [found.schedule for found in search]
    [(0, 0, 1, 1), (1, 1, 0, 0), (0, 1, 1, 0), (1, 0, 0, 1)]
    >>> search.levels[-1], search.complete
    (Level(cost=1, interleavings=2, more=True), False)
    """

    def __init__(
        self,
        machine: Machine,
        bound: int | None = None,
        *,
        cost: Cost = Cost.PREEMPTIONS,
        max_steps: int | None = None,
    ) -> None:
        if bound is not None and bound < 0:
            raise UsageError(f"the bound is {bound}, expected 0 or more {cost}")
        self.machine = machine
        self.bound = bound
        self.cost = cost
        self.max_steps = max_steps
        self.levels: list[Level] = []
        self._bits = (len(machine.threads) + 1).bit_length()
        self._remembered: dict[Node, list[tuple[int, Node, int]]] = {}

    @property
    def complete(self) -> bool:
        """Whether every interleaving (cut at `max_steps`, if so asked) was given: none costs more than the levels done."""
        return bool(self.levels) and not self.levels[-1].more

    def __iter__(self) -> Iterator[Interleaving]:
        """The interleavings from the start."""
        self.levels.clear()
        while not self.complete and (self.bound is None or len(self.levels) <= self.bound):
            level = yield from self._level(len(self.levels))
            self.levels.append(level)

    def _level(self, price: int) -> Generator[Interleaving, None, Level]:
        """The interleavings that cost exactly this much."""
        limit = sys.maxsize if self.max_steps is None else self.max_steps
        bits = self._bits
        root = self.machine.initial << bits | (NOBODY + 1)
        choices = self._choices(root)
        if not choices or not limit:
            if not price:
                yield Interleaving((), self.machine.initial, bool(choices))
            return Level(price, int(not price), more=False)
        # As in `naive`: a schedule is made several hundred thousand times a second.
        make = tuple.__new__
        remembered = self._remembered
        tails: list[dict[Node, Tails]] = [{} for _ in range(price + 1)]
        tails_kept = 0
        number = 0
        more = False
        path: list[int] = []
        visited = [root]
        lefts = [price]
        stack = [iter(choices)]
        while stack:
            left = lefts[-1]
            depth = len(path) + 1
            for thread, node, charge in stack[-1]:
                rest = left - charge
                if rest < 0:
                    more = True
                    continue
                known = tails[rest].get(node)
                if known is not None and depth + known[0] <= limit:
                    ways = known[1]
                    if ways:
                        number += len(ways)
                        so_far = (*path, thread)
                        for tail, end in ways:
                            yield make(Interleaving, (so_far + tail, end, False))
                    continue
                after = remembered.get(node)
                if after is None:
                    after = self._choices(node)
                if not after:
                    tails[rest][node] = (0, [] if rest else [((), node >> bits)])
                    tails_kept += 1
                elif depth != limit:
                    path.append(thread)
                    visited.append(node)
                    lefts.append(rest)
                    stack.append(iter(after))
                    break
                if not rest:
                    number += 1
                    yield make(Interleaving, ((*path, thread), node >> bits, bool(after)))
            else:
                stack.pop()
                lefts.pop()
                node = visited.pop()
                if path:
                    path.pop()
                found = _tails(remembered.get(node), left, tails)
                if found is not None and node not in tails[left]:
                    if tails_kept > REMEMBERED:
                        for each in tails:
                            each.clear()
                        tails_kept = 0
                    tails[left][node] = found
                    tails_kept += 1
        return Level(price, number, more)

    def _choices(self, node: Node) -> list[tuple[int, Node, int]]:
        """Each enabled thread with the node after its step and what it costs, in thread order."""
        bits = self._bits
        moves = self.machine.successors(node >> bits)
        costs = charges(self.cost, [thread for thread, _ in moves], (node & ((1 << bits) - 1)) - 1)
        found = [
            (thread, state << bits | (thread + 1), charge) for (thread, state), charge in zip(moves, costs, strict=True)
        ]
        if len(self._remembered) >= REMEMBERED:
            self._remembered.clear()
        self._remembered[node] = found
        return found


def _tails(
    choices: Sequence[tuple[int, Node, int]] | None, left: int, tails: Sequence[dict[Node, Tails]]
) -> Tails | None:
    """The ways to the end of a node with these choices; None if they are not known, or not few."""
    if choices is None:
        return None
    height = 0
    found: list[tuple[tuple[int, ...], State]] = []
    for thread, node, charge in choices:
        if charge > left:
            continue
        known = tails[left - charge].get(node)
        if known is None:
            return None
        height = max(height, 1 + known[0])
        if (len(found) + len(known[1])) * height > FEW:
            return None
        found += [((thread, *tail), end) for tail, end in known[1]]
    return height, found
