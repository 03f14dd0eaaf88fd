"""`--json` of every command: valid, the same bytes every time and under every hash seed, integers for counts."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from simulator.schedulers import Scheduler
from tests.cli.command_line import ROOT, simulator

COMMANDS = {
    "list": ["list", "--json"],
    "explore": ["explore", "counter", "--threads", "3", "--json"],
    "explore bank": ["explore", "bank", "--strategy", "none", "--json"],
    "random walks": ["explore", "bank", "--scheduler", "random", "--max-interleavings", "50", "--json"],
    "count": ["count", "bank", "--ring", "3", "--json"],
    "replay": ["replay", "bank", "t0*2 t1*2", "--json"],
    "wait-for": ["graph", "bank", "--json"],
    "lock-order": ["graph", "bank", "--ring", "3", "--kind", "lock-order", "--json"],
    "states": ["graph", "counter", "--kind", "states", "--json"],
    "happens-before": ["graph", "bank", "--kind", "happens-before", "--json"],
}
LINES = ["enumerate", "counter", "--threads", "3", "--json"]

SCRIPT = """
import json, sys
from tests.cli.command_line import simulator
print(json.dumps([simulator(*words).out for words in json.load(sys.stdin)]))
"""


def numbers(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every number in a document with the keys that lead to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


@pytest.mark.parametrize("name", COMMANDS)
def test_every_document_is_valid_and_every_count_an_integer(name: str) -> None:
    document = simulator(*COMMANDS[name]).json
    floats = [path for path, value in numbers(document) if isinstance(value, float)]
    # The bank's pause is half a second; nothing else is a fraction.
    assert set(floats) <= {("parameters", "default")}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_command_gives_the_same_bytes_twice(name: str) -> None:
    assert simulator(*COMMANDS[name]).out == simulator(*COMMANDS[name]).out
    text = [word for word in COMMANDS[name] if word != "--json"]
    assert simulator(*text).out == simulator(*text).out


def test_the_hash_seed_changes_nothing() -> None:
    orders = [*COMMANDS.values(), LINES, ["explore", "bank"], ["count", "bank"], ["enumerate", "bank"]]
    outputs = []
    for seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=json.dumps(orders),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
            check=True,
        )
        outputs.append(json.loads(ran.stdout))
    for order, one, other in zip(orders, *outputs, strict=True):
        assert one == other, order
        assert one, order


def test_counts_stay_integers_however_large() -> None:
    counted = simulator("count", "counter", "--threads", "11", "--json").json
    assert type(counted["interleavings"]) is int
    assert counted["interleavings"] > 10**25


def test_every_finding_says_where_its_steps_stand() -> None:
    for finding in simulator("explore", "bank", "--strategy", "none", "--json").json["findings"]:
        assert finding["witness"]
        assert all(set(step) == {"step", "thread", "does", "where"} for step in finding["steps"])


def test_a_refused_command_prints_no_json() -> None:
    assert simulator("explore", "conter", "--json").refused()


def documented(command: str) -> list[str]:
    """The keys that docs/json.md gives a command, in its order."""
    lines = (ROOT / "docs" / "json.md").read_text(encoding="utf-8").splitlines()
    (row,) = (line for line in lines if line.startswith(f"| `{command}` | "))
    return re.findall(r"`(\w+)`", row)[1:]


@pytest.mark.parametrize("scheduler", ["", *map(str, Scheduler)])
def test_explore_has_the_keys_that_are_documented_whatever_the_scheduler(scheduler: str) -> None:
    words = ("explore", "counter", "--json", *(("--scheduler", scheduler) if scheduler else ()))
    assert list(simulator(*words).json) == documented("explore")


@pytest.mark.parametrize("words", ["", "--no-traces", "--max-states 10", "--max-steps 3"])
def test_count_has_the_keys_that_are_documented_whatever_is_known(words: str) -> None:
    counted = simulator("count", "counter", "--json", *words.split()).json
    assert list(counted) == documented("count")
    assert counted["complete"] is ("steps" not in words)
    for outcome in counted["outcomes"].values():
        assert list(outcome) == ["interleavings", "random_walk", "traces", "how", "memory"]
    unknown = {key for key in counted if key.endswith("_because") and counted[key]}
    assert {f"{key}_unknown_because" for key in ("interleavings", "traces") if counted[key] is None} == unknown


def test_numbers_too_large_for_a_float_are_exact_in_every_report() -> None:
    words = ("counter", "--threads", "9", "--scheduler", "random", "--max-interleavings", "1", "--no-steps", "--json")
    assert simulator("explore", *words).json["interleavings"] == math.factorial(27) // 6**9 > 2**64
