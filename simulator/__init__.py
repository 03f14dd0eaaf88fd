"""A deterministic concurrency simulator: threads are generators, every interleaving can be had, every finding has a witness.

>>> from functools import partial
>>> from simulator import Add, Program, Read, Write, check, count, replay
>>> def increment(times):
...     for _ in range(times):
...         value = yield Read("count")
...         value = yield Add(value, 1)
...         yield Write("count", value)
>>> program = Program({"a": partial(increment, 1), "b": partial(increment, 1)}, memory={"count": 0})
>>> {str(outcome): number for outcome, number in count(program).outcomes.items()}
{'count=1': 18, 'count=2': 2}
>>> print(check(program).findings[0].witness)
a*2 b*3 a

The names below are imported when first used, so that `simulator --help` need not wait for them.
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.assertions import (
        IncompleteFailure,
        InterleavingFailure,
        assert_clean,
        assert_deadlock_free,
        assert_invariant,
        assert_lock_order_acyclic,
        assert_no_data_races,
        assert_no_lost_updates,
        assert_report,
        assert_same_outcomes,
        assert_serializable,
    )
    from simulator.census import Census, count
    from simulator.errors import (
        InternalError,
        LimitError,
        NondeterminismError,
        ProgramError,
        ScheduleError,
        SimulatorError,
        UsageError,
    )
    from simulator.explore import check, explore
    from simulator.linearizability import assert_linearizable, check_linearizable
    from simulator.ops import (
        Acquire,
        Add,
        Call,
        Check,
        CompareAndSwap,
        Pause,
        Read,
        Release,
        Return,
        TryAcquire,
        Update,
        Write,
    )
    from simulator.program import Program
    from simulator.report import Report
    from simulator.scenario import Plain, Range, Scenario, scenario
    from simulator.schedulers import Scheduler
    from simulator.search.budget import Budget
    from simulator.search.replay import Misfit, replay
    from simulator.source.described import check_threads
    from simulator.source.threads import Threads
    from simulator.trace import Event, Outcome, Run, Schedule
    from simulator.traces import TraceCensus, count_traces

__all__ = [
    "Acquire",
    "Add",
    "Budget",
    "Call",
    "Census",
    "Check",
    "CompareAndSwap",
    "Event",
    "IncompleteFailure",
    "InterleavingFailure",
    "InternalError",
    "LimitError",
    "Misfit",
    "NondeterminismError",
    "Outcome",
    "Pause",
    "Plain",
    "Program",
    "ProgramError",
    "Range",
    "Read",
    "Release",
    "Report",
    "Return",
    "Run",
    "Scenario",
    "Schedule",
    "ScheduleError",
    "Scheduler",
    "SimulatorError",
    "Threads",
    "TraceCensus",
    "TryAcquire",
    "Update",
    "UsageError",
    "Write",
    "assert_clean",
    "assert_deadlock_free",
    "assert_invariant",
    "assert_linearizable",
    "assert_lock_order_acyclic",
    "assert_no_data_races",
    "assert_no_lost_updates",
    "assert_report",
    "assert_same_outcomes",
    "assert_serializable",
    "check",
    "check_linearizable",
    "check_threads",
    "count",
    "count_traces",
    "explore",
    "replay",
    "scenario",
]

_HOMES = {
    "Acquire": "simulator.ops",
    "Add": "simulator.ops",
    "Budget": "simulator.search.budget",
    "Call": "simulator.ops",
    "Census": "simulator.census",
    "Check": "simulator.ops",
    "CompareAndSwap": "simulator.ops",
    "Event": "simulator.trace",
    "IncompleteFailure": "simulator.assertions",
    "InterleavingFailure": "simulator.assertions",
    "InternalError": "simulator.errors",
    "LimitError": "simulator.errors",
    "Misfit": "simulator.search.replay",
    "NondeterminismError": "simulator.errors",
    "Outcome": "simulator.trace",
    "Pause": "simulator.ops",
    "Plain": "simulator.scenario",
    "Program": "simulator.program",
    "ProgramError": "simulator.errors",
    "Range": "simulator.scenario",
    "Read": "simulator.ops",
    "Release": "simulator.ops",
    "Report": "simulator.report",
    "Run": "simulator.trace",
    "Return": "simulator.ops",
    "Scenario": "simulator.scenario",
    "Schedule": "simulator.trace",
    "ScheduleError": "simulator.errors",
    "Scheduler": "simulator.schedulers",
    "SimulatorError": "simulator.errors",
    "Threads": "simulator.source.threads",
    "TraceCensus": "simulator.traces",
    "TryAcquire": "simulator.ops",
    "Update": "simulator.ops",
    "UsageError": "simulator.errors",
    "Write": "simulator.ops",
    "assert_clean": "simulator.assertions",
    "assert_deadlock_free": "simulator.assertions",
    "assert_invariant": "simulator.assertions",
    "assert_linearizable": "simulator.linearizability",
    "assert_lock_order_acyclic": "simulator.assertions",
    "assert_no_data_races": "simulator.assertions",
    "assert_no_lost_updates": "simulator.assertions",
    "assert_report": "simulator.assertions",
    "assert_same_outcomes": "simulator.assertions",
    "assert_serializable": "simulator.assertions",
    "check": "simulator.explore",
    "check_linearizable": "simulator.linearizability",
    "check_threads": "simulator.source.described",
    "count": "simulator.census",
    "count_traces": "simulator.traces",
    "explore": "simulator.explore",
    "replay": "simulator.search.replay",
    "scenario": "simulator.scenario",
}


class _Package(types.ModuleType):
    """This package. Importing `simulator.explore` must not put the module in the place of the function of that name."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
