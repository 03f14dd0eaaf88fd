"""Sleep sets: of the interleavings of each Mazurkiewicz trace, all but the first in thread order left out.

Godefroid's sleep sets (1991, 1996), alone and without persistent sets: after a thread's step has been explored, it is put
to sleep in the branches beside, until a step that depends on its own wakes it. A branch all of whose threads are
asleep leads to no interleaving that was not met elsewhere. This file says what comes after a state; who walks, and
whether everywhere or at random, it does not know.
"""

from __future__ import annotations

from simulator.machine import Machine, State
from simulator.search.tables import Touches

__all__ = ["SleepSets"]


class SleepSets:
    """The tree of runs without repetitions. A sleep set is a number, one bit for each thread.

    >>> from simulator.ops import Write
    >>> from simulator.program import Program
    >>> def body(location):
    ...     yield Write(location, 1)
    >>> from functools import partial
    >>> bodies = {"a": partial(body, "x"), "b": partial(body, "y")}
    >>> machine = Machine(Program(bodies, memory={"x": 0, "y": 0}))
    >>> [(thread, asleep) for thread, _, asleep in SleepSets(machine).after(machine.initial, 0)]
    [(0, 0), (1, 1)]
    """

    def __init__(self, machine: Machine) -> None:
        self._moves = machine.moves
        self._touches = Touches(machine)

    def after(self, state: State, asleep: int) -> list[tuple[int, State, int]] | None:
        """Each enabled thread that is awake, in thread order, with the state after its step and the sleep set there.

        None where no thread is enabled: an end. An empty list where all that are enabled are asleep: a dead end.
        """
        moves = self._moves(state)
        if not moves:
            return None
        touches = self._touches
        found = []
        before: list[tuple[int, int]] = []
        """The threads that are asleep for the next one, each as its bit, with what its step touches."""
        if asleep:
            before = [(1 << thread, touches[event]) for thread, _, event in moves if asleep >> thread & 1]
        for thread, reached, event in moves:
            if asleep >> thread & 1:
                continue
            touched = touches[event]
            still = 0
            for bit, other in before:
                # Independent: this one touches nothing, or they touch two things, or both only read.
                if touched < 0 or touched >> 1 != other >> 1 or not (touched | other) & 1:
                    still |= bit
            found.append((thread, reached, still))
            before.append((1 << thread, touched))
        return found
