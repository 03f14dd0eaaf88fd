"""A scenario's parameters as options, where options may stand, and what each may be."""

from __future__ import annotations

import pytest

from tests.cli.command_line import Ran, simulator


def words(ran: Ran) -> str:
    """Standard output with its line breaks taken out, which help texts put anywhere."""
    return " ".join(ran.out.split())


def test_help_shows_a_scenario_s_options_with_their_bounds_and_defaults() -> None:
    ran = simulator("explore", "counter", "--help")
    assert ran.code == 0
    assert "--threads NUMBER how many threads [1 to 64; default: 2]" in words(ran)
    assert "--lock / --no-lock hold a lock around each addition [default: no-lock]" in words(ran)
    assert "counter: Several threads each add 1 to a shared count" in words(ran)


@pytest.mark.parametrize("command", ["explore", "enumerate", "count", "replay", "graph", "crosscheck"])
def test_every_command_has_the_scenario_s_options_and_help_without_one(command: str) -> None:
    assert "--strategy TEXT" in simulator(command, "bank", "--help").out
    plain = simulator(command, "--help")
    assert plain.code == 0
    assert "--strategy" not in plain.out
    assert "--json" in plain.out


@pytest.mark.parametrize(
    "order",
    [
        ["counter", "--threads", "3", "--lock"],
        ["--threads", "3", "--lock", "counter"],
        ["--threads=3", "counter", "--lock"],
        ["--lock", "counter", "--threads", "3"],
        ["--max-states", "1_000", "--lock", "--threads", "3", "counter"],
        ["--max-states", "1e3", "counter", "--threads", "3", "--lock"],
        ["--lock", "--threads", "3", "--", "counter"],
    ],
)
def test_options_may_stand_before_and_after_the_scenario(order: list[str]) -> None:
    ran = simulator("explore", *order)
    assert ran.code == 0, ran
    assert ran.lines[:2] == [
        "counter: 3 threads (t0, t1, t2)",
        simulator("explore", "counter", "--threads", "3", "--lock").lines[1],
    ]


def test_a_schedule_is_not_taken_for_the_scenario() -> None:
    ran = simulator("replay", "--threads", "3", "counter", "t2")
    assert ran.code == 0
    assert ran.lines[0].split() == ["step", "t0", "t1", "t2", "count"]


def test_a_misspelt_scenario_behind_an_option_is_still_the_scenario() -> None:
    said = "there is no scenario 'conter'; did you mean 'counter' or 'counter-rw'?"
    assert simulator("explore", "--threads", "3", "conter").refused() == said
    assert simulator("explore", "--lock", "conter").refused() == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["counter", "--threads", "0"], "'--threads': 0, expected a whole number, 1 to 64"),
        (["counter", "--threads", "65"], "'--threads': 65, expected a whole number, 1 to 64"),
        (["counter", "--threads", "9" * 30], f"'--threads': {'9' * 30}, expected a whole number, 1 to 64"),
        (["counter", "--threads", "three"], "'--threads': 'three', expected a whole number, 1 to 64"),
        (["counter", "--threads", "2.5"], "'--threads': '2.5', expected a whole number, 1 to 64"),
        (["counter", "--threads", ""], "'--threads': '', expected a whole number, 1 to 64"),
        (["counter", "--start", "x"], "'--start': 'x', expected a whole number"),
        (["bank", "--pause", "-1"], "'--pause': -1.0, expected a number"),
        (["bank", "--pause", "nan"], "'--pause': 'nan', expected a number"),
        (["bank", "--pause", "inf"], "'--pause': inf, expected a number"),
        (["counter", "--timeout", "0"], "'--timeout': 0 is not above 0"),
        (["counter", "--timeout", "nan"], "'--timeout': nan is not above 0"),
        (["counter", "--timeout", "soon"], "'--timeout': 'soon' is not a number of seconds"),
        (["counter", "--max-steps", "0"], "'--max-steps': 0 is not above 0"),
        (["counter", "--max-steps", "1.55e1"], "'--max-steps': '1.55e1' is not a whole number"),
        (["counter", "--max-steps", "1e999"], "'--max-steps': '1e999' is not a whole number"),
        (["counter", "--max-states", "many"], "'--max-states': 'many' is not a whole number"),
    ],
)
def test_a_value_that_an_option_cannot_have_is_told_what_it_can(options: list[str], said: str) -> None:
    assert simulator("explore", *options).refused().startswith(f"Invalid value for {said}")


def test_an_absurdly_long_number_is_not_repeated_in_full() -> None:
    said = simulator("explore", "counter", "--start", "9" * 5000).refused()
    assert said.endswith("expected a whole number")
    assert len(said) < 250


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["explore", "counter", "--thread", "3"], "No such option '--thread'. Did you mean '--threads'?"),
        (["explore", "counter", "--strategy", "none"], "No such option '--strategy'."),
        (["explore"], "Missing argument 'SCENARIO'."),
        (["explore", "counter", "bank"], "Got unexpected extra argument (bank)"),
        (["explore", "counter", "--threads"], "Option '--threads' requires an argument."),
        (["explore", "counter", "--scheduler", "dfs"], "Invalid value for '--scheduler': 'dfs' is not one of"),
        (["explroe", "counter"], "there is no command 'explroe'; did you mean 'explore'?"),
        (["zzz"], "there is no command 'zzz'; known: analyze, "),
        (["--nope"], "No such option '--nope'."),
    ],
)
def test_a_mistyped_command_line_is_told_in_one_line(options: list[str], said: str) -> None:
    assert simulator(*options).refused().startswith(said)


def test_no_command_shows_the_help_and_is_bad_input() -> None:
    ran = simulator()
    assert ran.code == 2
    assert ran.out.startswith("Usage: simulator")


def test_the_version_is_told() -> None:
    ran = simulator("--version")
    assert ran.code == 0
    assert ran.out.startswith("simulator, version ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--ring", "3", "--transfers", "1-2:5"],
            "ring makes its own accounts and transfers; leave accounts and transfers",
        ),
        (["--ring", "3", "--accounts", "4"], "ring makes its own accounts and transfers; leave accounts and transfers"),
        (["--ring", "1"], "ring is 1, expected 0 for none, or at least 2 accounts"),
        (["--strategy", "orderd"], "there is no lock strategy 'orderd'; did you mean 'ordered'?"),
        (["--transfers", "1-3:5"], "transfer '1-3:5' names account 3; there are accounts 1 to 2"),
        (["--transfers", "1-1:5"], "transfer '1-1:5' goes from an account to itself"),
        (["--transfers", "lots"], "transfer 'lots' cannot be read; write SOURCE-TARGET:AMOUNT, such as 1-2:500"),
        (["--transfers", ""], "transfer '' cannot be read; write SOURCE-TARGET:AMOUNT, such as 1-2:500"),
        (["--balances", "1,2,3"], "balances has 3 numbers for 2 accounts; give one, or one for each"),
        (["--balances", "rich"], "balances is 'rich', expected one whole number, or one for each account"),
    ],
)
def test_a_bank_that_cannot_be_is_refused(options: list[str], said: str) -> None:
    assert simulator("explore", "bank", *options).refused().startswith(said)


def test_nothing_is_coloured_when_nobody_looks() -> None:
    for order in (["explore", "bank"], ["count", "counter"], ["replay", "bank", "t0*2 t1*2"], ["list"]):
        assert "\x1b" not in simulator(*order).out
