"""Laws of findings: what is reported is there, is all there is, is as frequent as said, and is shown in the shortest
way.

"Brute force" is every prefix of every interleaving, each looked at by every detector on its own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Iterable
from fractions import Fraction

from hypothesis import given, settings

from simulator.analysis.data_race import DataRace
from simulator.analysis.deadlock import wait_for, waiting_cycles
from simulator.analysis.detector import sightings_in
from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Kind, Share, Sighting, Status
from simulator.analysis.lock_order import LockEdge, LockOrder, lock_edges
from simulator.analysis.lost_update import LostUpdate
from simulator.clocks import HappensBefore
from simulator.explore import Report, check
from simulator.machine import Machine
from simulator.program import Program
from simulator.search.naive import interleavings
from simulator.search.replay import replay, run_of
from simulator.trace import Pending, Run
from tests.conftest import PROFILE
from tests.laws import reference
from tests.laws.programs import Small, any_programs, lock_programs

many = settings(max_examples=2000 if PROFILE == "thorough" else 120)

Key = tuple[int, int, tuple[str, ...]]


class Brute:
    """Every sighting in any interleaving: its shortest prefix, in how many interleavings it is, and how likely."""

    def __init__(self, program: Program, kinds: Collection[Kind] = tuple(Kind)) -> None:
        machine = Machine(program, merge=False)
        detectors = [
            each for each in detectors_for(program) if each.kind in kinds and each.kind is not Kind.LOCK_ORDER_CYCLE
        ]
        self.shortest: dict[Sighting, Key] = {}
        self.ways: dict[Sighting, int] = {}
        self.odds: dict[Sighting, Fraction] = {}
        self.cycles: dict[Sighting, Key] = {}
        """Lock-order cycles that a single run shows, each with the shortest prefix that does."""
        self.pending: dict[tuple[str, Pending], None] = {}
        self._cycles: dict[tuple[LockEdge, ...], tuple[Sighting, ...]] = {}
        self.runs: list[tuple[reference.Interleaving, Run]] = []
        for found in reference.interleavings(program):
            run = replay(machine, found.schedule)
            self.runs.append((found, run))
            for detector in detectors:
                for sighting, length in sightings_in(detector, run).items():
                    key = found.key(length)
                    self.shortest[sighting] = min(self.shortest.get(sighting, key), key)
                    self.ways[sighting] = self.ways.get(sighting, 0) + 1
                    self.odds[sighting] = self.odds.get(sighting, Fraction(0)) + found.odds
            if Kind.LOCK_ORDER_CYCLE in kinds:
                self._cycles_in(found, run)

    def _cycles_in(self, found: reference.Interleaving, run: Run) -> None:
        pending = pending_in(run)
        self.pending |= pending
        if self._cycles_of(pending):
            seen: dict[tuple[str, Pending], None] = {}
            for length, situation in enumerate(run.situations):
                seen |= {(thread, wanted): None for thread, wanted in situation.pending.items() if wanted is not None}
                for sighting in self._cycles_of(seen):
                    key = found.key(length)
                    self.cycles[sighting] = min(self.cycles.get(sighting, key), key)

    def _cycles_of(self, pending: Iterable[tuple[str, Pending]]) -> tuple[Sighting, ...]:
        edges = lock_edges(pending)
        if edges not in self._cycles:
            self._cycles[edges] = LockOrder().over_all(pending)
        return self._cycles[edges]

    def share(self, sighting: Sighting) -> Share:
        return Share(self.ways[sighting], len(self.runs), self.odds[sighting])


def pending_in(run: Run) -> dict[tuple[str, Pending], None]:
    return {
        (thread, wanted): None
        for situation in run.situations
        for thread, wanted in situation.pending.items()
        if wanted is not None
    }


def sightings(report: Report) -> dict[Sighting, Share | None]:
    return {Sighting(found.kind, found.objects, found.detail): found.share for found in report.findings}


def said(report: Report) -> list[str]:
    """The findings, in an order of their own: within a kind, a report lists them as the search came upon them."""
    return sorted(json.dumps(found.to_dict()) for found in report.findings)


@many
@given(any_programs)
def test_findings_are_those_of_brute_force_with_their_shares_and_shortest_witnesses(small: Small) -> None:
    program = small.program()
    brute = Brute(program, set(Kind) - {Kind.LOCK_ORDER_CYCLE})
    report = check(program)
    found = {
        Sighting(each.kind, each.objects, each.detail): each
        for each in report.findings
        if each.kind is not Kind.LOCK_ORDER_CYCLE
    }
    assert found.keys() == brute.shortest.keys()
    for sighting, finding in found.items():
        preemptions, _, schedule = brute.shortest[sighting]
        assert finding.shortest
        assert finding.witness is not None
        assert (finding.preemptions, tuple(finding.witness)) == (preemptions, schedule)
        assert finding.share == brute.share(sighting)
    json.dumps(report.to_dict())


@many
@given(any_programs)
def test_enumeration_and_graph_report_the_same(small: Small) -> None:
    program = small.program()
    graph, naive = check(program), check(program, scheduler="naive")
    assert said(graph) == said(naive)
    assert graph.census == naive.census
    assert said(check(program, merge=False)) == said(graph)


@many
@given(lock_programs)
def test_every_witness_shows_its_finding(small: Small) -> None:
    program = small.program()
    detectors = {detector.kind: detector for detector in detectors_for(program)}
    for finding in check(program).findings:
        if finding.witness is None:
            assert finding.status is Status.IMPOSSIBLE
            continue
        run = replay(program, str(finding.witness))
        assert run.preemptions == finding.preemptions
        seen = sightings_in(detectors[finding.kind], run)
        assert seen[Sighting(finding.kind, finding.objects, finding.detail)] == len(run)
        for step in finding.steps:
            event = run.events[step.number - 1]
            assert (step.thread, step.text, step.where) == (event.thread, event.text, event.where)


@many
@given(lock_programs)
def test_lock_order_cycles_are_those_of_all_runs_together(small: Small) -> None:
    program = small.program()
    brute = Brute(program, {Kind.DEADLOCK, Kind.LOCK_ORDER_CYCLE})
    reported = [each for each in check(program).findings if each.kind is Kind.LOCK_ORDER_CYCLE]
    assert {Sighting(each.kind, each.objects) for each in reported} == set(LockOrder().over_all(brute.pending))
    deadlocked = {
        sighting.objects for sighting in brute.shortest if sighting.kind is Kind.DEADLOCK and not sighting.detail
    }
    for finding in reported:
        assert finding.status is (Status.REALISED if finding.objects in deadlocked else Status.IMPOSSIBLE)
        key = brute.cycles.get(Sighting(finding.kind, finding.objects))
        if finding.status is Status.IMPOSSIBLE and finding.witness is not None:
            assert key is not None
            assert (finding.preemptions, len(finding.witness), tuple(finding.witness)) == key


@many
@given(lock_programs)
def test_a_deadlock_among_threads_is_a_lock_order_cycle_too(small: Small) -> None:
    program = small.program()
    report = check(program)
    cycles = {each.objects for each in report.findings if each.kind is Kind.LOCK_ORDER_CYCLE}
    for finding in report.findings:
        if finding.kind is Kind.DEADLOCK and not finding.detail and len(finding.threads) > 1:
            assert finding.objects in cycles


@many
@given(lock_programs)
def test_a_run_that_ends_blocked_has_a_cycle_or_a_lock_that_nobody_gives_back(small: Small) -> None:
    machine = Machine(small.program())
    for interleaving in interleavings(machine):
        if machine.outcome(interleaving.state).how == "finished":
            continue
        run = run_of(machine, interleaving.schedule)
        if run.final.enabled or not any(run.final.pending.values()):
            continue
        waits = wait_for(run.final)
        assert {wait.thread for wait in waits} == {name for name, wanted in run.final.pending.items() if wanted}
        for cycle in waiting_cycles(waits):
            for wait, following in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
                assert wait.owner == following.thread
                assert run.final.owners[wait.lock] == wait.owner
        if not waiting_cycles(waits):
            assert any(run.final.ends[wait.owner] is not None for wait in waits)


@many
@given(any_programs)
def test_races_seen_from_runs_are_those_seen_from_states(small: Small) -> None:
    """The fold, the reversible pairs of each run, and two threads enabled in one state: reference and graph."""
    program = small.program()
    brute = Brute(program, ())
    from_states = {location for found, _ in brute.runs for location in found.racing}
    from_folds: set[Hashable] = set()
    for _, run in brute.runs:
        folded = {sighting.objects[0] for sighting in sightings_in(DataRace(), run)}
        assert folded == reversible(run)
        from_folds |= folded
    assert from_folds == from_states
    assert from_states == {each.objects[0] for each in check(program).findings if each.kind is Kind.DATA_RACE}


def reversible(run: Run) -> set[Hashable]:
    order = HappensBefore(run.events)
    return {
        order.footprint(first).name
        for first, second in order.races()
        if not order.footprint(first).on_lock and not (order.footprint(first).atomic and order.footprint(second).atomic)
    }


@many
@given(any_programs)
def test_lost_updates_of_each_run_are_those_of_the_definition(small: Small) -> None:
    program = small.program()
    machine = Machine(program)
    for found in reference.interleavings(program):
        run = replay(machine, found.schedule)
        assert {sighting.objects[0] for sighting in sightings_in(LostUpdate(), run)} == found.lost
