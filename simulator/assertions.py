"""Assertions for any test-suite: each one explores a program completely, and fails with the simplest schedule that breaks it.

They know `check` and how to say a finding in a test's failure; no test framework, and nothing of how searches go. An
assertion passes when every interleaving was covered and none shows what it forbids. A budget that ran out first is a
failure of its own, unless `incomplete_ok=True`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from simulator.analysis.deadlock import Deadlock, wait_for
from simulator.analysis.finding import Finding, Kind, Status
from simulator.analysis.outcomes import Ending, Endings, Observe, UnexpectedOutcome, View
from simulator.analysis.riders import Riders
from simulator.errors import LimitError, UsageError
from simulator.explore import NEAR, check, explore
from simulator.machine import Machine, State
from simulator.ops import show_name
from simulator.program import Program, Property
from simulator.render.text import covered, plural, witness_table
from simulator.report import Report
from simulator.schedulers import Scheduler
from simulator.search.budget import Budget, Stop
from simulator.search.no_end import stuck_for_ever, surely_ends, without_end
from simulator.search.reduced import ReducedGraph
from simulator.search.replay import run_of
from simulator.search.shortest import MAX_NODES, shortest_schedules
from simulator.serial import serial_states
from simulator.trace import Run
from simulator.values import Key

__all__ = [
    "IncompleteFailure",
    "InterleavingFailure",
    "assert_clean",
    "assert_deadlock_free",
    "assert_invariant",
    "assert_lock_order_acyclic",
    "assert_no_data_races",
    "assert_no_lost_updates",
    "assert_report",
    "assert_same_outcomes",
    "assert_serializable",
    "failure_text",
]

Found = TypeVar("Found")

MAX_SHOWN = 8
"""Outcomes that a failure lists."""


class InterleavingFailure(AssertionError):
    """Some interleaving shows what was asserted not to be. The text says which, why, step by step, and how to see it again.

    `finding` is what was found, with its witness; `schedule` the witness as text that `replay` takes, empty where no
    single run shows it all; `report` all that was found.
    """

    def __init__(self, text: str, *, finding: Finding | None = None, report: Report | None = None) -> None:
        super().__init__(text)
        self.finding = finding
        self.report = report

    @property
    def schedule(self) -> str:
        """The witness as text."""
        return "" if self.finding is None or self.finding.witness is None else str(self.finding.witness)


class IncompleteFailure(AssertionError):
    """Nothing was found, but not everything could be looked at: no proof, so no pass. `report` is what was looked at."""

    def __init__(self, text: str, *, report: Report | None = None) -> None:
        super().__init__(text)
        self.report = report


def assert_deadlock_free(
    program: Program,
    *,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
    crashes_ok: bool = False,
) -> Report:
    """No thread ever waits for a lock that nobody will give back, whether the others have ended or run for ever.

    Like all these assertions it explores completely (or as `scheduler` and `seed` say) within `budget`, returns the
    report, and raises InterleavingFailure when it does not hold, IncompleteFailure when that was not decided,
    ProgramError when the program cannot run, and UsageError for options that do not go together.

    A thread that ends by an exception (a misspelt name, a release of a lock that it does not hold) does not do what was
    asked about: that fails every one of these assertions, unless `crashes_ok=True`.

    >>> from simulator.ops import Acquire, Release
    >>> def body():
    ...     yield Acquire("m")
    ...     yield Release("m")
    >>> assert_deadlock_free(Program({"a": body, "b": body}, locks=["m"])).complete
    True
    """
    __tracebackhide__ = True
    said = "assert_deadlock_free"
    budget = _limits(said, budget)
    report = _checked(said, program, [Kind.DEADLOCK], budget, scheduler, seed, incomplete_ok, crashes_ok)
    assert_report(report, said, incomplete_ok=incomplete_ok)
    if program.all_locks:
        # Where a thread runs on for ever, nothing ends that a deadlock could be seen at.
        machine = Machine(program)
        stuck = _over_states(said, partial(stuck_for_ever, machine), machine, report, budget, incomplete_ok)
        if stuck is not None:
            finding = _standing(machine, *stuck)
            report = replace(report, findings=(finding,))
            raise InterleavingFailure(failure_text(said, report), finding=finding, report=report)
    return report


def assert_no_lost_updates(
    program: Program,
    *,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
    crashes_ok: bool = False,
) -> Report:
    """No thread ever writes over a value that changed since it read it.

    >>> from simulator.ops import Read, Write
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> assert_no_lost_updates(Program({"a": body, "b": body}, memory={"x": 0}))
    Traceback (most recent call last):
    simulator.assertions.InterleavingFailure: assert_no_lost_updates: lost update on x
    ...
    """
    __tracebackhide__ = True
    report = _checked(
        "assert_no_lost_updates", program, [Kind.LOST_UPDATE], budget, scheduler, seed, incomplete_ok, crashes_ok
    )
    return assert_report(report, "assert_no_lost_updates", incomplete_ok=incomplete_ok)


def assert_no_data_races(
    program: Program,
    *,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
    crashes_ok: bool = False,
) -> Report:
    """No two threads can ever access one location at the same moment, one of them to write, not both atomically.

    >>> from simulator.ops import Read, Write
    >>> def body():
    ...     yield Write("x", 1)
    >>> assert_no_data_races(Program({"a": body, "b": body}, memory={"x": 0}))
    Traceback (most recent call last):
    simulator.assertions.InterleavingFailure: assert_no_data_races: data race on x
    ...
    """
    __tracebackhide__ = True
    report = _checked(
        "assert_no_data_races", program, [Kind.DATA_RACE], budget, scheduler, seed, incomplete_ok, crashes_ok
    )
    return assert_report(report, "assert_no_data_races", incomplete_ok=incomplete_ok)


def assert_invariant(
    program: Program,
    invariant: Property | Mapping[str, Property] | None = None,
    *,
    always: bool = False,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
    crashes_ok: bool = False,
) -> Report:
    """What has to hold of the memory holds, no check of a thread fails, and no thread crashes.

    Without `invariant` the program's own properties are meant; it is a UsageError when it has none either and no check
    fails, for a pass would say nothing. Otherwise this function of the memory (or
    these, by name) instead of them: at the end, or with `always` after every step. The end is where all threads have
    finished: an interleaving that deadlocks has none, see `assert_deadlock_free`. A program that can come to where no
    end is in reach is an IncompleteFailure, unless what has to hold has to hold always.

    >>> from simulator.ops import Write
    >>> def body():
    ...     yield Write("x", 1)
    >>> program = Program({"a": body}, memory={"x": 0})
    >>> assert_invariant(program, lambda memory: memory["x"] == 1).complete
    True
    >>> assert_invariant(program, lambda memory: memory["x"] == 1, always=True)
    Traceback (most recent call last):
    simulator.assertions.InterleavingFailure: assert_invariant: failed invariant lambda at ...
    ...
    """
    __tracebackhide__ = True
    said = "assert_invariant"
    _needs_program(said, program)
    if invariant is not None:
        named = invariant if isinstance(invariant, Mapping) else {_name(invariant): invariant}
        program = replace(program, always=named if always else None, finally_=None if always else named)
    elif always:
        raise UsageError(f"{said}: always=True says when an invariant has to hold; give one")
    kinds = [Kind.FAILED_INVARIANT, Kind.FAILED_CHECK, Kind.CRASH]
    budget = _limits(said, budget)
    report = _checked(said, program, kinds, budget, scheduler, seed, incomplete_ok, crashes_ok)
    assert_report(report, said, incomplete_ok=incomplete_ok)
    if not program.final_properties and not program.step_properties:
        raise UsageError(
            f"{said}: there is no invariant: give a function of the memory, or the program a finally_ or always "
            "(assert_clean looks at the checks of threads without)"
        )
    if program.final_properties:
        needs_ends(said, Machine(program), report, budget, incomplete_ok)
        _needs_a_finish(said, report, incomplete_ok)
    return report


def assert_lock_order_acyclic(
    program: Program,
    *,
    realised_only: bool = False,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
    crashes_ok: bool = False,
) -> Report:
    """Different threads never take locks in orders that contradict each other, unless a common lock keeps them apart.

    A cycle fails even if it was proved never to deadlock: what keeps it from that is luck that the next change may end.
    With `realised_only` only cycles that do deadlock fail.

    >>> from simulator.ops import Acquire, Release
    >>> def body():
    ...     yield Acquire("m")
    ...     yield Release("m")
    >>> assert_lock_order_acyclic(Program({"a": body, "b": body}, locks=["m"])).complete
    True
    """
    __tracebackhide__ = True
    said = "assert_lock_order_acyclic"
    report = _checked(said, program, [Kind.LOCK_ORDER_CYCLE], budget, scheduler, seed, incomplete_ok, crashes_ok)
    if realised_only:
        left = tuple(each for each in report.findings if each.status is not Status.IMPOSSIBLE)
        report = replace(report, findings=left)
    return assert_report(report, said, incomplete_ok=incomplete_ok)


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
    no serial order ends, there is nothing to hold outcomes against: an IncompleteFailure, whatever `incomplete_ok` says.

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
    _needs_program(said, program)
    budget = _limits(said, budget)
    machine = Machine(program)
    try:
        serial = serial_states(machine)
    except LimitError as error:
        raise IncompleteFailure(f"{said}: the serial orders are not known: {error}") from None
    if not serial:
        raise IncompleteFailure(
            f"{said}: no serial order of the threads comes to an end: in each, some thread runs for ever once it is alone, so "
            "there is nothing to hold outcomes against; give its loop a last turn, or use assert_invariant"
        )
    view = View(_alike(program), observe)
    expected: dict[Key, tuple[Ending, tuple[str, ...]]] = {}
    for state, order in serial.items():
        ending = Ending.of(machine.situation(state))
        expected.setdefault(view.key(ending), (ending, order))
    report = _checked(said, program, [], budget, scheduler, seed, incomplete_ok, crashes_ok)
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
    for program in programs:
        _needs_program(said, program)
    budget = _limits(said, budget)
    reports = [_checked(said, program, [], budget, scheduler, seed, incomplete_ok, crashes_ok) for program in programs]
    alike = [_alike(program) for program in programs]
    if alike[0] != alike[1]:
        alike = [(program.threads,) for program in programs]
    views = [View(groups, observe, places=False) for groups in alike]
    endings = []
    for mine, program in enumerate(programs):
        reports[mine], found = _endings(Machine(program), views[mine], reports[mine], budget, seed)
        endings.append(found)
    for mine, (which, other) in enumerate((("first", "second"), ("second", "first"))):
        program, report, view, expected = programs[mine], reports[mine], views[mine], endings[1 - mine]
        extra = [ending for key, ending in endings[mine].items() if key not in expected]
        if extra and reports[1 - mine].complete:
            text = f"every outcome is one of the {other} program"
            finding = _shown(Machine(program), UnexpectedOutcome(text, expected, view), report, budget, seed)
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
    for program, report in zip(programs, reports, strict=True):
        assert_report(report, said, incomplete_ok=incomplete_ok)
        needs_ends(said, Machine(program), report, budget, incomplete_ok)
    return reports[0], reports[1]


def assert_clean(
    program: Program,
    *,
    kinds: Iterable[Kind | str] | str | None = None,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
    crashes_ok: bool = False,
) -> Report:
    """Nothing at all is found in any interleaving; or nothing of these kinds.

    The program must always be able to come to an end, where deadlocks show and `finally_` is looked at; unless only kinds
    are asked for that show on the way.

    >>> from functools import partial
    >>> from simulator.ops import Update
    >>> def body():
    ...     yield Update("x", lambda value: value + 1)
    >>> assert_clean(Program({"a": body, "b": body}, memory={"x": 0})).complete
    True
    """
    __tracebackhide__ = True
    said = "assert_clean"
    asked = [str(kind) for kind in (Kind if kinds is None else (kinds,) if isinstance(kinds, str) else kinds)]
    if not asked:
        raise UsageError(f"{said}: kinds is empty, so that nothing could fail; name a kind, or leave it out for all")
    budget = _limits(said, budget)
    report = _checked(said, program, asked, budget, scheduler, seed, incomplete_ok, crashes_ok)
    assert_report(report, said, incomplete_ok=incomplete_ok)
    at_ends = program.final_properties and str(Kind.FAILED_INVARIANT) in asked
    if at_ends or kinds is None or str(Kind.DEADLOCK) in asked:
        needs_ends(said, Machine(program), report, budget, incomplete_ok)
    if at_ends:
        _needs_a_finish(said, report, incomplete_ok)
    return report


def assert_report(report: Report, said: str = "assert_report", *, incomplete_ok: bool = False) -> Report:
    """A report that was had already shows nothing, and is complete. `said` begins the text of a failure.

    This is what the other assertions end with, for those who call `check` themselves.
    """
    __tracebackhide__ = True
    if report.findings:
        raise InterleavingFailure(failure_text(said, report), finding=report.findings[0], report=report)
    if not report.complete and not incomplete_ok:
        raise IncompleteFailure(
            f"{said}: nothing found, but not everything was looked at\n{report.program}: {report.scheduler}: "
            f"{covered(report)}\nA larger budget or a smaller program decides it; incomplete_ok=True lets it pass without",
            report=report,
        )
    return report


def failure_text(said: str, report: Report, *, what: str = "", beside: str = "") -> str:
    """The first finding of a report as the text of a failure: what, why, step by step, and how to see it again.

    `what` stands in the first line instead of the finding's title, `beside` between the reason and the steps.
    """
    finding, *others = report.findings
    lines = [f"{said}: {what or finding.title}", finding.why, *([beside] if beside else [])]
    if finding.run is None or finding.witness is None:
        lines.append("no single run shows all of it")
    else:
        if finding.run.events:
            lines += ["", witness_table(finding), ""]
        schedule = str(finding.witness)
        kind = "shortest witness" if finding.shortest else "witness (not proved to be the shortest)"
        size = f"{plural(len(finding.witness), 'step')}, {plural(finding.preemptions or 0, 'preemption')}"
        lines.append(f"{kind}: {schedule or '(before the first step)'}   ({size})")
        lines.append(f'to see it again: print(simulator.replay(program, "{schedule}"))')
    if others:
        lines.append(f"found besides: {'; '.join(other.title for other in others)}")
    lines.append(f"{report.program}: {report.scheduler}: {covered(report)}")
    return "\n".join(lines)


def _checked(
    said: str,
    program: Program,
    kinds: Iterable[Kind | str] | None,
    budget: Budget | None,
    scheduler: Scheduler | str | None,
    seed: int | None,
    incomplete_ok: bool,
    crashes_ok: bool,
) -> Report:
    """A check without counts. A sampler proves nothing, and is refused before it runs; nor does a thread that crashed."""
    __tracebackhide__ = True
    _needs_program(said, program)
    budget = _limits(said, budget)
    names = dict.fromkeys(map(str, Kind if kinds is None else kinds))
    if crashes_ok:
        names.pop(str(Kind.CRASH), None)
    else:
        names[str(Kind.CRASH)] = None
    if scheduler is not None and not incomplete_ok and Scheduler.named(scheduler).samples:
        raise UsageError(
            f"{said}: {Scheduler.named(scheduler)} takes samples and can prove nothing; pass incomplete_ok=True to be content "
            "with them, or leave scheduler out to cover every interleaving"
        )
    report = check(program, budget=budget, scheduler=scheduler, seed=seed, kinds=names, counted=False)
    if report.stop is Stop.INTERRUPTED:
        # A check keeps what it had; who ends a test run by Ctrl-C wants it to end.
        raise KeyboardInterrupt
    return report


def _alike(program: Program) -> tuple[tuple[str, ...], ...]:
    """The names of interchangeable threads, in one order whatever the order of the threads."""
    return tuple(sorted(tuple(sorted(program.threads[n] for n in group)) for group in program.interchangeable()))


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


def _over_states(
    said: str, looks: Callable[[Budget], Found], machine: Machine, report: Report, budget: Budget, incomplete_ok: bool
) -> Found | None:
    """What a look at every state finds of a program that was covered completely, and that may go on for ever; else None.

    Searches that go through runs, and the layered one, are complete only if every interleaving ends.
    """
    __tracebackhide__ = True
    if not report.complete or report.scheduler not in (Scheduler.GRAPH, Scheduler.REDUCED):
        return None
    if report.scheduler is Scheduler.REDUCED and surely_ends(machine, budget):
        return None
    try:
        return looks(budget)
    except LimitError as error:
        if incomplete_ok:
            return None
        raise IncompleteFailure(
            f"{said}: nothing found, but whether the program always comes to an end was not decided: {error}\n"
            "A larger budget or a smaller program decides it; incomplete_ok=True lets it pass without",
            report=report,
        ) from None


def needs_ends(said: str, machine: Machine, report: Report, budget: Budget, incomplete_ok: bool) -> None:
    """Nothing can be said of ends where none is in reach."""
    __tracebackhide__ = True
    if incomplete_ok:
        return
    for _, path in _over_states(said, partial(without_end, machine), machine, report, budget, incomplete_ok) or ():
        run = run_of(machine, path())
        schedule = str(run.schedule)
        after = f'after "{schedule}"' if schedule else "from its first step on"
        raise IncompleteFailure(
            f"{said}: nothing found, but the program can run for ever and never come to an end, where alone this can be "
            f"looked at: {after} no end is in reach\nGive its loops a last turn (for _ in range(3)), say what has to hold "
            "after every step (always), or pass incomplete_ok=True to look at the interleavings that end",
            report=report,
        )


def _needs_a_finish(said: str, report: Report, incomplete_ok: bool) -> None:
    """What has to hold once all threads have finished was never looked at where they never do."""
    __tracebackhide__ = True
    if not incomplete_ok and not any(outcome.how == "finished" for outcome in report.outcomes):
        raise IncompleteFailure(
            f"{said}: no interleaving finishes, so there is no end at which the invariant could be looked at: "
            f"{'; '.join(map(str, report.outcomes))}\nassert_deadlock_free says why; always=True looks after every step",
            report=report,
        )


def _standing(machine: Machine, state: State, stuck: tuple[int, ...], path: list[int]) -> Finding:
    """The deadlock of some threads while others run on: round in a circle, or for a lock that is never given back."""
    situation = machine.situation(state)
    run = run_of(machine, path)
    names = [machine.threads[thread] for thread in stuck]
    pending = {name: wanted if name in names else None for name, wanted in situation.pending.items()}
    detector = Deadlock()
    seen = detector.at_end(replace(situation, enabled=(), pending=pending))
    if seen:
        told = detector.explain(seen[0], run)
    else:
        waits = [wait for wait in wait_for(situation) if wait.thread in names]
        told = Finding(
            kind=Kind.DEADLOCK,
            objects=tuple(dict.fromkeys(wait.lock for wait in waits)),
            threads=tuple(names),
            why="; ".join(
                f"{wait.thread} waits for {show_name(wait.lock)}, which {wait.owner} never gives back" for wait in waits
            ),
        )
    return replace(told, witness=run.schedule, preemptions=run.preemptions, run=run)


def _name(invariant: Property) -> str:
    """A function's name; of a lambda, where it stands."""
    name = getattr(invariant, "__name__", "the invariant")
    if name == "<lambda>":
        code = invariant.__code__
        return f"lambda at {os.path.basename(code.co_filename)}:{code.co_firstlineno}"
    return str(name)


def _limits(said: str, budget: object) -> Budget:
    """The budget with its clock started."""
    __tracebackhide__ = True
    if budget is not None and not isinstance(budget, Budget):
        raise UsageError(f"{said}: budget is {budget!r}, expected a Budget, such as Budget(max_states=10_000)")
    return (budget or Budget()).begun()


def _needs_program(said: str, program: object) -> None:
    __tracebackhide__ = True
    if not isinstance(program, Program):
        called = "; call it to have its program" if callable(program) else ""
        raise UsageError(f"{said} needs a Program, not {type(program).__name__} {program!r:.60}{called}")
