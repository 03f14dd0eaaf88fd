"""POS: its exact probabilities on programs so small that they can be told by hand."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

from scenarios.counter import counter
from simulator.machine import Machine
from simulator.ops import Acquire, Read, Release, Write
from simulator.program import Program
from simulator.search.distinct import TraceKeys
from simulator.search.pos import pos
from tests.laws.chances import distribution
from tests.laws.test_samplers import literal_pos


def write(*locations: str):
    for location in locations:
        yield Write(location, 1)


def odds_of(machine: Machine) -> dict[Any, Fraction]:
    return distribution(lambda draw: next(pos(machine, draw=draw)).schedule, ranks=True)


def test_two_single_writes_go_either_way_alike() -> None:
    machine = Machine(Program({"a": partial(write, "x"), "b": partial(write, "x")}, memory={"x": 0}))
    assert odds_of(machine) == {(0, 1): Fraction(1, 2), (1, 0): Fraction(1, 2)}


def test_a_pending_event_that_does_not_race_keeps_its_priority() -> None:
    # a: x x, b: y. b's step comes last when it is the least of three numbers: 1/3, in the middle when it is the second and
    # a's first one the highest: 1/6. Were it drawn anew after each step of a's, it would be last in 1/4.
    machine = Machine(Program({"a": partial(write, "x", "x"), "b": partial(write, "y")}, memory={"x": 0, "y": 0}))
    assert odds_of(machine) == {(1, 0, 0): Fraction(1, 2), (0, 1, 0): Fraction(1, 6), (0, 0, 1): Fraction(1, 3)}


def test_a_pending_event_that_races_is_drawn_anew() -> None:
    machine = Machine(Program({"a": partial(write, "x", "x"), "b": partial(write, "x")}, memory={"x": 0}))
    assert odds_of(machine) == {(1, 0, 0): Fraction(1, 2), (0, 1, 0): Fraction(1, 4), (0, 0, 1): Fraction(1, 4)}


def test_two_operations_on_one_lock_race() -> None:
    def locked(times: int):
        for _ in range(times):
            yield Acquire("m")
            yield Release("m")

    machine = Machine(Program({"a": partial(locked, 2), "b": partial(locked, 1)}, locks=["m"]))
    # b's acquire, passed over once, has a new priority for the second round.
    assert odds_of(machine) == {
        (1, 1, 0, 0, 0, 0): Fraction(1, 2),
        (0, 0, 1, 1, 0, 0): Fraction(1, 4),
        (0, 0, 0, 0, 1, 1): Fraction(1, 4),
    }


def test_drawing_anew_at_once_or_when_next_enabled_is_the_same_distribution() -> None:
    def read_write():
        value = yield Read("x")
        yield Write("x", value + 1)

    machine = Machine(Program({"a": read_write, "b": read_write}, memory={"x": 0}))
    assert odds_of(machine) == distribution(lambda draw: literal_pos(machine, draw, at_once=True), ranks=True)


def test_each_trace_of_the_counter_is_met() -> None:
    machine = Machine(counter.program(threads=2))
    keys = TraceKeys(machine)
    odds = distribution(lambda draw: keys.key(next(pos(machine, draw=draw)).schedule), ranks=True)
    assert len(odds) == 4
    assert min(odds.values()) > 0
