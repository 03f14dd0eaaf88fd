"""Assertions for any test-suite: each one explores a program completely, and fails with the simplest schedule that breaks it.

They know `check` and which findings mean what was asserted; no test framework, and nothing of how searches go. An
assertion passes when every interleaving was covered and none shows what it forbids. A budget that ran out first is a
failure of its own, unless `incomplete_ok=True`. All of them can be had from here, wherever they stand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from simulator.analysis.deadlock import Deadlock, wait_for
from simulator.analysis.finding import Finding, Kind, Status
from simulator.errors import UsageError
from simulator.failures import IncompleteFailure, InterleavingFailure, assert_report, failure_text
from simulator.machine import Machine, State
from simulator.ops import show_name
from simulator.outcome_assertions import assert_same_outcomes, assert_serializable
from simulator.program import Program, Property
from simulator.proof import checked, limits, machine_of, needs_ends, needs_program, over_states
from simulator.report import Report
from simulator.schedulers import Scheduler
from simulator.search.budget import Budget
from simulator.search.no_end import stuck_for_ever
from simulator.search.replay import run_of

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
    budget = limits(said, budget)
    machine = machine_of(said, program)
    report = checked(said, machine, [Kind.DEADLOCK], budget, scheduler, seed, incomplete_ok, crashes_ok)
    assert_report(report, said, incomplete_ok=incomplete_ok)
    if program.all_locks:
        # Where a thread runs on for ever, nothing ends that a deadlock could be seen at.
        stuck = over_states(said, partial(stuck_for_ever, machine), machine, report, budget, incomplete_ok)
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
    said = "assert_no_lost_updates"
    machine = machine_of(said, program)
    report = checked(said, machine, [Kind.LOST_UPDATE], budget, scheduler, seed, incomplete_ok, crashes_ok)
    return assert_report(report, said, incomplete_ok=incomplete_ok)


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
    said = "assert_no_data_races"
    machine = machine_of(said, program)
    report = checked(said, machine, [Kind.DATA_RACE], budget, scheduler, seed, incomplete_ok, crashes_ok)
    return assert_report(report, said, incomplete_ok=incomplete_ok)


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
    needs_program(said, program)
    if invariant is not None:
        named = invariant if isinstance(invariant, Mapping) else {_name(invariant): invariant}
        program = replace(program, always=named if always else None, finally_=None if always else named)
    elif always:
        raise UsageError(f"{said}: always=True says when an invariant has to hold; give one")
    kinds = [Kind.FAILED_INVARIANT, Kind.FAILED_CHECK, Kind.CRASH]
    budget = limits(said, budget)
    machine = machine_of(said, program)
    report = checked(said, machine, kinds, budget, scheduler, seed, incomplete_ok, crashes_ok)
    assert_report(report, said, incomplete_ok=incomplete_ok)
    if not program.final_properties and not program.step_properties:
        raise UsageError(
            f"{said}: there is no invariant: give a function of the memory, or the program a finally_ or always "
            "(assert_clean looks at the checks of threads without)"
        )
    if program.final_properties:
        needs_ends(said, machine, report, budget, incomplete_ok, kinds=kinds)
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
    machine = machine_of(said, program)
    report = checked(said, machine, [Kind.LOCK_ORDER_CYCLE], budget, scheduler, seed, incomplete_ok, crashes_ok)
    if realised_only:
        left = tuple(each for each in report.findings if each.status is not Status.IMPOSSIBLE)
        report = replace(report, findings=left)
    return assert_report(report, said, incomplete_ok=incomplete_ok)


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
    budget = limits(said, budget)
    machine = machine_of(said, program)
    report = checked(said, machine, asked, budget, scheduler, seed, incomplete_ok, crashes_ok)
    assert_report(report, said, incomplete_ok=incomplete_ok)
    if Kind.DEADLOCK in asked or (program.final_properties and Kind.FAILED_INVARIANT in asked):
        needs_ends(said, machine, report, budget, incomplete_ok, kinds=asked)
    return report


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
