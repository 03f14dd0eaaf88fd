"""Objects under test: threads call operations on an implementation, and every history is held against a specification.

This is the front of `analysis/linearizability.py`: it makes the program, goes through all of its states, seeks the
simplest history that no order explains, and makes the report. It chooses no reductions: independent steps of a `Return`
and another thread's `Call` change the history, so the search is the plain state graph, complete for (state, memo).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from simulator.analysis.deadlock import Deadlock
from simulator.analysis.detector import Detector
from simulator.analysis.finding import Finding, Kind
from simulator.analysis.linearizability import (
    WAITS,
    DeadEnd,
    Interval,
    Linearizability,
    call_text,
    explain_history,
    history_of,
)
from simulator.analysis.properties import FailedCheck
from simulator.analysis.riders import Riders
from simulator.errors import ProgramError, UsageError, nearest
from simulator.failures import IncompleteFailure, InterleavingFailure
from simulator.machine import COMPACT, LayoutFull, Machine
from simulator.ops import Call, Check, Operation, Return
from simulator.program import Program
from simulator.report import Report
from simulator.schedulers import MAX_STATES, Scheduler
from simulator.search.budget import Budget, Stop
from simulator.search.graph import StateGraph
from simulator.search.replay import run_of
from simulator.search.shortest import MAX_NODES, shortest_schedules
from simulator.trace import Run, Schedule, plain
from simulator.values import value_key

__all__ = [
    "WAITS",
    "Counterexample",
    "Implementation",
    "LinearizabilityReport",
    "assert_linearizable",
    "check_histories",
    "check_linearizable",
    "object_program",
]

Steps = Generator[Operation | Check, Any, object]
Implementation = Callable[..., Steps]
"""An operation as the implementation does it: a generator function over the model's operations, which returns the result."""
Calls = Sequence[str | tuple[Any, ...]]
"""What a thread calls, one after the other: names with arguments, `("push", 1)`, or names alone, `"pop"`."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A history that no order of its operations explains, and the run that shows it.

    `schedule` is the shortest there is if `shortest`: fewest preemptions, then fewest steps, then first in thread order.
    `dead_ends` say for each order that begins well what breaks first.
    """

    history: tuple[Interval, ...]
    run: Run
    dead_ends: tuple[DeadEnd, ...]
    why: str
    shortest: bool

    @property
    def schedule(self) -> Schedule:
        """Who took each step."""
        return self.run.schedule


