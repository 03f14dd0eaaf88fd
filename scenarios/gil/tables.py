"""Predictions, measurements and convoys as text. Strings out, nothing printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10

from scenarios.gil.calibrate import Calibration
from scenarios.gil.compare import Comparison, Row
from scenarios.gil.convoy import Convoy
from scenarios.gil.costs import Costs
from scenarios.gil.measure import Measured, Measurement
from scenarios.gil.predict import Prediction
from scenarios.gil.spread import TOO_WIDE, Spread
from scenarios.gil.timeline import duration

__all__ = [
    "about",
    "calibration_table",
    "comparison_table",
    "convoy_table",
    "measurement_table",
    "prediction_table",
    "table",
]


def table(lines: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Columns under a header, with a rule below it; the first `left` columns begin at the left, the others end at the
    right.

    >>> print(table([["who", "n"], ["you", "10"]]))
    who    n
    ────────
    you   10
    """
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "   ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    head, *rest = map(line, lines)
    return "\n".join([head, "─" * (sum(widths) + 3 * (len(widths) - 1)), *rest])


def about(costs: Costs) -> str:
    """What predictions were made of, in two lines."""
    where = costs.python or "round figures, not measured"
    gil = f"GIL with a switch interval of {duration(costs.switch_interval)}" if costs.gil else "no GIL"
    cores = f"{costs.cores} core{'s' * (costs.cores != 1)}"
    if costs.capacity != costs.cores:
        cores += f" that do the work of {float(costs.capacity):.2f}"
    return (
        f"{where}: {cores}, {gil}; work {duration(costs.work)}, "
        f"request {duration(costs.request)} ({duration(costs.request_cpu)} of it computing)\n"
        f"a thread starts in {duration(costs.thread_start)}; a process costs its parent and itself "
        f"{duration(costs.fork_start)} + {duration(costs.fork_boot)} (fork), "
        f"{duration(costs.spawn_start)} + {duration(costs.spawn_boot)} (spawn)"
    )


def prediction_table(predictions: Sequence[Prediction], costs: Costs) -> str:
    """What is predicted, a line for each experiment."""
    lines = [["work", "by", "k", "one after the other", "predicted", "speed-up", "by formula"]]
    lines += [
        [
            each.experiment.workload.value,
            each.experiment.executor.value,
            str(each.experiment.units),
            duration(each.alone),
            duration(each.time),
            _factor(float(each.speedup)),
            _factor(float(each.speedup_by_formula)),
        ]
        for each in predictions
    ]
    return f"{about(costs)}\n\n{table(lines, left=2)}"


def convoy_table(convoys: Sequence[Convoy], measured: Mapping[int, Spread] | None = None) -> str:
    """What a request takes beside more and more computing threads, and how much of it is waiting for the GIL.

    `measured` is the time of a request beside so many real threads, in seconds.
    """
    first = convoys[0]
    head = ["computing threads", "a request takes", "the slowest", "waiting for the GIL", "times as long"]
    lines = [head if measured is None else [*head, "measured here", "spread"]]
    for each in convoys:
        cells = [
            str(each.beside),
            duration(round(each.mean)),
            duration(each.worst),
            f"{duration(round(each.waited / len(each.times)))} ({each.waited / sum(each.times):.0%})",
            f"{each.mean / first.mean:.1f}",
        ]
        seen = None if measured is None else measured.get(each.beside)
        if seen is not None:
            median, low, high = _times(seen)
            cells += [median, f"{low} – {high}"]
        elif measured is not None:
            cells += ["", ""]
        lines.append(cells)
    number = len(first.times)
    return (
        f"{number} requests by one thread, switch interval {duration(first.switch_interval)}\n\n{table(lines, left=0)}"
    )


def calibration_table(calibration: Calibration) -> str:
    """What was measured, and how far the measurements lie apart."""
    lines = [["cost", "median", "from", "to"]]
    for name, each in calibration.spreads.items():
        shown = [f"{each.median:.2f}", f"{each.low:.2f}", f"{each.high:.2f}"] if name == "capacity" else _times(each)
        lines.append([f"{name.replace('_', ' ')}{' (cores)' if name == 'capacity' else ''}", *shown])
    costs = calibration.costs
    one = ["one core: nothing that computes can be faster in threads or processes"] if costs.cores == 1 else []
    return "\n".join([about(costs), *one, "", table(lines)])


