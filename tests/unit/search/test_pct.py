"""PCT: its exact probabilities, by trying every order of priorities and every set of change points."""

from __future__ import annotations

import json
import operator
import random
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from scenarios.counter import counter
from simulator.errors import UsageError
from simulator.machine import Machine
from simulator.ops import Acquire, Pause, Read, Release, Update, Write
from simulator.program import Program
from simulator.search.pct import bound, pct
from tests.laws.chances import distribution

GOLDEN = Path(__file__).resolve().parents[2] / "known_answers" / "golden" / "golden.json"
EXACT: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))["pct_exact"]


def bluetooth_driver() -> Program:
    def work():
        if (yield Read("stopping")) == 0:
            yield Update("pending", operator.add, 1)
            assert not (yield Read("stopped"))
        if (yield Update("pending", operator.sub, 1)) == 1:
            yield Write("event", 1)

    def stop():
        yield Write("stopping", 1)
        if (yield Update("pending", operator.sub, 1)) == 1:
            yield Write("event", 1)
        if (yield Read("event")):
            yield Write("stopped", 1)

    return Program({"a": work, "b": stop}, memory={"pending": 1, "stopping": 0, "stopped": 0, "event": 0})


def crossed_locks() -> Program:
    def body(first: str, second: str):
        yield Acquire(first)
        yield Acquire(second)
        value = yield Read("c")
        yield Write("c", value + 1)
        yield Release(second)
        yield Release(first)

    return Program({"a": partial(body, "l", "m"), "b": partial(body, "m", "l")}, memory={"c": 0}, locks=["l", "m"])


PROGRAMS = {
    "bluetooth_driver": (bluetooth_driver(), "failed check"),
    "deadlock01": (crossed_locks(), "deadlocked"),
    "counter3(2,1)": (counter.program(threads=2), "count=1"),
}


def sampled(machine: Machine, draw: Any, **more: Any) -> tuple[int, ...]:
    return next(pct(machine, draw=draw, **more)).schedule


@pytest.mark.parametrize("name", EXACT)
def test_the_probability_of_the_bug_is_the_known_one_and_above_the_bound(name: str) -> None:
    program, bug = PROGRAMS[name.split()[0]]
    depth, steps = int(name[-1]), EXACT[name]["k"]
    machine = Machine(program)

    def outcome(draw: Any) -> str:
        return str(machine.outcome(next(pct(machine, draw=draw, depth=depth, steps=steps)).state))

    odds = distribution(outcome)
    found = sum((chance for text, chance in odds.items() if text.startswith(bug)), Fraction(0))
    assert found == Fraction(EXACT[name].get("p_bug", EXACT[name].get("p_lost")))
    if "bound" in EXACT[name]:
        assert bound(len(machine.threads), steps, depth) == Fraction(EXACT[name]["bound"])
    # These bugs are of depth 2: one step of a thread between two of the other.
    assert (found >= bound(len(machine.threads), steps, depth)) == (depth >= 2)


def test_depth_one_is_a_random_order_of_the_threads_one_after_the_other() -> None:
    machine = Machine(counter.program(threads=3))
    odds = distribution(lambda draw: sampled(machine, draw, depth=1))
    assert list(odds.values()) == [Fraction(1, 6)] * 6
    assert (1, 1, 1, 0, 0, 0, 2, 2, 2) in odds


def test_a_change_takes_effect_after_the_step_that_has_its_number() -> None:
    # Three draws: nobody is exchanged with b (0.9), so that b's priority is the higher; the change is after step 2 of 6.
    machine = Machine(counter.program(threads=2))
    draws = iter([0.9, 1 / 6])
    assert sampled(machine, lambda: next(draws), depth=2) == (1, 1, 0, 0, 0, 1)


def test_the_number_of_steps_is_that_of_the_probed_run_unless_given() -> None:
    machine = Machine(counter.program(threads=2))
    probed = distribution(lambda draw: sampled(machine, draw, depth=2))
    assert probed == distribution(lambda draw: sampled(machine, draw, depth=2, steps=6))
    assert probed != distribution(lambda draw: sampled(machine, draw, depth=2, steps=12))


def test_a_depth_or_a_number_of_steps_below_one_is_the_callers_mistake() -> None:
    machine = Machine(counter.program())
    for wrong in ({"depth": 0}, {"steps": 0}, {"depth": -1}):
        with pytest.raises(UsageError, match="expected a number above 0"):
            pct(machine, draw=random.Random(1).random, **wrong)


def test_a_thread_that_spins_is_stopped_by_the_limit_and_not_by_luck() -> None:
    def spin():
        while not (yield Read("x")):
            yield Pause()

    def set_it():
        yield Write("x", 1)

    machine = Machine(Program({"a": spin, "b": set_it}, memory={"x": 0}))
    runs = list(islice(pct(machine, draw=random.Random(1).random, depth=1, max_steps=50), 10))
    assert {(run.cut, len(run.schedule)) for run in runs} == {(True, 50), (False, 2)}
