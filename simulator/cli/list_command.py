"""`simulator list`."""

from __future__ import annotations

import click

from simulator.cli.common import Output, json_option
from simulator.loading import load, registered

__all__ = ["command"]


@click.command("list")
@json_option
def command(as_json: bool) -> int:
    """The registered scenarios and their parameters."""
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
    for one in loaded:
        output.text(f"{one.name}: {one.summary}")
        for parameter in one.parameters:
            name = parameter.name.replace("_", "-")
            option = (
                f"--{name}/--no-{name}" if parameter.kind is bool else f"--{name} {parameter.kind.__name__.upper()}"
            )
            output.text(f"    {option:24} {parameter.help} [default: {parameter.default}]")
    return 0
