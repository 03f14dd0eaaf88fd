"""`simulator list`."""

from __future__ import annotations

import click

from simulator.cli.common import Command, Output, json_option
from simulator.loading import Loaded, load, registered

__all__ = ["command"]

WIDEST = 120


@click.command("list", cls=Command)
@json_option
def command(as_json: bool) -> int:
    """The registered scenarios, a line each, with their options."""
    output = Output()
    loaded = [load(name) for name in registered()]
    if as_json:
        output.json(
            [
                {
                    "name": one.name,
                    "summary": one.summary,
                    "parameters": [
                        {
                            "name": parameter.name,
                            "type": parameter.kind.__name__,
                            "default": parameter.default,
                            "help": parameter.help,
                            "minimum": parameter.bounds.low,
                            "maximum": parameter.bounds.high,
                            "choices": list(parameter.choices) or None,
                        }
                        for parameter in one.parameters
                    ],
                }
                for one in loaded
            ]
        )
        return 0
    if not loaded:
        output.text(
            "no scenarios are registered; is the package installed? (a path/to/file.py:attribute works without)"
        )
        return 0
    widest = max(len(one.name) for one in loaded)
    for one in loaded:
        output.text(_line(one, widest))
    output.text("\n'simulator explore NAME --help' says what a scenario's options mean.")
    return 0


def _line(one: Loaded, widest: int) -> str:
    """A scenario's name, what it is, and as many of its options as fit."""
    line = f"{one.name:{widest}}  {one.summary} "
    for place, parameter in enumerate(one.parameters, start=1):
        option = f" --{parameter.name.replace('_', '-')}"
        room = WIDEST - len(" …") * (place < len(one.parameters))
        if len(line) + len(option) > room:
            return f"{line} …"
        line += option
    return line.rstrip()
