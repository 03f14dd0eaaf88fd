"""Whether a program can run for ever, and how bad that is: livelock, starvation, or only an unfair scheduler.

It knows the graph of reachable states and nothing of what the program computes: an endless interleaving of a program with
finitely many states goes round a cycle of that graph in the end, and which threads are enabled on the cycle and which move
decides who is to blame.

- **Strongly fair** (compassionate): each thread that is enabled again and again moves again and again.
- **Weakly fair** (just): each thread that is enabled from some moment on without a break moves again and again.

(Lehmann, Pnueli & Stavi, ICALP'81; Francez, *Fairness*, 1986.) Strong fairness is decided as for Streett automata (Emerson &
Lei, 1987): a strongly connected component in which some thread is enabled and none of its moves stays inside loses the states
in which it is, and what is left is looked at again. A program whose threads end in every order is never endless; a thread that
waits for a lock is not enabled, so a deadlock is no cycle.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.analysis.networks import networkx
from simulator.errors import InternalError, LimitError
from simulator.machine import Machine
from simulator.program import Program
from simulator.search.budget import Budget, Stop, without_collecting
from simulator.search.reachable import Reachable
from simulator.trace import Schedule

__all__ = ["MAX_STATES", "Endless", "Fairness", "can_run_for_ever"]

MAX_STATES = 200_000
"""States that are looked at unless the budget says otherwise."""
MAX_WITNESS_NODES = 500_000
"""Nodes of the search for the shortest cycle, after which the shortest that was seen has to do."""


class Fairness(enum.Enum):
    """What a scheduler may promise and still be caught in a cycle, the worst first."""

    STRONG = "strongly fair"
    WEAK = "weakly fair"
    NONE = "unfair"


@dataclass(frozen=True, slots=True)
class Endless:
    """A program can run for ever: a schedule that leads to a cycle, and the schedule once round it.

    `fairness` is the best that a scheduler can promise and still go round some cycle for ever; `stem` and `cycle` are such
    a one. `passed_over` are the threads that never move though they are enabled on the cycle: at times where it is weakly
    fair, all the time where it is unfair. `shortest` says that no cycle of this fairness takes fewer steps; the stem is the
    shortest way to it.
    """

    threads: tuple[str, ...]
    fairness: Fairness
    stem: Schedule
    cycle: Schedule
    passed_over: tuple[str, ...]
    shortest: bool = True

    @property
    def kind(self) -> str:
        """Livelock if every thread that can move does, and nothing comes of it; starvation if one is passed over."""
        return "livelock" if self.fairness is Fairness.STRONG else "starvation"

    @property
    def moving(self) -> tuple[str, ...]:
        """The threads that go round the cycle, in thread order."""
        return tuple(thread for thread in self.threads if thread in self.cycle)

    @property
    def witness(self) -> Schedule:
        """The stem, then once round: replayed, it comes back to where the stem led."""
        return Schedule((*self.stem, *self.cycle))

    @property
    def why(self) -> str:
        """The verdict in a sentence."""
        going, left = _listed(self.moving), _listed(self.passed_over)
        match self.fairness:
            case Fairness.STRONG:
                return f"{going} can go round for ever though no thread that can move is passed over"
            case Fairness.WEAK:
                return f"{going} can go round for ever while {left} could move again and again and is passed over each time"
            case Fairness.NONE:
                return f"{going} can go round for ever, but only while {left} could move all the time and is never scheduled"

    def to_dict(self) -> dict[str, Any]:
        """The verdict in plain types."""
        return {
            "kind": self.kind,
            "fairness": self.fairness.value,
            "why": self.why,
            "stem": str(self.stem),
            "cycle": str(self.cycle),
            "moving": list(self.moving),
            "passed_over": list(self.passed_over),
            "shortest": self.shortest,
        }

    def __str__(self) -> str:
        after = f"after {self.stem}, " if self.stem else ""
        return f"{self.kind}: {self.why}: {after}again and again {self.cycle}"


def can_run_for_ever(program: Program, budget: Budget | None = None) -> Endless | None:
    """Whether an interleaving can go on for ever, with the worst cycle there is; None is a proof that none can.

    Looks at every reachable state. Raises LimitError when those are more than the budget's `max_states` (200,000 unless
    said otherwise) or the time is up: then nothing is known. A program that counts up for ever has no end of states, and so
    does one with a body that cannot be merged.

    >>> from simulator.ops import Pause, Read, Write
    >>> def waits():
    ...     while not (yield Read("ready")):
    ...         yield Pause()
    >>> def sets():
    ...     yield Write("ready", True)
    >>> endless = can_run_for_ever(Program({"a": waits, "b": sets}, memory={"ready": False}))
    >>> endless.kind, str(endless.cycle), endless.passed_over
    ('starvation', 'a*2', ('b',))
    """
    budget = (budget or Budget()).begun()
    machine = Machine(program)
    try:
        with without_collecting():
            return _verdict(machine, budget)
    finally:
        machine.close()


def _listed(names: Sequence[str]) -> str:
    """Names as a sentence has them."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


