"""How an assertion asks, and what makes of "nothing was found" a proof.

Nothing was found says something only if everything was looked at: by a search that is complete, in a program that comes
to the ends that were asked about. What is looked for is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TypeVar

from simulator.analysis.finding import Kind
from simulator.errors import LimitError, UsageError
from simulator.explore import check
from simulator.failures import IncompleteFailure
from simulator.machine import Machine
from simulator.program import Program
from simulator.report import Report
from simulator.schedulers import Scheduler
from simulator.search.budget import Budget
from simulator.search.no_end import surely_ends, without_end
from simulator.search.replay import run_of

__all__ = ["checked", "limits", "machine_of", "needs_ends", "needs_program", "over_states"]

Found = TypeVar("Found")

UNFINISHED = (
    "no interleaving finishes, so there is no end at which the invariant could be looked at: {outcomes}\n"
    "assert_deadlock_free says why; always=True looks after every step"
)


def limits(said: str, budget: object) -> Budget:
    """The budget with its clock started."""
    __tracebackhide__ = True
    if budget is not None and not isinstance(budget, Budget):
        raise UsageError(f"{said}: budget is {budget!r}, expected a Budget, such as Budget(max_states=10_000)")
    return (budget or Budget()).begun()


def needs_program(said: str, program: object) -> None:
    """Anything else is a UsageError."""
    __tracebackhide__ = True
    if not isinstance(program, Program):
        called = "; call it to have its program" if callable(program) else ""
        raise UsageError(f"{said} needs a Program, not {type(program).__name__} {program!r:.60}{called}")


def machine_of(said: str, program: Program) -> Machine:
    """The one machine that an assertion asks everything of, so that the bodies are run once."""
    __tracebackhide__ = True
    needs_program(said, program)
    return Machine(program)


def checked(
    said: str,
    machine: Machine,
    kinds: Iterable[Kind | str] | None,
    budget: Budget | None,
    scheduler: Scheduler | str | None,
    seed: int | None,
    incomplete_ok: bool,
    crashes_ok: bool,
) -> Report:
    """A check without counts. A sampler proves nothing, and is refused before it runs; nor does a thread that crashed."""
    __tracebackhide__ = True
    budget = limits(said, budget)
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
    # A check keeps what it had; who ends a test run by Ctrl-C wants it to end.
    return check(machine, budget=budget, scheduler=scheduler, seed=seed, kinds=names, counted=False).uninterrupted()


def over_states(
    said: str, looks: Callable[[Budget], Found], machine: Machine, report: Report, budget: Budget, incomplete_ok: bool
) -> Found | None:
    """What a look at every state finds of a program that was covered completely, and that may go on for ever; else None.

    Searches that go through runs, and the layered one, are complete only if every interleaving ends. So does what was
    counted.
    """
    __tracebackhide__ = True
    if not report.complete or report.census is not None or report.scheduler not in (Scheduler.GRAPH, Scheduler.REDUCED):
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


def needs_ends(
    said: str,
    machine: Machine,
    report: Report,
    budget: Budget,
    incomplete_ok: bool,
    *,
    kinds: Collection[Kind | str] = (),
    unfinished: str = UNFINISHED,
) -> None:
    """Nothing can be said of ends where none is in reach; nor of what has to hold at the end where no interleaving finishes.

    The second counts only where `kinds` has failed invariants and the program a `finally_`; `unfinished` is what is said
    then, of `{program}` and `{outcomes}`.
    """
    __tracebackhide__ = True
    if incomplete_ok:
        return
    if not report.outcomes:
        raise IncompleteFailure(
            f"{said}: no interleaving of {report.program} ever ends\nnothing was found on the way, but this has to be looked "
            "at where interleavings end, and from its first step on no end is in reach; let the bodies come to an end "
            "(for _ in range(3)), say what has to hold after every step (always), or let it pass without: incomplete_ok=True",
            report=report,
        )
    for _, path in over_states(said, partial(without_end, machine), machine, report, budget, incomplete_ok) or ():
        raise IncompleteFailure(
            f"{said}: nothing found, but the program can run for ever and never come to an end, where alone this can be "
            f'looked at: after "{run_of(machine, path()).schedule}" no end is in reach\nGive its loops a last turn '
            "(for _ in range(3)), say what has to hold after every step (always), or pass incomplete_ok=True to look at the "
            "interleavings that end",
            report=report,
        )
    at_ends = machine.program.final_properties and Kind.FAILED_INVARIANT in kinds
    if at_ends and not any(outcome.how == "finished" for outcome in report.outcomes):
        outcomes = "; ".join(map(str, report.outcomes))
        raise IncompleteFailure(
            f"{said}: {unfinished.format(program=report.program, outcomes=outcomes)}", report=report
        )
