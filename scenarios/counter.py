"""The article's counter: several threads each add 1, as `self.count += 1` does it: read, add, write."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from scenarios import plain_counter
from simulator.ops import Acquire, Add, Read, Release, Write
from simulator.program import Program
from simulator.scenario import Plain, Range, scenario

__all__ = ["counter", "increment", "locked_increment"]


def increment(times: int):  # type: ignore[no-untyped-def]  # a body, as a reader of the README writes it
    """Add 1 to the count, `times` times, without a lock."""
    for _ in range(times):
        value = yield Read("count")
        value = yield Add(value, 1)
        yield Write("count", value)


def locked_increment(times: int):  # type: ignore[no-untyped-def]
    """The same with a lock held around each of the additions."""
    for _ in range(times):
        yield Acquire("lock")
        value = yield Read("count")
        value = yield Add(value, 1)
        yield Write("count", value)
        yield Release("lock")


@scenario(summary="Threads add to one counter: read, add, write.")
def counter(
    threads: Annotated[int, Range(1, 64), "how many threads"] = 2,
    increments: Annotated[int, Range(0, 1000), "how often each adds 1"] = 1,
    lock: Annotated[bool, "hold a lock around each addition"] = False,
    start: Annotated[int, "the value to start from"] = 0,
) -> Program:
    """Several threads each add 1 to a shared count, in three steps: read it, add 1, write it back.

    Without the lock an update can be lost. With it, none is.
    """
    expected = start + threads * increments
    return Program(
        {f"t{number}": partial(locked_increment if lock else increment, increments) for number in range(threads)},
        memory={"count": start},
        locks=["lock"] if lock else [],
        finally_={f"count is {expected}": lambda memory: memory["count"] == expected},
        name="counter",
    )


@counter.as_plain
def _plain(threads: int, increments: int, lock: bool, start: int) -> Plain:
    return plain_counter.plain(threads=threads, increments=increments, lock=lock, start=start)