@dataclass(frozen=True, slots=True)
class LinearizabilityReport:
    """Whether every history of a program is linearizable, or the simplest one that is not.

    `report` is what was searched and everything that was found: beside histories that no order explains, operations
    that crashed, that failed a check, or that wait for each other. `program` is what was run, for `replay`.
    """

    specification: str
    program: Program
    report: Report
    counterexample: Counterexample | None

    @property
    def complete(self) -> bool:
        """Whether every interleaving was covered."""
        return self.report.complete

    @property
    def linearizable(self) -> bool:
        """Whether it is proved that every history is linearizable. An operation that never returns may have no effect."""
        return self.complete and self.counterexample is None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found; the history that no order explains comes first."""
        return self.report.findings

    @property
    def states(self) -> int:
        """How many pairs of a state and what the history so far allows were visited."""
        return self.report.states

    def to_dict(self) -> dict[str, Any]:
        """The report in plain types."""
        found = self.counterexample
        return {
            "specification": self.specification,
            "linearizable": self.linearizable,
            "complete": self.complete,
            "stopped": str(self.report.stop),
            "states": self.states,
            "counterexample": None
            if found is None
            else {
                "schedule": str(found.schedule),
                "preemptions": found.run.preemptions,
                "shortest": found.shortest,
                "why": found.why,
                "history": [
                    {
                        "thread": each.thread,
                        "operation": call_text(each.name, each.arguments),
                        "called": each.called,
                        "returned": each.returned,
                        "result": plain(each.result),
                    }
                    for each in found.history
                ],
                "dead_ends": [str(each) for each in found.dead_ends],
            },
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def __str__(self) -> str:
        from simulator.render.histories import linearizability_text

        return linearizability_text(self)

    def _repr_html_(self) -> str:
        from simulator.render.html import preformatted

        return preformatted(str(self))


def object_program(
    implementation: object,
    threads: Mapping[str, Calls],
    *,
    memory: Mapping[Hashable, Any] | None = None,
    locks: Iterable[Hashable] = (),
    rlocks: Iterable[Hashable] = (),
    name: str | None = None,
) -> Program:
    """The program in which each thread calls its operations on an object, one after the other.

    `implementation` maps the operations' names to generator functions, or has them as attributes: a class, an instance or
    a module. Threads with the same calls are interchangeable. Functions of a class and of frozen dataclasses can be
    compared, so that waiting loops end; methods of other objects cannot.

    Raises ProgramError for an operation that is missing or is no generator function, and for arguments that cannot be hashed.

    >>> from simulator.ops import Update
    >>> class Counter:
    ...     @staticmethod
    ...     def inc():
    ...         return (yield Update("count", lambda count: count + 1))
    >>> object_program(Counter, {"a": ["inc"], "b": ["inc"]}, memory={"count": 0}).threads
    ('a', 'b')
    """
    if name is None:
        named = implementation if hasattr(implementation, "__name__") else type(implementation)
        name = "object" if isinstance(implementation, Mapping) else str(getattr(named, "__name__", "object"))
    if not isinstance(threads, Mapping):
        raise UsageError(
            f"threads is {threads!r}, expected a mapping from names to calls: {{'a': [('push', 1), 'pop']}}"
        )
    return Program(
        {
            thread: partial(_calls, tuple(_call(implementation, name, thread, call) for call in _listed(thread, calls)))
            for thread, calls in threads.items()
        },
        memory=memory or {},
        locks=locks,
        rlocks=rlocks,
        name=name,
    )


def _listed(thread: str, calls: object) -> list[object]:
    if isinstance(calls, str) or not isinstance(calls, Iterable):
        raise ProgramError(
            f"the calls of thread {thread!r} are {calls!r}, expected a list of them: [('push', 1), 'pop']"
        )
    return list(calls)


def _call(implementation: object, of: str, thread: str, call: object) -> tuple[str, tuple[object, ...], Implementation]:
    name, *arguments = (call,) if isinstance(call, str) else call if isinstance(call, tuple) and call else (None,)
    if not isinstance(name, str):
        raise ProgramError(f"thread {thread!r} is to call {call!r}, expected a name or a tuple such as ('push', 1)")
    if isinstance(implementation, Mapping):
        function, known = implementation.get(name), [str(each) for each in implementation]
    else:
        function = getattr(implementation, name, None)
        known = [each for each in dir(implementation) if not each.startswith("_")]
    if function is None:
        raise ProgramError(f"thread {thread!r} is to call {name!r}, which {of} does not have{nearest(name, known)}")
    if not inspect.isgeneratorfunction(getattr(function, "__wrapped__", function)):
        raise ProgramError(
            f"operation {name!r} of {of} is {function!r}, which is no generator function; write its steps as "
            "'yield Read(...)' and return the result"
        )
    try:
        value_key(tuple(arguments))
    except TypeError as error:
        raise ProgramError(
            f"thread {thread!r} is to call {call!r}: {error}; use a tuple, a frozenset or another immutable value"
        ) from None
    return name, tuple(arguments), function


def _calls(
    calls: tuple[tuple[str, tuple[object, ...], Implementation], ...],
) -> Generator[Operation | Check, Any, None]:
    """A thread's body."""
    for name, arguments, function in calls:
        yield Call(name, *arguments)
        result = yield from function(*arguments)
        _check_result(name, arguments, result)
        yield Return(result)


def _check_result(name: str, arguments: tuple[object, ...], result: object) -> None:
    try:
        value_key(result)
    except TypeError as error:
        raise ProgramError(
            f"{call_text(name, arguments)} returned {result!r}: {error}; use a tuple, a frozenset or another immutable value"
        ) from None


def check_linearizable(
    specification: object,
    implementation: object,
    threads: Mapping[str, Calls],
    *,
    memory: Mapping[Hashable, Any] | None = None,
    locks: Iterable[Hashable] = (),
    rlocks: Iterable[Hashable] = (),
    budget: Budget | None = None,
    name: str | None = None,
) -> LinearizabilityReport:
    """Whether an object answers, in every interleaving, as if its operations had happened one at a time.

    `specification` has `initial` and, for each operation, a pure function from the state and the arguments to the next state
    and the result (or to `WAITS`); see `Sequential`. For the other arguments see `object_program`. The simplest history
    that is not linearizable comes with the shortest schedule. Budgets are `check`'s; only a complete search is a proof.

    Raises ProgramError for a specification or an implementation that cannot be run.

    >>> from simulator.ops import Read, Write
    >>> class Spec:
    ...     initial = 0
    ...     def inc(count):
    ...         return count + 1, count
    >>> class Racy:
    ...     def inc():
    ...         count = yield Read("count")
    ...         yield Write("count", count + 1)
    ...         return count
    >>> report = check_linearizable(Spec, Racy, {"a": ["inc"], "b": ["inc"]}, memory={"count": 0})
    >>> print(report.counterexample.why)
    a's inc() returned 0, and no order of the operations explains that: only 1 could be explained
    """
    program = object_program(implementation, threads, memory=memory, locks=locks, rlocks=rlocks, name=name)
    return check_histories(specification, program, budget=budget)


