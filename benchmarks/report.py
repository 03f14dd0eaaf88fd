"""One table of everything: `python -m benchmarks.report` (`--slow` for what takes long, `--rounds N`).

Beside each figure stands what it costs in resumes (see `workloads`), which can be compared between machines, and where there is
one, the figure of the throw-away prototype, which cannot: it was measured on another machine state.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.measure import Measured, bytes_per_state, measure, resume_seconds, start_up
from benchmarks.workloads import WORKLOADS
from scenarios.bank import bank
from scenarios.counter import counter

__all__ = ["main"]


class Row(NamedTuple):
    """One line of the table."""

    what: str
    measured: str
    resumes: str
    prototype: str = ""


HEAD = Row("what", "measured", "cost in resumes", "prototype, other machine state")


def rows(*, rounds: int, slow: bool) -> Iterator[Row]:
    """Measure one after the other; each row as soon as it is known."""
    for workload in WORKLOADS:
        if not workload.slow or slow:
            measured = measure(workload, rounds=1 if workload.slow else rounds)
            yield Row(str(workload), _rates(measured), _costs(measured), workload.prototype)
    for what, program in (("counter(6,1)", counter(threads=6)), ("bank ring(5)", bank(ring=5))):
        for riders, with_detectors in (("states alone", False), ("all detectors riding", True)):
            size = bytes_per_state(program, with_detectors=with_detectors)
            yield Row(f"memory: {what}, {riders}", f"{size:.0f} bytes a state", "", "82-250 bytes a state")
    started = start_up()
    yield Row(
        "start-up: simulator --help",
        f"{started.help_seconds:.3f} s, python -c pass {started.python_seconds:.3f} s ({started.ratio:.1f} times)",
        f"{started.help_seconds / resume_seconds(rounds=9):,.0f} per process",
    )


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


def render(table: Sequence[Row]) -> str:
    """Columns as wide as they need to be."""
    widths = [max(len(row[column]) for row in table) for column in range(len(HEAD))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="take the best of this many (default: 3)")
    parser.add_argument("--slow", action="store_true", help="also what takes long: the census of counter(5,3)")
    options = parser.parse_args(arguments)
    table = [HEAD]
    for row in rows(rounds=options.rounds, slow=options.slow):
        print(row.what, file=sys.stderr)
        table.append(row)
    print(f"{platform.python_implementation()} {platform.python_version()}, best of {options.rounds}, processor time\n")
    print(render(table))


if __name__ == "__main__":
    main()
