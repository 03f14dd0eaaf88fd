"""One schedule walked by real threads, once or many times: did they do what the model did?

The two ways of forcing a schedule (a program's bodies; plain code) give the same answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.errors import InternalError, UsageError
from simulator.program import Program
from simulator.real.baton import first_difference, force
from simulator.real.forced import Difference, Forced
from simulator.real.interpreters import Interpreter
from simulator.real.plain_code import PlainForcing
from simulator.source.threads import Threads
from simulator.trace import Run

__all__ = ["Walked", "walk_bodies", "walk_plain"]

Walk = Callable[[], tuple[Forced, Difference | None]]


@dataclass(frozen=True, slots=True)
class Walked:
    """Real threads made to walk one schedule so many `times`; where they differed from the model, walk by walk.

    `forced` is what they did the last time. `asked` is how often they were to walk it: more than `times` after Ctrl-C.
    """

    interpreter: Interpreter
    times: int
    forced: Forced
    differences: tuple[Difference, ...]
    asked: int

    @property
    def interrupted(self) -> bool:
        """Whether not all walks were made."""
        return self.times < self.asked

    def to_dict(self) -> dict[str, Any]:
        """The same in plain types."""
        return {
            "interpreter": self.interpreter.to_dict(),
            "times": self.times,
            "interrupted": self.interrupted,
            "agreed": self.times - len(self.differences),
            "difference": str(self.differences[0]) if self.differences else None,
            "outcome": None if self.forced.outcome is None else str(self.forced.outcome),
        }

    def __str__(self) -> str:
        stopped = f" (interrupted: it was to be {self.asked:,} times)" if self.interrupted else ""
        return f"{self._said()}{stopped}"

    def _said(self) -> str:
        agreed = self.times - len(self.differences)
        often = f"{agreed:,} of {self.times:,} times " if self.times > 1 else ""
        where = f"On real threads ({self.interpreter})"
        if self.differences:
            told = f"{often}as in the model; it " if agreed else ""
            return f"{where}: {told}DIFFERS at {self.differences[0]}"
        said = f"{where}: {often}as in the model, memory the same after every step"
        return (
            f"{said}; then all were let go" if self.forced.outcome is None else f"{said}; ended: {self.forced.outcome}"
        )


def walk_plain(threads: Threads, run: Run, times: int = 1) -> Walked:
    """Make real threads walk the schedule of a run through the plain code itself.

    Ctrl-C ends it with the walks made so far, if there are any.

    Raises UsageError where `times` is not above 0, the schedule cannot be forced, or setup or workers are at fault.
    """
    with PlainForcing(threads) as forcing:
        if why := forcing.cannot(run):
            raise UsageError(why)
        return _walked(lambda: forcing.force(run), times)


def walk_bodies(program: Program, run: Run, times: int = 1) -> Walked:
    """Make real threads walk the schedule of a run, each resuming a body of the program.

    >>> from simulator.ops import Write
    >>> from simulator.search.replay import replay
    >>> def body():
    ...     yield Write("x", 1)
    >>> program = Program({"a": body, "b": body}, memory={"x": 0})
    >>> walk_bodies(program, replay(program, "a b"), 10).differences
    ()
    """

    def walk() -> tuple[Forced, Difference | None]:
        forced = force(program, run.schedule)
        return forced, first_difference(forced, run)

    return _walked(walk, times)


def _walked(walk: Walk, times: int) -> Walked:
    if times < 1:
        raise UsageError(f"times is {times}, expected a whole number above 0")
    forced = None
    done = 0
    differences = []
    try:
        while done < times:
            forced, difference = walk()
            done += 1
            if difference is not None:
                differences.append(difference)
    except KeyboardInterrupt:
        if forced is None:
            raise
    if forced is None:
        raise InternalError("a schedule was walked and nothing came of it")
    return Walked(Interpreter.current(), done, forced, tuple(differences), times)
