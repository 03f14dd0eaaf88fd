"""Random walk: at each step, each enabled thread equally likely.

It does not know where its randomness comes from: the caller hands it in, owns it, and can save it between two runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from simulator.machine import Machine
from simulator.search.naive import Interleaving
from simulator.search.tables import Moves

__all__ = ["random_walks"]


def random_walks(
    machine: Machine, *, draw: Callable[[], float], max_steps: int | None = None
) -> Iterator[Interleaving]:
    """Random walks without end, lazily.

    `draw` gives numbers in [0, 1), one for each step: the `random` of a `random.Random(seed)`, whose sequence is the one
    that Python promises to keep between versions.

    >>> import random
    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> next(random_walks(Machine(Program({"a": body, "b": body})), draw=random.Random(1).random)).schedule
    (0, 1)
    """
    moves = Moves(machine)
    while True:
        state = machine.initial
        path: list[int] = []
        choices = moves[state]
        while choices and len(path) != max_steps:
            thread, state, _ = choices[int(draw() * len(choices))]
            path.append(thread)
            choices = moves[state]
        yield Interleaving(tuple(path), state, bool(choices))
