"""What is wrong in one run. Knows every detector, and nothing of other runs or of who chose this one."""

from __future__ import annotations

from collections.abc import Collection

from simulator.analysis.detector import sightings_in
from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Finding, Kind
from simulator.machine import Machine
from simulator.search.replay import run_of
from simulator.trace import Run

__all__ = ["findings_in"]


def findings_in(machine: Machine, run: Run, kinds: Collection[Kind] = tuple(Kind)) -> list[tuple[Finding, Run]]:
    """What the detectors see in a run of the machine's program, the gravest first.

    Each finding is told from the beginning of the run that shows it, which comes with it.

    >>> from simulator.ops import Read, Write
    >>> from simulator.program import Program
    >>> from simulator.search.replay import replay
    >>> def body():
    ...     yield Write("x", (yield Read("x")) + 1)
    >>> machine = Machine(Program({"a": body, "b": body}, memory={"x": 0}))
    >>> [(finding.title, len(shown)) for finding, shown in findings_in(machine, replay(machine, "a b*2 a"))]
    [('lost update on x', 4), ('data race on x', 3)]
    """
    found = []
    schedule = [machine.threads.index(name) for name in run.schedule]
    for detector in detectors_for(machine.program):
        if detector.kind in kinds:
            for sighting, length in sightings_in(detector, run).items():
                shown = run if length == len(run) else run_of(machine, schedule[:length])
                found.append((detector.explain(sighting, shown), shown))
    return found
