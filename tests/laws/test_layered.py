"""Laws of the layered search: what it sees is what the whole state graph sees, and its schedules show it."""

from __future__ import annotations

from hypothesis import given, settings

from simulator.analysis.detector import sightings_in
from simulator.analysis.detectors import detectors_for
from simulator.analysis.riders import Riders
from simulator.machine import Machine
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.graph import Explored, StateGraph
from simulator.search.layered import LayeredGraph
from simulator.search.reduced import Reduced
from simulator.search.replay import run_of
from tests.conftest import PROFILE
from tests.laws.programs import Small, any_programs

many = settings(max_examples=2000 if PROFILE == "thorough" else 150)


def swept(program: Program, *, symmetry: bool = True) -> Reduced:
    explored = LayeredGraph(program, detectors_for(program), Budget(), symmetry=symmetry).run()
    assert explored is not None
    return explored


def whole_graph(program: Program) -> Explored:
    machine = Machine(program)
    riders = Riders(machine, tuple(detector.over_states() for detector in detectors_for(program)))
    return StateGraph(machine, riders, Budget()).run()


@many
@given(any_programs)
def test_the_layered_search_sees_what_the_state_graph_sees(small: Small) -> None:
    program = small.program()
    explored, graph = swept(program), whole_graph(program)
    assert explored.complete
    assert explored.undecided == ()
    assert set(explored.outcomes) == set(graph.outcomes)
    assert set(explored.sightings) == set(graph.sightings)


@many
@given(any_programs)
def test_each_of_its_schedules_shows_its_sighting(small: Small) -> None:
    program = small.program()
    machine = Machine(program)
    by_kind = {detector.kind: detector for detector in detectors_for(program)}
    for sighting, schedule in swept(program).sightings.items():
        assert sighting in sightings_in(by_kind[sighting.kind], run_of(machine, schedule))


@many
@given(any_programs)
def test_keeping_interchangeable_threads_in_one_order_changes_nothing_that_is_seen(small: Small) -> None:
    ordered, unordered = swept(small.program()), swept(small.program(), symmetry=False)
    assert set(ordered.outcomes) == set(unordered.outcomes)
    assert set(ordered.sightings) == set(unordered.sightings)
    assert ordered.states <= unordered.states
