"""Assertions for any test-suite: each one explores a program completely, and fails with the simplest schedule that breaks it.

They know `check` and how to say a finding in a test's failure; no test framework, and nothing of how searches go. An
assertion passes when every interleaving was covered and none shows what it forbids. A budget that ran out first is a
failure of its own, unless `incomplete_ok=True`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from simulator.analysis.finding import Finding, Kind, Status
from simulator.errors import UsageError
from simulator.explore import check
from simulator.program import Program, Property
from simulator.render.text import covered, plural, witness_table
from simulator.report import Report
from simulator.schedulers import Scheduler
from simulator.search.budget import Budget

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
]


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
) -> Report:
    """No interleaving ends with threads that wait for ever.

    Like all these assertions it explores completely (or as `scheduler` and `seed` say) within `budget`, returns the
    report, and raises InterleavingFailure when it does not hold, IncompleteFailure when that was not decided, ProgramError when
    the program cannot run, and UsageError for options that do not go together.

    >>> from simulator.ops import Acquire, Release
    >>> def body():
    ...     yield Acquire("m")
    ...     yield Release("m")
    >>> assert_deadlock_free(Program({"a": body, "b": body}, locks=["m"])).complete
    True
    """
    __tracebackhide__ = True
    report = _checked("assert_deadlock_free", program, [Kind.DEADLOCK], budget, scheduler, seed, incomplete_ok)
    return assert_report(report, "assert_deadlock_free", incomplete_ok=incomplete_ok)


def assert_no_lost_updates(
    program: Program,
    *,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
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
    report = _checked("assert_no_lost_updates", program, [Kind.LOST_UPDATE], budget, scheduler, seed, incomplete_ok)
    return assert_report(report, "assert_no_lost_updates", incomplete_ok=incomplete_ok)


def assert_no_data_races(
    program: Program,
    *,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
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
    report = _checked("assert_no_data_races", program, [Kind.DATA_RACE], budget, scheduler, seed, incomplete_ok)
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
) -> Report:
    """What has to hold of the memory holds, no check of a thread fails, and no thread crashes.

    Without `invariant` the program's own properties are meant; otherwise this function of the memory (or these, by
    name) instead of them: at the end, or with `always` after every step. The end is where all threads have finished: an
    interleaving that deadlocks has none, see `assert_deadlock_free`.

    >>> from simulator.ops import Write
    >>> def body():
    ...     yield Write("x", 1)
    >>> program = Program({"a": body}, memory={"x": 0})
    >>> assert_invariant(program, lambda memory: memory["x"] == 1).complete
    True
    >>> assert_invariant(program, lambda memory: memory["x"] == 1, always=True)
    Traceback (most recent call last):
    simulator.assertions.InterleavingFailure: assert_invariant: failed invariant the invariant
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
    elif not program.final_properties and not program.step_properties:
        raise UsageError(f"{said}: the program has no properties of its own (finally_, always); give an invariant")
    kinds = [Kind.FAILED_INVARIANT, Kind.FAILED_CHECK, Kind.CRASH]
    report = _checked(said, program, kinds, budget, scheduler, seed, incomplete_ok)
    return assert_report(report, said, incomplete_ok=incomplete_ok)


def assert_lock_order_acyclic(
    program: Program,
    *,
    realised_only: bool = False,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
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
    report = _checked(said, program, [Kind.LOCK_ORDER_CYCLE], budget, scheduler, seed, incomplete_ok)
    if realised_only:
        left = tuple(each for each in report.findings if each.status is not Status.IMPOSSIBLE)
        report = replace(report, findings=left)
    return assert_report(report, said, incomplete_ok=incomplete_ok)


def assert_clean(
    program: Program,
    *,
    kinds: Iterable[Kind | str] | None = None,
    budget: Budget | None = None,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    incomplete_ok: bool = False,
) -> Report:
    """Nothing at all is found in any interleaving; or nothing of these kinds.

    >>> from functools import partial
    >>> from simulator.ops import Update
    >>> def body():
    ...     yield Update("x", lambda value: value + 1)
    >>> assert_clean(Program({"a": body, "b": body}, memory={"x": 0})).complete
    True
    """
    __tracebackhide__ = True
    said = "assert_clean"
    report = _checked(said, program, kinds, budget, scheduler, seed, incomplete_ok)
    return assert_report(report, said, incomplete_ok=incomplete_ok)


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


def failure_text(said: str, report: Report, *, beside: str = "") -> str:
    """The first finding of a report as the text of a failure: what, why, step by step, and how to see it again.

    `beside` stands between the reason and the steps.
    """
    finding, *others = report.findings
    lines = [f"{said}: {finding.title}", finding.why, *([beside] if beside else [])]
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
) -> Report:
    """A check without counts. A sampler proves nothing, and is refused before it runs."""
    __tracebackhide__ = True
    _needs_program(said, program)
    if scheduler is not None and not incomplete_ok and Scheduler.named(scheduler).samples:
        raise UsageError(
            f"{said}: {Scheduler.named(scheduler)} takes samples and can prove nothing; pass incomplete_ok=True to be content "
            "with them, or leave scheduler out to cover every interleaving"
        )
    return check(program, budget=budget, scheduler=scheduler, seed=seed, kinds=kinds, counted=False)


def _name(invariant: Property) -> str:
    name = getattr(invariant, "__name__", "<lambda>")
    return "the invariant" if name == "<lambda>" else name


def _needs_program(said: str, program: object) -> None:
    __tracebackhide__ = True
    if not isinstance(program, Program):
        called = "; call it to have its program" if callable(program) else ""
        raise UsageError(f"{said} needs a Program, not {type(program).__name__} {program!r:.60}{called}")
