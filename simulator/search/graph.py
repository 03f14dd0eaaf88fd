"""The state graph: every reachable state once, breadth first. Complete for what a state, or a riding memo, can show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from simulator.analysis.detector import Sightings
from simulator.analysis.finding import Sighting
from simulator.analysis.riders import Riders
from simulator.machine import Machine, State
from simulator.search.budget import Budget, Stop, without_collecting
from simulator.search.endings import Endings
from simulator.trace import Outcome

__all__ = ["Explored", "StateGraph"]

LOOK_AT_CLOCK = 4096


@dataclass
class Explored:
    """What a search saw: how much, why it stopped, what ended how, and one schedule for each sighting.

    `states` counts pairs of a state and a riding memo, `transitions` the steps between them; `runs` counts
    interleavings, where the search goes through them one by one.
    """

    stop: Stop = Stop.COMPLETE
    states: int = 0
    transitions: int = 0
    runs: int | None = None
    outcomes: dict[Outcome, int | None] = field(default_factory=dict)
    """Each outcome seen, with how many of the runs ended so where runs are counted."""
    sightings: dict[Sighting, tuple[int, ...]] = field(default_factory=dict)
    """Each sighting with a schedule, by thread number, at whose end it is seen."""
    endings: Endings | None = field(default=None, compare=False)
    """How the deadlocks seen end: all that there are, if it is complete."""

    @property
    def complete(self) -> bool:
        """Whether everything reachable was seen."""
        return self.stop is Stop.COMPLETE


class StateGraph:
    """A breadth-first search over (state, riding memo), so the schedules that it remembers have the fewest steps.

    A node is one integer: the memo's number above the state's bits, so that a step adds to it what it adds to the
    state.
    """

    def __init__(self, machine: Machine, riders: Riders, budget: Budget) -> None:
        self.machine = machine
        self.riders = riders
        self.budget = budget
        self.endings = Endings(machine)
        self.explored = Explored(endings=self.endings)
        # Each node with the node it was first reached from.
        self._parents: dict[int, int] = {}
        self._seen: dict[Sighting, tuple[int, tuple[int, ...]]] = {}
        # What riding detectors make of an event, by memo: what to add to the node and what is seen; None for nothing.
        self._effects: list[dict[int, tuple[int, Sightings] | None]] = []
        self._looked_at: set[tuple[int, ...]] = set()

    def run(self) -> Explored:
        """Search to the end or to the budget's. What was seen until then is kept, after Ctrl-C too."""
        try:
            with without_collecting():
                self._search()
        except KeyboardInterrupt:
            self.explored.stop = Stop.INTERRUPTED
        self.explored.states = len(self._parents)
        for sighting, (node, then) in self._seen.items():
            self.explored.sightings[sighting] = (*self._path(node), *then)
        return self.explored

    def _search(self) -> None:
        explored, machine, parents, budget = self.explored, self.machine, self._parents, self.budget
        deadline = budget.deadline()
        fields, local_mask, accesses = machine.fields, machine.local_mask, machine.accesses
        watches_memory, watches_pairs = self.riders.watches_memory, self.riders.watches_pairs
        memory_mask, memories, looked_at = machine.memory_mask, set[int](), self._looked_at
        memo_shift = machine.bits
        limit = budget.max_states or 0
        memo, seen = self.riders.start
        first = memo << memo_shift | machine.initial
        parents[first] = -1
        self._note((*seen, *self.riders.in_state(machine.initial)), first)
        frontier = [first]
        depth = 0
        transitions = 0
        countdown = LOOK_AT_CLOCK
        while frontier:
            if depth == budget.max_steps:
                self._cut(frontier)
                return
            if depth + 1 == budget.max_steps:
                # Of two steps that are possible here, only one can still be taken.
                watches_pairs = False
            following: list[int] = []
            for node in frontier:
                memo = node >> memo_shift
                while memo >= len(self._effects):
                    self._effects.append({})
                effects = self._effects[memo]
                blocked = True
                touching: list[int] = []
                thread = 0
                # The loop of `Machine.moves`, written out: this is where a search spends its time.
                for thread_shift, rows in fields:
                    shift, mask, moves = rows[(node >> thread_shift) & local_mask]
                    value = (node >> shift) & mask
                    try:
                        move = moves[value]
                    except KeyError:
                        move = machine.grow(thread, (node >> thread_shift) & local_mask, value)
                    if move is not None:
                        blocked = False
                        transitions += 1
                        delta, event = move
                        reached = node + delta
                        if watches_pairs and accesses[event]:
                            touching.append(event)
                        try:
                            effect = effects[event]
                        except KeyError:
                            effect = effects[event] = self._effect(memo, event)
                        if effect is not None:
                            reached += effect[0]
                            if effect[1]:
                                self._note(effect[1], node, (thread,))
                        if reached not in parents:
                            parents[reached] = node
                            following.append(reached)
                            # What a memory shows was noted when it was first met, whatever the threads do beside it.
                            if watches_memory and reached & memory_mask not in memories:
                                memories.add(reached & memory_mask)
                                self._note(self._in_state(reached), reached)
                    thread += 1
                if blocked:
                    self._end(node, cut=False)
                elif len(touching) > 1 and tuple(touching) not in looked_at:
                    self._together(node, tuple(touching))
                countdown -= 1
                if not countdown or len(parents) >= limit > 0:
                    countdown = LOOK_AT_CLOCK
                    if len(parents) >= limit > 0:
                        explored.stop = Stop.STATES
                        return
                    if budget.late(deadline, len(parents)):
                        explored.stop = Stop.TIMEOUT
                        return
            explored.transitions = transitions
            frontier = following
            depth += 1

    def _effect(self, memo: int, event: int) -> tuple[int, Sightings] | None:
        after, seen = self.riders.after(memo, event)
        return ((after - memo) << self.machine.bits, seen) if after != memo or seen else None

    def _in_state(self, node: int) -> Sightings:
        return self.riders.in_state(self._state(node))

    def _state(self, node: int) -> State:
        return node & ((1 << self.machine.bits) - 1)

    def _cut(self, frontier: list[int]) -> None:
        """The step budget is used up: what could still move is out of steps."""
        for node in frontier:
            if self.machine.enabled(self._state(node)):
                self.explored.stop = Stop.STEPS
                self._end(node, cut=True)
            else:
                self._end(node, cut=False)

    def _end(self, node: int, *, cut: bool) -> None:
        state = self._state(node)
        self.explored.outcomes.setdefault(self.machine.outcome(state, cut=cut), None)
        if not cut:
            seen = self.riders.at_end(state)
            self.endings.add(state, seen)
            self._note(seen, node)

    def _note(self, seen: Sightings, node: int, then: tuple[int, ...] = ()) -> None:
        for sighting in seen:
            self._seen.setdefault(sighting, (node, then))

    def _together(self, node: int, touching: tuple[int, ...]) -> None:
        """Steps that are possible in one state: the schedule of a sighting takes the one and then the other."""
        self._looked_at.add(touching)
        if all(sighting in self._seen for sighting in self.riders.together(list(touching))):
            return
        moves = [(thread, event) for thread, _, event in self.machine.moves(self._state(node)) if event in touching]
        for place, (first, one) in enumerate(moves):
            for second, other in moves[place + 1 :]:
                self._note(self.riders.together([one, other]), node, (first, second))

    def visited(self) -> Iterator[tuple[State, Callable[[], list[int]]]]:
        """Every state that was visited, in that order, with a way to ask for a schedule with the fewest steps to it."""
        for node in self._parents:
            yield self._state(node), partial(self._path, node)

    def _path(self, node: int) -> list[int]:
        """The schedule that first reached a node."""
        path = []
        while (parent := self._parents[node]) != -1:
            memo = parent >> self.machine.bits
            for thread, reached, event in self.machine.moves(self._state(parent)):
                if self.riders.after(memo, event)[0] << self.machine.bits | reached == node:
                    path.append(thread)
                    break
            node = parent
        path.reverse()
        return path
