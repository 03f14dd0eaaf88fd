"""SURW: uniform over the orders of a few interesting steps, and free in all the rest.

Zhao, Wolff, Mathur and Roychoudhury, "Selectively Uniform Concurrency Testing" (ASPLOS 2025). Let a set of events be
interesting. The thread that is to take the next interesting step is drawn beforehand, each with the weight of its
interesting steps left; until it has taken that step, the others are held back where they come to an interesting one of
theirs, and else every thread that can move is equally likely to. So when threads take as many interesting
steps as expected, and locks do not get in between, each order of the interesting steps is equally likely; and every
interleaving stays possible, always.

Which events are interesting: those that touch one thing (a memory location, or a lock) that more than one
thread touches, chosen anew for each run, all equally likely; or those that the caller says. How many of them each
thread takes is counted in the run that `probe` looks at. A thread that comes to one more than that weighs 1, and gets its
share of the turn there and then; and when all that could move are held back (the one that is to move is blocked, or
has ended), who is next is drawn among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from simulator.machine import Machine
from simulator.search.chance import Draw
from simulator.search.naive import Interleaving
from simulator.search.probe import Probe, probe
from simulator.search.tables import Moves, Touches
from simulator.trace import Event

__all__ = ["surw"]


def surw(
    machine: Machine,
    *,
    draw: Draw,
    interesting: Callable[[Event], bool] | None = None,
    max_steps: int | None = None,
) -> Iterator[Interleaving]:
    """SURW runs without end, lazily.

    Each takes one number of `draw` for what is interesting, where there is a choice, one for each choice of who takes
    the next interesting step, and one for each step; and one for each interesting step that a thread was not expected
    to take. Without anything interesting they are random walks.

    >>> import random
    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> next(surw(Machine(Program({"a": body, "b": body})), draw=random.Random(1).random)).schedule
    (0, 1)
    """
    looked_at = probe(machine, max_steps=max_steps)
    if interesting is None:
        sets = _shared(machine, looked_at) or [_Among(lambda _: False)]
    else:
        events, wanted = machine.events, interesting
        sets = [_Among(lambda event: wanted(events[event]))]
    counts = [_counts(machine, looked_at, each) for each in sets]
    moves = Moves(machine)
    everyone = range(len(machine.threads))
    while True:
        chosen = int(draw() * len(sets)) if len(sets) > 1 else 0
        among, left = sets[chosen], counts[chosen].copy()
        turn = _drawn(everyone, left, draw)
        state = machine.initial
        path: list[int] = []
        choices = moves[state]
        while choices and len(path) != max_steps:
            free, held = [], []
            for move in choices:
                if not among[move[2]]:
                    free.append(move)
                    continue
                held.append(move)
                if not left[move[0]]:
                    # One more than was expected. Had that been known, it would have had its chance of the turn.
                    left[move[0]] = 1
                    if not int(draw() * sum(left)):
                        turn = move[0]
            if held:
                waiting = [thread for thread, _, _ in held]
                if not free and turn not in waiting:
                    turn = _drawn(waiting, left, draw)
                for move in held:
                    if move[0] == turn:
                        free.append(move)
            thread, state, event = free[int(draw() * len(free))]
            if among[event]:
                left[thread] -= 1
                turn = _drawn(everyone, left, draw)
            path.append(thread)
            choices = moves[state]
        yield Interleaving(tuple(path), state, bool(choices))


def _drawn(threads: Sequence[int], weights: Sequence[int], draw: Draw) -> int:
    """One of the threads, each as likely as it weighs; -1, and nothing is drawn, when none weighs anything."""
    total = sum([weights[thread] for thread in threads])
    if not total:
        return -1
    rest = int(draw() * total)
    for thread in threads:
        rest -= weights[thread]
        if rest < 0:
            return thread
    return threads[-1]


class _Among(dict[int, bool]):
    """Whether an event is interesting, by its number."""

    def __init__(self, interesting: Callable[[int], bool]) -> None:
        super().__init__()
        self._interesting = interesting

    def __missing__(self, event: int) -> bool:
        found = self[event] = self._interesting(event)
        return found


def _shared(machine: Machine, looked_at: Probe) -> list[_Among]:
    """One set of events for each thing that more than one thread touches, in the order in which they are met."""
    touches = Touches(machine)
    by: dict[int, set[int]] = {}
    for thread, event in looked_at.steps:
        if touches[event] >= 0:
            by.setdefault(touches[event] >> 1, set()).add(thread)
    return [
        _Among(partial(lambda thing, event: touches[event] >> 1 == thing, thing))
        for thing, threads in by.items()
        if len(threads) > 1
    ]


def _counts(machine: Machine, looked_at: Probe, among: _Among) -> list[int]:
    """How many of these events each thread took."""
    taken = [0] * len(machine.threads)
    for thread, event in looked_at.steps:
        taken[thread] += among[event]
    return taken
