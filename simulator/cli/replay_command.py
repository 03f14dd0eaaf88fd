"""`simulator replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from simulator.cli import INTERRUPTED
from simulator.cli.common import POSITIVE, Output, ScenarioCommand, json_option, loaded_program
from simulator.machine import Machine
from simulator.search.one_run import findings_in
from simulator.search.replay import Misfit, replay
from simulator.trace import Run

if TYPE_CHECKING:
    from simulator.real.walked import Walked
    from simulator.source.threads import Threads

__all__ = ["command"]


@click.command("replay", cls=ScenarioCommand)
@click.argument("schedule")
@click.option("--finish", is_flag=True, help="Go on to the end without preemption where the schedule stops.")
@click.option(
    "--misfit",
    type=click.Choice(["error", "stop", "skip"]),
    default="error",
    help="Where a step does not fit: say so, stop there, or leave that step out. [default: error]",
)
@click.option("--real", is_flag=True, help="Make real threads walk the same schedule, and say whether they agree.")
@click.option("--times", type=POSITIVE, help="How often real threads walk it. [default: 1]")
@json_option
def command(
    schedule: str, finish: bool, misfit: str, real: bool, times: int | None, as_json: bool, **values: Any
) -> int:
    """Show one interleaving of SCENARIO step by step, as SCHEDULE says: 'a b*3 a*2'.

    One column for each thread, shared memory and lock owners at the right; the steps of what is wrong are marked.
    """
    if times is not None and not real:
        raise click.UsageError("--times is about real threads: add --real")
    loaded, given = loaded_program(values)
    threads = loaded.threads(**given) if loaded.is_plain else None
    machine = Machine(loaded.program(**given) if threads is None else threads.program)
    policy = {"error": Misfit.RAISE, "stop": Misfit.STOP, "skip": Misfit.SKIP}[misfit]
    run = replay(machine, schedule, misfit=policy, finish=finish)
    findings = [finding for finding, _ in findings_in(machine, run)]
    walked = _on_real_threads(machine, threads, run, times or 1) if real else None
    output = Output()
    if as_json:
        shown = {"program": loaded.name, **run.to_dict(), "findings": [found.to_dict() for found in findings]}
        output.json(shown if walked is None else {**shown, "real": walked.to_dict()})
    else:
        from simulator.render.text import timeline

        marked: dict[int, str] = {}
        for place, finding in enumerate(findings, start=1):
            for step in finding.steps:
                marked[step.number] = ",".join(filter(None, [marked.get(step.number), str(place)]))
        output.text(timeline(run, marked=marked, width=output.width, colour=output.colour))
        for place, finding in enumerate(findings, start=1):
            output.text(f"\n{place}. {finding.title}\n   {finding.why}")
        if walked is not None:
            output.text(f"\n{walked}")
    if walked is not None and walked.interrupted:
        click.echo("simulator: interrupted: these are the walks made so far", err=True)
        return INTERRUPTED
    return 1 if findings or (walked is not None and walked.differences) else 0


def _on_real_threads(machine: Machine, threads: Threads | None, run: Run, times: int) -> Walked:
    from simulator.real.walked import walk_bodies, walk_plain

    return walk_bodies(machine.program, run, times) if threads is None else walk_plain(threads, run, times)
