"""Hold the model against real threads: three facts, kept apart, in one table.

    possible    which outcomes the model has, and in how many of its interleavings
    forced      what real threads did when they were made to follow a schedule of each finding and of each outcome
    observed    how often each outcome came up in so many natural runs of the plain Python version, on each Python asked for

A forced run that differs from the model's run of the same schedule, or a natural outcome that the model does not have,
is a bug in the model: then the cross-check is not `ok`. Only where the program asks for what no model can know, as `id()`
is, it may differ and proves nothing. An outcome that was predicted and not seen is no bug: what is
possible need not be likely, and on some interpreters it cannot happen naturally at all.

Who forces is a parameter (`Forcing`): by default the program's own bodies are forced.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

from simulator.analysis.finding import Finding, Kind, Status
from simulator.census import count
from simulator.errors import LimitError, UsageError
from simulator.explore import Report, check, explore
from simulator.loading import Loaded
from simulator.machine import Machine
from simulator.ops import show_name
from simulator.program import Program
from simulator.real.baton import Memory, first_difference, force
from simulator.real.interpreters import Interpreter
from simulator.real.natural import Batch, CycleSeen, Logged, check_limits, run_batch
from simulator.real.plain_code import PlainForcing
from simulator.search.budget import Budget
from simulator.search.replay import replay
from simulator.source.granularity import GRANULARITIES, granularity_for
from simulator.source.threads import Threads
from simulator.source.walk import GIL
from simulator.trace import Outcome, Schedule, memory_dict
from simulator.values import value_key

__all__ = [
    "CrossCheck",
    "ForcedRun",
    "Forcing",
    "NaturalCycle",
    "Observed",
    "Row",
    "Unpredicted",
    "crosscheck",
    "force_bodies",
    "schedules_by_outcome",
    "wilson",
]

MAX_FORCED = 100
MAX_ALL = 10_000
"""Interleavings up to which all of them can be forced."""
MAX_SHOWN = 20
"""How many forced runs are listed; the table counts them all."""
MAX_STATES = 100_000
_Z95 = 1.959963984540054

Progress = Callable[[str, int, int], None]
"""Called with "forced" or "observed", how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class ForcedRun:
    """A schedule forced on real threads: what it shows, how it ended, and where that differs from the model.

    `outcome` is None where the schedule stops before the end. `difference` is anything that says by its `str` at which
    step real threads did something else; None if they nowhere did. `of` is what was forced.
    """

    shows: tuple[str, ...]
    schedule: Schedule
    outcome: Outcome | None
    difference: object | None
    of: str = "generators"
    unforced: str = ""
    """Why it was not forced after all; empty where it was."""

    @property
    def agrees(self) -> bool:
        """Whether real threads did, step for step, what the model says."""
        return self.difference is None and not self.unforced

    def to_dict(self) -> dict[str, Any]:
        """The run in plain types."""
        return {
            "shows": list(self.shows),
            "schedule": str(self.schedule),
            "of": self.of,
            "agrees": self.agrees,
            "unforced": self.unforced or None,
            "difference": None if self.difference is None else str(self.difference),
            "outcome": None if self.outcome is None else str(self.outcome),
        }


Forcing = Callable[[Mapping[Schedule, Sequence[str]], float], Iterable[ForcedRun]]
"""Forces schedules: given those to force, with what each shows, and seconds for each run, gives the runs one by one.

It may force others than it is given, more or fewer.
"""


