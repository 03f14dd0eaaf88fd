"""One call of `interleave`: a scenario written in a test, explored completely or replayed.

This file knows what a test may ask for and when it has failed. It knows nothing of pytest, which hands in what the
marker and the command line say, and keeps schedules from one run of the tests to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from simulator.analysis.finding import Finding, Kind
from simulator.errors import UsageError, nearest
from simulator.explore import check
from simulator.failures import assert_report
from simulator.machine import Machine
from simulator.program import Body, Program
from simulator.proof import needs_ends
from simulator.report import Report
from simulator.schedulers import Scheduler
from simulator.search.budget import Budget, Stop
from simulator.search.one_run import findings_in
from simulator.search.replay import replay
from simulator.trace import Run

__all__ = ["Settings", "explored", "program_of", "replayed", "settings_of"]

_SAID = "interleave"
"""How the text of a failure begins."""
_UNFINISHED = (
    "no interleaving of {program} finishes: {outcomes}\n"
    "nothing that fails the test was found, but what has to hold at the end was never looked at; let other kinds of "
    "findings fail the test too, or say incomplete_ok=True"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a test asks for: the options of its marker. Raises UsageError for what cannot be had.

    `budget` is a number of states for a scheduler that visits states (so also when none is chosen) and of runs for any
    other, or a `Budget`. `kinds` are the kinds of findings that fail the test, `allow` those that do not; by default all
    do. With `incomplete_ok` a test passes although not everything was explored.

    >>> Settings(scheduler="dpor", budget=1000).limits
    Budget(max_interleavings=1000, max_steps=None, max_states=None, timeout=None, progress=None, ends=None)
    """

    scheduler: str | None = None
    budget: int | Budget | None = None
    seed: int | None = None
    bound: int | None = None
    kinds: Iterable[str] | str | None = None
    allow: Iterable[str] | str = ()
    incomplete_ok: bool = False

    def __post_init__(self) -> None:
        # Kept as tuples: they are looked at more than once, and a generator is empty the second time.
        object.__setattr__(self, "allow", _names(self.allow))
        if self.kinds is not None:
            object.__setattr__(self, "kinds", _names(self.kinds))
            if self.allow:
                raise UsageError(
                    "kinds and allow are both given: name the findings that fail the test, or those that do not"
                )
            if not self.kinds:
                raise UsageError(
                    "kinds is empty, so nothing could fail the test: name a kind, or leave kinds out for all"
                )
        if not isinstance(self.incomplete_ok, bool):
            raise UsageError(f"incomplete_ok is {self.incomplete_ok!r}, expected True or False")
        if isinstance(self.budget, bool) or not isinstance(self.budget, int | Budget | None):
            raise UsageError(f"budget is {self.budget!r}, expected a number of states or of runs, or a Budget")
        if self.chosen is not None and self.chosen.samples and not self.incomplete_ok:
            raise UsageError(
                f"{self.chosen} draws a sample, which is never complete: say incomplete_ok=True "
                "(--interleavings-incomplete-ok) if that is enough, or leave the scheduler out"
            )

    @property
    def chosen(self) -> Scheduler | None:
        """The scheduler, None where the fastest complete one is to be picked."""
        return None if self.scheduler is None else Scheduler.named(self.scheduler)

    @property
    def limits(self) -> Budget:
        """The budget with its number in the unit of the scheduler."""
        if self.budget is None or isinstance(self.budget, Budget):
            return self.budget or Budget()
        if self.chosen is None or self.chosen.visits_states:
            return Budget(max_states=self.budget)
        return Budget(max_interleavings=self.budget)

    @property
    def failing(self) -> frozenset[Kind]:
        """The kinds of findings that fail the test."""
        if self.kinds is not None:
            return _kinds(self.kinds)
        return frozenset(Kind) - _kinds(self.allow)


def _names(kinds: Iterable[str] | str) -> tuple[str, ...]:
    """Kinds by name; one may be given without a list around it."""
    return (str(kinds),) if isinstance(kinds, str) else tuple(map(str, kinds))


def _kinds(kinds: Iterable[str] | str) -> frozenset[Kind]:
    known = [str(kind) for kind in Kind]
    for name in _names(kinds):
        if name not in known:
            raise UsageError(f"there is no kind of finding {name!r}{nearest(name, known)}")
    return frozenset(map(Kind, _names(kinds)))


