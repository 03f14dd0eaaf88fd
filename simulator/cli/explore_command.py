"""`simulator explore`."""

from __future__ import annotations

from typing import Any

import click

from simulator.cli import INTERRUPTED
from simulator.cli.common import Output, ScenarioCommand, budget_options, json_option, loaded_program, progress
from simulator.explore import Scheduler, check
from simulator.search.budget import Budget, Stop

__all__ = ["command"]


@click.command("explore", cls=ScenarioCommand)
@click.option(
    "--scheduler",
    type=click.Choice([str(scheduler) for scheduler in Scheduler]),
    default=str(Scheduler.GRAPH),
    help="How to choose: graph visits every state once, naive every interleaving, random walks at random. [default: graph]",
)
@click.option("--seed", type=int, help="Seed of the random scheduler. [default: 0]")
@click.option("--steps/--no-steps", default=True, show_default=True, help="Show each witness step by step.")
@budget_options("max_interleavings", "max_steps", "max_states")
@json_option
def command(
    scheduler: str,
    seed: int | None,
    steps: bool,
    max_interleavings: int | None,
    max_steps: int | None,
    max_states: int | None,
    timeout: float | None,
    as_json: bool,
    **values: Any,
) -> int:
    """Find what is wrong with SCENARIO: lost updates, data races, deadlocks, lock-order cycles, broken promises.

    Each finding comes with its shortest witness, the reason, and its exact share of all interleavings. "complete" means that
    everything was covered: only then is "no finding" a proof.
    """
    loaded, given = loaded_program(values)
    budget = Budget(max_interleavings=max_interleavings, max_steps=max_steps, max_states=max_states, timeout=timeout)
    what = "states" if scheduler == Scheduler.GRAPH else "interleavings"
    with progress(f"exploring {loaded.name}: {what}", budget) as watched:
        report = check(loaded.program(**given), scheduler=scheduler, seed=seed, budget=watched)
    output = Output()
    if as_json:
        output.json(report.to_dict())
    else:
        from simulator.render.text import report_text

        output.text(report_text(report, width=output.width, colour=output.colour, steps=steps))
    if report.stop is Stop.INTERRUPTED:
        click.echo("simulator: interrupted: this is only what was found so far", err=True)
        return INTERRUPTED
    return 0 if report.clean else 1
