"""Law: whatever complete search is chosen, or picked, a report says the same about a program.

Each finding, its shortest witness, its share and its story are the same for the state graph, the reduced one, optimal DPOR and
naive enumeration, and for each stage of the portfolio that picks among them. Naive enumeration is the reference: it
folds every detector over every interleaving and leaves nothing out.
"""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analysis.detector import sightings_in
from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Kind, Sighting, Status
from simulator.explore import Report, Scheduler, check
from simulator.machine import Machine
from simulator.program import Program
from simulator.search.replay import replay
from simulator.serial import serial_outcomes
from tests.conftest import PROFILE
from tests.laws.crowds import crowds
from tests.laws.programs import Small, any_programs, lock_programs, small_programs, tangled_programs

thorough = PROFILE == "thorough"
many = settings(max_examples=2000 if thorough else 150)
some = settings(max_examples=2000 if thorough else 70)

ending = st.one_of(crowds(), any_programs, lock_programs)

STAGES: dict[Scheduler, dict[str, int]] = {
    Scheduler.GRAPH: {},
    Scheduler.DPOR: {"FEW_STATES": 3},
    Scheduler.REDUCED: {"FEW_STATES": 3, "FEW_TRACES": 1},
}
"""Limits of the portfolio with which it comes as far as each of its searches, on programs that are not tiny."""


def variants(small: Small) -> list[Program]:
    """With a property of every step, which some searches have to look at apart, and without."""
    program = small.program()
    plain = Program(
        program.bodies,
        memory=program.memory,
        locks=program.locks,
        rlocks=program.rlocks,
        finally_=program.final_properties,
    )
    return [program, plain]


def said(report: Report) -> list[str]:
    """All that the findings say, in an order of their own."""
    assert report.complete
    return sorted(json.dumps(found.to_dict()) for found in report.findings)


@some
@given(ending, st.sampled_from([None, *(each for each in Scheduler if not each.samples and not each.is_bounded)]))
def test_what_is_looked_for_alone_is_found_as_among_all(small: Small, scheduler: Scheduler | None) -> None:
    for program in variants(small):
        whole = check(program, scheduler=scheduler)
        for kind in Kind:
            alone = check(program, scheduler=scheduler, kinds=[kind], counted=False)
            assert said(alone) == sorted(
                json.dumps({**found.to_dict(), "share": None}) for found in whole.findings if found.kind is kind
            )
            assert alone.outcomes.keys() == whole.outcomes.keys()


def picked(program: Program, stage: Scheduler) -> Report:
    with pytest.MonkeyPatch.context() as patched:
        for name, few in STAGES[stage].items():
            patched.setattr(sys.modules["simulator.explore"], name, few)
        return check(program)


@many
@given(ending)
def test_every_complete_search_reports_the_same(small: Small) -> None:
    for program in variants(small):
        naive = check(program, scheduler=Scheduler.NAIVE)
        for scheduler in (Scheduler.GRAPH, Scheduler.REDUCED, Scheduler.DPOR):
            report = check(program, scheduler=scheduler)
            assert said(report) == said(naive), scheduler
            assert report.outcomes.keys() == naive.outcomes.keys()
            assert (report.census, report.trace_census) == (naive.census, naive.trace_census)


@many
@given(ending)
def test_whatever_is_picked_reports_the_same(small: Small) -> None:
    for program in variants(small):
        naive = check(program, scheduler=Scheduler.NAIVE)
        for stage in STAGES:
            report = picked(program, stage)
            assert said(report) == said(naive), (stage, report.scheduler)
            assert report.outcomes.keys() == naive.outcomes.keys()


@some
@given(small_programs(endless=True))
def test_searches_through_states_report_the_same_of_programs_that_never_end(small: Small) -> None:
    for program in variants(small):
        graph = check(program, scheduler=Scheduler.GRAPH)
        assert said(check(program, scheduler=Scheduler.REDUCED)) == said(graph)
        for stage in STAGES:
            assert said(picked(program, stage)) == said(graph), stage


@some
@given(ending)
def test_every_search_reports_the_same_with_and_without_merging(small: Small) -> None:
    program = small.program()
    for scheduler in (None, Scheduler.GRAPH, Scheduler.REDUCED, Scheduler.DPOR, Scheduler.NAIVE):
        merged, unmerged = (check(program, scheduler=scheduler, merge=merge) for merge in (True, False))
        assert said(merged) == said(unmerged), scheduler


@some
@given(ending, st.sampled_from([None, Scheduler.GRAPH, Scheduler.REDUCED, Scheduler.DPOR, Scheduler.NAIVE]))
def test_a_machine_that_was_used_before_reports_the_same_as_its_program(
    small: Small, scheduler: Scheduler | None
) -> None:
    program = small.program()
    fresh = check(program, scheduler=scheduler)
    machine = Machine(program)
    for _ in range(2):
        report = check(machine, scheduler=scheduler)
        assert said(report) == said(fresh)
        assert report.outcomes == fresh.outcomes
        assert (report.census, report.trace_census) == (fresh.census, fresh.trace_census)
        assert report.lock_edges == fresh.lock_edges
    assert serial_outcomes(machine) == serial_outcomes(program)


@some
@given(ending)
def test_every_witness_of_every_search_shows_its_finding(small: Small) -> None:
    program = small.program()
    detectors = {detector.kind: detector for detector in detectors_for(program)}
    for scheduler in (None, Scheduler.GRAPH, Scheduler.REDUCED, Scheduler.DPOR, Scheduler.NAIVE):
        for finding in check(program, scheduler=scheduler).findings:
            if finding.witness is None:
                assert finding.status is Status.IMPOSSIBLE
                continue
            run = replay(program, str(finding.witness))
            assert run.preemptions == finding.preemptions
            seen = sightings_in(detectors[finding.kind], run)
            assert seen[Sighting(finding.kind, finding.objects, finding.detail)] == len(run)


def test_each_stage_is_picked_and_every_kind_is_found_often_enough() -> None:
    """The laws above would hold of programs with nothing to find, too."""
    seen: dict[object, int] = {}

    def look(small: Small) -> None:
        for program in variants(small):
            for stage in STAGES:
                report = picked(program, stage)
                for what in {report.scheduler, *(finding.kind for finding in report.findings)}:
                    seen[what] = seen.get(what, 0) + 1

    for drawn in (crowds(), any_programs, tangled_programs()):
        settings(max_examples=60, database=None)(given(drawn)(look))()
    for what in (*STAGES, *Kind):
        assert seen.get(what, 0) >= 5, (what, seen)