def check_histories(specification: object, program: Program, *, budget: Budget | None = None) -> LinearizabilityReport:
    """The same for a program whose bodies yield `Call` and `Return` themselves."""
    budget = (budget or Budget()).begun()
    if budget.max_interleavings is not None:
        raise UsageError("max_interleavings does not fit: this goes through states; max_states is the limit")
    machine = Machine(program, bits=COMPACT)
    while True:
        try:
            return _checked(specification, machine, replace(budget, max_states=budget.max_states or MAX_STATES))
        except LayoutFull:
            machine = machine.widened()


def _checked(specification: object, machine: Machine, budget: Budget) -> LinearizabilityReport:
    histories = Linearizability(specification)
    detectors: list[Detector] = [histories, FailedCheck(), FailedCheck(Kind.CRASH)]
    if machine.program.all_locks:
        detectors.append(Deadlock())
    by_kind = {detector.kind: detector for detector in detectors}
    riders = Riders(machine, tuple(detectors))
    explored = StateGraph(machine, riders, budget).run()
    seen = explored.sightings
    short = {}
    if explored.stop is not Stop.INTERRUPTED:
        short = shortest_schedules(machine, riders, seen, budget, max_nodes=max(MAX_NODES, explored.states))
    findings = []
    counterexample = None
    for sighting, schedule in seen.items():
        run = run_of(machine, short.get(sighting, schedule))
        told = by_kind[sighting.kind].explain(sighting, run)
        shortest = sighting in short
        findings.append(replace(told, witness=run.schedule, preemptions=run.preemptions, shortest=shortest, run=run))
        if sighting == histories.sighting:
            history = history_of(run.events)
            dead_ends = explain_history(histories.sequential, history).dead_ends
            counterexample = Counterexample(history, run, dead_ends, told.why, shortest)
    findings.sort(key=lambda each: (each.kind is not histories.kind, list(Kind).index(each.kind), each.detail))
    report = Report(
        program=machine.program.name,
        threads=machine.threads,
        scheduler=Scheduler.GRAPH,
        stop=explored.stop,
        findings=tuple(findings),
        outcomes=dict(sorted(explored.outcomes.items(), key=lambda pair: pair[0].sort_key)),
        states=explored.states,
        runs=None,
        seed=None,
        lock_edges=(),
        census=None,
        census_missing="not asked for",
        trace_census_missing="not asked for",
    )
    return LinearizabilityReport(histories.sequential.name, machine.program, report, counterexample)


def assert_linearizable(
    specification: object,
    implementation: object,
    threads: Mapping[str, Calls],
    *,
    memory: Mapping[Hashable, Any] | None = None,
    locks: Iterable[Hashable] = (),
    rlocks: Iterable[Hashable] = (),
    budget: Budget | None = None,
    incomplete_ok: bool = False,
    name: str | None = None,
) -> LinearizabilityReport:
    """Every history is linearizable, and no operation crashes, fails a check or waits for ever for a lock.

    Returns the report. Raises InterleavingFailure with the simplest history that no order explains, and
    IncompleteFailure when the budget ran out first, unless `incomplete_ok`. For the arguments see `check_linearizable`.

    >>> from simulator.ops import Update
    >>> class Spec:
    ...     initial = 0
    ...     def inc(count):
    ...         return count + 1, count
    >>> class Atomic:
    ...     def inc():
    ...         return (yield Update("count", lambda count: count + 1))
    >>> assert_linearizable(Spec, Atomic, {"a": ["inc"], "b": ["inc"]}, memory={"count": 0}).linearizable
    True
    """
    __tracebackhide__ = True
    checked = check_linearizable(
        specification, implementation, threads, memory=memory, locks=locks, rlocks=rlocks, budget=budget, name=name
    )
    if checked.findings:
        raise InterleavingFailure(f"assert_linearizable: {checked}", finding=checked.findings[0], report=checked.report)
    if not checked.complete and not incomplete_ok:
        raise IncompleteFailure(
            f"assert_linearizable: {checked}\nA larger budget, fewer threads or fewer calls decide it; incomplete_ok=True "
            "lets it pass without",
            report=checked.report,
        )
    return checked
