"""The loop: takes a program through a search within a budget, and makes the report.

`check` answers "what is wrong with this program, and is that all?"; `explore` hands out runs one by one. What one
search shares with another lives here and not in both: budgets, riding detectors, witnesses, shares.
"""

from __future__ import annotations

import enum
import itertools
import random
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulator.analysis.deadlock import wait_for, waiting_cycles
from simulator.analysis.detector import Detector
from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Finding, Kind, Share, Sighting, Status
from simulator.analysis.lock_order import CycleSeen, LockEdge, LockOrder, explain_cycle, lock_cycles, lock_edges
from simulator.analysis.riders import Riders
from simulator.census import Census, count
from simulator.errors import EndlessError, LimitError, UsageError, nearest
from simulator.machine import COMPACT, LayoutFull, Machine
from simulator.program import Program
from simulator.search.budget import Budget, Stop
from simulator.search.graph import Explored, StateGraph
from simulator.search.naive import Interleaving, interleavings
from simulator.search.random_walk import random_walks
from simulator.search.replay import run_of
from simulator.search.shortest import shortest_schedules
from simulator.shares import shares
from simulator.trace import Outcome, Pending, Run, memory_dict

__all__ = ["MAX_STATES", "MAX_STEPS", "Report", "Scheduler", "check", "explore"]

MAX_STATES = 1_000_000
"""States that `check` visits at most, unless told otherwise."""
MAX_STEPS = 10_000
"""Steps after which an interleaving is cut, unless told otherwise."""
SAMPLES = 1_000
"""Random walks, unless told otherwise."""
_SHARE_STATES = 300_000