def _times(each: Spread) -> list[str]:
    return [duration(round(seconds * 1e6)) for seconds in (each.median, each.low, each.high)]


def measurement_table(measurement: Measurement) -> str:
    """What was measured, a line for each experiment."""
    lines = [["work", "by", "k", "seconds", "speed-up", "spread"]]
    for each in measurement.measured:
        seconds = f"{each.seconds.median:.3f}"
        lines.append([*_named(each), seconds, _factor(each.speedup.median), _interval(each.speedup)])
    rows = measurement.measured
    said = _inconclusive([each for each in rows if not each.speedup.conclusive], len(rows))
    return "\n".join([str(measurement.interpreter), "", table(lines, left=2), *said])


def comparison_table(comparison: Comparison) -> str:
    """What was predicted and what was measured, a line for each experiment, and the mean error."""
    lines = [["work", "by", "k", "predicted", "measured", "spread", "error", "article"]]
    for row in comparison.rows:
        predicted, speedup = float(row.prediction.speedup), row.measured.speedup
        error = f"{row.error:+.0%}" if speedup.conclusive else f"({row.error:+.0%})"
        lines.append(
            [
                *_named(row.measured),
                _factor(predicted),
                _factor(speedup.median),
                _interval(speedup),
                error,
                _printed(row),
            ]
        )
    body = [about(comparison.costs), "", table(lines, left=2)]
    if comparison.rows:
        body += ["", *_mean_error(comparison)]
    unclear = [row.measured for row in comparison.rows if not row.measured.speedup.conclusive]
    body += _inconclusive(unclear, len(comparison.rows))
    if comparison.costs.cores == 1:
        body.append("One core: nothing that computes can be faster in threads or processes.")
    return "\n".join(body)


def _printed(row: Row) -> str:
    if row.printed is None:
        return ""
    return f"{row.printed}{' (!)' if row.printed.is_impossible(row.prediction.experiment.units) else ''}"


def _mean_error(comparison: Comparison) -> list[str]:
    everything, formula = comparison.mean_error(), comparison.mean_error_of_formula()
    clear = comparison.mean_error(comparison.conclusive)
    said = f"mean error {everything:.1%} ({formula:.1%} by the formula)"
    if len(comparison.conclusive) < len(comparison.rows):
        of = f"{len(comparison.conclusive)} of {len(comparison.rows)}"
        said += f"; of the {of} that are conclusive {clear:.1%}" if clear is not None else "; none is conclusive"
    return [said]


def _inconclusive(rows: Sequence[Measured], of: int) -> list[str]:
    """A word on measurements that lie too far apart to say anything."""
    if not rows:
        return []
    widest = max(each.speedup.relative for each in rows)
    few = any(each.speedup.number < 2 for each in rows)
    why = "measured once" if few else f"spread up to ±{widest:.0%}, more than ±{TOO_WIDE:.0%}"
    return [f"inconclusive: {len(rows)} of {of} ({why}); is the machine busy? more --repeats or a longer --work help"]


def _named(each: Measured) -> list[str]:
    experiment = each.experiment
    return [experiment.workload.value, experiment.executor.value, str(experiment.units)]


def _interval(each: Spread) -> str:
    return f"{_digits(each.low)}–{_digits(each.high)}{'' if each.conclusive else ' ?'}"


def _factor(times: float) -> str:
    """How many times as fast, for a person.

    >>> _factor(1.916), _factor(0.01234)
    ('1.92x', '0.012x')
    """
    return f"{_digits(times)}x"


def _digits(times: float) -> str:
    """Two decimals, and more where those would not be two digits."""
    return f"{times:.2f}" if times >= 0.1 or times <= 0 else f"{times:.{1 - floor(log10(times))}f}"
