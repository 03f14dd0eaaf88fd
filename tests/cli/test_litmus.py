"""Litmus text where a scenario is expected: by every command, wherever it stands, and refused in one line."""

from __future__ import annotations

import pytest

from simulator.loading import load
from tests.cli.command_line import ended, process, simulator

RACE = "R x; W x || R x; W x"
DEADLOCK = "L a; L b; U b; U a || L b; L a; U a; U b"


def test_text_is_counted() -> None:
    ran = simulator("count", RACE)
    assert ran.code == 0
    assert ran.lines[:2] == [
        "litmus: 6 interleavings, 4 of them different (traces)",
        "the longest takes 4 steps; counted exactly over 10 states",
    ]
    assert [line.split()[:2] for line in ran.lines[5:]] == [["x=12", "3"], ["x=22", "3"]]


def test_text_is_explored_and_each_step_s_place_is_its_thread_and_position() -> None:
    ran = simulator("explore", DEADLOCK)
    assert ran.code == 1
    assert "1. deadlock on a, b: in 2 of 6 interleavings (33.3 %); 50 % under a random walk" in ran.lines
    assert "   t0 takes a then b (t0:2); t1 takes b then a (t1:2); no lock common to them keeps them apart" in ran.lines
    found = simulator("explore", RACE, "--json").json["findings"][0]
    assert [(step["does"], step["where"]) for step in found["steps"]] == [
        ("read x → 0", "t0:1"),
        ("write x = 22", "t1:2"),
        ("write x = 12", "t0:2"),
    ]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["explore", RACE], 1),
        (["explore", "M x || M x"], 0),
        (["count", RACE], 0),
        (["enumerate", RACE], 0),
        (["replay", RACE, "t0 t1*2 t0"], 1),
        (["graph", DEADLOCK, "--kind", "lock-order"], 0),
        (["crosscheck", RACE, "--runs", "1"], 0),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_every_command_takes_text(words: list[str], code: int) -> None:
    ran = simulator(*words)
    assert (ran.code, ran.err) == (code, "")
    assert ran.out


@pytest.mark.parametrize(
    "order",
    [
        ["--max-states", "1000", "{x=1; y=2} R x || W y=-1"],
        ["{x=1; y=2} R x || W y=-1", "--max-states=1000"],
        ["--max-states=1000", "--", "{x=1; y=2} R x || W y=-1"],
        ["--max-states=1000", " {x = 1;y = 2}R x||W y = -1"],
    ],
)
def test_text_may_stand_before_and_after_options_and_hold_any_signs(order: list[str]) -> None:
    ran = simulator("count", *order)
    assert ran.code == 0, ran
    assert ran.lines[0] == "litmus: 2 interleavings, all of one trace"
    assert ran.lines[5].split()[:3] == ["x=1", "y=-1", "2"]


def test_a_mistake_is_one_line_with_its_column_and_exit_code_2() -> None:
    said = "litmus text, column 6: unknown operation 'Q' (expected R, W, M, CAS, L, U, T, P), at 'Q x || W x'"
    for command in ("explore", "count", "enumerate", "graph", "crosscheck"):
        assert simulator(command, "R x; Q x || W x").refused() == said
    assert simulator("replay", "R x; Q x || W x", "t0").refused() == said
    assert (
        simulator("count", "R x:\n1 || W x").refused().startswith("litmus text, column 3: expected a memory location")
    )


def test_text_is_no_option_of_its_own_and_its_help_has_the_command_s_options_only() -> None:
    assert simulator("count", RACE, "--threads", "3").refused().startswith("No such option '--threads'")
    ran = simulator("count", RACE, "--help")
    assert ran.code == 0
    assert "--max-states" in ran.out
    assert "--threads" not in ran.out


@pytest.mark.parametrize("command", ["explore", "count", "enumerate", "graph", "replay", "crosscheck"])
def test_the_help_of_each_command_says_that_text_is_a_scenario(command: str) -> None:
    said = " ".join(simulator(command, "--help").out.split())
    assert "litmus text with '||' between the threads, such as 'R x; W x || R x; W x'" in said


def test_a_long_text_is_read() -> None:
    text = " || ".join(["; ".join(["W x"] * 200)] + ["R y"] * 2)
    ran = simulator("count", text)
    assert ran.lines[0] == "litmus: 40,602 interleavings, all of one trace"
    assert ran.lines[1].startswith("the longest takes 202 steps; ")


@pytest.mark.parametrize(
    ("line", "word", "offered"),
    [(f"simulator explore '{RACE}' --sch", 3, ["--scheduler"]), (f"simulator explore '{RACE}", 2, [])],
    ids=["an option after it", "the text itself"],
)
def test_completion_goes_on_after_text_and_leaves_text_alone(line: str, word: int, offered: list[str]) -> None:
    environment = {"_SIMULATOR_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(word)}
    ran = ended(process(environment=environment))
    assert ran.err == ""
    assert [answer.partition(",")[2] for answer in ran.out.splitlines() if answer] == offered


def test_a_loaded_text_has_no_parameters_and_no_plain_version() -> None:
    loaded = load(RACE)
    assert (loaded.name, loaded.parameters, loaded.plain()) == ("litmus", (), None)
    assert loaded.program().threads == ("t0", "t1")
