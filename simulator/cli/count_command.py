"""`simulator count`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from simulator.census import MAX_STATES, Census, count
from simulator.census_by import count_by
from simulator.cli import INTERRUPTED
from simulator.cli.common import Output, ScenarioCommand, budget_options, json_option, loaded_program, progress
from simulator.errors import EndlessError, LimitError
from simulator.machine import COMPACT, Machine
from simulator.search.bounded import Cost
from simulator.search.budget import Budget
from simulator.traces import MAX_STATES as MAX_PAIRS
from simulator.traces import TraceCensus, count_traces

__all__ = ["command"]


@click.command("count", cls=ScenarioCommand)
@budget_options(max_steps="none", max_states=f"{MAX_STATES:,}; for traces {MAX_PAIRS:,}")
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

    Counting to the default limit may take a minute and 3 GB of memory.
    """
    loaded, given = loaded_program(values)
    program, limit = loaded.program(**given), max_states or MAX_STATES
    budget = Budget(timeout=timeout).begun()
    output = Output()
    visited = _Visited()
    if by is not None:
        try:
            with progress(f"counting {loaded.name}: states", budget) as watched:
                counted = count_by(
                    program, Cost(by), max_steps=max_steps, max_states=limit, budget=visited.beside(watched)
                )
        except KeyboardInterrupt:
            return visited.interrupted()
        if as_json:
            output.json({"program": loaded.name, **counted.to_dict()})
        else:
            from simulator.render.text import cost_table

            output.text(f"{loaded.name}: {cost_table(counted, width=output.width, colour=output.colour)}")
        return 0
    # One machine for both counts, or a body that is not deterministic might be another program the second time.
    machine = Machine(program, bits=COMPACT)
    census, missing = None, ""
    traced, traces_missing = None, "not asked for"
    # Half of the time at most, so that there is some left for the traces, which may be easier to count.
    first = Budget(timeout=timeout / 2).begun() if timeout is not None and traces else budget
    try:
        with progress(f"counting {loaded.name}: states", first) as watched:
            census = count(machine, max_steps=max_steps, max_states=limit, budget=visited.beside(watched))
    except LimitError as error:
        if not traces or isinstance(error, EndlessError):
            raise
        missing = str(error)
    except KeyboardInterrupt:
        return visited.interrupted()
    code = 0
    if traces:
        try:
            with progress(f"counting {loaded.name}: traces, states", budget) as watched:
                most = max_states or MAX_PAIRS
                traced = count_traces(machine, max_steps=max_steps, max_states=most, budget=visited.beside(watched))
        except LimitError as error:
            if census is None:
                raise
            traces_missing = str(error)
        except KeyboardInterrupt:
            if census is None:
                return visited.interrupted()
            code, traces_missing = INTERRUPTED, f"interrupted{visited}"
    if as_json:
        output.json({"program": loaded.name, **_as_dict(census, missing, traced, traces_missing)})
    else:
        from simulator.render.text import counts_table

        table = counts_table(
            census, missing, traced, traces_missing if traces else "", width=output.width, colour=output.colour
        )
        output.text(f"{loaded.name}: {table}")
    if code:
        click.echo("simulator: interrupted: only the interleavings were counted", err=True)
    return code


class _Visited:
    """How many states a count has visited, as far as it has said."""

    def __init__(self) -> None:
        self._states = 0

    def beside(self, budget: Budget) -> Budget:
        """The same budget; what is reported to it is noted here as well."""
        self._states = 0

        def note(done: int) -> None:
            self._states = done
            if budget.progress is not None:
                budget.progress(done)

        return replace(budget, progress=note)

    def __str__(self) -> str:
        return f" after {self._states:,} states" if self._states else ""

    def interrupted(self) -> int:
        """Say so; gives the exit code."""
        click.echo(f"simulator: interrupted{self}; there is nothing to show yet", err=True)
        return INTERRUPTED


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
