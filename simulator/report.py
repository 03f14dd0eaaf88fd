"""The report of a check: what was found, and exactly what was looked at.

It knows no search. A report never claims more than was explored: "complete" is the one word for a proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.analysis.finding import Finding
from simulator.analysis.lock_order import LockEdge
from simulator.census import Census
from simulator.schedulers import Scheduler
from simulator.search.budget import Stop
from simulator.search.estimate import Estimate
from simulator.trace import Outcome, memory_dict
from simulator.traces import TraceCensus

__all__ = ["Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` found, and exactly what it looked at.

    `complete` means that every reachable state, every interleaving or every Mazurkiewicz trace was covered: then "no
    finding" is a proof. `census` and `trace_census` are the exact counts of the program's interleavings and traces, None
    (with a reason beside) where they could not be had. `runs` counts the interleavings walked one by one, `traces` the
    different ones among them; None for what visits states. `why` says why this scheduler was picked, when nobody chose
    it; `notes` what has to be known to read the result. `within` is the number of preemptions or delays up to which
    every interleaving was covered, None when it is not bounded by that or not even the first level was done.
    `weighted_by_length` says that samples are only about uniform, for threads were drawn by the steps they have left.
    """

    program: str
    threads: tuple[str, ...]
    scheduler: Scheduler
    stop: Stop
    findings: tuple[Finding, ...]
    outcomes: Mapping[Outcome, int | None]
    states: int
    runs: int | None
    seed: int | None
    lock_edges: tuple[LockEdge, ...]
    """The lock-order graph of everything that was explored."""
    census: Census | None
    census_missing: str = ""
    trace_census: TraceCensus | None = None
    trace_census_missing: str = ""
    traces: int | None = None
    why: str = ""
    notes: tuple[str, ...] = ()
    bound: int | None = None
    within: int | None = None
    weighted_by_length: bool = False
    interleavings_estimate: Estimate | None = None
    traces_estimate: Estimate | None = None
    undecided: tuple[str, ...] = ()
    """Findings that a reduced search could neither show nor rule out."""

    @property
    def complete(self) -> bool:
        """Whether what was covered is everything there is."""
        return self.stop is Stop.COMPLETE and not self.undecided

    @property
    def clean(self) -> bool:
        """Whether nothing was found. A proof only if `complete`."""
        return not self.findings

    def uninterrupted(self) -> Report:
        """The report; but KeyboardInterrupt again where Ctrl-C ended the search, for whoever has no use for a part of it."""
        if self.stop is Stop.INTERRUPTED:
            raise KeyboardInterrupt
        return self

    def to_dict(self) -> dict[str, Any]:
        """The report in plain types, as `simulator explore --json` prints it."""
        counted, traced = self.census, self.trace_census
        return {
            "program": self.program,
            "threads": list(self.threads),
            "scheduler": str(self.scheduler),
            "picked_because": self.why or None,
            "complete": self.complete,
            "stopped": str(self.stop),
            "seed": self.seed,
            "bound": self.bound,
            "covered_up_to": self.within,
            "states": self.states or None,
            "runs": self.runs,
            "distinct_traces": self.traces,
            "interleavings": None if counted is None else counted.interleavings,
            "interleavings_unknown_because": self.census_missing or None,
            "interleavings_estimate": _estimated(self.interleavings_estimate),
            "traces": None if traced is None else traced.traces,
            "traces_unknown_because": self.trace_census_missing or None,
            "traces_estimate": _estimated(self.traces_estimate),
            "notes": list(self.notes),
            "undecided": list(self.undecided),
            "outcomes": {
                str(outcome): {
                    "interleavings": None if counted is None else counted.outcomes.get(outcome),
                    "traces": None if traced is None else traced.outcomes.get(outcome),
                    "runs": runs,
                    "how": outcome.how,
                    "memory": memory_dict(outcome.memory),
                }
                for outcome, runs in self.outcomes.items()
            },
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def __str__(self) -> str:
        from simulator.render.text import report_text

        return report_text(self)

    def _repr_html_(self) -> str:
        from simulator.render.html import preformatted

        return preformatted(str(self))


def _estimated(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else estimate.to_dict()
