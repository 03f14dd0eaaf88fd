"""`simulator record`."""

from __future__ import annotations

import io
from typing import Any

import click

from simulator.cli.common import SECONDS, Output, ScenarioCommand, loaded_program
from simulator.errors import UsageError
from simulator.machine import Machine
from simulator.real.interpreters import find
from simulator.real.record import record
from simulator.real.recorded import Recorded, read
from simulator.real.recording import write
from simulator.render.files import check_writable, write_whole
from simulator.search.replay import replay

__all__ = ["command"]


@click.command("record", cls=ScenarioCommand)
@click.option("-o", "--output", metavar="FILE", required=True, help="Where to write the run, as JSON lines.")
@click.option(
    "--schedule",
    metavar="TEXT",
    help="Record the model's run of this schedule instead, as far as it goes: 'a b*3 a*2'.",
)
@click.option("--python", metavar="PYTHON", help="Run on this Python, 3.8 or newer: a path or a name on PATH.")
@click.option("--switch-interval", type=SECONDS, help="As sys.setswitchinterval takes it. [default: the Python's own]")
@click.option("--timeout", type=SECONDS, default=60.0, help="Stop recording after this many seconds. [default: 60]")
def command(
    output: str,
    schedule: str | None,
    python: str | None,
    switch_interval: float | None,
    timeout: float,
    **values: Any,
) -> int:
    """Record one run of SCENARIO, for 'simulator analyze'.

    The plain Python version runs once on real threads; every access of a shared attribute and every lock is written down in
    its true order. That changes the timing, so a recorded run is not a natural one.
    """
    check_writable(output)
    loaded, given = loaded_program(values)
    if schedule is None:
        interpreter = None if python is None else find(python)
        text = record(loaded, given, timeout=timeout, interpreter=interpreter, switch_interval=switch_interval)
    elif python is not None or switch_interval is not None:
        raise UsageError("--python and --switch-interval are for real threads: leave them out, or --schedule")
    else:
        program = loaded.program(**given)
        text = write(replay(Machine(program), schedule), program, name=loaded.name)
    write_whole(output, text)
    Output().text(f"wrote {output}: {_about(read(io.StringIO(text), output))}")
    return 0


def _about(recorded: Recorded) -> str:
    from simulator.render.text import plural

    where = "the model" if recorded.source == "model" else f"{recorded.source} ({recorded.interpreter})"
    unseen = f"; not watched: {', '.join(recorded.unseen)}" if recorded.unseen else ""
    return f"one run of {recorded.name} by {where}, {plural(len(recorded.run), 'event')}{unseen}"
