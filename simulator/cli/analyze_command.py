"""`simulator analyze`."""

from __future__ import annotations

import textwrap

import click

from simulator.analysis.finding import Finding
from simulator.cli.common import Command, Output, json_option
from simulator.real.analyze import analyze
from simulator.real.recorded import Recorded, open_and_read

__all__ = ["command"]

LONGEST_SHOWN = 100
"""Events of a run that is shown step by step."""


@click.command("analyze", cls=Command)
@click.argument("file", type=click.Path())
@json_option
def command(file: str, as_json: bool) -> int:
    """Find what is wrong in a recorded run: FILE as 'simulator record' writes it, or another tool (docs/json.md).

    The same detectors as for simulated runs: lost updates, data races, deadlocks, lock-order cycles, lock misuse, failed
    checks and crashes. One run was looked at, so nothing found proves nothing.
    """
    recorded = open_and_read(file)
    findings = analyze(recorded)
    output = Output()
    if as_json:
        run = recorded.run
        output.json(
            {
                "program": recorded.name,
                "source": recorded.source,
                "interpreter": recorded.interpreter or None,
                "traced": recorded.traced,
                "unseen": list(recorded.unseen),
                "stopped": recorded.stopped or None,
                "events": len(run),
                "outcome": None if run.outcome is None else str(run.outcome),
                "findings": [finding.to_dict() for finding in findings],
            }
        )
    else:
        output.text(_text(recorded, findings, output))
    return 1 if findings else 0


def _text(recorded: Recorded, findings: tuple[Finding, ...], output: Output) -> str:
    from simulator.render.text import plural, timeline

    run = recorded.run
    where = f" ({recorded.interpreter})" if recorded.interpreter else ""
    ended = "without an end" if run.outcome is None else f"ended {run.outcome}"
    source = "the model" if recorded.source == "model" else recorded.source
    parts = [f"{recorded.name}: one run of {source}{where}, {plural(len(run), 'event')}, {ended}"]
    if len(run) <= LONGEST_SHOWN:
        marked: dict[int, str] = {}
        for place, finding in enumerate(findings, start=1):
            for step in finding.steps:
                marked[step.number] = ",".join(filter(None, [marked.get(step.number), str(place)]))
        parts.append(timeline(run, marked=marked, width=output.width, colour=output.colour))
    for place, finding in enumerate(findings, start=1):
        steps = [f"\n   {step}" for step in finding.steps] if len(run) > LONGEST_SHOWN else []
        parts.append(f"{place}. {finding.title}\n   {finding.why}{''.join(steps)}")
    notes = []
    if recorded.stopped:
        notes.append(f"The record stops before the end: {recorded.stopped}.")
    if recorded.unseen:
        notes.append(f"Not watched: {', '.join(recorded.unseen)}.")
    if recorded.traced:
        notes.append("Recording changed the timing: how often this happens naturally is another question.")
    if not findings:
        notes.append(
            "Nothing is wrong in what was watched of this one run. That says nothing of what was not, nor of other runs."
            if recorded.unseen
            else "Nothing is wrong in this one run. That says nothing of others."
        )
    return "\n\n".join([*parts, *(["\n".join(textwrap.fill(note, 100) for note in notes)] if notes else [])])
