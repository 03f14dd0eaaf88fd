"""What is wrong in a recorded run: the detectors that look at simulated runs, over one that was written down.

Knows detectors and nothing of files. A single run shows less than a search: a race is found if this run has its two accesses
unordered, a lock-order cycle if this run has all of its orders. Properties of the program are not in a record, so
they are not looked at.
"""

from __future__ import annotations

from simulator.analysis.data_race import DataRace
from simulator.analysis.detector import sightings_in
from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Finding, Kind, Sighting
from simulator.clocks import HappensBefore
from simulator.real.recorded import Recorded
from simulator.trace import Run

__all__ = ["analyze", "races_in"]


def analyze(recorded: Recorded) -> tuple[Finding, ...]:
    """What the detectors see in the run, the gravest first; each told from the beginning of the run that shows it."""
    found = []
    run = recorded.run
    for detector in detectors_for(recorded.program):
        sightings = races_in(run) if isinstance(detector, DataRace) else sightings_in(detector, run)
        for sighting, length in sightings.items():
            found.append(detector.explain(sighting, run if length == len(run) else _beginning(run, length)))
    return tuple(found)


def races_in(run: Run) -> dict[Sighting, int]:
    """What `DataRace` sees in a run, with the number of steps after which it was first seen.

    That detector carries everything it may still need in its memo, for it also rides along searches, and in a run of tens of
    thousands of events over hundreds of locations that takes minutes. Over one finished run, happens-before has it all.
    """
    found: dict[Sighting, int] = {}
    order = HappensBefore(run.events)
    for first, second in order.races():
        one, other = order.footprint(first), order.footprint(second)
        if not one.on_lock and not (one.atomic and other.atomic):
            found.setdefault(Sighting(Kind.DATA_RACE, (one.name,)), second + 1)
    return found


def _beginning(run: Run, length: int) -> Run:
    """The first steps of a run."""
    return Run(run.threads, run.events[:length], run.situations[: length + 1], run.start, None)
