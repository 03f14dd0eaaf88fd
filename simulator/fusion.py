"""Local steps fused into the step before: a machine in which a thread goes on as long as it touches nothing shared.

A step that touches nothing shared (an `Add`, a `Pause`) commutes with every step of every other thread and can never
be blocked, so taking it at once loses no outcome, no trace and no finding (Godefroid 1996, §3; Lipton 1975: such steps
are both-movers). It changes what is visited, never what is claimed: schedules and counts of steps are spelt out again
by `tail` and `whole`. The order of one thread's `Return` and another's `Call` is neither: whoever asks about histories
goes without this (`linearizability.py`).

`Fused` has the tables of a `Machine` (`initial`, `fields`, `grow`, `events`), so a search runs over either.
"""

from __future__ import annotations

from collections.abc import Iterable

from simulator.machine import Machine, Move, Row, State

__all__ = ["Fused"]

LONGEST_TAIL = 1_000
"""Local steps that are taken at once, at most: without merging, a place never comes again."""


class _Rows(dict[int, Row]):
    """One thread's rows, made when first asked for: the machine finds new local states as it goes."""

    def __init__(self, machine: Machine, thread: int) -> None:
        self._rows = machine.rows[thread]

    def __missing__(self, local: int) -> Row:
        shift, mask, _ = self._rows[local]
        row: Row = (shift, mask, {})
        self[local] = row
        return row


class Fused:
    """A machine whose steps take along the local steps that follow them in their thread.

    `initial` is the state after every thread's opening local steps, `opening` the threads that took them. A move's
    event is the step that touched something; `tail(event)` are the numbers of the local events that came with it. A
    thread that takes local steps for ever stops at the first place that comes again.

    >>> from simulator.ops import Add, Read, Write
    >>> from simulator.program import Program
    >>> def body():
    ...     value = yield Read("x")
    ...     value = yield Add(value, 1)
    ...     yield Write("x", value)
    >>> fused = Fused(Machine(Program({"a": body, "b": body}, memory={"x": 0})))
    >>> state, event = fused.step(fused.initial, 0)
    >>> str(fused.events[event]), [str(fused.events[local]) for local in fused.tail(event)]
    ('a: read x → 0', ['a: add 0 + 1 → 1'])
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.events = machine.events
        self.local_mask = machine.local_mask
        self._shifts = tuple(shift for shift, _ in machine.fields)
        self._threads_mask = (1 << machine.shared_shift) - 1
        self.fields = tuple((shift, _Rows(machine, thread)) for thread, shift in enumerate(self._shifts))
        self._tails: dict[int, tuple[int, ...]] = {}
        state = machine.initial
        opening: list[tuple[int, int]] = []
        for thread, shift in enumerate(self._shifts):
            delta, tail = self._local_steps(thread, (state >> shift) & self.local_mask)
            state += delta
            opening.extend((thread, event) for event in tail)
        self.initial: State = state
        self.opening: tuple[tuple[int, int], ...] = tuple(opening)
        """The local steps before the first step, as (thread, event number)."""

    def tail(self, event: int) -> tuple[int, ...]:
        """The local events that come along with an event."""
        return self._tails[event]

    def whole(self, path: Iterable[tuple[int, int]]) -> tuple[int, ...]:
        """The schedule, with every local step, of a path of (thread, event number) from `initial`."""
        schedule = [thread for thread, _ in self.opening]
        for thread, event in path:
            schedule.extend([thread] * (1 + len(self._tails[event])))
        return tuple(schedule)

    def moves(self, state: State) -> list[tuple[int, State, int]]:
        """Each enabled thread with the state after its step and its tail, and the event's number, in thread order."""
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

    def step(self, state: State, thread: int) -> tuple[State, int]:
        """The state after an enabled thread's step and its tail, and the event's number."""
        for mover, reached, event in self.moves(state):
            if mover == thread:
                return reached, event
        raise ValueError(f"thread {thread} is not enabled")

    def grow(self, thread: int, local: int, value: int) -> Move | None:
        """Work out one entry of the rows."""
        known = self.machine.rows[thread][local][2]
        move = known[value] if value in known else self.machine.grow(thread, local, value)
        if move is not None:
            delta, event = move
            more, tail = self._local_steps(thread, self._after(thread, local, delta))
            self._tails[event] = tail
            move = (delta + more, event)
        self.fields[thread][1][local][2][value] = move
        return move

    def _after(self, thread: int, local: int, delta: int) -> int:
        """The local state that a step leads to: its change of the thread's field, apart from the shared fields."""
        shift = self._shifts[thread]
        return (((local << shift) + delta) & self._threads_mask) >> shift

    def _local_steps(self, thread: int, local: int) -> tuple[int, tuple[int, ...]]:
        """What a thread's local steps from a local state on add to a state, and their events."""
        machine = self.machine
        total = 0
        tail: list[int] = []
        seen = {local}
        while len(tail) < LONGEST_TAIL:
            _, mask, moves = machine.rows[thread][local]
            if mask:
                break
            move = moves[0] if 0 in moves else machine.grow(thread, local, 0)
            if move is None:
                break
            following = self._after(thread, local, move[0])
            if following in seen:
                break
            total += move[0]
            tail.append(move[1])
            local = following
            seen.add(local)
        return total, tuple(tail)
