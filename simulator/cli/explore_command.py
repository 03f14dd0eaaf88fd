"""`simulator explore`."""

from __future__ import annotations

import sys
from typing import Any

import click

from simulator.checkpoint import CheckpointFile
from simulator.cli import INTERRUPTED
from simulator.cli.common import (
    Expected,
    Output,
    ScenarioCommand,
    budget_options,
    expected,
    is_terminal,
    json_option,
    loaded_program,
    progress,
)
from simulator.explore import check
from simulator.schedulers import COUNTED_STATES, MAX_PACKED_STATES, MAX_STATES, MAX_STEPS, SAMPLES, Scheduler
from simulator.search.budget import Budget, Stop
from simulator.search.reduced import Reduction

__all__ = ["command"]


@click.command("explore", cls=ScenarioCommand)
@click.option(
    "--scheduler",
    type=click.Choice([str(scheduler) for scheduler in Scheduler]),
    metavar="NAME",
    help=(
        "How to choose who moves. Complete: graph (every state once), reduced (only states that show something new), "
        "layered (the same in numpy), dpor (one run of each trace), naive (every interleaving). Bounded: preemptions, "
        "delays. Samplers: random, uniform, uniform-traces, pct, pos, surw. [default: the fastest complete one]"
    ),
)
@click.option("--bound", type=click.IntRange(min=0), help="Preemptions, or delays, to go up to. [default: 2]")
@click.option("--depth", type=click.IntRange(min=1), help="The depth of bugs that pct looks for. [default: 3]")
@click.option("--seed", type=int, help="Seed of a sampler. [default: 0]")
@click.option(
    "--without",
    multiple=True,
    type=click.Choice([name.lower() for name in Reduction.__members__ if name not in ("NONE", "ALL")]),
    help="Switch off a reduction of the reduced search.",
)
@click.option("--checkpoint", metavar="FILE", help="Save the search here now and then, and go on from there.")
@click.option("--steps/--no-steps", default=True, show_default=True, help="Show each witness step by step.")
@budget_options(
    max_interleavings=f"{SAMPLES:,} for samplers, otherwise none",
    max_steps=f"{MAX_STEPS:,}; reduced and layered count no steps",
    max_states=f"{MAX_STATES:,}; layered {MAX_PACKED_STATES:,}; uniform, uniform-traces {COUNTED_STATES:,}",
)
@json_option
def command(
    scheduler: str | None,
    bound: int | None,
    depth: int | None,
    seed: int | None,
    without: tuple[str, ...],
    checkpoint: str | None,
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
    program = loaded.program(**given)
    budget = Budget(max_interleavings=max_interleavings, max_steps=max_steps, max_states=max_states, timeout=timeout)
    reductions = Reduction.ALL
    for name in without:
        reductions &= ~Reduction[name.upper()]
    settings: dict[str, Any] = {"scheduler": scheduler, "seed": seed, "bound": bound, "depth": depth}
    kept = None if checkpoint is None else CheckpointFile(checkpoint, program, {**settings, "max_steps": max_steps})
    what = "states" if scheduler is None or Scheduler(scheduler).visits_states else "runs"
    total = expected(program, scheduler, budget) if is_terminal(sys.stderr) else Expected()
    with progress(f"exploring {loaded.name}: {what}", budget, total=total) as watched:
        report = check(program, **settings, budget=watched, reductions=reductions, checkpoint=kept)
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
