"""Exact counts of Mazurkiewicz traces, without going through them.

This file knows how many traces end in each outcome, and no single one of them. It rests on one quantity: F(s, Z), the
number of maximal traces from state s that no member of Z could begin. With t1, t2, ... the threads to try in s,

    F(s, Z) = sum over ti not in Z of F(s·ti, those of Z and t1 ... t(i-1) whose next step is independent of ti's),

which is what a search with sleep sets walks (Godefroid 1996, §5). F speaks of traces, not of a search, so equal nodes
(s, Z) may be met by any path: they are put in an order in which each comes after all that lead to it, and one pass
counts the paths to each. A `Reduction` makes the nodes fewer and leaves F alone.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulator.errors import EndlessError, LimitError
from simulator.machine import COMPACT, LayoutFull, Machine, State
from simulator.ops import Access, Acquire, Read, TryAcquire
from simulator.program import Program
from simulator.search.budget import Budget, without_collecting
from simulator.trace import Outcome, memory_dict

__all__ = ["EVERY_REDUCTION", "Reduction", "TraceCensus", "count_traces"]

MAX_STATES = 2_000_000
"""Each takes half a kilobyte to one."""
LONGEST = 20_000
"""Steps after which a trace is taken to have no end, unless told otherwise."""
LOOK_AT_CLOCK = 128
LOOK_AHEAD = 2_000
"""Steps of each run that only finds out what threads do."""
UNFINISHED = -1
"""In place of the number of a pair whose steps are still being followed."""


class Reduction(enum.Flag):
    """What may make the nodes of a count fewer; the counts are the same with and without each."""

    SOURCES = enum.auto()
    """Only threads of one persistent set are tried: nothing that the others can do before it depends on its next steps."""
    SYMMETRY = enum.auto()
    """Interchangeable threads in one local state are a number."""


EVERY_REDUCTION = Reduction.SOURCES | Reduction.SYMMETRY


@dataclass(frozen=True, slots=True)
class TraceCensus:
    """Every Mazurkiewicz trace of a program, counted by outcome.

    `outcomes` maps each outcome to its number of traces. `states` is how many pairs of a state and a sleep set the
    count visited. `max_steps` is the cut that was asked for, None for none or when it cut nothing.
    """

    outcomes: Mapping[Outcome, int]
    states: int
    max_steps: int | None = None

    @property
    def traces(self) -> int:
        """How many there are in all."""
        return sum(self.outcomes.values())

    def to_dict(self) -> dict[str, Any]:
        """The count in plain types; numbers are integers however large."""
        return {
            "traces": self.traces,
            "complete": self.max_steps is None,
            "max_steps": self.max_steps,
            "states": self.states,
            "outcomes": {
                str(outcome): {"traces": number, "how": outcome.how, "memory": memory_dict(outcome.memory)}
                for outcome, number in self.outcomes.items()
            },
        }

    def __str__(self) -> str:
        from simulator.render.text import traces_table

        return traces_table(self)

    def _repr_html_(self) -> str:
        from simulator.render.html import preformatted

        return preformatted(str(self))


def count_traces(
    program: Program | Machine,
    *,
    max_steps: int | None = None,
    max_states: int = MAX_STATES,
    longest: int = LONGEST,
    budget: Budget | None = None,
    reductions: Reduction = EVERY_REDUCTION,
) -> TraceCensus:
    """Count a program's Mazurkiewicz traces by outcome, exactly.

    With `max_steps`, interleavings longer than that are cut there, and what is counted are the traces of the pieces, as
    "out of steps"; of the reductions only symmetry then applies. Raises EndlessError for a program that can run for
    ever (unless `max_steps` is given), and LimitError when a trace takes more than `longest` steps, when more than
    `max_states` pairs of a state and a sleep set are needed or the time of `budget` is up.

    >>> from simulator.ops import Read, Write
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> census = count_traces(Program({"a": body, "b": body}, memory={"x": 0}))
    >>> census.traces, {str(outcome): number for outcome, number in census.outcomes.items()}
    (4, {'x=1': 2, 'x=2': 2})
    """
    machine = Machine(program, bits=COMPACT) if isinstance(program, Program) else program
    budget = (budget or Budget()).begun()
    if max_steps is not None:
        reductions &= Reduction.SYMMETRY
        longest = max_steps
    while True:
        try:
            with without_collecting():
                return _Counting(machine, reductions, max_steps, max_states, longest, budget).run()
        except LayoutFull:
            machine = machine.widened()


class _Step(NamedTuple):
    """What a slot's next step does to a node, given the value that it touches."""

    delta: int
    reached: int
    """The slot that the thread comes to."""
    writes: bool


