"""Whose fault it is: the program's author, the caller, or us.

A deadlock, a lost update or a crash *inside* the program under test is a finding, never one of these. These are raised
when the simulator cannot go on: the model itself is wrong (`ProgramError`), it was called wrongly (`UsageError`), or we
broke a promise of our own (`InternalError`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "EndlessError",
    "InternalError",
    "LimitError",
    "NondeterminismError",
    "ProgramError",
    "ScheduleError",
    "SimulatorError",
    "UsageError",
    "by_interrupt",
    "nearest",
]


class SimulatorError(Exception):
    """Any error that the simulator raises on purpose; its text is one line, fit for a person."""


class ProgramError(SimulatorError):
    """The program under test is not a program: its author has to change it. Names the file and line where there is one."""


class NondeterminismError(ProgramError):
    """A body did two different things after the same answers, so that nothing said about it would hold."""


class UsageError(SimulatorError):
    """The caller asked for something that cannot be had: a wrong name, a number out of range, an unwritable file."""


class ScheduleError(UsageError):
    """A schedule's text cannot be read, or the schedule does not fit the program."""


class LimitError(SimulatorError):
    """Something asked for in full is larger than the limit that was given; says which limit."""


class EndlessError(LimitError):
    """The program can run for ever, so its interleavings have no number."""


class InternalError(SimulatorError):
    """We broke a promise of our own: a bug in the simulator, not in the program under test."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; this is a bug in the simulator, please report it")


def by_interrupt(error: BaseException) -> bool:
    """Whether an error came of Ctrl-C: raised while that was on its way out.

    >>> try:
    ...     try:
    ...         raise KeyboardInterrupt
    ...     finally:
    ...         {}["left half done"]
    ... except KeyError as error:
    ...     by_interrupt(error)
    True
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, KeyboardInterrupt):
            return True
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            waiting += [one.__cause__, one.__context__]
    return False


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error line that helps with a misspelt name.

    >>> nearest("cuont", ["count", "total"])
    "; did you mean 'count'?"
    >>> nearest("zzz", ["count", "total"])
    '; known: count, total'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""
