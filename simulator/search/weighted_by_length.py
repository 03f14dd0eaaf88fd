"""A random walk in which each thread weighs as much as the steps that it still has to take.

It is exactly uniform over interleavings for threads that never block and always take the number of steps that was
expected of them: that many steps left of each thread can be mixed in a multinomial number of ways, and a share n/total of
them begins with a thread that has n. Everywhere else **it is not uniform**; `uniform.py` is, where the states can be
counted. This is URW of Zhao, Wolff, Mathur and Roychoudhury, "Selectively Uniform Concurrency Testing" (ASPLOS 2025);
here the lengths are the caller's or of one probing run, and a thread that outlives its length weighs 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simulator.machine import Machine
from simulator.search.chance import Draw
from simulator.search.naive import Interleaving
from simulator.search.probe import probe
from simulator.search.tables import Moves

__all__ = ["weighted_by_length"]


def weighted_by_length(
    machine: Machine, *, draw: Draw, lengths: Sequence[int] | None = None, max_steps: int | None = None
) -> Iterator[Interleaving]:
    """Weighted random walks without end, lazily. One number of `draw` for each step.

    `lengths` are the numbers of steps expected of the threads, in thread order; those of `probe` if not given.

    >>> import random
    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> next(weighted_by_length(Machine(Program({"a": body, "b": body})), draw=random.Random(1).random)).schedule
    (0, 1)
    """
    expected = probe(machine, max_steps=max_steps).lengths(machine) if lengths is None else list(lengths)
    moves = Moves(machine)
    while True:
        left = expected.copy()
        state = machine.initial
        path: list[int] = []
        choices = moves[state]
        while choices and len(path) != max_steps:
            # A thread that has outlived its length weighs 1, so that every run stays possible.
            total = sum([left[thread] if left[thread] > 1 else 1 for thread, _, _ in choices])
            rest = int(draw() * total)
            for thread, reached, _ in choices:
                rest -= left[thread] if left[thread] > 1 else 1
                if rest < 0:
                    left[thread] -= 1
                    path.append(thread)
                    state = reached
                    break
            choices = moves[state]
        yield Interleaving(tuple(path), state, bool(choices))
