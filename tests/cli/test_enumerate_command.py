"""`simulator enumerate`: every interleaving, one line each."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.cli.command_line import simulator

# The small world: two threads, three steps each, all of their orders, in thread order.
TWENTY = [
    ("t0*3 t1*3", 2),
    ("t0*2 t1 t0 t1*2", 1),
    ("t0*2 t1*2 t0 t1", 1),
    ("t0*2 t1*3 t0", 1),
    ("t0 t1 t0*2 t1*2", 1),
    ("t0 t1 t0 t1 t0 t1", 1),
    ("t0 t1 t0 t1*2 t0", 1),
    ("t0 t1*2 t0*2 t1", 1),
    ("t0 t1*2 t0 t1 t0", 1),
    ("t0 t1*3 t0*2", 1),
    ("t1 t0*3 t1*2", 1),
    ("t1 t0*2 t1 t0 t1", 1),
    ("t1 t0*2 t1*2 t0", 1),
    ("t1 t0 t1 t0*2 t1", 1),
    ("t1 t0 t1 t0 t1 t0", 1),
    ("t1 t0 t1*2 t0*2", 1),
    ("t1*2 t0*3 t1", 1),
    ("t1*2 t0*2 t1 t0", 1),
    ("t1*2 t0 t1 t0*2", 1),
    ("t1*3 t0*3", 2),
]


def test_two_threads_print_exactly_the_twenty_interleavings() -> None:
    ran = simulator("enumerate", "counter", "--threads", "2")
    assert ran.code == 0
    assert ran.err == ""
    lines = [f"{number:>6}  count={count}  {schedule}" for number, (schedule, count) in enumerate(TWENTY, start=1)]
    assert ran.lines == [*lines, "all 20 interleavings"]


def test_json_is_one_document_a_line() -> None:
    lines = simulator("enumerate", "counter", "--format", "jsonl").lines
    assert [json.loads(line) for line in lines] == [
        {"number": number, "schedule": schedule, "how": "finished", "outcome": f"count={count}"}
        for number, (schedule, count) in enumerate(TWENTY, start=1)
    ]
    assert simulator("enumerate", "counter", "--json").lines == lines


def test_csv_has_a_header_and_a_line_for_each() -> None:
    rows = list(csv.DictReader(io.StringIO(simulator("enumerate", "counter", "--format", "csv").out)))
    assert [(row["schedule"], row["outcome"]) for row in rows] == [(s, f"count={count}") for s, count in TWENTY]


def test_a_limit_stops_there_and_says_that_it_is_partial() -> None:
    ran = simulator("enumerate", "counter", "--limit", "3")
    assert [line.split("  ")[-1] for line in ran.lines[:3]] == [schedule for schedule, _ in TWENTY[:3]]
    assert ran.lines[3:] == ["partial: 3 of 20 interleavings gone through, stopped at --limit 3"]
    # Between lines that a program reads there is no room for that; it stands on standard error.
    lines = simulator("enumerate", "counter", "--limit", "3", "--json")
    assert len(lines.lines) == 3
    assert lines.err == "simulator: partial: 3 of 20 interleavings gone through, stopped at --limit 3\n"


def test_a_limit_of_all_there_are_is_not_partial() -> None:
    assert simulator("enumerate", "counter", "--limit", "20").lines[-1] == "all 20 interleavings"


def test_an_outcome_is_picked_by_its_text_or_by_how_it_ended() -> None:
    right = simulator("enumerate", "counter", "--outcome", "count=2")
    assert right.lines == [
        "     1  count=2  t0*3 t1*3",
        "     2  count=2  t1*3 t0*3",
        "2 with outcome count=2; all 20 interleavings",
    ]
    deadlocked = simulator("enumerate", "bank", "--outcome", "deadlocked", "--json")
    assert [json.loads(line)["schedule"] for line in deadlocked.lines] == [
        "t0*2 t1*2",
        "t0 t1 t0 t1",
        "t0 t1*2 t0",
        "t1 t0*2 t1",
        "t1 t0 t1 t0",
        "t1*2 t0*2",
    ]


def test_an_outcome_that_never_comes_is_told_which_ones_do() -> None:
    ran = simulator("enumerate", "counter", "--outcome", "count=3")
    assert ran.lines == ["0 with outcome count=3; all 20 interleavings; they end as count=1, count=2"]


def test_interleavings_cut_by_the_step_budget_are_called_incomplete() -> None:
    ran = simulator("enumerate", "counter", "--max-steps", "2")
    assert ran.lines == [
        "     1  out of steps: count=0  t0*2",
        "     2  out of steps: count=0  t0 t1",
        "     3  out of steps: count=0  t1 t0",
        "     4  out of steps: count=0  t1*2",
        "all 4 interleavings, those out of steps cut at --max-steps: incomplete",
    ]
    assert "incomplete" in simulator("enumerate", "counter", "--max-steps", "2", "--json").err


def test_a_timeout_stops_it_and_says_that_it_is_partial() -> None:
    ran = simulator("enumerate", "counter", "--threads", "6", "--timeout", "0.1")
    assert ran.code == 0
    assert ran.lines[-1].startswith("partial: ")
    assert ran.lines[-1].endswith(" of 137,225,088,000 interleavings gone through, stopped after 0.1 s")


@pytest.mark.parametrize("scenario", [["counter", "--lock"], ["counter", "--threads", "3"], ["bank"]])
def test_enumeration_finds_as_many_as_the_count_says(scenario: list[str]) -> None:
    counted = simulator("count", *scenario, "--json").json["interleavings"]
    assert len(simulator("enumerate", *scenario, "--json").lines) == counted


def test_json_does_not_go_with_another_format() -> None:
    said = simulator("enumerate", "counter", "--json", "--format", "csv").refused()
    assert said == "--json is --format jsonl; it does not go with --format csv"
