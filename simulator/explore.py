"""The loop: takes a program through a search within a budget, and makes the report.

`check` answers "what is wrong with this program, and is that all?"; `explore` hands out runs one by one. What one
search shares with another lives here and not in both: budgets, riding detectors, witnesses, shares, counts.
"""

from __future__ import annotations

import itertools
from base64 import b64decode, b64encode
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from simulator.analysis.deadlock import wait_for, waiting_cycles
from simulator.analysis.detector import Detector
from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Finding, Kind, Share, Sighting, Status
from simulator.analysis.lock_order import CycleSeen, LockOrder, explain_cycle, lock_cycles, lock_edges
from simulator.analysis.riders import Riders
from simulator.census import Census, count
from simulator.errors import EndlessError, LimitError, UsageError, nearest
from simulator.machine import COMPACT, LayoutFull, Machine
from simulator.program import Program
from simulator.report import Report
from simulator.schedulers import MAX_STATES, MAX_STEPS, Options, Scheduler, Walk, estimates
from simulator.search.budget import Budget, Stop
from simulator.search.distinct import TraceKeys
from simulator.search.estimate import Estimate
from simulator.search.gone_through import GoneThrough
from simulator.search.graph import Explored, StateGraph
from simulator.search.layered import LayeredGraph, available
from simulator.search.reduced import Reduced, ReducedGraph, Reduction
from simulator.search.replay import run_of
from simulator.search.shortest import MAX_NODES, shortest_schedules
from simulator.shares import shares
from simulator.trace import Pending, Run
from simulator.traces import TraceCensus, count_traces

__all__ = ["MAX_STATES", "MAX_STEPS", "Checkpoint", "Report", "Scheduler", "check", "explore"]

COUNTED_STATES = 100_000
"""States that a check visits to count interleavings, traces or shares, unless the search itself visited more."""
MANY_STATES = 50_000
"""States up to which the reduced search goes on when nobody chose a scheduler, and a sweep in numpy is possible."""
NEAR = 30_000
"""Nodes that are searched for a shortest witness after a search that does not visit every state."""
LOOK_UP = 4_096
"""Steps between two looks at the clock, while runs are gone through."""
COUNTED_PAIRS = 50_000
"""Pairs of a state and a sleep set that a check visits to count traces."""
FEW_STATES = 20_000
"""States up to which every one of them is visited when nobody chose a scheduler."""
FEW_TRACES = 5_000
"""Traces up to which each is run when nobody chose a scheduler, and states are many."""
KEY_BYTES = 16
"""The length of a trace's key, as `TraceKeys` makes it."""


class Checkpoint(Protocol):
    """Where a search is kept, so that it can be taken up again: in plain types, as JSON holds them."""

    def load(self) -> Mapping[str, Any] | None:
        """What was saved last, None when nothing was."""

    def due(self) -> bool:
        """Whether it is time to save again; asked after each run."""

    def save(self, saved: Mapping[str, Any]) -> None:
        """Keep this instead of what was saved before."""


