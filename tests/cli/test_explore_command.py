"""`simulator explore`: what is wrong, the shortest witness of it, and how often it happens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.command_line import simulator

COUNTER = """\
counter: 2 threads (t0, t1)
graph: all 20 interleavings (4 traces) covered (complete); 21 states
picked because: at most 20,000 states

1. lost update on count: in 18 of 20 interleavings (90 %); 75 % under a random walk
   t0 read count = 0, then t1 wrote 1, then t0 wrote 1 from its stale read: the 1 of t1 left no effect
   shortest witness: t0*2 t1*3 t0   (6 steps, 1 preemption)

       step   t0                t1                count
   ────────────────────────────────────────────────────
                                                  0
   ►      1   read count → 0                      0
          2   add 0 + 1 → 1                       0
          3                     read count → 0    0
          4                     add 0 + 1 → 1     0
   ►      5                     write count = 1   1
   ►      6   write count = 1                     1

2. data race on count: in 20 of 20 interleavings (100 %); 100 % under a random walk
"""


def by_title(*words: str) -> dict[str, dict[str, Any]]:
    """The findings of an exploration, by title."""
    return {finding["title"]: finding for finding in simulator("explore", *words, "--json").json["findings"]}


def test_the_counter_loses_an_update_and_is_told_step_by_step() -> None:
    ran = simulator("explore", "counter")
    assert ran.code == 1
    assert ran.err == ""
    assert ran.out.startswith(COUNTER)


def test_the_lost_update_has_a_six_step_witness_at_one_preemption() -> None:
    found = by_title("counter")
    assert set(found) == {"lost update on count", "data race on count", "failed invariant count is 2"}
    lost = found["lost update on count"]
    assert lost["witness"] == "t0*2 t1*3 t0"
    assert (lost["preemptions"], lost["shortest"]) == (1, True)
    assert lost["share"] == {"interleavings": 18, "of": 20, "random_walk": "3/4"}
    assert [step["step"] for step in lost["steps"]] == [1, 5, 6]


def test_the_article_s_story_starts_from_five() -> None:
    out = simulator("explore", "counter", "--start", "5").out
    assert "t0 read count = 5, then t1 wrote 6, then t0 wrote 6 from its stale read: the 6 of t1 left no effect" in out


def test_a_locked_counter_is_proved_to_be_right() -> None:
    ran = simulator("explore", "counter", "--lock")
    assert ran.code == 0
    assert ran.lines[1] == "graph: no finding; all 2 interleavings (2 traces) covered (complete); 20 states"
    five = simulator("explore", "counter", "--lock", "--threads", "5", "--json").json
    assert (five["complete"], five["findings"], five["interleavings"]) == (True, [], 120)


def test_the_unsafe_bank_deadlocks_and_its_lock_order_cycle_is_realised() -> None:
    ran = simulator("explore", "bank")
    assert ran.code == 1
    found = by_title("bank")
    assert list(found) == ["deadlock on lock[1], lock[2]", "lock-order cycle on lock[1], lock[2] (realised)"]
    deadlock = found["deadlock on lock[1], lock[2]"]
    assert deadlock["why"] == (
        "t0 holds lock[1] and waits for lock[2] of t1; t1 holds lock[2] and waits for lock[1] of t0"
    )
    assert deadlock["share"] == {"interleavings": 6, "of": 12, "random_walk": "3/4"}
    assert found["lock-order cycle on lock[1], lock[2] (realised)"]["status"] == "realised"


def test_the_deadlock_s_witness_replays_into_the_deadlock() -> None:
    witness = by_title("bank")["deadlock on lock[1], lock[2]"]["witness"]
    ran = simulator("replay", "bank", witness)
    assert ran.code == 1
    assert "waits for lock[2] of t1   waits for lock[1] of t0" in ran.out
    assert "ends: deadlocked: balance[1]=1000 balance[2]=1000" in ran.out


@pytest.mark.parametrize("strategy", ["ordered", "global"])
def test_a_safe_strategy_is_proved_free_of_deadlock_and_of_lock_order_cycles(strategy: str) -> None:
    ran = simulator("explore", "bank", "--strategy", strategy)
    assert ran.code == 0
    assert "no finding; all 2 interleavings (2 traces) covered (complete)" in ran.lines[1]
    report = simulator("explore", "bank", "--strategy", strategy, "--json").json
    assert [one["memory"] for one in report["outcomes"].values()] == [{"balance[1]": 800, "balance[2]": 1200}]


def test_without_locks_updates_and_money_are_lost() -> None:
    found = by_title("bank", "--strategy", "none")
    assert {"lost update on balance[1]", "lost update on balance[2]"} < set(found)
    assert "failed invariant money is conserved" in found


def test_try_lock_never_deadlocks_and_is_said_to_run_for_ever() -> None:
    ran = simulator("explore", "bank", "--strategy", "try-lock")
    assert ran.code == 0
    assert "no finding; all 96 states covered (complete)" in ran.out
    assert "interleavings not counted: the program can run for ever" in ran.out


def test_a_ring_of_accounts_deadlocks_all_the_way_round() -> None:
    found = by_title("bank", "--ring", "3")
    assert list(found) == [
        "deadlock on lock[1], lock[2], lock[3]",
        "lock-order cycle on lock[1], lock[2], lock[3] (realised)",
    ]
    assert simulator("explore", "bank", "--ring", "4", "--strategy", "ordered").code == 0


def test_the_steps_can_be_left_out() -> None:
    ran = simulator("explore", "counter", "--no-steps")
    assert "►" not in ran.out
    assert "shortest witness: t0*2 t1*3 t0   (6 steps, 1 preemption)" in ran.out


def test_random_walks_are_called_a_sample_and_no_proof() -> None:
    ran = simulator("explore", "counter", "--scheduler", "random")
    assert ran.lines[1] == "random: 1,000 random walks over 20 interleavings, seed 0: a sample, not a proof"
    assert ran.code == 1
    clean = simulator("explore", "counter", "--lock", "--scheduler", "random", "--seed", "7")
    assert clean.code == 0
    assert "no finding so far; 1,000 random walks over 2 interleavings, seed 7: a sample, not a proof" in clean.lines[1]


def test_the_same_seed_gives_the_same_runs_and_another_gives_others() -> None:
    def runs(seed: str) -> str:
        return simulator("explore", "counter", "--scheduler", "random", "--seed", seed, "--json").out

    assert runs("1") == runs("1")
    assert runs("1") != runs("2")


def test_the_naive_search_goes_through_all_of_them() -> None:
    report = simulator("explore", "counter", "--scheduler", "naive", "--json").json
    assert (report["complete"], report["runs"], report["interleavings"]) == (True, 20, 20)
    assert {text: one["runs"] for text, one in report["outcomes"].items()} == {"count=1": 18, "count=2": 2}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--max-states", "12"), "max_states reached"),
        (("--max-steps", "3"), "max_steps reached"),
        (("--scheduler", "naive", "--max-interleavings", "5"), "max_interleavings reached"),
        (("--scheduler", "naive", "--max-steps", "3"), "max_steps reached"),
        (("--threads", "6", "--increments", "100", "--timeout", "0.2"), "timeout"),
    ],
)
def test_a_report_cut_by_a_budget_says_incomplete_and_its_exit_code_is_by_findings(
    words: tuple[str, ...], why: str
) -> None:
    ran = simulator("explore", "counter", *words)
    assert "incomplete: " in ran.lines[1]
    assert f"({why}): not a proof" in ran.lines[1]
    report = simulator("explore", "counter", *words, "--json")
    assert (report.json["complete"], report.json["stopped"]) == (False, why)
    assert ran.code == report.code == bool(report.json["findings"])


def test_a_budget_that_is_used_up_before_anything_is_found_is_no_proof() -> None:
    ran = simulator("explore", "counter", "--max-states", "2")
    assert ran.code == 0
    assert ran.lines[1].startswith("graph: no finding so far; incomplete: ")
    assert ran.lines[1].endswith(" states visited (max_states reached): not a proof")
