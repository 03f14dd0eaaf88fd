"""Hold the model against real threads: three facts, kept apart.

    possible    which outcomes the model has, and in how many of its interleavings
    forced      what real threads did when they were made to follow a schedule of each finding and of each outcome
    observed    how often each outcome came up in so many natural runs of the plain Python version

A forced run that differs from the model's run of the same schedule, or a natural outcome that the model does not have,
is a bug in the model: then the cross-check is not `ok`. An outcome that was predicted and not seen is no bug: what is
possible need not be likely, and on some interpreters it cannot happen naturally at all.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

from simulator.analysis.finding import Kind
from simulator.errors import UsageError
from simulator.explore import Report, check
from simulator.loading import Loaded
from simulator.machine import Machine
from simulator.program import Program
from simulator.real.baton import Difference, Forced, Memory, first_difference, force
from simulator.real.natural import Batch, Interpreter, run_batch
from simulator.search.budget import Budget, Stop
from simulator.search.replay import replay
from simulator.trace import Outcome, Schedule, memory_dict
from simulator.values import value_key

__all__ = ["CrossCheck", "ForcedRun", "Observed", "crosscheck", "schedules_by_outcome", "wilson"]

MAX_FORCED = 100
MAX_STATES = 100_000
_Z95 = 1.959963984540054

Progress = Callable[[str, int, int], None]
"""Called with "forced" or "observed", how many are done, and of how many."""


class Observed(NamedTuple):
    """An outcome of natural runs: how often, and the share of the runs with its 95 % Wilson interval.

    `predicted` says whether the model has it; None where the model's outcomes are not all known.
    """

    outcome: Outcome
    times: int
    share: float
    low: float
    high: float
    predicted: bool | None


@dataclass(frozen=True, slots=True)
class ForcedRun:
    """A schedule forced on real threads: what it shows, what happened, and where that differs from the model."""

    shows: tuple[str, ...]
    forced: Forced
    difference: Difference | None

    @property
    def agrees(self) -> bool:
        """Whether real threads did, step for step, what the model says."""
        return self.difference is None

    def to_dict(self) -> dict[str, Any]:
        """The run in plain types."""
        return {
            "shows": list(self.shows),
            "schedule": str(self.forced.schedule),
            "agrees": self.agrees,
            "difference": None if self.difference is None else str(self.difference),
            "outcome": None if self.forced.outcome is None else str(self.forced.outcome),
        }


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """The three facts about a program, and where they do not fit together.

    `possible` maps the model's outcomes to their number of interleavings (None where that could not be counted);
    `complete` says that there are no others. `natural` is None where there is no plain Python version to run.
    """

    name: str
    values: Mapping[str, Any]
    interpreter: Interpreter
    possible: Mapping[Outcome, int | None]
    interleavings: int | None
    complete: bool
    forced: tuple[ForcedRun, ...]
    natural: Batch | None
    notes: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def observed(self) -> tuple[Observed, ...]:
        """What natural runs ended as."""
        if self.natural is None:
            return ()
        rows = []
        for outcome in sorted(self.natural.outcomes, key=lambda outcome: outcome.sort_key):
            times, runs = self.natural.outcomes[outcome], self.natural.done
            predicted = any(_same(outcome, other) for other in self.possible) or (None if not self.complete else False)
            rows.append(Observed(outcome, times, times / runs, *wilson(times, runs), predicted))
        return tuple(rows)

    @property
    def not_seen(self) -> tuple[Outcome, ...]:
        """Outcomes that the model has and no natural run ended as."""
        if self.natural is None or not self.natural.done:
            return ()
        seen = self.natural.outcomes
        return tuple(outcome for outcome in self.possible if not any(_same(other, outcome) for other in seen))

    @property
    def not_predicted(self) -> tuple[Outcome, ...]:
        """Outcomes that were seen and the model does not have: a bug in the model."""
        return tuple(row.outcome for row in self.observed if row.predicted is False)

    @property
    def disagreements(self) -> tuple[ForcedRun, ...]:
        """Forced runs that differ from the model: a bug in the model, or in the forcing."""
        return tuple(run for run in self.forced if not run.agrees)

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts the model."""
        return not self.disagreements and not self.not_predicted

    def to_dict(self) -> dict[str, Any]:
        """The cross-check in plain types, as `simulator crosscheck --json` prints it."""
        natural = self.natural
        return {
            "program": self.name,
            "values": dict(self.values),
            "ok": self.ok,
            "interrupted": self.interrupted,
            "interpreter": {
                "implementation": self.interpreter.implementation,
                "version": ".".join(map(str, self.interpreter.version)),
                "gil": self.interpreter.gil,
            },
            "possible": {
                "complete": self.complete,
                "interleavings": self.interleavings,
                "outcomes": [
                    {**_outcome_dict(outcome), "interleavings": number} for outcome, number in self.possible.items()
                ],
            },
            "forced": [run.to_dict() for run in self.forced],
            "observed": None
            if natural is None
            else {
                "runs": natural.done,
                "asked": natural.asked,
                "stopped": natural.stopped or None,
                "outcomes": [
                    {
                        **_outcome_dict(row.outcome),
                        "runs": row.times,
                        "share": row.share,
                        "low": row.low,
                        "high": row.high,
                        "predicted": row.predicted,
                    }
                    for row in self.observed
                ],
                "deadlocks": [
                    {"runs": times, "deadlock": str(deadlock)} for deadlock, times in natural.deadlocks.items()
                ],
                "errors": [{"runs": times, "error": error} for error, times in natural.errors.items()],
            },
            "not_seen": list(map(str, self.not_seen)),
            "not_predicted": list(map(str, self.not_predicted)),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return _text(self)


def crosscheck(
    loaded: Loaded,
    values: Mapping[str, Any],
    *,
    runs: int = 200,
    timeout: float = 60.0,
    budget: Budget | None = None,
    report: Report | None = None,
    memory: Memory = dict,
    progress: Progress | None = None,
) -> CrossCheck:
    """Compare what is possible in the model with what real threads do when forced, and in `runs` natural runs.

    Forced are the witness of every finding and one schedule for each outcome. `timeout`, in seconds, limits the natural
    runs altogether, and each forced run; `budget` limits the search, which a `report` that is there already saves. A
    KeyboardInterrupt keeps what there is (`interrupted`). `memory` is what forced runs take for memory: see `force`.

    Raises UsageError for parameters that the program cannot have, and when its plain Python version cannot be run.
    """
    if runs < 1:
        raise UsageError(f"runs is {runs}, expected a whole number above 0")
    program = loaded.program(**values)
    has_plain = loaded.plain(**values) is not None
    known = check(program, budget=budget) if report is None else report
    possible, interleavings, complete = _possible(known)
    notes: list[str] = []
    forced: list[ForcedRun] = []
    natural: Batch | None = None
    interrupted = False
    try:
        if known.stop is Stop.INTERRUPTED:
            raise KeyboardInterrupt
        _force_all(program, _to_force(program, known, possible, notes), min(timeout, 10.0), memory, forced, progress)
        if has_plain:
            natural = run_batch(
                loaded.reference,
                values,
                runs=runs,
                timeout=timeout,
                progress=None if progress is None else lambda done: progress("observed", done, runs),
            )
            interrupted = natural.interrupted
    except KeyboardInterrupt:
        interrupted = True
    found = CrossCheck(
        name=loaded.name,
        values=dict(values),
        interpreter=Interpreter.current(),
        possible=possible,
        interleavings=interleavings,
        complete=complete,
        forced=tuple(forced),
        natural=natural,
        interrupted=interrupted,
    )
    notes += _notes(found, known, has_plain)
    return replace(found, notes=tuple(notes))


def wilson(times: int, runs: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share: it says something even of 0 in 200.

    >>> [round(bound, 3) for bound in wilson(0, 200)]
    [0.0, 0.019]
    """
    if not runs:
        return 0.0, 1.0
    share, square = times / runs, _Z95 * _Z95
    middle = share + square / (2 * runs)
    spread = _Z95 * math.sqrt(share * (1 - share) / runs + square / (4 * runs * runs))
    scale = 1 + square / runs
    low = 0.0 if times == 0 else (middle - spread) / scale
    return low, 1.0 if times == runs else (middle + spread) / scale


def schedules_by_outcome(
    program: Program, wanted: Collection[Outcome], *, max_states: int = MAX_STATES
) -> dict[Outcome, Schedule]:
    """For each wanted outcome a schedule with the fewest steps; outcomes beyond `max_states` states are missing.

    >>> from simulator.ops import Read, Write
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> program = Program({"a": body, "b": body}, memory={"x": 0})
    >>> str(schedules_by_outcome(program, [Outcome("finished", (("x", 1),))]).popitem()[1])
    'a b a b'
    """
    machine = Machine(program)
    missing = set(wanted)
    found: dict[Outcome, Schedule] = {}
    parents: dict[int, tuple[int, int]] = {machine.initial: (-1, -1)}
    frontier = [machine.initial]
    while frontier and missing:
        following = []
        for state in frontier:
            moves = machine.moves(state)
            if not moves:
                outcome = machine.outcome(state)
                if outcome in missing:
                    missing.discard(outcome)
                    found[outcome] = _path(machine, parents, state)
            for thread, reached, _ in moves:
                if reached not in parents and len(parents) < max_states:
                    parents[reached] = (state, thread)
                    following.append(reached)
        frontier = following
    return found


def _path(machine: Machine, parents: Mapping[int, tuple[int, int]], state: int) -> Schedule:
    names: list[str] = []
    before, thread = parents[state]
    while thread >= 0:
        names.append(machine.threads[thread])
        before, thread = parents[before]
    return Schedule(reversed(names))


def _possible(report: Report) -> tuple[dict[Outcome, int | None], int | None, bool]:
    census = report.census
    counts: dict[Outcome, int | None] = dict.fromkeys(report.outcomes)
    if census is not None:
        counts = dict(census.outcomes)
    # A search that was cut knows no more of those outcomes than that it stopped there.
    ended = {outcome: number for outcome, number in counts.items() if outcome.how != "out of steps"}
    ordered = dict(sorted(ended.items(), key=lambda item: item[0].sort_key))
    everything = (census is not None and census.max_steps is None) or report.complete
    return ordered, None if census is None else census.interleavings, everything


def _to_force(
    program: Program, report: Report, possible: Mapping[Outcome, int | None], notes: list[str]
) -> dict[Schedule, list[str]]:
    """Each schedule to force, with what it shows."""
    wanted: dict[Schedule, list[str]] = {}
    for finding in report.findings:
        if finding.witness is not None:
            wanted.setdefault(finding.witness, []).append(finding.title)
    found = schedules_by_outcome(program, possible)
    for outcome in possible:
        if outcome in found:
            wanted.setdefault(found[outcome], []).append(f"outcome {outcome}")
    if len(found) < len(possible):
        notes.append(
            f"No schedule was sought for {len(possible) - len(found)} of {len(possible)} outcomes beyond "
            f"{MAX_STATES:,} states: they were not forced."
        )
    if len(wanted) > MAX_FORCED:
        notes.append(f"Of {len(wanted)} schedules, the first {MAX_FORCED} were forced.")
    return dict(list(wanted.items())[:MAX_FORCED])


def _force_all(
    program: Program,
    wanted: Mapping[Schedule, list[str]],
    timeout: float,
    memory: Memory,
    into: list[ForcedRun],
    progress: Progress | None,
) -> None:
    for number, (schedule, shows) in enumerate(wanted.items(), start=1):
        forced = force(program, schedule, timeout=timeout, memory=memory)
        into.append(ForcedRun(tuple(shows), forced, first_difference(forced, replay(program, schedule))))
        if progress is not None:
            progress("forced", number, len(wanted))


def _same(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are the same, as far as both know the memory."""
    if one.how != other.how:
        return False
    here: dict[Hashable, Any] = dict(one.memory)
    return all(value_key(here[at]) == value_key(value) for at, value in other.memory if at in here)


def _notes(found: CrossCheck, report: Report, has_plain: bool) -> list[str]:
    notes = []
    if not found.complete:
        notes.append(f"The model's outcomes are not all known ({report.stop}): an outcome beyond them proves nothing.")
    if not has_plain:
        notes.append("There is no plain Python version, so nothing was observed.")
    natural = found.natural
    if natural is not None:
        if natural.stopped:
            notes.append(f"Natural runs: {natural.stopped}.")
        if natural.deadlocks:
            notes.append("Natural deadlocks were noticed by the stand-ins for the locks, and unwound.")
    races = {finding.kind for finding in report.findings} & {Kind.LOST_UPDATE, Kind.DATA_RACE}
    if races and natural is not None:
        notes.append(_switching(found.interpreter, bool(found.not_seen)))
    if found.interrupted:
        notes.append("Interrupted: this is a part of the cross-check.")
    return notes


def _switching(interpreter: Interpreter, missing: bool) -> str:
    """Why the racy outcomes come up naturally on this interpreter, or do not."""
    if not interpreter.gil:
        return f"{interpreter}: threads run truly at the same time; a race can happen between any two accesses."
    if interpreter.implementation != "CPython":
        return f"{interpreter}: when it switches threads is its own affair; rare outcomes may need more runs."
    said = (
        f"{interpreter}: it switches threads only at certain bytecodes (function entry, backward jumps, calls; up to "
        "3.9 almost anywhere). Between the read and the write of a statement such as `self.count += 1` there is none"
    )
    if missing:
        said += ", so its lost update is not expected to be seen here, however many the runs"
    return said + (
        ". It can be lost all the same, as the forced runs above show where they agree; and a property or a call "
        "between the read and the write, or a free-threaded build, brings the loss back."
    )


def _outcome_dict(outcome: Outcome) -> dict[str, Any]:
    return {"outcome": str(outcome), "how": outcome.how, "memory": memory_dict(outcome.memory)}


def _text(found: CrossCheck) -> str:
    from rich import box
    from rich.table import Table

    from simulator.render.text import number as shown
    from simulator.render.text import percent, plural, table_text

    def table(*headers: str, right: Collection[int] = ()) -> Table:
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for number, header in enumerate(headers):
            made.add_column(header, justify="right" if number in right else "left", overflow="fold")
        return made

    total = found.interleavings
    possible = table("outcome", "interleavings", "share", right=(1, 2))
    for outcome, number in found.possible.items():
        share = percent(Fraction(number, total)) if number is not None and total else ""
        possible.add_row(str(outcome), "" if number is None else shown(number), share)
    known = "all outcomes" if found.complete else "not all outcomes are known"
    counted = f"of {plural(total, 'interleaving')}" if total is not None else "interleavings not counted"
    parts = [f"{found.name}: three facts, kept apart"]
    if found.possible:
        parts.append(f"1. Possible in the model ({counted}, {known})\n\n{table_text(possible)}")
    else:
        ends = "no interleaving ends" if found.complete else "no end was reached"
        parts.append(f"1. Possible in the model: nothing was counted, for {ends}")

    forced = table("shows", "schedule", "ended", "real threads")
    for run in found.forced:
        ended = str(run.forced.outcome) if run.forced.outcome is not None else "stopped there"
        verdict = "as the model, step for step" if run.difference is None else f"DIFFER at {run.difference}"
        forced.add_row("\n".join(run.shows), str(run.forced.schedule), ended, verdict)
    if found.forced:
        parts.append(f"2. Forced on real threads ({plural(len(found.forced), 'schedule')})\n\n{table_text(forced)}")
    else:
        parts.append("2. Forced on real threads: nothing, for there was no schedule to force")

    natural = found.natural
    if natural is not None:
        observed = table("outcome", "runs", "share", "95 % interval", "model", right=(1, 2, 3))
        for row in found.observed:
            verdict = {True: "predicted", False: "NOT PREDICTED", None: "not among those known"}[row.predicted]
            interval = f"{row.low:.1%} to {row.high:.1%}"
            observed.add_row(str(row.outcome), f"{row.times:,}", f"{row.share:.1%}", interval, verdict)
        for outcome in found.not_seen:
            low, high = wilson(0, natural.done)
            observed.add_row(str(outcome), "0", "0.0%", f"{low:.1%} to {high:.1%}", "predicted, not seen")
        parts.append(f"3. Observed in {natural.done:,} natural runs\n\n{table_text(observed)}")
        told = [f"{times:,} x {deadlock}" for deadlock, times in natural.deadlocks.items()]
        told += [f"{times:,} x {error}" for error, times in natural.errors.items()]
        if told:
            parts.append("\n".join(told))
        if natural.stacks:
            parts.append(f"Where the threads stood:\n{natural.stacks.rstrip()}")
    if found.notes:
        parts.append("\n".join(textwrap.fill(f"Note: {note}", 100) for note in found.notes))
    if found.ok:
        held = found.forced or (natural is not None and natural.done)
        parts.append("Nothing contradicts the model." if held else "Nothing was held against the model.")
    else:
        wrong = [f"{len(found.disagreements)} forced runs differ from it"] if found.disagreements else []
        if found.not_predicted:
            wrong.append(f"it does not have {', '.join(map(str, found.not_predicted))}")
        parts.append(f"The model is WRONG: {'; '.join(wrong)}. This is a bug in the model.")
    return "\n\n".join(parts)
