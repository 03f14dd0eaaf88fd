"""The layered search: a sweep over programs that end, a layer of states at a time, in numpy.

All states that some number of steps leads to are one sorted array of integers; what one thread does in all of them is
a few operations on arrays, by tables that say what its step from a local state does to a value (Christensen, Kristensen,
Mailund 2001: a sweep needs a progress measure, which for a program that ends is the number of steps taken). Local steps are
fused and interchangeable threads kept in one order; there are no stubborn sets, so it pays where little is independent.

It sees what `ReducedGraph` sees, by the same rules. The layers are kept, at 8 bytes a state, and a schedule is found backwards
through them. It needs states of 63 bits at most, a program that ends, and numpy: `available` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from simulator.analysis.detector import Detector
from simulator.analysis.finding import Kind, Sighting
from simulator.analysis.protection import unprotected
from simulator.analysis.riders import Riders
from simulator.errors import InternalError, UsageError
from simulator.machine import LayoutFull, Machine, State
from simulator.program import Program
from simulator.search.budget import Budget, Stop
from simulator.search.endings import Endings
from simulator.search.reduced import FRESH, STALE, Reduced
from simulator.search.steps import Steps
from simulator.search.stubborn import Move

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Nodes = NDArray[numpy.int64]

__all__ = ["LayeredGraph", "available"]

WORD = 63
"""Bits that a node may have."""
CHUNK = 1 << 17
"""Nodes that are looked at together."""
AGAIN = 4
"""How often the states are visited on average, in one layer after another, when the program is taken to have no end."""
VALUE_BITS = (4, 6, 3, 8, 2, 12)
"""Widths of the fields for values that are tried, one after the other."""
UNKNOWN, BLOCKED, MOVES = 0, 1, 2


def available() -> bool:
    """Whether numpy is installed."""
    from importlib.util import find_spec

    return find_spec("numpy") is not None


class LayeredGraph:
    """A sweep with the detectors of a check, to be used as `ReducedGraph` is.

    `run` gives None when the program does not fit: its states are too wide, or they come again and again as those of one
    that can run for ever do. Raises UsageError without numpy.

    >>> from simulator.analysis.detectors import detectors_for
    >>> from simulator.ops import Read, Write
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> program = Program({"a": body, "b": body, "c": body}, memory={"x": 0})
    >>> explored = LayeredGraph(program, detectors_for(program), Budget()).run()
    >>> sorted(str(outcome) for outcome in explored.outcomes), [str(seen.kind) for seen in explored.sightings]
    (['x=1', 'x=2', 'x=3'], ['data race', 'lost update'])
    """

    def __init__(
        self,
        program: Program,
        detectors: Sequence[Detector],
        budget: Budget,
        *,
        merge: bool = True,
        symmetry: bool = True,
    ) -> None:
        if not available():
            raise UsageError("the layered search needs numpy: pip install 'interleaving-simulator[fast]'")
        self._program = program
        self._detectors = tuple(detectors)
        self._budget = budget.begun()
        self._merge = merge
        self._symmetry = symmetry
        self.machine: Machine | None = None
        """The machine that fitted, once the search has been made."""

    def run(self) -> Reduced | None:
        """Sweep to the end or to the budget's. What was seen until then is kept, after Ctrl-C too."""
        for layout in self._layouts():
            machine = Machine(self._program, merge=self._merge, bits=layout)
            if machine.bits > WORD:
                # It grew while it was being laid out.
                continue
            explored = Reduced()
            try:
                if not self._sweep(machine, explored):
                    return None
            except LayoutFull:
                continue
            except KeyboardInterrupt:
                explored.stop = Stop.INTERRUPTED
            self.machine = machine
            return explored
        return None

    def _layouts(self) -> Iterator[tuple[int, int]]:
        """Bits for local states and for values that fit: as many as can be for the local states."""
        threads, program = len(self._program.threads), self._program
        for value_bits in VALUE_BITS:
            left = WORD - 2 * threads - len(program.all_locks) - value_bits * len(program.memory)
            if left >= 2 * threads:
                yield min(left // threads, 16), value_bits

    def _sweep(self, machine: Machine, explored: Reduced) -> bool:
        """Everything that a check asks; False when the program does not seem to end."""
        steps = Steps(machine, fused=True)
        riders = Riders(
            machine, tuple(each.over_states() for each in self._detectors if each.kind is not Kind.LOST_UPDATE)
        )
        first = _Sweep(steps, riders, None, self._budget, symmetry=self._symmetry)
        ended = first.search(explored)
        if not ended or not explored.complete:
            return ended
        if any(each.kind is Kind.LOST_UPDATE for each in self._detectors):
            undecided = []
            for location in unprotected(steps.paths()):
                sighting = Sighting(Kind.LOST_UPDATE, (location,))
                again = Reduced()
                if location in steps.bits:
                    _Sweep(steps, None, location, self._budget, symmetry=self._symmetry).search(again)
                else:
                    again.stop = Stop.STATES
                explored.sightings.update(again.sightings)
                if sighting not in explored.sightings and not again.complete:
                    undecided.append(sighting)
            explored.undecided = tuple(undecided)
        return True


class _Table:
    """What one thread's step does, by local state and value, as arrays; grown where something is met for the first time."""

    def __init__(self, sweep: _Sweep, thread: int) -> None:
        import numpy as np

        self._sweep = sweep
        self._thread = thread
        self._rows: int = 64
        self._columns: int = 8
        self.shift: Nodes = np.zeros(self._rows, dtype=np.int64)
        self.mask: Nodes = np.zeros(self._rows, dtype=np.int64)
        self.known = np.zeros(self._rows, dtype=bool)
        self.status = np.zeros((self._rows, self._columns), dtype=np.int8)
        self.delta: Nodes = np.zeros((self._rows, self._columns), dtype=np.int64)
        # For races: the location (its bit's place, from 1 on), twice, and whether the access writes and is plain. For
        # stale reads: whether it touches the watched location, looks at it, writes it, and whether the thread ends.
        self.access = np.zeros((self._rows, self._columns), dtype=np.int16)
        self.watch = np.zeros((self._rows, self._columns), dtype=np.int8)

    def look_up(self, local: Nodes, nodes: Nodes) -> tuple[Any, Any]:
        """The indices (local state, value) of all nodes; everything there is known afterwards."""
        import numpy as np

        most = int(local.max())
        while most >= self._rows:
            self._widen(2 * self._rows, self._columns)
        if not self.known[local].all():
            for each in np.unique(local[~self.known[local]]).tolist():
                shift, mask, _ = self._sweep.steps.rows(self._thread, each)
                self.shift[each], self.mask[each], self.known[each] = shift, mask, True
        value = (nodes >> self.shift[local]) & self.mask[local]
        most = int(value.max())
        while most >= self._columns:
            self._widen(self._rows, 2 * self._columns)
        unknown = self.status[local, value] == UNKNOWN
        if unknown.any():
            pairs = local[unknown] * self._columns + value[unknown]
            where = np.flatnonzero(unknown)
            for pair, at in zip(*np.unique(pairs, return_index=True), strict=True):
                self._learn(*divmod(int(pair), self._columns), int(nodes[where[at]]))
        return local, value

    def _learn(self, local: int, value: int, node: int) -> None:
        move = self._sweep.learn(self._thread, local, value, node)
        if move is None:
            self.status[local, value] = BLOCKED
            return
        self.status[local, value] = MOVES
        self.delta[local, value] = move.delta
        if move.on_memory:
            place = move.on_memory.bit_length()
            self.access[local, value] = place << 2 | move.writes << 1 | move.plain
        touches = move.touches == self._sweep.watched and self._sweep.watched > 0
        self.watch[local, value] = (
            touches
            | (touches and (not move.writes or not move.plain)) << 1
            | (touches and move.writes) << 2
            | move.ends << 3
        )

    def _widen(self, rows: int, columns: int) -> None:
        import numpy as np

        for name in ("shift", "mask", "known"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros(rows - self._rows, dtype=old.dtype)]))
        for name in ("status", "delta", "access", "watch"):
            old = getattr(self, name)
            new = np.zeros((rows, columns), dtype=old.dtype)
            new[: self._rows, : self._columns] = old
            setattr(self, name, new)
        self._rows, self._columns = rows, columns


