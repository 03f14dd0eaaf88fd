"""Whether a program can always still come to an end: from every reachable state some interleaving goes on to one.

That is what questions about ends need. A program whose threads get out of each other's way for ever may go on for ever
and still always come to an end (under a random walk it does, with probability 1); one with a thread that never leaves
its loop does not. Who is to blame for an endless interleaving is asked elsewhere (`analysis/endless.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from simulator.errors import LimitError
from simulator.machine import Machine, State
from simulator.search.budget import Budget, Stop, without_collecting
from simulator.search.reduced import ReducedGraph

__all__ = ["MAX_STATES", "surely_ends", "without_end"]

MAX_STATES = 1_000_000
"""States that are looked at unless the budget says otherwise."""
LOOK_AT_CLOCK = 4096


def surely_ends(machine: Machine, budget: Budget) -> bool:
    """Whether no thread ever comes back to a place where it has been, so that every interleaving ends; False if that is open.

    The reduced search goes through every step of every thread, so this is a proof for far larger programs than `without_end`
    can look at.
    """
    explored = ReducedGraph(machine, (), budget).run()
    if explored.stop is Stop.INTERRUPTED:
        raise KeyboardInterrupt
    return explored.complete and not any(_comes_back(machine, members) for members in machine.classes)


def _comes_back(machine: Machine, members: tuple[int, ...]) -> bool:
    """Whether the known steps of alike threads have a cycle: taking away, again and again, places that lead nowhere."""
    threads_mask = (1 << machine.shared_shift) - 1
    before: dict[int, list[int]] = {}
    left: dict[int, int] = {}
    for thread in members:
        shift = machine.fields[thread][0]
        for local, (_, _, moves) in enumerate(machine.rows[thread]):
            left.setdefault(local, 0)
            for move in moves.values():
                if move is not None:
                    reached = ((local << shift) + move[0] & threads_mask) >> shift
                    before.setdefault(reached, []).append(local)
                    left[local] += 1
    waiting = [local for local, steps in left.items() if not steps]
    gone = 0
    while waiting:
        gone += 1
        for local in before.get(waiting.pop(), ()):
            left[local] -= 1
            if not left[local]:
                waiting.append(local)
    return gone < len(left)


def without_end(machine: Machine, budget: Budget) -> list[tuple[State, Callable[[], list[int]]]]:
    """Every reachable state from which no interleaving ends, each with a way to ask for a schedule with the fewest steps to it.

    Nearest first. Visits every state; raises LimitError when those are more than the budget's `max_states`, or 1,000,000,
    or the time is up.

    >>> from simulator.ops import Pause, Read, Write
    >>> from simulator.program import Program
    >>> def waits():
    ...     while not (yield Read("ready")):
    ...         yield Pause()
    >>> def sets():
    ...     yield Write("ready", True)
    >>> machine = Machine(Program({"a": waits, "b": sets}, memory={"ready": False}))
    >>> len(without_end(machine, Budget())), len(without_end(Machine(Program({"a": waits}, memory={"ready": False})), Budget()))
    (0, 3)
    """
    limit = budget.max_states or MAX_STATES
    deadline = budget.deadline()
    before: dict[State, list[State]] = {machine.initial: []}
    states = [machine.initial]
    ends = []
    with without_collecting():
        for done, state in enumerate(states, start=1):
            after = machine.successors(state)
            if not after:
                ends.append(state)
            for _, reached in after:
                known = before.get(reached)
                if known is None:
                    before[reached] = [state]
                    states.append(reached)
                else:
                    known.append(state)
            if len(states) > limit:
                raise LimitError(f"more than {limit:,} states (max_states)")
            if done % LOOK_AT_CLOCK == 0 and budget.late(deadline, done):
                raise LimitError("the time was up (timeout)")
        ending = set(ends)
        while ends:
            for state in before[ends.pop()]:
                if state not in ending:
                    ending.add(state)
                    ends.append(state)

    def path(state: State) -> list[int]:
        schedule = []
        while state != machine.initial:
            # The first one that it was reached from is the nearest.
            (parent, *_) = before[state]
            schedule.append(next(thread for thread, reached in machine.successors(parent) if reached == state))
            state = parent
        return schedule[::-1]

    return [(state, partial(path, state)) for state in states if state not in ending]
