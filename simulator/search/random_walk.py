"""Random walk: at each step, each enabled thread equally likely. Seeded: the same seed gives the same runs everywhere."""

from __future__ import annotations

import random
from collections.abc import Iterator

from simulator.machine import Machine
from simulator.search.naive import Interleaving

__all__ = ["random_walks"]


def random_walks(machine: Machine, *, seed: int, max_steps: int | None = None) -> Iterator[Interleaving]:
    """Random walks without end, lazily.

    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> next(random_walks(Machine(Program({"a": body, "b": body})), seed=1)).schedule
    (0, 1)
    """
    # `random()` is the one method whose sequence Python promises to keep between versions.
    draw = random.Random(seed).random
    while True:
        state = machine.initial
        path: list[int] = []
        choices = machine.successors(state)
        while choices and len(path) != max_steps:
            thread, state = choices[int(draw() * len(choices))]
            path.append(thread)
            choices = machine.successors(state)
        yield Interleaving(tuple(path), state, bool(choices))
