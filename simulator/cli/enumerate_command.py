"""`simulator enumerate`."""

from __future__ import annotations

import csv
import io
import json
from contextlib import nullcontext
from typing import Any

import click

from simulator.census import Census, count
from simulator.cli import INTERRUPTED
from simulator.cli.common import (
    POSITIVE,
    Expected,
    Output,
    ScenarioCommand,
    budget_options,
    loaded_program,
    progress,
    whole,
)
from simulator.errors import LimitError
from simulator.explore import MAX_STEPS
from simulator.machine import Machine, State
from simulator.program import Program
from simulator.search.budget import Budget, without_collecting
from simulator.search.naive import interleavings
from simulator.trace import Outcome, Schedule

__all__ = ["command"]

TOTAL_STATES = 10_000


@click.command("enumerate", cls=ScenarioCommand)
@click.option("--limit", type=POSITIVE, help="Print at most this many.")
@click.option(
    "--outcome", "wanted", metavar="TEXT", help="Only those with this outcome, such as count=1 or deadlocked."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl", "csv"]),
    help="How to print them. [default: table]",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
@budget_options(max_steps=f"{MAX_STEPS:,}")
def command(
    limit: int | None,
    wanted: str | None,
    form: str | None,
    as_json: bool,
    max_steps: int | None,
    timeout: float | None,
    **values: Any,
) -> int:
    """Print every interleaving of SCENARIO in a fixed order, one line each, with its outcome.

    The first line comes at once and memory does not grow, however many there are.
    """
    if as_json and form not in (None, "jsonl"):
        raise click.UsageError(f"--json is --format jsonl; it does not go with --format {form}")
    loaded, given = loaded_program(values)
    program = loaded.program(**given)
    form = form or ("jsonl" if as_json else "table")
    budget = Budget(max_steps=max_steps or MAX_STEPS, timeout=timeout)
    census = _counted(program, max_steps)
    total = None if census is None else census.interleavings
    output = Output()
    writer = _Writer(output, form, max((len(str(outcome)) for outcome in census.outcomes), default=0) if census else 0)
    machine = Machine(program)
    outcomes: dict[tuple[State, bool], tuple[Outcome, bool]] = {}
    seen = printed = 0
    stopped = ""
    deadline = budget.deadline()
    # On a terminal the interleavings themselves show how far it is; a line that is drawn anew would come between them.
    line = progress(f"{loaded.name}: interleavings", budget, total=Expected(total))
    with nullcontext(budget) if output.terminal else line as watched:
        try:
            with without_collecting():
                for found in interleavings(machine, max_steps=budget.max_steps):
                    if printed == limit:
                        stopped = f"stopped at --limit {limit:,}"
                        break
                    seen += 1
                    known = outcomes.get((found.state, found.cut))
                    if known is None:
                        outcome = machine.outcome(found.state, cut=found.cut)
                        known = outcomes[found.state, found.cut] = (outcome, _wants(wanted, outcome))
                    if known[1]:
                        printed += 1
                        schedule = Schedule(map(machine.threads.__getitem__, found.schedule))
                        with whole():
                            writer.write(printed, schedule, known[0])
                    if seen % 1024 == 0 and watched.late(deadline, seen):
                        stopped = f"stopped after {timeout:g} s"
                        break
        except KeyboardInterrupt:
            stopped = "interrupted"
    cut = any(cut for _, cut in outcomes)
    summary = _summary(printed, seen, total, stopped, wanted, cut)
    if form == "table":
        if not printed and not stopped:
            summary += f"; they end as {', '.join(sorted({str(outcome) for outcome, _ in outcomes.values()}))}"
        writer.end(summary)
    elif stopped or cut:
        click.echo(f"simulator: {summary}", err=True)
    return INTERRUPTED if stopped == "interrupted" else 0


def _counted(program: Program, max_steps: int | None) -> Census | None:
    """What there is to come, if that is known at once: for the last line, the time to go and the width of the columns."""
    try:
        return count(program, max_steps=max_steps, max_states=TOTAL_STATES)
    except LimitError:
        return None


def _wants(wanted: str | None, outcome: Outcome) -> bool:
    """Whether an outcome was asked for: by its whole text, or by how it ended."""
    return wanted is None or wanted in (str(outcome), outcome.how)


def _summary(printed: int, seen: int, total: int | None, stopped: str, wanted: str | None, cut: bool) -> str:
    from simulator.render.text import number

    everything = f" of {number(total)}" if total is not None else ""
    if stopped:
        text = f"partial: {seen:,}{everything} interleavings gone through, {stopped}"
    else:
        text = f"all {seen:,} interleavings" if seen != 1 else "the only interleaving"
        if cut:
            text = f"{text}, those out of steps cut at --max-steps: incomplete"
    return text if wanted is None else f"{printed:,} with outcome {wanted}; {text}"


class _Writer:
    """One line for each interleaving, in one of the formats."""

    def __init__(self, output: Output, form: str, width: int) -> None:
        self._print = output.text
        self._form = form
        self._width = width
        if form == "csv":
            self._csv("number", "schedule", "how", "outcome")

    def write(self, number: int, schedule: Schedule, outcome: Outcome) -> None:
        match self._form:
            case "jsonl":
                line = {"number": number, "schedule": str(schedule), "how": outcome.how, "outcome": str(outcome)}
                self._print(json.dumps(line, ensure_ascii=False))
            case "csv":
                self._csv(str(number), str(schedule), outcome.how, str(outcome))
            case _:
                self._print(f"{number:>6}  {outcome!s:{self._width}}  {schedule}".rstrip())

    def end(self, summary: str) -> None:
        self._print(summary)

    def _csv(self, *cells: str) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(cells)
        self._print(line.getvalue())
