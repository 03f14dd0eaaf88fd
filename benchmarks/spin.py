"""SPIN beside ours, on models of the same systems: `python -m benchmarks.spin` (`--limit SECONDS`, `--only TEXT`).

What is compared: SPIN searches the whole state space for deadlocks and for an assertion at the end, depth first, with
its partial-order reduction, and does not stop at the first error (`pan -c0`); its compile time (`spin -a` and `gcc -O2`)
is shown apart and counts in the ratio. Our search looks for the same and besides for data races, lost updates, lock
misuse and lock orders; `check` adds shortest witnesses and exact counts, as a user gets them. Both are one process,
wall time, one core. A step of a model is a step of ours: a read, an addition, a write, an acquire, a release. Where both
came to an end they have to agree whether there is a deadlock or a broken promise; if not, the exit code is 1.

SPIN (Debian: `apt-get install spin gcc`) is not required by anything else.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import measure_alone
from benchmarks.report import render
from benchmarks.searches import PROOFS, SEARCHES
from simulator.analysis.finding import Kind

__all__ = ["MODELS", "SpinRun", "main", "run_spin"]

LIMIT = 110.0
"""Seconds that SPIN's search may take."""
MEMORY = 4096
"""Megabytes that it may take."""
DEPTH = 10_000
"""Steps of the longest path that it may follow."""
JUDGED = frozenset({Kind.DEADLOCK, Kind.FAILED_INVARIANT})
"""What both look for."""


# -- models. A thread that is through waits at its label `end`: the death of a process would be one more step.


def counter_model(threads: int, increments: int, *, lock: bool = False) -> str:
    """The counter: read, add, write; the last one to be through asserts the sum in its last step."""
    total = threads * increments
    last, take = ("lock = 0", "atomic { lock == 0 -> lock = 1 };\n    ") if lock else ("count = value", "")
    body = f"{take}value = count;\n    value = value + 1;\n    " + ("count = value;\n    " if lock else "")
    return f"""\
byte count, through;
bit lock;

active [{threads}] proctype thread() {{
  byte value, turn;
  do
  :: turn < {increments - 1} ->
    {body}atomic {{ {last}; value = 0; turn++ }}
  :: else -> break
  od;
    {body}atomic {{
      {last};
      value = 0;
      through++;
      if
      :: through == {threads} -> assert(count == {total})
      :: else
      fi
    }};
end:
  false
}}
"""


def philosophers_model(n: int) -> str:
    """Two forks each, the own one first."""
    return f"""\
bit fork[{n}];

active [{n}] proctype philosopher() {{
  atomic {{ fork[_pid] == 0 -> fork[_pid] = 1 }};
  atomic {{ fork[(_pid + 1) % {n}] == 0 -> fork[(_pid + 1) % {n}] = 1 }};
  fork[(_pid + 1) % {n}] = 0;
  fork[_pid] = 0;
end:
  false
}}
"""


def bank_ring_model(n: int, *, ordered: bool = False) -> str:
    """Two locks each, and two balances read and written; in order, the last thread takes the other lock first."""
    numbers = "_pid", f"(_pid + 1) % {n}"

    def thread(first: str, second: str) -> str:
        moves = "".join(f"  value = balance[{each}];\n  balance[{each}] = value;\n" for each in numbers)
        return f"""\
  byte value;
  atomic {{ lock[{first}] == 0 -> lock[{first}] = 1 }};
  atomic {{ lock[{second}] == 0 -> lock[{second}] = 1 }};
{moves}  lock[{second}] = 0;
  lock[{first}] = 0;
end:
  false
"""

    own, following = numbers
    declared = f"bit lock[{n}];\nbyte balance[{n}];\n\n"
    if not ordered:
        return f"{declared}active [{n}] proctype transfer() {{\n{thread(own, following)}}}\n"
    return (
        f"{declared}active [{n - 1}] proctype transfer() {{\n{thread(own, following)}}}\n\n"
        f"active proctype last() {{\n{thread(following, own)}}}\n"
    )


MODELS: Mapping[str, str] = {
    "counter(6,1)": counter_model(6, 1),
    "counter(10,1)": counter_model(10, 1),
    "counter(5,3)": counter_model(5, 3),
    "locked counter(6,2)": counter_model(6, 2, lock=True),
    "locked counter(8,4)": counter_model(8, 4, lock=True),
    "philosophers(9)": philosophers_model(9),
    "philosophers(20)": philosophers_model(20),
    "bank ring(6)": bank_ring_model(6),
    "bank ring(16)": bank_ring_model(16),
    "bank ring(6), ordered": bank_ring_model(6, ordered=True),
    "bank ring(16), ordered": bank_ring_model(16, ordered=True),
}
"""A model in Promela for each of the complete proofs."""