class Observed(NamedTuple):
    """An outcome of the natural runs on one Python: how often, and the share of the runs with its 95 % Wilson interval.

    `predicted` says whether the model has it; None where the model's outcomes are not all known.
    """

    outcome: Outcome
    times: int
    runs: int
    low: float
    high: float
    predicted: bool | None

    @property
    def share(self) -> float:
        """Of the runs that came to an end."""
        return self.times / self.runs if self.runs else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The row in plain types."""
        return {
            **_outcome_dict(self.outcome),
            "runs": self.times,
            "share": self.share,
            "low": self.low,
            "high": self.high,
            "predicted": self.predicted,
        }


class Row(NamedTuple):
    """An outcome, and the three facts about it: `observed` has an entry for each Python."""

    outcome: Outcome
    possible: bool | None
    interleavings: int | None
    forced: tuple[ForcedRun, ...]
    observed: tuple[Observed, ...]


class Unpredicted(NamedTuple):
    """An outcome that was seen and the model does not have, with the log of the first run that ended so."""

    outcome: Outcome
    interpreter: Interpreter
    log: Logged


class NaturalCycle(NamedTuple):
    """A lock-order cycle of natural runs on one Python, in how many, and what is known of it.

    `status` is the model's where it knows the locks by these names; else it is realised if it deadlocked in a natural
    run, and None if it did not.
    """

    finding: Finding
    interpreter: Interpreter
    runs: int
    of: int
    deadlocked: int
    status: Status | None
    said: str

    def to_dict(self) -> dict[str, Any]:
        """The cycle in plain types."""
        return {
            "locks": list(map(show_name, self.finding.objects)),
            "threads": list(self.finding.threads),
            "why": self.finding.why,
            "runs": self.runs,
            "deadlocked": self.deadlocked,
            "status": None if self.status is None else str(self.status),
            "said": self.said,
        }

    def __str__(self) -> str:
        names = ", ".join(map(show_name, self.finding.objects))
        deadlocked = f", {self.deadlocked:,} of them deadlocked" if self.deadlocked else ", none of them deadlocked"
        return (
            f"Lock-order cycle on {names}, {self.said}: in {self.runs:,} of {self.of:,} natural runs on "
            f"{self.interpreter}{deadlocked}. {self.finding.why}."
        )


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """The three facts about a program, and where they do not fit together.

    `possible` maps the model's outcomes to their number of interleavings (None where that could not be counted);
    `complete` says that there are no others. `interpreter` is what schedules were forced on; `natural` has the runs on each
    Python asked for, and is empty where there is no plain Python version to run. `findings` and `locks` are the
    model's.
    """

    name: str
    values: Mapping[str, Any]
    interpreter: Interpreter
    possible: Mapping[Outcome, int | None]
    interleavings: int | None
    complete: bool
    forced: tuple[ForcedRun, ...]
    natural: tuple[Batch, ...]
    findings: tuple[Finding, ...] = ()
    locks: tuple[Hashable, ...] = ()
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    beyond: tuple[tuple[Interpreter, Outcome], ...] = ()
    """Outcomes that were seen, that the model has not at this granularity but where threads may be switched anywhere, and the
    Pythons whose runs do not keep to it."""
    by_id: str = ""
    """Where the program asks for the `id()` of objects, which no model knows: then differences prove nothing. Else empty."""

    def observed(self, batch: Batch) -> tuple[Observed, ...]:
        """What the natural runs of a batch ended as."""
        return tuple(
            self._observed(outcome, batch.outcomes[outcome], batch)
            for outcome in sorted(batch.outcomes, key=lambda outcome: outcome.sort_key)
        )

    def _observed(self, outcome: Outcome, times: int, batch: Batch) -> Observed:
        predicted = any(_same(outcome, other) for other in self.possible) or (None if not self.complete else False)
        return Observed(outcome, times, batch.done, *wilson(times, batch.done), predicted)

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every outcome that is possible, and those that were forced or seen besides."""
        outcomes = list(self.possible)
        for outcome in (
            *(run.outcome for run in self.forced),
            *(row.outcome for batch in self.natural for row in self.observed(batch)),
        ):
            if outcome is not None and not any(_same(outcome, other) for other in outcomes):
                outcomes.append(outcome)
        return tuple(map(self._row, outcomes))

    def _row(self, outcome: Outcome) -> Row:
        return Row(
            outcome,
            possible=True if outcome in self.possible else None if not self.complete else False,
            interleavings=self.possible.get(outcome),
            forced=tuple(run for run in self.forced if run.outcome is not None and _same(run.outcome, outcome)),
            observed=tuple(
                self._observed(
                    outcome, sum(times for seen, times in batch.outcomes.items() if _same(seen, outcome)), batch
                )
                for batch in self.natural
            ),
        )

    @property
    def not_seen(self) -> tuple[Outcome, ...]:
        """Outcomes that the model has and no natural run on any Python ended as."""
        seen = [outcome for batch in self.natural for outcome in batch.outcomes]
        return tuple(outcome for outcome in self.possible if seen and not any(_same(other, outcome) for other in seen))

    @property
    def not_predicted(self) -> tuple[Unpredicted, ...]:
        """Outcomes that were seen and the model does not have: a bug in the model."""
        return tuple(
            Unpredicted(row.outcome, batch.interpreter, batch.logs[row.outcome])
            for batch in self.natural
            for row in self.observed(batch)
            if row.predicted is False and (batch.interpreter, row.outcome) not in self.beyond
        )

    @property
    def disagreements(self) -> tuple[ForcedRun, ...]:
        """Forced runs that differ from the model: a bug in the model, or in the forcing."""
        return tuple(run for run in self.forced if not run.agrees and not run.unforced)

    @property
    def cycles(self) -> tuple[NaturalCycle, ...]:
        """Lock-order cycles of the natural runs, whether or not one deadlocked."""
        return tuple(
            NaturalCycle(
                cycle.finding, batch.interpreter, cycle.runs, batch.done, cycle.deadlocked, *self._known(cycle)
            )
            for batch in self.natural
            for cycle in batch.cycles
        )

    def _known(self, cycle: CycleSeen) -> tuple[Status | None, str]:
        """What is known of a natural lock-order cycle: its status, and in words by whom."""
        natural = set(map(show_name, cycle.finding.objects))
        # A model written by hand calls a lock as the shared object does: `first`, not `pair.first`.
        for locks in (natural, {name.partition(".")[2] for name in natural}):
            for finding in self.findings:
                if finding.kind is Kind.LOCK_ORDER_CYCLE and set(map(show_name, finding.objects)) == locks:
                    return finding.status, f"which the model calls {finding.status}"
            if locks <= set(map(show_name, self.locks)) and self.complete:
                return None, "which the model does NOT have"
        said = "realised in a natural run" if cycle.deadlocked else "open"
        return (
            Status.REALISED if cycle.deadlocked else None,
            f"{said} (the model does not know the locks by these names)",
        )

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts the model."""
        return bool(self.by_id) or not self.differs

    @property
    def differs(self) -> bool:
        """Whether real threads anywhere did what the model does not have."""
        return bool(self.disagreements or self.not_predicted)

    def to_dict(self) -> dict[str, Any]:
        """The cross-check in plain types, as `simulator crosscheck --json` prints it."""
        return {
            "program": self.name,
            "values": dict(self.values),
            "ok": self.ok,
            "interrupted": self.interrupted,
            "interpreter": self.interpreter.to_dict(),
            "possible": {
                "complete": self.complete,
                "interleavings": self.interleavings,
                "outcomes": [
                    {**_outcome_dict(outcome), "interleavings": number} for outcome, number in self.possible.items()
                ],
            },
            "forced": [run.to_dict() for run in self.forced],
            "observed": [self._batch_dict(batch) for batch in self.natural],
            "not_seen": list(map(str, self.not_seen)),
            "not_predicted": [
                {
                    **_outcome_dict(seen.outcome),
                    "interpreter": seen.interpreter.to_dict(),
                    "run": seen.log.number,
                    "log": seen.log.run.to_dict(),
                }
                for seen in self.not_predicted
            ],
            "notes": list(self.notes),
            "by_id": self.by_id or None,
        }

    def _batch_dict(self, batch: Batch) -> dict[str, Any]:
        return {
            "interpreter": batch.interpreter.to_dict(),
            "barrier": batch.barrier,
            "runs": batch.done,
            "asked": batch.asked,
            "stopped": batch.stopped or None,
            "outcomes": [row.to_dict() for row in self.observed(batch)],
            "deadlocks": [{"runs": times, "deadlock": str(deadlock)} for deadlock, times in batch.deadlocks.items()],
            "lock_order_cycles": [cycle.to_dict() for cycle in self.cycles if cycle.interpreter == batch.interpreter],
            "errors": [{"runs": times, "error": error} for error, times in batch.errors.items()],
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
    forcing: Forcing | None = None,
    interpreters: Sequence[Interpreter] = (),
    switch_interval: float | None = None,
    barrier: bool = True,
    everything: bool = False,
    progress: Progress | None = None,
) -> CrossCheck:
    """Compare what is possible in the model with what real threads do when forced, and in `runs` natural runs.

    Forced are the witness of every finding and one schedule for each outcome, or with `everything` all interleavings (of
    which there may be MAX_ALL); on the plain code itself where that is what was explored, else on the program's own bodies,
    unless `forcing` is given. Natural runs are made on each of the `interpreters` (on the one that runs this, if there is
    none), with `switch_interval` and `barrier` as `run_batch` takes them. `timeout`, in seconds, limits the natural runs of
    each Python, and each forced run; `budget` limits the search, which a `report` that is there already saves. A
    KeyboardInterrupt keeps what there is (`interrupted`).

    Raises UsageError for parameters that the program cannot have, and when its plain Python version cannot be run.
    """
    check_limits(runs, timeout, switch_interval)
    threads = loaded.threads(**values) if loaded.is_plain else None
    program = loaded.program(**values) if threads is None else threads.program
    has_plain = loaded.plain(**values) is not None
    known = check(program, budget=budget) if report is None else report
    possible, interleavings, complete = _possible(known)
    notes: list[str] = []
    forced: list[ForcedRun] = []
    natural: list[Batch] = []
    interrupted = False
    pythons = interpreters or (Interpreter.current(),)
    try:
        known.uninterrupted()
        wanted = _to_force(program, known, possible, notes)
        if everything:
            wanted = _everything(program, interleavings, wanted)
        if forcing is None:
            forcing = force_bodies(program) if threads is None else force_code(threads)
        for run in forcing(wanted, min(timeout, 10.0)):
            forced.append(run)
            if progress is not None:
                progress("forced", len(forced), max(len(wanted), len(forced)))
        for number, interpreter in enumerate(pythons if has_plain else ()):
            batch = run_batch(
                loaded,
                values,
                runs=runs,
                timeout=timeout,
                interpreter=interpreter,
                switch_interval=switch_interval,
                barrier=barrier,
                progress=_counted(progress, number * runs, len(pythons) * runs),
            )
            natural.append(batch)
            batch.uninterrupted()
    except KeyboardInterrupt:
        interrupted = True
    found = CrossCheck(
        name=loaded.name,
        values=dict(values),
        interpreter=Interpreter.current(),
        possible=possible if threads is None else _as_observed(possible, threads),
        interleavings=interleavings,
        complete=complete,
        forced=tuple(forced),
        natural=tuple(natural),
        findings=known.findings,
        locks=program.all_locks,
        interrupted=interrupted,
        beyond=() if threads is None or not complete else beyond(threads, possible, natural),
        by_id=next((note for note in program.notes if "id()" in note), ""),
    )
    notes += _notes(found, known, has_plain)
    return replace(found, notes=tuple(notes))


def beyond(
    threads: Threads, possible: Mapping[Outcome, int | None], natural: Sequence[Batch]
) -> tuple[tuple[Interpreter, Outcome], ...]:
    """What was seen beyond a granularity by runs that do not keep to it: on another Python than it is of, or with locks, for
    what stands in for those is Python code, where threads may be switched."""
    granularity = threads.granularity
    has_locks = any(lock != GIL for lock in threads.program.all_locks)
    known = _as_observed(possible, threads)
    unknown = [
        (batch.interpreter, outcome)
        for batch in natural
        for outcome in batch.outcomes
        if has_locks
        or GRANULARITIES[granularity_for(batch.interpreter.version, gil=batch.interpreter.gil)] != granularity
        if not any(_same(outcome, one) for one in known)
    ]
    if not unknown or not granularity.has_gil:
        return ()
    anywhere = Threads(threads.plain, granularity="free-threaded", name=threads.name)
    try:
        finer = _as_observed(dict(count(anywhere.program).outcomes), anywhere)
    except LimitError:
        return ()
    return tuple(each for each in unknown if any(_same(each[1], one) for one in finer))


def _counted(progress: Progress | None, before: int, total: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress("observed", before + done, total)


def force_bodies(program: Program, memory: Memory = dict) -> Forcing:
    """Forces schedules on the program's own bodies. `memory` is what they take for memory: see `baton.force`."""

    def forcing(wanted: Mapping[Schedule, Sequence[str]], timeout: float) -> Iterator[ForcedRun]:
        machine = Machine(program)
        for schedule, shows in wanted.items():
            forced = force(program, schedule, timeout=timeout, memory=memory)
            difference = first_difference(forced, replay(machine, schedule))
            yield ForcedRun(tuple(shows), schedule, forced.outcome, difference)

    return forcing


