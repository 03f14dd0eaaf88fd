"""Schedules and their text, outcomes and their order, runs."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import ScheduleError
from simulator.ops import Acquire, Read, Release, Write
from simulator.program import Program
from simulator.search.replay import Misfit, replay
from simulator.trace import Outcome, Schedule

Body = Generator[Any, Any, None]
THREADS = ["a", "b", "worker-1", "t0"]


@given(st.lists(st.sampled_from(THREADS)))
def test_a_schedules_text_is_read_back(steps: list[str]) -> None:
    assert Schedule.parse(str(Schedule(steps)), THREADS) == Schedule(steps)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        Schedule.parse(text, THREADS)
    except ScheduleError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a*0", "schedule word 1 'a*0' has no usable count after '*'"),
        ("a a*", "schedule word 2 'a*' has no usable count"),
        ("a*-1", "no usable count"),
        ("a*1.5", "no usable count"),
        ("a*x", "no usable count"),
        ("a*²", "no usable count"),
        ("a**2", "no usable count"),
        ("*3", "schedule word 1 '*3' cannot be read"),
        ("a t1", "schedule word 2 names thread 't1'; known: a, b, t0, worker-1"),
        ("zzz", "names thread 'zzz'; known: a, b, t0, worker-1"),
        ("a*99999999999", "no usable count"),
        ("a*9000000 b*9000000", "longer than 10,000,000 steps"),
    ],
)
def test_what_a_schedule_that_cannot_be_read_is_told(text: str, said: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        Schedule.parse(text, THREADS)
    assert said in str(caught.value)


def test_the_order_of_outcomes() -> None:
    outcomes = [
        Outcome("finished", (("x", 1),)),
        Outcome("finished", (("x", 2),)),
        Outcome("finished", (("x", 10),)),
        Outcome("finished", (("x", "a"),)),
        Outcome("failed check", (("x", 0),)),
        Outcome("crashed", (("x", 0),)),
        Outcome("deadlocked", (("x", 0),)),
        Outcome("out of steps", (("x", 0),)),
    ]
    mixed = outcomes[::2] + outcomes[1::2]
    assert sorted(mixed, key=lambda outcome: outcome.sort_key) == outcomes


def increment() -> Body:
    value = yield Read("x")
    yield Write("x", value + 1)


def locked() -> Body:
    yield Acquire("m")
    yield Release("m")


COUNTER = Program({"a": increment, "b": increment}, memory={"x": 5})
LOCKED = Program({"a": locked, "b": locked}, locks=["m"])


@pytest.mark.parametrize(
    ("schedule", "preemptions"), [("a*2 b*2", 0), ("a b*2 a", 1), ("a b a b", 2), ("b a*2 b", 1), ("", 0), ("a", 0)]
)
def test_preemptions_of_a_run(schedule: str, preemptions: int) -> None:
    assert replay(COUNTER, schedule).preemptions == preemptions


def test_a_run_in_plain_types() -> None:
    assert json.loads(json.dumps(replay(COUNTER, "a b*2 a").to_dict())) == {
        "schedule": "a b*2 a",
        "preemptions": 1,
        "outcome": "x=6",
        "steps": [
            {"step": 1, "thread": "a", "does": "read x → 5", "where": where(0)},
            {"step": 2, "thread": "b", "does": "read x → 5", "where": where(0)},
            {"step": 3, "thread": "b", "does": "write x = 6", "where": where(1)},
            {"step": 4, "thread": "a", "does": "write x = 6", "where": where(1)},
        ],
        "memory": {"x": 6},
    }


def where(offset: int) -> str:
    return f"test_trace.py:{increment.__code__.co_firstlineno + 1 + offset}"


def test_a_run_that_is_not_at_its_end_has_no_outcome() -> None:
    assert replay(COUNTER, "a b").outcome is None
    assert str(replay(COUNTER, "a b", finish=True).schedule) == "a b*2 a"


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("a b", "stops fitting at step 2 of 2: b is blocked: it wants to acquire m"),
        ("a*3", "stops fitting at step 3 of 3: a has ended (finished); enabled there: b"),
        ("a*2 b*3", "b has ended (finished); nothing is enabled there"),
    ],
)
def test_where_a_schedule_stops_fitting(schedule: str, said: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        replay(LOCKED, schedule)
    assert said in str(caught.value)


def test_going_on_from_where_a_schedule_stops_fitting() -> None:
    assert str(replay(LOCKED, "a b b a", misfit=Misfit.STOP).schedule) == "a"
    assert str(replay(LOCKED, "a b b a", misfit=Misfit.SKIP).schedule) == "a*2"
    assert str(replay(LOCKED, "a b b a", misfit=Misfit.SKIP, finish=True).schedule) == "a*2 b*2"


def test_a_schedule_of_a_thread_that_there_is_not() -> None:
    with pytest.raises(ScheduleError, match="names thread 'c' at step 2"):
        replay(LOCKED, ["a", "c"])
