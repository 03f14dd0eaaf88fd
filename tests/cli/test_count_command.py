"""`simulator count`: exact numbers, whatever their size."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from tests.cli.command_line import simulator


def test_two_threads_have_twenty_interleavings_and_eighteen_lose_an_update() -> None:
    ran = simulator("count", "counter", "--threads", "2")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.lines == [
        "counter: 20 interleavings, 4 of them different (traces)",
        "the longest takes 6 steps; counted exactly over 13 states",
        "",
        "outcome   interleavings   share   traces   random walk",
        "──────────────────────────────────────────────────────",
        "count=1              18    90 %        2    75 % = 3/4",
        "count=2               2    10 %        2    25 % = 1/4",
    ]


def test_five_threads_are_counted_exactly_in_well_under_a_second() -> None:
    began = time.monotonic()
    counted = simulator("count", "counter", "--threads", "5", "--json").json
    assert time.monotonic() - began < 1
    assert counted["interleavings"] == 168_168_000 == math.factorial(15) // math.factorial(3) ** 5
    assert counted["outcomes"]["count=5"]["interleavings"] == 120 == math.factorial(5)
    assert "168,168,000 interleavings" in simulator("count", "counter", "--threads", "5").out


def test_ten_threads_are_counted_exactly() -> None:
    counted = simulator("count", "counter", "--threads", "10", "--json").json
    # Thirty steps, three of each thread, in any order; right only when the threads run one after the other.
    assert counted["interleavings"] == math.factorial(30) // math.factorial(3) ** 10
    assert counted["outcomes"]["count=10"]["interleavings"] == math.factorial(10)
    assert counted["complete"] is True
    assert sum(one["interleavings"] for one in counted["outcomes"].values()) == counted["interleavings"]


def test_the_odds_under_a_random_walk_are_exact_fractions() -> None:
    outcomes = simulator("count", "counter", "--json").json["outcomes"]
    assert {text: one["random_walk"] for text, one in outcomes.items()} == {"count=1": "3/4", "count=2": "1/4"}


def test_a_lock_leaves_one_outcome() -> None:
    counted = simulator("count", "counter", "--lock", "--json").json
    assert counted["interleavings"] == 2
    assert list(counted["outcomes"]) == ["count=2"]


def test_half_of_the_unsafe_transfers_deadlock() -> None:
    outcomes = simulator("count", "bank", "--json").json["outcomes"]
    assert {text: one["interleavings"] for text, one in outcomes.items()} == {
        "balance[1]=800 balance[2]=1200": 6,
        "deadlocked: balance[1]=1000 balance[2]=1000": 6,
    }


def test_a_program_that_can_run_for_ever_is_counted_up_to_a_number_of_steps_and_called_cut() -> None:
    endless = simulator("count", "bank", "--strategy", "try-lock")
    assert endless.refused() == (
        "the program can run for ever, so it has infinitely many interleavings; give --max-steps to cut each one there"
    )
    cut = simulator("count", "bank", "--strategy", "try-lock", "--max-steps", "5")
    assert cut.code == 0
    assert "cut at 5 steps" in cut.lines[0]
    counted = simulator("count", "bank", "--strategy", "try-lock", "--max-steps", "5", "--json").json
    assert (counted["complete"], counted["max_steps"]) == (False, 5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-states", "5"), "counting traces needs more than 5 states with sleep sets (--max-states)"),
        (("--max-states", "10", "--no-traces"), "counting needs more than 10 states (--max-states)"),
        (("--threads", "20", "--timeout", "0.05"), "counting traces was not done "),
        (("--threads", "20", "--timeout", "0.05", "--no-traces"), "counting was not done "),
    ],
)
def test_a_part_of_a_count_is_no_count(words: tuple[str, ...], said: str) -> None:
    assert simulator("count", "counter", *words).refused().startswith(said)


def test_one_count_stands_without_the_other_which_says_why_it_is_not_there() -> None:
    ran = simulator("count", "counter", "--max-states", "10")
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[0] == "counter: 4 traces (counted exactly over 6 states)"
    assert ran.lines[1].startswith("interleavings not counted: counting needs more than 10 states")
    counted = simulator("count", "counter", "--max-states", "10", "--json").json
    assert (counted["interleavings"], counted["traces"]) == (None, 4)
    assert counted["interleavings_unknown_because"].startswith("counting needs more than 10 states")
    assert {text: one["interleavings"] for text, one in counted["outcomes"].items()} == {
        "count=1": None,
        "count=2": None,
    }
    plain = simulator("count", "counter", "--no-traces", "--json").json
    assert (plain["interleavings"], plain["traces"], plain["traces_unknown_because"]) == (20, None, "not asked for")


def test_traces_are_counted_beside_the_interleavings() -> None:
    ran = simulator("count", "counter", "--threads", "5")
    assert ran.lines[0] == "counter: 168,168,000 interleavings, 14,400 of them different (traces)"
    counted = simulator("count", "counter", "--threads", "5", "--json").json
    # The reads and the writes of one location, in every order that the threads allow: (5!)^2.
    assert counted["traces"] == math.factorial(5) ** 2
    assert sum(one["traces"] for one in counted["outcomes"].values()) == counted["traces"]


def test_numbers_have_no_largest() -> None:
    counted = simulator("count", "counter-rw", "--n", "13", "--json").json
    assert type(counted["interleavings"]) is int
    assert type(counted["traces"]) is int
    assert counted["interleavings"] == math.factorial(26) // 2**13
    assert counted["traces"] == math.factorial(13) ** 2 > 2**64


def test_a_count_is_no_judgement_so_its_exit_code_is_0() -> None:
    assert simulator("count", "bank").code == 0


def test_both_counts_are_of_one_program_though_its_body_changes_with_time(tmp_path: Path) -> None:
    for runs in range(1, 12):
        path = tmp_path / f"changes_after_{runs}.py"
        path.write_text(
            "from simulator import Program, Write\n"
            "started = []\n"
            "def body():\n"
            "    started.append(1)\n"
            f"    for _ in range(1 if len(started) <= {runs} else 3):\n"
            "        yield Write('x', 0)\n"
            "program = Program({'a': body, 'b': body}, memory={'x': 0})\n"
        )
        ran = simulator("count", f"{path}:program", "--json")
        if ran.code:
            assert "is not deterministic" in ran.refused()
        else:
            assert ran.json["interleavings"] == ran.json["traces"], runs
