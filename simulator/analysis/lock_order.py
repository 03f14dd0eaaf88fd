"""Lock-order cycle: locks taken in orders that could deadlock, even if no run did.

The lock-order graph has an arrow from each lock that a thread holds to the lock that it then asks for, over all explored runs.
A cycle counts when its arrows belong to distinct threads and no two of them hold a common lock meanwhile (a gate lock would
keep them apart): Goodlock (Havelund, SPIN'00; Bensalem & Havelund, HVC'05). A try-lock never waits, so no arrow leads to it.
Whether a cycle really can deadlock is another question: see `Status`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from simulator.analysis.deadlock import wait_for, waiting_cycles
from simulator.analysis.detector import Detector, Memo, Sightings
from simulator.analysis.finding import Finding, Kind, Sighting, Status, Step
from simulator.analysis.networks import networkx
from simulator.bodies import SourceLine
from simulator.ops import Acquire, show_name
from simulator.trace import Event, Notice, Pending, Run

__all__ = ["CycleSeen", "LockEdge", "LockOrder", "cyclic_pairs", "explain_cycle", "lock_cycles", "lock_edges"]


@dataclass(frozen=True, slots=True)
class LockEdge:
    """A thread that holds one lock asks for another; `gates` are the other locks that it holds meanwhile."""

    thread: str
    held: Hashable
    wanted: Hashable
    gates: frozenset[Hashable]
    where: SourceLine

    @property
    def all_held(self) -> frozenset[Hashable]:
        """Every lock that the thread holds at that moment."""
        return self.gates | {self.held}


def lock_edges(pending: Iterable[tuple[str, Pending]]) -> tuple[LockEdge, ...]:
    """The lock-order graph of what threads were about to do, sorted: no two edges equal."""
    edges = {
        LockEdge(thread, lock, wanted.operation.lock, frozenset(wanted.held) - {lock}, wanted.where)
        for thread, wanted in pending
        if isinstance(wanted.operation, Acquire) and wanted.operation.lock not in wanted.held
        for lock in wanted.held
    }
    return tuple(sorted(edges, key=_edge_order))


def lock_cycles(edges: Iterable[LockEdge]) -> tuple[tuple[LockEdge, ...], ...]:
    """Cycles of distinct threads and distinct locks without a common gate lock; for each set of locks the first one.

    Sorted by length, then by the names of the locks.
    """
    first: dict[frozenset[Hashable], tuple[LockEdge, ...]] = {}
    for cycle in sorted(_cycles(tuple(edges)), key=lambda cycle: (len(cycle), [_edge_order(edge) for edge in cycle])):
        first.setdefault(frozenset(edge.held for edge in cycle), cycle)
    return tuple(first.values())


def cyclic_pairs(edges: Iterable[LockEdge]) -> frozenset[tuple[Hashable, Hashable]]:
    """The pairs (held, wanted) that are on any cycle that counts, not only on the one that is reported for its locks."""
    return frozenset((edge.held, edge.wanted) for cycle in _cycles(tuple(edges)) for edge in cycle)


def _cycles(edges: tuple[LockEdge, ...]) -> Iterator[tuple[LockEdge, ...]]:
    """All cycles, each once: from its smallest edge on. Parallel edges, threads and gates matter, so each is walked."""
    graph = networkx().DiGraph()
    graph.add_edges_from((edge.held, edge.wanted) for edge in edges)
    component = {
        lock: number for number, locks in enumerate(networkx().strongly_connected_components(graph)) for lock in locks
    }
    # One edge for each thread, pair of locks and set of held locks is enough: only the source line differs.
    distinct: dict[object, LockEdge] = {}
    for edge in sorted(edges, key=_edge_order):
        if component[edge.held] == component[edge.wanted]:
            distinct.setdefault((edge.thread, edge.held, edge.wanted, edge.gates), edge)
    out: dict[Hashable, list[LockEdge]] = {}
    for edge in distinct.values():
        out.setdefault(edge.held, []).append(edge)

    def extend(path: tuple[LockEdge, ...]) -> Iterator[tuple[LockEdge, ...]]:
        for edge in out.get(path[-1].wanted, ()):
            if _edge_order(edge) < _edge_order(path[0]):
                continue
            if any(edge.thread == other.thread or edge.all_held & other.all_held for other in path):
                continue
            if edge.wanted == path[0].held:
                yield (*path, edge)
            else:
                yield from extend((*path, edge))

    for edge in distinct.values():
        yield from extend((edge,))


class LockOrder(Detector):
    """Looks at what every thread was ever about to do, over all explored runs."""

    kind = Kind.LOCK_ORDER_CYCLE

    def over_all(self, pending: Iterable[tuple[str, Pending]]) -> Sightings:
        return tuple(map(self.sighting, lock_cycles(lock_edges(pending))))

    def sighting(self, cycle: tuple[LockEdge, ...]) -> Sighting:
        """What stands for a cycle: its locks."""
        return Sighting(self.kind, tuple(sorted((edge.held for edge in cycle), key=show_name)))

    def edges_of(self, sighting: Sighting, pending: Iterable[tuple[str, Pending]]) -> tuple[LockEdge, ...]:
        """The cycle behind a sighting."""
        for cycle in lock_cycles(lock_edges(pending)):
            if frozenset(edge.held for edge in cycle) == frozenset(sighting.objects):
                return cycle
        raise ValueError(f"no lock-order cycle over {', '.join(map(show_name, sighting.objects))}")

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        pending = [
            (thread, wanted)
            for situation in run.situations
            for thread, wanted in situation.pending.items()
            if wanted is not None
        ]
        told = explain_cycle(sighting, self.edges_of(sighting, dict.fromkeys(pending)), run)
        stuck = () if run.final.enabled else waiting_cycles(wait_for(run.final))
        realised = any({wait.lock for wait in cycle} == set(sighting.objects) for cycle in stuck)
        return replace(told, status=Status.REALISED if realised else Status.OPEN)


def explain_cycle(sighting: Sighting, cycle: tuple[LockEdge, ...], run: Run | None) -> Finding:
    """The story of a cycle. The steps are the acquires in the run that make its arrows, where the run has them."""
    said = [
        f"{edge.thread} takes {show_name(edge.held)} then {show_name(edge.wanted)} ({edge.where})" for edge in cycle
    ]
    steps: list[Step] = []
    for edge in cycle:
        for number, event in enumerate(run.events if run is not None else (), start=1):
            if (
                event.thread == edge.thread
                and isinstance(event.operation, Acquire)
                and event.operation.lock == edge.wanted
                and edge.held in event.held
            ):
                steps.append(Step.of(number, event))
                break
    return Finding(
        kind=Kind.LOCK_ORDER_CYCLE,
        objects=sighting.objects,
        threads=tuple(edge.thread for edge in cycle),
        why="; ".join(said) + "; no lock common to them keeps them apart",
        steps=tuple(sorted(steps)),
    )


def _edge_order(edge: LockEdge) -> tuple[object, ...]:
    return (edge.thread, show_name(edge.held), show_name(edge.wanted), sorted(map(show_name, edge.gates)), edge.where)


class CycleSeen(Detector):
    """Sees a lock-order cycle over given locks once one run has shown all of it. The memo is its arrows between them."""

    kind = Kind.LOCK_ORDER_CYCLE

    def __init__(self, sighting: Sighting) -> None:
        self._sighting = sighting
        self._locks = frozenset(sighting.objects)

    def start(self, notices: Mapping[str, tuple[Notice, ...]]) -> tuple[Memo, Sightings]:
        return frozenset(), ()

    def after(self, memo: Memo, event: Event) -> tuple[Memo, Sightings]:
        assert isinstance(memo, frozenset)
        if event.pending is None:
            return memo, ()
        shown = lock_edges([(event.thread, event.pending)])
        more = memo | {edge for edge in shown if edge.held in self._locks and edge.wanted in self._locks}
        if more == memo:
            return memo, ()
        closed = any(frozenset(edge.held for edge in cycle) == self._locks for cycle in lock_cycles(more))
        return more, (self._sighting,) if closed else ()
