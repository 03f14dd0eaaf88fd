"""Lock misuse: releasing a lock that the thread does not hold, taking a plain lock twice, ending while holding one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from simulator.analysis.detector import Detector, Memo, Sightings
from simulator.analysis.finding import Finding, Kind, Sighting, Step
from simulator.ops import show_name
from simulator.trace import Ended, Event, Misuse, Notice, Run

__all__ = ["LockMisuse"]

EXIT = "exit while holding"


class LockMisuse(Detector):
    """Reads the notices of each step. A thread that a failed check or a crash ended is not blamed for what it held."""

    kind = Kind.LOCK_MISUSE

    def start(self, notices: Mapping[str, tuple[Notice, ...]]) -> tuple[Memo, Sightings]:
        return None, tuple(sighting for of_thread in notices.values() for sighting in self._in(of_thread))

    def after(self, memo: Memo, event: Event) -> tuple[Memo, Sightings]:
        return memo, self._in(event.notices)

    def _in(self, notices: Iterable[Notice]) -> Sightings:
        seen = []
        for notice in notices:
            if isinstance(notice, Misuse):
                seen.append(Sighting(self.kind, (notice.lock,), f"{notice.what} at {notice.where}"))
            elif isinstance(notice, Ended) and notice.how == "finished":
                seen.extend(Sighting(self.kind, (lock,), EXIT) for lock in notice.holding)
        return tuple(seen)

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        (lock,) = sighting.objects
        steps: tuple[Step, ...] = ()
        if run.events and sighting in self._in(run.events[-1].notices):
            thread, steps = run.events[-1].thread, (Step.of(len(run), run.events[-1]),)
        else:
            thread = next(name for name, notices in run.start.items() if sighting in self._in(notices))
        what = (
            f"{thread} ends while it holds {show_name(lock)}"
            if sighting.detail == EXIT
            else (f"{thread}: {sighting.detail.replace('a lock', show_name(lock))}")
        )
        return Finding(
            kind=self.kind,
            objects=sighting.objects,
            threads=(thread,),
            why=what,
            steps=steps,
            detail=sighting.detail,
        )