def force_code(threads: Threads) -> Forcing:
    """Forces schedules on the plain code itself, memory compared after every step."""

    def forcing(wanted: Mapping[Schedule, Sequence[str]], timeout: float) -> Iterator[ForcedRun]:
        machine = Machine(threads.program)
        with PlainForcing(threads, timeout=timeout) as walked:
            for schedule, shows in wanted.items():
                run = replay(machine, schedule)
                if why := walked.cannot(run):
                    yield ForcedRun(tuple(shows), schedule, None, None, of="the plain code", unforced=why)
                    continue
                forced, difference = walked.force(run)
                ended = forced.outcome
                if ended is not None and difference is None and (said := walked.completed(run).outcome) is not None:
                    # Where they agree, what real objects hold is what the model says.
                    ended = threads.observed(said)
                yield ForcedRun(tuple(shows), schedule, ended, difference, of="the plain code")

    return forcing


def _everything(
    program: Program, interleavings: int | None, wanted: Mapping[Schedule, list[str]]
) -> dict[Schedule, list[str]]:
    """Every interleaving, with what it shows. Raises UsageError where there are too many, or nobody knows how many."""
    if interleavings is None or interleavings > MAX_ALL:
        many = "not counted" if interleavings is None else f"{interleavings:,}"
        raise UsageError(f"all interleavings can be forced where there are at most {MAX_ALL:,}; here they are {many}")
    found = {run.schedule: wanted.get(run.schedule, []) for run in explore(program, scheduler="naive")}
    return {**found, **wanted}


