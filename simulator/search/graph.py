"""The state graph: every reachable state once, breadth first. Complete for anything that a state, or a riding memo, can show."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.analysis.finding import Sighting
from simulator.analysis.riders import Riders
from simulator.machine import Machine, State
from simulator.ops import Access
from simulator.search.budget import Budget, Stop, without_collecting
from simulator.trace import Outcome

__all__ = ["Explored", "StateGraph"]

LOOK_AT_CLOCK = 4096


@dataclass
class Explored:
    """What a search saw: how much, why it stopped, what ended how, and one schedule for each sighting.

    `runs` counts interleavings, where the search goes through them one by one.
    """

    stop: Stop = Stop.COMPLETE
    states: int = 0
    transitions: int = 0
    runs: int | None = None
    outcomes: dict[Outcome, int | None] = field(default_factory=dict)
    """Each outcome seen, with how many of the runs ended so where runs are counted."""
    sightings: dict[Sighting, tuple[int, ...]] = field(default_factory=dict)
    """Each sighting with a schedule, by thread number, at whose end it is seen."""

    @property
    def complete(self) -> bool:
        """Whether everything reachable was seen."""
        return self.stop is Stop.COMPLETE


class StateGraph:
    """A breadth-first search over (state, riding memo). It can be asked for schedules afterwards: they have the fewest steps."""

    def __init__(self, machine: Machine, riders: Riders, budget: Budget) -> None:
        self.machine = machine
        self.riders = riders
        self.budget = budget
        self.explored = Explored()
        self._memo_bits = 32
        # Each node with the node it was first reached from.
        self._parents: dict[int, int] = {}
        self._seen: dict[Sighting, tuple[int, tuple[int, ...]]] = {}

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
        explored, riders, machine, parents = self.explored, self.riders, self.machine, self._parents
        budget = self.budget
        deadline = budget.deadline()
        memo_bits = self._memo_bits
        memo_mask = (1 << memo_bits) - 1
        moves_of = machine.moves
        after = riders.after
        memo, seen = riders.start
        first = machine.initial << memo_bits | memo
        parents[first] = -1
        self._note(seen, first)
        self._note(riders.in_state(machine.initial), first)
        touches: dict[int, bool] = {}
        frontier = [first]
        depth = 0
        transitions = 0
        countdown = LOOK_AT_CLOCK
        while frontier:
            following = []
            for node in frontier:
                state, memo = node >> memo_bits, node & memo_mask
                moves = moves_of(state)
                if not moves:
                    self._end(state, node, cut=False)
                    continue
                if depth == budget.max_steps:
                    explored.stop = Stop.STEPS
                    self._end(state, node, cut=True)
                    continue
                accesses = []
                for thread, reached, event in moves:
                    touching = touches.get(event)
                    if touching is None:
                        touched = machine.events[event].footprint
                        touching = touches[event] = touched.access != Access.NONE and not touched.on_lock
                    if touching:
                        accesses.append(event)
                    next_memo, seen = after(memo, event)
                    next_node = reached << memo_bits | next_memo
                    if seen:
                        self._note(seen, node, (thread,))
                    transitions += 1
                    if next_node not in parents:
                        parents[next_node] = node
                        following.append(next_node)
                        seen = riders.in_state(reached)
                        if seen:
                            self._note(seen, next_node)
                if len(accesses) > 1:
                    seen = riders.together(accesses)
                    if seen:
                        self._note_together(seen, node, moves)
                countdown -= 1
                if not countdown or (budget.max_states is not None and len(parents) >= budget.max_states):
                    countdown = LOOK_AT_CLOCK
                    explored.transitions = transitions
                    if budget.max_states is not None and len(parents) >= budget.max_states:
                        explored.stop = Stop.STATES
                        return
                    if budget.late(deadline, len(parents)):
                        explored.stop = Stop.TIMEOUT
                        return
            frontier = following
            depth += 1
        explored.transitions = transitions

    def _end(self, state: State, node: int, *, cut: bool) -> None:
        self.explored.outcomes.setdefault(self.machine.outcome(state, cut=cut), None)
        if not cut:
            self._note(self.riders.at_end(state), node)

    def _note(self, seen: tuple[Sighting, ...], node: int, then: tuple[int, ...] = ()) -> None:
        for sighting in seen:
            self._seen.setdefault(sighting, (node, then))

    def _note_together(self, seen: tuple[Sighting, ...], node: int, moves: list[tuple[int, State, int]]) -> None:
        """Two steps that are possible together: the schedule takes the one and then the other."""
        for sighting in seen:
            if sighting in self._seen:
                continue
            for place, (first, _, one) in enumerate(moves):
                for second, _, other in moves[place + 1 :]:
                    if sighting in self.riders.together([one, other]):
                        self._seen.setdefault(sighting, (node, (first, second)))

    def _path(self, node: int) -> list[int]:
        """The schedule that first reached a node."""
        path = []
        bits = self._memo_bits
        while (parent := self._parents[node]) != -1:
            memo = parent & ((1 << bits) - 1)
            for thread, reached, event in self.machine.moves(parent >> bits):
                if reached << bits | self.riders.after(memo, event)[0] == node:
                    path.append(thread)
                    break
            node = parent
        path.reverse()
        return path