class _Slot:
    """One local state of one group of threads: where its number of threads stands in a node, and what it does next."""

    __slots__ = (
        "bit",
        "blocking",
        "ended",
        "field",
        "full",
        "held",
        "index",
        "local",
        "mask",
        "shift",
        "steps",
        "thread",
        "trying",
        "writes",
    )

    def __init__(self, index: int, thread: int, local: int, width: int) -> None:
        self.index = index
        self.thread = thread
        """The one of its group that is asked what a step does."""
        self.local = local
        self.field = index * width
        self.full = ((1 << width) - 1) << self.field
        self.shift = 0
        self.mask = 0
        """Where the field is, among the shared ones, that the next step touches; no mask when it touches none."""
        self.bit = 0
        """The lowest bit of that field: it names the location or lock."""
        self.writes = False
        """Whether the next step may write, whatever the values are."""
        self.blocking = False
        self.trying = False
        self.ended = False
        self.held = 0
        """The bits of the locks that it holds."""
        self.steps: dict[int, _Step | None] = {}


class _Future(NamedTuple):
    """What a thread may still touch, and what of it to write, as bits of the shared fields."""

    touched: int
    written: int


class _Plan(NamedTuple):
    """What to try where threads stand in given local states: the values in memory make no difference to that."""

    private: tuple[_Slot, ...]
    """One thread of each of these can go on at once: nothing that any other can do depends on its step."""
    tried: tuple[tuple[_Slot, int], ...]
    """Otherwise, the enabled slots to try with how many threads are in each; empty at the end of a run."""


