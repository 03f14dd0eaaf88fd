"""The schedulers by name: what each takes, and how each goes through a program's runs.

This file knows that there are several ways of choosing the next thread, and what a user may say about each. It does not
know what a run shows: `explore.py` folds detectors over what comes from here.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from simulator.census import count
from simulator.errors import LimitError, UsageError, nearest
from simulator.machine import Machine
from simulator.search import pct
from simulator.search.bounded import BoundedSearch, Cost
from simulator.search.budget import Budget, Stop
from simulator.search.dpor import Dpor, Place
from simulator.search.estimate import Estimate, estimate_interleavings, estimate_traces
from simulator.search.naive import Interleaving, interleavings
from simulator.search.pos import pos
from simulator.search.probe import probe
from simulator.search.random_walk import random_walks
from simulator.search.surw import surw
from simulator.search.uniform import uniform
from simulator.search.uniform_traces import uniform_traces
from simulator.search.weighted_by_length import weighted_by_length

__all__ = ["MAX_STATES", "MAX_STEPS", "Options", "Scheduler", "Walk", "estimates"]

MAX_STATES = 1_000_000
"""States that are visited at most, unless told otherwise."""
MAX_PACKED_STATES = 20_000_000
"""The same for the layered search, whose states take 8 bytes each."""
MAX_STEPS = 10_000
"""Steps after which an interleaving is cut, unless told otherwise."""
COUNTED_STATES = 500_000
"""States that are counted at most before a sampler draws by the counts, unless told otherwise."""
LOOKED_AT = 100_000
"""States that are looked at to know a program's longest run."""
SAMPLES = 1_000
"""Runs of a sampler, unless told otherwise."""
WALKED = 200_000
"""Steps that estimates walk, about."""
BOUND = 2
"""Preemptions, or delays, that a bounded search goes up to, unless told otherwise."""


