"""Lost update: a thread reads x, another writes x, the first writes x from its stale read."""

from __future__ import annotations

import operator
from collections.abc import Generator
from typing import Any

import pytest

from simulator.analysis.detector import sightings_in
from simulator.analysis.finding import Kind, Sighting
from simulator.analysis.lost_update import LostUpdate
from simulator.explore import check
from simulator.ops import CompareAndSwap, Operation, Read, Update, Write
from simulator.program import Program
from simulator.search.replay import replay

READ, WRITE, UPDATE = Read("x"), Write("x", 7), Update("x", operator.add, 1)
SWAP, FAILED_SWAP = CompareAndSwap("x", 0, 5), CompareAndSwap("x", 99, 5)
ELSEWHERE = Write("y", 1)


def seen(*steps: tuple[str, Operation]) -> list[int]:
    """After how many steps a lost update is seen on x, when two threads do just these steps in just this order."""

    def doing(thread: str) -> Any:
        def body() -> Generator[Any, Any, None]:
            for name, operation in steps:
                if name == thread:
                    yield operation
            yield Read("y")

        return body

    program = Program({"a": doing("a"), "b": doing("b")}, memory={"x": 0, "y": 0})
    run = replay(program, [name for name, _ in steps])
    found = sightings_in(LostUpdate(), run)
    assert set(found) <= {Sighting(Kind.LOST_UPDATE, ("x",))}
    return list(found.values())


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("a", READ), ("b", WRITE), ("a", WRITE)], [3]),
        ([("a", READ), ("b", UPDATE), ("a", WRITE)], [3]),
        ([("a", READ), ("b", SWAP), ("a", WRITE)], [3]),
        ([("a", FAILED_SWAP), ("b", WRITE), ("a", WRITE)], [3]),
        ([("a", UPDATE), ("b", WRITE), ("a", WRITE)], [3]),
        # Nothing was read, or it was read again, or nothing was written in between.
        ([("b", WRITE), ("a", WRITE)], []),
        ([("a", READ), ("b", WRITE), ("a", READ), ("a", WRITE)], []),
        ([("a", READ), ("b", READ), ("a", WRITE)], []),
        ([("a", READ), ("b", FAILED_SWAP), ("a", WRITE)], []),
        ([("a", READ), ("b", ELSEWHERE), ("a", WRITE)], []),
        ([("a", READ), ("a", WRITE), ("b", WRITE)], []),
        # An atomic update reads at the moment it writes.
        ([("a", READ), ("b", WRITE), ("a", UPDATE)], []),
        ([("a", READ), ("b", WRITE), ("a", CompareAndSwap("x", 7, 1))], []),
        ([("a", READ), ("b", WRITE), ("a", UPDATE), ("a", WRITE)], []),
        # Each thread loses what the other wrote.
        ([("a", READ), ("b", READ), ("a", WRITE), ("b", WRITE)], [4]),
    ],
    ids=str,
)
def test_which_steps_lose_an_update(steps: list[tuple[str, Operation]], expected: list[int]) -> None:
    assert seen(*steps) == expected


def increment() -> Generator[Any, Any, None]:
    value = yield Read("x")
    yield Write("x", value + 1)


def test_the_finding_names_the_three_steps_and_the_value_lost() -> None:
    lost = check(Program({"a": increment, "b": increment}, memory={"x": 5})).findings[0]
    assert lost.why == "a read x = 5, then b wrote 6, then a wrote 6 from its stale read: the 6 of b left no effect"
    assert [(step.number, step.thread) for step in lost.steps] == [(1, "a"), (3, "b"), (4, "a")]
    assert lost.threads == ("a", "b")
