"""Commands of other packages: found by entry point, loaded when called, listed by `--help`; a broken one is one clear
line."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator import cli
from tests.cli.command_line import ROOT, simulator

THEIRS = """
import click

@click.command()
@click.argument("name", default="you")
def hello(name):
    '''Greet somebody. And more about it.'''
    click.echo(f"hello {name}")
    return 1

number = 3
"""


@pytest.fixture
def registered(write: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    name = write(THEIRS, "commands_of_others.py")
    monkeypatch.syspath_prepend(str(Path(name).resolve().parent))
    sys.modules.pop("commands_of_others", None)
    entries = [
        importlib.metadata.EntryPoint(name, value, cli.GROUP)
        for name, value in [
            ("hello", "commands_of_others:hello"),
            ("count", "commands_of_others:hello"),
            ("gone", "commands_of_others:nothing"),
            ("away", "no_such_module_of_others:command"),
            ("three", "commands_of_others:number"),
        ]
    ]
    monkeypatch.setattr(cli, "entry_points", lambda *, group: [entry for entry in entries if entry.group == group])


@pytest.mark.usefixtures("registered")
def test_a_command_of_another_package_is_run_and_gives_the_exit_code() -> None:
    ran = simulator("hello", "there")
    assert (ran.code, ran.out, ran.err) == (1, "hello there\n", "")


@pytest.mark.usefixtures("registered")
def test_help_lists_it_below_ours_with_its_summary_and_says_of_a_broken_one_that_it_is() -> None:
    lines = [line.strip() for line in simulator("--help").lines]
    assert "hello       Greet somebody." in lines
    assert "gone        Cannot be loaded: 'simulator gone' says why." in lines
    assert lines.index("hello       Greet somebody.") > next(
        n for n, line in enumerate(lines) if line.startswith("list ")
    )


@pytest.mark.usefixtures("registered")
def test_none_takes_the_name_of_one_of_ours() -> None:
    assert simulator("count", "counter").lines[0].startswith("counter: 20 interleavings")


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone", "the command 'gone' (commands_of_others:nothing) cannot be loaded: AttributeError: "),
        ("away", "the command 'away' (no_such_module_of_others:command) cannot be loaded: ModuleNotFoundError: "),
        ("three", "the command 'three' (commands_of_others:number) is not a click command but 3"),
        ("helo", "there is no command 'helo'; did you mean 'hello'?"),
    ],
)
def test_one_that_cannot_be_used_is_one_clear_line(name: str, said: str) -> None:
    assert simulator(name).refused().startswith(said)


def test_listing_those_of_the_scenarios_imports_nothing_but_their_options() -> None:
    script = (
        "import sys\n"
        "from simulator.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(*sorted(name for name in sys.modules if name.startswith('scenarios')), file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(name.count(".") <= 1 or name.endswith("command") for name in ran.stderr.split())
    assert "gil " in ran.stdout
