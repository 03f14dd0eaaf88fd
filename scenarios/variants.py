"""Ten ways to add one, on every Python at hand: `python -m scenarios.variants`.

Two threads add to one counter, many times over, and a run has lost an update when the count at the end is too small. Beside
the natural runs stands what the model says for each granularity: "never" is proved, over all interleavings. A natural loss
where the model that fits the Python says never would be a contradiction.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from scenarios.command_line import Parser, Partial, ended
from scenarios.plain_variants import VARIANTS, plain
from simulator.census import count
from simulator.errors import UsageError
from simulator.real.crosscheck import wilson
from simulator.real.interpreters import Interpreter, find, installed
from simulator.real.natural import run_batch
from simulator.source.granularity import GRANULARITIES, granularity_for
from simulator.source.threads import Threads

__all__ = ["COLUMNS", "Column", "Seen", "columns_of", "natural", "table"]

INCREMENTS = 100_000
"""How often each of two threads adds one: long enough for some switches of threads, of which there is one each 5 ms."""
SHORTER = {"sleep": 200, "lock": 20}
"""By how much shorter runs are made of variants that take so much longer for one increment."""
SECONDS = 20.0
"""For the runs of one variant on one Python."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The natural runs of one variant on one Python: how many, and how many of them lost an update.

    `stopped` says why there are fewer than were asked for.
    """

    runs: int
    lost: int
    stopped: str = ""

    def __str__(self) -> str:
        if not self.runs:
            return "no run ended"
        low, high = wilson(self.lost, self.runs)
        return f"{self.lost} of {self.runs} ({low:.0%}–{high:.0%})"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its header, and what it says of a variant, by name."""

    header: str
    says: Callable[[str], str]


@cache
def verdict(name: str, granularity: str) -> tuple[int, int]:
    """In how many of the model's interleavings a variant loses an update (two threads, two increments each), and of how many.

    >>> verdict("plain", "cpython-3.11"), verdict("plain", "free-threaded")
    ((0, 6), (64, 70))
    """
    counted = count(Threads(plain(name, increments=2), granularity=granularity).program)
    right = sum(number for outcome, number in counted.outcomes.items() if outcome.memory[0][1] == 4)
    return counted.interleavings - right, counted.interleavings


def says(name: str, granularity: str) -> str:
    """A verdict in words."""
    lost, total = verdict(name, granularity)
    return f"{lost:,} of {total:,}" if lost else "never"


def granularity_of(interpreter: Interpreter) -> str:
    """The granularity that fits a CPython."""
    return granularity_for(interpreter.version, gil=interpreter.gil)


COLUMNS = tuple(
    Column(granularity, partial(says, granularity=granularity))
    for granularity in GRANULARITIES
    if granularity != "operations"
)
"""What stands beside the natural runs: the model's verdicts."""


def contradictions(seen: Mapping[tuple[str, Interpreter], Seen]) -> list[str]:
    """Where a natural run lost an update, and the model that fits the Python says that none can."""
    return [
        f"{name} lost an update on {interpreter}, which the model says is impossible: this is a bug in the model"
        for (name, interpreter), each in seen.items()
        if each.lost and not verdict(name, granularity_of(interpreter))[0]
    ]


