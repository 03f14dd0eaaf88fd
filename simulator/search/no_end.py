"""Whether a program can always still come to an end: from every reachable state some interleaving goes on to one.
And whether each of its threads can: none ever waits for what nobody will do.

That is what questions about ends need. A program whose threads get out of each other's way for ever may go on for ever
and still always come to an end (under a random walk it does, with probability 1); one with a thread that never leaves
its loop does not. Who is to blame for an endless interleaving is asked elsewhere (`endless.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from graphlib import CycleError, TopologicalSorter

from simulator.errors import LimitError
from simulator.machine import Machine, State
from simulator.search.budget import Budget, Stop, without_collecting
from simulator.search.reachable import Reachable, places_before
from simulator.search.reduced import ReducedGraph

__all__ = ["MAX_STATES", "stuck_for_ever", "surely_ends", "without_end"]

MAX_STATES = 1_000_000
"""States that are looked at unless the budget says otherwise."""


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
    """Whether the known steps of alike threads have a cycle."""
    try:
        TopologicalSorter(places_before(machine, members)).prepare()
    except CycleError:
        return True
    return False


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
        graph = _all_states(machine, budget)
        before = graph.before()
        ends = [number for number, threads in enumerate(graph.enabled) if not threads]
        ending = set(ends)
        while ends:
            for number in before[ends.pop()]:
                if number not in ending:
                    ending.add(number)
                    ends.append(number)
    return [(state, partial(graph.path, number)) for number, state in enumerate(graph.states) if number not in ending]


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
        graph = _all_states(machine, budget)
        before = graph.before()
        able = graph.enabled.copy()
        # From the farthest state on, most of what follows a state is known before it.
        waiting = list(range(len(able)))
        while waiting:
            reached = waiting.pop()
            threads = able[reached]
            for number in before[reached]:
                if threads & ~able[number]:
                    able[number] |= threads
                    waiting.append(number)
    everybody = (1 << len(machine.threads)) - 1
    for number, threads in enumerate(able):
        if threads != everybody:
            state = graph.states[number]
            never = (thread for thread in range(len(machine.threads)) if not threads >> thread & 1)
            stuck = tuple(thread for thread in never if machine.pending(state, thread) is not None)
            if stuck:
                return state, stuck, graph.path(number)
    return None


def _all_states(machine: Machine, budget: Budget) -> Reachable:
    limit = budget.max_states or MAX_STATES
    graph = Reachable(machine, budget, limit=limit)
    if graph.stop is Stop.STATES:
        raise LimitError(f"more than {limit:,} states (max_states)")
    if graph.stop is not Stop.COMPLETE:
        raise LimitError("the time was up (timeout)")
    return graph