class _Counting:
    """A node is one integer: the memory and lock fields, and above them how many threads are in each slot.

    A sleep set is one integer of the same layout without the shared fields: how many threads of each slot sleep. With
    no symmetry each thread is a group of its own.
    """

    def __init__(
        self,
        machine: Machine,
        reductions: Reduction,
        max_steps: int | None,
        max_states: int,
        longest: int,
        budget: Budget,
    ) -> None:
        self.machine = machine
        self.sources = Reduction.SOURCES in reductions
        threads = range(len(machine.threads))
        self.groups = machine.classes if Reduction.SYMMETRY in reductions else tuple((thread,) for thread in threads)
        self.max_steps = max_steps
        self.max_states = max_states
        self.longest = longest
        self.budget = budget
        self.deadline = budget.deadline()
        self.width = max(map(len, self.groups)).bit_length()
        self.shared_shift = machine.shared_shift
        # With a cut, how many steps were taken is a part of the node too.
        self.steps_bits = 0 if max_steps is None else max_steps.bit_length()
        self.steps_mask = (1 << self.steps_bits) - 1
        self.shared_bits = machine.bits - machine.shared_shift + self.steps_bits
        self.slots: list[_Slot] = []
        self.by_local: dict[tuple[int, int], _Slot] = {}
        self.plans: dict[int, _Plan] = {}
        self.futures: list[_Future] = []
        """By slot: what was known when it was asked for."""
        self.futures_without: dict[tuple[int, int], _Future] = {}
        """By slot and the locks that others keep."""
        self.touching: dict[int, int] = {}
        self.writing: dict[int, int] = {}
        """The slots, as bits, that have each location or lock in their future."""
        self.foreseen = 0
        """The slots that were looked at for that."""
        self.initial = 0
        state = self.machine.initial
        for members in self.groups:
            for local in machine.locals_of(state, members):
                self.initial += 1 << self.slot(members[0], local).field
        self.initial = (self.initial << self.shared_bits) + self.shared(state)

    # -- the count

    def run(self) -> TraceCensus:
        if self.sources:
            self.look_ahead()
        while True:
            nodes, steps = self.explore()
            if not self.is_stale():
                return self.add_up(nodes, steps)
            self.forget()

    def explore(self) -> tuple[list[int], list[tuple[int, ...]]]:
        """Every pair of a node and a sleep set that can be reached by steps to try, each after all that it leads to.

        For each its node, and in how many ways it leads to which others: number, ways, number, ways, ... Raises
        EndlessError when the depth-first search meets a pair on the path to that pair. A run without end leads to such
        a one here too: its first step of a persistent set can be put first, or, when it has none, any step of that set
        (Valmari 1991).
        """
        nodes: list[int] = []
        steps: list[tuple[int, ...]] = []
        start, _ = self.settled(self.initial)
        numbers = {(start, 0): UNFINISHED}
        after = self.after(start, 0)
        stack = [((start, 0), after, iter(after))]
        countdown = LOOK_AT_CLOCK
        while stack:
            pair, after, rest = stack[-1]
            for reached in rest:
                known = numbers.get(reached)
                if known is None:
                    if len(stack) > self.longest:
                        raise self.too_long()
                    countdown -= 1
                    if not countdown:
                        countdown = LOOK_AT_CLOCK
                        self.check_limits(len(numbers))
                    numbers[reached] = UNFINISHED
                    following = self.after(*reached)
                    stack.append((reached, following, iter(following)))
                    break
                if known == UNFINISHED:
                    raise self.endless()
            else:
                numbers[pair] = len(nodes)
                nodes.append(pair[0])
                steps.append(tuple(part for reached, ways in after.items() for part in (numbers[reached], ways)))
                stack.pop()
        self.check_limits(len(numbers))
        return nodes, steps

    def add_up(self, nodes: list[int], steps: list[tuple[int, ...]]) -> TraceCensus:
        """The count: the ways to each pair from the first one, which comes last, down to the ends."""
        outcomes: dict[Outcome, int] = {}
        ways_to = [0] * len(nodes)
        ways_to[-1] = 1
        for number in range(len(nodes) - 1, -1, -1):
            ways = ways_to[number]
            leads = steps[number]
            for at in range(0, len(leads), 2):
                ways_to[leads[at]] += ways * leads[at + 1]
            if not leads:
                self.end(nodes[number], ways, outcomes)
        ranked = sorted(outcomes, key=lambda outcome: outcome.sort_key)
        return TraceCensus(
            outcomes={outcome: outcomes[outcome] for outcome in ranked},
            states=len(nodes),
            max_steps=self.max_steps if any(outcome.how == "out of steps" for outcome in ranked) else None,
        )

    def after(self, node: int, sleep: int) -> dict[tuple[int, int], int]:
        """The nodes and sleep sets one step on, each with how many threads' steps lead there; none at the end of a run."""
        found: dict[tuple[int, int], int] = {}
        if self.max_steps is not None and node & self.steps_mask == self.max_steps:
            return found
        moving = []
        touching: dict[int, int] = {}
        writing: dict[int, int] = {}
        for slot, times in self.plan(node >> self.shared_bits).tried:
            value = (node >> slot.shift) & slot.mask
            step = slot.steps[value] if value in slot.steps else self.grow(slot, value)
            assert step is not None
            moving.append((slot, times, step))
            bit = slot.bit
            touching[bit] = touching.get(bit, 0) | slot.full
            if step.writes:
                writing[bit] = writing.get(bit, 0) | slot.full
        for slot, times, step in moving:
            field = slot.field
            left = times - ((sleep & slot.full) >> field)
            if not left:
                continue
            # Steps that touch nothing share the bit 0; none of them writes.
            after = sleep & ~(touching if step.writes else writing).get(slot.bit, 0)
            reached, awake = self.settled(node + step.delta)
            if step.writes:
                # Threads in one slot do the same, so of those that write each wakes all the others.
                if not after & awake:
                    found[reached, after] = found.get((reached, after), 0) + left
            else:
                for _ in range(left):
                    if not after & awake:
                        found[reached, after] = found.get((reached, after), 0) + 1
                    after += 1 << field
            sleep += left << field
        return found

    def end(self, node: int, ways: int, outcomes: dict[Outcome, int]) -> None:
        """Add the ways to a node that no step to try leads on from; nothing when all the steps there sleep."""
        ended = not self.plan(node >> self.shared_bits).tried
        cut = self.max_steps is not None and node & self.steps_mask == self.max_steps and not ended
        if ended or cut:
            outcome = self.machine.outcome(self.state(node), cut=cut)
            outcomes[outcome] = outcomes.get(outcome, 0) + ways

    def settled(self, node: int) -> tuple[int, int]:
        """The node after all private steps, and whose steps they were: a sleep set with one of these counts nothing."""
        shared_bits = self.shared_bits
        private = self.plan(node >> shared_bits).private
        if not private:
            return node, 0
        awake = 0
        passed = {node}
        while private:
            for slot in private:
                step = self.step(slot, (node >> slot.shift) & slot.mask)
                assert step is not None
                node += step.delta
                awake |= slot.full
            if node in passed:
                raise self.endless()
            if len(passed) > self.longest:
                raise self.too_long()
            passed.add(node)
            private = self.plan(node >> shared_bits).private
        return node, awake

    # -- what to try

    def plan(self, threads: int) -> _Plan:
        """What to try where threads are in these slots."""
        known = self.plans.get(threads)
        if known is None:
            known = self.plans[threads] = self.make_plan(self.decode(threads))
        return known

    def make_plan(self, occupied: list[tuple[_Slot, int]]) -> _Plan:
        taken = 0
        for slot, _ in occupied:
            taken |= slot.held
        enabled = []
        blocked = []
        for pair in occupied:
            slot = pair[0]
            if slot.blocking and slot.bit & taken and self.step(slot, 1) is None:
                blocked.append(slot)
            elif not slot.ended:
                enabled.append(pair)
        if not self.sources or not enabled:
            return _Plan((), tuple(enabled))
        movers = {slot.index: slot for slot, _ in enabled}
        if blocked:
            self.add_blocked(movers, blocked, [slot for slot, _ in occupied if slot.held])
        movable = 0
        for index in movers:
            movable |= 1 << index
        unforeseen = movable & ~self.foreseen
        if unforeseen:
            self.foresee(unforeseen)
        private = []
        for slot, times in enabled:
            others = self.those_touching(slot) & movable
            if not others or (times == 1 and others == 1 << slot.index):
                private.append(slot)
        if private:
            return _Plan(tuple(private), ())
        closures = {self.closure(slot, movable, movers): slot for slot, _ in reversed(enabled)}
        sizes = {closure: sum(times for slot, times in enabled if closure >> slot.index & 1) for closure in closures}
        alone = [slot for closure, slot in closures.items() if sizes[closure] == 1]
        if alone:
            return _Plan(tuple(alone), ())
        best = min(closures, key=lambda closure: (sizes[closure], closure))
        # Reads first, and those first that fewest steps depend on, for they wake least of what sleeps. Of several orders
        # this one left the fewest nodes, or as few, on all programs that were tried.
        tried = [(slot, times) for slot, times in enabled if best >> slot.index & 1]
        tried.sort(
            key=lambda each: (each[0].writes, (self.those_touching(each[0]) & movable).bit_count(), -each[0].index)
        )
        return _Plan((), tuple(tried))

    def closure(self, start: _Slot, movable: int, movers: dict[int, _Slot]) -> int:
        """The smallest persistent set with a slot's threads in it: enabled slots, as bits by their index.

        What the others can do before one of these moves is independent of these ones' next steps. Until then the locks
        that the first one holds stay taken.
        """
        inside = 1 << start.index
        held = start.held
        members = [start]
        for member in members:
            rest = self.those_touching(member) & movable & ~inside
            while rest:
                index = (rest & -rest).bit_length() - 1
                rest &= rest - 1
                mover = movers[index]
                if inside >> mover.index & 1 or (
                    held and not _conflict(self.future_without(self.slots[index], held), member)
                ):
                    continue
                inside |= 1 << mover.index
                members.append(mover)
        return inside

    def those_touching(self, slot: _Slot) -> int:
        """The slots, as bits, from which a thread may come to do something that the slot's next step depends on."""
        return (self.touching if slot.writes else self.writing).get(slot.bit, 0)

    def add_blocked(self, movers: dict[int, _Slot], blocked: list[_Slot], holding: list[_Slot]) -> None:
        """Let the enabled slot that a blocked thread waits for, directly or through others, stand for it.

        It moves after that one. Those that wait for each other, or for a thread that has ended, never move.
        """
        for slot in blocked:
            passed = []
            while slot.index not in movers and not slot.ended and slot.index not in passed:
                passed.append(slot.index)
                bit = slot.bit
                for holder in holding:
                    if holder.held & bit:
                        slot = holder
                        break
            mover = movers.get(slot.index)
            if mover is not None:
                for index in passed:
                    movers[index] = mover

    def foresee(self, slots: int) -> None:
        """Note what threads in these slots, given as bits, may touch."""
        self.foreseen |= slots
        self.add_futures(self.futures)
        while slots:
            place = slots & -slots
            slots -= place
            future = self.futures[place.bit_length() - 1]
            for table, rest in ((self.touching, future.touched), (self.writing, future.written)):
                while rest:
                    bit = rest & -rest
                    rest -= bit
                    table[bit] = table.get(bit, 0) | place

    def add_futures(self, known: list[_Future]) -> None:
        """The futures of the slots from the first one that is not known yet, as far as steps are known."""
        first = at = len(known)
        grown = 0
        while at < len(self.slots):
            slot = self.slots[at]
            if not slot.mask and not slot.ended and not slot.steps:
                # A step that touches nothing can always be taken, so it is known without a value.
                self.grow(slot, 0)
                grown += 1
                if grown > self.longest:
                    raise self.too_long()
            known.append(_Future(slot.bit, slot.bit if slot.writes else 0))
            at += 1
        changed = first < at
        while changed:
            changed = False
            # Backwards, as what a slot leads to is mostly found after it.
            for index in range(at - 1, first - 1, -1):
                touched, written = known[index]
                for step in self.slots[index].steps.values():
                    if step is not None:
                        future = known[step.reached]
                        touched |= future.touched
                        written |= future.written
                if (touched, written) != known[index]:
                    known[index] = _Future(touched, written)
                    changed = True

    def future_without(self, slot: _Slot, held: int) -> _Future:
        """What a thread in a slot may touch, itself and later, as long as the locks `held` are taken by others."""
        known = self.futures_without.get((slot.index, held))
        if known is None:
            known = self.futures_without[slot.index, held] = self.work_out_future(slot, held)
        return known

    def work_out_future(self, slot: _Slot, held: int) -> _Future:
        touched = written = 0
        seen = {slot.index}
        waiting = [slot]
        while waiting:
            at = waiting.pop()
            after = list(at.steps.values())
            writes = at.writes
            if at.bit & held:
                if at.blocking:
                    continue
                if at.trying:
                    writes = False
                    after = [at.steps.get(1)]
            touched |= at.bit
            if writes:
                written |= at.bit
            for step in after:
                if step is not None and step.reached not in seen:
                    seen.add(step.reached)
                    waiting.append(self.slots[step.reached])
        return _Future(touched, written)

    def is_stale(self) -> bool:
        """Whether a thread turned out to touch more than was known when it mattered."""
        if not self.foreseen:
            return False
        futures: list[_Future] = []
        self.add_futures(futures)
        return any(
            self.foreseen >> index & 1 and futures[index] != known for index, known in enumerate(self.futures)
        ) or any(
            self.work_out_future(self.slots[index], held) != known
            for (index, held), known in self.futures_without.items()
        )

    def forget(self) -> None:
        """Nothing of what was planned; the tables of steps stay."""
        self.plans.clear()
        self.foreseen = 0
        self.futures.clear()
        self.futures_without.clear()
        self.touching.clear()
        self.writing.clear()

    def look_ahead(self) -> None:
        """Let the threads run one after the other, each of them first once: most of what they touch is known then."""
        for first in range(len(self.decode(self.initial >> self.shared_bits))):
            node = self.initial
            passed: set[int] = set()
            last = -1
            while node not in passed and len(passed) < LOOK_AHEAD:
                passed.add(node)
                steps = []
                for slot, _ in self.decode(node >> self.shared_bits):
                    step = self.step(slot, (node >> slot.shift) & slot.mask)
                    if step is not None:
                        steps.append((slot, step))
                if not steps:
                    break
                _, step = next((each for each in steps if each[0].index == last), steps[first % len(steps)])
                node += step.delta
                last = step.reached

    # -- tables

    def slot(self, thread: int, local: int) -> _Slot:
        """The slot of a local state; `thread` is the first of its group."""
        known = self.by_local.get((thread, local))
        if known is not None:
            return known
        machine = self.machine
        slot = self.by_local[thread, local] = _Slot(len(self.slots), thread, local, self.width)
        self.slots.append(slot)
        state = machine.state_of(0, {thread: local})
        pending = machine.pending(state, thread)
        slot.held = self.shared(machine.lock_mask(machine.held(state, thread)))
        slot.ended = pending is None
        shift, mask, _ = machine.rows[thread][local]
        if pending is not None and mask:
            slot.mask = mask
            slot.shift = shift - self.shared_shift + self.steps_bits
            slot.bit = 1 << slot.shift
            slot.writes = not isinstance(pending.operation, Read)
            slot.blocking = isinstance(pending.operation, Acquire)
            slot.trying = isinstance(pending.operation, TryAcquire)
        return slot

    def step(self, slot: _Slot, value: int) -> _Step | None:
        return slot.steps[value] if value in slot.steps else self.grow(slot, value)

    def grow(self, slot: _Slot, value: int) -> _Step | None:
        """Work out what a slot's next step does to a value."""
        step = None
        thread = slot.thread
        move = None if slot.ended else self.machine.grow(thread, slot.local, value)
        if move is not None:
            delta, event = move
            place = self.machine.fields[thread][0]
            local = (((slot.local << place) + delta) & ((1 << self.shared_shift) - 1)) >> place
            reached = self.slot(thread, local)
            shared = self.shared(delta - ((local - slot.local) << place)) + (self.max_steps is not None)
            moved = (1 << reached.field) - (1 << slot.field)
            writes = self.machine.events[event].footprint.access == Access.WRITE
            step = _Step(shared + (moved << self.shared_bits), reached.index, writes)
        slot.steps[value] = step
        return step

    def shared(self, state: State) -> int:
        """The shared fields of a state where they are in a node."""
        return state >> self.shared_shift << self.steps_bits

    def decode(self, threads: int) -> list[tuple[_Slot, int]]:
        """The slots that have threads in them, each with how many."""
        found = []
        width = self.width
        mask = (1 << width) - 1
        place = 0
        while threads:
            # Jump over empty fields: the lowest set bit tells the first field with threads.
            skip = ((threads & -threads).bit_length() - 1) // width
            place += skip
            threads >>= skip * width
            found.append((self.slots[place], threads & mask))
            threads >>= width
            place += 1
        return found

    def state(self, node: int) -> State:
        """One of the states that a node stands for: threads are handed to slots in thread order."""
        free = {members[0]: list(members) for members in self.groups}
        locals_ = {}
        for slot, times in self.decode(node >> self.shared_bits):
            for _ in range(times):
                locals_[free[slot.thread].pop(0)] = slot.local
        shared = ((node & ((1 << self.shared_bits) - 1)) >> self.steps_bits) << self.shared_shift
        return self.machine.state_of(shared, locals_)

    # -- limits

    def check_limits(self, visited: int) -> None:
        if visited > self.max_states:
            raise LimitError(
                f"counting traces needs more than {self.max_states:,} states with sleep sets (max_states): make the "
                "program smaller, raise the limit, or sample it (explore --scheduler random)"
            )
        if self.budget.late(self.deadline, visited):
            raise LimitError("counting traces was not done when the time was up (timeout)")

    def endless(self) -> EndlessError:
        return EndlessError(
            "the program can run for ever, so it has infinitely many traces; give max_steps to cut each one there"
        )

    def too_long(self) -> LimitError:
        return LimitError(
            f"the program was not seen to end within {self.longest:,} steps: give max_steps to cut each trace there"
        )


def _conflict(future: _Future, slot: _Slot) -> bool:
    """Whether a thread with this future may do something that the next step of a slot depends on."""
    return bool((future.touched if slot.writes else future.written) & slot.bit)