def natural(
    name: str, interpreter: Interpreter, *, runs: int, increments: int, switch_interval: float | None = None
) -> Seen:
    """Let a variant run freely on an interpreter. Raises UsageError for numbers that cannot be, and what `run_batch` does;
    after Ctrl-C there are none."""
    if name not in VARIANTS:
        raise UsageError(f"there is no variant {name!r}; known: {', '.join(VARIANTS)}")
    if increments < 1:
        raise UsageError(f"increments is {increments}, expected a whole number above 0")
    each = max(1, increments // SHORTER.get(name, 1))
    batch = run_batch(
        plain(name, increments=each),
        runs=runs,
        timeout=SECONDS,
        interpreter=interpreter,
        switch_interval=switch_interval,
    ).uninterrupted()
    lost = sum(times for outcome, times in batch.outcomes.items() if dict(outcome.memory)["count"] != 2 * each)
    return Seen(batch.done, lost, batch.stopped)


def columns_of(seen: Mapping[tuple[str, Interpreter], Seen]) -> tuple[Column, ...]:
    """The natural runs as columns, one for each interpreter."""
    interpreters = dict.fromkeys(interpreter for _, interpreter in seen)

    def column(interpreter: Interpreter) -> Column:
        version = ".".join(map(str, interpreter.version))
        header = version if interpreter.gil else f"{version} free-threaded"
        return Column(header, lambda name: str(seen[name, interpreter]))

    return tuple(map(column, interpreters))


def table(columns: Sequence[Column]) -> str:
    """A Markdown table: a line for each variant.

    >>> print(table([Column("can lose an update", lambda name: "no" if name == "lock" else "yes")]).splitlines()[0])
    | variant       | between the read and the write | can lose an update |
    """
    between = {
        "plain": "nothing: `+=`",
        "split": "nothing: two statements",
        "property": "a property",
        "int": "a call of `int`",
        "call": "a call of a Python function",
        "sleep": "`time.sleep(0)`",
        "comprehension": "a comprehension of no items",
        "while": "a turn of a `while`",
        "with": "the beginning of a `with`",
        "lock": "nothing, and a lock around",
    }
    lines = [["variant", "between the read and the write", *(column.header for column in columns)]]
    lines += [[name, between[name], *(column.says(name) for column in columns)] for name in VARIANTS]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
    )


def _newest(interpreters: Sequence[Interpreter]) -> list[Interpreter]:
    """One of each minor version, the newest."""
    found = {(each.version[:2], each.gil, each.implementation): each for each in interpreters}
    return list(found.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: prints the tables; the exit code is 0, 1 for a contradiction, 2 for bad input, or 130 after Ctrl-C."""
    return ended(lambda: _printed(arguments))


def _printed(arguments: Sequence[str] | None) -> int:
    parser = Parser(
        prog="python -m scenarios.variants",
        description="Natural runs of ten ways to add one, by two threads: how many runs lost an update.",
    )
    parser.add_argument(
        "--runs", type=int, default=20, metavar="N", help="of each variant on each Python (default: 20)"
    )
    parser.add_argument(
        "--increments",
        type=int,
        default=INCREMENTS,
        metavar="N",
        help=f"by each thread (default: {INCREMENTS:,}; fewer where one takes longer: sleep, lock)",
    )
    parser.add_argument(
        "--python", action="append", metavar="PYTHON", help="a path or a name on PATH (default: all that are found)"
    )
    parser.add_argument(
        "--switch-interval",
        type=float,
        metavar="SECONDS",
        help="as sys.setswitchinterval takes it (default: untouched)",
    )
    options = parser.parse_args(arguments)
    seen: dict[tuple[str, Interpreter], Seen] = {}
    interpreters = list(map(find, options.python)) if options.python else _newest(installed())
    interrupted = False
    try:
        for interpreter in interpreters:
            for name in VARIANTS:
                if sys.stderr.isatty():
                    print(f"{interpreter}: {name}\033[K", end="\r", file=sys.stderr)
                seen[name, interpreter] = natural(
                    name,
                    interpreter,
                    runs=options.runs,
                    increments=options.increments,
                    switch_interval=options.switch_interval,
                )
    except KeyboardInterrupt:
        interrupted = True
        whole = [each for each in interpreters if all((name, each) in seen for name in VARIANTS)]
        if not whole:
            raise
        seen = {key: each for key, each in seen.items() if key[1] in whole}
    print(f"In the model, of all interleavings of two increments by two threads:\n\n{table(COLUMNS)}\n")
    print(f"Natural runs that lost an update:\n\n{table(columns_of(seen))}\n")
    for (name, interpreter), each in seen.items():
        if each.stopped:
            print(f"{name} on {interpreter}: {each.stopped}")
    wrong = contradictions(seen)
    if interrupted:
        raise Partial(f"{len(columns_of(seen))} of {len(interpreters)} Pythons")
    print("\n".join(wrong or ["Nothing contradicts the model."]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
