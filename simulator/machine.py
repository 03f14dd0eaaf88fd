"""State, enabled, step. This file alone decides what an operation does. It does not know who chose the thread.

A `State` is one integer: a field of bits for each thread's local state, each memory location and each lock. It is
small, immutable and hashable, and a step adds a number to it: what a thread's step does depends only on the thread's
local state and on the one value that its operation touches, so each such step is worked out once, ever, and then looked
up.

    rows[thread][local] = (shift, mask, moves)      the field that the thread's operation touches, and what it does
    delta, event = moves[(state >> shift) & mask]   what to add to the state, and the event's number; None if blocked

A *local state* is a place in the thread's automaton together with the locks that it holds, so a lock's own field only
says whether it is taken, and threads with the same body have the same local states.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple, assert_never

from simulator.bodies import Answer, Automaton, End, Raised, SourceLine
from simulator.errors import InternalError, ProgramError, nearest
from simulator.ops import (
    Access,
    Acquire,
    Add,
    Call,
    CompareAndSwap,
    Operation,
    Pause,
    Read,
    Release,
    Return,
    TryAcquire,
    Update,
    Write,
    describe,
    show_name,
)
from simulator.program import Program
from simulator.trace import Ended, Event, Misuse, Notice, Outcome, Pending, Situation, Threw
from simulator.values import Key, value_key

__all__ = ["COMPACT", "LayoutFull", "Machine", "State"]

State = int
Move = tuple[int, int]
Row = tuple[int, int, dict[int, Move | None]]
ClassRow = tuple[int, int, dict[int, Move | None]]

COMPACT = (10, 6)
"""Bits for a thread's local state and for a value: where states are kept by the million. May be `LayoutFull`."""
ROOMY = (32, 32)
"""Bits that no program outgrows before memory runs out."""


class LayoutFull(Exception):
    """A field of the state is too narrow for what it has to hold: start again on `Machine.widened()`."""


class Local(NamedTuple):
    """Where a thread stands: its automaton's node, and the locks it holds with how often, by lock number."""

    node: int
    held: tuple[tuple[int, int], ...]


class Effect(NamedTuple):
    """What one step does: the thread's next local state, the change to the shared fields, and the event."""

    local: int
    shared: int
    event: Event


class _Class:
    """What interchangeable threads share: their automaton and their local states."""

    def __init__(self, automaton: Automaton, threads: tuple[int, ...]) -> None:
        self.automaton = automaton
        self.threads = threads
        self.locals: list[Local] = []
        self.start: tuple[Notice, ...] = ()
        self.effects: list[dict[int, Effect | None]] = []
        self.numbers: dict[Local, int] = {}


