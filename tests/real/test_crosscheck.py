"""The three facts beside each other. Natural frequency is never asserted: only what every run guarantees."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest

from simulator.analysis.finding import Kind
from simulator.errors import UsageError
from simulator.explore import check
from simulator.loading import load
from simulator.ops import Read, Write
from simulator.program import Program
from simulator.real.baton import force
from simulator.real.crosscheck import CrossCheck, crosscheck, schedules_by_outcome, wilson
from simulator.real.natural import Batch, Interpreter
from simulator.search.budget import Budget
from simulator.trace import Outcome

pytestmark = pytest.mark.real

FILE = """
from simulator.ops import Add, Read, Write
from simulator.program import Program
from simulator.scenario import Plain, scenario

class Counter:
    count = 0
    other = "not in the model"

def increment():
    value = yield Read("count")
    value = yield Add(value, 1)
    yield Write("count", value)

@scenario(summary="Two increments.")
def right(by: int = 1) -> Program:
    return Program({"a": increment, "b": increment}, memory={"count": 0, "unobserved": 7})

@scenario(summary="The plain version does something else.")
def wrong(by: int = 1) -> Program:
    return Program({"a": increment, "b": increment}, memory={"count": 0})

def of(step):
    def plain(by):
        def work(counter):
            counter.count += step
        return Plain(
            Counter,
            lambda counter: {"a": lambda: work(counter), "b": lambda: work(counter)},
            lambda counter: {"count": counter.count, "other": counter.other},
            globals(),
        )
    return plain

right.as_plain(of(1))
wrong.as_plain(of(5))
program = Program({"a": increment, "b": increment}, memory={"count": 0})
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(FILE)
    return str(tmp_path / "mine.py")


def finished(count: int, **others: int) -> Outcome:
    return Outcome("finished", (("count", count), *others.items()))


def test_the_three_facts_about_two_increments(path: str) -> None:
    progress: list[tuple[str, int, int]] = []
    found = crosscheck(load(f"{path}:right"), {}, runs=10, progress=lambda *told: progress.append(told))
    assert found.ok
    # Possible: of the twenty interleavings, eighteen lose one of the two increments.
    assert found.possible == {finished(1, unobserved=7): 18, finished(2, unobserved=7): 2}
    assert (found.interleavings, found.complete) == (20, True)
    # Forced: every finding and every outcome, each as the model says.
    shown = [what for run in found.forced for what in run.shows]
    assert "lost update on count" in shown
    assert {"outcome count=1 unobserved=7", "outcome count=2 unobserved=7"} <= set(shown)
    assert all(run.agrees for run in found.forced)
    # Observed: ten runs, each with an outcome that was predicted; compared on what both know.
    assert sum(row.times for row in found.observed) == 10
    assert all(row.predicted for row in found.observed)
    assert len(found.not_seen) + len(found.observed) == 2
    assert [told for told in progress if told[0] == "observed"][-1] == ("observed", 10, 10)


def test_an_outcome_that_the_model_does_not_have_is_a_bug_in_the_model(path: str) -> None:
    found = crosscheck(load(f"{path}:wrong"), {}, runs=3)
    assert not found.ok
    assert {dict(outcome.memory)["count"] for outcome in found.not_predicted} <= {5, 10}
    assert "The model is WRONG: it does not have count=" in str(found)
    assert found.to_dict()["ok"] is False


class ForgetfulMemory(dict[Hashable, Any]):
    """Memory that keeps only even numbers."""

    def __setitem__(self, location: Hashable, value: Any) -> None:
        super().__setitem__(location, value - value % 2)


def test_real_memory_that_does_something_else_is_noticed(path: str) -> None:
    found = crosscheck(load(f"{path}:program"), {}, runs=1, memory=ForgetfulMemory)
    assert not found.ok
    assert found.disagreements
    assert "DIFFER at step" in str(found)


def test_a_program_without_a_plain_version_is_only_forced(path: str) -> None:
    found = crosscheck(load(f"{path}:program"), {}, runs=5)
    assert found.ok
    assert found.natural is None
    assert found.observed == found.not_seen == ()
    assert any("no plain Python version" in note for note in found.notes)
    assert "3. Observed" not in str(found)