def check(
    program: Program | Machine,
    *,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    bound: int | None = None,
    depth: int | None = None,
    budget: Budget | None = None,
    merge: bool = True,
    reductions: Reduction = Reduction.ALL,
    checkpoint: Checkpoint | None = None,
    kinds: Iterable[Kind | str] | None = None,
    counted: bool = True,
) -> Report:
    """Look for everything that is wrong with a program, and say how far that was looked.

    Without a scheduler the fastest complete one is picked by what the program looks like, and the report says which and
    why; the findings do not depend on it. Each kind of finding on the same objects is reported once, with its shortest
    witness. Raises ProgramError when the program itself cannot run, UsageError for options that do not go together. A
    KeyboardInterrupt ends the search and keeps what it had.

    Where many programs are checked, `kinds` looks for some kinds of findings only, and without `counted` neither
    interleavings nor traces are counted: what is found stays the same, without how often it happens. Of a machine, what its
    automata have grown to so far need not be run again, and what is run now is there for others that ask it.

    >>> from simulator.ops import Read, Write
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> report = check(Program({"a": body, "b": body}, memory={"x": 0}))
    >>> [finding.title for finding in report.findings], report.complete
    (['lost update on x', 'data race on x'], True)
    """
    budget = budget or Budget()
    asked = _Asked.of(kinds, counted=counted)
    if scheduler is None:
        for option, given in (("seed", seed), ("bound", bound), ("depth", depth)):
            if given is not None:
                raise UsageError(f"{option} needs a scheduler to be chosen: without one, every interleaving is covered")
        if budget.max_interleavings is not None:
            raise UsageError("max_interleavings needs a scheduler to be chosen; without one, max_states is the limit")
        if reductions is not Reduction.ALL:
            raise UsageError("reductions can be switched off of the reduced search: choose that scheduler")
        if checkpoint is not None:
            raise UsageError("a checkpoint needs a scheduler to be chosen, one that goes through runs: dpor, say")
        machine = _compact(program, merge=merge)
        while True:
            try:
                return _picked(machine, budget.begun(), asked)
            except LayoutFull:
                machine = machine.widened()
    chosen = Scheduler.named(scheduler)
    options = Options(chosen, budget, seed, bound, depth).filled_in()
    if reductions is not Reduction.ALL and chosen is not Scheduler.REDUCED:
        raise UsageError(f"reductions can be switched off of the reduced search; {chosen} has none of them")
    if checkpoint is not None and chosen.visits_states:
        raise UsageError(f"{chosen} cannot be saved and resumed: it goes through states; what goes through runs can")
    machine = _compact(program, merge=merge)
    while True:
        try:
            return _Check(machine, options, asked, reductions=reductions, checkpoint=checkpoint).report()
        except LayoutFull:
            machine = machine.widened()


def _compact(program: Program | Machine, *, merge: bool) -> Machine:
    """A machine with narrow fields, for states by the million."""
    if isinstance(program, Program):
        return Machine(program, merge=merge, bits=COMPACT)
    if program.merges and not merge:
        raise UsageError("merge=False does not fit: this machine was made to merge; give the program instead")
    return program.laid_out(COMPACT)


