"""Two tables of everything: `python -m benchmarks.report` (`--all` for what takes long, `--rounds N`, `--only dpor`).

The first has small pieces of work, the best of several rounds; the second the searches at the sizes of papers, each done
once in a process of its own, with its wall time and peak memory.

Beside each figure stands what it costs in resumes (see `workloads`), which can be compared between machines, and where there is
one, the figure of the throw-away prototype, which cannot: it was measured on another machine state.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.measure import Measured, bytes_per_state, measure, measure_alone, resume_seconds, start_up
from benchmarks.plain import PLAIN
from benchmarks.searches import SEARCHES
from benchmarks.workloads import WORKLOADS
from scenarios.bank import bank
from scenarios.counter import counter

__all__ = ["main"]


class Row(NamedTuple):
    """One line of the first table."""

    what: str
    measured: str
    resumes: str
    prototype: str = ""


class SearchRow(NamedTuple):
    """One line of the second."""

    what: str
    wall: str
    peak: str
    rates: str
    resumes: str
    prototype: str = ""


HEAD = Row("what", "measured", "cost in resumes", "prototype, other machine state")
SEARCH_HEAD = SearchRow(
    "search", "wall time", "peak memory", "rates", "cost in resumes", "prototype, other machine state"
)


def rows(*, rounds: int, everything: bool, only: str) -> Iterator[Row]:
    """Measure one after the other; each row as soon as it is known."""
    for workload in (*WORKLOADS, *PLAIN):
        if only in str(workload) and (everything or not workload.slow):
            measured = measure(workload, rounds=1 if workload.slow else rounds)
            yield Row(str(workload), _rates(measured), _costs(measured), workload.prototype)
    if only in "memory":
        for what, program in (("counter(6,1)", counter(threads=6)), ("bank ring(5)", bank(ring=5))):
            for riders, with_detectors in (("states alone", False), ("all detectors riding", True)):
                size = bytes_per_state(program, with_detectors=with_detectors)
                yield Row(f"memory: {what}, {riders}", f"{size:.0f} bytes a state", "", "82-250 bytes a state")
    if only in "start-up":
        started = start_up()
        yield Row(
            "start-up: simulator --help",
            f"{started.help_seconds:.3f} s, python -c pass {started.python_seconds:.3f} s ({started.ratio:.1f} times)",
            f"{started.help_seconds / resume_seconds(rounds=9):,.0f} per process",
        )


def search_rows(*, everything: bool, only: str) -> Iterator[SearchRow]:
    """The same of the searches, and at the end how much longer a search takes that is saved now and then."""
    seconds: dict[str, float] = {}
    for workload in SEARCHES:
        if only in str(workload) and (everything or not workload.slow):
            measured = measure_alone(workload)
            seconds[str(workload)] = measured.seconds
            yield SearchRow(
                str(workload),
                _time(measured.seconds),
                f"{measured.peak_bytes / 1e6:,.0f} MB",
                _rates(measured),
                _costs(measured),
                workload.prototype,
            )
    not_saved, saved = (seconds.get(str(workload)) for workload in SEARCHES if workload.topic == "checkpoint")
    if not_saved and saved:
        yield SearchRow("checkpoint: saved against not saved", f"{saved / not_saved:.2f} times", "", "", "")


def _rates(measured: Measured) -> str:
    return ", ".join(
        f"{_quantity(measured.rate(unit))} {unit}/s" if number > 1 else _time(measured.seconds)
        for unit, number in measured.done.items()
    )


def _costs(measured: Measured) -> str:
    return ", ".join(f"{_quantity(measured.resumes(unit))} per {unit.removesuffix('s')}" for unit in measured.done)


def _quantity(number: float) -> str:
    if number >= 1e6:
        return f"{number / 1e6:.2f} M"
    if number >= 1e4:
        return f"{number / 1e3:.0f} k"
    return f"{number:,.1f}" if number < 100 else f"{number:,.0f}"


def _time(seconds: float) -> str:
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def render(table: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="take the best of this many (default: 3)")
    parser.add_argument("--all", action="store_true", help="also what takes long")
    parser.add_argument("--only", default="", metavar="TEXT", help="only what has this in its name: 'dpor', say")
    options = parser.parse_args(arguments)
    print(f"{platform.python_implementation()} {platform.python_version()}")
    _show(
        f"Best of {options.rounds}, processor time",
        HEAD,
        rows(rounds=options.rounds, everything=options.all, only=options.only),
    )
    _show("Once, in a process of its own", SEARCH_HEAD, search_rows(everything=options.all, only=options.only))


def _show(title: str, head: Sequence[str], found: Iterator[Row] | Iterator[SearchRow]) -> None:
    table: list[Sequence[str]] = [head]
    for row in found:
        print(row[0], file=sys.stderr)
        table.append(row)
    if len(table) > 1:
        print(f"\n{title}\n\n{render(table)}")


if __name__ == "__main__":
    main()
