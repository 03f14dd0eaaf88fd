"""`simulator list`: what there is to explore."""

from __future__ import annotations

from simulator.loading import registered
from tests.cli.command_line import simulator


def test_every_scenario_is_listed_with_its_options_defaults_and_bounds() -> None:
    ran = simulator("list")
    assert ran.code == 0
    assert "counter: Threads add to one counter: read, add, write." in ran.lines
    assert "    --threads NUMBER     how many threads [1 to 64; default: 2]" in ran.lines
    assert "    --lock/--no-lock     hold a lock around each addition [default: no-lock]" in ran.lines
    assert [line.partition(":")[0] for line in ran.lines if line and not line.startswith(" ")] == list(registered())


def test_each_scenario_is_one_sentence_that_fits_a_line() -> None:
    for block in simulator("list").out.rstrip("\n").split("\n\n"):
        first, *options = block.splitlines()
        name, _, summary = first.partition(": ")
        assert name in registered()
        assert summary.endswith(".")
        assert len(first) <= 120
        assert all(option.startswith("    --") for option in options)


def test_descriptions_stand_in_one_column() -> None:
    for block in simulator("list").out.split("\n\n"):
        options = [line for line in block.splitlines() if line.startswith("    --")]
        starts = {len(line) - len(line[4:].partition("  ")[2].lstrip()) for line in options}
        assert len(starts) == bool(options)


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
