"""How often each finding happens: exactly, over all interleavings, without going through them.

The census again, over (state, riding memo, which sightings there were so far): the number of ways to reach each, layer
by layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

from simulator.analysis.finding import Share, Sighting
from simulator.analysis.riders import Riders
from simulator.machine import Machine
from simulator.search.budget import Budget, without_collecting

__all__ = ["shares"]


NO_MEMO = -1
"""Stands for every riding memo where all that is wanted was seen: it can change nothing any more, so such paths merge."""


def shares(
    machine: Machine, riders: Riders, wanted: Sequence[Sighting], *, max_states: int, budget: Budget
) -> dict[Sighting, Share]:
    """For each wanted sighting, in how many interleavings it is seen, of how many, and its odds under a random walk.

    Empty when that takes more than `max_states` states or longer than the budget's time, or when there are
    interleavings longer than `max_states` steps: then it is not known.
    """
    bit = {sighting: 1 << number for number, sighting in enumerate(wanted)}
    deadline = budget.deadline()

    def flags(seen: tuple[Sighting, ...]) -> int:
        found = 0
        for sighting in seen:
            found |= bit.get(sighting, 0)
        return found

    everything = (1 << len(wanted)) - 1
    memo, seen = riders.start
    scale = lcm(*range(1, len(machine.threads) + 1))
    layer = {(machine.initial, memo, flags((*seen, *riders.in_state(machine.initial)))): (1, 1)}
    unit, visited, total = 1, 0, 0
    ways_seen = dict.fromkeys(wanted, 0)
    odds_seen = dict.fromkeys(wanted, Fraction(0))
    with without_collecting():
        while layer:
            visited += len(layer)
            if visited > max_states or budget.late(deadline, visited):
                return {}
            following: dict[tuple[int, int, int], tuple[int, int]] = {}
            ended: dict[int, list[int]] = {}
            for (state, memo, shown), (ways, chance) in layer.items():
                moves = machine.moves(state)
                if not moves:
                    at_end = () if shown == everything else riders.at_end(state)
                    entry = ended.setdefault(shown | flags(at_end), [0, 0])
                    entry[0] += ways
                    entry[1] += chance
                    continue
                part = chance * (scale // len(moves))
                for _, reached, event in moves:
                    if shown == everything:
                        key = (reached, NO_MEMO, shown)
                    else:
                        next_memo, seen = riders.after(memo, event)
                        now = shown | flags((*seen, *riders.in_state(reached)))
                        key = (reached, next_memo if now != everything else NO_MEMO, now)
                    known = following.get(key)
                    following[key] = (ways, part) if known is None else (known[0] + ways, known[1] + part)
            for shown, (ways, chance) in ended.items():
                total += ways
                for sighting, flag in bit.items():
                    if shown & flag:
                        ways_seen[sighting] += ways
                        odds_seen[sighting] += Fraction(chance, unit)
            layer = following
            unit *= scale
    return {sighting: Share(ways_seen[sighting], total, odds_seen[sighting]) for sighting in wanted}
