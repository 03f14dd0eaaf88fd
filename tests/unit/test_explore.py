"""The loop: what a report says, and what it does not."""

from __future__ import annotations

import json
from collections.abc import Generator
from fractions import Fraction
from typing import Any

import pytest

from simulator.analysis.finding import Kind
from simulator.errors import UsageError
from simulator.explore import Scheduler, check, explore
from simulator.machine import Machine
from simulator.ops import Acquire, Add, Read, Release, Write
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.reduced import Reduction

Body = Generator[Any, Any, None]


def increment() -> Body:
    value = yield Read("count")
    value = yield Add(value, 1)
    yield Write("count", value)


def locked() -> Body:
    yield Acquire("m")
    yield from increment()
    yield Release("m")


RACY = Program({"a": increment, "b": increment}, memory={"count": 0})
SAFE = Program({"a": locked, "b": locked}, memory={"count": 0}, locks=["m"])


@pytest.mark.parametrize("scheduler", ["graph", "naive"])
def test_the_articles_counter(scheduler: str) -> None:
    report = check(RACY, scheduler=scheduler)
    lost, race = report.findings
    assert (lost.title, str(lost.witness), lost.preemptions) == ("lost update on count", "a*2 b*3 a", 1)
    assert lost.share is not None
    assert lost.share.of_interleavings == Fraction(9, 10)
    assert lost.share.odds == Fraction(3, 4)
    assert [step.number for step in lost.steps] == [1, 5, 6]
    assert race.title == "data race on count"
    assert report.complete
    assert not report.clean


@pytest.mark.parametrize("scheduler", ["graph", "naive"])
def test_a_locked_counter_never_loses_an_update(scheduler: str) -> None:
    report = check(SAFE, scheduler=scheduler)
    assert report.complete
    assert report.clean
    assert [str(outcome) for outcome in report.outcomes] == ["count=2"]


def test_samples_are_no_proof() -> None:
    report = check(SAFE, scheduler="random", seed=3, budget=Budget(max_interleavings=20))
    assert report.clean
    assert not report.complete
    assert report.runs == 20
    assert report.seed == 3


def test_the_same_seed_gives_the_same_report() -> None:
    budget = Budget(max_interleavings=5)
    first, second = (check(RACY, scheduler="random", seed=1, budget=budget).to_dict() for _ in range(2))
    assert first == second


def test_explore_is_lazy_and_gives_each_interleaving_once() -> None:
    big = Program({f"t{number}": increment for number in range(8)}, memory={"count": 0})
    assert str(next(iter(explore(big))).schedule) == " ".join(f"t{number}*3" for number in range(8))
    assert len({run.schedule for run in explore(RACY)}) == 20


