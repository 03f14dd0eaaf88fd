"""Budgets: each limit stops a search, which then says so."""

from __future__ import annotations

import gc
from collections.abc import Generator
from typing import Any

import pytest

from simulator.errors import LimitError, UsageError
from simulator.explore import check
from simulator.ops import Read, Write
from simulator.program import Program
from simulator.search.budget import Budget, Stop, without_collecting

Body = Generator[Any, Any, None]


def increment() -> Body:
    for _ in range(2):
        value = yield Read("x")
        yield Write("x", value + 1)


PROGRAM = Program({"a": increment, "b": increment}, memory={"x": 0})
"""70 interleavings of 8 steps."""


@pytest.mark.parametrize("name", ["max_interleavings", "max_steps", "max_states", "timeout"])
@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_above_nothing(name: str, limit: int) -> None:
    with pytest.raises(UsageError, match=f"{name} is {limit}, expected a number above 0"):
        Budget(**{name: limit})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scheduler", "budget", "stop"),
    [
        ("graph", Budget(), Stop.COMPLETE),
        ("graph", Budget(max_states=10), Stop.STATES),
        ("graph", Budget(max_steps=3), Stop.STEPS),
        ("graph", Budget(max_steps=8), Stop.COMPLETE),
        ("naive", Budget(), Stop.COMPLETE),
        ("naive", Budget(max_interleavings=10), Stop.INTERLEAVINGS),
        ("naive", Budget(max_interleavings=69), Stop.INTERLEAVINGS),
        ("naive", Budget(max_interleavings=70), Stop.COMPLETE),
        ("naive", Budget(max_steps=7), Stop.STEPS),
        ("naive", Budget(max_steps=8), Stop.COMPLETE),
        ("random", Budget(max_interleavings=70), Stop.SAMPLED),
    ],
    ids=str,
)
def test_why_a_search_stopped(scheduler: str, budget: Budget, stop: Stop) -> None:
    report = check(PROGRAM, scheduler=scheduler, budget=budget)
    assert report.stop is stop
    assert report.complete == (stop is Stop.COMPLETE)


@pytest.mark.parametrize(
    ("scheduler", "budget", "said"),
    [
        ("graph", Budget(max_interleavings=1), "max_interleavings is for schedulers that go through runs"),
        ("naive", Budget(max_states=1), "max_states is for graph, reduced, layered, uniform and uniform-traces"),
        ("random", Budget(max_states=1), "max_states is for graph, reduced, layered, uniform and uniform-traces"),
    ],
)
def test_a_limit_that_would_be_ignored_is_refused(scheduler: str, budget: Budget, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check(PROGRAM, scheduler=scheduler, budget=budget)


def test_garbage_collection_comes_back() -> None:
    assert gc.isenabled()
    with pytest.raises(ValueError, match="inside"), without_collecting():  # noqa: PT012
        assert not gc.isenabled()
        raise ValueError("inside")
    assert gc.isenabled()


def test_garbage_collection_stays_off_where_it_was_off() -> None:
    gc.disable()
    try:
        with without_collecting():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_progress_is_told() -> None:
    told: list[int] = []
    budget = Budget(timeout=60, progress=told.append)
    assert not budget.late(budget.deadline(), 7)
    assert told == [7]


def test_the_states_that_a_uniform_sampler_counts_are_limited_and_can_be_more() -> None:
    few = check(PROGRAM, scheduler="uniform", budget=Budget(max_interleavings=5, max_states=5))
    assert [note.partition(":")[0] for note in few.notes] == ["not exactly uniform"]
    assert few.weighted_by_length
    assert "about uniform" in str(few)
    assert not check(PROGRAM, scheduler="uniform", budget=Budget(max_interleavings=5, max_states=50)).notes
    with pytest.raises(LimitError, match="more than 5 states"):
        check(PROGRAM, scheduler="uniform-traces", budget=Budget(max_interleavings=5, max_states=5))


@pytest.mark.parametrize("scheduler", ["graph", "naive"])
def test_what_takes_more_steps_than_allowed_is_not_found(scheduler: str) -> None:
    def body() -> Body:
        value = yield Read("x")
        yield Write("x", value + 1)

    program = Program({"a": body, "b": body}, memory={"x": 0})
    found = {steps: check(program, scheduler=scheduler, budget=Budget(max_steps=steps)).findings for steps in (2, 3)}
    assert found[2] == ()
    assert [(finding.title, len(finding.witness or ())) for finding in found[3]] == [("data race on x", 3)]
