"""Published defects, each caught by the assertion that fits it, in the fewest preemptions there are.

Which outcomes a model has, how many interleavings end badly and in how few preemptions that can be, is read off the golden
file; here stands only which assertion is the fitting one, and which look for something else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.assertions import (
    InterleavingFailure,
    assert_clean,
    assert_deadlock_free,
    assert_invariant,
    assert_lock_order_acyclic,
    assert_no_lost_updates,
    assert_serializable,
)
from simulator.program import Program
from simulator.search.replay import replay
from tests.known_answers import programs

GOLDEN = Path(__file__).parent / "golden"
MODELS: dict[str, Any] = json.loads((GOLDEN / "golden.json").read_text())["sctbench_models"]

Asserted = Callable[[Program], object]

FITTING: dict[str, Asserted] = {"bug": assert_invariant, "deadlock": assert_deadlock_free}
"""The assertion for each way to go wrong: a check of the program's own that fails, or a deadlock."""
HOWS = {"bug": "failed check", "deadlock": "deadlocked"}

CASES = [(name, how) for name, model in MODELS.items() for how in model["min_preemptions"]]

SERIAL_BUGS = {name for name, how in CASES if MODELS[name]["min_preemptions"][how] == 0}
"""Models that go wrong without any preemption: then it is the order of whole threads that does it."""


def caught(asserted: Asserted, program: Program) -> InterleavingFailure:
    with pytest.raises(InterleavingFailure) as found:
        asserted(program)
    return found.value


def test_every_model_goes_wrong_in_a_way_that_has_an_assertion() -> None:
    assert {name for name, _ in CASES} == set(MODELS)
    assert {how for _, how in CASES} == set(FITTING)


@pytest.mark.parametrize(("name", "how"), CASES)
def test_the_fitting_assertion_catches_it_with_the_fewest_preemptions(name: str, how: str) -> None:
    program = programs.named(name)
    failed = caught(FITTING[how], program)
    assert failed.finding is not None
    assert failed.finding.shortest
    run = replay(program, failed.schedule, finish=True)
    assert run.outcome is not None
    assert run.outcome.how == HOWS[how]
    assert replay(program, failed.schedule).preemptions == MODELS[name]["min_preemptions"][how]
    assert failed.schedule in str(failed)


@pytest.mark.parametrize(("name", "how"), CASES)
def test_nothing_wrong_is_missed_when_everything_is_looked_for(name: str, how: str) -> None:
    caught(assert_clean, programs.named(name))


@pytest.mark.parametrize(("name", "how"), CASES)
def test_what_goes_wrong_only_with_a_preemption_is_no_outcome_of_a_serial_order(name: str, how: str) -> None:
    program = programs.named(name)
    if name in SERIAL_BUGS:
        # The check itself expects something wrong: the threads do behave as if they took turns.
        assert_serializable(program)
        return
    failed = caught(assert_serializable, program)
    assert replay(program, failed.schedule).outcome is not None
    assert failed.finding is not None
    assert failed.finding.preemptions == MODELS[name]["min_preemptions"][how]


@pytest.mark.parametrize(("name", "how"), CASES)
def test_assertions_that_look_for_something_else_pass(name: str, how: str) -> None:
    program = programs.named(name)
    for other, asserted in FITTING.items():
        if other not in MODELS[name]["min_preemptions"]:
            if other == "bug":
                # They have no property of their own: this one holds of every program.
                assert_invariant(program, lambda memory: True)
            else:
                asserted(program)
    assert_no_lost_updates(program)
    if "deadlock" in MODELS[name]["min_preemptions"]:
        assert caught(assert_lock_order_acyclic, program).schedule
    else:
        assert_lock_order_acyclic(program)
