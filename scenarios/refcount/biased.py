"""Biased reference counting, as free-threaded CPython counts: the owner's own count beside one that all others share.

After Choi, Shull and Torrellas, "Biased reference counting: minimizing atomic operations in garbage collection" (PACT 2018), in
the form of PEP 703 and of CPython 3.13 and 3.14. The thread that made an object owns it, and changes the *local* count
without atomic instructions; all others change the *shared* count with them. The number of references is the sum of both, and
the shared count alone may be negative: a thread may give up a reference that the owner has counted. The shared count
carries its state:

- `default`: nothing has happened yet.
- `queued`: a thread that is not the owner came to give a reference up when the shared count was 0, so that it would be
  negative. It leaves the count as it is, puts the object in the owner's queue, and its reference is now the queue's.
- `merged`: the object has no owner any more, and the shared count is all there is; at 0 the object is freed.

The owner merges when its local count comes to 0, and for each object that it finds in its queue: at a *safe point* between
two operations, and before it ends. Where the owner has ended already, whoever would queue the object merges it.

What is left out: immortal objects and deferred counting (they are about objects that are never freed this way), the state
for weak references and resurrection, the garbage collector, destructors, which may run any code in the middle of a merge,
merging on behalf of a thread that waits in a system call (added after 3.14), and weak memory: each step is seen by all threads
at once, so a bug of the missing-barrier kind cannot show. What the mutex around a queue protects is one atomic step here,
for nobody looks at it outside of the mutex. A push that finds no memory, upon which CPython stops the world to merge, cannot
happen here; and no thread gets the number of one that has ended, as in CPython it may, and is then taken for the owner.

What differs: safe points stand in the works (`copy`, `take`, `collect`) and not between any two operations. The queue is gone
through in the order of coming; CPython's is a stack. Whoever is not the owner looks at the owner first and then at the shared
count; CPython reads the local count before both, to leave immortal objects alone. And a step is one of this model, so that
numbers of interleavings are numbers of these, not of CPython's instructions.

`bug` puts one mistake in (`BUGS`), to see that exploration finds it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.refcount.protection import Counting, Left, Protection, Steps, settle, use
from simulator.ops import Add, CompareAndSwap, Read, Update, Write

__all__ = ["BUGS", "Biased"]

BUGS: Mapping[str, str] = {
    "torn-merge": "the owner merges by a read and a store, not by compare-and-swap: a change in between is lost",
    "free-at-zero": "the owner frees when its own count comes to 0, whatever the others have",
    "reset-last": "the merge gives up the reference of the queue first, and the owner's fields after (CPython's gh-119999)",
    "local-left-out": "a merge from the queue does not add the owner's count",
    "no-queue": "the shared count goes below 0, and nobody tells the owner",
    "gone-unseen": "an object is queued for an owner that has ended",
    "exit-blind": "the owner ends without a last look at its queue",
}
"""Mistakes that can be put in, each with what it is."""

OWNER = "t0"
"""The thread that made all the objects."""
QUEUE = "queue"
GONE = "gone"
"""What stands in place of the queue of a thread that has ended."""

DEFAULT, QUEUED, MERGED = "default", "queued", "merged"


def put(old: object, new: object) -> object:
    """An atomic store."""
    return new


def push(queue: Any, thing: str) -> Any:
    """A queue with one object more; where the owner is gone there is none."""
    return queue if queue == GONE else (*queue, thing)


@dataclass(frozen=True)
class Biased(Protection):
    """Two counts for an object. `handed`: the owner counted the references that it handed out, so they are in its local count;
    otherwise each thread counted its own.
    """

    name = "biased"
    owner: bool = False
    """Whether this thread is the one that made all the objects."""
    handed: bool = True
    bug: str = "none"

    def start(self, thing: str, owned: Sequence[int]) -> dict[Hashable, Any]:
        local = sum(owned) if self.handed else owned[0]
        shared = sum(owned) - local
        # An owner that has no reference left has merged.
        return {
            ("owner", thing): OWNER if local else None,
            ("local", thing): local,
            ("shared", thing): (shared, DEFAULT if local else MERGED),
            QUEUE: (),
        }

    def count(self, memory: Mapping[Hashable, Any], thing: str) -> int:
        return int(memory["local", thing] + memory["shared", thing][0])

    def more(self, thing: str) -> Counting:
        if (yield from self._owned(thing)):
            local = yield Read(("local", thing))
            local = yield Add(local, 1)
            yield Write(("local", thing), local)
            return Left.SOME
        count, state = yield Update(("shared", thing), _changed, 1)
        return Left.NONE_BEFORE if state == MERGED and count <= 0 else Left.SOME

    def fewer(self, thing: str) -> Counting:
        if not (yield from self._owned(thing)):
            return (yield from self._fewer_shared(thing))
        local = yield Read(("local", thing))
        local = yield Add(local, -1)
        yield Write(("local", thing), local)
        if local:
            return Left.SOME
        return (yield from self._merge_at_zero(thing))

    def safe_point(self) -> Steps:
        if self.owner and (yield Read(QUEUE, atomic=True)):
            yield from self._merge_queued()

    def exit(self) -> Steps:
        if not self.owner:
            return
        if self.bug == "exit-blind":
            yield from self._merge_queued()
            yield Update(QUEUE, put, GONE)
            return
        while True:
            if (yield CompareAndSwap(QUEUE, (), GONE)):
                return
            yield from self._merge_queued()

    def _owned(self, thing: str) -> Any:
        """Whether this thread owns the object, which is touched by asking."""
        yield from use(thing)
        owner = yield Read(("owner", thing), atomic=True)
        return self.owner and owner == OWNER

    def _fewer_shared(self, thing: str) -> Counting:
        while True:
            shared = yield Read(("shared", thing), atomic=True)
            count, state = shared
            if state == MERGED and count <= 0:
                return Left.NONE_BEFORE
            queued = shared == (0, DEFAULT) and self.bug != "no-queue"
            new = (0, QUEUED) if queued else (count - 1, state)
            if (yield CompareAndSwap(("shared", thing), shared, new)):
                break
        if queued:
            return (yield from self._queue(thing))
        return Left.NONE if new == (0, MERGED) else Left.SOME

    def _merge_at_zero(self, thing: str) -> Counting:
        """The owner has no reference of its own left."""
        shared = yield Read(("shared", thing), atomic=True)
        if shared == (0, DEFAULT) or self.bug == "free-at-zero":
            return Left.NONE
        yield Update(("owner", thing), put, None)
        while True:
            new = (shared[0], MERGED)
            if self.bug == "torn-merge":
                yield Update(("shared", thing), put, new)
                break
            if (yield CompareAndSwap(("shared", thing), shared, new)):
                break
            shared = yield Read(("shared", thing), atomic=True)
        return Left.NONE if new == (0, MERGED) else Left.SOME

    def _queue(self, thing: str) -> Counting:
        """Ask the owner to merge. The reference that was to be given up is the queue's until then."""
        owner = yield Read(("owner", thing), atomic=True)
        if owner is None:
            return (yield from self._fewer_shared(thing))
        queue = yield Update(QUEUE, push, thing)
        if queue == GONE and self.bug != "gone-unseen":
            return (yield from self._merge(thing))
        return Left.SOME

    def _merge_queued(self) -> Steps:
        """Merge all that is in the queue."""
        for thing in (yield Update(QUEUE, put, ())):
            left = yield from self._merge(thing)
            yield from settle(thing, left)

    def _merge(self, thing: str) -> Counting:
        """Make one count of two, and give up the reference of the queue. Nobody else can touch the local count now."""
        yield from use(thing)
        local = yield Read(("local", thing))
        if self.bug != "reset-last":
            yield from self._disown(thing)
        while True:
            shared = yield Read(("shared", thing), atomic=True)
            count = shared[0] - 1 + (0 if self.bug == "local-left-out" else local)
            if (yield CompareAndSwap(("shared", thing), shared, (count, MERGED))):
                break
        if self.bug == "reset-last":
            yield from use(thing)
            yield from self._disown(thing)
        return Left.NONE if count == 0 else Left.SOME

    def _disown(self, thing: str) -> Steps:
        yield Write(("local", thing), 0)
        yield Update(("owner", thing), put, None)


def _changed(shared: tuple[int, str], by: int) -> tuple[int, str]:
    count, state = shared
    return (count + by, state)
