"""Small objects that threads share, right and wrong: counters, registers, stacks, queues, a value made once.

A *specification* says what an operation does to a whole state, alone: pure functions. An *implementation* does the same
in steps of the model. Whether threads can tell the two apart is the question of linearizability. What is wrong with the
wrong ones stands in their docstrings.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from simulator.errors import UsageError, nearest
from simulator.linearizability import WAITS, Calls, LinearizabilityReport, check_linearizable, object_program
from simulator.ops import Acquire, CompareAndSwap, Operation, Read, Release, Update, Write
from simulator.program import Program
from simulator.scenario import scenario

__all__ = ["EXAMPLES", "Example", "object_under_test"]

Steps = Generator[Operation, Any, Any]
Items = tuple[Any, ...]

# -- specifications


class Counter:
    """`inc` adds 1 and tells what there was, `get` tells what there is."""

    initial = 0

    @staticmethod
    def inc(count: int) -> tuple[int, int]:
        return count + 1, count

    @staticmethod
    def get(count: int) -> tuple[int, int]:
        return count, count


class Register:
    """`exchange` puts a new value in and tells the old one."""

    initial = 0

    @staticmethod
    def exchange(old: int, new: int) -> tuple[int, int]:
        return new, old

    @staticmethod
    def read(value: int) -> tuple[int, int]:
        return value, value


class Stack:
    """Last in, first out; None from an empty one."""

    initial: Items = ()

    @staticmethod
    def push(items: Items, item: object) -> tuple[Items, None]:
        return (*items, item), None

    @staticmethod
    def pop(items: Items) -> tuple[Items, object]:
        return (items[:-1], items[-1]) if items else (items, None)


class TwoOnStack(Stack):
    """A stack that begins with A on B."""

    initial = ("B", "A")


class Queue:
    """First in, first out; None from an empty one."""

    initial: Items = ()

    @staticmethod
    def put(items: Items, item: object) -> tuple[Items, None]:
        return (*items, item), None

    @staticmethod
    def get(items: Items) -> tuple[Items, object]:
        return (items[1:], items[0]) if items else (items, None)


class WaitingQueue(Queue):
    """First in, first out; who takes from an empty one waits."""

    @staticmethod
    def get(items: Items) -> Any:
        return (items[1:], items[0]) if items else WAITS


class MadeOnce:
    """The first to ask makes the value; everybody gets that one."""

    initial = None

    @staticmethod
    def get_or_create(made: object, mine: object) -> tuple[object, object]:
        return (mine, mine) if made is None else (made, made)


# -- implementations


def add(count: int, more: int) -> int:
    return count + more


class RacyCounter:
    """Read, then write: between the two another thread may have read the same."""

    @staticmethod
    def inc() -> Steps:
        count = yield Read("count")
        yield Write("count", count + 1)
        return count

    @staticmethod
    def get() -> Steps:
        return (yield Read("count"))


class LockedCounter(RacyCounter):
    """The same under a lock. A plain read is enough for `get`."""

    @staticmethod
    def inc() -> Steps:
        yield Acquire("lock")
        count = yield from RacyCounter.inc()
        yield Release("lock")
        return count


class AtomicCounter(RacyCounter):
    """One atomic step."""

    @staticmethod
    def inc() -> Steps:
        return (yield Update("count", add, 1))


class HopefulRegister:
    """Read, then swap once: that the swap may fail is forgotten."""

    @staticmethod
    def exchange(new: int) -> Steps:
        old = yield Read("value")
        yield CompareAndSwap("value", old, new)
        return old

    @staticmethod
    def read() -> Steps:
        return (yield Read("value"))


class RetryingRegister(HopefulRegister):
    """Read and swap until it succeeds."""

    @staticmethod
    def exchange(new: int) -> Steps:
        while True:
            old = yield Read("value")
            if (yield CompareAndSwap("value", old, new)):
                return old


class TreiberStack:
    """Treiber's stack: the top is an immutable chain of pairs, so a swap that succeeds found what was read."""

    @staticmethod
    def push(item: object) -> Steps:
        while True:
            top = yield Read("top")
            if (yield CompareAndSwap("top", top, (item, top))):
                return None

    @staticmethod
    def pop() -> Steps:
        while True:
            top = yield Read("top")
            if top is None:
                return None
            item, rest = top
            if (yield CompareAndSwap("top", top, rest)):
                return item


class ReusingStack:
    """A stack of nodes that are used again: the same top may stand on another next node by the time it is swapped (ABA)."""

    @staticmethod
    def push(node: object) -> Steps:
        while True:
            top = yield Read("top")
            yield Write(("next", node), top)
            if (yield CompareAndSwap("top", top, node)):
                return None

    @staticmethod
    def pop() -> Steps:
        while True:
            top = yield Read("top")
            if top is None:
                return None
            following = yield Read(("next", top))
            if (yield CompareAndSwap("top", top, following)):
                return top