def test_explore_keeps_to_its_budget() -> None:
    assert len(list(explore(RACY, budget=Budget(max_interleavings=3)))) == 3
    cut = list(explore(RACY, budget=Budget(max_steps=2)))
    assert {run.outcome.how for run in cut if run.outcome} == {"out of steps"}
    assert [str(run.schedule) for run in cut] == ["a*2", "a b", "b a", "b*2"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scheduler": "naiv"}, "unknown scheduler 'naiv'; did you mean 'naive'?"),
        ({"scheduler": "naive", "seed": 1}, "seed is for the samplers (random, "),
        ({"seed": 1}, "seed needs a scheduler to be chosen"),
        ({"scheduler": "dpor", "bound": 1}, "bound is for preemptions and delays; dpor has none"),
        ({"scheduler": "pos", "depth": 2}, "depth is for pct; pos has none"),
        ({"scheduler": "delays", "bound": -1}, "bound is -1, expected 0 or more delays"),
        ({"scheduler": "pct", "depth": 10**20}, "expected a number up to 100"),
        ({"scheduler": "dpor", "reductions": Reduction.NONE}, "reductions can be switched off of the reduced search"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(RACY, **options)
    assert said in str(caught.value)


def test_a_machine_runs_its_bodies_for_the_first_check_alone() -> None:
    started = []

    def body() -> Generator[Any, Any, None]:
        started.append(1)
        yield Write("x", (yield Read("x")) + 1)

    machine = Machine(Program({"a": body, "b": body}, memory={"x": 0}))
    first = check(machine)
    ran = len(started)
    again = check(machine)
    assert len(started) == ran
    assert again.to_dict() == first.to_dict() == check(machine.program).to_dict()
    assert len(started) > ran


def test_what_a_machine_merges_cannot_be_taken_apart() -> None:
    def body() -> Generator[Any, Any, None]:
        yield Read("x")

    program = Program({"a": body}, memory={"x": 0})
    with pytest.raises(UsageError, match="merge=False does not fit: this machine was made to merge"):
        check(Machine(program), merge=False)
    assert check(Machine(program, merge=False), merge=False).complete


def test_the_state_graph_has_no_runs_to_explore() -> None:
    with pytest.raises(UsageError, match="graph visits states, not runs"):
        explore(RACY, scheduler=Scheduler.GRAPH)


def test_a_report_in_plain_types() -> None:
    plain = json.loads(json.dumps(check(RACY).to_dict()))
    assert plain["complete"] is True
    assert plain["interleavings"] == 20
    assert plain["findings"][0]["share"] == {"interleavings": 18, "of": 20, "random_walk": "3/4"}
    assert plain["findings"][0]["witness"] == "a*2 b*3 a"


def test_properties_of_the_memory() -> None:
    program = Program(
        {"a": increment, "b": increment},
        memory={"count": 0},
        always={"never two": lambda memory: memory["count"] < 2},
        finally_={"two at the end": lambda memory: memory["count"] == 2},
    )
    found = {finding.detail: finding for finding in check(program).findings if finding.kind == "failed invariant"}
    assert str(found["never two"].witness) == "a*3 b*3"
    assert str(found["two at the end"].witness) == "a*2 b*3 a"
    assert found["never two"].share is not None
    assert found["never two"].share.count == 2
    assert found["two at the end"].share is not None
    assert found["two at the end"].share.count == 18


def test_a_kind_of_finding_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no kind of finding 'deadlok'; did you mean 'deadlock'"):
        check(Program({"a": lambda: iter(())}), kinds=["deadlok"])


def spin() -> Body:
    while True:
        yield Read("x")


def grow() -> Body:
    while True:
        value = yield Read("x")
        yield Write("x", value + 1)


def test_naive_enumeration_ends_at_a_run_that_does_not_unless_a_cut_was_asked_for() -> None:
    program = Program({"a": spin, "b": spin}, memory={"x": 0})
    report = check(program, scheduler="naive")
    assert (report.runs, report.complete, str(report.stop)) == (1, False, "max_steps reached")
    assert check(program, scheduler="naive", budget=Budget(max_steps=3)).runs == 8


def test_nothing_is_estimated_that_has_no_number() -> None:
    report = check(
        Program({"a": spin, "b": spin}, memory={"x": 0}), scheduler="random", budget=Budget(max_interleavings=3)
    )
    assert (report.interleavings_estimate, report.traces_estimate) == (None, None)
    assert report.notes[-1].startswith("the program can run for ever")


def test_pct_promises_nothing_where_the_longest_run_is_not_known() -> None:
    report = check(
        Program({"a": spin, "b": spin}, memory={"x": 0}), scheduler="pct", budget=Budget(max_interleavings=3)
    )
    assert "nothing is promised" in report.notes[0]
    kept = check(Program({"a": increment, "b": increment}, memory={"count": 0}), scheduler="pct", depth=2)
    assert "probability of at least 1/12 = 1/(n·k^(d-1)), for n = 2 threads and runs of at most k = 6" in kept.notes[0]


def test_a_program_whose_values_grow_is_given_up_before_a_million_states() -> None:
    report = check(Program({"a": grow, "b": grow}, memory={"x": 0}))
    assert not report.complete
    assert report.states == 50_000
    assert report.why == "more than 20,000 states, and a run with more than 10,000 steps"
    assert Kind.LOST_UPDATE in {finding.kind for finding in report.findings}
