"""Naive enumeration: every interleaving, depth first, in thread order. Slow, obvious, and what all else is held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from simulator.machine import Machine, State

__all__ = ["Interleaving", "interleavings"]

REMEMBERED = 100_000
"""States whose next steps are remembered, and ways to the end that are: then all is forgotten, and remembered anew."""
FEW = 32
"""A state with at most this many ways to the end has them remembered, so that each is one addition to the way there."""


class Interleaving(NamedTuple):
    """Who took each step, by thread number; the state in which it ended; and whether the step budget cut it there."""

    schedule: tuple[int, ...]
    state: State
    cut: bool


def interleavings(
    machine: Machine, *, max_steps: int | None = None, beyond: Sequence[int] | None = None
) -> Iterator[Interleaving]:
    """All interleavings, lazily, the first at once, in memory that does not grow with their number.

    `beyond` is the schedule of one of them: then only those that come after it.

    >>> from simulator.ops import Write
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Write("x", 1)
    >>> machine = Machine(Program({"a": body, "b": body}, memory={"x": 0}))
    >>> [found.schedule for found in interleavings(machine)]
    [(0, 1), (1, 0)]
    """
    remembered: dict[State, list[tuple[int, State]]] = {}
    tails: dict[State, list[tuple[tuple[int, ...], State]]] = {}
    tails_kept = 0
    path: list[int] = []
    visited = [machine.initial]
    choices = machine.successors(machine.initial)
    if not choices or max_steps == 0:
        if beyond is None:
            yield Interleaving((), machine.initial, bool(choices))
        return
    # A schedule is made several hundred thousand times a second: `tuple.__new__` is what `Interleaving(...)` comes to.
    make = tuple.__new__
    stack = [iter(choices)]
    for depth, taken in enumerate(beyond or (), start=1):
        state = next(state for thread, state in stack[-1] if thread == taken)
        if depth < len(beyond or ()):
            path.append(taken)
            visited.append(state)
            remembered[state] = machine.successors(state)
            stack.append(iter(remembered[state]))
    while stack:
        for thread, state in stack[-1]:
            known = tails.get(state)
            if known is not None and (max_steps is None or len(path) + 1 + _longest(known) <= max_steps):
                so_far = (*path, thread)
                for tail, end in known:
                    yield make(Interleaving, (so_far + tail, end, False))
                continue
            after = remembered.get(state)
            if after is None:
                after = machine.successors(state)
                if len(remembered) >= REMEMBERED:
                    remembered.clear()
                remembered[state] = after
            if not after:
                tails[state] = [((), state)]
                tails_kept += 1
            elif len(path) + 1 != max_steps:
                path.append(thread)
                visited.append(state)
                stack.append(iter(after))
                break
            yield Interleaving((*path, thread), state, bool(after))
        else:
            stack.pop()
            state = visited.pop()
            if path:
                path.pop()
            found = _tails(remembered.get(state, ()), tails)
            if found and state not in tails:
                if tails_kept > REMEMBERED:
                    tails.clear()
                    tails_kept = 0
                tails[state] = found
                tails_kept += len(found)


def _tails(
    after: Sequence[tuple[int, State]], tails: Mapping[State, list[tuple[tuple[int, ...], State]]]
) -> list[tuple[tuple[int, ...], State]] | None:
    """The ways to the end from a state with these steps, in thread order; None if they are not known, or not few."""
    found: list[tuple[tuple[int, ...], State]] = []
    for thread, state in after:
        known = tails.get(state)
        if known is None or len(found) + len(known) > FEW:
            return None
        found += [((thread, *tail), end) for tail, end in known]
    return found


def _longest(tails: list[tuple[tuple[int, ...], State]]) -> int:
    return max(len(tail) for tail, _ in tails)
