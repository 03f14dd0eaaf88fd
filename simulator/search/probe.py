"""One run looked at before sampling, for the samplers that have to know how long a program is.

No randomness is used up, and nothing is remembered: a sampler that is stopped and started again probes the same run. The run
is the longest of a few that are easy to tell: round robin, and for each thread one without preemption that
starts with it and goes on in thread order. Where threads take different numbers of steps in different runs, what is
read off one run is an estimate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from simulator.machine import Machine

__all__ = ["Probe", "probe"]

MOST_STEPS = 10_000
"""Steps after which a probing run is cut: a thread that waits in a loop, alone, would never end."""


class Probe(NamedTuple):
    """The steps of the run that was looked at: each as its thread and its event's number."""

    steps: tuple[tuple[int, int], ...]

    def lengths(self, machine: Machine) -> list[int]:
        """How many steps each thread took."""
        taken = [0] * len(machine.threads)
        for thread, _ in self.steps:
            taken[thread] += 1
        return taken


def probe(machine: Machine, *, max_steps: int | None = None) -> Probe:
    """The longest of round robin and one run without preemption from each thread, the first of several as long.

    Runs that are cut, after `max_steps` or 10,000 steps, count only when all of them are.

    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    ...     yield Pause()
    >>> machine = Machine(Program({"a": body, "b": body}))
    >>> probe(machine).lengths(machine)
    [2, 2]
    """
    limit = MOST_STEPS if max_steps is None else min(max_steps, MOST_STEPS)
    threads = len(machine.threads)
    # Each says how far a thread is from being chosen, by the thread that moved last.
    runs = [_run(machine, 0, lambda thread, last: (thread - last - 1) % threads, limit)]
    for first in range(threads):
        runs.append(_run(machine, first, lambda thread, last: (thread - last) % threads, limit))
    done = [steps for steps, cut in runs if not cut]
    return Probe(max(done or [steps for steps, _ in runs], key=len))


def _run(
    machine: Machine, first: int, distance: Callable[[int, int], int], limit: int
) -> tuple[tuple[tuple[int, int], ...], bool]:
    """The steps of the run in which the nearest thread moves, and whether it was cut."""
    state, last = machine.initial, first
    steps: list[tuple[int, int]] = []
    moves = machine.moves(state)
    while moves and len(steps) < limit:
        last, state, event = min(moves, key=lambda move: distance(move[0], last))
        steps.append((last, event))
        moves = machine.moves(state)
    return tuple(steps), bool(moves)