def test_the_unsafe_bank_ends_by_itself_and_its_deadlock_is_forced() -> None:
    found = crosscheck(load("scenarios.bank:bank"), {}, runs=20)
    assert found.ok
    assert found.natural is not None
    assert found.natural.done == 20
    deadlocks = [run for run in found.forced if any(what.startswith("deadlock on") for what in run.shows)]
    assert [run.forced.outcome.how for run in deadlocks if run.forced.outcome is not None] == ["deadlocked"]
    assert len(deadlocks[0].forced.blocked) == 2


def test_the_ordered_bank_never_deadlocks() -> None:
    found = crosscheck(load("scenarios.bank:bank"), {"strategy": "ordered"}, runs=20)
    assert found.ok
    assert [str(row.outcome) for row in found.observed] == ["balance[1]=800 balance[2]=1200"]
    assert not found.not_seen


def test_a_search_that_was_cut_calls_nothing_unpredicted(path: str) -> None:
    loaded = load(f"{path}:wrong")
    program = loaded.program()
    report = check(program, budget=Budget(max_steps=2))
    found = crosscheck(loaded, {}, runs=2, report=report)
    if not found.complete:
        assert found.ok
        assert any("not all known" in note for note in found.notes)


def test_ctrl_c_while_forcing_keeps_what_there_is(path: str) -> None:
    def interrupt(what: str, done: int, _: int) -> None:
        if (what, done) == ("forced", 1):
            raise KeyboardInterrupt

    found = crosscheck(load(f"{path}:right"), {}, runs=5, progress=interrupt)
    assert found.interrupted
    assert len(found.forced) == 1
    assert found.natural is None
    assert any("Interrupted" in note for note in found.notes)


def test_the_json_form_is_plain(path: str) -> None:
    found = crosscheck(load(f"{path}:right"), {"by": 2}, runs=2)
    there_and_back = json.loads(json.dumps(found.to_dict()))
    assert there_and_back["values"] == {"by": 2}
    assert there_and_back["possible"]["interleavings"] == 20
    assert there_and_back["observed"]["runs"] == 2


def test_every_outcome_has_a_schedule_that_forces_it() -> None:
    def body() -> Any:
        value = yield Read("x")
        yield Write("x", value * 2 + 1)

    program = Program(dict.fromkeys("abc", body), memory={"x": 1})
    wanted = check(program).outcomes
    found = schedules_by_outcome(program, wanted)
    assert set(found) == set(wanted)
    for outcome, schedule in found.items():
        assert force(program, schedule).outcome == outcome
    assert schedules_by_outcome(program, wanted, max_states=1) == {}


def test_the_wilson_interval_is_the_published_one() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for times, runs, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
                                   (1, 29, 0.0061, 0.1718)]:  # fmt: skip
        assert wilson(times, runs) == pytest.approx((low, high), abs=5e-5)
    assert wilson(20, 20)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("implementation", "gil", "said"),
    [("CPython", True, "not expected"), ("CPython", False, "truly at the same time"), ("PyPy", True, "own affair")],
)
def test_the_note_says_what_to_expect_of_the_interpreter(implementation: str, gil: bool, said: str) -> None:
    from simulator.real.crosscheck import _notes

    interpreter = Interpreter(implementation, (3, 13, 0), gil, 0.005)
    natural = Batch(asked=1, outcomes={finished(2): 1})
    possible: dict[Outcome, int | None] = {finished(1): 18, finished(2): 2}
    found = CrossCheck("counter", {}, interpreter, possible, 20, True, (), natural)
    report = check(load("scenarios.counter:counter").program())
    assert Kind.LOST_UPDATE in {finding.kind for finding in report.findings}
    assert any(said in note for note in _notes(found, report, True))


def test_no_runs_are_refused(path: str) -> None:
    with pytest.raises(UsageError, match="runs is 0"):
        crosscheck(load(f"{path}:right"), {}, runs=0)
