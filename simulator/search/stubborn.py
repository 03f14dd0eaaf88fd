"""Stubborn sets: in a state, a few threads whose next steps are enough, for nothing that the others do can matter to them.

A set of threads is *stubborn* (Valmari 1989; as persistent sets, Godefroid 1996, §4) when, whatever the other threads do
meanwhile, they neither touch what the next step of a member touches (unless both only read) nor unblock a member. Taking
only the steps of its members then loses no ending, and, with the proviso of the search, no step of any thread.

What the others can do is read off their automata, which know which locks are held: as long as no member moves, a lock
that a member holds stays held, so nothing behind an acquire of it can be reached. That is where most of the reduction comes
from. A blocked acquire needs only the one thread that holds the lock.

Automata grow while the search runs, so what was read off may have been too little. `Futures` marks what was relied on and
says `outgrown` when any of it changes: the search then starts again, on the automata as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from simulator.ops import Acquire, CompareAndSwap, Operation, Read, TryAcquire

__all__ = ["Around", "Futures", "Move", "Place", "Stubborn"]


class Move(NamedTuple):
    """What a thread's next step does in a state: `touches` is the bit of the thing that it touches, 0 if nothing shared."""

    thread: int
    delta: int
    event: int
    touches: int
    writes: bool
    plain: bool
    """Whether it accesses memory and is not atomic."""
    on_memory: int
    """`touches` again, or 0 for a lock."""
    ends: bool
    """Whether the thread has ended after it."""


class Place(NamedTuple):
    """Where a thread stands: the bit of what its operation touches (0 if nothing shared), and the locks that it holds."""

    operation: Operation | None
    touches: int
    holds: int


class _Edge(NamedTuple):
    source: int
    target: int
    free: bool
    """Whether it needs a lock to be free."""
    touches: int
    writes: int
    """`touches` again when it writes, or 0."""


_Reach = tuple[int, int]
"""What can be touched from a place on, and what of it can be written."""


class _Table:
    """For each place of one kind of threads what can be reached from it while the locks of `closed` stay taken by others."""

    __slots__ = ("closed", "reach", "relied")

    def __init__(self, closed: int) -> None:
        self.closed = closed
        self.reach: dict[int, _Reach] = {}
        self.relied: set[int] = set()


class Futures:
    """What the threads of one kind can still touch from each place, over the automaton as far as it has grown.

    >>> futures = Futures()
    >>> futures.place(0, Place(Read("x"), 1, 0))
    >>> futures.place(1, Place(None, 0, 0))
    >>> futures.edge(0, 0, 1, writes=False)
    >>> futures.reach(0), futures.outgrown
    ((1, 0), False)
    """

    def __init__(self) -> None:
        self.outgrown = False
        """Whether a future that was relied on turned out to be larger."""
        self.places: dict[int, Place] = {}
        self.edges: list[_Edge] = []
        self._known: set[tuple[int, int]] = set()
        self._into: dict[int, list[_Edge]] = {}
        self._locks = 0
        self._open = _Table(0)
        self._tables: dict[int, _Table] = {0: self._open}
        self.free = self._open.reach
        """What can be reached from each place when nothing is closed."""
        self.relied = self._open.relied
        """The places whose `free` a decision rests on."""

    def place(self, number: int, place: Place) -> None:
        """A place that is new. What its operation touches counts even before anybody has taken the step."""
        self.places[number] = place
        self._into[number] = []
        if isinstance(place.operation, Acquire | TryAcquire):
            self._locks |= place.touches
        for table in self._tables.values():
            table.reach[number] = _alone(place, table.closed)

    def edge(self, source: int, value: int, target: int, *, writes: bool) -> None:
        """A step from a place where what it touches has a value. Both places are known."""
        if (source, value) in self._known:
            return
        self._known.add((source, value))
        operation, touches, _ = self.places[source]
        free = isinstance(operation, Acquire | TryAcquire) and not value
        edge = _Edge(source, target, free, touches, touches if writes else 0)
        self.edges.append(edge)
        self._into[target].append(edge)
        for table in self._tables.values():
            self._widen(table, [edge])

    def reach(self, place: int, closed: int = 0) -> _Reach:
        """What can be touched and what written from a place on while others keep the locks `closed`."""
        table = self._tables.get(closed & self._locks)
        if table is None:
            table = self._tables[closed & self._locks] = _Table(closed & self._locks)
            for number, known in self.places.items():
                table.reach[number] = _alone(known, table.closed)
            self._widen(table, list(self.edges))
        return table.reach[place]

    def rely(self, place: int, closed: int = 0) -> None:
        """Note that a decision rests on `reach(place, closed)`."""
        self._tables[closed & self._locks].relied.add(place)

    def start_again(self) -> None:
        """Forget what was relied on."""
        self.outgrown = False
        for table in self._tables.values():
            table.relied.clear()

    def _widen(self, table: _Table, work: list[_Edge]) -> None:
        """Carry what can be reached after an edge back to before it, as far as it is news."""
        reach, closed = table.reach, table.closed
        while work:
            source, target, free, touches, writes = work.pop()
            if free and touches & closed:
                continue
            old = reach[source]
            new = (old[0] | reach[target][0] | touches, old[1] | reach[target][1] | writes)
            if new != old:
                reach[source] = new
                if source in table.relied:
                    self.outgrown = True
                work.extend(self._into[source])


