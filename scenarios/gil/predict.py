"""How long an experiment takes and what it gains: by the machine, and by a formula that fits on a line."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from scenarios.gil.costs import Costs
from scenarios.gil.experiments import Executor, Experiment, Workload, world
from scenarios.gil.machine import simulate

__all__ = ["Prediction", "closed_form", "predict"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is predicted of an experiment, in microseconds: by the machine, by the formula, and of the same units
    alone."""

    experiment: Experiment
    time: int
    by_formula: Fraction
    alone: int

    @property
    def speedup(self) -> Fraction:
        """How many times as fast as one after the other, by the machine."""
        return Fraction(self.alone, self.time)

    @property
    def speedup_by_formula(self) -> Fraction:
        """The same by the formula."""
        return Fraction(self.alone) / self.by_formula

    def to_dict(self) -> dict[str, Any]:
        """The prediction in plain types."""
        return {
            "workload": self.experiment.workload.value,
            "executor": self.experiment.executor.value,
            "units": self.experiment.units,
            "microseconds": self.time,
            "microseconds_alone": self.alone,
            "speedup": round(float(self.speedup), 4),
            "speedup_by_formula": round(float(self.speedup_by_formula), 4),
        }


def predict(experiment: Experiment, costs: Costs) -> Prediction:
    """What the machine and the formula say of an experiment.

    >>> round(float(predict(Experiment(Workload.CPU, Executor.THREADS, 4), Costs()).speedup), 2)
    1.0
    """
    time = simulate(world(experiment, costs)).end
    alone = simulate(world(experiment.alone, costs)).end
    return Prediction(experiment, time, closed_form(experiment, costs), alone)


def closed_form(experiment: Experiment, costs: Costs) -> Fraction:
    """How long it takes by a formula, in microseconds, for k units.

    With `cores` as many as are really there (`capacity`): threads start one after the other and share one core with the
    GIL, k·start + k·work / min(cores, k) without; processes share all, k·start + k·(boot + work) / min(cores, k). What
    blocks does so at the same time.

    >>> closed_form(Experiment(Workload.CPU, Executor.FORK, 2), Costs())
    Fraction(104000, 1)
    """
    k = experiment.units
    computed, blocked = costs.work, 0
    if experiment.workload is Workload.IO:
        computed, blocked = costs.request_cpu, costs.request - costs.request_cpu
    at_once = min(costs.capacity, Fraction(k))
    match experiment.executor:
        case Executor.SINGLE:
            return Fraction(k * (computed + blocked))
        case Executor.THREADS:
            cores = Fraction(1) if costs.gil else at_once
            return k * costs.thread_start + k * computed / cores + blocked
        case Executor.FORK:
            return k * costs.fork_start + k * (costs.fork_boot + computed) / at_once + blocked
        case Executor.SPAWN:
            return k * costs.spawn_start + k * (costs.spawn_boot + computed) / at_once + blocked