class Scheduler(enum.StrEnum):
    """How the next thread is chosen."""

    GRAPH = "graph"
    """The state graph, every state once."""
    REDUCED = "reduced"
    """The state graph without the states that show nothing new."""
    LAYERED = "layered"
    """The same for programs that end, a layer of states at a time, in numpy."""
    DPOR = "dpor"
    """One run of each Mazurkiewicz trace."""
    NAIVE = "naive"
    """Every interleaving, one by one."""
    PREEMPTIONS = "preemptions"
    """Every interleaving with at most so many preemptions, those with fewer first."""
    DELAYS = "delays"
    """Every interleaving with at most so many delays, those with fewer first."""
    RANDOM = "random"
    """Random walks: each enabled thread is equally likely at each step."""
    UNIFORM = "uniform"
    """Each interleaving is equally likely."""
    UNIFORM_TRACES = "uniform-traces"
    """Each Mazurkiewicz trace is equally likely."""
    PCT = "pct"
    """Random priorities with a few random changes."""
    POS = "pos"
    """Random priorities, drawn anew for steps that a step races with."""
    SURW = "surw"
    """Uniform over the orders of a location's accesses."""

    @classmethod
    def named(cls, name: str) -> Scheduler:
        """The scheduler of that name. Raises UsageError with the nearest one."""
        try:
            return cls(name)
        except ValueError:
            raise UsageError(f"unknown scheduler {name!r}{nearest(name, [each.value for each in cls])}") from None

    @property
    def visits_states(self) -> bool:
        """Whether it goes through states; the others go through runs."""
        return self in (Scheduler.GRAPH, Scheduler.REDUCED, Scheduler.LAYERED)

    @property
    def looks_at_states(self) -> bool:
        """Whether it goes through states or counts them before it draws, so that their number can be limited."""
        return self.visits_states or self in (Scheduler.UNIFORM, Scheduler.UNIFORM_TRACES)

    @property
    def is_bounded(self) -> bool:
        """Whether it goes through the runs that cost little."""
        return self in (Scheduler.PREEMPTIONS, Scheduler.DELAYS)

    @property
    def samples(self) -> bool:
        """Whether it draws runs at random."""
        return not self.visits_states and not self.is_bounded and self not in (Scheduler.DPOR, Scheduler.NAIVE)


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a scheduler; None for what was not said. Raises UsageError for what it would ignore.

    `bound` is the most preemptions or delays; `depth` is PCT's depth of bugs; `seed` is the samplers'.
    """

    scheduler: Scheduler
    budget: Budget
    seed: int | None = None
    bound: int | None = None
    depth: int | None = None

    def __post_init__(self) -> None:
        scheduler, budget = self.scheduler, self.budget
        if self.seed is not None and not scheduler.samples:
            raise UsageError(f"seed is for the samplers ({_listed('samples')}); {scheduler} has nothing random in it")
        if self.bound is not None and not scheduler.is_bounded:
            raise UsageError(f"bound is for {_listed('is_bounded')}; {scheduler} has none")
        if self.bound is not None and self.bound < 0:
            raise UsageError(f"bound is {self.bound}, expected 0 or more {scheduler}")
        if self.depth is not None and scheduler is not Scheduler.PCT:
            raise UsageError(f"depth is for pct; {scheduler} has none")
        if self.depth is not None and self.depth < 1:
            raise UsageError(f"depth is {self.depth}, expected a number above 0")
        if budget.max_interleavings is not None and scheduler.visits_states:
            raise UsageError(
                f"max_interleavings is for schedulers that go through runs; {scheduler} is limited by max_states"
            )
        if budget.max_states is not None and not scheduler.looks_at_states:
            raise UsageError(
                f"max_states is for {_listed('looks_at_states')}; {scheduler} is limited by max_interleavings"
            )
        if budget.max_steps is not None and scheduler in (Scheduler.REDUCED, Scheduler.LAYERED):
            raise UsageError(f"max_steps is not for {scheduler}, which counts no steps; choose graph, or leave it out")

    def filled_in(self) -> Options:
        """The same with the defaults for what was not said."""
        scheduler, budget = self.scheduler, self.budget
        if scheduler.visits_states:
            most = MAX_PACKED_STATES if scheduler is Scheduler.LAYERED else MAX_STATES
            budget = replace(budget, max_states=budget.max_states or most)
        elif scheduler.samples:
            budget = replace(budget, max_interleavings=budget.max_interleavings or SAMPLES)
            if scheduler.looks_at_states:
                budget = replace(budget, max_states=budget.max_states or COUNTED_STATES)
        if scheduler not in (Scheduler.REDUCED, Scheduler.LAYERED, Scheduler.DPOR, Scheduler.NAIVE):
            # Those that go down one run after another have to know whether the cut was asked for: see `Walk`.
            budget = replace(budget, max_steps=budget.max_steps or MAX_STEPS)
        return replace(
            self,
            budget=budget,
            seed=(self.seed or 0) if scheduler.samples else None,
            bound=(BOUND if self.bound is None else self.bound) if scheduler.is_bounded else None,
            depth=(self.depth or pct.DEPTH) if scheduler is Scheduler.PCT else None,
        )


def _listed(which: str) -> str:
    names = [str(scheduler) for scheduler in Scheduler if getattr(scheduler, which)]
    return f"{', '.join(names[:-1])} and {names[-1]}"


class Walk:
    """The runs of a program as one scheduler goes through them: iterate over it, then ask `stop`.

    `notes` say what has to be known to read the result: PCT's bound, or that a sampler could not be what it is called;
    `weighted_by_length` that `uniform` could not, and draws threads by the steps they have left.
    A walk can be saved between two runs and taken up again: `place` is in plain types, `resume` takes it. DPOR, naive
    enumeration and the samplers go on from there at once; bounded search goes through the runs that it gave before once
    more, without handing them out. A walk that had ended gives nothing more, and the same `stop`.

    DPOR and naive enumeration end at the first run that does not, unless `max_steps` was asked for: after it would come
    all those that part from it in its last steps.

    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> program = Program({"a": body, "b": body})
    >>> walk = Walk(Machine(program), Options(Scheduler.NAIVE, Budget()).filled_in())
    >>> [run.schedule for run in walk], str(walk.stop)
    ([(0, 1), (1, 0)], 'complete')
    """

    def __init__(self, machine: Machine, options: Options, *, resume: Mapping[str, Any] | None = None) -> None:
        self.machine = machine
        self.options = options
        self.notes: list[str] = []
        self.weighted_by_length = False
        self._bounded: BoundedSearch | None = None
        self._dpor: Dpor | None = None
        self._random = random.Random(options.seed)
        self._resume = resume
        self._given: int = resume["given"] if resume is not None else 0
        self._cut: bool = resume["cut"] if resume is not None else False
        self._last: tuple[int, ...] = ()
        self._ended: Stop | None = Stop(resume["ended"]) if resume is not None and resume["ended"] else None
        self._within: int | None = resume["within"] if resume is not None else None

    def __iter__(self) -> Iterator[Interleaving]:
        """The runs. What a sampler has to count or to try before the first one is done at once, and not at that one.

        It is done on a machine that nobody has used yet, then, also where the walk goes on: `uniform_traces` numbers
        traces by the order in which the machine met the states of threads.
        """
        return iter(()) if self._ended is not None else self._each(self._runs())

    def _each(self, runs: Iterator[Interleaving]) -> Iterator[Interleaving]:
        for found in runs:
            self._given += 1
            self._cut = self._cut or found.cut
            self._last = found.schedule
            yield found
            if found.cut and self.options.scheduler is Scheduler.NAIVE and self.options.budget.max_steps is None:
                break
        self._ended = self.stop

    @property
    def within(self) -> int | None:
        """The cost up to which a bounded search gave every run; None before its first level is done, and for others."""
        if self._bounded is not None and self._bounded.levels:
            return self._bounded.levels[-1].cost
        return self._within

    @property
    def stop(self) -> Stop:
        """Why it ended, once it has."""
        if self._ended is not None:
            return self._ended
        scheduler = self.options.scheduler
        if scheduler.samples:
            return Stop.SAMPLED
        if self._dpor is not None:
            return self._dpor.stop
        if self._cut:
            return Stop.STEPS
        if self._bounded is not None and not self._bounded.complete:
            return Stop.BOUND
        return Stop.COMPLETE

    def _runs(self) -> Iterator[Interleaving]:
        machine, options = self.machine, self.options
        max_steps = options.budget.max_steps
        most = options.budget.max_states or COUNTED_STATES
        draw = self._random.random
        resume = self._resume
        if resume is not None and options.scheduler.samples:
            version, internal, gauss = resume["random"]
            self._random.setstate((version, tuple(internal), gauss))
        match options.scheduler:
            case Scheduler.DPOR:
                self._dpor = Dpor(machine, max_steps=max_steps)
                return self._dpor.runs(None if resume is None else Place(*resume["place"]))
            case Scheduler.NAIVE:
                beyond = None if resume is None else resume["last"]
                return interleavings(machine, max_steps=max_steps or MAX_STEPS, beyond=beyond)
            case Scheduler.PREEMPTIONS | Scheduler.DELAYS:
                self._bounded = BoundedSearch(
                    machine, options.bound, cost=Cost(options.scheduler.value), max_steps=max_steps
                )
                return islice(self._bounded, self._given, None)
            case Scheduler.RANDOM:
                return random_walks(machine, draw=draw, max_steps=max_steps)
            case Scheduler.UNIFORM:
                try:
                    return uniform(machine, draw=draw, max_steps=max_steps, max_states=most, budget=options.budget)
                except LimitError as error:
                    self.weighted_by_length = True
                    self.notes.append(
                        f"not exactly uniform: {error.args[0].partition(':')[0]}; threads are weighted by the number of "
                        "steps they still have to take"
                    )
                    return weighted_by_length(machine, draw=draw, max_steps=max_steps)
            case Scheduler.UNIFORM_TRACES:
                return uniform_traces(machine, draw=draw, max_steps=max_steps, max_states=most, budget=options.budget)
            case Scheduler.PCT:
                depth, threads = options.depth or pct.DEPTH, len(machine.threads)
                try:
                    longest = count(machine, max_states=LOOKED_AT).longest
                    steps = max(1, min(longest, max_steps or longest))
                    self.notes.append(
                        f"PCT for bugs of depth {depth}: each run finds one with a probability of at least "
                        f"{pct.bound(threads, steps, depth)} = 1/(n·k^(d-1)), for n = {threads} threads and runs of at "
                        f"most k = {steps} steps"
                    )
                except LimitError:
                    steps = max(1, len(probe(machine, max_steps=max_steps).steps))
                    self.notes.append(
                        f"PCT for bugs of depth {depth}, with k = {steps} steps as in one run that was tried: nothing is "
                        "promised, for the longest run is not known"
                    )
                return pct.pct(machine, draw=draw, depth=depth, steps=steps, max_steps=max_steps)
            case Scheduler.POS:
                return pos(machine, draw=draw, max_steps=max_steps)
            case Scheduler.SURW:
                return surw(machine, draw=draw, max_steps=max_steps)
            case _:
                raise UsageError(f"{options.scheduler} goes through states, not runs; use check")

    def place(self) -> dict[str, Any]:
        """Where it is, after the run that it gave last; before the first one there is no place."""
        if self._resume is not None and self._resume["ended"] is not None:
            return dict(self._resume)
        found: dict[str, Any] = {
            "given": self._given,
            "cut": self._cut,
            "last": list(self._last),
            "ended": None if self._ended is None else str(self._ended),
            "within": self.within,
        }
        if self.options.scheduler.samples:
            version, internal, gauss = self._random.getstate()
            found["random"] = [version, list(internal), gauss]
        elif self._dpor is not None:
            found["place"] = list(self._dpor.place())
        return found


def estimates(machine: Machine, options: Options) -> tuple[Estimate, Estimate]:
    """Knuth's estimates of how many interleavings and how many traces there are, from random walks of the same seed."""
    max_steps = options.budget.max_steps
    length = max(1, len(probe(machine, max_steps=max_steps).steps))
    samples = min(1_000, max(20, WALKED // length))
    interleavings = estimate_interleavings(
        machine, draw=random.Random(options.seed).random, samples=samples, max_steps=max_steps
    )
    traces = estimate_traces(machine, draw=random.Random(options.seed).random, samples=samples, max_steps=max_steps)
    return interleavings, traces
