"""Predictions, measurements and convoys as text. Strings out, nothing printed."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.gil.convoy import Convoy
from scenarios.gil.costs import Costs
from scenarios.gil.predict import Prediction
from scenarios.gil.timeline import duration

__all__ = ["about", "convoy_table", "prediction_table", "table"]


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
            f"{float(each.speedup):.2f}x",
            f"{float(each.speedup_by_formula):.2f}x",
        ]
        for each in predictions
    ]
    return f"{about(costs)}\n\n{table(lines, left=2)}"


def convoy_table(convoys: Sequence[Convoy]) -> str:
    """What a request takes beside more and more computing threads, and how much of it is waiting for the GIL."""
    first = convoys[0]
    lines = [["computing threads", "a request takes", "the slowest", "waiting for the GIL", "times as long"]]
    for each in convoys:
        total = sum(each.times)
        lines.append(
            [
                str(each.beside),
                duration(round(each.mean)),
                duration(each.worst),
                f"{duration(round(each.waited / len(each.times)))} ({each.waited / total:.0%})",
                f"{each.mean / first.mean:.1f}",
            ]
        )
    number = len(first.times)
    return (
        f"{number} requests by one thread, switch interval {duration(first.switch_interval)}\n\n{table(lines, left=0)}"
    )
