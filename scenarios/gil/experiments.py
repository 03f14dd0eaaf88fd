"""What is predicted and measured: so many units of work, or so many requests, by one of several executors. As worlds
here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from scenarios.gil.costs import Costs
from scenarios.gil.tasks import Cpu, Io, Join, Op, Start, Task, World
from simulator.errors import UsageError

__all__ = ["AT_ONCE", "Executor", "Experiment", "Workload", "experiments", "world"]

MOST = 256


class Workload(Enum):
    """What each unit is: computing, or waiting for an answer."""

    CPU = "cpu"
    IO = "io"


class Executor(Enum):
    """Who does the units: one thread after the other, or each unit a thread or a process of its own."""

    SINGLE = "single"
    THREADS = "threads"
    FORK = "fork"
    SPAWN = "spawn"


AT_ONCE = (Executor.THREADS, Executor.FORK, Executor.SPAWN)
"""All but one after the other, which everything is held against: its speed-up is 1 by definition."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """So many units of a workload, done by an executor."""

    workload: Workload
    executor: Executor
    units: int

    def __post_init__(self) -> None:
        if not 1 <= self.units <= MOST:
            raise UsageError(f"{self.units} {self.executor.value}: expected 1 to {MOST}")

    @property
    def alone(self) -> Experiment:
        """The same units one after the other: what a speed-up is held against."""
        return Experiment(self.workload, Executor.SINGLE, self.units)


def experiments(
    workloads: Iterable[Workload], executors: Iterable[Executor], units: Iterable[int]
) -> Iterator[Experiment]:
    """Every combination, in order."""
    executors, units = list(executors), list(units)
    for workload in workloads:
        for executor in executors:
            yield from (Experiment(workload, executor, number) for number in units)


def world(experiment: Experiment, costs: Costs) -> World:
    """The experiment as tasks: `main` does all the units, or starts a thread or process for each and waits for their
    ends.

    >>> [task.name for task in world(Experiment(Workload.CPU, Executor.THREADS, 2), Costs()).tasks]
    ['main', 't0', 't1']
    """
    unit = _unit(experiment.workload, costs)
    number = experiment.units
    if experiment.executor is Executor.SINGLE:
        tasks = [Task("main", unit * number)]
    elif experiment.executor is Executor.THREADS:
        tasks = _started(number, "t", costs.thread_start, unit, own_process=False)
    elif experiment.executor is Executor.FORK:
        tasks = _started(number, "p", costs.fork_start, (Cpu(costs.fork_boot), *unit), own_process=True)
    else:
        tasks = _started(number, "p", costs.spawn_start, (Cpu(costs.spawn_boot), *unit), own_process=True)
    return World(
        tuple(tasks),
        cores=costs.cores,
        gil=costs.gil,
        switch_interval=costs.switch_interval,
        capacity=costs.capacity,
    )


def _unit(workload: Workload, costs: Costs) -> tuple[Op, ...]:
    if workload is Workload.CPU:
        return (Cpu(costs.work),)
    return (Cpu(costs.request_cpu), Io(costs.request - costs.request_cpu))


def _started(number: int, letter: str, start: int, ops: tuple[Op, ...], *, own_process: bool) -> list[Task]:
    names = [f"{letter}{place}" for place in range(number)]
    main: list[Op] = []
    for name in names:
        main += [Cpu(start), Start(name)]
    main += map(Join, names)
    return [Task("main", tuple(main)), *(Task(name, ops, name if own_process else "main") for name in names)]
