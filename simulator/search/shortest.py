"""Shortest schedules: fewest preemptions, then fewest steps, then first in thread order.

Dijkstra's search over (state, riding memo, thread that moved last). The queue is ordered by the whole of that key, so the
first schedule that shows a sighting is the shortest one there is.

Of interchangeable threads, one begins only after those before it have: exchanging two of them exchanges them in a
schedule and changes nothing else about it, so the shortest schedule that is first in thread order begins them in that
order. (A sighting names objects, no threads.) Where a thread can come back to where it began, "has begun" cannot be read
off a state, and the search is made again without this.

Schedules to deadlocks are sought by themselves where it is known how they end (`endings.py`): steps by which a thread
leaves the way to its place there are not taken.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from heapq import heappop, heappush
from itertools import pairwise

from simulator.analysis.finding import Sighting
from simulator.analysis.riders import Riders
from simulator.machine import Machine
from simulator.search.budget import Budget, without_collecting
from simulator.search.endings import Endings

__all__ = ["MAX_NODES", "shortest_schedules"]

MAX_NODES = 300_000


def shortest_schedules(
    machine: Machine,
    riders: Riders,
    wanted: Collection[Sighting],
    budget: Budget,
    *,
    max_nodes: int = MAX_NODES,
    endings: Endings | None = None,
) -> dict[Sighting, tuple[int, ...]]:
    """For each wanted sighting, the shortest schedule at whose end it is seen, by thread numbers.

    A sighting that is missing from the answer was not reached within `max_nodes`, `max_states` of the budget, or the
    time. `endings` are all those of the program, if a complete search has collected them.
    """
    limit = min(budget.max_states or max_nodes, max_nodes)
    known = [] if endings is None else [sighting for sighting in wanted if sighting in endings]
    others = [sighting for sighting in wanted if sighting not in known]
    found: dict[Sighting, tuple[int, ...]] = {}
    for these in (known, others):
        if these:
            leading = endings.leading_to(these) if endings is not None and these is known else None
            some = _searched(machine, riders, these, budget, limit, _before(machine), leading)
            if some is None:
                some = _searched(machine, riders, these, budget, limit, {}, leading)
            found |= some or {}
    return found


def _before(machine: Machine) -> dict[int, int]:
    """For each thread that is interchangeable with others, the one of them that has to begin before it."""
    return {thread: before for group in machine.classes for before, thread in pairwise(group)}


def _searched(
    machine: Machine,
    riders: Riders,
    wanted: Collection[Sighting],
    budget: Budget,
    limit: int,
    before: Mapping[int, int],
    leading: Sequence[frozenset[int]] | None,
) -> dict[Sighting, tuple[int, ...]] | None:
    """The schedules; None if a thread came back to where it began, and some have to begin in order."""
    missing = set(wanted)
    found: dict[Sighting, tuple[int, ...]] = {}
    deadline = budget.deadline()
    # For each thread its bits of a state, and what they are at the beginning.
    places = [machine.local_mask << shift for shift, _ in machine.fields]
    starts = [machine.initial & place for place in places]
    shifts = [shift for shift, _ in machine.fields]

    def note(seen: tuple[Sighting, ...], schedule: tuple[int, ...]) -> None:
        for sighting in seen:
            if sighting in missing:
                missing.discard(sighting)
                found[sighting] = schedule

    memo, seen = riders.start
    note((*seen, *riders.in_state(machine.initial)), ())
    # What a step shows is noted when the node after it is taken off the queue, not when it is put on: only then is the
    # schedule known to be the shortest. So what it showed is a part of the node.
    queue: list[tuple[int, int, tuple[int, ...], int, int, int, tuple[Sighting, ...]]] = [
        (0, 0, (), machine.initial, memo, -1, ())
    ]
    settled: set[tuple[int, int, int]] = set()
    with without_collecting():
        while queue and missing:
            preemptions, steps, schedule, state, memo, last, seen = heappop(queue)
            if seen:
                note(seen, schedule)
            if (state, memo, last) in settled:
                continue
            settled.add((state, memo, last))
            if len(settled) >= limit or (len(settled) % 1024 == 0 and budget.late(deadline, len(settled))):
                break
            note(riders.in_state(state), schedule)
            moves = machine.moves(state)
            if not moves:
                note(riders.at_end(state), schedule)
                continue
            if steps == budget.max_steps:
                continue
            still_enabled = any(thread == last for thread, _, _ in moves)
            for thread, reached, event in moves:
                if before:
                    if reached & places[thread] == starts[thread]:
                        return None
                    first = before.get(thread)
                    if (
                        first is not None
                        and state & places[thread] == starts[thread]
                        and state & places[first] == starts[first]
                    ):
                        continue
                if leading is not None and (reached & places[thread]) >> shifts[thread] not in leading[thread]:
                    continue
                next_memo, seen = riders.after(memo, event)
                cost = preemptions + (still_enabled and thread != last)
                showing = tuple(sighting for sighting in seen if sighting in missing)
                if showing or (reached, next_memo, thread) not in settled:
                    heappush(queue, (cost, steps + 1, (*schedule, thread), reached, next_memo, thread, showing))
    return found