# -- SPIN


@dataclass(frozen=True, slots=True)
class SpinRun:
    """What SPIN came to. `ended` says why it did not come to an end, if so; `faulty` is None then, unless it saw an error."""

    compile_seconds: float
    search_seconds: float
    ended: str
    faulty: bool | None
    states: int | None


def generate(model: str, place: Path) -> None:
    """`spin -a`: the model as a C program in that directory. Raises CalledProcessError for a model that it refuses."""
    (place / "model.pml").write_text(model, encoding="ascii")
    subprocess.run(["spin", "-a", "model.pml"], cwd=place, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def run_spin(model: str, *, limit: float = LIMIT, memory: int = MEMORY) -> SpinRun:
    """Generate, compile and search."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        start = time.perf_counter()
        generate(model, place)
        flags = ["-O2", "-DSAFETY", f"-DMEMLIM={memory}"]
        subprocess.run(["gcc", *flags, "-o", "pan", "pan.c"], cwd=place, check=True, stderr=subprocess.PIPE)
        compiled = time.perf_counter()
        output = place / "output.txt"
        late = False
        with output.open("wb") as file:
            command = [str(place / "pan"), f"-m{DEPTH}", "-c0"]
            try:
                subprocess.run(command, cwd=place, stdout=file, stderr=subprocess.STDOUT, timeout=limit)
            except subprocess.TimeoutExpired:
                late = True
        seconds = time.perf_counter() - compiled
        text = output.read_text(encoding="utf-8", errors="replace")
    ended = f"> {limit:.0f} s" if late else "out of memory" if "reached -DMEMLIM" in text else ""
    if "max search depth too small" in text:
        ended = f"deeper than {DEPTH:,}"
    errors = re.search(r"errors: (\d+)", text)
    stored = re.search(r"([\d.e+]+) states, stored", text)
    faulty = None if errors is None or (ended and errors[1] == "0") else errors[1] != "0"
    return SpinRun(compiled - start, seconds, ended, faulty, int(float(stored[1])) if stored else None)


# -- side by side


class Row(NamedTuple):
    """One line of the table."""

    what: str
    compiling: str
    searching: str
    states: str
    ours: str
    ratio: str
    checked: str
    check_ratio: str
    verdict: str


HEAD = Row(
    "system",
    "SPIN: compile",
    "search",
    "states",
    "ours: search",
    "SPIN takes",
    "check, as a user gets it",
    "SPIN takes",
    "deadlock or broken promise",
)


def rows(*, limit: float, memory: int, only: str) -> Iterator[tuple[Row, bool]]:
    """Each system with whether both agree; SPIN first, then ours in processes of their own."""
    ours = {str(workload): workload for workload in SEARCHES}
    for what, model in MODELS.items():
        if only not in what:
            continue
        print(what, file=sys.stderr)
        spin = run_spin(model, limit=limit, memory=memory)
        searched = measure_alone(ours[f"reduced search: {what}"])
        checked = measure_alone(ours[f"check: {what}"])
        # Both of ours raise unless they come to just these.
        faulty = bool(PROOFS[what].kinds & JUDGED)
        agreed = spin.faulty is None or spin.faulty == faulty
        total = spin.compile_seconds + spin.search_seconds
        more = "> " if spin.ended else ""
        said = "yes" if faulty else "no"
        yield (
            Row(
                what,
                f"{spin.compile_seconds:.2f} s",
                spin.ended or f"{spin.search_seconds:.2f} s",
                "" if spin.states is None else f"{spin.states:,}",
                f"{searched.seconds:.2f} s",
                f"{more}{total / searched.seconds:,.2f} times as long",
                f"{checked.seconds:.2f} s",
                f"{more}{total / checked.seconds:,.2f} times as long",
                f"ours: {said}; SPIN did not get to say" if spin.faulty is None else said if agreed else "NOT AGREED",
            ),
            agreed,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 1 when the verdicts differ, 2 when SPIN is not here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spin", description=__doc__.split("\n")[0])
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for each of SPIN's searches (default: 110)")
    parser.add_argument("--memory", type=int, default=MEMORY, help="megabytes for each (default: 4096)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only systems with this in their names")
    options = parser.parse_args(arguments)
    missing = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
    if missing:
        print(f"{' and '.join(missing)} not found: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    version = subprocess.run(["spin", "-V"], check=False, stdout=subprocess.PIPE, text=True).stdout.strip()
    found = list(rows(limit=options.limit, memory=options.memory, only=options.only))
    print(f"{version}; the ratios include its compile time\n")
    print(render([HEAD, *(row for row, _ in found)]))
    return 0 if all(agreed for _, agreed in found) else 1


if __name__ == "__main__":
    sys.exit(main())
