"""`simulator graph`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from simulator.analysis.finding import Kind
from simulator.analysis.lock_order import cyclic_pairs
from simulator.cli.common import POSITIVE, Output, ScenarioCommand, budget_options, json_option, loaded_program
from simulator.errors import UsageError
from simulator.explore import Report, check
from simulator.machine import Machine
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.replay import replay
from simulator.trace import Run

if TYPE_CHECKING:
    from simulator.render.diagram import Diagram

__all__ = ["command"]

KINDS = ("wait-for", "lock-order", "states", "happens-before")


@click.command("graph", cls=ScenarioCommand)
@click.option("--kind", type=click.Choice(KINDS), default="wait-for", help="Which graph to draw. [default: wait-for]")
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    help="Write there: .svg, .png, .pdf, .dot, .gv, .mmd by suffix. [default: DOT text on standard output]",
)
@click.option(
    "--schedule",
    help="wait-for, happens-before: of this schedule. [default: the shortest deadlock, or the gravest finding]",
)
@click.option("--step", type=click.IntRange(min=0), help="wait-for: after this many steps. [default: at the end]")
@click.option("--max-states", type=POSITIVE, help="states: refuse to draw more than this. [default: 200]")
@budget_options()
@json_option
def command(
    kind: str,
    path: str | None,
    schedule: str | None,
    step: int | None,
    max_states: int | None,
    timeout: float | None,
    as_json: bool,
    **values: Any,
) -> int:
    """Draw a graph of SCENARIO.

    wait-for: who waits for whom, at a deadlock or at any step of a schedule. lock-order: which lock is taken while which
    is held, over all runs. states: every state of a small program. happens-before: what orders the steps of one run.
    """
    from simulator.render.files import check_writable
    from simulator.render.picture import check_suffix, write_picture

    if path is not None:
        check_suffix(path)
        check_writable(path)
    _refuse_ignored(kind, schedule=schedule, step=step, max_states=max_states)
    loaded, given = loaded_program(values)
    program = loaded.program(**given)
    diagram, about = _draw(program, kind, schedule, step, max_states, Budget(timeout=timeout))
    output = Output()
    if path is not None:
        write_picture(diagram, path)
    if as_json:
        from simulator.render.dot import dot_source

        output.json(
            {
                "program": loaded.name,
                "kind": kind,
                "about": about,
                "caption": diagram.caption,
                "file": path,
                "dot": dot_source(diagram),
            }
        )
    elif path is not None:
        output.text(f"wrote {path}: {about}; {diagram.caption}")
    else:
        from simulator.render.dot import dot_source

        output.text(dot_source(diagram).rstrip("\n"))
    return 0


def _refuse_ignored(kind: str, **options: object) -> None:
    uses = {"wait-for": {"schedule", "step"}, "happens-before": {"schedule"}, "states": {"max_states"}}.get(kind, set())
    for name, value in options.items():
        if value is not None and name not in uses:
            raise UsageError(f"--{name.replace('_', '-')} does not go with --kind {kind}")


def _draw(
    program: Program, kind: str, schedule: str | None, step: int | None, max_states: int | None, budget: Budget
) -> tuple[Diagram, str]:
    from simulator.render import graphs

    match kind:
        case "states":
            drawn = graphs.state_graph(Machine(program), **({} if max_states is None else {"max_states": max_states}))
            return drawn, "every state"
        case "lock-order":
            return _lock_order(program, budget)
        case "happens-before":
            run, about = _run(program, schedule, budget)
            return graphs.happens_before(run), about
        case _:
            run, about = _run(program, schedule, budget)
            at = len(run) if step is None else step
            if at > len(run):
                raise UsageError(f"--step {at} is after the end: the schedule has {len(run)} steps")
            return graphs.wait_for(run.situations[at]), f"{about}, after step {at} of {len(run)}"


def _search(program: Program, budget: Budget) -> Report:
    # A picture of a part would look like a picture of the whole.
    return check(program, budget=budget).uninterrupted()


def _run(program: Program, schedule: str | None, budget: Budget) -> tuple[Run, str]:
    """The run to draw, and what it is: as asked for, or the gravest finding's witness, or one without preemption."""
    if schedule is not None:
        return replay(program, schedule), f"schedule {schedule}"
    report = _search(program, budget)
    for finding in report.findings:
        if finding.run is not None and finding.run.events:
            return finding.run, f"{finding.title}, schedule {finding.witness}"
    run = replay(program, "", finish=True)
    nothing = "nothing was found" if report.complete else f"nothing was found so far (incomplete: {report.stop})"
    return run, f"{nothing}, so a run without preemption, schedule {run.schedule}"


def _lock_order(program: Program, budget: Budget) -> tuple[Diagram, str]:
    from simulator.render import graphs

    report = _search(program, budget)
    if not report.complete:
        raise UsageError(f"the lock-order graph needs all states, and the search did not finish ({report.stop})")
    edges = report.lock_edges
    cyclic = cyclic_pairs(edges)
    cycles = [str(finding.status) for finding in report.findings if finding.kind is Kind.LOCK_ORDER_CYCLE]
    many = "cycle" if len(cycles) == 1 else "cycles"
    about = f"{len(cycles)} {many} ({', '.join(cycles)})" if cycles else "no cycle"
    return graphs.lock_order(edges, cyclic), f"over all runs: {about}"
