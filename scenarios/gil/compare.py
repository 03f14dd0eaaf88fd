"""Predictions beside measurements: how far off the model is, on the machine that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.gil.article import PRINTED, Printed
from scenarios.gil.ask import INTERRUPTED
from scenarios.gil.calibrate import Calibration
from scenarios.gil.costs import Costs
from scenarios.gil.experiments import Experiment
from scenarios.gil.measure import Measured, measure_with_costs
from scenarios.gil.predict import Prediction, predict
from simulator.errors import UsageError
from simulator.real.interpreters import Interpreter

__all__ = ["Comparison", "Row", "compare"]


@dataclass(frozen=True, slots=True)
class Row:
    """One experiment: predicted, measured, and what the article printed, if it did."""

    prediction: Prediction
    measured: Measured
    printed: Printed | None

    @property
    def error(self) -> float:
        """How far the predicted speed-up is from the measured one, in parts of the latter: above 0 is too
        optimistic."""
        return float(self.prediction.speedup) / self.measured.speedup.median - 1

    @property
    def error_of_formula(self) -> float:
        """The same for the formula."""
        return float(self.prediction.speedup_by_formula) / self.measured.speedup.median - 1

    def to_dict(self) -> dict[str, Any]:
        """The row in plain types."""
        return {
            **self.prediction.to_dict(),
            "measured": self.measured.to_dict(),
            "error": round(self.error, 4),
            "error_of_formula": round(self.error_of_formula, 4),
            "article": None if self.printed is None else round(self.printed.speedup, 2),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Predicted and measured on one interpreter; `stopped` says why it is less than was asked for."""

    interpreter: Interpreter
    costs: Costs
    calibration: Calibration | None
    rows: tuple[Row, ...]
    stopped: str = ""

    @property
    def conclusive(self) -> tuple[Row, ...]:
        """The rows whose measurements lie close enough together."""
        return tuple(row for row in self.rows if row.measured.speedup.conclusive)

    def mean_error(self, rows: Sequence[Row] | None = None) -> float | None:
        """The mean distance between predicted and measured, of all rows or of some; None of none."""
        rows = self.rows if rows is None else rows
        return sum(abs(row.error) for row in rows) / len(rows) if rows else None

    def mean_error_of_formula(self) -> float | None:
        """The same for the formula, of all rows."""
        return sum(abs(row.error_of_formula) for row in self.rows) / len(self.rows) if self.rows else None

    def to_dict(self) -> dict[str, Any]:
        """The comparison in plain types."""
        return {
            "interpreter": self.interpreter.to_dict(),
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
            "costs": self.costs.to_dict(),
            "rows": [row.to_dict() for row in self.rows],
            "mean_error": self.mean_error(),
            "mean_error_conclusive": self.mean_error(self.conclusive),
            "mean_error_of_formula": self.mean_error_of_formula(),
            "stopped": self.stopped,
        }


def compare(
    wanted: Sequence[Experiment],
    interpreter: Interpreter,
    *,
    costs: Costs | None = None,
    work: int = 80_000,
    request: int = 40_000,
    repeats: int = 7,
    switch_interval: int | None = None,
    limit: float = 120.0,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Predict and measure: from `costs`, or from those that are measured in the same rounds.

    Raises what `measure` raises. After Ctrl-C, or `limit` seconds, it has what there is; KeyboardInterrupt when that is
    nothing.
    """
    if costs is not None:
        work, request = costs.work, costs.request - costs.request_cpu
    measurement, calibration = measure_with_costs(
        wanted,
        interpreter,
        work=work,
        request=request,
        repeats=repeats,
        switch_interval=switch_interval,
        limit=limit,
        progress=progress,
        costs=costs is None,
    )
    if costs is None:
        if calibration is None:
            if measurement.stopped == INTERRUPTED:
                raise KeyboardInterrupt
            raise UsageError(
                f"on {interpreter}: {measurement.stopped}, before everything was measured once; allow more time"
            )
        costs = calibration.costs
    rows = tuple(
        Row(predict(each.experiment, costs), each, PRINTED.get(each.experiment)) for each in measurement.measured
    )
    return Comparison(interpreter, costs, calibration, rows, measurement.stopped)
