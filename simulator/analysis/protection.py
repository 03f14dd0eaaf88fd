"""Protection: which locations can lose no update, for a lock keeps every other writer out from the read to the write.

A proof from the threads' local states alone, without a history: a lost update needs a thread that reads x and later
writes it plainly, and another thread's write in between. Along every path of a thread from its last look at x to a plain
write, the locks held *all the while* are worked out (a must-analysis, Kildall 1973; lock sets as in Savage et al., Eraser,
1997, but over all paths instead of one run, and held without a gap). If each write by another thread is made under one of
them, it cannot come in between.

It knows nothing of values, and of who can run beside whom it knows locks only. So "protected" is a proof, and "not
protected" is no finding: it asks for a search.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from simulator.ops import Access, Footprint

__all__ = ["Paths", "Stride", "unprotected"]


class Stride(NamedTuple):
    """One step of a thread between two of its local states, by their numbers."""

    source: int
    touched: Footprint
    target: int


class Paths(NamedTuple):
    """Everything that the threads of one kind can do: how many there are, and the locks that they hold in each place."""

    threads: int
    held: Mapping[int, frozenset[Hashable]]
    strides: Sequence[Stride]


def unprotected(everything: Iterable[Paths]) -> tuple[Hashable, ...]:
    """The locations, and parts of them, on which locks do not rule out a lost update, in the order of their first writes.

    `everything` has to be complete: every step that a thread takes in any reachable state.

    >>> free = frozenset()
    >>> read, write = (Footprint(access, False, "x", False) for access in (Access.READ, Access.WRITE))
    >>> body = (Stride(0, read, 1), Stride(1, write, 2))
    >>> unprotected([Paths(1, {0: free, 1: free, 2: free}, body)])
    ()
    >>> unprotected([Paths(2, {0: free, 1: free, 2: free}, body)])
    ('x',)
    """
    kinds = list(everything)
    writes: dict[Hashable, list[tuple[int, frozenset[Hashable]]]] = {}
    """For each location, who writes it under which locks: the number of the kind, and the locks."""
    for number, kind in enumerate(kinds):
        for source, touched, _ in kind.strides:
            if touched.access == Access.WRITE and not touched.on_lock:
                under = (number, kind.held[source])
                if under not in writes.setdefault(touched.updated, []):
                    writes[touched.updated].append(under)
    return tuple(
        location
        for location, writers in writes.items()
        if any(_may_lose(kind, number, location, writers) for number, kind in enumerate(kinds))
    )


def _may_lose(kind: Paths, number: int, location: Hashable, writers: Iterable[tuple[int, frozenset[Hashable]]]) -> bool:
    """Whether a thread of this kind may write `location` from a read that another's write has made stale."""
    others = [held for writer, held in writers if writer != number or kind.threads > 1]
    mine = [
        stride.source
        for stride in kind.strides
        if _is_on(stride.touched, location) and stride.touched.access == Access.WRITE and not stride.touched.looks
    ]
    if not others or not mine:
        return False
    kept = _kept(kind, location)
    return any(source in kept and any(not kept[source] & held for held in others) for source in mine)


def _is_on(touched: Footprint, location: Hashable) -> bool:
    return not touched.on_lock and touched.updated == location


def _kept(kind: Paths, location: Hashable) -> dict[int, frozenset[Hashable]]:
    """The locks held without a gap since the thread last looked at `location`, in each place where it may have looked.

    A plain write counts as a look when there was one before, as it does for the detector: what the thread wrote itself
    is not stale.
    """
    leaving: dict[int, list[Stride]] = {}
    for stride in kind.strides:
        leaving.setdefault(stride.source, []).append(stride)
    kept: dict[int, frozenset[Hashable]] = {}
    work: list[int] = []

    def arrive(place: int, locks: frozenset[Hashable]) -> None:
        met = locks & kind.held[place]
        if place in kept:
            met &= kept[place]
            if met == kept[place]:
                return
        kept[place] = met
        work.append(place)

    for source, touched, target in kind.strides:
        if _is_on(touched, location) and touched.looks:
            arrive(target, kind.held[source])
    while work:
        place = work.pop()
        for _, touched, target in leaving.get(place, ()):
            looks = _is_on(touched, location) and touched.access != Access.NONE
            arrive(target, kind.held[place] if looks else kept[place])
    return kept
