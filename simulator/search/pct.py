"""PCT: a random order of priorities, changed at a few random steps; finds a bug of depth d with a probability known beforehand.

Burckhardt, Kothari, Musuvathi and Nagarakatte, "A randomized scheduler with probabilistic guarantees of finding bugs"
(ASPLOS 2010). The threads get the priorities d … d+n-1 in random order; d-1 change points are drawn independently
and uniformly from the steps 1 … k; the enabled thread of the highest priority moves, and *after* the step whose number
is the i-th change point, the thread that made it gets priority i. Two change points may fall on one step; then the
later one in that count stands.

A bug of depth d is one that some d ordering constraints between steps bring about, whatever else happens; one run finds it
with a probability of at least 1 / (n · k^(d-1)), if no run takes more than k steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from simulator.errors import UsageError
from simulator.machine import Machine
from simulator.search.chance import Draw
from simulator.search.naive import Interleaving
from simulator.search.probe import probe
from simulator.search.tables import Moves

__all__ = ["DEPTH", "bound", "pct"]

DEPTH = 3
"""The depth of bugs that is looked for, unless told otherwise."""
DEEPEST = 100
"""The depth that can be looked for, at most: by then the probability is next to nothing."""


def bound(threads: int, steps: int, depth: int) -> Fraction:
    """What the probability is at least with which one run finds a bug of that depth.

    >>> bound(2, 10, 2)
    Fraction(1, 20)
    """
    _check_depth(depth)
    return Fraction(1, threads * steps ** (depth - 1))


def pct(
    machine: Machine, *, draw: Draw, depth: int = DEPTH, steps: int | None = None, max_steps: int | None = None
) -> Iterator[Interleaving]:
    """PCT runs without end, lazily; each takes n - 1 + depth - 1 numbers of `draw`, all before its first step.

    `steps` is k, the number of steps among which the change points are drawn: if not given, that of the run that
    `probe` looks at, which runs that take another way may exceed. Raises UsageError for a depth that is not 1 to
    `DEEPEST`, or a number of steps below 1.

    >>> import random
    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> next(pct(Machine(Program({"a": body, "b": body})), draw=random.Random(1).random, depth=1)).schedule
    (0, 1)
    """
    _check_depth(depth)
    if steps is not None and steps < 1:
        raise UsageError(f"steps is {steps}, expected a number above 0")
    return _runs(machine, draw, depth, steps, max_steps)


def _check_depth(depth: int) -> None:
    if depth < 1:
        raise UsageError(f"depth is {depth}, expected a number above 0")
    if depth > DEEPEST:
        raise UsageError(f"depth is {depth}, expected a number up to {DEEPEST}: nothing deeper is likely to be found")


def _runs(machine: Machine, draw: Draw, depth: int, steps: int | None, max_steps: int | None) -> Iterator[Interleaving]:
    length = steps or max(1, len(probe(machine, max_steps=max_steps).steps))
    threads = len(machine.threads)
    moves = Moves(machine)
    while True:
        priorities = list(range(depth, depth + threads))
        for place in range(threads - 1, 0, -1):
            other = int(draw() * (place + 1))
            priorities[place], priorities[other] = priorities[other], priorities[place]
        changes: dict[int, int] = {}
        for priority in range(1, depth):
            changes[1 + int(draw() * length)] = priority
        state = machine.initial
        path: list[int] = []
        choices = moves[state]
        while choices and len(path) != max_steps:
            highest = -1
            for choice in choices:
                if priorities[choice[0]] > highest:
                    highest = priorities[choice[0]]
                    chosen = choice
            thread, state, _ = chosen
            path.append(thread)
            if len(path) in changes:
                priorities[thread] = changes[len(path)]
            choices = moves[state]
        yield Interleaving(tuple(path), state, bool(choices))