class _Graph(Reachable):
    """Every reachable state, by number, and which parts of the graph hold which cycles."""

    def cyclic(self, states: Iterable[int]) -> list[frozenset[int]]:
        """The strongly connected components of a part that hold a cycle: several states, or one with a way to itself."""
        part = set(states)
        edges = networkx().DiGraph()
        edges.add_edges_from((state, reached) for state in part for reached in self.after[state] if reached in part)
        return [
            frozenset(component)
            for component in networkx().strongly_connected_components(edges)
            if len(component) > 1 or any(edges.has_edge(state, state) for state in component)
        ]

    def threads(self, states: frozenset[int]) -> tuple[int, int, int]:
        """The threads enabled somewhere in a component, those enabled everywhere, and those that move without leaving it."""
        somewhere, everywhere, moving = 0, -1, 0
        for state in states:
            somewhere |= self.enabled[state]
            everywhere &= self.enabled[state]
            for thread, reached in self.moves(state):
                if reached in states:
                    moving |= 1 << thread
        return somewhere, everywhere, moving

    def strongly_fair(self, components: Iterable[frozenset[int]]) -> list[frozenset[int]]:
        """The largest parts in which every thread that is enabled anywhere moves without leaving: all strongly fair cycles."""
        found = []
        waiting = list(components)
        while waiting:
            states = waiting.pop()
            somewhere, _, moving = self.threads(states)
            starved = somewhere & ~moving
            if starved:
                waiting.extend(self.cyclic(state for state in states if not self.enabled[state] & starved))
            else:
                found.append(states)
        return found

    def weakly_fair(self, components: Iterable[frozenset[int]]) -> list[frozenset[int]]:
        """The components in which every thread that is enabled everywhere moves: all weakly fair cycles are in one."""
        found = []
        for states in components:
            _, everywhere, moving = self.threads(states)
            if not everywhere & ~moving:
                found.append(states)
        return found


def _verdict(machine: Machine, budget: Budget) -> Endless | None:
    limit = budget.max_states or MAX_STATES
    graph = _Graph(machine, budget, limit=limit)
    if graph.stop is Stop.STATES:
        raise LimitError(
            f"whether the program can run for ever is not known: it has more than {limit:,} states (max_states); "
            "make it smaller or raise the limit"
        )
    if graph.stop is not Stop.COMPLETE:
        raise LimitError("whether the program can run for ever is not known: the time was up (timeout)")
    cyclic = graph.cyclic(range(len(graph.states)))
    if not cyclic:
        return None
    if components := graph.strongly_fair(cyclic):
        fairness = Fairness.STRONG
    elif components := graph.weakly_fair(cyclic):
        fairness = Fairness.WEAK
    else:
        fairness, components = Fairness.NONE, cyclic
    start, cycle, shortest = _shortest_cycle(graph, components, fairness, budget)
    state = start
    enabled = graph.enabled[start]
    for thread in cycle:
        state = dict(graph.moves(state))[thread]
        enabled = enabled & graph.enabled[state] if fairness is Fairness.NONE else enabled | graph.enabled[state]
    names = machine.threads
    return Endless(
        threads=names,
        fairness=fairness,
        stem=Schedule(names[thread] for thread in graph.path(start)),
        cycle=Schedule(names[thread] for thread in cycle),
        passed_over=tuple(name for number, name in enumerate(names) if enabled >> number & 1 and number not in cycle),
        shortest=shortest,
    )


def _shortest_cycle(
    graph: _Graph, components: Iterable[frozenset[int]], fairness: Fairness, budget: Budget
) -> tuple[int, tuple[int, ...], bool]:
    """The shortest cycle of a fairness; of several, the one that begins nearest the initial state.

    The last part of the answer is whether the search was done: if not, there may be a shorter one.
    """
    inside = {state: states for states in components for state in states}
    best: tuple[int, tuple[int, ...]] | None = None
    nodes = 0
    deadline = budget.deadline()
    for start in range(len(graph.states)):
        if start not in inside:
            continue
        longest = None if best is None else len(best[1]) - 1
        cycle, looked_at = _way_back(graph, inside[start], start, fairness, longest)
        if cycle is not None:
            best = start, cycle
        nodes += looked_at
        if best is not None and (nodes > MAX_WITNESS_NODES or budget.late(deadline, nodes)):
            return *best, False
    if best is None:
        raise InternalError("no cycle was found in a component that has one")
    return *best, True


def _way_back(
    graph: _Graph, inside: frozenset[int], start: int, fairness: Fairness, longest: int | None
) -> tuple[tuple[int, ...] | None, int]:
    """The shortest way from a state back to it on which every thread moves that must, and how many nodes it took.

    Breadth first over (state, who must move, who has moved). None if there is no way of at most `longest` steps.
    """
    here = graph.enabled[start]
    first = (start, _must(fairness, here, here), 0)
    came: dict[tuple[int, int, int], tuple[tuple[int, int, int], int] | None] = {first: None}
    frontier = [first]
    steps = 0
    while frontier and steps != longest:
        steps += 1
        following = []
        for node in frontier:
            state, must, moved = node
            for thread, reached in graph.moves(state):
                if reached not in inside:
                    continue
                after = (reached, _must(fairness, must, graph.enabled[reached]), moved | 1 << thread)
                if reached == start and not after[1] & ~after[2]:
                    path = [thread]
                    while (before := came[node]) is not None:
                        node, thread = before
                        path.append(thread)
                    return tuple(reversed(path)), len(came)
                if after not in came:
                    came[after] = node, thread
                    following.append(after)
        frontier = following
    return None, len(came)


def _must(fairness: Fairness, so_far: int, enabled: int) -> int:
    """The threads that have to move on a cycle, after one more state on it."""
    match fairness:
        case Fairness.STRONG:
            return so_far | enabled
        case Fairness.WEAK:
            return so_far & enabled
        case Fairness.NONE:
            return 0
