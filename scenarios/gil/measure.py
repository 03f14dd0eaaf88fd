"""Experiments on the real machine: real threads, real processes, a real server, each several times, in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.gil.ask import INTERRUPTED, ask
from scenarios.gil.calibrate import Calibrating, Calibration, order_for
from scenarios.gil.experiments import Executor, Experiment, Workload
from scenarios.gil.memory import check_memory
from scenarios.gil.spread import Spread, spread
from simulator.errors import UsageError
from simulator.real.interpreters import Interpreter

__all__ = ["Measured", "Measurement", "available_here", "measure", "measure_with_costs", "methods"]

_PROCESSES = (Executor.FORK, Executor.SPAWN)


@dataclass(frozen=True, slots=True)
class Measured:
    """One experiment: how long it took, in seconds, and how many times as fast as the same units one after the other.

    Each speed-up is of two runs that were made soon after each other, so that a machine that slows down slows both.
    """

    experiment: Experiment
    seconds: Spread
    speedup: Spread

    def to_dict(self) -> dict[str, Any]:
        """The measurement in plain types."""
        return {
            "workload": self.experiment.workload.value,
            "executor": self.experiment.executor.value,
            "units": self.experiment.units,
            "seconds": self.seconds.to_dict(),
            "speedup": self.speedup.to_dict(),
            "conclusive": self.speedup.conclusive,
        }


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured on an interpreter; `stopped` says why it is less than was asked for."""

    interpreter: Interpreter
    measured: tuple[Measured, ...]
    stopped: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The measurement in plain types."""
        return {
            "interpreter": self.interpreter.to_dict(),
            "measured": [each.to_dict() for each in self.measured],
            "stopped": self.stopped,
        }


def available_here(
    wanted: Sequence[Experiment], interpreter: Interpreter, *, asked_for: Sequence[str] = ()
) -> tuple[list[Experiment], str]:
    """The experiments that this platform can do, and a note of those that it cannot.

    Raises UsageError when that is one that was `asked_for` by name, or there is not memory enough for the processes.
    """
    can = methods(interpreter)
    missing = {each.executor.value for each in wanted if each.executor in _PROCESSES} - set(can)
    for by in sorted(missing & set(asked_for)):
        raise UsageError(f"this platform cannot start processes by {by}; it has: {', '.join(can) or 'no way to'}")
    possible = [each for each in wanted if each.executor.value not in missing]
    check_memory(max((each.units for each in possible if each.executor in _PROCESSES), default=0))
    note = f"left out, for this platform does not have it: {', '.join(sorted(missing))}" if missing else ""
    return possible, note


def methods(interpreter: Interpreter) -> tuple[str, ...]:
    """How processes can be started there: of `fork` and `spawn`, those that the platform has.

    Raises KeyboardInterrupt after Ctrl-C, UsageError when there is no answer.
    """
    said: dict[str, Any] = {}
    stopped = ask(interpreter, {"do": "hello"}, said.update, limit=20)
    if stopped == INTERRUPTED:
        raise KeyboardInterrupt
    if stopped:
        raise UsageError(f"{interpreter} did not say how it starts processes: {stopped}")
    return tuple(said["methods"])


def measure(
    wanted: Sequence[Experiment],
    interpreter: Interpreter,
    *,
    work: int = 80_000,
    request: int = 40_000,
    repeats: int = 7,
    switch_interval: int | None = None,
    limit: float = 120.0,
    progress: Callable[[str], None] | None = None,
) -> Measurement:
    """Time experiments, and the same units one after the other, `repeats` times in turn.

    `work` is about how long a unit of work is to take, `request` how long the server waits before it answers, in
    microseconds. Ends after `limit` seconds at the latest; after Ctrl-C with what there is.

    Raises UsageError for what cannot be done there, such as a process that fails, and when there is nothing yet;
    KeyboardInterrupt when that was why.
    """
    measurement, _ = measure_with_costs(
        wanted,
        interpreter,
        work=work,
        request=request,
        repeats=repeats,
        switch_interval=switch_interval,
        limit=limit,
        progress=progress,
        costs=False,
    )
    if measurement.stopped and not measurement.measured:
        if measurement.stopped == INTERRUPTED:
            raise KeyboardInterrupt
        raise UsageError(f"on {interpreter}: {measurement.stopped}, before anything was measured; allow more time")
    return measurement


def measure_with_costs(
    wanted: Sequence[Experiment],
    interpreter: Interpreter,
    *,
    work: int,
    request: int,
    repeats: int,
    switch_interval: int | None,
    limit: float,
    progress: Callable[[str], None] | None,
    costs: bool = True,
) -> tuple[Measurement, Calibration | None]:
    """The same, and in each round what predictions are made of: other work on the machine is then in both."""
    times: dict[Experiment, list[float]] = {}
    for alone in dict.fromkeys(each.alone for each in wanted):
        times |= {each: [] for each in (alone, *wanted) if each.alone == alone}
    order = order_for(
        tuple(times), work=work, request=request, repeats=repeats, switch_interval=switch_interval, costs=costs
    )
    calibrating = Calibrating(interpreter)

    def take(one: dict[str, Any]) -> None:
        if "repeat" in one:
            experiment = Experiment(Workload(one["workload"]), Executor(one["by"]), one["units"])
            times[experiment].append(one["seconds"])
            if progress is not None:
                progress(f"measuring on {interpreter}: round {one['repeat'] + 1} of {repeats}")
        else:
            calibrating.take(one)

    stopped = ask(interpreter, order, take, limit=limit)
    return Measurement(interpreter, tuple(_measured(wanted, times)), stopped), calibrating.calibration(stopped)


def _measured(wanted: Sequence[Experiment], times: Mapping[Experiment, list[float]]) -> list[Measured]:
    found = []
    for each in wanted:
        # A round that was interrupted has fewer of the later ones.
        pairs = list(zip(times[each.alone], times[each], strict=False))
        if pairs:
            found.append(
                Measured(each, spread([took for _, took in pairs]), spread([alone / took for alone, took in pairs]))
            )
    return found
