"""What stands on standard output: results alone, no value or name broken, no number longer than a line."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace

import pytest

from simulator import Census, Outcome, Program, Write, check, count, count_traces, replay
from simulator.loading import load
from simulator.render.text import counts_table, number, report_text, timeline
from tests.cli.command_line import ended, process, simulator

Write_ = Callable[..., str]

TALKATIVE = """
from simulator import Program, Read, Write

print("said while loading")

def body():
    print("said by a body")
    try:
        value = yield Read("x")
        yield Write("x", value + 1)
    finally:
        print("said by a body at its end")

def holds(memory):
    print("said by a property")
    return True

def program(size: int = 1):
    print("said while the program is made")
    return Program({"a": body, "b": body}, memory={"x": 0}, finally_={"f": holds}, always={"g": holds})
"""


@pytest.mark.parametrize(
    "words",
    [
        ["explore"],
        ["explore", "--scheduler", "dpor"],
        ["explore", "--scheduler", "random"],
        ["count"],
        ["enumerate"],
        ["replay", "a b"],
        ["graph"],
        ["crosscheck"],
    ],
    ids=" ".join,
)
def test_what_user_code_prints_is_never_among_the_results(words: list[str], write: Write_) -> None:
    command, *rest = words
    ran = simulator(command, f"{write(TALKATIVE)}:program", *rest, "--json")
    assert "said" not in ran.out
    assert "said while loading" in ran.err
    assert "said by a body\n" in ran.err
    for document in ran.lines if command == "enumerate" else [ran.out]:
        json.loads(document)


def test_what_a_body_prints_when_the_process_ends_is_not_among_the_results(write: Write_, tmp_path: object) -> None:
    ran = ended(process("replay", f"{tmp_path}/{write(TALKATIVE)}:program", "a", "--json"))
    json.loads(ran.out)


def test_help_of_a_talkative_file_is_help_alone(write: Write_) -> None:
    ran = simulator("explore", f"{write(TALKATIVE)}:program", "--help")
    assert ran.lines[0].startswith("Usage: ")
    assert "said" not in ran.out
    assert "--size" in ran.out


def test_a_body_that_will_not_be_closed_is_let_go_without_a_word(write: Write_) -> None:
    file = write(
        "from simulator import Pause, Program\n"
        "def body():\n"
        "    for _ in range(10_000):\n"
        "        try:\n"
        "            yield Pause()\n"
        "        except GeneratorExit:\n"
        "            pass\n"
        "program = Program({'a': body})\n"
    )
    assert simulator("replay", f"{file}:program", "a").err == ""


def test_only_bodies_are_let_go_without_a_word(write: Write_, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: heard.append(str(what.exc_value)))
    file = write(
        "from simulator import Pause, Program\n"
        "class Loud:\n"
        "    def __del__(self):\n"
        "        raise ValueError('at the end')\n"
        "def body():\n"
        "    loud = Loud()\n"
        "    yield Pause()\n"
        "program = Program({'a': body})\n"
    )
    simulator("explore", f"{file}:program")
    assert set(heard) == {"at the end"}


def test_numbers_too_long_to_be_read_are_rounded_in_text_and_exact_in_json(write: Write_) -> None:
    file = write(
        "from simulator import Program, Write\n"
        "def body():\n"
        "    yield Write('x', 1)\n"
        "program = Program({f't{n}': body for n in range(60)}, memory={'x': 0})\n"
    )
    words = ("count", f"{file}:program", "--no-traces")
    assert simulator(*words).lines[0] == "program: about 8.32e81 interleavings"
    assert simulator(*words, "--json").json["interleavings"] == math.factorial(60)


def test_a_count_may_have_more_digits_than_python_prints_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    large, odds = 10**5000 + 7, Fraction(1, 10**4999 + 1)
    finished = Outcome("finished", (("count", 2),))
    counted = Census({finished: large}, {finished: odds}, states=1, longest=1)
    monkeypatch.setattr("simulator.cli.count_command.count", lambda *_, **__: counted)
    before = sys.get_int_max_str_digits()
    assert simulator("count", "counter", "--no-traces").lines[0] == "counter: about 1.00e5000 interleavings"
    assert f'"interleavings": 1{"0" * 4999}7,' in simulator("count", "counter", "--no-traces", "--json").out
    assert sys.get_int_max_str_digits() == before
    assert "about 1.00e5000 interleavings" in str(counted)


def test_numbers_of_up_to_forty_digits_are_exact_in_text() -> None:
    assert number(10**40 - 1).replace(",", "") == "9" * 40
    assert number(10**40) == "about 1.00e40"
    assert number(-(10**45)) == "about -1.00e45"


BANK = load("bank").program()


@pytest.mark.parametrize("width", [10, 50, 80, 120])
def test_no_value_no_name_and_no_step_is_broken_however_narrow(width: int) -> None:
    text = report_text(check(BANK), width=width)
    for whole in ("acquire lock[1]", "sleep 0.5 s", "waits for lock[2] of t1", "balance[1]=1000", "balance[2]=1200"):
        assert whole in text
    assert not [line for line in text.splitlines() if line.strip() in ("s", "]", "0", "1]")]


def test_what_never_changes_leaves_a_narrow_timeline_first() -> None:
    run = replay(BANK, "t0*2 t1*2")
    wide, narrow = timeline(run, width=120), timeline(run, width=80)
    assert "balance[1]   balance[2]   lock[1]   lock[2]" in wide.splitlines()[0]
    assert "unchanged" not in wide
    assert "balance" not in narrow.splitlines()[0]
    assert narrow.splitlines()[0].endswith("lock[1]   lock[2]")
    assert "unchanged: balance[1]=1000 balance[2]=1000" in narrow.splitlines()
    assert max(map(len, narrow.partition("\n\n")[0].splitlines())) <= 80


def test_long_outcomes_go_on_below_themselves() -> None:
    text = counts_table(count(BANK), "", None, "", width=60)
    assert text.splitlines()[-3:] == [
        "deadlocked:                     6    50 %    75 % = 3/4",
        "  balance[1]=1000",
        "  balance[2]=1000",
    ]


def test_a_count_of_traces_prints_as_text() -> None:
    def body() -> object:
        yield Write("x", 1)

    traced = count_traces(Program({"a": body, "b": body}, memory={"x": 0}))
    assert str(traced).splitlines() == [
        f"2 traces (counted exactly over {traced.states} states)",
        "",
        "outcome   traces",
        "────────────────",
        "x=1            2",
    ]
    assert Outcome("finished", (("x", 1),)) in traced.outcomes


def test_samples_that_are_only_about_uniform_are_not_called_uniform() -> None:
    words = ("explore", "counter", "--scheduler", "uniform", "--max-interleavings", "5", "--no-steps")
    assert simulator(*words).lines[1].startswith("uniform: 5 uniform samples over 20 interleavings, seed 0")
    about = simulator(*words, "--max-states", "3").lines[1]
    assert about.startswith(
        "uniform: 5 samples, about uniform (threads weighted by length) over 20 interleavings, seed 0"
    )


def test_help_says_the_defaults_of_limits() -> None:
    said = {
        name: " ".join(simulator(name, "counter", "--help").out.split()) for name in ("explore", "count", "enumerate")
    }
    assert "Stop after this many interleavings. [default: 1,000 for samplers, otherwise none]" in said["explore"]
    assert "[default: 10,000; reduced and layered count no steps]" in said["explore"]
    assert "[default: 1,000,000; layered 20,000,000;" in said["explore"]
    assert "Cut each interleaving after this many steps. [default: none]" in said["count"]
    assert "[default: 3,500,000; for traces 2,000,000]" in said["count"]
    assert "may take a minute" in said["count"]
    assert "[default: 10,000]" in said["enumerate"]
    assert all("a body that never yields is not stopped" in text for text in said.values())


def test_bytes_that_are_no_text_have_no_line(write: Write_) -> None:
    said = simulator("explore", f"{write('x = 1' + chr(10) + chr(0))}:x").refused()
    assert said == "mine.py: does not compile: source code string cannot contain null bytes"


def test_litmus_text_says_that_it_has_no_options_of_its_own() -> None:
    said = simulator("count", "R x || R x", "--n", "3").refused()
    assert "--n" in said
    assert said.endswith("(litmus text has no options of its own)")


def test_nothing_is_shown_of_an_endless_program_held_against_real_threads(write: Write_) -> None:
    file = write(
        "from simulator import Pause, Program\n"
        "def body():\n"
        "    while True:\n"
        "        yield Pause()\n"
        "program = Program({'a': body, 'b': body})\n"
    )
    ran = simulator("crosscheck", f"{file}:program")
    assert ran.code == 0
    assert "Nothing was counted, for no interleaving ends." in ran.lines
    assert "Forced on real threads: nothing, for there was no schedule to force" in ran.lines
    assert "outcome" not in "".join(ran.lines[1:]).partition("Note")[0]
    assert "Nothing contradicts the model." not in ran.out


def test_interleavings_that_were_counted_are_shown_when_the_count_of_traces_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(*_: object, budget: SimpleNamespace, **__: object) -> None:
        budget.progress(1234)
        raise KeyboardInterrupt

    monkeypatch.setattr("simulator.cli.count_command.count_traces", stopped)
    ran = simulator("count", "counter")
    assert ran.code == 130
    assert ran.lines[0] == "counter: 20 interleavings"
    assert "traces not counted: interrupted after 1,234 states" in ran.lines
    assert ran.err == "simulator: interrupted: only the interleavings were counted\n"
