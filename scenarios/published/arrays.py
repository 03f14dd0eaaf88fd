"""Arrays whose indices are computed: which threads meet, if any, shows only in the run."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Annotated

from scenarios.published.parts import Steps, numbered
from simulator.ops import Acquire, Read, Release, Write
from simulator.program import Program
from simulator.scenario import Range, scenario

__all__ = ["filesystem", "indexer", "lastzero"]


def find_last_zero(n: int) -> Steps:
    """From the last element down to the first zero; element 0 is always zero."""
    index = n
    while (yield Read(("a", index))) != 0:
        index -= 1


def follow(index: int) -> Steps:
    """Make an element one more than the element before it."""
    before = yield Read(("a", index - 1))
    yield Write(("a", index), before + 1)


@scenario(summary="One thread looks for the last zero of an array whose elements the others write.")
def lastzero(n: Annotated[int, Range(1, 64), "how many threads write"] = 2) -> Program:
    """An array a[0..n] of zeros. Thread j of 1 to n: read a[j−1]; write a[j] one more; one thread reads down to a zero.

    It has (n + 3)·2ⁿ⁻² traces.
    """
    return Program(
        numbered(partial(find_last_zero, n), *(partial(follow, index) for index in range(1, n + 1))),
        memory={("a", index): 0 for index in range(n + 1)},
        name="lastzero",
    )


def filled(starts: Iterable[int], size: int) -> list[int]:
    """The places of a ring that are taken in the end, when each entry takes the first free place from its start on.

    They do not depend on who comes first (Knuth, The Art of Computer Programming 3, 6.4), and no other place is ever
    looked at: a program needs no more of its table than these.

    >>> filled([3, 0, 3], 5)
    [0, 3, 4]
    """
    taken: set[int] = set()
    for start in starts:
        free = [place % size for place in range(start, start + size) if place % size not in taken]
        taken.update(free[:1])
    return sorted(taken)


SLOTS = 128


def entries(thread: int) -> tuple[int, ...]:
    """What a thread puts into the table."""
    return tuple(11 * number + thread for number in (1, 2, 3, 4))


def hash_of(entry: int) -> int:
    """The first slot that an entry tries."""
    return 7 * entry % SLOTS


def insert(thread: int) -> Steps:
    """Put entries into the hash table, each into the first free slot from its hash on."""
    for entry in entries(thread):
        slot = hash_of(entry)
        while True:
            yield Acquire(("m", slot))
            taken = yield Read(("t", slot))
            if taken == 0:
                yield Write(("t", slot), entry)
            yield Release(("m", slot))
            if taken == 0:
                break
            slot = (slot + 1) % SLOTS


@scenario(summary="Threads put four entries each into a hash table of 128 slots, a lock for each slot.")
def indexer(n: Annotated[int, Range(1, 64), "how many threads; from 33 on the table overflows"] = 2) -> Program:
    """Thread i of 0 to n − 1 puts the entries 11m + i, m from 1 to 4, into the first free slot from 7·entry mod 128 on.

    Up to 11 threads never meet: one trace. From 12 to 22 there are 8ⁿ⁻¹¹. Beyond 32 the table is full before all have
    found a slot, and a thread looks for ever.
    """
    slots = filled((hash_of(entry) for thread in range(n) for entry in entries(thread)), SLOTS)
    return Program(
        numbered(*(partial(insert, thread) for thread in range(n))),
        memory={("t", slot): 0 for slot in slots},
        locks=[("m", slot) for slot in slots],
        name="indexer",
    )


BLOCKS = 26
INODES = 32


def first_block(inode: int) -> int:
    """The first block that is tried for an inode."""
    return 2 * inode % BLOCKS


def create(inode: int) -> Steps:
    """Give an inode a block, unless it has one: the first that is free, from a place of the inode's own on."""
    yield Acquire(("li", inode))
    if (yield Read(("inode", inode))) == 0:
        block = first_block(inode)
        while True:
            yield Acquire(("lb", block))
            if (yield Read(("busy", block))) == 0:
                yield Write(("busy", block), 1)
                yield Write(("inode", inode), block + 1)
                yield Release(("lb", block))
                break
            yield Release(("lb", block))
            block = (block + 1) % BLOCKS
    yield Release(("li", inode))


@scenario(summary="Threads look for a free block for an inode, among 26 blocks, a lock for each.")
def filesystem(n: Annotated[int, Range(1, 64), "how many threads; from 27 on blocks run out"] = 2) -> Program:
    """Thread i of 0 to n − 1 takes inode i mod 32 and gives it the first free block from 2·inode mod 26 on.

    Up to 13 threads never meet: one trace. From 14 to 26 there are 2ⁿ⁻¹³. Beyond 26 there are not enough blocks, and a
    thread looks for ever.
    """
    inodes = range(min(n, INODES))
    blocks = filled(map(first_block, inodes), BLOCKS)
    return Program(
        numbered(*(partial(create, thread % INODES) for thread in range(n))),
        memory={**{("inode", inode): 0 for inode in inodes}, **{("busy", block): 0 for block in blocks}},
        locks=[*(("li", inode) for inode in inodes), *(("lb", block) for block in blocks)],
        name="filesystem",
    )
