"""How many interleavings leak, free early, free twice or are right, exactly; and what exploration proves of each protection.

It judges what comes out and knows no protection from within. `python -m scenarios.refcount` prints its tables.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from scenarios.refcount.biased import BUGS
from scenarios.refcount.sharing import FREED_EARLY, LEAKED, TOO_LOW, Sharing
from simulator.analysis.finding import Finding, Kind
from simulator.census import Census, count
from simulator.explore import check
from simulator.report import Report
from simulator.trace import Outcome

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["BUGGY", "WORKLOADS", "Ending", "Verdict", "bugs", "ending", "judge", "protected", "unprotected"]


class Ending(enum.StrEnum):
    """How an interleaving ends, the worst of what happened in it."""

    FREED_TWICE = "freed twice"
    FREED_EARLY = "freed early"
    """Touched when its count had come to 0, freed with a reference left, or counted too low, so that it will be."""
    LEAKED = "leaked"
    DEADLOCKED = "deadlocked"
    RIGHT = "right"


def ending(sharing: Sharing, outcome: Outcome) -> Ending:
    """How interleavings with this outcome ended."""
    memory = dict(outcome.memory)
    if any(memory["freed", thing] > 1 for thing in sharing.things):
        return Ending.FREED_TWICE
    if outcome.how == "failed check" or sharing.freed_early(memory):
        return Ending.FREED_EARLY
    if outcome.how == "deadlocked":
        return Ending.DEADLOCKED
    if sharing.counted_short(memory):
        return Ending.FREED_EARLY
    return Ending.LEAKED if sharing.leaked(memory) else Ending.RIGHT


@dataclass(frozen=True)
class Verdict:
    """What exploration proves of one way of sharing."""

    sharing: Sharing
    report: Report
    census: Census

    @property
    def proved(self) -> bool:
        """Whether every interleaving was covered and nothing is wrong."""
        return self.report.complete and self.report.clean

    @property
    def endings(self) -> Mapping[Ending, int]:
        """How many interleavings end in each way, each counted once."""
        found = dict.fromkeys(Ending, 0)
        for outcome, number in self.census.outcomes.items():
            found[ending(self.sharing, outcome)] += number
        return found

    def share(self, how: Ending) -> Fraction:
        """The share of all interleavings, each equally likely, that end so."""
        return Fraction(self.endings[how], self.census.interleavings)

    @property
    def worst(self) -> Finding | None:
        """What is told first: what went wrong, rather than the race that it came of."""
        ranks = (Kind.DEADLOCK, Kind.FAILED_CHECK, Kind.FAILED_INVARIANT)
        found = [finding for finding in self.report.findings if finding.kind in ranks and finding.witness is not None]
        return min(found, key=lambda finding: len(finding.witness or ()), default=None)


def judge(sharing: Sharing) -> Verdict:
    """The verdict on one way of sharing, every interleaving covered and counted; after Ctrl-C there is none.

    >>> verdict = judge(Sharing(("drop", "drop")))
    >>> verdict.proved, verdict.endings[Ending.LEAKED], verdict.census.interleavings
    (False, 18, 20)
    """
    program = sharing.program()
    return Verdict(sharing, check(program, counted=False).uninterrupted(), count(program))


TWO = ("a", "b")
WORKLOADS: tuple[Sharing, ...] = (
    Sharing(("drop", "drop")),
    Sharing(("drop", "copy")),
    Sharing(("copy", "copy")),
    Sharing(("collect", "give")),
    Sharing(("drop", "drop", "drop")),
    Sharing(("drop", "drop"), TWO),
    Sharing(("assign", "assign"), TWO),
)
"""What is compared unless something else is asked for."""

VARIANTS: Mapping[str, Mapping[str, object]] = {
    "none": {"protection": "none"},
    "per-object": {"protection": "per-object"},
    "per-object, sorted": {"protection": "per-object", "in_order": True},
    "global": {"protection": "global"},
    "atomic": {"protection": "atomic"},
    "biased": {"protection": "biased"},
    "biased, not handed": {"protection": "biased", "handed": False},
}
"""The protections, in the forms that make a difference."""

BUGGY: Mapping[str, Sharing] = {
    "torn-merge": Sharing(("drop", "copy"), protection="biased", handed=False, bug="torn-merge"),
    "free-at-zero": Sharing(("drop", "drop"), protection="biased", handed=False, bug="free-at-zero"),
    "reset-last": Sharing(("drop", "drop", "drop"), protection="biased", bug="reset-last"),
    "local-left-out": Sharing(("drop", "drop"), protection="biased", bug="local-left-out"),
    "no-queue": Sharing(("drop", "drop"), protection="biased", bug="no-queue"),
    "gone-unseen": Sharing(("drop", "drop"), protection="biased", bug="gone-unseen"),
    "exit-blind": Sharing(("drop", "drop"), protection="biased", bug="exit-blind"),
}
"""For each mistake in biased counting the work that shows it in the fewest steps, of those tried."""


def said(sharing: Sharing) -> str:
    """The work of the threads, in short.

    >>> said(Sharing(("drop", "drop"), ("a", "b")))
    'drop ‖ drop, 2 objects'
    """
    objects = len(sharing.things)
    return " ‖ ".join(sharing.works) + (f", {objects} objects" if objects > 1 else "")


def unprotected(workloads: Iterable[Sharing]) -> str:
    """A table of exact shares without any protection, a row for each work."""
    return _shares("work", [(said(each), judge(each)) for each in workloads])


def protections(workload: Sharing) -> str:
    """A table of exact shares for one work, a row for each protection."""
    return _shares("protection", [(name, judge(each)) for name, each in _variants(workload)])


def protected(workloads: Sequence[Sharing]) -> str:
    """A table of what is proved: a row for each work, a column for each protection."""
    drawn = _table("work", *VARIANTS)
    for workload in workloads:
        verdicts = dict(_variants(workload))
        cells = [_verdict(judge(verdicts[name])) if name in verdicts else "" for name in VARIANTS]
        drawn.add_row(said(workload), *cells)
    return _text(drawn)


def bugs(names: Iterable[str] = BUGGY) -> str:
    """A table of the mistakes that can be put into biased counting: what they come to, and the shortest way there."""
    drawn = _table("bug", "work", "found", "steps", "shortest schedule")
    for name in names:
        verdict = judge(BUGGY[name])
        worst = verdict.worst
        if worst is None or worst.witness is None:
            drawn.add_row(name, said(BUGGY[name]), "nothing", "", "")
            continue
        drawn.add_row(name, said(BUGGY[name]), _in_short(worst), str(len(worst.witness)), str(worst.witness))
    told = [f"{name}: {BUGS[name]}" for name in names]
    return "\n\n".join([_text(drawn), "\n".join(told)])


def _variants(workload: Sharing) -> list[tuple[str, Sharing]]:
    """The work under each protection; two locks make a difference only where a thread takes two."""
    two = "assign" in workload.works
    return [
        (name, replace(workload, **values))  # type: ignore[arg-type]
        for name, values in VARIANTS.items()
        if two or name != "per-object, sorted"
    ]


def _shares(title: str, rows: Sequence[tuple[str, Verdict]]) -> str:
    from simulator.render.text import number, percent

    endings = [one for one in reversed(Ending) if any(verdict.endings[one] for _, verdict in rows)]
    drawn = _table(title, "interleavings", *endings, right=True)
    for name, verdict in rows:
        cells = [percent(verdict.share(one)) for one in endings]
        drawn.add_row(name, number(verdict.census.interleavings), *cells)
    return _text(drawn)


def _verdict(verdict: Verdict) -> str:
    """What is proved, in a word."""
    from simulator.render.text import percent

    if verdict.proved:
        return "proved"
    if not verdict.report.complete and verdict.report.clean:
        return "?"
    bad = [one for one in Ending if one is not Ending.RIGHT and verdict.endings[one]]
    return f"{percent(1 - verdict.share(Ending.RIGHT))} {bad[0] if len(bad) == 1 else 'wrong'}"


def _in_short(finding: Finding) -> str:
    """A finding of this scenario by what it means."""
    if finding.kind is Kind.FAILED_CHECK:
        return finding.why.partition("its check failed: ")[2].partition(":")[0]
    said = {FREED_EARLY: "freed early", LEAKED: "leak", TOO_LOW: "count too low"}
    return said.get(finding.detail, finding.title)


def _table(first: str, *others: str, right: bool = False) -> Table:
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    drawn.add_column(first, no_wrap=True)
    for column in others:
        drawn.add_column(column, no_wrap=True, justify="right" if right else "left")
    return drawn


def _text(drawn: Table) -> str:
    from simulator.render.text import table_text

    return table_text(drawn)
