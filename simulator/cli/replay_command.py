"""`simulator replay`."""

from __future__ import annotations

from typing import Any

import click

from simulator.analysis.detector import sightings_in
from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Finding
from simulator.cli.common import Output, ScenarioCommand, json_option, loaded_program
from simulator.machine import Machine
from simulator.program import Program
from simulator.search.replay import Misfit, replay, run_of
from simulator.trace import Run

__all__ = ["command", "findings_in"]


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
    program = loaded.program(**given)
    machine = Machine(program)
    policy = {"error": Misfit.RAISE, "stop": Misfit.STOP, "skip": Misfit.SKIP}[misfit]
    run = replay(machine, schedule, misfit=policy, finish=finish)
    findings = findings_in(program, machine, run)
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


def findings_in(program: Program, machine: Machine, run: Run) -> list[Finding]:
    """What every detector sees in one run, the gravest first."""
    found = []
    numbers = [machine.threads.index(name) for name in run.schedule]
    for detector in detectors_for(program):
        for sighting, length in sightings_in(detector, run).items():
            found.append(detector.explain(sighting, run if length == len(run) else run_of(machine, numbers[:length])))
    return found
