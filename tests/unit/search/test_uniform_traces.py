"""Uniform Mazurkiewicz traces: counted over states and sleep sets, and numbered."""

from __future__ import annotations

import json
import random
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from scenarios.counter import counter
from simulator.clocks import canonical_form
from simulator.errors import LimitError
from simulator.machine import COMPACT, Machine
from simulator.ops import Acquire, Read, Release, Write
from simulator.program import Program
from simulator.search.interchange import Interchange
from simulator.search.replay import run_of
from simulator.search.sleep_sets import SleepSets
from simulator.search.uniform_traces import RankedTraces, uniform_traces

GOLDEN = Path(__file__).resolve().parents[2] / "known_answers" / "golden" / "golden.json"


def dine(first: int, second: int):
    yield Acquire(first)
    yield Acquire(second)
    yield Release(second)
    yield Release(first)


def philosophers(number: int) -> Program:
    return Program(
        {f"p{seat}": partial(dine, seat, (seat + 1) % number) for seat in range(number)}, locks=range(number)
    )


def test_the_four_traces_of_two_incrementing_threads_by_number() -> None:
    # Of each, the order of r0 w0 r1 w1 that counts: both reads first (and then one write or the other), or one after the other.
    machine = Machine(counter.program(threads=2))
    ranked = RankedTraces(machine)
    outcomes = [machine.outcome(ranked.at(number).state).memory for number in range(ranked.total)]
    assert sorted(outcomes) == [(("count", 1),)] * 2 + [(("count", 2),)] * 2


@pytest.mark.parametrize(("threads", "increments", "total"), [(2, 2, 34), (3, 1, 36), (3, 2, 7134), (5, 1, 14_400)])
def test_totals_are_the_known_ones(threads: int, increments: int, total: int) -> None:
    assert RankedTraces(Machine(counter.program(threads=threads, increments=increments), bits=COMPACT)).total == total


def test_philosophers_have_all_but_two_ways_to_finish_and_one_deadlock() -> None:
    machine = Machine(philosophers(4))
    ranked = RankedTraces(machine)
    ends = [machine.outcome(ranked.at(number).state).how for number in range(ranked.total)]
    assert (ends.count("finished"), ends.count("deadlocked")) == (2**4 - 2, 1)


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 4, 0, 3, 1)])
def test_the_trap_of_dpor_has_36_traces_in_whatever_order_the_threads_are(order: tuple[int, ...]) -> None:
    def last():
        seen = yield Read("x")
        yield Write("x", 1)
        if seen:
            yield Read("z")

    def write(location: str):
        yield Write(location, 1)

    def read(location: str):
        yield Read(location)

    bodies = [partial(write, "x"), partial(write, "z"), partial(write, "x"), partial(read, "z"), last]
    assert json.loads(GOLDEN.read_text(encoding="utf-8"))["traps"]["optimal_notdep_trap"]["traces"] == 36
    machine = Machine(Program({f"t{place}": bodies[place] for place in order}, memory={"x": 0, "z": 0}))
    ranked = RankedTraces(machine)
    forms = {canonical_form(run_of(machine, ranked.at(number).schedule).events) for number in range(ranked.total)}
    assert ranked.total == len(forms) == 36


def test_interchangeable_threads_are_named_as_they_ran() -> None:
    """Ten threads have 13 trillion traces: counted in one order, and each sample is a run of the threads themselves."""
    machine = Machine(counter.program(threads=6), bits=COMPACT)
    for found in islice(uniform_traces(machine, draw=random.Random(1).random), 50):
        run = run_of(machine, found.schedule)
        assert run.outcome == machine.outcome(found.state)
        assert sorted(found.schedule) == sorted([*range(6)] * 3)


def test_the_state_at_the_end_is_that_of_the_threads_themselves() -> None:
    """Cut in the middle, where each of three threads is somewhere else."""
    machine = Machine(counter.program(threads=3))
    for max_steps in range(9):
        ranked = RankedTraces(machine, max_steps=max_steps)
        for number in range(ranked.total):
            found = ranked.at(number)
            state = machine.initial
            for thread in found.schedule:
                state, _ = machine.step(state, thread)
            assert (found.state, found.cut, len(found.schedule)) == (state, True, max_steps)


def test_states_that_differ_in_who_is_where_and_who_sleeps_have_one_that_stands_for_all() -> None:
    machine = Machine(counter.program(threads=3))
    order = Interchange(machine)
    moved = [reached for _, reached in machine.successors(machine.initial)]
    # One thread has moved; of the two others one is asleep.
    found = {
        order.ordered(state, 1 << asleep)[:2] for one, state in enumerate(moved) for asleep in range(3) if asleep != one
    }
    assert len(found) == 1
    # The one that has moved is asleep.
    found |= {order.ordered(state, 1 << one)[:2] for one, state in enumerate(moved)}
    assert len(found) == 2


def test_too_many_pairs_of_state_and_sleep_set_are_refused() -> None:
    with pytest.raises(LimitError, match="max_states"):
        uniform_traces(Machine(counter.program(threads=4)), draw=random.Random(1).random, max_states=100)


def test_sleeping_threads_are_woken_by_what_depends_on_their_step() -> None:
    def write(location: str):
        yield Write(location, 1)

    machine = Machine(
        Program({"a": partial(write, "x"), "b": partial(write, "y"), "c": partial(write, "x")}, memory={"x": 0, "y": 0})
    )
    tree = SleepSets(machine)
    after = tree.after(machine.initial, 0)
    assert after is not None
    # a's step wakes nobody; b's leaves a asleep; c's wakes a and leaves b asleep.
    assert [(thread, asleep) for thread, _, asleep in after] == [(0, 0b000), (1, 0b001), (2, 0b010)]
    # With a and c asleep only b goes on, and nobody wakes: a dead end.
    ((_, state, asleep),) = tree.after(machine.initial, 0b101) or []
    assert asleep == 0b101
    assert tree.after(state, asleep) == []