def _as_observed(possible: Mapping[Outcome, int | None], threads: Threads) -> dict[Outcome, int | None]:
    """Outcomes as the plain code is observed: what cannot be told apart there is counted together."""
    found: dict[Outcome, int | None] = {}
    for outcome, number in possible.items():
        seen = threads.observed(outcome)
        before = found.get(seen, 0)
        found[seen] = None if number is None or before is None else before + number
    return found


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


def _same(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are the same, as far as both know the memory."""
    if one.how != other.how:
        return False
    here: dict[Hashable, Any] = dict(one.memory)
    # Looked up and not compared: an object that a thread made says nothing of what it holds, so it is no more than itself.
    return all(value_key(value) in {value_key(here[at])} for at, value in other.memory if at in here)


def _notes(found: CrossCheck, report: Report, has_plain: bool) -> list[str]:
    notes = []
    if not found.complete:
        notes.append(f"The model's outcomes are not all known ({report.stop}): an outcome beyond them proves nothing.")
    if not has_plain:
        notes.append("There is no plain Python version, so nothing was observed.")
    if any(sum(_same(seen, one) for one in found.possible) > 1 for batch in found.natural for seen in batch.outcomes):
        notes.append(
            "What the plain version shows does not tell all outcomes apart: such a run counts for each that it may be."
        )
    if found.beyond:
        outcomes = "; ".join(dict.fromkeys(str(outcome) for _, outcome in found.beyond))
        notes.append(
            f"Seen, and not possible at this granularity: {outcomes}. It is possible where threads may be switched "
            "anywhere, and these runs do not keep to the granularity: it is that of another Python, or what stands in "
            "for locks is Python code."
        )
    for batch in found.natural:
        if batch.stopped:
            notes.append(f"Natural runs on {batch.interpreter}: {batch.stopped}.")
    if any(batch.deadlocks for batch in found.natural):
        notes.append("Natural deadlocks were noticed by the stand-ins for the locks, and unwound.")
    races = {finding.kind for finding in report.findings} & {Kind.LOST_UPDATE, Kind.DATA_RACE}
    if races:
        for batch in found.natural:
            seen = batch.outcomes
            missing = any(not any(_same(other, outcome) for other in seen) for outcome in found.possible)
            notes.append(_switching(batch.interpreter, missing))
    if found.interrupted:
        notes.append("Interrupted: this is a part of the cross-check.")
    return notes


def _switching(interpreter: Interpreter, missing: bool) -> str:
    """Why the racy outcomes come up naturally on this interpreter, or do not."""
    if not interpreter.gil:
        return f"{interpreter}: threads run truly at the same time; a race can happen between any two accesses."
    if interpreter.implementation != "CPython":
        return f"{interpreter}: when it switches threads is its own affair; rare outcomes may need more runs."
    if interpreter.version < (3, 10):
        return (
            f"{interpreter}: it may switch threads at almost any bytecode, but does so only every "
            f"{interpreter.switch_interval:g} s: rare outcomes need long runs, or a short --switch-interval."
        )
    said = (
        f"{interpreter}: it switches threads only at certain bytecodes (function entry, backward jumps, calls). "
        "Between the read and the write of a statement such as `self.count += 1` there is none"
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
    from simulator.render.text import plural

    total = found.interleavings
    known = "all outcomes" if found.complete else "not all outcomes are known"
    counted = f"of {plural(total, 'interleaving')}" if total is not None else "interleavings not counted"
    parts = [f"{found.name}: possible in the model ({counted}, {known}), forced and observed on real threads"]
    if found.rows:
        parts.append(_facts(found))
    else:
        ends = "no interleaving ends" if found.complete else "no end was reached"
        parts.append(f"Nothing was counted, for {ends}.")
    parts.append(_forced(found))
    parts += map(_wrapped, map(str, found.cycles))
    for batch in found.natural:
        told = [f"{times:,} x {deadlock}" for deadlock, times in batch.deadlocks.items()]
        told += [f"{times:,} x {error}" for error, times in batch.errors.items()]
        if told:
            parts.append("\n".join([f"On {batch.interpreter}:", *told]))
        if batch.stacks:
            parts.append(f"Where the threads stood on {batch.interpreter}:\n{batch.stacks.rstrip()}")
    if found.notes:
        parts.append("\n".join(_wrapped(f"Note: {note}") for note in found.notes))
    if not found.differs:
        held = found.forced or any(batch.done for batch in found.natural)
        parts.append("Nothing contradicts the model." if held else "Nothing was held against the model.")
    else:
        for seen in found.not_predicted:
            parts.append(
                f"Run {seen.log.number} on {seen.interpreter} ended as {seen.outcome}:\n"
                + textwrap.indent(str(seen.log.run), "  ")
            )
        count = len(found.disagreements)
        wrong = [f"{plural(count, 'forced run')} {'differs' if count == 1 else 'differ'} from it"] if count else []
        if found.not_predicted:
            outcomes = dict.fromkeys(str(seen.outcome) for seen in found.not_predicted)
            wrong.append(f"it does not have {', '.join(outcomes)}")
        if found.by_id:
            parts.append(
                _wrapped(
                    f"Real threads differ from the model: {'; '.join(wrong)}. That cannot be held against it: {found.by_id}, "
                    "and in which order Python places objects in memory is its own affair. What depends on it may differ "
                    "from run to run; an order by a name or a number of your own can be checked."
                )
            )
        else:
            parts.append(f"The model is WRONG: {'; '.join(wrong)}. This is a bug in the model.")
    return "\n\n".join(parts)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100)


def _facts(found: CrossCheck) -> str:
    """The one table."""
    from simulator.render.text import number, percent

    headers = ["outcome", "possible", "forced"]
    for batch in found.natural:
        headers.append(f"observed on\n{str(batch.interpreter).replace(', ', chr(10))}")
    lines = []
    total = found.interleavings
    for row in found.rows:
        if row.possible is False and any(_same(row.outcome, outcome) for _, outcome in found.beyond):
            possible = "not at this granularity"
        elif row.possible is False:
            possible = "NOT POSSIBLE"
        elif row.interleavings is None:
            possible = "yes" if row.possible else "not known"
        else:
            possible = f"{number(row.interleavings)}, {percent(Fraction(row.interleavings, total))}" if total else "yes"
        differ = [run for run in row.forced if not run.agrees]
        if differ:
            forced = f"{len(differ)} of {len(row.forced)} DIFFER"
        elif row.forced:
            forced = f"yes, {len(row.forced)} agree" if len(row.forced) > 1 else "yes, agrees"
        else:
            forced = "no"
        cells = [str(row.outcome), possible, forced]
        for seen in row.observed:
            cells.append(f"{seen.times:,} of {seen.runs:,}\n{seen.low:.1%} to {seen.high:.1%}")
        lines.append(cells)
    return _table(headers, lines)


def _forced(found: CrossCheck) -> str:
    """Which schedules were forced; where there are many, those that differ and those that show a finding."""
    from simulator.render.text import plural

    if not found.forced:
        return "Forced on real threads: nothing, for there was no schedule to force"
    runs = sorted(found.forced, key=lambda run: (run.agrees, bool(run.unforced), not _shows_a_finding(run)))
    told = [run for run in runs if run.shows or not run.agrees][:MAX_SHOWN]
    lines = []
    for run in told:
        ended = str(run.outcome) if run.outcome is not None else "stopped there"
        if run.unforced:
            verdict = f"not forced: {run.unforced}"
        else:
            verdict = "as the model, step for step" if run.agrees else f"DIFFER at {run.difference}"
        lines.append(["\n".join(run.shows), str(run.schedule), ended, verdict])
    table = _table(["shows", "schedule", "ended", "real threads"], lines)
    more = len(runs) - len(told)
    rest = sum(run.agrees for run in runs) - sum(run.agrees for run in told)
    what = " and ".join(dict.fromkeys(run.of for run in found.forced))
    said = f"Forced on {found.interpreter} ({plural(len(runs), 'schedule')} of {what})\n\n{table}"
    if not more:
        return said
    return f"{said}\n… and {more:,} more, {'all of which' if rest == more else f'of which {rest:,}'} agree"


def _shows_a_finding(run: ForcedRun) -> bool:
    return any(not what.startswith("outcome ") for what in run.shows)


def _table(headers: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    from rich import box
    from rich.table import Table

    from simulator.render.text import table_text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for header in headers:
        made.add_column(header, overflow="fold")
    for line in lines:
        made.add_row(*line)
    return table_text(made)
