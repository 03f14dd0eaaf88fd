"""`simulator count`."""

from __future__ import annotations

from typing import Any

import click

from simulator.census import MAX_STATES, Census, count
from simulator.census_by import CensusBy, count_by
from simulator.cli.common import Output, ScenarioCommand, budget_options, json_option, loaded_program, progress
from simulator.search.bounded import Cost
from simulator.search.budget import Budget

__all__ = ["command"]


@click.command("count", cls=ScenarioCommand)
@budget_options("max_steps", "max_states")
@click.option(
    "--by",
    type=click.Choice([cost.value for cost in Cost]),
    help="Count by the number of preemptions, or of delays, as well.",
)
@json_option
def command(
    max_steps: int | None, max_states: int | None, timeout: float | None, by: str | None, as_json: bool, **values: Any
) -> int:
    """Count the interleavings of SCENARIO by outcome, exactly, without going through them.

    Beside each count stands its share of all interleavings, and its exact odds under a random walk over enabled threads.
    """
    loaded, given = loaded_program(values)
    budget = Budget(timeout=timeout)
    counted: Census | CensusBy
    with progress(f"counting {loaded.name}: states", budget) as watched:
        program, limit = loaded.program(**given), max_states or MAX_STATES
        if by is None:
            counted = count(program, max_steps=max_steps, max_states=limit, budget=watched)
        else:
            counted = count_by(program, Cost(by), max_steps=max_steps, max_states=limit, budget=watched)
    output = Output()
    if as_json:
        output.json({"program": loaded.name, **counted.to_dict()})
    else:
        from simulator.render.text import census_table, cost_table

        if isinstance(counted, CensusBy):
            table = cost_table(counted, width=output.width, colour=output.colour)
        else:
            table = census_table(counted, width=output.width, colour=output.colour)
        output.text(f"{loaded.name}: {table}")
    return 0
