"""Assertions about how interleavings end: as some serial order of the threads does, or as another program does.

They know outcomes, and where those come from that others are held against. Where something goes wrong on the way
is asked elsewhere (`assertions.py`, which has these too).
"""

from __future__ import annotations

from dataclasses import replace

from simulator.analysis.finding import Finding
from simulator.analysis.outcomes import Ending, Endings, Observe, UnexpectedOutcome, View
from simulator.analysis.riders import Riders
from simulator.errors import LimitError
from simulator.explore import NEAR, explore
from simulator.failures import IncompleteFailure, InterleavingFailure, assert_report, failure_text
from simulator.machine import Machine
from simulator.program import Program
from simulator.proof import checked, limits, machine_of, needs_ends
from simulator.report import Report
from simulator.schedulers import Scheduler
from simulator.search.budget import Budget, Stop
from simulator.search.reduced import ReducedGraph
from simulator.search.replay import run_of
from simulator.search.shortest import MAX_NODES, shortest_schedules
from simulator.serial import LOOK_AT_CLOCK, serial_states
from simulator.trace import Run
from simulator.values import Key

__all__ = ["assert_same_outcomes", "assert_serializable"]

MAX_SHOWN = 8
"""Outcomes that a failure lists."""


def assert_serializable(
    program: Program,
    *,
    observe: Observe | None = None,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
    crashes_ok: bool = False,
) -> Report:
    """Every outcome is the outcome of some serial order of the threads, each run from its first step to its last in one go.

    The oracle that needs no invariant: a lost update, a torn read, a deadlock or a failed check that no serial order
    shows is an outcome of none; who of interchangeable threads fails or waits makes no difference. `observe` says what of
    the memory counts, where not all of it does. What the locks and local variables are in the end does not count. Where
    no serial order ends, or `budget` ends before all were looked at, there is nothing to hold outcomes against: an
    IncompleteFailure, whatever `incomplete_ok` says.

    >>> from simulator.ops import Read, Write
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> assert_serializable(Program({"a": body, "b": body}, memory={"x": 0}))
    Traceback (most recent call last):
    simulator.assertions.InterleavingFailure: assert_serializable: no serial order of the threads ends with x=1
    ...
    """
    __tracebackhide__ = True
    said = "assert_serializable"
    machine = machine_of(said, program)
    budget = limits(said, budget)
    view = View(_alike(program), observe)
    try:
        expected = _serial_endings(machine, view, budget)
    except LimitError as error:
        raise IncompleteFailure(f"{said}: the serial orders are not known: {error}") from None
    if not expected:
        raise IncompleteFailure(
            f"{said}: no serial order of the threads comes to an end: in each, some thread runs for ever once it is alone, so "
            "there is nothing to hold outcomes against; give its loop a last turn, or use assert_invariant"
        )
    report = checked(said, machine, [], budget, scheduler, seed, incomplete_ok, crashes_ok)
    report, endings = _endings(machine, view, report, budget, seed)
    others = [ending for key, ending in endings.items() if key not in expected]
    if others:
        text = "every outcome is that of a serial order of the threads"
        finding = _shown(machine, UnexpectedOutcome(text, expected, view), report, budget, seed)
        outcome = _ending(finding, others, view)
        lines = [f"    {view.text(found)}   ({', '.join(order)})" for found, order in expected.values()]
        finding = replace(finding, why="run one after the other, each in one go, the threads end otherwise:")
        report = replace(report, findings=(finding, *report.findings))
        raise InterleavingFailure(
            failure_text(
                said,
                report,
                what=f"no serial order of the threads ends {outcome}",
                beside=_few(lines),
            ),
            finding=finding,
            report=report,
        )
    assert_report(report, said, incomplete_ok=incomplete_ok)
    needs_ends(said, machine, report, budget, incomplete_ok)
    return report


def assert_same_outcomes(
    first: Program,
    second: Program,
    *,
    observe: Observe | None = None,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
    crashes_ok: bool = False,
) -> tuple[Report, Report]:
    """Both programs have the same outcomes: each outcome of the one, over all interleavings, is an outcome of the other.

    For a change of the lock scheme that is to change nothing else. `observe` says what of the memory counts, where not all
    of it does. How many threads fail a check, crash and wait for ever counts, and which of them where both programs have
    the same names of interchangeable threads; at which line or for which lock does not. Returns both reports. With
    `incomplete_ok` an outcome that only one of them has shown so far is a failure only if the other was covered completely.

    >>> from simulator.ops import Read, Update, Write
    >>> def twice():
    ...     yield Write("x", 2 * (yield Read("x")))
    >>> def at_once():
    ...     yield Update("x", lambda value: 2 * value)
    >>> racy, atomic = (Program({"a": body, "b": body}, memory={"x": 1}) for body in (twice, at_once))
    >>> assert_same_outcomes(atomic, racy)
    Traceback (most recent call last):
    simulator.assertions.InterleavingFailure: assert_same_outcomes: only the second program ends with x=2
    ...
    """
    __tracebackhide__ = True
    said = "assert_same_outcomes"
    programs = (first, second)
    machines = [machine_of(said, program) for program in programs]
    budget = limits(said, budget)
    reports = [checked(said, machine, [], budget, scheduler, seed, incomplete_ok, crashes_ok) for machine in machines]
    alike = [_alike(program) for program in programs]
    if alike[0] != alike[1]:
        alike = [(program.threads,) for program in programs]
    views = [View(groups, observe, places=False) for groups in alike]
    endings = []
    for mine, machine in enumerate(machines):
        reports[mine], found = _endings(machine, views[mine], reports[mine], budget, seed)
        endings.append(found)
    for mine, (which, other) in enumerate((("first", "second"), ("second", "first"))):
        machine, report, view, expected = machines[mine], reports[mine], views[mine], endings[1 - mine]
        extra = [ending for key, ending in endings[mine].items() if key not in expected]
        if extra and reports[1 - mine].complete:
            text = f"every outcome is one of the {other} program"
            finding = _shown(machine, UnexpectedOutcome(text, expected, view), report, budget, seed)
            outcome = _ending(finding, extra, view)
            finding = replace(finding, why=f"the {other} program has other outcomes, over all its interleavings:")
            report = replace(report, findings=(finding, *report.findings))
            raise InterleavingFailure(
                failure_text(
                    said,
                    report,
                    what=f"only the {which} program ends {outcome}",
                    beside=_few([f"    {views[1 - mine].text(each)}" for each in expected.values()]),
                ),
                finding=finding,
                report=report,
            )
    for machine, report in zip(machines, reports, strict=True):
        assert_report(report, said, incomplete_ok=incomplete_ok)
        needs_ends(said, machine, report, budget, incomplete_ok)
    return reports[0], reports[1]