def _alone(place: Place, closed: int) -> _Reach:
    """What the operation of a place itself touches, at the least."""
    operation, touches, _ = place
    match operation:
        case Acquire():
            return (0, 0) if touches & closed else (touches, touches)
        case None | Read() | CompareAndSwap() | TryAcquire():
            # A compare-and-swap or a try writes only when it succeeds: then there is an edge that says so.
            return touches, 0
        case _:
            return touches, touches


Around = tuple[int, int, int]
"""What the threads around one thread can touch, and what they can write, while it alone moves and keeps some locks: which."""


class Stubborn:
    """Finds stubborn sets. `futures` has one entry for each thread, shared by threads of one kind."""

    def __init__(self, futures: Sequence[Futures], shifts: Sequence[int], local_mask: int) -> None:
        self._threads = tuple(zip(shifts, futures, strict=True))
        self._free = tuple((shift, future.free) for shift, future in self._threads)
        self._relied = tuple(
            (1 << thread, shift, future.relied) for thread, (shift, future) in enumerate(self._threads)
        )
        self._local_mask = local_mask

    def around(self, state: int) -> list[Around]:
        """What is around each thread when no lock is closed."""
        local_mask = self._local_mask
        touched = touched_twice = written = written_twice = 0
        reaches = []
        for shift, free in self._free:
            reach = free[(state >> shift) & local_mask]
            reaches.append(reach)
            accesses, writes = reach
            touched_twice |= touched & accesses
            touched |= accesses
            written_twice |= written & writes
            written |= writes
        return [
            (touched & ~accesses | touched_twice, written & ~writes | written_twice, 0) for accesses, writes in reaches
        ]

    def behind(self, state: int, move: Move) -> Around | None:
        """What is around a thread that holds locks when these are closed; None when others can meddle with its move."""
        closed = self._place(state, move.thread).holds
        if not closed:
            return None
        local_mask, touches, which = self._local_mask, move.touches, 0 if move.writes else 1
        touched = written = 0
        for other, (shift, future) in enumerate(self._threads):
            if other != move.thread:
                reach = future.reach((state >> shift) & local_mask, closed)
                if touches & reach[which]:
                    return None
                touched |= reach[0]
                written |= reach[1]
        return touched, written, closed

    def rely(self, state: int, members: int, closed: int = 0) -> None:
        """Note that a decision rests on what the threads outside of a set (bits of thread numbers) can touch."""
        local_mask = self._local_mask
        if closed:
            for thread, (shift, future) in enumerate(self._threads):
                if not members >> thread & 1:
                    future.rely((state >> shift) & local_mask, closed)
        else:
            for bit, shift, relied in self._relied:
                if not members & bit:
                    relied.add((state >> shift) & local_mask)

    def sets(self, state: int, moves: Sequence[Move]) -> Iterator[Sequence[Move]]:
        """The enabled steps of one stubborn set after another, smaller ones first; none that has all of `moves`."""
        local_mask = self._local_mask
        places = [(state >> shift) & local_mask for shift, _ in self._threads]
        enabled = sum(1 << move.thread for move in moves)
        by_thread = {move.thread: move for move in moves}
        meddlers: dict[tuple[int, bool], int] = {}
        """For each thing and way to touch it the threads that can meddle with that, as bits."""
        for _, _, _, touches, writes, *_ in moves:
            if (touches, writes) not in meddlers:
                which = 0 if writes else 1
                threads = 0
                for thread, (_, free) in enumerate(self._free):
                    if touches & free[places[thread]][which]:
                        threads |= 1 << thread
                meddlers[touches, writes] = threads
        closures: set[int] = set()
        for move in moves:
            seed = 1 << move.thread
            holds = self._threads[move.thread][1].places[places[move.thread]].holds
            if not holds and not enabled & ~seed & ~meddlers[move.touches, move.writes]:
                continue  # with it come all the others
            members = self._closure(places, move.thread, by_thread, meddlers)
            if members & enabled != enabled:
                closures.add(members)
        for members in sorted(closures, key=lambda members: ((members & enabled).bit_count(), members)):
            self.rely(state, members)
            yield [move for move in moves if members >> move.thread & 1]

    def _closure(
        self, places: Sequence[int], seed: int, moves: dict[int, Move], meddlers: dict[tuple[int, bool], int]
    ) -> int:
        """The threads that a thread needs in a stubborn set with it, as bits."""
        threads = self._threads
        members = 1 << seed
        closed = threads[seed][1].places[places[seed]].holds
        work = [seed]
        while work:
            member = work.pop()
            move = moves.get(member)
            if move is None:
                # Blocked, or ended: then it touches nothing, and nobody holds that. Who waits for itself waits for ever.
                wanted = threads[member][1].places[places[member]].touches
                for thread, (_, future) in enumerate(threads):
                    holds = future.places[places[thread]].holds
                    if holds & wanted and not members >> thread & 1:
                        members |= 1 << thread
                        closed |= holds
                        work.append(thread)
                continue
            touches, which = move.touches, 0 if move.writes else 1
            more = meddlers[touches, move.writes] & ~members
            while more:
                bit = more & -more
                more ^= bit
                thread = bit.bit_length() - 1
                place, future = places[thread], threads[thread][1]
                if closed and not touches & future.reach(place, closed)[which]:
                    future.rely(place, closed)
                    continue
                members |= bit
                closed |= future.places[place].holds
                work.append(thread)
        return members

    def _place(self, state: int, thread: int) -> Place:
        shift, future = self._threads[thread]
        return future.places[(state >> shift) & self._local_mask]
