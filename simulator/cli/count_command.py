"""`simulator count`."""

from __future__ import annotations

from typing import Any

import click

from simulator.census import MAX_STATES, count
from simulator.cli.common import Output, ScenarioCommand, budget_options, json_option, loaded_program, progress
from simulator.search.budget import Budget

__all__ = ["command"]


@click.command("count", cls=ScenarioCommand)
@budget_options("max_steps", "max_states")
@json_option
def command(max_steps: int | None, max_states: int | None, timeout: float | None, as_json: bool, **values: Any) -> int:
    """Count the interleavings of SCENARIO by outcome, exactly, without going through them.

    Beside each count stands its share of all interleavings, and its exact odds under a random walk over enabled threads.
    """
    loaded, given = loaded_program(values)
    budget = Budget(timeout=timeout)
    with progress(f"counting {loaded.name}: states", budget) as watched:
        census = count(
            loaded.program(**given), max_steps=max_steps, max_states=max_states or MAX_STATES, budget=watched
        )
    output = Output()
    if as_json:
        output.json({"program": loaded.name, **census.to_dict()})
    else:
        from simulator.render.text import census_table

        output.text(f"{loaded.name}: {census_table(census, width=output.width, colour=output.colour)}")
    return 0