def _alike(program: Program) -> tuple[tuple[str, ...], ...]:
    """The names of interchangeable threads, in one order whatever the order of the threads."""
    return tuple(sorted(tuple(sorted(program.threads[n] for n in group)) for group in program.interchangeable()))


def _serial_endings(machine: Machine, view: View, budget: Budget) -> dict[Key, tuple[Ending, tuple[str, ...]]]:
    """How serial orders end, each ending that differs with the first order that has it. Raises LimitError."""
    found: dict[Key, tuple[Ending, tuple[str, ...]]] = {}
    for done, (state, order) in enumerate(serial_states(machine, budget=budget).items(), start=1):
        ending = Ending.of(machine.situation(state))
        found.setdefault(view.key(ending), (ending, order))
        if done % LOOK_AT_CLOCK == 0 and budget.late(budget.deadline(), done):
            raise LimitError("the time was up (timeout)")
    return found


def _endings(
    machine: Machine, view: View, report: Report, budget: Budget, seed: int | None
) -> tuple[Report, dict[Key, Ending]]:
    """What interleavings came to, those left out that a budget cut short; and the report, less complete if they are.

    A report tells by its outcomes how interleavings ended, but not how each thread did, where not all finished: that takes
    another look.
    """
    finished = [Ending(outcome) for outcome in report.outcomes if outcome.how == "finished"]
    known = {view.key(ending): ending for ending in finished}
    if all(outcome.how in ("finished", "out of steps") for outcome in report.outcomes):
        return report, known
    endings = Endings(view)
    if report.complete or report.scheduler.visits_states:
        explored = ReducedGraph(machine, (endings,), budget).run()
        if explored.stop is Stop.INTERRUPTED:
            raise KeyboardInterrupt
        if report.complete and not explored.complete:
            report = replace(report, stop=explored.stop)
    else:
        for run in explore(machine.program, scheduler=report.scheduler, seed=seed, budget=budget):
            if run.outcome is not None and run.outcome.how != "out of steps":
                endings.at_end(run.final)
    return report, {**known, **endings.found}


def _shown(machine: Machine, detector: UnexpectedOutcome, report: Report, budget: Budget, seed: int | None) -> Finding:
    """The simplest interleaving with an unexpected outcome: the shortest, or where that is too far, the first that is met."""
    sighting = detector.sighting
    nodes = MAX_NODES if report.scheduler is Scheduler.GRAPH else NEAR
    schedule = shortest_schedules(machine, Riders(machine, (detector,)), [sighting], budget, max_nodes=nodes).get(
        sighting
    )
    run: Run | None = None
    if schedule is not None:
        run = run_of(machine, schedule)
    elif report.scheduler.visits_states:
        met = ReducedGraph(machine, (detector,), budget).run().sightings.get(sighting)
        run = None if met is None else run_of(machine, met)
    else:
        runs = explore(machine.program, scheduler=report.scheduler, seed=seed, budget=budget)
        run = next((run for run in runs if run.outcome is not None and detector.at_end(run.final)), None)
    if run is None:
        return Finding(kind=sighting.kind, objects=(), threads=machine.threads, why="", detail=sighting.detail)
    told = detector.explain(sighting, run)
    return replace(told, witness=run.schedule, preemptions=run.preemptions, shortest=schedule is not None, run=run)


def _ending(finding: Finding, unexpected: list[Ending], view: View) -> str:
    """What a witness ends with, in a sentence; without a witness, what the first of those that were not expected does."""
    ending = unexpected[0] if finding.run is None else Ending.of(finding.run.final)
    return f"{'with ' if ending.outcome.how == 'finished' else ''}{view.text(ending)}"


def _few(lines: list[str]) -> str:
    """A list that a person can take in."""
    return "\n".join(
        [*lines[:MAX_SHOWN], *([f"    and {len(lines) - MAX_SHOWN} others"] if len(lines) > MAX_SHOWN else [])]
    )