class Scheduler(enum.StrEnum):
    """How the next thread is chosen."""

    GRAPH = "graph"
    """The state graph, every state once: complete, and the default."""
    NAIVE = "naive"
    """Every interleaving, one by one."""
    RANDOM = "random"
    """Random walks from a seed."""

    @classmethod
    def named(cls, name: str) -> Scheduler:
        """The scheduler of that name. Raises UsageError with the nearest one."""
        try:
            return cls(name)
        except ValueError:
            raise UsageError(f"unknown scheduler {name!r}{nearest(name, [each.value for each in cls])}") from None


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` found, and exactly what it looked at.

    `complete` means that every reachable state, or every interleaving, was covered: then "no finding" is a proof.
    `census` is the exact count of the program's interleavings, None (with `census_missing` saying why) where it could
    not be had. `runs` counts the interleavings walked one by one; the state graph walks none.
    """

    program: str
    threads: tuple[str, ...]
    scheduler: Scheduler
    stop: Stop
    findings: tuple[Finding, ...]
    outcomes: Mapping[Outcome, int | None]
    states: int
    runs: int | None
    seed: int | None
    lock_edges: tuple[LockEdge, ...]
    """The lock-order graph of everything that was explored."""
    census: Census | None
    census_missing: str = ""

    @property
    def complete(self) -> bool:
        """Whether what was covered is everything there is."""
        return self.stop is Stop.COMPLETE

    @property
    def clean(self) -> bool:
        """Whether nothing was found. A proof only if `complete`."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """The report in plain types, as `simulator explore --json` prints it."""
        counted = self.census
        return {
            "program": self.program,
            "threads": list(self.threads),
            "scheduler": str(self.scheduler),
            "complete": self.complete,
            "stopped": str(self.stop),
            "seed": self.seed,
            "states": self.states or None,
            "runs": self.runs,
            "interleavings": None if counted is None else counted.interleavings,
            "interleavings_unknown_because": self.census_missing or None,
            "outcomes": {
                str(outcome): {
                    "interleavings": None if counted is None else counted.outcomes.get(outcome),
                    "runs": runs,
                    "how": outcome.how,
                    "memory": memory_dict(outcome.memory),
                }
                for outcome, runs in self.outcomes.items()
            },
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def __str__(self) -> str:
        from simulator.render.text import report_text

        return report_text(self)

    def _repr_html_(self) -> str:
        from simulator.render.html import preformatted

        return preformatted(str(self))


def check(
    program: Program,
    *,
    scheduler: Scheduler | str = Scheduler.GRAPH,
    seed: int | None = None,
    budget: Budget | None = None,
    merge: bool = True,
) -> Report:
    """Look for everything that is wrong with a program, and say how far that was looked.

    Each kind of finding on the same objects is reported once, with its shortest witness. Raises ProgramError when the
    program itself cannot run, UsageError for options that do not go together. A KeyboardInterrupt ends the search and
    keeps what it had.

    >>> from simulator.ops import Read, Write
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> report = check(Program({"a": body, "b": body}, memory={"x": 0}))
    >>> [finding.title for finding in report.findings], report.complete
    (['lost update on x', 'data race on x'], True)
    """
    chosen = Scheduler.named(scheduler)
    limits = _limits(chosen, budget or Budget(), seed)
    machine = Machine(program, merge=merge, bits=COMPACT)
    while True:
        try:
            return _Check(machine, chosen, seed or 0, limits).report()
        except LayoutFull:
            machine = machine.widened()


def explore(
    program: Program,
    *,
    scheduler: Scheduler | str = Scheduler.NAIVE,
    seed: int | None = None,
    budget: Budget | None = None,
) -> Iterator[Run]:
    """Runs of a program, one by one, lazily: every interleaving, or random walks.

    Raises UsageError for the state graph, which has no runs.

    >>> from simulator.ops import Pause
    >>> def body():
    ...     yield Pause()
    >>> [str(run.schedule) for run in explore(Program({"a": body, "b": body}))]
    ['a b', 'b a']
    """
    chosen = Scheduler.named(scheduler)
    if chosen is Scheduler.GRAPH:
        raise UsageError(
            "the state graph visits states, not runs; explore with scheduler 'naive' or 'random', or use check"
        )
    limits = _limits(chosen, budget or Budget(), seed)
    machine = Machine(program)
    deadline = limits.deadline()
    found = itertools.islice(_walk(machine, chosen, seed or 0, limits), limits.max_interleavings)
    in_time = itertools.takewhile(lambda numbered: not limits.late(deadline, numbered[0]), enumerate(found))
    return (run_of(machine, one.schedule, cut=one.cut) for _, one in in_time)


def _limits(scheduler: Scheduler, budget: Budget, seed: int | None) -> Budget:
    """The budget with its defaults. Raises UsageError for what the scheduler would ignore."""
    if scheduler is not Scheduler.RANDOM and seed is not None:
        raise UsageError(f"seed is for the random scheduler; {scheduler} has nothing random in it")
    budget = replace(budget, max_steps=budget.max_steps or MAX_STEPS)
    if scheduler is Scheduler.GRAPH:
        if budget.max_interleavings is not None:
            raise UsageError("max_interleavings is for naive and random; the state graph is limited by max_states")
        return replace(budget, max_states=budget.max_states or MAX_STATES)
    if budget.max_states is not None:
        raise UsageError(f"max_states is for the state graph; {scheduler} is limited by max_interleavings")
    if scheduler is Scheduler.RANDOM and budget.max_interleavings is None:
        return replace(budget, max_interleavings=SAMPLES)
    return budget


def _walk(machine: Machine, scheduler: Scheduler, seed: int, budget: Budget) -> Iterator[Interleaving]:
    """Interleavings one by one, as long as anybody asks for one more."""
    if scheduler is Scheduler.RANDOM:
        return random_walks(machine, draw=random.Random(seed).random, max_steps=budget.max_steps)
    return interleavings(machine, max_steps=budget.max_steps)


class _Check:
    """One check of one machine."""

    def __init__(self, machine: Machine, scheduler: Scheduler, seed: int, budget: Budget) -> None:
        self.machine = machine
        self.scheduler = scheduler
        self.seed = seed
        self.budget = budget.begun()
        self.taken: set[int] = set()
        self.detectors = detectors_for(machine.program)
        self.by_kind = {detector.kind: detector for detector in self.detectors}

    def report(self) -> Report:
        explored = self.search()
        # What follows grows the tables further; what was explored is what is known now.
        self.pending = self.all_pending()
        census: Census | None = None
        missing = str(Stop.INTERRUPTED)
        found: list[Finding] = []
        if explored.stop is not Stop.INTERRUPTED:
            try:
                census, missing = self.census()
                found = self.findings(explored, counted=census is not None)
            except KeyboardInterrupt:
                explored.stop = Stop.INTERRUPTED
        if explored.stop is Stop.INTERRUPTED:
            found = [self.told(seen, schedule, shortest=False) for seen, schedule in explored.sightings.items()]
        found.sort(key=_simplest_first)
        return Report(
            program=self.machine.program.name,
            threads=self.machine.threads,
            scheduler=self.scheduler,
            stop=explored.stop,
            findings=tuple(found),
            outcomes={
                outcome: explored.outcomes[outcome]
                for outcome in sorted(explored.outcomes, key=lambda outcome: outcome.sort_key)
            },
            states=explored.states,
            runs=explored.runs,
            seed=self.seed if self.scheduler is Scheduler.RANDOM else None,
            lock_edges=lock_edges(self.pending),
            census=census,
            census_missing=missing,
        )

    def search(self) -> Explored:
        if self.scheduler is Scheduler.GRAPH:
            riders = self.riders(detector.over_states() for detector in self.detectors)
            self.graph = StateGraph(self.machine, riders, self.budget)
            return self.graph.run()
        return self.walk()

    def walk(self) -> Explored:
        """Run by run, with every detector folded over each."""
        explored = Explored(runs=0)
        riders = self.riders(self.detectors)
        deadline = self.budget.deadline()
        sampled = self.scheduler is Scheduler.RANDOM
        explored.stop = Stop.SAMPLED if sampled else Stop.COMPLETE
        number = 0
        try:
            for found in _walk(self.machine, self.scheduler, self.seed, self.budget):
                if number == self.budget.max_interleavings:
                    if not sampled:
                        explored.stop = Stop.INTERLEAVINGS
                    break
                number += 1
                if found.cut and not sampled:
                    explored.stop = Stop.STEPS
                for sighting, length in self.fold(riders, found).items():
                    explored.sightings.setdefault(sighting, found.schedule[:length])
                outcome = self.machine.outcome(found.state, cut=found.cut)
                explored.outcomes[outcome] = (explored.outcomes.get(outcome) or 0) + 1
                explored.runs = number
                if number % 256 == 0 and self.budget.late(deadline, number):
                    explored.stop = Stop.TIMEOUT
                    break
        except KeyboardInterrupt:
            explored.stop = Stop.INTERRUPTED
        return explored

    def fold(self, riders: Riders, found: Interleaving) -> dict[Sighting, int]:
        """Each sighting in one interleaving, with the number of steps after which it was first there."""
        state = self.machine.initial
        memo, seen = riders.start
        sightings = dict.fromkeys((*seen, *riders.in_state(state)), 0)
        for length, thread in enumerate(found.schedule, start=1):
            for mover, reached, event in self.machine.moves(state):
                if mover == thread:
                    memo, seen = riders.after(memo, event)
                    state = reached
                    self.taken.add(event)
                    break
            for sighting in (*seen, *riders.in_state(state)):
                sightings.setdefault(sighting, length)
        if not found.cut:
            for sighting in riders.at_end(state):
                sightings.setdefault(sighting, len(found.schedule))
        return sightings

    def all_pending(self) -> list[tuple[str, Pending]]:
        """Everything that a thread was about to do in what was explored: in all states, or along the runs."""
        if self.scheduler is Scheduler.GRAPH:
            return self.machine.all_pending()
        first = [(name, self.machine.pending(self.machine.initial, n)) for n, name in enumerate(self.machine.threads)]
        later = [(event.thread, event.pending) for event in map(self.machine.events.__getitem__, sorted(self.taken))]
        return [(thread, pending) for thread, pending in (*first, *later) if pending is not None]

    def riders(self, detectors: Iterable[Detector]) -> Riders:
        return Riders(self.machine, tuple(detectors))

    def findings(self, explored: Explored, *, counted: bool) -> list[Finding]:
        seen = explored.sightings
        short = self.shortest(seen)
        shares_of = self.shares(seen) if counted else {}
        found = []
        for sighting, schedule in seen.items():
            told = self.told(sighting, short.get(sighting, schedule), shortest=sighting in short)
            found.append(replace(told, share=shares_of.get(sighting)))
        found.extend(
            self.cycles(
                explored,
                {finding.objects: finding for finding in found if finding.kind is Kind.DEADLOCK and not finding.detail},
            )
        )
        return found

    def shortest(self, seen: Mapping[Sighting, tuple[int, ...]]) -> dict[Sighting, tuple[int, ...]]:
        """Shortest schedules. Races are sought apart: their memo is the largest."""
        found: dict[Sighting, tuple[int, ...]] = {}
        for wanted, detectors in self.apart(seen):
            if wanted:
                found |= shortest_schedules(self.machine, self.riders(detectors), wanted, self.budget)
        return found

    def shares(self, seen: Mapping[Sighting, tuple[int, ...]]) -> dict[Sighting, Share]:
        found: dict[Sighting, Share] = {}
        for wanted, detectors in self.apart(seen):
            if wanted:
                found |= shares(
                    self.machine, self.riders(detectors), wanted, max_states=_SHARE_STATES, budget=self.budget
                )
        return found

    def apart(self, seen: Iterable[Sighting]) -> list[tuple[list[Sighting], list[Detector]]]:
        """Sightings with the detectors that see them: data races in one group, lost updates in one, all others in one."""
        seen = list(seen)
        groups: list[tuple[list[Sighting], list[Detector]]] = []
        for kinds in ({Kind.DATA_RACE}, {Kind.LOST_UPDATE}, set(Kind) - {Kind.DATA_RACE, Kind.LOST_UPDATE}):
            groups.append(
                (
                    [sighting for sighting in seen if sighting.kind in kinds],
                    [detector for detector in self.detectors if detector.kind in kinds],
                )
            )
        return groups

    def told(self, sighting: Sighting, schedule: tuple[int, ...], *, shortest: bool) -> Finding:
        run = run_of(self.machine, schedule)
        finding = self.by_kind[sighting.kind].explain(sighting, run)
        return replace(finding, witness=run.schedule, preemptions=run.preemptions, shortest=shortest, run=run)

    def cycles(self, explored: Explored, deadlocks: Mapping[tuple[object, ...], Finding]) -> Iterator[Finding]:
        """Lock-order cycles over everything that was explored, each classified."""
        detector = self.by_kind.get(Kind.LOCK_ORDER_CYCLE)
        if not isinstance(detector, LockOrder):
            return
        for cycle in lock_cycles(lock_edges(self.pending)):
            sighting = detector.sighting(cycle)
            deadlock = deadlocks.get(sighting.objects)
            if deadlock is not None and deadlock.witness is not None:
                run = run_of(self.machine, [self.machine.threads.index(name) for name in deadlock.witness])
                told = explain_cycle(sighting, detector.edges_of(sighting, _pending_in(run)), run)
                yield replace(
                    told,
                    witness=deadlock.witness,
                    preemptions=deadlock.preemptions,
                    shortest=deadlock.shortest,
                    status=Status.REALISED,
                    run=run,
                )
                continue
            status = Status.OPEN
            if explored.complete:
                standing = self.standing(sighting.objects)
                if standing is not None:
                    run = run_of(self.machine, standing)
                    told = explain_cycle(sighting, detector.edges_of(sighting, _pending_in(run)), run)
                    yield replace(
                        told, witness=run.schedule, preemptions=run.preemptions, status=Status.REALISED, run=run
                    )
                    continue
                status = Status.IMPOSSIBLE
            riders = self.riders([CycleSeen(sighting)])
            schedule = shortest_schedules(self.machine, riders, [sighting], self.budget).get(sighting)
            if schedule is None:
                yield replace(explain_cycle(sighting, cycle, None), status=status)
                continue
            run = run_of(self.machine, schedule)
            yield replace(
                explain_cycle(sighting, cycle, run),
                witness=run.schedule,
                preemptions=run.preemptions,
                shortest=True,
                status=status,
                run=run,
            )

    def standing(self, locks: tuple[Hashable, ...]) -> tuple[int, ...] | None:
        """A schedule to a state in which threads wait for each other over exactly these locks, whoever still runs."""
        if self.scheduler is not Scheduler.GRAPH:
            plain = StateGraph(self.machine, self.riders(()), replace(self.budget, max_states=MAX_STATES))
            if not plain.run().complete:
                return None
            self.graph = plain
        wanted = self.machine.lock_mask(locks)
        for state, schedule in self.graph.visited():
            if state & wanted == wanted:
                for cycle in waiting_cycles(wait_for(self.machine.situation(state))):
                    if {wait.lock for wait in cycle} == set(locks):
                        return tuple(schedule())
        return None

    def census(self) -> tuple[Census | None, str]:
        try:
            states, longest = self.budget.max_states or MAX_STATES, self.budget.max_steps or MAX_STEPS
            return count(self.machine, max_states=states, longest=longest, budget=self.budget), ""
        except EndlessError:
            return None, "the program can run for ever (whether it makes progress is not looked at)"
        except LimitError as error:
            return None, str(error)


def _simplest_first(finding: Finding) -> tuple[object, ...]:
    """By kind, then by how simple the witness is: the same order whatever search found them."""
    steps = len(finding.witness) if finding.witness is not None else MAX_STATES
    return (list(Kind).index(finding.kind), finding.preemptions or 0, steps, finding.title, finding.detail)


def _pending_in(run: Run) -> list[tuple[str, Any]]:
    return [
        (thread, wanted)
        for situation in run.situations
        for thread, wanted in situation.pending.items()
        if wanted is not None
    ]
