"""Schedules of one program: only such as fit it. Knows how to offer the choices, and looks at no outcome."""

from __future__ import annotations

from functools import lru_cache

from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from simulator.errors import LimitError, UsageError
from simulator.program import Program
from simulator.strategies.orders import below
from simulator.strategies.stepping import Stepping, machine_of
from simulator.trace import Schedule

__all__ = ["schedules"]

MAX_STEPS = 1_000


def schedules(program: Program, *, max_steps: int = MAX_STEPS) -> SearchStrategy[Schedule]:
    """Complete interleavings of a program, as schedules that `replay` takes.

    Every interleaving of at most `max_steps` steps can be drawn; longer ones are drawn again. Shrinks toward few
    preemptions: one thread after the other, in thread order. Drawing raises ProgramError for a program that cannot run, and
    LimitError for one that does not end within `max_steps` though no thread of it is left to wait in a loop.

    >>> from hypothesis import find
    >>> from simulator import Program, Read, Write, replay
    >>> def add_one():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> program = Program({"a": add_one, "b": add_one}, memory={"x": 0})
    >>> find(schedules(program), lambda schedule: str(replay(program, schedule).outcome) == "x=1")
    Schedule('a b*2 a')
    """
    if max_steps < 1:
        raise UsageError(f"max_steps is {max_steps}, expected a number above 0")
    return _schedules(program, max_steps)


@st.composite
def _schedules(draw: st.DrawFn, program: Program, max_steps: int) -> Schedule:
    _ends(program, max_steps)
    run = Stepping(machine_of(program))
    while choices := run.choices:
        if len(run.taken) == max_steps:
            reject()
        run.take(draw(below(len(choices))))
    return run.schedule


@lru_cache(maxsize=16)
def _ends(program: Program, max_steps: int) -> None:
    """Raise LimitError unless the simplest choices lead to an end."""
    run = Stepping(machine_of(program))
    while run.choices:
        if len(run.taken) == max_steps:
            raise LimitError(
                f"program {program.name!r} has not ended after {max_steps:,} steps, though every thread had its turn; "
                "let its threads end, or give schedules a larger max_steps"
            )
        run.take(0)
