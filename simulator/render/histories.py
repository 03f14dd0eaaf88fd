"""Histories as text: who called what and got what when, and why no order of the operations explains it.

It knows the layout of a history and of a report on linearizability. It decides nothing: what failed and why is computed before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simulator.analysis.linearizability import DeadEnd, Interval, call_text
from simulator.ops import show_value
from simulator.render.text import covered, finding_text, plural, table_text, witness_table

if TYPE_CHECKING:
    from simulator.linearizability import Counterexample, LinearizabilityReport

__all__ = ["history_table", "linearizability_text"]

DEAD_ENDS = 12
"""Ways to fail that are all shown."""


def history_table(history: Sequence[Interval], threads: Sequence[str]) -> str:
    """A column for each thread, a row for each call and return; a line joins the two ends of an operation.

    >>> print(history_table([Interval("a", "inc", (), 1, 6, 0), Interval("b", "inc", (), 2, 4, 0)], ["a", "b"]))
    step   a         b
    ────────────────────────
       1   ┌ inc()
       2   │         ┌ inc()
       4   │         └ 0
       6   └ 0
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("step", justify="right", no_wrap=True)
    shown = [thread for thread in threads if any(each.thread == thread for each in history)]
    for thread in shown:
        table.add_column(thread, no_wrap=True)
    steps = {step for each in history for step in (each.called, each.returned) if step is not None}
    for step in sorted(steps):
        cells = dict.fromkeys(shown, "")
        for each in history:
            if each.called == step:
                cells[each.thread] = f"┌ {call_text(each.name, each.arguments)}"
            elif each.returned == step:
                cells[each.thread] = f"└ {show_value(each.result)}"
            elif each.called < step and (each.returned is None or step < each.returned):
                cells[each.thread] = "│"
        table.add_row(str(step), *cells.values())
    return table_text(table)


def _orders(dead_ends: Sequence[DeadEnd]) -> list[str]:
    lines = [f"  {each}" for each in dead_ends[:DEAD_ENDS]]
    if len(dead_ends) > DEAD_ENDS:
        lines.append(f"  and {len(dead_ends) - DEAD_ENDS} more")
    return lines


def _counterexample(found: Counterexample) -> str:
    kind = "shortest schedule" if found.shortest else "schedule (not proved to be the shortest)"
    size = f"{plural(len(found.run), 'step')}, {plural(found.run.preemptions, 'preemption')}"
    return "\n".join(
        [
            history_table(found.history, found.run.threads),
            "",
            "each order that begins well breaks somewhere:",
            *_orders(found.dead_ends),
            "",
            f"{kind}: {found.schedule}   ({size})",
        ]
    )


def linearizability_text(checked: LinearizabilityReport) -> str:
    """What was held against what, what was covered, the history that no order explains, and the run that shows it."""
    report, found = checked.report, checked.counterexample
    title = f"{report.program} as {checked.specification}"
    if found is not None:
        title += " is not linearizable"
    elif checked.linearizable:
        title += " is linearizable: some order explains every history"
    else:
        title += ": no history yet that is not linearizable"
    parts = [f"{title}\n{covered(report)}"]
    others = list(report.findings)
    if found is not None:
        parts += [found.why, _counterexample(found), witness_table(others.pop(0))]
        parts.append(f'to see it again: print(replay(check_linearizable(...).program, "{found.schedule}"))')
    parts += [
        f"{finding_text(finding, place)}\n\n{witness_table(finding)}"
        for place, finding in enumerate(others, start=2 if found else 1)
    ]
    return "\n\n".join(parts)
