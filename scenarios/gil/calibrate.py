"""The few numbers that predictions are made of, taken from this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from scenarios.gil.ask import INTERRUPTED, ask
from scenarios.gil.costs import Costs
from scenarios.gil.experiments import Experiment
from scenarios.gil.spread import Spread, spread
from simulator.errors import UsageError
from simulator.real.interpreters import Interpreter

__all__ = ["Calibrating", "Calibration", "calibrate", "order_for"]

_TIMES = ("work", "request", "request_cpu", "thread_start", "fork_start", "fork_boot", "spawn_start", "spawn_boot")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Costs as they were measured, with the spread of each, in seconds (`capacity` in cores).

    `count` is how far the loop of one unit of work counts. `stopped` says why fewer repeats were made than asked for.
    """

    costs: Costs
    spreads: Mapping[str, Spread]
    count: int
    stopped: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The calibration in plain types."""
        return {
            "costs": self.costs.to_dict(),
            "spreads": {name: each.to_dict() for name, each in self.spreads.items()},
            "count": self.count,
            "stopped": self.stopped,
        }


class Calibrating:
    """Costs as they come in, one after the other, from the harness."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._values: dict[str, list[float]] = {}
        self._said: dict[str, Any] = {}

    def take(self, one: Mapping[str, Any]) -> None:
        """One thing that the harness told; what is no cost is kept as what it said of itself."""
        if "what" in one:
            self._values.setdefault(one["what"], []).append(one["seconds"])
        elif "seconds" not in one:
            self._said.update(one)

    def calibration(self, stopped: str) -> Calibration | None:
        """The calibration; None as long as a cost was not measured even once."""
        said = self._said
        needed = ["work", "request", "request_cpu", "thread_start", *(f"{by}_boot" for by in said.get("methods", ()))]
        if not said or not all(name in self._values for name in needed):
            return None
        spreads = {name: spread(measured) for name, measured in self._values.items()}
        times = {name: max(1, round(spreads[name].median * 1e6)) for name in _TIMES if name in spreads}
        times["request_cpu"] = min(times["request_cpu"], times["request"] - 1)
        cores = said["cores"]
        capacity = Fraction(cores)
        if "capacity" in spreads:
            # Cores together never do less than one; what is above all of them is noise of the clock.
            seen = Fraction(round(spreads["capacity"].median * 100), 100)
            capacity = min(capacity, max(Fraction(1), seen))
        costs = Costs(
            **times,
            cores=cores,
            capacity=capacity,
            gil=said["gil"],
            switch_interval=max(1, round(said["switch_interval"] * 1e6)),
            python=str(self._interpreter),
        )
        return Calibration(costs, spreads, said["count"], stopped)


def order_for(
    experiments: Sequence[Experiment],
    *,
    work: int,
    request: int,
    repeats: int,
    switch_interval: int | None,
    costs: bool,
) -> dict[str, Any]:
    """What the harness is to do: measure costs, or experiments, or both in turn. Times in microseconds."""
    if repeats < 1:
        raise UsageError(f"repeats is {repeats}, expected a whole number above 0")
    return {
        "do": "measure",
        "experiments": [(each.workload.value, each.executor.value, each.units) for each in experiments],
        "costs": costs,
        "count": 0,
        "work": work / 1e6,
        "delay": request / 1e6,
        "repeats": repeats,
        "window": 0.25,
        "limit": 60,
        "switch_interval": None if switch_interval is None else switch_interval / 1e6,
    }


def calibrate(
    interpreter: Interpreter,
    *,
    work: int = 80_000,
    request: int = 40_000,
    repeats: int = 7,
    switch_interval: int | None = None,
    limit: float = 120.0,
    progress: Callable[[str], None] | None = None,
) -> Calibration:
    """Measure what things cost on an interpreter: `work` and `request` are about how long a unit takes, in
    microseconds.

    Ends after `limit` seconds at the latest; after Ctrl-C with what there is. Raises UsageError when there is nothing
    yet, KeyboardInterrupt when that was why.
    """
    order = order_for((), work=work, request=request, repeats=repeats, switch_interval=switch_interval, costs=True)
    calibrating = Calibrating(interpreter)

    def take(one: dict[str, Any]) -> None:
        calibrating.take(one)
        if progress is not None and "what" in one:
            progress(f"calibrating {interpreter}: {one['what'].replace('_', ' ')}")

    stopped = ask(interpreter, order, take, limit=limit)
    calibration = calibrating.calibration(stopped)
    if calibration is None:
        if stopped == INTERRUPTED:
            raise KeyboardInterrupt
        raise UsageError(
            f"calibrating {interpreter}: {stopped}, and not everything was measured even once; allow more time"
        )
    return calibration