class LossyQueue:
    """A slot is filled before its number is taken: two threads may fill the same one."""

    @staticmethod
    def put(item: object) -> Steps:
        back = yield Read("back")
        yield Write(("slot", back), item)
        yield Write("back", back + 1)

    @staticmethod
    def get() -> Steps:
        while True:
            front = yield Read("front")
            if front == (yield Read("back")):
                return None
            item = yield Read(("slot", front))
            if (yield CompareAndSwap("front", front, front + 1)):
                return item


class HerlihyWingQueue:
    """The queue of Herlihy & Wing (1990): right, although no step of `put` is where it always takes effect."""

    @staticmethod
    def put(item: object) -> Steps:
        back = yield Update("back", add, 1)
        yield Write(("slot", back), item)

    @staticmethod
    def get() -> Steps:
        while True:
            back = yield Read("back")
            for place in range(back):
                item = yield Update(("slot", place), nothing)
                if item is not None:
                    return item


def nothing(_: object) -> None:
    """What a slot holds after its item was taken."""


class CheckedOnce:
    """Look, and make the value if there is none: two threads may both find none."""

    @staticmethod
    def get_or_create(mine: object) -> Steps:
        made = yield Read("made")
        if made is None:
            yield Write("made", mine)
            made = mine
        return made


class DoubleChecked:
    """Look; take the lock; look again."""

    @staticmethod
    def get_or_create(mine: object) -> Steps:
        made = yield Read("made")
        if made is None:
            yield Acquire("lock")
            made = yield from CheckedOnce.get_or_create(mine)
            yield Release("lock")
        return made


@dataclass(frozen=True, slots=True)
class Example:
    """An implementation, what it is to be, and threads that show whether it is."""

    specification: object
    implementation: object
    threads: Mapping[str, Calls]
    linearizable: bool
    memory: Mapping[Hashable, Any] = field(default_factory=dict)
    locks: tuple[Hashable, ...] = ()

    def check(self) -> LinearizabilityReport:
        """Every history of these threads against the specification."""
        return check_linearizable(
            self.specification, self.implementation, self.threads, memory=self.memory, locks=self.locks
        )


_COUNT: dict[str, Calls] = {"a": ["inc"], "b": ["inc", "get"]}
_EXCHANGE: dict[str, Calls] = {"a": [("exchange", 1)], "b": [("exchange", 2), "read"]}
_PUSH: dict[str, Calls] = {"a": [("push", 1), "pop"], "b": [("push", 2), "pop"], "c": ["pop"]}
_PUT: dict[str, Calls] = {"a": [("put", 1)], "b": [("put", 2), "get"], "c": ["get"]}
_ONCE: dict[str, Calls] = {"a": [("get_or_create", "A")], "b": [("get_or_create", "B")]}
_SLOTS: Mapping[Hashable, Any] = {("slot", 0): None, ("slot", 1): None}

EXAMPLES: Mapping[str, Example] = {
    "racy-counter": Example(Counter, RacyCounter, _COUNT, False, {"count": 0}),
    "locked-counter": Example(Counter, LockedCounter, _COUNT, True, {"count": 0}, ("lock",)),
    "atomic-counter": Example(Counter, AtomicCounter, _COUNT, True, {"count": 0}),
    "hopeful-register": Example(Register, HopefulRegister, _EXCHANGE, False, {"value": 0}),
    "retrying-register": Example(Register, RetryingRegister, _EXCHANGE, True, {"value": 0}),
    "treiber-stack": Example(Stack, TreiberStack, _PUSH, True, {"top": None}),
    "reusing-stack": Example(
        TwoOnStack,
        ReusingStack,
        {"a": ["pop", "pop"], "b": ["pop", "pop", ("push", "A")]},
        False,
        {"top": "A", ("next", "A"): "B", ("next", "B"): None},
    ),
    "lossy-queue": Example(Queue, LossyQueue, _PUT, False, {"front": 0, "back": 0, **_SLOTS}),
    "herlihy-wing-queue": Example(WaitingQueue, HerlihyWingQueue, _PUT, True, {"back": 0, **_SLOTS}),
    "checked-once": Example(MadeOnce, CheckedOnce, _ONCE, False, {"made": None}),
    "double-checked": Example(MadeOnce, DoubleChecked, _ONCE, True, {"made": None}, ("lock",)),
}
"""Objects by name, wrong ones beside right ones."""


@scenario(summary="Threads call operations on a small shared object, right or wrong.")
def object_under_test(
    example: Annotated[str, f"which object: {', '.join(EXAMPLES)}"] = "racy-counter",
) -> Program:
    """A counter, a register, a stack, a queue or a value made once, as `EXAMPLES` has them."""
    if example not in EXAMPLES:
        raise UsageError(f"there is no object {example!r}{nearest(example, EXAMPLES)}")
    chosen = EXAMPLES[example]
    return object_program(chosen.implementation, chosen.threads, memory=chosen.memory, locks=chosen.locks, name=example)
