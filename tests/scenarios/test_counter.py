"""The counter: what exploration proves of it, and that the plain version speaks of the same things."""

from __future__ import annotations

from math import factorial

import pytest

from scenarios.counter import counter
from simulator.analysis.finding import Kind
from simulator.census import count
from simulator.errors import UsageError
from simulator.explore import check


def test_without_a_lock_an_update_is_lost_unless_the_threads_take_turns() -> None:
    report = check(counter(threads=3))
    assert report.complete
    assert {finding.kind for finding in report.findings} == {Kind.LOST_UPDATE, Kind.DATA_RACE, Kind.FAILED_INVARIANT}
    right = [number for outcome, number in count(counter(threads=3)).outcomes.items() if str(outcome) == "count=3"]
    assert right == [factorial(3)]


@pytest.mark.parametrize(("threads", "increments"), [(1, 1), (2, 1), (2, 3), (3, 2), (5, 1)])
def test_with_a_lock_no_interleaving_loses_an_update(threads: int, increments: int) -> None:
    report = check(counter(threads=threads, increments=increments, lock=True))
    assert report.complete
    assert report.clean
    assert [str(outcome) for outcome in report.outcomes] == [f"count={threads * increments}"]


def test_one_thread_and_no_increments_lose_nothing() -> None:
    assert check(counter(threads=1, increments=4)).clean
    idle = check(counter(threads=3, increments=0))
    assert idle.clean
    assert [str(outcome) for outcome in idle.outcomes] == ["count=0"]


def test_the_least_that_can_be_left_of_many_increments_is_two() -> None:
    # The known puzzle: a thread holds the value of its first read until the other has one increment left.
    outcomes = count(counter(threads=2, increments=3)).outcomes
    assert sorted(dict(outcome.memory)["count"] for outcome in outcomes) == [2, 3, 4, 5, 6]


def test_it_starts_from_what_it_is_told() -> None:
    outcomes = count(counter(start=5)).outcomes
    assert {str(outcome): number for outcome, number in outcomes.items()} == {"count=6": 18, "count=7": 2}


def test_threads_are_interchangeable_so_they_are_counted_together() -> None:
    assert counter(threads=4).interchangeable() == ((0, 1, 2, 3),)
    assert counter(threads=4, lock=True).interchangeable() == ((0, 1, 2, 3),)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"threads": 0}, "threads is 0, expected a whole number, 1 to 64"),
        ({"threads": 65}, "threads is 65, expected a whole number, 1 to 64"),
        ({"threads": True}, "threads is True, expected a whole number, 1 to 64"),
        ({"increments": -1}, "increments is -1, expected a whole number, 0 to 1000"),
        ({"lock": 1}, "lock is 1, expected True or False"),
        ({"start": "5"}, "start is '5', expected a whole number"),
        ({"thread": 2}, "scenario 'counter' has no parameter 'thread'; did you mean 'threads'?"),
    ],
)
def test_parameters_are_checked(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        counter(**values)
    assert str(caught.value) == said


@pytest.mark.parametrize("lock", [False, True])
def test_the_plain_version_has_the_same_threads_and_observes_the_same_memory(lock: bool) -> None:
    program, plain = (
        counter(threads=3, increments=2, lock=lock, start=5),
        counter.plain(threads=3, increments=2, lock=lock, start=5),
    )
    assert plain is not None
    state = plain.setup()
    workers = plain.workers(state)
    assert tuple(workers) == program.threads
    assert plain.observe(state) == dict(program.memory)
    for work in workers.values():
        work()
    # One after the other nothing is lost, and the model has that outcome.
    assert plain.observe(state) == {"count": 11}
    assert "count=11" in map(str, count(program).outcomes)
