"""A search that is stopped, however often, and taken up again ends with the report of one that was not.

Stopped means ended without notice, right after a saving or right before it; or at a limit, which is then raised.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import UsageError
from simulator.explore import Scheduler, check
from simulator.ops import Operation, Read, Write
from simulator.program import Program
from simulator.report import Report
from simulator.search.budget import Budget, Stop
from tests.conftest import FACTOR, PROFILE
from tests.laws.programs import Small, any_programs, small_programs

WALKING = [scheduler for scheduler in Scheduler if not scheduler.visits_states]
RUNS = 60
"""What a search goes through at most: enough for it to be stopped a few times."""


class Killed(Exception):
    """The process is no more."""


class Kept:
    """A checkpoint in memory, as text; it ends the search when it is to be saved for the `ends_at`-th time."""

    def __init__(self, *, is_due: bool = True) -> None:
        self.is_due = is_due
        self.text: str | None = None
        self.ends_at: int | None = None
        self.saves_first = True
        self.savings = 0

    def load(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = None if self.text is None else json.loads(self.text)
        return found

    def due(self) -> bool:
        return self.is_due

    def save(self, saved: Mapping[str, Any]) -> None:
        text = json.dumps(saved)
        self.savings += 1
        if self.savings == self.ends_at:
            if self.saves_first:
                self.text = text
            raise Killed
        self.text = text


def stopped_and_resumed(small: Small, ends: list[tuple[int, bool]], **options: Any) -> tuple[Report, Kept]:
    kept = Kept()
    program = small.program()
    for kept.ends_at, kept.saves_first in ends:
        kept.savings = 0
        try:
            check(program, checkpoint=kept, **options)
        except Killed:
            continue
        break
    kept.ends_at = None
    return check(program, checkpoint=kept, **options), kept


ends = st.lists(st.tuples(st.integers(1, RUNS // 2), st.booleans()), min_size=1, max_size=4)


@pytest.mark.parametrize("scheduler", WALKING)
@settings(max_examples=12 * FACTOR[PROFILE])
@given(small=any_programs, ends=ends, limit=st.sampled_from([RUNS, 10, 300]))
def test_a_search_that_is_ended_without_notice_loses_and_doubles_nothing(
    scheduler: Scheduler, small: Small, ends: list[tuple[int, bool]], limit: int
) -> None:
    budget = Budget(max_interleavings=limit)
    report, _ = stopped_and_resumed(small, ends, scheduler=scheduler, budget=budget)
    assert report.to_dict() == check(small.program(), scheduler=scheduler, budget=budget).to_dict()


@pytest.mark.parametrize("scheduler", WALKING)
@settings(max_examples=12 * FACTOR[PROFILE])
@given(small=small_programs(endless=True), ends=ends, max_steps=st.integers(1, 7))
def test_runs_that_are_cut_are_not_forgotten(
    scheduler: Scheduler, small: Small, ends: list[tuple[int, bool]], max_steps: int
) -> None:
    budget = Budget(max_interleavings=RUNS, max_steps=max_steps)
    report, _ = stopped_and_resumed(small, ends, scheduler=scheduler, budget=budget)
    assert report.to_dict() == check(small.program(), scheduler=scheduler, budget=budget).to_dict()


@settings(max_examples=40 * FACTOR[PROFILE])
@given(small=small_programs(endless=True), ends=ends)
def test_a_run_without_end_still_ends_the_search(small: Small, ends: list[tuple[int, bool]]) -> None:
    budget = Budget(max_interleavings=RUNS)
    report, _ = stopped_and_resumed(small, ends, scheduler="dpor", budget=budget)
    assert report.to_dict() == check(small.program(), scheduler="dpor", budget=budget).to_dict()


@pytest.mark.parametrize("scheduler", WALKING)
@settings(max_examples=10 * FACTOR[PROFILE])
@given(small=any_programs, limits=st.lists(st.integers(1, RUNS), min_size=1, max_size=4, unique=True).map(sorted))
def test_a_limit_can_be_raised(scheduler: Scheduler, small: Small, limits: list[int]) -> None:
    kept = Kept()
    for limit in limits:
        budget = Budget(max_interleavings=limit)
        report = check(small.program(), scheduler=scheduler, budget=budget, checkpoint=kept)
        assert report.to_dict() == check(small.program(), scheduler=scheduler, budget=budget).to_dict()


@pytest.mark.parametrize("scheduler", WALKING)
@settings(max_examples=6 * FACTOR[PROFILE])
@given(small=any_programs)
def test_what_is_done_is_not_done_again(scheduler: Scheduler, small: Small) -> None:
    kept = Kept(is_due=False)
    budget = Budget(max_interleavings=RUNS)
    report = check(small.program(), scheduler=scheduler, budget=budget, checkpoint=kept)
    assert kept.text is not None
    assert json.loads(kept.text)["runs"] == report.runs
    done, kept.savings = kept.text, 0
    assert check(small.program(), scheduler=scheduler, budget=budget, checkpoint=kept).to_dict() == report.to_dict()
    assert kept.savings <= 1
    assert kept.text == done


def waiting() -> Program:
    """One thread waits for the other, in vain where the steps run out: the first runs are cut, the last one is not."""

    def waits() -> Iterator[Operation]:
        while (yield Read("x")) != 1:
            pass

    def writes() -> Iterator[Operation]:
        yield Write("x", 1)

    return Program({"waits": waits, "writes": writes}, memory={"x": 0})


@pytest.mark.parametrize("scheduler", [scheduler for scheduler in WALKING if not scheduler.samples])
def test_after_the_last_run_that_was_cut_it_is_still_known(scheduler: Scheduler) -> None:
    budget = Budget(max_steps=4)
    whole = check(waiting(), scheduler=scheduler, budget=budget)
    assert whole.stop is Stop.STEPS
    assert whole.runs is not None
    for number in range(1, whole.runs + 1):
        kept = Kept()
        kept.ends_at = number
        with pytest.raises(Killed):
            check(waiting(), scheduler=scheduler, budget=budget, checkpoint=kept)
        kept.ends_at = None
        assert check(waiting(), scheduler=scheduler, budget=budget, checkpoint=kept).to_dict() == whole.to_dict()


def test_a_limit_below_what_was_done_is_refused() -> None:
    kept = Kept()
    check(waiting(), scheduler="naive", budget=Budget(max_steps=6), checkpoint=kept)
    with pytest.raises(UsageError, match="the checkpoint holds 7 runs, more than max_interleavings 3"):
        check(waiting(), scheduler="naive", budget=Budget(max_steps=6, max_interleavings=3), checkpoint=kept)
