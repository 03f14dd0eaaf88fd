"""The reduced search: proofs about all interleavings from a few states, without a count of anything.

Three reductions, each of which can be switched off: local steps are fused into the step before (`fusion.py`),
interchangeable threads are kept in one order (`symmetry.py`), and of the steps that are enabled only a stubborn set is
taken (`stubborn.py`). They change what is visited, never what is claimed: the search sees every outcome and every sighting
that the whole state graph shows, and every local state of every thread, so that lock orders are read off as ever.

Why nothing is lost. Stubborn sets alone keep every state in which an interleaving ends (Valmari 1989). They could put
a thread off for ever on a cycle; so the search is depth first, and a stubborn set is only taken when it leads to some
state that is not on the search's own path (Holzmann, Godefroid, Pirottin 1992; every state then leads, along smaller and
smaller places in the order of completion, to one where all steps are taken). With it every interleaving's beginning is, up
to the order of independent steps, the beginning of a visited one, hence:

- every step of every thread is taken somewhere with the same answer: no notice and no local state is missing;
- two racing accesses are enabled together in a visited state. Take the state where the first of them would be taken without
  the other: a stubborn set with one has the other in it, and what comes before both is independent of both;
- a lost update depends on the order of accesses of one location only, and equivalent interleavings agree on that. Most are
  ruled out by locks (`protection.py`); for the others the search is made again, location by location, with who has a stale
  read as a part of the state;
- a property of the memory at every step sees memories between steps that are independent. While there is one, a stubborn
  set that is not everything must write no memory (visible steps: Peled 1993).

It counts no steps: a limit on `max_steps` is not for this search.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from simulator.analysis.detector import Detector
from simulator.analysis.finding import Kind, Sighting
from simulator.analysis.protection import Paths, unprotected
from simulator.analysis.riders import Riders
from simulator.errors import InternalError
from simulator.machine import Machine, State
from simulator.search.budget import Budget, Stop, without_collecting
from simulator.search.endings import Endings
from simulator.search.graph import Explored
from simulator.search.steps import Steps
from simulator.search.stubborn import Around, Move, Stubborn
from simulator.search.symmetry import Orbits
from simulator.trace import Outcome

__all__ = ["FRESH", "STALE", "Reduced", "ReducedGraph", "Reduction"]

LOOK_UP = 256
"""States between two looks at the clock and at what the automata have become."""

FRESH, STALE = 1, 2


class Reduction(enum.Flag):
    """What is left out."""

    NONE = 0
    FUSION = enum.auto()
    """States in which a thread has a local step to take."""
    SYMMETRY = enum.auto()
    """States that differ from another in the order of interchangeable threads only."""
    STUBBORN = enum.auto()
    """Steps outside of a stubborn set."""
    ALL = FUSION | SYMMETRY | STUBBORN


@dataclass
class Reduced(Explored):
    """What the reduced search saw. `states` and `transitions` are of its last turn, `restarts` the turns before.

    `undecided` are the sightings that it neither saw nor ruled out within the budget, for another search to decide: only a
    lost update can be one. `complete` speaks of everything else.
    """

    restarts: int = 0
    undecided: tuple[Sighting, ...] = ()


class ReducedGraph:
    """A depth-first search with reductions, to be used as `StateGraph` is.

    `detectors` are those of a check. What `undecided` says aside, the sightings and the outcomes are those of the whole
    state graph; the schedules are not the shortest. `max_states` and the time of the budget hold, `max_steps` does not.

    >>> from simulator.analysis.detectors import detectors_for
    >>> from simulator.ops import Read, Write
    >>> from simulator.program import Program
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> program = Program({"a": body, "b": body, "c": body}, memory={"x": 0})
    >>> explored = ReducedGraph(Machine(program), detectors_for(program), Budget()).run()
    >>> sorted(str(outcome) for outcome in explored.outcomes), [str(seen.kind) for seen in explored.sightings]
    (['x=1', 'x=2', 'x=3'], ['data race', 'lost update'])
    """

    def __init__(
        self, machine: Machine, detectors: Iterable[Detector], budget: Budget, *, reductions: Reduction = Reduction.ALL
    ) -> None:
        asked = tuple(detectors)
        self._riders = Riders(machine, tuple(each.over_states() for each in asked if each.kind is not Kind.LOST_UPDATE))
        self._loses = any(each.kind is Kind.LOST_UPDATE for each in asked)
        self._steps = Steps(machine, fused=Reduction.FUSION in reductions)
        self._budget = budget.begun()
        self._reductions = reductions
        self._turn: _Turn | None = None
        self.explored = Reduced()

    def run(self) -> Reduced:
        """Search to the end or to the budget's. What was seen until then is kept, after Ctrl-C too."""
        explored = self.explored
        try:
            with without_collecting():
                explored.stop = self._search(self._riders, None)
                if explored.complete and self._loses:
                    self._look_for_lost_updates()
        except KeyboardInterrupt:
            explored.stop = Stop.INTERRUPTED
        return explored

    def visited(self) -> Iterator[tuple[State, Callable[[], list[int]]]]:
        """Every state that was visited, with a way to ask for a schedule to it.

        The schedule may lead to the state with interchangeable threads in another order.
        """
        if self._turn is not None:
            for node in self._turn.parents:
                yield node, partial(self._turn.schedule, node)

    def paths(self) -> list[Paths]:
        """All that the threads do, as far as it was seen: what protection is read off."""
        return self._steps.paths()

    def _search(self, riders: Riders | None, watched: Hashable | None) -> Stop:
        """Turn after turn, until one ends in which nothing grew that it relied on."""
        explored = self.explored
        while True:
            turn = _Turn(self._steps, riders, watched, self._budget, self._reductions)
            try:
                stop = turn.search()
            finally:
                if riders is not None:
                    self._turn = turn
                    explored.states, explored.transitions = len(turn.parents), turn.transitions
                    explored.endings = turn.endings
                # What a turn saw is there, even if it did not see all.
                for outcome in turn.outcomes:
                    explored.outcomes.setdefault(outcome, None)
                for sighting, schedule in turn.seen.items():
                    if sighting not in explored.sightings:
                        explored.sightings[sighting] = tuple(schedule())
            if stop is not None:
                return stop
            explored.restarts += 1
            self._steps.start_again()

    def _look_for_lost_updates(self) -> None:
        undecided = []
        for location in unprotected(self._steps.paths()):
            sighting = Sighting(Kind.LOST_UPDATE, (location,))
            # A part of a location has no flag of its own: that is for another search.
            stop = self._search(None, location) if location in self._steps.bits else None
            if sighting not in self.explored.sightings and stop is not Stop.COMPLETE:
                undecided.append(sighting)
            self.explored.undecided = tuple(undecided)


