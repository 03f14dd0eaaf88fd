"""Serial orders are as many as the threads' sets: looking at them keeps to a budget, too."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest

from simulator.assertions import IncompleteFailure, assert_serializable
from simulator.errors import LimitError
from simulator.ops import Pause, Write
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.serial import serial_outcomes


def writes(location: int) -> Any:
    yield Write(location, 1)


def crowd(threads: int) -> Program:
    """Each thread writes to a place of its own: one outcome, 2ⁿ sets of threads."""
    bodies = {f"t{number}": partial(writes, number) for number in range(threads)}
    return Program(bodies, memory=dict.fromkeys(range(threads), 0))


def test_serial_orders_of_many_threads_end_with_the_time() -> None:
    started = time.monotonic()
    with pytest.raises(IncompleteFailure, match="the serial orders are not known: the time was up"):
        assert_serializable(crowd(24), budget=Budget(timeout=0.2), incomplete_ok=True)
    assert time.monotonic() - started < 5


def test_the_time_may_be_up_within_one_thread() -> None:
    def long() -> Any:
        for _ in range(5_000):
            yield Pause()

    program = Program({"a": long})
    assert len(serial_outcomes(program)) == 1
    with pytest.raises(LimitError, match="the time was up"):
        serial_outcomes(program, budget=Budget(timeout=1e-9))


def test_the_time_may_be_up_while_it_is_read_how_serial_orders_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.outcome_assertions.LOOK_AT_CLOCK", 1)
    with pytest.raises(IncompleteFailure, match="the serial orders are not known: the time was up"):
        assert_serializable(crowd(2), budget=Budget(timeout=1e-9))


def test_more_sets_of_threads_than_are_looked_at_by_default_need_a_larger_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The empty set is where all begin: 2⁶ - 1 others.
    monkeypatch.setattr("simulator.serial.MOST", 62)
    for budget in (None, Budget(max_states=1)):
        with pytest.raises(LimitError, match=r"more than 62 sets of threads and states \(a larger max_states"):
            serial_outcomes(crowd(6), budget=budget)
    assert len(serial_outcomes(crowd(6), budget=Budget(max_states=63))) == 1
    monkeypatch.setattr("simulator.serial.MOST", 63)
    assert len(serial_outcomes(crowd(6))) == 1