def settings_of(marked: Mapping[str, Any], typed: Mapping[str, Any]) -> Settings:
    """What the marker says, and above it what the command line says. Raises UsageError for an option that there is not.

    A scheduler that is chosen on the command line is for many tests: a seed or a bound that it has no use for, and that
    the test or the command line gives, is left out.

    >>> settings_of({"scheduler": "pct", "seed": 3, "incomplete_ok": True}, {"scheduler": "dpor"}).seed is None
    True
    """
    known = [field.name for field in fields(Settings)]
    for name in marked:
        if name not in known:
            raise UsageError(f"@pytest.mark.interleavings has no option {name!r}{nearest(name, known)}")
        if isinstance(marked[name], Iterator):
            raise UsageError(
                f"@pytest.mark.interleavings: {name} is an iterator, which the first test of a marker uses up; give a list"
            )
    settings = Settings(**{**marked, **typed})
    if typed:
        chosen = settings.chosen
        settings = replace(
            settings,
            seed=settings.seed if chosen is not None and chosen.samples else None,
            bound=settings.bound if chosen is not None and chosen.is_bounded else None,
        )
    return settings


def program_of(bodies: Program | Mapping[str, Body], arguments: Mapping[str, Any], *, name: str) -> Program:
    """The program that a call of `interleave` stands for; without a name of its own it has the test's.

    >>> def body():
    ...     yield from ()
    >>> program_of({"a": body}, {"memory": {"x": 0}}, name="test_x").name
    'test_x'
    """
    if isinstance(bodies, Program):
        if arguments:
            raise UsageError(f"interleave got a Program and {', '.join(arguments)} besides: give that to the Program")
        return bodies
    if not isinstance(bodies, Mapping):
        raise UsageError(
            f"interleave got {bodies!r}; give it a Program, or a mapping from each thread's name to its generator function"
        )
    return Program(bodies, **{"name": name, **arguments})


def explored(program: Program, settings: Settings, *, counted: bool = True) -> Report:
    """Explore a program; the report when nothing that fails the test is wrong with it.

    Raises InterleavingFailure for the gravest finding, IncompleteFailure when there may be one that was not seen: when the
    budget ran out, when the program can come to where no end is in reach, as deadlocks are seen at ends and `finally_` is
    looked at there alone, or when there is a `finally_` that may fail the test and no interleaving finishes.
    """
    __tracebackhide__ = True
    limits = settings.limits.begun()
    machine = Machine(program)
    report = check(
        machine,
        scheduler=settings.chosen,
        seed=settings.seed,
        bound=settings.bound,
        budget=limits,
        kinds=settings.failing,
        counted=counted,
    ).uninterrupted()
    assert_report(report, _SAID, incomplete_ok=settings.incomplete_ok)
    needs_ends(
        _SAID,
        machine,
        report,
        limits,
        settings.incomplete_ok,
        kinds=settings.failing,
        unfinished=_UNFINISHED,
    )
    return report


def replayed(program: Program, schedule: str, settings: Settings) -> tuple[Run, Report]:
    """One interleaving of a program, and the report of just that one: never complete.

    A schedule that is shorter than the program and shows nothing goes on to the end without preemption. Raises
    InterleavingFailure for what it shows, ScheduleError when it does not fit: at which step, and what was enabled there.
    """
    __tracebackhide__ = True
    machine = Machine(program)
    run = replay(machine, schedule)
    found = _findings(machine, run, settings.failing)
    if not found and run.outcome is None:
        run = replay(machine, schedule, finish=True)
        found = _findings(machine, run, settings.failing)
    report = Report(
        program=program.name,
        threads=program.threads,
        scheduler=Scheduler.NAIVE,
        stop=Stop.INTERLEAVINGS,
        findings=found,
        outcomes={} if run.outcome is None else {run.outcome: 1},
        states=0,
        runs=1,
        seed=None,
        lock_edges=(),
        census=None,
        census_missing="one schedule was replayed",
        trace_census_missing="one schedule was replayed",
    )
    return run, assert_report(report, _SAID, incomplete_ok=True)


def _findings(machine: Machine, run: Run, kinds: frozenset[Kind]) -> tuple[Finding, ...]:
    """What is wrong in one run, each with the beginning of it that shows it."""
    return tuple(
        replace(finding, witness=shown.schedule, preemptions=shown.preemptions, run=shown)
        for finding, shown in findings_in(machine, run, kinds)
    )