class _Sweep:
    """One sweep over nodes: a state with interchangeable threads in order, and above it the flags of stale reads.

    With `watched` it looks for a lost update on that location and for nothing else.
    """

    def __init__(self, steps: Steps, riders: Riders | None, watched: Any, budget: Budget, *, symmetry: bool) -> None:
        machine = steps.machine
        self.steps = steps
        self.riders = riders
        self.budget = budget
        self.watched = steps.bits[watched] if riders is None else 0
        self.lost = Sighting(Kind.LOST_UPDATE, (watched,))
        self.flag_shifts = [machine.bits + 2 * thread for thread in range(len(machine.threads))]
        self.all_fresh = sum(FRESH << shift for shift in self.flag_shifts)
        self.groups = [members for members in machine.classes if len(members) > 1] if symmetry else []
        self.tables = [_Table(self, thread) for thread in range(len(machine.threads))]
        self.layers: list[Nodes] = []
        self.raced: set[int] = set()
        self.memories: set[int] = set()
        self.seen: dict[Sighting, Callable[[], tuple[int, ...]]] = {}

    def search(self, explored: Reduced) -> bool:
        """All layers; what was seen goes to `explored`. False when there are more layers than a program that ends has."""
        import numpy as np

        machine = self.steps.machine
        deadline, limit = self.budget.deadline(), self.budget.max_states or 0
        layer = self._canonical(np.array([self.steps.initial], dtype=np.int64))
        self._start()
        ends: set[State] = set()
        look_at = 64
        try:
            while len(layer):
                if len(self.layers) == look_at:
                    look_at *= 2
                    if explored.states > AGAIN * len(np.unique(np.concatenate(self.layers))):
                        return False
                self.layers.append(layer)
                explored.states += len(layer)
                if explored.states > limit > 0:
                    explored.stop = Stop.STATES
                    break
                following = []
                for at in range(0, len(layer), CHUNK):
                    if self.budget.late(deadline, explored.states):
                        explored.stop = Stop.TIMEOUT
                        break
                    nodes = layer[at : at + CHUNK]
                    reached, stuck = self._expand(nodes)
                    following.append(np.unique(reached))
                    ends.update(nodes[stuck].tolist())
                    if self.riders is None and self.lost in self.seen:
                        following.clear()
                        break
                if explored.stop is not Stop.COMPLETE:
                    break
                layer = np.unique(np.concatenate(following)) if following else layer[:0]
                self._memories(layer)
        finally:
            if self.riders is not None:
                explored.endings = Endings(machine)
                for node in sorted(ends):
                    explored.outcomes.setdefault(machine.outcome(node), None)
                    seen = self.riders.at_end(node)
                    explored.endings.add(node, seen)
                    for sighting in seen:
                        self.seen.setdefault(sighting, partial(self.schedule, node))
            for sighting, schedule in self.seen.items():
                explored.sightings.setdefault(sighting, schedule())
        return True

    def _expand(self, nodes: Nodes) -> tuple[Nodes, Any]:
        """All nodes one step on (some of them more than once), and which of these have none."""
        import numpy as np

        local_mask = self.steps.machine.local_mask
        found = []
        moving = np.zeros(len(nodes), dtype=bool)
        accesses = []
        for thread, (shift, table) in enumerate(zip(self.steps.shifts, self.tables, strict=True)):
            index = table.look_up((nodes >> shift) & local_mask, nodes)
            able = table.status[index] == MOVES
            moving |= able
            if self.riders is not None and self.riders.watches_pairs:
                accesses.append(np.where(able, table.access[index], 0))
            reached = nodes[able] + table.delta[index][able]
            if self.watched:
                reached = self._remember(thread, nodes[able], reached, table.watch[index][able])
            found.append(self._canonical(reached))
        self._races(nodes, accesses)
        return np.concatenate(found), ~moving

    def _remember(self, thread: int, nodes: Nodes, reached: Nodes, watch: Any) -> Nodes:
        """The nodes with who has a stale read of the watched location there; a write from one is a lost update."""
        import numpy as np

        shift = self.flag_shifts[thread]
        flag = (nodes >> shift) & 3
        touches, looks, writes, ends = (watch >> bit & 1 for bit in range(4))
        loses = (flag == STALE) & (writes > 0) & (looks == 0)
        if loses.any() and self.lost not in self.seen:
            self.seen[self.lost] = partial(self.schedule, int(nodes[int(np.argmax(loses))]), (thread,))
        fresh = (touches > 0) & ((looks > 0) | (flag > 0))
        after = np.where(fresh, FRESH, flag)
        others = reached & (self.all_fresh & ~(FRESH << shift))
        reached = reached + np.where(writes > 0, others, 0)
        left: Nodes = reached + ((np.where(ends > 0, 0, after) - flag) << shift)
        return left

    def _canonical(self, nodes: Nodes) -> Nodes:
        """The nodes with interchangeable threads in order."""
        import numpy as np

        machine, shifts = self.steps.machine, self.steps.shifts
        for members in self.groups:
            own = np.empty((len(nodes), len(members)), dtype=np.int64)
            rest = nodes
            for column, thread in enumerate(members):
                part = (nodes >> shifts[thread]) & machine.local_mask
                rest = rest - (part << shifts[thread])
                if self.watched:
                    flag = (nodes >> self.flag_shifts[thread]) & 3
                    rest = rest - (flag << self.flag_shifts[thread])
                    part = part << 2 | flag
                own[:, column] = part
            own.sort(axis=1)
            for column, thread in enumerate(members):
                part = own[:, column]
                if self.watched:
                    rest = rest + ((part & 3) << self.flag_shifts[thread])
                    part = part >> 2
                rest = rest + (part << shifts[thread])
            nodes = rest
        return nodes

    # -- what is seen

    def _start(self) -> None:
        """What is seen before the first step, and in the local steps that are taken with it."""
        riders = self.riders
        if riders is None:
            return
        for sighting in (*riders.start[1], *riders.in_state(self.steps.initial)):
            self.seen.setdefault(sighting, tuple)
        threads: list[int] = []
        for thread, event in self.steps.opening:
            threads.append(thread)
            for sighting in riders.after(riders.start[0], event)[1]:
                self.seen.setdefault(sighting, partial(tuple, tuple(threads)))

    def learn(self, thread: int, local: int, value: int, node: State) -> Move | None:
        """A step that nobody took before, from a node: what it shows is seen here."""
        move = self.steps.fields[thread][1][local][2].get(value)
        if move is None:
            move = self.steps.grow(thread, local, value)
        if move is not None and self.riders is not None:
            events = (move.event, *self.steps.tail(move.event))
            for length, event in enumerate(events, start=1):
                for sighting in self.riders.after(self.riders.start[0], event)[1]:
                    self.seen.setdefault(sighting, partial(self.schedule, node, (thread,) * length))
        return move

    def _races(self, nodes: Nodes, accesses: Sequence[Any]) -> None:
        """Two accesses that are possible in one state, one of them a write, not both atomic."""
        import numpy as np

        riders = self.riders
        if riders is None:
            return
        for one in range(len(accesses)):
            first = accesses[one]
            for other in range(one + 1, len(accesses)):
                second = accesses[other]
                clash = (first >> 2 == second >> 2) & (first > 0) & ((first | second) & 3 == 3)
                clash |= (
                    (first >> 2 == second >> 2) & (first > 0) & ((first | second) & 2 > 0) & ((first | second) & 1 > 0)
                )
                for place in self.raced:
                    clash &= first >> 2 != place
                while clash.any():
                    at = int(np.argmax(clash))
                    place = int(first[at] >> 2)
                    self.raced.add(place)
                    clash &= first >> 2 != place
                    node = int(nodes[at])
                    events = [self._event(node, one), self._event(node, other)]
                    for sighting in riders.together(events):
                        self.seen.setdefault(sighting, partial(self.schedule, node, (one, other)))

    def _event(self, node: State, thread: int) -> int:
        return next(move.event for move in self.steps.moves(node) if move.thread == thread)

    def _memories(self, layer: Nodes) -> None:
        """What memories show that are met for the first time."""
        import numpy as np

        if self.riders is None or not self.riders.watches_memory:
            return
        parts, where = np.unique(layer & self.steps.machine.memory_mask, return_index=True)
        for part, at in zip(parts.tolist(), where.tolist(), strict=True):
            if part not in self.memories:
                self.memories.add(part)
                node = int(layer[at])
                for sighting in self.riders.in_state(node):
                    self.seen.setdefault(sighting, partial(self.schedule, node))

    def schedule(self, node: State, then: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The steps to a node, found backwards through the layers, and then those of `then`.

        Where interchangeable threads were put in another order on the way, `then` names them as they stand in the node.
        """
        import numpy as np

        layers = list(self.layers)
        depth = next(number for number, layer in enumerate(layers) if node in layer)
        way = [node]
        for layer in reversed(layers[:depth]):
            way.append(self._one_before(layer, way[-1]))
        at, found = self.steps.initial, [thread for thread, _ in self.steps.opening]
        for wanted in reversed(way[:-1]):
            for move in self.steps.moves(at):
                reached = self._stepped(at, move)
                if int(self._canonical(np.array([reached], dtype=np.int64))[0]) == wanted:
                    found.extend([move.thread] * (1 + len(self.steps.tail(move.event))))
                    at = reached
                    break
            else:
                raise InternalError("a node that was visited cannot be reached again")
        names = self._names(node, at)
        return (*found, *(names[thread] for thread in then))

    def _one_before(self, layer: Nodes, wanted: State) -> State:
        """A node of a layer from which a step leads to the wanted one."""
        for node_at in range(0, len(layer), CHUNK):
            nodes = layer[node_at : node_at + CHUNK]
            for node in self._leading(nodes, wanted):
                return node
        raise InternalError("a node that was visited has none before it")

    def _leading(self, nodes: Nodes, wanted: State) -> Iterator[State]:
        local_mask = self.steps.machine.local_mask
        for thread, (shift, table) in enumerate(zip(self.steps.shifts, self.tables, strict=True)):
            index = table.look_up((nodes >> shift) & local_mask, nodes)
            able = table.status[index] == MOVES
            reached = nodes[able] + table.delta[index][able]
            if self.watched:
                reached = self._remember(thread, nodes[able], reached, table.watch[index][able])
            yield from nodes[able][self._canonical(reached) == wanted].tolist()

    def _stepped(self, node: State, move: Move) -> State:
        import numpy as np

        reached = np.array([node + move.delta], dtype=np.int64)
        if self.watched:
            before = np.array([node], dtype=np.int64)
            table = self.tables[move.thread]
            local = (before >> self.steps.shifts[move.thread]) & self.steps.machine.local_mask
            watch = table.watch[table.look_up(local, before)]
            reached = self._remember(move.thread, before, reached, watch)
        return int(reached[0])

    def _names(self, node: State, at: State) -> list[int]:
        """For each thread of a node the thread that stands there in a state which is like it."""
        names = list(range(len(self.tables)))
        for members in self.groups:
            free = list(members)
            for thread in members:
                standing = self._own(node, thread)
                names[thread] = next(each for each in free if self._own(at, each) == standing)
                free.remove(names[thread])
        return names

    def _own(self, node: State, thread: int) -> tuple[int, int]:
        flag = (node >> self.flag_shifts[thread]) & 3 if self.watched else 0
        return (node >> self.steps.shifts[thread]) & self.steps.machine.local_mask, flag
