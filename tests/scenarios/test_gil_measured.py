"""What is measured on real threads and processes: that it is there, that it ends, and what is said when it cannot be
had."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from fractions import Fraction
from math import comb
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.gil import ask as asking
from scenarios.gil import harness, measure, memory
from scenarios.gil.ask import ask
from scenarios.gil.compare import Comparison, Row
from scenarios.gil.costs import Costs
from scenarios.gil.experiments import AT_ONCE, Executor, Experiment, Workload, experiments
from scenarios.gil.measure import Measured, Measurement, available_here
from scenarios.gil.predict import predict
from scenarios.gil.spread import CONFIDENCE, spread
from scenarios.gil.tables import comparison_table, measurement_table
from simulator.errors import UsageError
from simulator.real.interpreters import Interpreter

HERE = Interpreter.current()
EXPERIMENT = Experiment(Workload.CPU, Executor.FORK, 2)

# -- spread


@given(st.lists(st.floats(0.001, 1_000), min_size=1, max_size=30))
def test_a_spread_lies_around_its_median_and_is_made_of_measurements(values: list[float]) -> None:
    found = spread(values)
    assert found.low <= found.median <= found.high
    assert {found.low, found.high} <= set(values)
    assert found == spread(values[::-1])


@pytest.mark.parametrize("number", range(4, 13))
def test_the_interval_holds_the_median_as_often_as_it_says(number: int) -> None:
    """Each measurement is above or below the true median, as a coin falls: all 2^n ways, gone through."""
    found = spread([float(place) for place in range(number)])
    low, high = int(found.low), int(found.high)
    outside = 0
    for falls in itertools.product((False, True), repeat=number):
        below = sum(falls)
        outside += not low < below <= high
    assert outside / 2**number <= 1 - CONFIDENCE
    narrower = sum(comb(number, below) for below in range(number + 1) if not low + 1 < below <= high - 1)
    assert narrower / 2**number > 1 - CONFIDENCE or low + 1 >= high - 1


def test_one_that_is_far_off_does_not_widen_it() -> None:
    assert spread([1.0, 1.1, 0.9, 1.0, 1.2, 1.0, 99.0]).high == 1.2
    assert spread([1.0, 1.0, 1.0]).conclusive
    assert not spread([1.0]).conclusive
    assert not spread([1.0, 2.0, 1.0, 2.0]).conclusive


# -- tables


def row(*speedups: float) -> Row:
    measured = Measured(EXPERIMENT, spread([0.1] * len(speedups)), spread(speedups))
    return Row(predict(EXPERIMENT, Costs()), measured, None)


def test_a_busy_machine_is_called_inconclusive_with_its_spread() -> None:
    rows = (row(1.9, 1.9, 1.9, 1.9), row(1.0, 1.9, 1.0, 1.9))
    text = comparison_table(Comparison(HERE, Costs(), None, rows))
    assert "inconclusive: 1 of 2 (spread up to ±31%, more than ±15%); is the machine busy?" in text
    assert "; of the 1 of 2 that are conclusive 1.2%" in text
    text = measurement_table(Measurement(HERE, tuple(each.measured for each in rows)))
    assert "1.00–1.90 ?" in text
    assert "inconclusive: 1 of 2" in text


def test_measured_once_is_inconclusive() -> None:
    assert "inconclusive: 1 of 1 (measured once)" in comparison_table(Comparison(HERE, Costs(), None, (row(1.9),)))


def test_the_mean_error_is_that_of_all_rows() -> None:
    comparison = Comparison(HERE, Costs(), None, (row(*[100 / 52] * 4), row(*[200 / 52] * 4)))
    assert [round(each.error, 3) for each in comparison.rows] == [0.0, -0.5]
    assert round(comparison.mean_error() or 0, 3) == 0.25
    assert "mean error 25.0% (25.0% by the formula)" in comparison_table(comparison)


def test_one_core_is_said() -> None:
    costs = Costs(cores=1, capacity=Fraction(1))
    assert comparison_table(Comparison(HERE, costs, None, (row(1.0, 1.0),))).endswith(
        "One core: nothing that computes can be faster in threads or processes."
    )


# -- bad input


def test_more_processes_than_memory_allows_are_refused_before_they_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 100 * 2**20)
    memory.check_memory(5)
    with pytest.raises(
        UsageError, match=r"^6 processes need about 120 MB, and 100 MB are free: ask for at most 5 at once$"
    ):
        memory.check_memory(6)
    monkeypatch.setattr(memory, "available", lambda: None)
    memory.check_memory(10**9)


def test_how_much_memory_there_is_is_known_here() -> None:
    found = memory.available()
    assert (found is not None and found > 2**20) or sys.platform != "linux"


def test_a_platform_without_fork_is_told_when_fork_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "methods", lambda _: ("spawn",))
    wanted = list(experiments([Workload.CPU], AT_ONCE, (2,)))
    possible, note = available_here(wanted, HERE)
    assert [each.executor for each in possible] == [Executor.THREADS, Executor.SPAWN]
    assert note == "left out, for this platform does not have it: fork"
    with pytest.raises(UsageError, match=r"^this platform cannot start processes by fork; it has: spawn$"):
        available_here(wanted, HERE, asked_for=("fork",))


# -- the harness


@pytest.mark.real
def test_every_executor_does_its_units() -> None:
    wanted, _ = available_here(list(experiments(Workload, AT_ONCE, (2,))), HERE)
    found = measure.measure(wanted, HERE, work=1_000, request=1_000, repeats=1)
    assert [each.experiment for each in found.measured] == wanted
    assert all(each.seconds.median > 0 for each in found.measured)


@pytest.mark.real
def test_processes_that_die_are_no_fast_ones() -> None:
    with pytest.raises(OSError, match=r"^2 of 2 processes failed, with exit code 3$"):
        harness.timed("spawn", 2, sys.exit, 3, 30)


@pytest.mark.real
def test_a_thread_that_fails_is_no_fast_one() -> None:
    with pytest.raises(ZeroDivisionError):
        harness.timed("threads", 2, (1).__floordiv__, 0, 30)


@pytest.mark.real
def test_a_process_that_does_not_end_is_ended() -> None:
    with pytest.raises(OSError, match=r"^1 of 1 processes had not ended after 0\.5 s$"):
        harness.timed("spawn", 1, harness.work, 10**12, 0.5)


def told(order: Mapping[str, Any], limit: float = 60) -> tuple[list[dict[str, Any]], str]:
    found: list[dict[str, Any]] = []
    return found, ask(HERE, order, found.append, limit=limit)


@pytest.mark.real
def test_the_harness_says_what_it_can_do() -> None:
    (said,), stopped = told({"do": "hello"})
    assert stopped == ""
    assert said["cores"] >= 1
    assert said["gil"] is HERE.gil
    assert set(said["methods"]) <= {"fork", "spawn"}


@pytest.mark.real
def test_what_takes_too_long_is_stopped_and_what_there_is_is_kept() -> None:
    found, stopped = told({"do": "convoy", "beside": [0], "requests": 10**6, "delay": 0.001, "work": 0.0001}, limit=1.0)
    assert stopped == "stopped after 1 s"
    assert len(found) > 2


def test_a_harness_that_ends_in_the_middle_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import sys\nsys.exit('not today')\n")
    monkeypatch.setattr(asking, "HARNESS", broken)
    with pytest.raises(UsageError, match=r"^CPython .* ended in the middle, with code 1: not today$"):
        told({"do": "hello"})
