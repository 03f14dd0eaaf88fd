"""Walks weighted by the steps left, and the run that is looked at to know how many there are."""

from __future__ import annotations

import random
from fractions import Fraction
from functools import partial
from itertools import islice

from scenarios.counter import counter
from simulator.machine import Machine
from simulator.ops import Acquire, Pause, Read, Release, Write
from simulator.program import Program
from simulator.search.probe import MOST_STEPS, probe
from simulator.search.weighted_by_length import weighted_by_length
from tests.laws.chances import distribution


def pauses(times: int):
    for _ in range(times):
        yield Pause()


def locked():
    yield Acquire("m")
    yield Release("m")


def crossed(first: str, second: str):
    yield Acquire(first)
    yield Acquire(second)
    yield Release(second)
    yield Release(first)


def test_a_short_thread_beside_a_long_one_is_anywhere_equally_likely() -> None:
    # The short one's step is before, between or after the five others: six places. A random walk puts it first in half.
    machine = Machine(Program({"short": partial(pauses, 1), "long": partial(pauses, 5)}))
    odds = distribution(lambda draw: next(weighted_by_length(machine, draw=draw)).schedule.index(0))
    assert odds == dict.fromkeys(range(6), Fraction(1, 6))


def test_all_twenty_interleavings_of_two_incrementing_threads_are_equally_likely() -> None:
    machine = Machine(counter.program(threads=2))
    odds = distribution(lambda draw: next(weighted_by_length(machine, draw=draw)).schedule)
    assert list(odds.values()) == [Fraction(1, 20)] * 20


def test_it_is_not_uniform_where_locks_block() -> None:
    # m is taken by a or by b, and then the other waits: two interleavings for any weights; with c free, more.
    machine = Machine(Program({"a": locked, "b": locked, "c": partial(pauses, 1)}, locks=["m"]))
    odds = distribution(lambda draw: next(weighted_by_length(machine, draw=draw)).schedule)
    assert len(odds) == 10
    assert set(odds.values()) != {Fraction(1, 10)}


def test_given_lengths_are_used_and_a_thread_that_outlives_its_length_weighs_one() -> None:
    machine = Machine(Program({"a": partial(pauses, 2), "b": partial(pauses, 1)}))
    odds = distribution(lambda draw: next(weighted_by_length(machine, draw=draw, lengths=[0, 3])).schedule)
    assert odds == {(1, 0, 0): Fraction(3, 4), (0, 1, 0): Fraction(3, 16), (0, 0, 1): Fraction(1, 16)}


def test_the_probed_run_is_the_longest_of_those_that_end() -> None:
    # Round robin deadlocks after two steps; a thread after the other takes all eight.
    machine = Machine(Program({"a": partial(crossed, "l", "m"), "b": partial(crossed, "m", "l")}, locks=["l", "m"]))
    assert probe(machine).lengths(machine) == [4, 4]


def test_a_thread_that_waits_in_a_loop_does_not_make_the_probe_endless() -> None:
    def wait():
        while not (yield Read("x")):
            yield Pause()

    def set_it():
        yield Pause()
        yield Write("x", 1)

    machine = Machine(Program({"a": wait, "b": set_it}, memory={"x": 0}))
    # Round robin: a b a b a. First a alone for ever: cut, not counted. First b: b b a.
    assert probe(machine).lengths(machine) == [3, 2]
    never = Machine(Program({"a": wait}, memory={"x": 0}))
    assert probe(never).lengths(never) == [MOST_STEPS]
    assert probe(never, max_steps=12).lengths(never) == [12]
    runs = list(islice(weighted_by_length(machine, draw=random.Random(1).random, max_steps=4), 20))
    assert {run.cut for run in runs} == {True, False}
