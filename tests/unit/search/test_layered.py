"""The layered search on hand-made programs; its laws are in tests/laws/test_layered.py."""

from __future__ import annotations

from functools import partial

import pytest

from scenarios.counter import counter
from scenarios.published.locks import philosophers
from simulator.analysis.detectors import detectors_for
from simulator.errors import UsageError
from simulator.explore import check
from simulator.machine import Machine
from simulator.ops import Pause, Read, Write
from simulator.program import Program
from simulator.search import layered
from simulator.search.budget import Budget, Stop
from simulator.search.layered import LayeredGraph
from simulator.search.reduced import Reduced, ReducedGraph, Reduction


def swept(program: Program, budget: Budget | None = None) -> Reduced | None:
    return LayeredGraph(program, detectors_for(program), budget or Budget()).run()


def test_it_visits_the_states_that_fusion_and_symmetry_leave() -> None:
    program = counter.program(threads=4, increments=2)
    without = Reduction.FUSION | Reduction.SYMMETRY
    reduced = ReducedGraph(Machine(program), detectors_for(program), Budget(), reductions=without).run()
    explored = swept(program)
    assert explored is not None
    assert explored.states == reduced.states


def test_six_philosophers_deadlock_and_nothing_else_is_wrong() -> None:
    explored = swept(philosophers.program(n=6))
    assert explored is not None
    assert [str(sighting.kind) for sighting in explored.sightings] == ["deadlock"]
    assert len(next(iter(explored.sightings.values()))) == 6


def poll() -> object:
    while (yield Read("x")) < 2:
        yield Pause()


def step(value: int) -> object:
    yield Write("x", value)


def test_a_program_that_can_run_for_ever_does_not_fit() -> None:
    program = Program({"a": poll, "b": poll, "c": partial(step, 1), "d": partial(step, 2)}, memory={"x": 0})  # type: ignore[dict-item]
    assert swept(program) is None
    with pytest.raises(UsageError, match="layered does not fit"):
        check(program, scheduler="layered")


def test_states_that_are_too_wide_do_not_fit() -> None:
    assert swept(counter.program(threads=40)) is None


def test_a_limit_ends_it_and_says_so() -> None:
    explored = swept(counter.program(threads=4, increments=2), Budget(max_states=100))
    assert explored is not None
    assert explored.stop is Stop.STATES
    report = check(counter.program(threads=4, increments=2), scheduler="layered", budget=Budget(max_states=100))
    assert not report.complete


def test_values_that_outgrow_their_fields_make_it_start_again_on_others() -> None:
    program = counter.program(threads=2, increments=30)
    explored = swept(program)
    assert explored is not None
    assert explored.complete
    assert {str(outcome) for outcome in explored.outcomes} >= {"count=30", "count=60"}


def test_without_numpy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layered, "available", lambda: False)
    with pytest.raises(UsageError, match=r"pip install 'interleaving-simulator\[fast\]'"):
        check(counter.program(threads=2), scheduler="layered")


def test_its_report_is_that_of_the_state_graph() -> None:
    program = counter.program(threads=3, increments=1)
    sweep, graph = check(program, scheduler="layered"), check(program, scheduler="graph")
    assert sweep.complete
    assert [(f.title, str(f.witness)) for f in sweep.findings] == [(f.title, str(f.witness)) for f in graph.findings]