class Machine:
    """A program made ready to run step by step.

    `initial` is the first state; a state has `bits` bits. `events` are all steps known so far by number, `accesses`
    says of each whether it touches memory. `enabled`, `step` and `successors` are pure functions of a state (they grow
    tables behind the scenes, never change an answer). Thread numbers follow `program.threads`.

    With `merge=False` no two places of a body are merged: the slow oracle for everything else.

    Raises ProgramError for a program that cannot run, at the first state in which that shows.

    >>> def body():
    ...     yield Write("x", 1)
    >>> machine = Machine(Program({"a": body}, memory={"x": 0}))
    >>> after, event = machine.step(machine.initial, 0)
    >>> str(event), machine.enabled(after)
    ('a: write x = 1', ())
    """

    def __init__(self, program: Program, *, merge: bool = True, bits: tuple[int, int] = ROOMY) -> None:
        self.program = program
        self.threads = program.threads
        self.merges = merge
        self._bits = bits
        self._values: list[Any] = []
        self._value_numbers: dict[Key, int] = {}
        bodies = list(program.bodies.values())
        groups = program.interchangeable()
        self._lay_out(
            [Automaton(bodies[group[0]], thread=self.threads[group[0]], merge=merge) for group in groups], groups
        )

    def widened(self) -> Machine:
        """The same machine with fields twice as wide, and the automata that have grown so far."""
        local_bits, value_bits = self._bits
        return self.laid_out((2 * local_bits, 2 * value_bits))

    def laid_out(self, bits: tuple[int, int]) -> Machine:
        """Another machine of the program, with fields of these bits. Both share the automata, which grow once for both."""
        other = object.__new__(Machine)
        other.program = self.program
        other.threads = self.threads
        other.merges = self.merges
        other._bits = bits
        other._values = []
        other._value_numbers = {}
        other._lay_out([group.automaton for group in self._classes], tuple(group.threads for group in self._classes))
        return other

    def _lay_out(self, automata: list[Automaton], groups: tuple[tuple[int, ...], ...]) -> None:
        """Set up with fields that are wide enough for the first state at least."""
        while True:
            try:
                self._setup(automata, groups)
                return
            except LayoutFull:
                self._bits = (self._bits[0] * 2, self._bits[1] * 2)

    def _setup(self, automata: list[Automaton], groups: tuple[tuple[int, ...], ...]) -> None:
        program = self.program
        local_bits, value_bits = self._bits
        self._local_mask = (1 << local_bits) - 1
        self._value_mask = (1 << value_bits) - 1
        self._shifts = [local_bits * number for number in range(len(self.threads))]
        self.shared_shift = local_bits * len(self.threads)
        shift = self.shared_shift
        self._locations: dict[Hashable, int] = {}
        for location in program.memory:
            self._locations[location] = shift
            shift += value_bits
        self.lock_shift = shift
        self._locks: dict[Hashable, int] = {}
        self._lock_numbers: dict[Hashable, int] = {}
        self._lock_names = program.all_locks
        for number, lock in enumerate(self._lock_names):
            self._locks[lock] = shift
            self._lock_numbers[lock] = number
            shift += 1
        self._reentrant = frozenset(program.rlocks)
        self._classes = [_Class(automaton, group) for automaton, group in zip(automata, groups, strict=True)]
        self._class_of: list[_Class] = [self._classes[0]] * len(self.threads)
        for group in self._classes:
            for thread in group.threads:
                self._class_of[thread] = group
        self.rows: list[list[Row]] = [[] for _ in self.threads]
        self.class_rows: list[list[ClassRow]] = [[] for _ in self._classes]
        self.events: list[Event] = []
        self.accesses: list[bool] = []
        state = 0
        for location, value in program.memory.items():
            state += self._value_number(value) << self._locations[location]
        for group in self._classes:
            notices: list[Notice] = []
            local = self._local(group, 0, (), group.threads[0], notices)
            group.start = tuple(notices)
            for thread in group.threads:
                state += local << self._shifts[thread]
        self.initial: State = state
        self.bits = shift
        self.memory_mask = (1 << self.lock_shift) - (1 << self.shared_shift)
        self.fields = tuple(zip(self._shifts, self.rows, strict=True))
        self.local_mask = self._local_mask

    def close(self) -> None:
        """Let go of the generators that are parked in the automata."""
        for group in self._classes:
            group.automaton.close()

    # -- what a search asks

    def enabled(self, state: State) -> tuple[int, ...]:
        """Threads that can take a step in `state`, in thread order; empty when finished or deadlocked."""
        return tuple(thread for thread, _ in self.successors(state))

    def successors(self, state: State) -> list[tuple[int, State]]:
        """Each enabled thread with the state after its step, in thread order."""
        return [(thread, reached) for thread, reached, _ in self.moves(state)]

    def moves(self, state: State) -> list[tuple[int, State, int]]:
        """Each enabled thread with the state after its step and the number of the event (into `events`), in thread order."""
        found = []
        local_mask = self.local_mask
        thread = 0
        for thread_shift, rows in self.fields:
            shift, mask, moves = rows[(state >> thread_shift) & local_mask]
            value = (state >> shift) & mask
            try:
                move = moves[value]
            except KeyError:
                move = self.grow(thread, (state >> thread_shift) & local_mask, value)
            if move is not None:
                found.append((thread, state + move[0], move[1]))
            thread += 1
        return found

    def step(self, state: State, thread: int) -> tuple[State, Event]:
        """The state after one step of an enabled thread, and what happened.

        Raises InternalError when the thread is not enabled: who chooses has to ask `enabled` first.
        """
        state, event = self.move(state, thread)
        return state, self.events[event]

    def move(self, state: State, thread: int) -> tuple[State, int]:
        """The same with the event's number (into `events`)."""
        local = (state >> self._shifts[thread]) & self.local_mask
        shift, mask, moves = self.rows[thread][local]
        value = (state >> shift) & mask
        move = moves[value] if value in moves else self.grow(thread, local, value)
        if move is None:
            raise InternalError(f"thread {self.threads[thread]!r} was asked for a step that it cannot take")
        return state + move[0], move[1]

    def event_at(self, state: State, thread: int) -> Event:
        """The event of an enabled thread's next step."""
        return self.step(state, thread)[1]

    # -- what a state says

    def memory(self, state: State) -> dict[Hashable, Any]:
        """The memory in a state: a new dict."""
        return {
            location: self._values[(state >> shift) & self._value_mask] for location, shift in self._locations.items()
        }

    def memory_part(self, state: State) -> int:
        """A number that two states share exactly when their memories are equal."""
        return (state & ((1 << self.lock_shift) - 1)) >> self.shared_shift

    def lock_mask(self, locks: Iterable[Hashable]) -> State:
        """The bits of a state that say that these locks are taken."""
        return sum(1 << self._locks[lock] for lock in locks)

    def pending(self, state: State, thread: int) -> Pending | None:
        """What a thread is about to do (enabled or not), or None when it has ended."""
        group = self._class_of[thread]
        return self._pending(group, (state >> self._shifts[thread]) & self.local_mask)

    def ended(self, state: State, thread: int) -> End | None:
        """How a thread ended, or None when it has not."""
        group = self._class_of[thread]
        return group.automaton.ends[group.locals[(state >> self._shifts[thread]) & self.local_mask].node]

    def held(self, state: State, thread: int) -> tuple[Hashable, ...]:
        """The locks that a thread holds, in the program's order."""
        group = self._class_of[thread]
        return self._held(group.locals[(state >> self._shifts[thread]) & self.local_mask])

    def situation(self, state: State) -> Situation:
        """A state, spelt out."""
        owners: dict[Hashable, str | None] = dict.fromkeys(self._lock_names)
        held = {}
        for number, name in enumerate(self.threads):
            held[name] = self.held(state, number)
            owners.update(dict.fromkeys(held[name], name))
        return Situation(
            memory=self.memory(state),
            owners=owners,
            held=held,
            pending={name: self.pending(state, number) for number, name in enumerate(self.threads)},
            ends={name: self.ended(state, number) for number, name in enumerate(self.threads)},
            enabled=tuple(self.threads[number] for number in self.enabled(state)),
        )

    def outcome(self, state: State, *, cut: bool = False) -> Outcome:
        """How an interleaving that ends in `state` ended. `cut` says that a step budget ended it."""
        ends = [self.ended(state, number) for number in range(len(self.threads))]
        hows = {end.how for end in ends if end is not None}
        if cut:
            how = "out of steps"
        elif "crashed" in hows:
            how = "crashed"
        elif "failed check" in hows:
            how = "failed check"
        elif None in ends:
            how = "deadlocked"
        else:
            how = "finished"
        return Outcome(how, tuple(self.memory(state).items()))

    def initial_notices(self, thread: int) -> tuple[Notice, ...]:
        """What a thread did before its first step: ended at once, or is about to misuse a lock."""
        return self._class_of[thread].start

    def all_pending(self) -> list[tuple[str, Pending]]:
        """Everything that any thread was about to do in any state reached so far."""
        return [
            (self.threads[thread], pending)
            for group in self._classes
            for thread in group.threads
            for number in range(len(group.locals))
            if (pending := self._pending(group, number)) is not None
        ]

    def state_of(self, shared: State, locals_: Mapping[int, int]) -> State:
        """A state from its shared fields and each thread's local state."""
        return shared + sum(local << self._shifts[thread] for thread, local in locals_.items())

    @property
    def nodes(self) -> int:
        """How many places the bodies have been seen in, so far."""
        return sum(len(group.automaton) for group in self._classes)

    # -- for searches that treat interchangeable threads alike

    @property
    def classes(self) -> tuple[tuple[int, ...], ...]:
        """Threads with the same body and arguments, grouped."""
        return tuple(group.threads for group in self._classes)

    def locals_of(self, state: State, threads: tuple[int, ...]) -> list[int]:
        """The numbers of the local states of some threads."""
        return [(state >> self._shifts[thread]) & self.local_mask for thread in threads]

    # -- how the tables grow

    def grow(self, thread: int, local: int, value: int) -> Move | None:
        """Work out one entry of `rows`: what a thread's step from a local state does to a value."""
        effect = self._effect(self._class_of[thread], local, value, thread)
        move = None
        if effect is not None:
            move = (((effect.local - local) << self._shifts[thread]) + effect.shared, len(self.events))
            self.events.append(effect.event.by(self.threads[thread]))
            touched = effect.event.footprint
            self.accesses.append(touched.access != Access.NONE and not touched.on_lock)
        self.rows[thread][local][2][value] = move
        return move

    def grow_class(self, number: int, local: int, value: int) -> Move | None:
        """Work out one entry of `class_rows`: the next local state and the change to the shared fields."""
        group = self._classes[number]
        effect = self._effect(group, local, value, group.threads[0])
        move = None if effect is None else (effect.local, effect.shared)
        self.class_rows[number][local][2][value] = move
        return move

    def _effect(self, group: _Class, local: int, value: int, thread: int) -> Effect | None:
        effects = group.effects[local]
        if value not in effects:
            effects[value] = self._work_out(group, local, value, thread)
        return effects[value]

    def _work_out(self, group: _Class, local: int, value: int, thread: int) -> Effect | None:
        """What the operation at a local state does when the field that it touches holds `value`: the one table of rules."""
        node, held = group.locals[local]
        operation = group.automaton.operations[node]
        if operation is None:
            return None
        answer: Answer = None
        before: object = None
        after: object = None
        shared = 0
        match operation:
            case Read(location):
                answer = before = after = self._values[value]
            case Write(location, new):
                before, after = self._values[value], new
                shared = self._change(location, value, new, group, node, thread)
            case Add(left, right):
                answer = _attempt(lambda: left + right)
            case Update(location, function, arguments):
                before = after = self._values[value]
                new = _attempt(lambda: function(self._values[value], *arguments))
                if isinstance(new, Raised):
                    answer = new
                else:
                    answer, after = before, new
                    shared = self._change(location, value, new, group, node, thread)
            case CompareAndSwap(location, expected, new):
                before = after = self._values[value]
                answer = bool(before == expected)
                if answer:
                    after = new
                    shared = self._change(location, value, new, group, node, thread)
            case Acquire(lock):
                again = self._again(lock, held)
                if value and not again:
                    return None
                held, shared = self._take(lock, held, again)
            case TryAcquire(lock):
                again = self._again(lock, held)
                answer = bool(again or not value)
                if answer:
                    held, shared = self._take(lock, held, again)
            case Release(lock):
                held, shared = self._give_back(lock, held)
            case Pause() | Call() | Return():
                pass
            case _:
                assert_never(operation)
        notices: list[Notice] = []
        if isinstance(answer, Raised):
            notices.append(Threw(f"{type(answer.error).__name__}: {answer.error}"))
        try:
            reached = group.automaton.after(node, answer)
        except TypeError as error:
            raise ProgramError(
                f"{group.automaton.wheres[node]}: thread {self.threads[thread]!r} gets the answer {answer!r}, which "
                f"cannot be hashed ({error}); use immutable values"
            ) from None
        next_local = self._local(group, reached, held, thread, notices)
        event = Event(
            thread=self.threads[thread],
            operation=operation,
            answer=None if isinstance(answer, Raised) else answer,
            before=before,
            after=after,
            where=_place(group.automaton, node),
            held=self._held(group.locals[local]),
            notices=tuple(notices),
            pending=self._pending(group, next_local),
        )
        return Effect(next_local, shared, event)

    def _again(self, lock: Hashable, held: tuple[tuple[int, int], ...]) -> bool:
        """Whether a thread takes a re-entrant lock that it has already."""
        number = self._lock_numbers[lock]
        return lock in self._reentrant and any(owned == number for owned, _ in held)

    def _take(
        self, lock: Hashable, held: tuple[tuple[int, int], ...], again: bool
    ) -> tuple[tuple[tuple[int, int], ...], int]:
        number = self._lock_numbers[lock]
        if again:
            return tuple((owned, times + (owned == number)) for owned, times in held), 0
        return tuple(sorted([*held, (number, 1)])), 1 << self._locks[lock]

    def _give_back(self, lock: Hashable, held: tuple[tuple[int, int], ...]) -> tuple[tuple[tuple[int, int], ...], int]:
        number = self._lock_numbers[lock]
        left = tuple((owned, times - (owned == number)) for owned, times in held)
        still = tuple((owned, times) for owned, times in left if times)
        return still, 0 if len(still) == len(held) else -(1 << self._locks[lock])

    def _change(self, location: Hashable, old: int, new: object, group: _Class, node: int, thread: int) -> int:
        try:
            number = self._value_number(new)
        except TypeError:
            raise ProgramError(
                f"{group.automaton.wheres[node]}: thread {self.threads[thread]!r} writes {new!r} to "
                f"{show_name(location)!r}, which cannot be hashed; use a tuple, a frozenset or another immutable value"
            ) from None
        return (number - old) << self._locations[location]

    def _value_number(self, value: object) -> int:
        key = value_key(value)
        number = self._value_numbers.get(key)
        if number is None:
            number = len(self._values)
            self._values.append(value)
            self._value_numbers[key] = number
        if number > self._value_mask:
            raise LayoutFull
        return number

    def _local(
        self, group: _Class, node: int, held: tuple[tuple[int, int], ...], thread: int, notices: list[Notice]
    ) -> int:
        """The number of a local state that a thread arrives in; what there is to say about the arrival goes to `notices`.

        The release of a lock that is not held happens here, before any step: it raises in the body, as Python does.
        """
        automaton = group.automaton
        name = self.threads[thread]
        misused: list[Notice] = []
        while True:
            operation = automaton.operations[node]
            if not isinstance(operation, Release):
                break
            self._known(automaton, node, operation.lock, self._lock_numbers, "lock", name)
            number = self._lock_numbers[operation.lock]
            if any(owned == number for owned, _ in held):
                break
            misused.append(Misuse("release of a lock not held", operation.lock, _place(automaton, node)))
            if len(misused) > 1000:
                raise ProgramError(
                    f"{automaton.wheres[node]}: thread {name!r} releases {show_name(operation.lock)!r}, which it does not "
                    "hold, over and over without a step"
                )
            node = automaton.after(node, Raised(RuntimeError("release of a lock that is not held")))
        local = Local(node, held)
        known = group.numbers.get(local)
        if known is None:
            if operation is not None:
                self._check_names(automaton, node, operation, name)
            known = len(group.locals)
            if known > self._local_mask:
                raise LayoutFull
            group.numbers[local] = known
            group.locals.append(local)
            group.effects.append({})
            for member in group.threads:
                self.rows[member].append(self._row(operation))
            self.class_rows[self._classes.index(group)].append(self._row(operation))
        notices.extend(misused)
        end = automaton.ends[node]
        if end is not None:
            notices.append(Ended(end.how, end.message, end.where, self._held(local)))
        elif isinstance(operation, Acquire) and operation.lock not in self._reentrant:
            number = self._lock_numbers[operation.lock]
            if any(owned == number for owned, _ in held):
                notices.append(Misuse("re-acquire of a lock already held", operation.lock, _place(automaton, node)))
        return known

    def _check_names(self, automaton: Automaton, node: int, operation: Operation, thread: str) -> None:
        match operation:
            case Read(name) | Write(name) | Update(name) | CompareAndSwap(name):
                self._known(automaton, node, name, self._locations, "memory location", thread)
            case Acquire(name) | TryAcquire(name) | Release(name):
                self._known(automaton, node, name, self._lock_numbers, "lock", thread)
            case Add() | Pause() | Call() | Return():
                pass
            case _:
                assert_never(operation)

    def _known(
        self, automaton: Automaton, node: int, name: Hashable, known: Mapping[Hashable, int], what: str, thread: str
    ) -> None:
        if name in known:
            return
        operation = automaton.operations[node]
        asked = describe(operation) if operation is not None else "end"
        raise ProgramError(
            f"{automaton.wheres[node]}: thread {thread!r} wants to {asked!r}, but the program has no {what} "
            f"{show_name(name)!r}{nearest(show_name(name), map(show_name, known))}"
        )

    def _row(self, operation: Operation | None) -> Row:
        match operation:
            case None:
                return (0, 0, {0: None})
            case Read(location) | Write(location) | Update(location) | CompareAndSwap(location):
                return (self._locations[location], self._value_mask, {})
            case Acquire(lock) | TryAcquire(lock) | Release(lock):
                return (self._locks[lock], 1, {})
            case Add() | Pause() | Call() | Return():
                return (0, 0, {})
            case _:
                assert_never(operation)

    def _held(self, local: Local) -> tuple[Hashable, ...]:
        return tuple(self._lock_names[number] for number, _ in local.held)

    def _pending(self, group: _Class, number: int) -> Pending | None:
        local = group.locals[number]
        operation = group.automaton.operations[local.node]
        if operation is None:
            return None
        return Pending(operation, _place(group.automaton, local.node), self._held(local))


def _attempt(compute: Callable[[], object]) -> Answer:
    try:
        return compute()
    except Exception as error:
        return Raised(error)


def _place(automaton: Automaton, node: int) -> SourceLine:
    where = automaton.wheres[node]
    if where is None:
        raise InternalError("an operation without a source line")
    return where
