"""`simulator list`."""

from __future__ import annotations

import click

from simulator.cli.common import Output, json_option, shown_bounds
from simulator.loading import load, registered
from simulator.scenario import Parameter

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
    for place, one in enumerate(loaded):
        output.text(f"{chr(10) if place else ''}{one.name}: {one.summary}")
        shown = [_shown(parameter) for parameter in one.parameters]
        widest = max((len(option) for option, _ in shown), default=0)
        for option, about in shown:
            output.text(f"    {option:{widest}}  {about}")
    return 0


def _shown(parameter: Parameter) -> tuple[str, str]:
    """A parameter as an option, and what is to be known of it."""
    name = parameter.name.replace("_", "-")
    if parameter.kind is bool:
        default = name if parameter.default else f"no-{name}"
        return f"--{name}/--no-{name}", f"{parameter.help} [default: {default}]"
    kind = "TEXT" if parameter.kind is str else "NUMBER"
    return f"--{name} {kind}", f"{parameter.help} [{shown_bounds(parameter)}default: {parameter.default}]"
