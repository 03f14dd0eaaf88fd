"""`simulator count --by`: the same interleavings, by preemptions or by delays."""

from __future__ import annotations

import pytest

from tests.cli.command_line import simulator


def test_an_update_is_lost_with_one_preemption_and_never_without() -> None:
    ran = simulator("count", "counter", "--by", "preemptions")
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [
        "counter: 20 interleavings; none has more than 4 preemptions (counted exactly)",
        "",
        "preemptions   interleavings   up to here   count=1   count=2",
        "────────────────────────────────────────────────────────────",
        "          0               2         10 %         ·         2",
        "          1               4         30 %         4         ·",
        "          2               8         70 %         8         ·",
        "          3               4         90 %         4         ·",
        "          4               2        100 %         2         ·",
    ]


def test_round_robin_has_no_delay_in_one_interleaving() -> None:
    ran = simulator("count", "counter", "--by", "delays")
    assert ran.lines[0] == "counter: 20 interleavings; none has more than 5 delays (counted exactly)"
    assert ran.lines[4].split() == ["0", "1", "5", "%", "·", "1"]


def test_many_outcomes_are_taken_together_and_listed_below_with_the_fewest_that_each_needs() -> None:
    lines = simulator("count", "counter", "--threads", "3", "--increments", "3", "--by", "preemptions").lines
    assert lines[2] == "preemptions    interleavings    up to here"
    below = lines.index("outcome   fewest preemptions   with so few     interleavings")
    assert [line.split() for line in lines[below + 2 :]] == [
        ["count=2", "4", "288", "3,776,608,476"],
        ["count=3", "1", "36", "108,139,787,370"],
        ["count=4", "2", "288", "91,812,035,790"],
        ["count=5", "2", "288", "22,192,417,638"],
        ["count=6", "1", "72", "1,892,942,676"],
        ["count=7", "2", "432", "59,025,510"],
        ["count=8", "2", "432", "612,360"],
        ["count=9", "0", "6", "1,680"],
    ]


def test_many_outcomes_that_end_differently_have_a_column_for_each_way_to_end() -> None:
    ran = simulator(
        "count", "L l; W x; L m; U m; U l || L m; W y; L l; U l; U m || W x; W y || W y", "--by", "preemptions"
    )
    assert ran.code == 0
    assert ran.lines[2].split() == ["preemptions", "interleavings", "up", "to", "here", "finished", "deadlocked"]


@pytest.mark.parametrize("by", ["preemptions", "delays"])
def test_json_is_the_count_with_the_numbers_by_cost_added(by: str) -> None:
    plain = simulator("count", "bank", "--json").json
    counted = simulator("count", "bank", "--by", by, "--json").json
    summed: dict[str, int] = {}
    for outcome in counted["outcomes"].values():
        numbers = outcome.pop(f"by_{by}")
        assert sum(numbers.values()) == outcome["interleavings"]
        for cost, number in numbers.items():
            summed[cost] = summed.get(cost, 0) + number
    assert counted.pop(f"by_{by}") == summed
    assert list(summed) == sorted(summed, key=int)
    # Traces have no cost: they are left out.
    for outcome in plain["outcomes"].values():
        del outcome["traces"]
    assert counted == {name: value for name, value in plain.items() if name in counted}
    assert set(plain) - set(counted) == {
        "traces",
        "traces_unknown_because",
        "trace_states",
        "interleavings_unknown_because",
    }


def test_a_program_that_can_run_for_ever_is_counted_by_cost_up_to_a_number_of_steps() -> None:
    refused = simulator("count", "bank", "--strategy", "try-lock", "--by", "delays").refused()
    assert refused.startswith("the program can run for ever")
    cut = simulator("count", "bank", "--strategy", "try-lock", "--max-steps", "5", "--by", "delays")
    assert "interleavings, cut at 5 steps; none has more than " in cut.lines[0]


def test_what_cannot_be_counted_by_is_refused_with_what_can() -> None:
    refused = simulator("count", "counter", "--by", "threads").refused()
    assert "preemptions" in refused
    assert "delays" in refused
