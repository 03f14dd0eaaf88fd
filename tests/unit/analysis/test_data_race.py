"""Data race: two accesses of one location, one a write, not both atomic, that nothing orders."""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator
from typing import Any

import pytest

from simulator.analysis.data_race import DataRace
from simulator.analysis.detector import sightings_in
from simulator.explore import check, explore
from simulator.ops import Acquire, CompareAndSwap, Operation, Read, Release, Update, Write
from simulator.program import Program

READ, WRITE, UPDATE = Read("x"), Write("x", 1), Update("x", operator.add, 1)
SWAP, FAILED_SWAP = CompareAndSwap("x", 0, 5), CompareAndSwap("x", 99, 5)


def doing(*operations: Operation) -> Callable[[], Generator[Any, Any, None]]:
    def body() -> Generator[Any, Any, None]:
        for operation in operations:  # noqa: UP028 - a tuple's iterator takes no answers
            yield operation

    return body


def racing(*bodies: tuple[Operation, ...]) -> list[str]:
    program = Program(
        {f"t{number}": doing(*body) for number, body in enumerate(bodies)}, memory={"x": 0, "f": 0}, locks=["m", "n"]
    )
    from_states = [str(finding.objects[0]) for finding in check(program).findings if finding.kind == "data race"]
    from_runs = {sighting.objects[0] for run in explore(program) for sighting in sightings_in(DataRace(), run)}
    assert from_runs == set(from_states)
    return from_states


def under(lock: str, operation: Operation) -> tuple[Operation, ...]:
    return (Acquire(lock), operation, Release(lock))


@pytest.mark.parametrize(
    ("first", "second", "races"),
    [
        ((READ,), (READ,), False),
        ((READ,), (WRITE,), True),
        ((WRITE,), (WRITE,), True),
        ((UPDATE,), (UPDATE,), False),
        ((UPDATE,), (SWAP,), False),
        ((UPDATE,), (READ,), True),
        ((UPDATE,), (WRITE,), True),
        ((FAILED_SWAP,), (READ,), False),
        ((FAILED_SWAP,), (WRITE,), True),
        (under("m", WRITE), under("m", WRITE), False),
        (under("m", WRITE), under("n", WRITE), True),
        (under("m", WRITE), (WRITE,), True),
        ((Read("f"),), (WRITE,), False),
        # Another order of the locks puts the accesses side by side.
        ((WRITE, *under("m", Read("f"))), (*under("m", Read("f")), WRITE), True),
    ],
    ids=str,
)
def test_which_accesses_race(first: tuple[Operation, ...], second: tuple[Operation, ...], races: bool) -> None:
    assert racing(first, second) == (["x"] if races else [])
    assert racing(second, first) == (["x"] if races else [])


def test_data_handed_over_by_a_flag_races_on_the_flag_alone() -> None:
    def give() -> Generator[Any, Any, None]:
        yield Write("x", 1)
        yield Write("f", 1)

    def take() -> Generator[Any, Any, None]:
        if (yield Read("f")):
            yield Read("x")

    report = check(Program({"a": give, "b": take}, memory={"x": 0, "f": 0}))
    assert [finding.title for finding in report.findings] == ["data race on f"]


def test_the_finding_names_both_accesses() -> None:
    race = check(Program({"a": doing(WRITE), "b": doing(READ)}, memory={"x": 0})).findings[0]
    assert race.why.startswith("a's write and b's read of x can happen at the same moment")
    assert [(step.number, step.thread) for step in race.steps] == [(1, "a"), (2, "b")]
