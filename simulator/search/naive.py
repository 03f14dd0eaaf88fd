"""Naive enumeration: every interleaving, depth first, in thread order. Slow, obvious, and what all else is held against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from simulator.machine import Machine, State

__all__ = ["Interleaving", "interleavings"]

REMEMBERED = 100_000


class Interleaving(NamedTuple):
    """Who took each step, by thread number; the state in which it ended; and whether the step budget cut it there."""

    schedule: tuple[int, ...]
    state: State
    cut: bool


def interleavings(machine: Machine, *, max_steps: int | None = None) -> Iterator[Interleaving]:
    """All interleavings, lazily, the first at once, in memory that does not grow with their number.

    >>> from simulator.ops import Write
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Write("x", 1)
    >>> machine = Machine(Program({"a": body, "b": body}, memory={"x": 0}))
    >>> [found.schedule for found in interleavings(machine)]
    [(0, 1), (1, 0)]
    """
    remembered: dict[State, list[tuple[int, State]]] = {}
    path: list[int] = []
    choices = machine.successors(machine.initial)
    if not choices or max_steps == 0:
        yield Interleaving((), machine.initial, bool(choices))
        return
    stack = [iter(choices)]
    while stack:
        for thread, state in stack[-1]:
            path.append(thread)
            after = remembered.get(state)
            if after is None:
                after = machine.successors(state)
                if len(remembered) >= REMEMBERED:
                    remembered.clear()
                remembered[state] = after
            if after and len(path) != max_steps:
                stack.append(iter(after))
                break
            yield Interleaving(tuple(path), state, bool(after))
            path.pop()
        else:
            stack.pop()
            if path:
                path.pop()
