"""Deadlock: no thread enabled, some unfinished. With the wait-for cycles, and the threads stuck behind them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from simulator.analysis.detector import Detector, Sightings
from simulator.analysis.finding import Finding, Kind, Sighting, Step
from simulator.ops import Acquire, TryAcquire, show_name
from simulator.trace import Run, Situation

__all__ = ["Deadlock", "Wait", "wait_for", "waiting_cycles"]


@dataclass(frozen=True, slots=True)
class Wait:
    """One arrow of the wait-for graph: a thread that wants a lock, and who holds it."""

    thread: str
    lock: Hashable
    owner: str


def wait_for(situation: Situation) -> tuple[Wait, ...]:
    """The wait-for graph of a situation: one arrow for each thread whose next acquire is blocked, in thread order."""
    waits = []
    for thread, pending in situation.pending.items():
        if pending is None or thread in situation.enabled or not isinstance(pending.operation, Acquire):
            continue
        owner = situation.owners[pending.operation.lock]
        if owner is not None:
            waits.append(Wait(thread, pending.operation.lock, owner))
    return tuple(waits)


def waiting_cycles(waits: Iterable[Wait]) -> tuple[tuple[Wait, ...], ...]:
    """The cycles of a wait-for graph; each starts at its first thread in thread order. A thread waits for one lock at most."""
    by_thread = {wait.thread: wait for wait in waits}
    cycles = []
    placed: set[str] = set()
    for thread in by_thread:
        path: list[str] = []
        at = thread
        while at in by_thread and at not in placed and at not in path:
            path.append(at)
            at = by_thread[at].owner
        if at in path:
            members = path[path.index(at) :]
            first = min(range(len(members)), key=lambda number: list(by_thread).index(members[number]))
            cycles.append(tuple(by_thread[name] for name in members[first:] + members[:first]))
        placed.update(path)
    return tuple(cycles)


class Deadlock(Detector):
    """Looks at the end of an interleaving only; one sighting for each cycle, or one for locks that nobody will give back."""

    kind = Kind.DEADLOCK

    def at_end(self, situation: Situation) -> Sightings:
        if situation.enabled or not any(situation.pending.values()):
            return ()
        waits = wait_for(situation)
        seen = [Sighting(self.kind, _sorted(wait.lock for wait in cycle)) for cycle in waiting_cycles(waits)]
        orphaned = [wait.lock for wait in waits if situation.ends[wait.owner] is not None]
        if orphaned:
            seen.append(Sighting(self.kind, _sorted(orphaned), "never released"))
        return tuple(seen)

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        waits = wait_for(run.final)
        if sighting.detail:
            cycle = tuple(wait for wait in waits if run.final.ends[wait.owner] is not None)
        else:
            cycle = next(c for c in waiting_cycles(waits) if _sorted(wait.lock for wait in c) == sighting.objects)
        threads = tuple(wait.thread for wait in cycle)
        behind = _behind(waits, threads)
        if sighting.detail:
            said = [
                f"{wait.thread} waits for {show_name(wait.lock)}, which {wait.owner} still holds though it has ended"
                for wait in cycle
            ]
        elif len(cycle) == 1:
            said = [f"{threads[0]} waits for {show_name(cycle[0].lock)}, which it holds itself"]
        else:
            wanted_by = {wait.owner: wait.lock for wait in cycle}
            said = [
                f"{wait.thread} holds {show_name(wanted_by[wait.thread])} and waits for {show_name(wait.lock)} of {wait.owner}"
                for wait in cycle
            ]
        why = "; ".join(said)
        if behind:
            why += "; stuck behind: " + ", ".join(behind)
        return Finding(
            kind=self.kind,
            objects=sighting.objects,
            threads=threads,
            why=why,
            steps=tuple(_taken(run, wait.owner, wait.lock) for wait in cycle),
            detail=sighting.detail,
        )


def _behind(waits: Iterable[Wait], stuck: Iterable[str]) -> list[str]:
    """The threads that wait, directly or through others, for one of the stuck threads, in thread order."""
    by_thread = {wait.thread: wait.owner for wait in waits}
    found = set(stuck)
    while more := {thread for thread, owner in by_thread.items() if owner in found and thread not in found}:
        found |= more
    return [thread for thread in by_thread if thread in found and thread not in set(stuck)]


def _taken(run: Run, owner: str, lock: Hashable) -> Step:
    """The step at which the owner took a lock that it still holds."""
    number = max(
        number
        for number, event in enumerate(run.events, start=1)
        if event.thread == owner
        and isinstance(event.operation, Acquire | TryAcquire)
        and event.operation.lock == lock
        and lock not in event.held
    )
    return Step.of(number, run.events[number - 1])


def _sorted(locks: Iterable[Hashable]) -> tuple[Hashable, ...]:
    return tuple(sorted(set(locks), key=show_name))
