"""What the program itself promised: its properties, its checks, and not to crash."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from simulator.analysis.detector import Detector, Memo, Sightings
from simulator.analysis.finding import Finding, Kind, Sighting, Step
from simulator.ops import Access, show_name, show_value
from simulator.program import Property, holds
from simulator.trace import Ended, Event, Notice, Run, Situation

__all__ = ["FailedCheck", "FailedInvariant"]


class FailedInvariant(Detector):
    """A property that had to hold after every step, or at the end, and does not."""

    kind = Kind.FAILED_INVARIANT

    def __init__(self, always: Mapping[str, Property], finally_: Mapping[str, Property]) -> None:
        self._always = always
        self._finally = finally_

    def in_memory(self, memory: Mapping[Hashable, Any]) -> Sightings:
        return tuple(
            Sighting(self.kind, (), name)
            for name, condition in self._always.items()
            if not holds(name, condition, memory)
        )

    def at_end(self, situation: Situation) -> Sightings:
        if any(end is None or end.how != "finished" for end in situation.ends.values()):
            return ()
        return tuple(
            Sighting(self.kind, (), name)
            for name, condition in self._finally.items()
            if not holds(name, condition, situation.memory)
        )

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        name = sighting.detail
        memory = run.final.memory
        shown = " ".join(f"{show_name(location)}={show_value(value)}" for location, value in memory.items())
        when = "after the last step" if name in self._always else "at the end"
        threads: tuple[str, ...] = run.threads
        writes = [n for n, event in enumerate(run.events, start=1) if event.footprint.access == Access.WRITE]
        if name in self._always and run.events:
            writes = [len(run)]
            threads = (run.events[-1].thread,)
        steps = tuple(Step.of(n, run.events[n - 1]) for n in writes[-1:])
        return Finding(
            kind=self.kind,
            objects=(),
            threads=threads,
            why=f"{name} does not hold {when}: {shown}",
            steps=steps,
            detail=name,
        )


class FailedCheck(Detector):
    """A thread that ended by a failed check or `assert`, or (`kind` CRASH) by any other exception."""

    def __init__(self, kind: Kind = Kind.FAILED_CHECK) -> None:
        self.kind = kind
        self._how = "failed check" if kind == Kind.FAILED_CHECK else "crashed"

    def start(self, notices: Mapping[str, tuple[Notice, ...]]) -> tuple[Memo, Sightings]:
        return None, tuple(sighting for of_thread in notices.values() for sighting in self._in(of_thread))

    def after(self, memo: Memo, event: Event) -> tuple[Memo, Sightings]:
        return memo, self._in(event.notices)

    def _in(self, notices: Iterable[Notice]) -> Sightings:
        return tuple(
            Sighting(self.kind, (), _at(notice).strip() or "before its first line")
            for notice in notices
            if isinstance(notice, Ended) and notice.how == self._how
        )

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        last = run.events[-1:]
        for number, thread, notices in [
            *((len(run), event.thread, event.notices) for event in last),
            *((0, thread, notices) for thread, notices in run.start.items()),
        ]:
            for notice in notices:
                if isinstance(notice, Ended) and sighting in self._in((notice,)):
                    what = "its check failed" if self.kind == Kind.FAILED_CHECK else "it raised"
                    held = f"; it still holds {', '.join(map(show_name, notice.holding))}" if notice.holding else ""
                    return Finding(
                        kind=self.kind,
                        objects=(),
                        threads=(thread,),
                        why=f"{thread} ended{_at(notice)}: {what}: {notice.message}{held}",
                        steps=(Step.of(number, last[0]),) if number else (),
                        detail=sighting.detail,
                    )
        raise ValueError(f"the run does not end with {self.kind} {sighting.detail}")


def _at(ended: Ended) -> str:
    """Where a thread ended, as the user's code knows it."""
    return f" at {ended.where}" if ended.where is not None else ""
