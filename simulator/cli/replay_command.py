"""`simulator replay`."""

from __future__ import annotations

from typing import Any

import click

from simulator.cli.common import Output, ScenarioCommand, json_option, loaded_program
from simulator.machine import Machine
from simulator.search.one_run import findings_in
from simulator.search.replay import Misfit, replay

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
@json_option
def command(schedule: str, finish: bool, misfit: str, as_json: bool, **values: Any) -> int:
    """Show one interleaving of SCENARIO step by step, as SCHEDULE says: 'a b*3 a*2'.

    One column for each thread, shared memory and lock owners at the right; the steps of what is wrong are marked.
    """
    loaded, given = loaded_program(values)
    machine = Machine(loaded.program(**given))
    policy = {"error": Misfit.RAISE, "stop": Misfit.STOP, "skip": Misfit.SKIP}[misfit]
    run = replay(machine, schedule, misfit=policy, finish=finish)
    findings = [finding for finding, _ in findings_in(machine, run)]
    output = Output()
    if as_json:
        output.json({"program": loaded.name, **run.to_dict(), "findings": [found.to_dict() for found in findings]})
    else:
        from simulator.render.text import timeline

        marked: dict[int, str] = {}
        for place, finding in enumerate(findings, start=1):
            for step in finding.steps:
                marked[step.number] = ",".join(filter(None, [marked.get(step.number), str(place)]))
        output.text(timeline(run, marked=marked, width=output.width, colour=output.colour))
        for place, finding in enumerate(findings, start=1):
            output.text(f"\n{place}. {finding.title}\n   {finding.why}")
    return 1 if findings else 0
