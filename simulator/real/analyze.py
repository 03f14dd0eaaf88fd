"""What is wrong in a recorded run: the detectors that look at simulated runs, over one that was written down.

Knows detectors and nothing of files. A single run shows less than a search: a race is found if this run has its two accesses
unordered, a lock-order cycle if this run has all of its orders. Properties of the program are not in a record, so
they are not looked at.
"""

from __future__ import annotations

from simulator.analysis.detector import sightings_in
from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Finding
from simulator.real.recorded import Recorded
from simulator.trace import Run

__all__ = ["analyze"]


def analyze(recorded: Recorded) -> tuple[Finding, ...]:
    """What the detectors see in the run, the gravest first; each told from the beginning of the run that shows it."""
    found = []
    run = recorded.run
    for detector in detectors_for(recorded.program):
        for sighting, length in sightings_in(detector, run).items():
            found.append(detector.explain(sighting, run if length == len(run) else _beginning(run, length)))
    return tuple(found)


def _beginning(run: Run, length: int) -> Run:
    """The first steps of a run."""
    return Run(run.threads, run.events[:length], run.situations[: length + 1], run.start, None)
