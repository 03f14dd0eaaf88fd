"""The steps of a machine, fused or not, as a search sees them that leaves some out.

It knows what each thread does from each of its places, what that touches, and what can come after; it knows no search,
and no state but the first.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from simulator.analysis.protection import Paths, Stride
from simulator.fusion import Fused
from simulator.machine import Machine, State
from simulator.ops import Access
from simulator.search.stubborn import Futures, Move, Place

__all__ = ["Steps"]


class _Rows(dict[int, tuple[int, int, dict[int, Move | None]]]):
    """One thread's rows, as a machine has them, but with a `Move` for each value; made when first asked for."""

    def __init__(self, steps: Steps, thread: int) -> None:
        self._steps = steps
        self._thread = thread

    def __missing__(self, local: int) -> tuple[int, int, dict[int, Move | None]]:
        shift, mask, _ = self._steps.rows(self._thread, local)
        row: tuple[int, int, dict[int, Move | None]] = (shift, mask, {})
        self[local] = row
        return row


class Steps:
    """The steps of a machine, fused or not, and what is read off them: what each thread can do from where it stands."""

    def __init__(self, machine: Machine, *, fused: bool) -> None:
        self.machine = machine
        self._fused = Fused(machine) if fused else None
        self._stepping = self._fused or machine
        self._class_of = [
            members for thread in range(len(machine.threads)) for members in machine.classes if thread in members
        ]
        futures = {members: Futures() for members in machine.classes}
        self.futures = tuple(futures[members] for members in self._class_of)
        """For each thread; the same one for interchangeable threads."""
        self._strides: dict[tuple[int, ...], dict[Stride, None]] = {members: {} for members in machine.classes}
        self.shifts = tuple(shift for shift, _ in machine.fields)
        self.fields = tuple((shift, _Rows(self, thread)) for thread, shift in enumerate(self.shifts))
        self.initial: State = self._stepping.initial
        self.opening: tuple[tuple[int, int], ...] = self._fused.opening if self._fused else ()
        self.bits: dict[Hashable, int] = {}
        """The bit that stands for a memory location that was touched."""
        for thread, shift in enumerate(self.shifts):
            self.arrive(thread, (self.initial >> shift) & machine.local_mask)

    def rows(self, thread: int, local: int) -> tuple[int, int, object]:
        """The machine's row."""
        return self._stepping.fields[thread][1][local]

    def tail(self, event: int) -> tuple[int, ...]:
        """The local events that come along with an event."""
        return self._fused.tail(event) if self._fused else ()

    def grow(self, thread: int, local: int, value: int) -> Move | None:
        """Work out one entry of the rows."""
        move = self._move(thread, local, value)
        self.fields[thread][1][local][2][value] = move
        if move is not None:
            target = self._target(thread, local, move.delta)
            touched = self.machine.events[move.event].footprint
            if move.on_memory:
                self.bits[touched.name] = move.on_memory
            self.futures[thread].edge(local, value, target, writes=move.writes)
            self._strides[self._class_of[thread]][Stride(local, touched, target)] = None
        return move

    def _move(self, thread: int, local: int, value: int) -> Move | None:
        shift, _, known = self._stepping.fields[thread][1][local]
        step = known[value] if value in known else self._stepping.grow(thread, local, value)
        if step is None:
            return None
        delta, event = step
        target = self._target(thread, local, delta)
        self.arrive(thread, target)
        touched = self.machine.events[event].footprint
        touches = 0 if touched.access == Access.NONE else 1 << shift
        return Move(
            thread=thread,
            delta=delta,
            event=event,
            touches=touches,
            writes=touched.access == Access.WRITE,
            plain=not touched.atomic,
            on_memory=0 if touched.on_lock else touches,
            ends=self.futures[thread].places[target].operation is None,
        )

    def _target(self, thread: int, local: int, delta: int) -> int:
        """The place that a step leads to: its change of the thread's field, apart from the shared fields."""
        shift = self.shifts[thread]
        return ((local << shift) + delta >> shift) & self.machine.local_mask

    def arrive(self, thread: int, local: int) -> None:
        """Note a place that a thread can stand in."""
        if local not in self.futures[thread].places:
            state = self.machine.state_of(0, {thread: local})
            pending = self.machine.pending(state, thread)
            shift, mask, _ = self.rows(thread, local)
            holds = self.machine.lock_mask(self.machine.held(state, thread))
            operation = None if pending is None else pending.operation
            self.futures[thread].place(local, Place(operation, 1 << shift if mask else 0, holds))

    def moves(self, state: State) -> Iterator[Move]:
        """What each enabled thread's next step does. The rows do not grow: what a search has not met stays new to it."""
        for thread, thread_shift in enumerate(self.shifts):
            local = (state >> thread_shift) & self.machine.local_mask
            shift, mask, _ = self.rows(thread, local)
            move = self._move(thread, local, (state >> shift) & mask)
            if move is not None:
                yield move

    def paths(self) -> list[Paths]:
        """All that the threads do, class by class."""
        found = []
        for members, strides in self._strides.items():
            held = {
                local: frozenset(self.machine.held(self.machine.state_of(0, {members[0]: local}), members[0]))
                for local in self.futures[members[0]].places
            }
            found.append(Paths(len(members), held, tuple(strides)))
        return found

    def outgrown(self) -> bool:
        """Whether a future that a search relied on has grown since this was last asked."""
        grown = [futures for futures in self.futures if futures.outgrown]
        for futures in grown:
            futures.outgrown = False
        return bool(grown)

    def start_again(self) -> None:
        """For a search that relies on nothing yet."""
        for futures in self.futures:
            futures.start_again()
