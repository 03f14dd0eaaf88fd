"""Hypothesis strategies: programs, bank workloads, schedules, lock orders, interleavings, and Hypothesis as the scheduler.

What is drawn here is values of the rest of the package, and nothing here looks for anything that is wrong with them. A
schedule is drawn for a given program only: where the program is drawn too, the shortest witness of what is found in it is a
function of the program, so Hypothesis shrinks the program alone.

Hypothesis is needed for these, and for nothing else: `import simulator` does not load this module.
"""

try:
    import hypothesis as _hypothesis  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError("simulator.strategies needs Hypothesis: pip install hypothesis") from error

from simulator.strategies.orders import interleavings, lock_orders
from simulator.strategies.programs import programs
from simulator.strategies.schedules import schedules
from simulator.strategies.source import SourceProgram
from simulator.strategies.stateful import SchedulerStateMachine
from simulator.strategies.workloads import Workload, workloads

__all__ = [
    "SchedulerStateMachine",
    "SourceProgram",
    "Workload",
    "interleavings",
    "lock_orders",
    "programs",
    "schedules",
    "workloads",
]