_Shown = Callable[[int, list[Move]], list[int]]
"""From a node and its moves to who takes the steps after which something is seen: empty when it is not seen."""


class _Turn:
    """One depth-first search over nodes: a state in its canonical form, with the flags of stale reads above it.

    With `watched` it looks for a lost update on that location and for nothing else.
    """

    def __init__(
        self, steps: Steps, riders: Riders | None, watched: Hashable | None, budget: Budget, reductions: Reduction
    ) -> None:
        machine = steps.machine
        self.steps = steps
        self.riders = riders
        self.budget = budget
        self.stubborn = None
        if Reduction.STUBBORN in reductions:
            self.stubborn = Stubborn(steps.futures, steps.shifts, machine.local_mask)
        self.watched = 0
        self.lost: Sighting | None = None
        if riders is None:
            self.watched = steps.bits[watched]
            self.lost = Sighting(Kind.LOST_UPDATE, (watched,))
        self.flag_shifts = tuple(machine.bits + 2 * thread for thread in range(len(machine.threads)))
        self.all_fresh = sum(FRESH << shift for shift in self.flag_shifts)
        self.orbits: Orbits | None = None
        if Reduction.SYMMETRY in reductions:
            width = machine.local_mask.bit_length()
            fields = [[(steps.shifts[thread], width)] for thread in range(len(machine.threads))]
            if riders is None:
                fields = [[*own, (shift, 2)] for own, shift in zip(fields, self.flag_shifts, strict=True)]
            self.orbits = Orbits(
                [fields[thread] for thread in members] for members in machine.classes if len(members) > 1
            )
        self.parents: dict[int, int] = {}
        self.transitions = 0
        self.outcomes: dict[Outcome, None] = {}
        self.endings = Endings(machine)
        self.seen: dict[Sighting, Callable[[], Iterable[int]]] = {}
        """Each sighting, with a way to ask for its schedule."""
        self.raced = 0
        """The locations that a race was seen on."""
        self.memories: set[int] = set()
        self.watches_pairs = riders is not None and riders.watches_pairs
        self.watches_memory = riders is not None and riders.watches_memory
        self.on_trail: set[int] = set()
        """The nodes between the first one and the one that is looked at."""
        self.done = False

    def search(self) -> Stop | None:
        """Visit everything. None when it was in vain, because a future was larger than it seemed."""
        steps, stubborn, parents, on_trail = self.steps, self.stubborn, self.parents, self.on_trail
        fields, local_mask = steps.fields, steps.machine.local_mask
        deadline, limit = self.budget.deadline(), self.budget.max_states or 0
        outgrown, outgrown_at = False, 0
        look_at = LOOK_UP
        first = self._canonical(steps.initial)
        self._start()
        trail = [-1]
        waiting: list[list[int]] = [[first]]
        while not self.done:
            nodes = waiting[-1]
            if not nodes:
                waiting.pop()
                on_trail.discard(trail.pop())
                if not waiting:
                    return None if outgrown or steps.outgrown() else Stop.COMPLETE
                continue
            node = nodes.pop()
            if node in parents:
                continue
            parents[node] = trail[-1]
            trail.append(node)
            on_trail.add(node)
            around = stubborn.around(node) if stubborn is not None else None
            moves: list[Move] = []
            thread = 0
            for thread_shift, rows in fields:
                local = (node >> thread_shift) & local_mask
                shift, mask, known = rows[local]
                value = (node >> shift) & mask
                try:
                    move = known[value]
                except KeyError:
                    move = self._grow(node, thread, local, value)
                    if stubborn is not None:
                        around = stubborn.around(node)
                if move is not None:
                    # Nobody else ever touches what this step touches: then it is enough.
                    if around is not None and not move[3] & around[thread][not move[4]]:
                        following = self._alone(node, move, around[thread])
                        if following:
                            break
                    moves.append(move)
                thread += 1
            else:
                following = self._side_by_side(node, moves)
            self.transitions += len(following)
            waiting.append(following)
            if len(parents) >= look_at or len(parents) >= limit > 0:
                done = len(parents)
                look_at = done + LOOK_UP
                if steps.outgrown():
                    outgrown, outgrown_at = True, done
                elif outgrown and done >= 2 * outgrown_at:
                    # It has to start again; by now it hardly learns any more.
                    return None
                if done >= limit > 0:
                    return Stop.STATES
                if self.budget.late(deadline, done):
                    return Stop.TIMEOUT
        return Stop.COMPLETE

    def _alone(self, node: int, move: Move, around: Around) -> list[int]:
        """The node that one thread leads to when it goes on alone, in a list; none when that may put the others off for ever.

        It goes on as long as nobody around it can ever touch what it touches: the states on the way need not be kept.
        """
        if self.watches_memory and move.writes and move.on_memory:
            return []
        (reached,) = self._remember(node, [move])
        if not self.watched or not (move.touches == self.watched or move.ends):
            reached = self._run(reached, move.thread, around)
        reached = self._canonical(reached)
        if reached in self.on_trail:
            return []
        assert self.stubborn is not None
        self.stubborn.rely(node, 1 << move.thread, around[2])
        self._look(node, [move], [reached])
        return [reached]

    def _run(self, node: int, thread: int, around: Around) -> int:
        touched, written, closed = around
        thread_shift, rows = self.steps.fields[thread]
        places, local_mask = self.steps.futures[thread].places, self.steps.machine.local_mask
        been = set()
        while True:
            local = (node >> thread_shift) & local_mask
            if local in been:
                return node
            been.add(local)
            shift, mask, known = rows[local]
            move = known.get((node >> shift) & mask)
            if move is None or closed & ~places[local].holds:
                return node
            _, delta, _, touches, writes, _, on_memory, ends = move
            if touches & (touched if writes else written):
                return node
            if self.watched and (ends or touches == self.watched):
                return node
            if self.watches_memory and writes and on_memory:
                return node
            node += delta

    def _side_by_side(self, node: int, moves: list[Move]) -> list[int]:
        """The nodes that follow where no thread can go on regardless of all others."""
        if not moves:
            self._end(node)
            return []
        stubborn = self.stubborn
        if stubborn is not None:
            for move in moves:
                around = stubborn.behind(node, move)
                if around is not None:
                    following = self._alone(node, move, around)
                    if following:
                        return following
        if self.watches_pairs:
            self._race(node, moves)
        if stubborn is not None:
            for chosen in stubborn.sets(node, moves):
                if self.watches_memory and any(move.writes and move.on_memory for move in chosen):
                    continue
                following = self._after(node, chosen)
                if not self.on_trail.issuperset(following):
                    self._look(node, chosen, following)
                    return following
        following = self._after(node, moves)
        self._look(node, moves, following)
        return following

    def _look(self, node: int, moves: Sequence[Move], following: Sequence[int]) -> None:
        """What steps show that depends on more than themselves."""
        if self.lost is not None and self._write_that_loses(node, moves):
            self._note([self.lost], partial(self.schedule, node, self._write_that_loses))
            self.done = True
        if self.watches_memory:
            for reached in following:
                memory = reached & self.steps.machine.memory_mask
                if memory not in self.memories:
                    self.memories.add(memory)
                    self._memory(node, reached)

    def schedule(self, node: int, shown: _Shown | None = None) -> list[int]:
        """The steps to a node, or on to where something is seen: any thread goes that leads to the next node's like."""
        nodes = []
        while node != -1:
            nodes.append(node)
            node = self.parents[node]
        at = self.steps.initial
        found = [thread for thread, _ in self.steps.opening]
        for wanted in reversed(nodes[:-1]):
            for thread in range(len(self.flag_shifts)):
                moves, reached = self._run_to(wanted, at, thread)
                if moves:
                    found.extend(thread for move in moves for _ in (move.event, *self.steps.tail(move.event)))
                    at = reached
                    break
            else:
                raise InternalError("a node that was visited cannot be reached again")
        if shown is not None:
            more = shown(at, list(self.steps.moves(at)))
            if not more:
                raise InternalError("what was seen in a node is not seen in one that is like it")
            found.extend(more)
        return found

    def _run_to(self, wanted: int, node: int, thread: int) -> tuple[list[Move], int]:
        """The steps of one thread alone that lead to what is like a node, and where; no steps when they do not."""
        found: list[Move] = []
        been: set[int] = set()
        while node not in been:
            been.add(node)
            for move in self.steps.moves(node):
                if move.thread == thread:
                    found.append(move)
                    (node,) = self._remember(node, [move])
                    break
            if self._canonical(node) == wanted:
                return found, node
        return [], node

    def _canonical(self, node: int) -> int:
        return self.orbits.canonical(node) if self.orbits else node

    def _after(self, node: int, chosen: Iterable[Move]) -> list[int]:
        """The nodes that moves lead to."""
        reached = self._remember(node, chosen) if self.watched else [node + move[1] for move in chosen]
        if self.orbits:
            canonical = self.orbits.canonical
            return [canonical(each) for each in reached]
        return reached

    def _remember(self, node: int, chosen: Iterable[Move]) -> list[int]:
        """The nodes that moves lead to, interchangeable threads as they are, with who has a stale read there."""
        found = []
        for move in chosen:
            reached = node + move.delta
            if self.watched:
                shift = self.flag_shifts[move.thread]
                flag = (node >> shift) & 3
                if move.touches == self.watched:
                    if not move.writes or not move.plain or flag:
                        reached += FRESH - flag << shift
                        flag = FRESH
                    if move.writes:
                        # FRESH becomes STALE, for all the others.
                        reached += reached & self.all_fresh & ~(FRESH << shift)
                if move.ends:
                    reached -= flag << shift
            found.append(reached)
        return found

    # -- what is seen

    def _note(self, sightings: Iterable[Sighting], schedule: Callable[[], Iterable[int]]) -> None:
        for sighting in sightings:
            self.seen.setdefault(sighting, schedule)

    def _start(self) -> None:
        """What is seen before the first step, and in the local steps that are taken with it."""
        riders = self.riders
        if riders is None:
            return
        self._note((*riders.start[1], *riders.in_state(self.steps.initial)), tuple)
        threads: list[int] = []
        for thread, event in self.steps.opening:
            threads.append(thread)
            self._note(riders.after(riders.start[0], event)[1], partial(tuple, tuple(threads)))

    def _grow(self, node: int, thread: int, local: int, value: int) -> Move | None:
        """A step that nobody took before: what it shows is seen here."""
        move = self.steps.grow(thread, local, value)
        if move is not None and self.riders is not None:
            for event in (move.event, *self.steps.tail(move.event)):
                for sighting in self.riders.after(self.riders.start[0], event)[1]:
                    self._note([sighting], partial(self.schedule, node, partial(self._steps_that_show, sighting)))
        return move

    def _steps_that_show(self, sighting: Sighting, node: int, moves: list[Move]) -> list[int]:
        assert self.riders is not None
        for move in moves:
            events = (move.event, *self.steps.tail(move.event))
            for length, event in enumerate(events, start=1):
                if sighting in self.riders.after(self.riders.start[0], event)[1]:
                    return [move.thread] * length
        return []

    def _race(self, node: int, moves: list[Move]) -> None:
        """Two accesses that are possible in one state, one of them a write, not both atomic."""
        touched = written = plain = plainly_written = clash = 0
        raced = self.raced
        for move in moves:
            thing = move[6]
            if thing and not thing & raced:
                if move[4]:
                    clash |= thing & (touched if move[5] else plain)
                    written |= thing
                    if move[5]:
                        plainly_written |= thing
                else:
                    clash |= thing & (written if move[5] else plainly_written)
                touched |= thing
                if move[5]:
                    plain |= thing
        if clash:
            assert self.riders is not None
            self.raced |= clash
            for sighting in self.riders.together([move.event for move in moves]):
                self._note([sighting], partial(self.schedule, node, partial(self._pair_that_shows, sighting)))

    def _pair_that_shows(self, sighting: Sighting, node: int, moves: list[Move]) -> list[int]:
        assert self.riders is not None
        for one, other in combinations(moves, 2):
            if sighting in self.riders.together([one.event, other.event]):
                return [one.thread, other.thread]
        return []

    def _memory(self, node: int, reached: int) -> None:
        """What a memory shows that is met for the first time."""
        assert self.riders is not None
        for sighting in self.riders.in_state(reached):
            self._note([sighting], partial(self.schedule, node, partial(self._write_that_shows, sighting)))

    def _write_that_shows(self, sighting: Sighting, node: int, moves: list[Move]) -> list[int]:
        assert self.riders is not None
        for move in moves:
            if sighting in self.riders.in_state(node + move.delta):
                return [move.thread]
        return []

    def _write_that_loses(self, node: int, moves: Iterable[Move]) -> list[int]:
        for move in moves:
            stale = (node >> self.flag_shifts[move.thread]) & 3 == STALE
            if stale and move.touches == self.watched and move.writes and move.plain:
                return [move.thread]
        return []

    def _end(self, node: int) -> None:
        """An interleaving ends here."""
        if self.riders is not None:
            self.outcomes.setdefault(self.steps.machine.outcome(node))
            seen = self.riders.at_end(node)
            self.endings.add(node, seen)
            self._note(seen, partial(self.schedule, node))
