"""SURW: uniform over the orders of the interesting steps, whatever else the threads do."""

from __future__ import annotations

import random
from fractions import Fraction
from functools import partial
from itertools import islice

from scenarios.counter import counter
from simulator.machine import Machine
from simulator.ops import Acquire, Pause, Read, Release, Write
from simulator.program import Program
from simulator.search.naive import interleavings
from simulator.search.surw import surw
from simulator.trace import Event
from tests.laws.chances import distribution


def steps(text: str):
    for letter in text:
        yield Write(letter, 1) if letter.islower() else Pause()


def of(*texts: str, memory: str = "xy") -> Machine:
    return Machine(
        Program(
            {f"t{place}": partial(steps, text) for place, text in enumerate(texts)}, memory=dict.fromkeys(memory, 0)
        )
    )


def order(machine: Machine, schedule: tuple[int, ...], location: str) -> str:
    """Who touched the location, in order."""
    state, found = machine.initial, ""
    for thread in schedule:
        state, event = machine.step(state, thread)
        found += str(thread) * (event.footprint.name == location)
    return found


def test_steps_that_are_not_interesting_do_not_skew_the_order_of_those_that_are() -> None:
    # t0 pauses four times before its write; a random walk has it second in most runs. Here: 1/2.
    machine = of("PPPPx", "x")
    odds = distribution(lambda draw: order(machine, next(surw(machine, draw=draw)).schedule, "x"))
    assert odds == {"01": Fraction(1, 2), "10": Fraction(1, 2)}


def test_orders_of_the_counters_accesses_are_equally_likely() -> None:
    machine = Machine(counter.program(threads=2))
    odds = distribution(lambda draw: order(machine, next(surw(machine, draw=draw)).schedule, "count"))
    assert odds == dict.fromkeys(["0011", "0101", "0110", "1001", "1010", "1100"], Fraction(1, 6))


def test_a_thread_with_more_interesting_steps_weighs_more() -> None:
    # One x against three: its place among the four is uniform.
    machine = of("x", "xxx")
    odds = distribution(lambda draw: order(machine, next(surw(machine, draw=draw)).schedule, "x").index("0"))
    assert odds == dict.fromkeys(range(4), Fraction(1, 4))


def test_each_shared_location_is_the_interesting_one_in_some_runs() -> None:
    # x and y are shared, z is not: one draw chooses between two.
    machine = of("xyz", "yx", memory="xyz")
    asked = []

    class Draw:
        def __mul__(self, many: int) -> int:
            asked.append(many)
            return 0

    next(surw(machine, draw=Draw))  # type: ignore[arg-type]
    assert asked[0] == 2


def test_the_caller_may_say_what_is_interesting() -> None:
    machine = of("Px", "xP")
    odds = distribution(
        lambda draw: (
            next(surw(machine, draw=draw, interesting=lambda event: isinstance(event.operation, Pause))).schedule
        )
    )
    pauses_first = sum(chance for schedule, chance in odds.items() if schedule.index(0) < 3 - schedule[::-1].index(1))
    assert pauses_first == Fraction(1, 2)


def test_without_anything_shared_it_is_a_random_walk() -> None:
    machine = of("xP", "y")
    odds = distribution(lambda draw: next(surw(machine, draw=draw)).schedule)
    assert odds == {(1, 0, 0): Fraction(1, 2), (0, 1, 0): Fraction(1, 4), (0, 0, 1): Fraction(1, 4)}


def test_when_the_one_to_move_is_blocked_another_is_drawn() -> None:
    def body(first: str, second: str):
        yield Acquire(first)
        yield Acquire(second)
        yield Release(second)
        yield Release(first)

    machine = Machine(Program({"a": partial(body, "l", "m"), "b": partial(body, "m", "l")}, locks=["l", "m"]))

    def on_a_lock(event: Event) -> bool:
        return event.footprint.on_lock

    for interesting in (None, on_a_lock):
        runs = list(islice(surw(machine, draw=random.Random(1).random, interesting=interesting), 200))
        assert {machine.outcome(run.state).how for run in runs} == {"finished", "deadlocked"}


def test_a_thread_with_more_interesting_steps_than_expected_may_still_take_them_first() -> None:
    """Once a a a b could not happen: in the one run that the counts came from, a takes fewer of them."""

    def body():
        yield Read("x")
        yield Acquire("l")
        yield Read("x")
        yield Acquire("l")

    machine = Machine(Program({"a": body, "b": body}, memory={"x": 0}, locks=["l"]))
    odds = distribution(lambda draw: next(surw(machine, draw=draw)).schedule)
    assert odds.keys() == {found.schedule for found in interleavings(machine)}


def test_a_count_that_was_too_low_keeps_no_run_from_happening() -> None:
    def reader():
        if (yield Read("y")):
            yield Read("x")
            yield Read("x")

    def writer():
        yield Write("x", 1)
        yield Write("y", 1)

    machine = Machine(Program({"a": reader, "b": writer}, memory={"x": 0, "y": 0}))
    odds = distribution(lambda draw: next(surw(machine, draw=draw)).schedule)
    # a before, between, or (and then it reads twice more) after the writes.
    assert odds.keys() == {(0, 1, 1), (1, 0, 1), (1, 1, 0, 0, 0)}
