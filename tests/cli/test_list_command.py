"""`simulator list`: what there is to explore."""

from __future__ import annotations

from simulator.loading import registered
from tests.cli.command_line import simulator


def test_every_scenario_is_one_line_with_its_options() -> None:
    ran = simulator("list")
    assert ran.code == 0
    lines = ran.lines[: ran.lines.index("")]
    assert [line.split()[0] for line in lines] == list(registered())
    told = {line.split()[0]: line.partition(" ")[2].strip() for line in lines}
    assert told["counter"] == ("Threads add to one counter: read, add, write.  --threads --increments --lock --start")
    assert told["account"].endswith(".")
    assert told["bank"].endswith(" --strategy --accounts --balances …")
    assert max(map(len, lines)) <= 120


def test_the_last_line_says_where_the_options_are_explained() -> None:
    assert simulator("list").lines[-2:] == ["", "'simulator explore NAME --help' says what a scenario's options mean."]
    assert "how many threads [1 to 64; default: 2]" in simulator("explore", "counter", "--help").out


def test_summaries_are_sentences_that_begin_in_one_column() -> None:
    lines = simulator("list").lines[:-2]
    starts = {line.index(line.partition(" ")[2].strip()) for line in lines}
    assert len(starts) == 1
    assert all(one["summary"].endswith(".") for one in simulator("list", "--json").json)


def test_json_has_every_parameter() -> None:
    listed = {one["name"]: one for one in simulator("list", "--json").json}
    assert list(listed) == list(registered())
    assert listed["account"]["parameters"] == []
    assert listed["counter"]["parameters"][0] == {
        "name": "threads",
        "type": "int",
        "default": 2,
        "help": "how many threads",
        "minimum": 1,
        "maximum": 64,
        "choices": None,
    }
