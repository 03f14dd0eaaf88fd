"""Optimal DPOR: every Mazurkiewicz trace once, by one interleaving each, and no interleaving begun in vain.

Abdulla, Aronis, Jonsson, Sagonas: "Optimal dynamic partial order reduction" (POPL 2014; JACM 64(4), 2017), Algorithm 2:
at the end of each maximal run, each of its reversible races is tried the other way round, by a sequence put into the
wakeup tree at the place of the race's first step, unless a sleeping thread or the tree has that trace already.

Where we differ from the paper:

- A run is a path over states; nothing is re-executed, and a step is a look-up. Local steps ride along (`fusion`).
- Locks. A release is never the first of a race with an acquire, for the acquire is blocked until then: the race is
  between the two acquires. At the end of a run, a thread that is blocked races with the acquire of the lock's holder.
- Whether a compare-and-swap, a try-lock or an update writes hangs on the state. The second step of a race is looked up
  again in the state in which it would happen first. (Nothing that the inserted sequence holds writes what it touches,
  or it would come after the race's first step; so that state's value is the one it will meet.)
- Sets of steps are bits of an integer, by position in the run: whether a thread is a weak initial of a sequence is a
  few operations on integers, and most races are dismissed without the sequence ever being spelt out.
- A branch of the wakeup tree is kept as one tuple until something branches off it.

Memory: what one run holds, and the open branches beside it (and a table of states' first enabled threads that is
emptied when it is large). A program that can run for ever has no maximal runs to go through: see `Dpor.stop`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

from simulator.errors import InternalError
from simulator.fusion import Fused
from simulator.machine import Machine, State
from simulator.ops import Access, Acquire, CompareAndSwap, TryAcquire, Update
from simulator.search.budget import Stop
from simulator.search.naive import Interleaving

__all__ = ["Dpor"]

Step = tuple[int, int, bool]
"""A thread's next step: who, the object's number (-1 for none), and whether it writes."""
REMEMBERED = 100_000
"""States whose first enabled thread is remembered, and ends that are: then all is forgotten, and remembered anew."""
LONGEST = 10_000
"""Steps after which a run is taken to have no end, unless `max_steps` says otherwise."""


class _Touch(NamedTuple):
    """What an event touches, as the search asks for it."""

    thing: int
    writes: bool
    blocking: bool
    """An acquire that would have had to wait."""
    takes: bool
    """From then on the thread has the lock."""
    wavers: bool
    """In another state the same operation may read instead of write."""
    tail: int
    """How many local steps come along."""


class _Branch:
    """A branch of a wakeup tree: the steps from `place` on, and the branches after the last of them."""

    __slots__ = ("after", "place", "steps")

    def __init__(self, steps: tuple[Step, ...], place: int, after: list[_Branch]) -> None:
        self.steps = steps
        self.place = place
        self.after = after


class _Walk:
    """The run that the search is in: everything by depth or position of a step, by thread, or by object."""

    def __init__(self, fused: Fused) -> None:
        threads = len(fused.fields)
        self.depth = 0
        # By depth: the state, who sleeps there, the wakeup tree's branches still to be taken, steps taken in all.
        self.states: list[State] = [fused.initial]
        self.sleeps: list[tuple[Step, ...]] = [()]
        self.wakeups: list[list[_Branch]] = [[]]
        self.taken: list[int] = [len(fused.opening)]
        # By position: the step, its event, what comes before it (as bits) and what of that is direct, what its object
        # looked like, and the first steps of the races that it ends.
        self.steps: list[Step] = []
        self.events: list[int] = []
        self.before: list[int] = []
        self.causes: list[tuple[int, ...]] = []
        self.undo: list[tuple[int, int, tuple[int, ...], int]] = []
        self.races: list[tuple[int, ...]] = []
        # Races still to be looked at, by (second, first); and by position, those that it settles while it stands.
        self.open: dict[tuple[int, int], None] = {}
        self.settled: list[list[tuple[int, int]]] = []
        self.deepen()
        # By thread: its latest step, and all its steps as bits.
        self.latest = [-1] * threads
        self.steps_of = [0] * threads
        # By object: the last write, the reads since, who took it (a lock); all accesses, and all writes, as bits.
        self.written: list[int] = []
        self.read: list[tuple[int, ...]] = []
        self.taker: list[int] = []
        self.accesses: list[int] = []
        self.writes: list[int] = []

    def deepen(self) -> int:
        """Make room for more steps; for how many there is room now."""
        more = 64 + len(self.steps)
        for by_depth, empty in ((self.states, 0), (self.taken, 0), (self.events, 0), (self.before, 0)):
            by_depth.extend([empty] * more)
        for by_position in (self.sleeps, self.causes, self.races):
            by_position.extend([()] * more)
        self.wakeups.extend([] for _ in range(more))
        self.steps.extend([(0, -1, False)] * more)
        self.undo.extend([(-1, -1, (), -1)] * more)
        self.settled.extend([] for _ in range(more))
        return len(self.steps)

    def know(self, things: int) -> None:
        """Make room for so many objects."""
        for _ in range(things - len(self.written)):
            self.written.append(-1)
            self.read.append(())
            self.taker.append(-1)
            self.accesses.append(0)
            self.writes.append(0)

    def spelt(self, rest: int, last: Step | None) -> tuple[Step, ...]:
        """Steps of the run in their order, and one more."""
        found = []
        while rest:
            lowest = rest & -rest
            found.append(self.steps[lowest.bit_length() - 1])
            rest ^= lowest
        return (*found, last) if last is not None else tuple(found)


class Dpor:
    """A depth-first search; `runs` hands out one interleaving for each Mazurkiewicz trace, lazily.

    `stop` says, once the runs are through, whether they were all. With `max_steps` each run is cut there, and STEPS
    says that some were: then a trace may be missing. Without it the search ends at the first run that does not: ENDLESS
    when a state came again, so that the program can run for ever, STEPS when it was longer than `LONGEST`.

    >>> from simulator.ops import Read, Write
    >>> from simulator.program import Program
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> [run.schedule for run in Dpor(Machine(Program({"a": body, "b": body}, memory={"x": 0}))).runs()]
    [(0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0), (1, 1, 0, 0)]
    """

    def __init__(self, machine: Machine, *, max_steps: int | None = None) -> None:
        self.machine = machine
        self.max_steps = max_steps
        self.stop = Stop.COMPLETE
        self.fused = Fused(machine)
        self._walk = _Walk(self.fused)
        self._watch = 0
        """The depth at which it is looked next whether a state came again."""
        self._things: dict[tuple[bool, Hashable], int] = {}
        self._touches: dict[int, _Touch] = {}
        self._ends: dict[State, tuple[Step, ...]] = {}

    def runs(self, resume: Place | None = None) -> Iterator[Interleaving]:
        """One interleaving for each trace, in the order of the search; from a `place` on, those after it."""
        fused, touches, walk = self.fused, self._touches, self._walk
        fields, local_mask, grow = fused.fields, fused.local_mask, fused.grow
        limit = LONGEST if self.max_steps is None else self.max_steps
        self._watch = 2 * sum(len(rows) for rows in self.machine.rows) + 64
        if resume is not None:
            self.stop, self._watch = Stop(resume.stop), resume.watch
            if not resume.path or (self.max_steps is None and self.stop is not Stop.COMPLETE):
                return
        watch = self._watch
        room = len(walk.steps)
        states, sleeps, wakeups, taken = walk.states, walk.sleeps, walk.wakeups, walk.taken
        steps, events, before, causes, undo = walk.steps, walk.events, walk.before, walk.causes, walk.undo
        races_of, still_open, settled = walk.races, walk.open, walk.settled
        latest, steps_of = walk.latest, walk.steps_of
        written, read, taker, accesses, writes_to = walk.written, walk.read, walk.taker, walk.accesses, walk.writes
        choices: dict[State, tuple[int, int, int] | None] = {}
        schedule = [thread for thread, _ in fused.opening]
        depth = 0
        if resume is not None:
            wakeups[0] = [_Branch(tuple((thread, -1, False) for thread in resume.path), 0, [])]
        while True:
            # Down to the end of a run.
            while True:
                state = states[depth]
                wakeup = wakeups[depth]
                cut = taken[depth] >= limit and (taken[depth] > limit or bool(fused.moves(state)))
                if cut:
                    break
                if wakeup:
                    branch = wakeup.pop(0)
                    thread = branch.steps[branch.place][0]
                    branch.place += 1
                    following = [branch] if branch.place < len(branch.steps) else branch.after
                    thread_shift, rows = fields[thread]
                    shift, mask, moves = rows[(state >> thread_shift) & local_mask]
                    value = (state >> shift) & mask
                    move = moves[value] if value in moves else grow(thread, (state >> thread_shift) & local_mask, value)
                    if move is None:
                        raise InternalError("a wakeup tree holds a step that cannot be taken")
                    delta, event = move
                else:
                    if resume is not None:
                        break
                    following = []
                    sleeping = sleeps[depth]
                    if sleeping:
                        choice = self._awake(state, sleeping)
                    else:
                        try:
                            choice = choices[state]
                        except KeyError:
                            if len(choices) >= REMEMBERED:
                                choices.clear()
                            choice = choices[state] = self._awake(state, ())
                    if choice is None:
                        break
                    thread, delta, event = choice
                touch = touches.get(event)
                if touch is None:
                    touch = self._touch(event)
                thing, writes, blocking, takes, _, tail = touch
                # What comes before this step, and the races that end with it.
                bit = 1 << depth
                previous = latest[thread]
                earlier = before[previous] if previous >= 0 else 0
                races: tuple[int, ...] = ()
                if thing < 0:
                    undo[depth] = (previous, -1, (), -1)
                    causes[depth] = (previous,) if previous >= 0 else ()
                    before[depth] = earlier | bit
                else:
                    last, since, took = written[thing], read[thing], taker[thing]
                    undo[depth] = (previous, last, since, took)
                    direct: tuple[int, ...] = (last,) if last >= 0 else ()
                    if writes:
                        if since:
                            direct = since
                            read[thing] = ()
                        written[thing] = depth
                        writes_to[thing] |= bit
                        if takes:
                            taker[thing] = depth
                    else:
                        read[thing] = (*since, depth)
                    accesses[thing] |= bit
                    if blocking:
                        # The release before it cannot be the first of a race: look further back.
                        if took >= 0 and not earlier >> took & 1:
                            races = (took,)
                    elif len(direct) == 1:
                        if not earlier >> direct[0] & 1:
                            races = direct
                    elif direct:
                        races = tuple(
                            one
                            for one in direct
                            if not earlier >> one & 1
                            and not any(before[other] >> one & 1 for other in direct if other != one)
                        )
                    causes[depth] = (previous, *direct) if previous >= 0 else direct
                    earlier |= bit
                    for one in direct:
                        earlier |= before[one]
                    before[depth] = earlier
                    for one in races:
                        still_open[depth, one] = None
                races_of[depth] = races
                latest[thread] = depth
                steps_of[thread] |= bit
                steps[depth] = (thread, thing, writes)
                events[depth] = event
                schedule.append(thread)
                if tail:
                    schedule += [thread] * tail
                sleeping = sleeps[depth]
                if sleeping and thing >= 0:
                    # Who sleeps goes on sleeping unless this step depends on its own.
                    sleeping = tuple([step for step in sleeping if step[1] != thing or not (writes or step[2])])
                total = taken[depth] + 1 + tail
                depth += 1
                sleeps[depth] = sleeping
                wakeups[depth] = following
                states[depth] = state + delta
                taken[depth] = total
                if depth + 1 >= room:
                    room = walk.deepen()
                if depth == watch:
                    watch = self._watch = 2 * watch
                    if self.max_steps is None and len(set(states[: depth + 1])) <= depth:
                        self.stop = Stop.ENDLESS
                        break
            walk.depth = depth
            if resume is not None:
                self._put_back(walk, resume)
                resume = None
            elif self.stop is Stop.ENDLESS or cut:
                if self.stop is not Stop.ENDLESS:
                    self.stop = Stop.STEPS
                if self.max_steps is None:
                    yield self._cut(schedule, limit)
                    return
                self._reverse_races(walk)
                yield self._cut(schedule, limit)
            elif not sleeps[depth]:
                self._reverse_races(walk)
                yield Interleaving(tuple(schedule), state, False)
            elif self.stop is Stop.COMPLETE:
                raise InternalError("a run was begun that only sleeping threads could end")
            # Back to the deepest place where something is left to do.
            while True:
                if not depth:
                    return
                depth -= 1
                step = steps[depth]
                thread, thing, writes = step
                bit = 1 << depth
                previous, last, since, took = undo[depth]
                latest[thread] = previous
                steps_of[thread] ^= bit
                if thing >= 0:
                    accesses[thing] ^= bit
                    if writes:
                        writes_to[thing] ^= bit
                    written[thing] = last
                    read[thing] = since
                    taker[thing] = took
                    for one in races_of[depth]:
                        still_open.pop((depth, one), None)
                if settled[depth]:
                    for race in settled[depth]:
                        still_open[race] = None
                    settled[depth] = []
                if wakeups[depth]:
                    sleeps[depth] = (*sleeps[depth], step)
                    del schedule[taken[depth] :]
                    break

    def _awake(self, state: State, sleeping: tuple[Step, ...]) -> tuple[int, int, int] | None:
        """The first enabled thread that does not sleep, what its step adds to the state, and the event."""
        asleep = [step[0] for step in sleeping]
        for thread, reached, event in self.fused.moves(state):
            if thread not in asleep:
                return thread, reached - state, event
        return None

    def _cut(self, schedule: list[int], limit: int) -> Interleaving:
        state = self.machine.initial
        for thread in schedule[:limit]:
            state, _ = self.machine.step(state, thread)
        return Interleaving(tuple(schedule[:limit]), state, bool(self.machine.enabled(state)))

    def _reverse_races(self, walk: _Walk) -> None:
        """At the end of a run: see to it that each of its races is tried the other way round as well."""
        blocked = self._blocked(walk)
        races = sorted([*walk.open, *blocked])
        if not races:
            return
        steps, steps_of, causes, sleeps = walk.steps, walk.steps_of, walk.causes, walk.sleeps
        accesses, writes_to, touches, events = walk.accesses, walk.writes, self._touches, walk.events
        depth = walk.depth
        lowest = min([first for _, first in races])
        after = [0] * depth
        for position in range(depth - 1, lowest, -1):
            these = after[position] | 1 << position
            for cause in causes[position]:
                after[cause] |= these
        whole = (1 << depth) - 1
        for race in races:
            second, first = race
            # All of the rest of the run that does not come after the first step, then the second step.
            others = (whole >> first + 1 << first + 1) & ~after[first]
            if second >= depth:
                later = blocked[race]
            elif touches[events[second]].wavers:
                later = self._instead(walk, second, first)
            else:
                later = steps[second]
            mover, thing, writes = later
            settled = -1
            for thread, its, its_writes in sleeps[first]:
                conflicts = (others & (accesses[its] if its_writes else writes_to[its])) if its >= 0 else 0
                own = steps_of[thread] & others
                if own:
                    own &= -own
                    if not conflicts & (own - 1):
                        # An initial: so it stays while that step of its stands.
                        settled = max(second, own.bit_length() - 1)
                        break
                elif not conflicts:
                    if thread == mover:
                        # Nothing that comes later can come before the second step: so it stays.
                        settled = second
                        break
                    if its != thing or not (writes or its_writes):
                        break
            else:
                settled = self._insert(walk, walk.wakeups[first], others, later, second)
            if settled >= 0 and second < depth:
                del walk.open[race]
                if settled > second:
                    walk.settled[settled].append(race)

    def _insert(self, walk: _Walk, siblings: list[_Branch], rest: int, last: Step, place_of_last: int) -> int:
        """Put a sequence (steps of the run, and one more) into a wakeup tree, unless a leaf of it comes to the same.

        The position of the last step that had a say in it: while that one stands, whatever comes after it, the sequence
        is in the tree. Or -1, when that hung on a step that the sequence does not have yet.
        """
        if not siblings:
            siblings.append(_Branch(walk.spelt(rest, last), 0, []))
            return max(place_of_last, rest.bit_length() - 1)
        steps_of, accesses, writes_to = walk.steps_of, walk.accesses, walk.writes
        mover, thing, writes = last
        left: Step | None = last
        # Steps that had a say, as bits.
        told_by = 1 << place_of_last
        sure = True
        while True:
            for branch in siblings:
                start = place = branch.place
                for thread, its, its_writes in branch.steps[place:]:
                    conflicts = (rest & (accesses[its] if its_writes else writes_to[its])) if its >= 0 else 0
                    own = steps_of[thread] & rest
                    if own:
                        own &= -own
                        conflicts &= own - 1
                        if not conflicts:
                            rest ^= own
                            told_by |= own
                    elif not conflicts and left is not None and thread == mover:
                        left = None
                    elif not conflicts:
                        if left is not None and its == thing and its >= 0 and (writes or its_writes):
                            break
                        sure = False
                    if conflicts:
                        told_by |= conflicts & -conflicts
                        break
                    place += 1
                else:
                    if not branch.after:
                        return told_by.bit_length() - 1 if sure else -1
                    siblings = branch.after
                    break
                if place > start:
                    # Here it parts from the branch.
                    siblings = [_Branch(branch.steps, place, branch.after)]
                    branch.after = siblings
                    branch.steps = branch.steps[:place]
                    siblings.append(_Branch(walk.spelt(rest, left), 0, []))
                    return (told_by | rest).bit_length() - 1 if sure else -1
            else:
                siblings.append(_Branch(walk.spelt(rest, left), 0, []))
                return (told_by | rest).bit_length() - 1 if sure else -1

    def _instead(self, walk: _Walk, second: int, first: int) -> Step:
        """The second step of a race, taken where the first one was."""
        thread, thing, _ = walk.steps[second]
        thread_shift, rows = self.fused.fields[thread]
        local = (walk.states[second] >> thread_shift) & self.fused.local_mask
        shift, mask, moves = rows[local]
        value = (walk.states[first] >> shift) & mask
        move = moves[value] if value in moves else self.fused.grow(thread, local, value)
        if move is None:
            raise InternalError("the second step of a race is blocked where the first one was")
        touch = self._touches.get(move[1]) or self._touch(move[1])
        return thread, thing, touch.writes

    def _blocked(self, walk: _Walk) -> dict[tuple[int, int], Step]:
        """Threads that wait for a lock at the end of a run: their acquires race with the one that took it."""
        state = walk.states[walk.depth]
        waiting = self._ends.get(state)
        if waiting is None:
            waiting = tuple(self._waiting(state))
            if len(self._ends) >= REMEMBERED:
                self._ends.clear()
            self._ends[state] = waiting
        found: dict[tuple[int, int], Step] = {}
        for step in waiting:
            thread, thing, _ = step
            took = walk.taker[thing]
            previous = walk.latest[thread]
            # Not where it waits for itself: then the acquire came before its latest step, or is that.
            if took >= 0 and not (previous >= 0 and walk.before[previous] >> took & 1):
                found[walk.depth + thread, took] = step
        return found

    def _waiting(self, state: State) -> Iterator[Step]:
        enabled = self.machine.enabled(state)
        for thread in range(len(self.fused.fields)):
            pending = self.machine.pending(state, thread)
            if pending is not None and thread not in enabled and isinstance(pending.operation, Acquire):
                yield thread, self._thing(on_lock=True, name=pending.operation.lock), True

    def _thing(self, *, on_lock: bool, name: Hashable) -> int:
        number = self._things.setdefault((on_lock, name), len(self._things))
        self._walk.know(len(self._things))
        return number

    def _touch(self, number: int) -> _Touch:
        event = self.machine.events[number]
        touched = event.footprint
        takes = touched.on_lock and touched.access == Access.WRITE and touched.name not in event.held
        made = _Touch(
            thing=-1 if touched.access == Access.NONE else self._thing(on_lock=touched.on_lock, name=touched.name),
            writes=touched.access == Access.WRITE,
            blocking=takes and isinstance(event.operation, Acquire),
            takes=takes,
            wavers=isinstance(event.operation, CompareAndSwap | TryAcquire | Update),
            tail=len(self.fused.tail(number)),
        )
        self._touches[number] = made
        return made

    # -- a place in the search, to save and to come back to

    def place(self) -> Place:
        """Where the search is, after the run that it handed out last. Meant to be kept as text: see `Place`."""
        walk = self._walk
        return Place(
            path=[walk.steps[position][0] for position in range(walk.depth)],
            sleeping=[[step[0] for step in walk.sleeps[depth]] for depth in range(walk.depth)],
            wakeups=[[_tree(branch) for branch in walk.wakeups[depth]] for depth in range(walk.depth)],
            watch=self._watch,
            stop=self.stop.value,
        )

    def _put_back(self, walk: _Walk, place: Place) -> None:
        for depth in range(walk.depth):
            state = walk.states[depth]
            walk.sleeps[depth] = tuple(self._next_step(state, thread)[0] for thread in place.sleeping[depth])
            walk.wakeups[depth] = [self._branch(state, tree) for tree in place.wakeups[depth]]

    def _next_step(self, state: State, thread: int) -> tuple[Step, State]:
        reached, event = self.fused.step(state, thread)
        touch = self._touches.get(event) or self._touch(event)
        return (thread, touch.thing, touch.writes), reached

    def _branch(self, state: State, tree: Tree) -> _Branch:
        steps = []
        for thread in tree[0]:
            step, state = self._next_step(state, thread)
            steps.append(step)
        return _Branch(tuple(steps), 0, [self._branch(state, after) for after in tree[1]])


Tree = tuple[list[int], list["Tree"]]
"""A branch of a wakeup tree by thread numbers: its steps, and the branches after them."""


class Place(NamedTuple):
    """A place in the search, in thread numbers: the run just handed out, and at each of its steps (before it) who sleeps
    and which branches are still to be taken. Then the depth at which the search looks next whether a state came again,
    and what it said of its runs so far: `Dpor.stop`."""

    path: list[int]
    sleeping: list[list[int]]
    wakeups: list[list[Tree]]
    watch: int
    stop: str


def _tree(branch: _Branch) -> Tree:
    return [step[0] for step in branch.steps[branch.place :]], [_tree(after) for after in branch.after]
