"""`simulator claims`: the article's claims in order, each with the model's verdict and this machine's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from simulator.cli.common import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.claims.claim import Claim, Evidence

__all__ = ["command"]


@click.command("claims", cls=Command)
@click.option("--no-real", is_flag=True, help="Only the model: nothing is run on real threads or processes.")
@click.option("--runs", type=click.IntRange(min=1), default=10, help="Natural runs of each kind. [default: 10]")
@click.option("--only", metavar="TEXT", default="", help="Only claims with this in their name.")
@click.option("--python", "python", metavar="PYTHON", help="Make natural runs on this Python. [default: this one]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
def command(no_real: bool, runs: int, only: str, python: str | None, as_json: bool) -> int:
    """Put the article's claims to the test, in the model and on this machine.

    It argues why CPython has a GIL: reference counts, races, locks, CPU-bound and I/O-bound threads.

    Exit code 1 if a claim is refuted that was right when this was written; a claim may also depend on the version of Python,
    or on where threads are switched. Ctrl-C leaves the claims so far: nothing is said of the one that was being tested.
    """
    from scenarios.claims.claim import Asked
    from scenarios.claims.every import CLAIMS
    from simulator.cli import INTERRUPTED
    from simulator.cli.common import Output
    from simulator.errors import UsageError
    from simulator.real.interpreters import Interpreter, find

    wanted = [claim for claim in CLAIMS if only.lower() in claim.name.lower()]
    if not wanted:
        raise UsageError(f"no claim has {only!r} in its name; known: {', '.join(claim.name for claim in CLAIMS)}")
    asked = Asked(
        real=not no_real, runs=runs, interpreter=find(python) if python is not None else Interpreter.current()
    )
    output = Output()
    found: list[tuple[Claim, Evidence]] = []
    stopped = ""
    for claim in wanted:
        try:
            evidence = claim.test(asked)
        except KeyboardInterrupt:
            stopped = f"interrupted: {len(found)} of {len(wanted)} claims"
            break
        found.append((claim, evidence))
        if not as_json:
            output.text(_told(len(found), claim, evidence))
    if as_json:
        output.json({"claims": [claim.to_dict(evidence) for claim, evidence in found], "interrupted": bool(stopped)})
    elif found:
        output.text(_table(found))
    if stopped:
        click.echo(f"simulator: {stopped}", err=True)
        return INTERRUPTED
    return 1 if any(evidence.verdict == "refuted" and not claim.known_wrong for claim, evidence in found) else 0


def _told(number: int, claim: Claim, evidence: Evidence) -> str:
    from textwrap import fill

    def told(what: str, lines: Sequence[str]) -> list[str]:
        return [
            fill(
                line,
                110,
                initial_indent=f"   {what if not place else '':9}",
                subsequent_indent=" " * 12,
                break_on_hyphens=False,
            )
            for place, line in enumerate(lines)
        ]

    verdict = f"{evidence.verdict}: {evidence.why}" if evidence.why else str(evidence.verdict)
    lines = [
        fill(f"{number}. {claim.name}: {claim.says}", 110, subsequent_indent="   "),
        *told("model", evidence.model),
        *told("machine", evidence.machine),
        fill(verdict, 110, initial_indent="   → ", subsequent_indent="     "),
    ]
    lines += [f"   $ {each}" for each in claim.commands]
    return "\n".join(lines) + "\n"


def _table(found: Sequence[tuple[Claim, Any]]) -> str:
    from textwrap import fill

    from rich import box
    from rich.table import Table

    from simulator.render.text import table_text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for header in ("claim", "verdict", "evidence"):
        made.add_column(header, overflow="fold")
    for claim, evidence in found:
        short = evidence.short or (evidence.machine or evidence.model)[0]
        made.add_row(claim.name, str(evidence.verdict), fill(short, 70))
    return table_text(made)
