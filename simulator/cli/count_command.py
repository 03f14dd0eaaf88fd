"""`simulator count`."""

from __future__ import annotations

from typing import Any

import click

from simulator.census import MAX_STATES, Census, count
from simulator.census_by import count_by
from simulator.cli.common import Output, ScenarioCommand, budget_options, json_option, loaded_program, progress
from simulator.errors import EndlessError, LimitError
from simulator.search.bounded import Cost
from simulator.search.budget import Budget
from simulator.traces import TraceCensus, count_traces

__all__ = ["command"]


@click.command("count", cls=ScenarioCommand)
@budget_options("max_steps", "max_states")
@click.option(
    "--by",
    type=click.Choice([cost.value for cost in Cost]),
    help="Count by the number of preemptions, or of delays, as well.",
)
@click.option("--traces/--no-traces", default=True, show_default=True, help="Count Mazurkiewicz traces as well.")
@json_option
def command(
    max_steps: int | None,
    max_states: int | None,
    timeout: float | None,
    by: str | None,
    traces: bool,
    as_json: bool,
    **values: Any,
) -> int:
    """Count the interleavings of SCENARIO by outcome, exactly, without going through them, and the traces among them.

    A trace (Mazurkiewicz trace) is a class of interleavings that differ only in the order of independent steps: those that can
    tell something apart. Beside each count stands its share of all interleavings, and its exact odds under a random walk
    over enabled threads.
    """
    loaded, given = loaded_program(values)
    program, limit = loaded.program(**given), max_states or MAX_STATES
    budget = Budget(timeout=timeout).begun()
    output = Output()
    if by is not None:
        with progress(f"counting {loaded.name}: states", budget) as watched:
            counted = count_by(program, Cost(by), max_steps=max_steps, max_states=limit, budget=watched)
        if as_json:
            output.json({"program": loaded.name, **counted.to_dict()})
        else:
            from simulator.render.text import cost_table

            output.text(f"{loaded.name}: {cost_table(counted, width=output.width, colour=output.colour)}")
        return 0
    census, missing = None, ""
    traced, traces_missing = None, "not asked for"
    # Half of the time at most, so that there is some left for the traces, which may be easier to count.
    first = Budget(timeout=timeout / 2).begun() if timeout is not None and traces else budget
    with progress(f"counting {loaded.name}: states", first) as watched:
        try:
            census = count(program, max_steps=max_steps, max_states=limit, budget=watched)
        except LimitError as error:
            if not traces or isinstance(error, EndlessError):
                raise
            missing = str(error)
    if traces:
        with progress(f"counting {loaded.name}: traces, states", budget) as watched:
            try:
                traced = count_traces(program, max_steps=max_steps, max_states=limit, budget=watched)
            except LimitError as error:
                if census is None:
                    raise
                traces_missing = str(error)
    if as_json:
        output.json({"program": loaded.name, **_as_dict(census, missing, traced, traces_missing)})
    else:
        from simulator.render.text import counts_table

        table = counts_table(
            census, missing, traced, traces_missing if traces else "", width=output.width, colour=output.colour
        )
        output.text(f"{loaded.name}: {table}")
    return 0


def _as_dict(census: Census | None, missing: str, traced: TraceCensus | None, traces_missing: str) -> dict[str, Any]:
    """Both counts in one, one of which may be missing: the same keys in the same order, null for what is not known."""
    counted = {} if census is None else census.to_dict()
    traces = {} if traced is None else traced.to_dict()
    plain = counted or traces
    outcomes = {}
    for name, entry in plain["outcomes"].items():
        outcomes[name] = {
            "interleavings": entry.get("interleavings"),
            "random_walk": entry.get("random_walk"),
            "traces": traces["outcomes"][name]["traces"] if traces else None,
            "how": entry["how"],
            "memory": entry["memory"],
        }
    return {
        "interleavings": counted.get("interleavings"),
        "interleavings_unknown_because": missing or None,
        "traces": traces.get("traces"),
        "traces_unknown_because": None if traces else traces_missing,
        "complete": plain["complete"],
        "max_steps": plain["max_steps"],
        "longest": counted.get("longest"),
        "states": counted.get("states"),
        "trace_states": traces.get("states"),
        "outcomes": outcomes,
    }