def explore(
    program: Program,
    *,
    scheduler: Scheduler | str = Scheduler.NAIVE,
    seed: int | None = None,
    bound: int | None = None,
    depth: int | None = None,
    budget: Budget | None = None,
) -> Iterator[Run]:
    """Runs of a program, one by one, lazily: every interleaving, one of each trace, bounded ones, or samples.

    Raises UsageError for schedulers that go through states, which have no runs.

    >>> from simulator.ops import Pause
    >>> def body():
    ...     yield Pause()
    >>> program = Program({"a": body, "b": body})
    >>> [str(run.schedule) for run in explore(program)], [str(run.schedule) for run in explore(program, scheduler="dpor")]
    (['a b', 'b a'], ['a b'])
    """
    chosen = Scheduler.named(scheduler)
    if chosen.visits_states:
        raise UsageError(
            f"{chosen} visits states, not runs; explore with scheduler 'naive' or 'dpor', say, or use check"
        )
    options = Options(chosen, budget or Budget(), seed, bound, depth).filled_in()
    machine = Machine(program)
    limits = options.budget
    deadline = limits.deadline()
    found = itertools.islice(Walk(machine, options), limits.max_interleavings)
    in_time = itertools.takewhile(lambda numbered: not limits.late(deadline, numbered[0]), enumerate(found))
    return (run_of(machine, one.schedule, cut=one.cut) for _, one in in_time)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a check is to say: which kinds of findings, and whether how often."""

    kinds: frozenset[Kind]
    counted: bool = True

    @classmethod
    def of(cls, kinds: Iterable[Kind | str] | None, *, counted: bool) -> _Asked:
        """Raises UsageError for a kind that there is not."""
        known = [str(kind) for kind in Kind]
        names = known if kinds is None else [str(kind) for kind in kinds]
        for name in names:
            if name not in known:
                raise UsageError(f"there is no kind of finding {name!r}{nearest(name, known)}")
        return cls(frozenset(map(Kind, names)), counted)

    def looks_for(self, kind: Kind) -> bool:
        """Whether findings of a kind have to be known: of a lock-order cycle it is said whether it deadlocks."""
        return kind in self.kinds or (kind is Kind.DEADLOCK and Kind.LOCK_ORDER_CYCLE in self.kinds)


def _picked(machine: Machine, budget: Budget, asked: _Asked) -> Report:
    """The report of the first complete search that is not too long, from the plainest to the one that leaves out most."""
    limit = budget.max_states or MAX_STATES
    if budget.max_steps is not None:
        why = "max_steps was given: only the whole state graph cuts every interleaving there"
        return _Check(machine, Options(Scheduler.GRAPH, budget).filled_in(), asked, why=why).report()
    few = min(FEW_STATES, limit)
    graph = _Check(
        machine,
        Options(Scheduler.GRAPH, replace(budget, max_states=few)).filled_in(),
        asked,
        why=f"at most {few:,} states",
    )
    seen = graph.search()
    if seen.stop is not Stop.STATES or few == limit:
        graph.why = graph.why if seen.complete else "it is tried first"
        return graph.report()
    runs = _Check(
        machine,
        Options(Scheduler.DPOR, replace(budget, max_states=None, max_interleavings=FEW_TRACES)).filled_in(),
        asked,
        why=f"more than {few:,} states, but at most {FEW_TRACES:,} traces",
    )
    if not machine.program.step_properties:
        tried = runs.search()
        if tried.complete:
            return runs.report()
        if tried.stop in (Stop.TIMEOUT, Stop.INTERRUPTED):
            seen.stop, graph.why = tried.stop, "it is tried first, and there was no time for more"
            graph.add(tried)
            return graph.report()
        seen.sightings = {**seen.sightings, **tried.sightings}
    why = f"more than {few:,} states and more than {FEW_TRACES:,} traces"
    if runs.explored is not None and runs.explored.stop is Stop.STEPS and budget.max_states is None:
        # No state came again in thousands of steps: values grow, most likely, and no number of states would be enough.
        limit = MANY_STATES
        why = f"more than {few:,} states, and a run with more than {MAX_STEPS:,} steps"
    sweeps = available()
    reduced = _Check(
        machine,
        Options(
            Scheduler.REDUCED, replace(budget, max_states=min(limit, MANY_STATES) if sweeps else limit)
        ).filled_in(),
        asked,
        why=why,
    )
    if sweeps and reduced.search().stop is Stop.STATES and limit > MANY_STATES:
        layered = _Check(
            machine,
            Options(Scheduler.LAYERED, budget).filled_in(),
            asked,
            why=f"{why}, and more than {MANY_STATES:,} states after all reductions",
        )
        options = Options(Scheduler.REDUCED, replace(budget, max_states=limit)).filled_in()
        reduced = layered if layered.fits() else _Check(machine, options, asked, why=why)
    if not reduced.search().complete:
        reduced.add(seen)
    return reduced.report()


class _Check:
    """One check of one machine."""

    def __init__(
        self,
        machine: Machine,
        options: Options,
        asked: _Asked,
        *,
        why: str = "",
        reductions: Reduction = Reduction.ALL,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.machine = machine
        self.options = replace(options, budget=options.budget.begun())
        self.asked = asked
        self.scheduler = options.scheduler
        self.budget = self.options.budget
        self.why = why
        self.reductions = reductions
        self.checkpoint = checkpoint
        self.notes: list[str] = list(machine.program.notes)
        self.within: int | None = None
        self.weighted_by_length = False
        self.endless = False
        self.traces: int | None = None
        self.explored: Explored | None = None
        self.graph: StateGraph | ReducedGraph | None = None
        self.taken: set[int] = set()
        self.detectors = tuple(
            detector for detector in detectors_for(machine.program) if asked.looks_for(detector.kind)
        )
        self.by_kind = {detector.kind: detector for detector in self.detectors}

    def add(self, earlier: Explored) -> None:
        """What another search has shown before this one, which is not complete."""
        explored = self.search()
        for sighting, schedule in earlier.sightings.items():
            explored.sightings.setdefault(sighting, schedule)
        for outcome in earlier.outcomes:
            if outcome.how != "out of steps":
                explored.outcomes.setdefault(outcome, None)
        if isinstance(explored, Reduced):
            explored.undecided = tuple(each for each in explored.undecided if each not in explored.sightings)

    def report(self) -> Report:
        explored = self.search()
        # What follows grows the tables further; what was explored is what is known now.
        self.pending = self.all_pending()
        # Where the states are too many to be visited one by one, a count is not to take longer than the search did, and a
        # shortest schedule is either near or out of reach.
        plain = self.scheduler is Scheduler.GRAPH
        self.counted_states = max(COUNTED_STATES, 2 * explored.states if plain else 0)
        self.shortest_nodes = MAX_NODES if plain or self.scheduler is Scheduler.NAIVE else NEAR
        census: Census | None = None
        trace_census: TraceCensus | None = None
        missing = traces_missing = str(Stop.INTERRUPTED) if self.asked.counted else "not asked for"
        found: list[Finding] = []
        if explored.stop is not Stop.INTERRUPTED:
            try:
                if self.asked.counted:
                    census, missing = self.census()
                    trace_census, traces_missing = self.trace_census()
                found = self.findings(explored, counted=census is not None)
            except KeyboardInterrupt:
                explored.stop = Stop.INTERRUPTED
        if explored.stop is Stop.INTERRUPTED:
            # A step that was cut off may have left half a place in the automata, so what is told is run on others.
            self.machine = Machine(self.machine.program, merge=self.machine.merges)
            found = [self.told(seen, schedule, shortest=False) for seen, schedule in explored.sightings.items()]
        found = [each for each in found if each.kind in self.asked.kinds]
        found.sort(key=_simplest_first)
        interleavings_estimate, traces_estimate = self.estimates(explored)
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
            seed=self.options.seed,
            lock_edges=lock_edges(self.pending),
            census=census,
            census_missing=missing,
            trace_census=trace_census,
            trace_census_missing=traces_missing,
            traces=self.traces,
            why=self.why,
            notes=tuple(self.notes),
            bound=self.options.bound,
            within=self.within,
            weighted_by_length=self.weighted_by_length,
            interleavings_estimate=interleavings_estimate,
            traces_estimate=traces_estimate,
            undecided=self.undecided(explored),
        )

    def estimates(self, explored: Explored) -> tuple[Estimate | None, Estimate | None]:
        """Of how many interleavings and traces there are. None where they have no number, or fewer than were seen."""
        if not (self.asked.counted and self.scheduler.samples) or explored.stop is Stop.INTERRUPTED:
            return None, None
        if self.endless:
            self.notes.append("the program can run for ever: there is no number of interleavings or traces to estimate")
            return None, None
        interleavings, traces = estimates(self.machine, self.options)
        if self.traces is not None and traces.mean < self.traces:
            self.notes.append(
                "Knuth's estimate of all traces is left out: it is below what was seen, so its walks missed most of them"
            )
            return interleavings, None
        return interleavings, traces

    def undecided(self, explored: Explored) -> tuple[str, ...]:
        if not isinstance(explored, Reduced):
            return ()
        return tuple(f"{each.kind} on {', '.join(map(str, each.objects))}" for each in explored.undecided)

    def search(self) -> Explored:
        """What the scheduler explores; searched once."""
        if self.explored is None:
            self.explored = self.searched()
            # Races are read off runs whether or not they were asked for.
            for sighting in [each for each in self.explored.sightings if not self.asked.looks_for(each.kind)]:
                del self.explored.sightings[sighting]
        return self.explored

    def searched(self) -> Explored:
        match self.scheduler:
            case Scheduler.GRAPH:
                riders = self.riders(detector.over_states() for detector in self.detectors)
                self.graph = StateGraph(self.machine, riders, self.budget)
                return self.graph.run()
            case Scheduler.REDUCED:
                self.graph = ReducedGraph(self.machine, self.detectors, self.budget, reductions=self.reductions)
                return self.graph.run()
            case Scheduler.LAYERED:
                if not self.fits():
                    raise UsageError(
                        "layered does not fit: the states of this program are too wide, or it does not end; choose "
                        "reduced or graph"
                    )
                assert self.explored is not None
                return self.explored
            case Scheduler.DPOR if self.machine.program.step_properties and Kind.FAILED_INVARIANT in self.by_kind:
                return self.between_steps(self.walk())
            case _:
                return self.walk()

    def fits(self) -> bool:
        """Whether the layered search can be made of this program; if so, it has been made."""
        sweep = LayeredGraph(self.machine.program, self.detectors, self.budget, merge=self.machine.merges)
        self.explored = sweep.run()
        if sweep.machine is not None:
            self.machine = sweep.machine
        return self.explored is not None

    def between_steps(self, explored: Explored) -> Explored:
        """One run of a trace does not pass through every memory that its other runs do: those are looked at besides."""
        watching = [detector for detector in self.detectors if detector.kind is Kind.FAILED_INVARIANT]
        states = ReducedGraph(self.machine, watching, replace(self.budget, max_states=MAX_STATES)).run()
        for sighting, schedule in states.sightings.items():
            explored.sightings.setdefault(sighting, schedule)
        if explored.complete:
            explored.stop = states.stop
        return explored

    def walk(self) -> Explored:
        """Run by run, with every detector folded over each."""
        explored = Explored(runs=0)
        saved = None if self.checkpoint is None else self.checkpoint.load()
        walk = Walk(self.machine, self.options, resume=None if saved is None else saved["walk"])
        riding = self.riders(detector for detector in self.detectors if detector.kind is not Kind.DATA_RACE)
        gone_through = GoneThrough(self.machine, riding, explored)
        keys = None if self.scheduler is Scheduler.DPOR else TraceKeys(self.machine)
        # In the order in which they came, so that what is saved is the same every time.
        distinct: dict[bytes, None] = {}
        number = 0
        deadline = self.budget.deadline()
        unwatched = 0
        try:
            runs = iter(walk)
            if saved is not None:
                gone_through.put_back(saved)
                packed = b64decode(saved["traces"])
                distinct.update((packed[at : at + KEY_BYTES], None) for at in range(0, len(packed), KEY_BYTES))
                number = explored.runs or 0
                if self.budget.max_interleavings is not None and number > self.budget.max_interleavings:
                    raise UsageError(
                        f"the checkpoint holds {number:,} runs, more than max_interleavings "
                        f"{self.budget.max_interleavings:,}"
                    )
            for found in runs:
                if number == self.budget.max_interleavings:
                    explored.stop = Stop.SAMPLED if self.scheduler.samples else Stop.INTERLEAVINGS
                    break
                gone_through.go(found)
                if keys is not None:
                    distinct[keys.key(found.schedule)] = None
                number += 1
                explored.runs = number
                unwatched += 1 + len(found.schedule)
                late = unwatched > LOOK_UP and self.budget.late(deadline, number)
                if unwatched > LOOK_UP:
                    unwatched = 0
                # At the limit before the run is asked for that tells whether there are more: it is not gone through.
                if self.checkpoint is not None and (
                    late or number == self.budget.max_interleavings or self.checkpoint.due()
                ):
                    self.checkpoint.save(self.saved(gone_through, walk, distinct))
                if late:
                    explored.stop = Stop.TIMEOUT
                    break
            else:
                explored.stop = walk.stop
                if self.checkpoint is not None:
                    self.checkpoint.save(self.saved(gone_through, walk, distinct))
        except KeyboardInterrupt:
            explored.stop = Stop.INTERRUPTED
        self.traces = number if keys is None else len(distinct)
        self.taken = set(gone_through.taken)
        self.notes.extend(walk.notes)
        self.within = walk.within
        self.weighted_by_length = walk.weighted_by_length
        return explored

    def saved(self, gone_through: GoneThrough, walk: Walk, distinct: Iterable[bytes]) -> dict[str, Any]:
        """All that it takes to go on from here, in plain types."""
        return {
            **gone_through.saved(),
            "traces": b64encode(b"".join(distinct)).decode(),
            "walk": walk.place(),
        }

    def all_pending(self) -> list[tuple[str, Pending]]:
        """Everything that a thread was about to do in what was explored: in all states, or along the runs."""
        if self.scheduler.visits_states:
            return self.machine.all_pending()
        first = [(name, self.machine.pending(self.machine.initial, n)) for n, name in enumerate(self.machine.threads)]
        later = [(event.thread, event.pending) for event in map(self.machine.events.__getitem__, sorted(self.taken))]
        return [(thread, pending) for thread, pending in (*first, *later) if pending is not None]

    def riders(self, detectors: Iterable[Detector]) -> Riders:
        return Riders(self.machine, tuple(detectors))

    def findings(self, explored: Explored, *, counted: bool) -> list[Finding]:
        seen = explored.sightings
        short = self.shortest(explored)
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

    def shortest(self, explored: Explored) -> dict[Sighting, tuple[int, ...]]:
        """Shortest schedules. Races are sought apart: their memo is the largest."""
        found: dict[Sighting, tuple[int, ...]] = {}
        for wanted, detectors in self.apart(explored.sightings):
            if wanted:
                found |= shortest_schedules(
                    self.machine,
                    self.riders(detectors),
                    wanted,
                    self.budget,
                    max_nodes=self.shortest_nodes,
                    endings=explored.endings if explored.complete else None,
                )
        return found

    def shares(self, seen: Mapping[Sighting, tuple[int, ...]]) -> dict[Sighting, Share]:
        found: dict[Sighting, Share] = {}
        for wanted, detectors in self.apart(seen):
            if wanted:
                found |= shares(
                    self.machine, self.riders(detectors), wanted, max_states=self.shortest_nodes, budget=self.budget
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
            schedule = shortest_schedules(
                self.machine, riders, [sighting], self.budget, max_nodes=self.shortest_nodes
            ).get(sighting)
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
        """A schedule to a state in which threads wait for each other over exactly these locks, whoever still runs.

        What went through all runs has none: each of its runs ended, so that such threads would have been left over.
        """
        if self.graph is None:
            return None
        wanted = self.machine.lock_mask(locks)
        for state, schedule in self.graph.visited():
            if state & wanted == wanted:
                for cycle in waiting_cycles(wait_for(self.machine.situation(state))):
                    if {wait.lock for wait in cycle} == set(locks):
                        return tuple(schedule())
        return None

    def census(self) -> tuple[Census | None, str]:
        """How many interleavings there are, or why that is not known."""
        try:
            return count(
                self.machine,
                max_states=self.counted_states,
                longest=self.budget.max_steps or MAX_STEPS,
                budget=self.budget,
            ), ""
        except EndlessError:
            self.endless = True
            return None, "the program can run for ever (whether it makes progress is not looked at)"
        except LimitError as error:
            return None, str(error)

    def trace_census(self) -> tuple[TraceCensus | None, str]:
        """How many traces there are, or why that is not known."""
        try:
            return count_traces(
                self.machine,
                max_states=min(self.counted_states, COUNTED_PAIRS),
                longest=self.budget.max_steps or MAX_STEPS,
                budget=self.budget,
            ), ""
        except EndlessError:
            return None, "the program can run for ever"
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
