"""POS: partial-order sampling; random priorities of events, drawn anew for those that race with the step taken.

Yuan, Yang and Gu, "Partial order aware concurrency sampling" (CAV 2018). Each pending event has an independent priority,
uniform in [0, 1); the enabled one with the highest is executed, and those that race with it (both are enabled, and the
order of the two matters) get new ones. So a thread that has waited is not for ever the last, and independent events,
whose order makes no difference, do not cost randomness.

Where we differ: two events race as `ops.dependent` says, so two operations on one lock do as well as two accesses of one
location. An event that races is drawn anew when it is next enabled, and not at once, which changes no probability.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.machine import Machine
from simulator.search.chance import Draw
from simulator.search.naive import Interleaving
from simulator.search.tables import Moves, Touches

__all__ = ["pos"]


def pos(machine: Machine, *, draw: Draw, max_steps: int | None = None) -> Iterator[Interleaving]:
    """POS runs without end, lazily. A number of `draw` for each priority, in thread order at each step.

    >>> import random
    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> next(pos(Machine(Program({"a": body, "b": body})), draw=random.Random(1).random)).schedule
    (1, 0)
    """
    moves = Moves(machine)
    touches = Touches(machine)
    while True:
        priorities = [-1.0] * len(machine.threads)
        """Of each thread's pending event; below 0 when it has none yet."""
        state = machine.initial
        path: list[int] = []
        choices = moves[state]
        while choices and len(path) != max_steps:
            highest = -1.0
            for choice in choices:
                thread = choice[0]
                priority = priorities[thread]
                if priority < 0:
                    priority = priorities[thread] = draw()
                if priority > highest:
                    highest = priority
                    chosen = choice
            thread, state, event = chosen
            touched = touches[event]
            if touched >= 0:
                for other, _, pending in choices:
                    beside = touches[pending]
                    if beside >> 1 == touched >> 1 and (beside | touched) & 1:
                        priorities[other] = -1.0
            priorities[thread] = -1.0
            path.append(thread)
            choices = moves[state]
        yield Interleaving(tuple(path), state, bool(choices))
