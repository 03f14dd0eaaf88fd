"""`simulator crosscheck`: three facts, kept apart. Only what every run guarantees is asserted of real threads."""

from __future__ import annotations

import pytest

from tests.cli.command_line import simulator

pytestmark = pytest.mark.real


def test_the_counter_s_three_facts() -> None:
    ran = simulator("crosscheck", "counter", "--runs", "5")
    assert ran.code == 0
    assert ran.lines[0] == (
        "counter: possible in the model (of 20 interleavings, all outcomes), forced and observed on real threads"
    )
    assert "18, 90 %" in ran.out
    assert " of 5" in ran.out
    assert "(4 schedules of generators)" in ran.out
    assert "self.count += 1" in ran.out
    assert ran.lines[-1] == "Nothing contradicts the model."


def test_forced_threads_do_as_the_model_and_natural_runs_are_counted() -> None:
    found = simulator("crosscheck", "counter", "--runs", "5", "--json").json
    assert found["possible"]["interleavings"] == 20
    assert all(run["agrees"] for run in found["forced"])
    lost = next(run for run in found["forced"] if "lost update on count" in run["shows"])
    assert (lost["schedule"], lost["outcome"]) == ("t0*2 t1*3 t0", "count=1")
    (observed,) = found["observed"]
    assert (observed["runs"], observed["asked"]) == (5, 5)
    assert sum(one["runs"] for one in observed["outcomes"]) == 5
    assert all(one["low"] <= one["share"] <= one["high"] for one in observed["outcomes"])
    assert found["not_predicted"] == []


def test_the_unsafe_bank_ends_by_itself_and_its_deadlock_is_forced() -> None:
    ran = simulator("crosscheck", "bank", "--runs", "5", "--json")
    assert ran.code == 0
    deadlock = next(run for run in ran.json["forced"] if run["shows"][0].startswith("deadlock on"))
    assert deadlock["outcome"] == "deadlocked: balance[1]=1000 balance[2]=1000"
    assert ran.json["observed"][0]["runs"] == 5


def test_a_locked_counter_has_one_outcome_and_the_same_bytes_every_time() -> None:
    words = ("crosscheck", "counter", "--lock", "--runs", "3", "--json")
    first = simulator(*words)
    assert first.json["observed"][0]["outcomes"][0]["outcome"] == "count=2"
    assert simulator(*words).out == first.out


def test_a_strategy_without_a_plain_version_is_only_forced() -> None:
    found = simulator("crosscheck", "bank", "--no-funds-check", "--runs", "2", "--json").json
    assert found["observed"] == []
    assert any("no plain Python version" in note for note in found["notes"])


def test_a_number_of_runs_that_is_none_is_refused() -> None:
    assert simulator("crosscheck", "counter", "--runs", "0").refused() == (
        "Invalid value for '--runs': 0 is not above 0"
    )
