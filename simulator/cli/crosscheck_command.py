"""`simulator crosscheck`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from simulator.cli import INTERRUPTED
from simulator.cli.common import POSITIVE, SECONDS, Output, ScenarioCommand, is_terminal, json_option, loaded_program
from simulator.explore import MAX_STATES, check
from simulator.real.crosscheck import Progress, crosscheck
from simulator.real.interpreters import find
from simulator.real.natural import check_limits
from simulator.search.budget import Budget

__all__ = ["command"]


@click.command("crosscheck", cls=ScenarioCommand)
@click.option("--runs", type=POSITIVE, default=200, help="How many natural runs. [default: 200]")
@click.option(
    "--timeout",
    type=SECONDS,
    default=60.0,
    help="Seconds for the model, for the natural runs on each Python, and for each forced one. [default: 60]",
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="PYTHON",
    help="Make the natural runs on this Python, 3.8 or newer: a path or a name on PATH; may be repeated. "
    "[default: the one that runs this]",
)
@click.option(
    "--switch-interval",
    type=SECONDS,
    help="Natural runs: how long a thread keeps the GIL while another wants it, as sys.setswitchinterval takes it. "
    "[default: the Python's own]",
)
@click.option("--no-barrier", is_flag=True, help="Natural runs: threads start without waiting for each other.")
@click.option("--all", "everything", is_flag=True, help="Force every interleaving, where there are at most 10,000.")
@click.option("--max-states", type=POSITIVE, help=f"States of the model to visit at most. [default: {MAX_STATES:,}]")
@json_option
def command(
    runs: int,
    timeout: float,
    pythons: tuple[str, ...],
    switch_interval: float | None,
    no_barrier: bool,
    everything: bool,
    max_states: int | None,
    as_json: bool,
    **values: Any,
) -> int:
    """Hold the model of SCENARIO against real threads.

    Three facts, kept apart: what is possible in the model; what real threads did when forced along a schedule; what was
    observed in natural runs of the plain Python version. Exit code 1 if real threads did what the model says is impossible.
    """
    loaded, given = loaded_program(values)
    interpreters = tuple(map(find, dict.fromkeys(pythons)))
    check_limits(runs, timeout, switch_interval)
    with _progress() as watched:
        budget = Budget(max_states=max_states, timeout=timeout)
        report = check(loaded.program(**given), budget=budget).uninterrupted()
        found = crosscheck(
            loaded,
            given,
            runs=runs,
            timeout=timeout,
            report=report,
            everything=everything,
            interpreters=interpreters,
            switch_interval=switch_interval,
            barrier=not no_barrier,
            progress=watched,
        )
    output = Output()
    if as_json:
        output.json(found.to_dict())
    else:
        output.text(str(found))
    if found.interrupted:
        click.echo("simulator: interrupted: this is only what was found so far", err=True)
        return INTERRUPTED
    return 0 if found.ok else 1


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """A progress line on standard error, when that is a terminal."""
    if not is_terminal(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Line

    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with Line(*columns, console=Console(stderr=True), transient=True) as line:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = line.add_task(f"{what} runs", total=total)
            line.update(tasks[what], completed=done, total=total)

        yield show
