"""How a test fails that an interleaving speaks against, and what its failure says.

This file turns a report into the text of a failure. It knows neither what was asserted nor how anything is found, so that
all that fails a test can stand on it.
"""

from __future__ import annotations

from simulator.analysis.finding import Finding
from simulator.render.text import covered, plural, witness_table
from simulator.report import Report

__all__ = ["IncompleteFailure", "InterleavingFailure", "assert_report", "failure_text"]

_SAID_AS = "simulator.assertions"
"""The module that failures name: where those who write tests import them from."""


class InterleavingFailure(AssertionError):
    """Some interleaving shows what was asserted not to be. The text says which, why, step by step, and how to see it again.

    `finding` is what was found, with its witness; `schedule` the witness as text that `replay` takes, empty where no
    single run shows it all; `report` all that was found.
    """

    __module__ = _SAID_AS

    def __init__(self, text: str, *, finding: Finding | None = None, report: Report | None = None) -> None:
        super().__init__(text)
        self.finding = finding
        self.report = report

    @property
    def schedule(self) -> str:
        """The witness as text."""
        return "" if self.finding is None or self.finding.witness is None else str(self.finding.witness)


class IncompleteFailure(AssertionError):
    """Nothing was found, but not everything could be looked at: no proof, so no pass. `report` is what was looked at."""

    __module__ = _SAID_AS

    def __init__(self, text: str, *, report: Report | None = None) -> None:
        super().__init__(text)
        self.report = report


def assert_report(report: Report, said: str = "assert_report", *, incomplete_ok: bool = False) -> Report:
    """A report that was had already shows nothing, and is complete. `said` begins the text of a failure.

    This is what the other assertions end with, for those who call `check` themselves.
    """
    __tracebackhide__ = True
    if report.findings:
        raise InterleavingFailure(failure_text(said, report), finding=report.findings[0], report=report)
    if not report.complete and not incomplete_ok:
        raise IncompleteFailure(
            f"{said}: nothing found, but not everything was looked at\n{report.program}: {report.scheduler}: "
            f"{covered(report)}\nA larger budget or a smaller program decides it; incomplete_ok=True lets it pass without",
            report=report,
        )
    return report


def failure_text(said: str, report: Report, *, what: str = "", beside: str = "") -> str:
    """The first finding of a report as the text of a failure: what, why, step by step, and how to see it again.

    `what` stands in the first line instead of the finding's title, `beside` between the reason and the steps.
    """
    finding, *others = report.findings
    lines = [f"{said}: {what or finding.title}", finding.why, *([beside] if beside else [])]
    if finding.run is None or finding.witness is None:
        lines.append("no single run shows all of it")
    else:
        if finding.run.events:
            lines += ["", witness_table(finding), ""]
        schedule = str(finding.witness)
        kind = "shortest witness" if finding.shortest else "witness (not proved to be the shortest)"
        size = f"{plural(len(finding.witness), 'step')}, {plural(finding.preemptions or 0, 'preemption')}"
        lines.append(f"{kind}: {schedule or '(before the first step)'}   ({size})")
        lines.append(f'to see it again: print(simulator.replay(program, "{schedule}"))')
    if others:
        lines.append(f"found besides: {'; '.join(other.title for other in others)}")
    lines.append(f"{report.program}: {report.scheduler}: {covered(report)}")
    return "\n".join(lines)
