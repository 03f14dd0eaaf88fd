"""Whether a program can always still come to an end: from every reachable state some interleaving goes on to one.
And whether each of its threads can: none ever waits for what nobody will do.

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

__all__ = ["MAX_STATES", "stuck_for_ever", "surely_ends", "without_end"]

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
    with without_collecting():
        before, able = _states(machine, budget)
        ends = [state for state, threads in able.items() if not threads]
        ending = set(ends)
        while ends:
            for state in before[ends.pop()]:
                if state not in ending:
                    ending.add(state)
                    ends.append(state)
    return [(state, partial(_path, machine, before, state)) for state in before if state not in ending]


def stuck_for_ever(machine: Machine, budget: Budget) -> tuple[State, tuple[int, ...], list[int]] | None:
    """The nearest state with threads that have not ended and take no step from there on, whatever the others do.

    With those threads, and a schedule with the fewest steps to the state; None when there is none. Every deadlock is such
    a state, and so is one where a lock is never given back by a thread that runs on for ever. Visits every state, within
    the same limits as `without_end`.

    >>> from simulator.ops import Acquire, Pause
    >>> from simulator.program import Program
    >>> def keeps():
    ...     yield Acquire("m")
    ...     while True:
    ...         yield Pause()
    >>> def wants():
    ...     yield Acquire("m")
    >>> stuck_for_ever(Machine(Program({"a": keeps, "b": wants}, locks=["m"])), Budget())[1:]
    ((1,), [0])
    """
    with without_collecting():
        before, able = _states(machine, budget)
        # From the farthest state on, most of what follows a state is known before it.
        waiting = list(able)
        while waiting:
            reached = waiting.pop()
            threads = able[reached]
            for state in before[reached]:
                if threads & ~able[state]:
                    able[state] |= threads
                    waiting.append(state)
    everybody = (1 << len(machine.threads)) - 1
    for state, threads in able.items():
        if threads != everybody:
            never = (thread for thread in range(len(machine.threads)) if not threads >> thread & 1)
            stuck = tuple(thread for thread in never if machine.pending(state, thread) is not None)
            if stuck:
                return state, stuck, _path(machine, before, state)
    return None


def _states(machine: Machine, budget: Budget) -> tuple[dict[State, list[State]], dict[State, int]]:
    """Every reachable state, nearest first: those it is reached from, and one bit for each thread that is enabled."""
    limit = budget.max_states or MAX_STATES
    deadline = budget.deadline()
    before: dict[State, list[State]] = {machine.initial: []}
    able: dict[State, int] = {}
    states = [machine.initial]
    for done, state in enumerate(states, start=1):
        threads = 0
        for thread, reached in machine.successors(state):
            threads |= 1 << thread
            known = before.get(reached)
            if known is None:
                before[reached] = [state]
                states.append(reached)
            else:
                known.append(state)
        able[state] = threads
        if len(states) > limit:
            raise LimitError(f"more than {limit:,} states (max_states)")
        if done % LOOK_AT_CLOCK == 0 and budget.late(deadline, done):
            raise LimitError("the time was up (timeout)")
    return before, able


def _path(machine: Machine, before: dict[State, list[State]], state: State) -> list[int]:
    schedule = []
    while state != machine.initial:
        # The first one that it was reached from is the nearest.
        parent = before[state][0]
        schedule.append(next(thread for thread, reached in machine.successors(parent) if reached == state))
        state = parent
    return schedule[::-1]
