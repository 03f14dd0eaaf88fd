"""Which detectors look at a program: all of them, in the order of `Kind`."""

from __future__ import annotations

from simulator.analysis.data_race import DataRace
from simulator.analysis.deadlock import Deadlock
from simulator.analysis.detector import Detector
from simulator.analysis.finding import Kind
from simulator.analysis.lock_misuse import LockMisuse
from simulator.analysis.lock_order import LockOrder
from simulator.analysis.lost_update import LostUpdate
from simulator.analysis.properties import FailedCheck, FailedInvariant
from simulator.program import Program

__all__ = ["detectors_for"]


def detectors_for(program: Program) -> tuple[Detector, ...]:
    """A fresh one of each detector that has something to look for in this program."""
    found: list[Detector] = [FailedCheck(), FailedCheck(Kind.CRASH), LostUpdate(), DataRace()]
    if program.step_properties or program.final_properties:
        found.append(FailedInvariant(program.step_properties, program.final_properties))
    if program.all_locks:
        found.extend((Deadlock(), LockOrder(), LockMisuse()))
    order = list(Kind)
    return tuple(sorted(found, key=lambda detector: order.index(detector.kind)))
