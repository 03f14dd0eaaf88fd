"""What happened: events, schedules, outcomes, runs.

Everything here is a value about the past. It does not know how a step was worked out or who chose it; a run recorded from real
threads is made of the same values as a simulated one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from simulator.bodies import End, SourceLine
from simulator.errors import ScheduleError, nearest
from simulator.ops import (
    Access,
    CompareAndSwap,
    Footprint,
    Operation,
    Read,
    TryAcquire,
    Update,
    describe,
    footprint,
    show_name,
    show_value,
)
from simulator.values import Key, stable_repr, value_key

__all__ = [
    "Ended",
    "Event",
    "Misuse",
    "Notice",
    "Outcome",
    "Pending",
    "Run",
    "Schedule",
    "Situation",
    "Threw",
]


@dataclass(frozen=True, slots=True)
class Ended:
    """A notice: the thread ended by itself. `holding` are the locks that nobody will give back."""

    how: str
    message: str
    where: SourceLine | None
    holding: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Misuse:
    """A notice: the thread misused a lock."""

    what: str
    lock: Hashable
    where: SourceLine


@dataclass(frozen=True, slots=True)
class Threw:
    """A notice: the operation raised in the body, instead of answering."""

    message: str


Notice = Ended | Misuse | Threw
"""What a step led to in its own thread before that thread's next step; notices take no step themselves."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What a thread is about to do, and the locks it holds meanwhile."""

    operation: Operation
    where: SourceLine
    held: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One step that took effect.

    `before` and `after` are the values of the memory location that it touched (None where it touched none); `held` are the
    locks that the thread held before it; `pending` is what the thread came to next, None when it ended.
    """

    thread: str
    operation: Operation
    answer: object
    before: object
    after: object
    where: SourceLine
    held: tuple[Hashable, ...] = ()
    notices: tuple[Notice, ...] = ()
    pending: Pending | None = None
    footprint: Footprint = field(init=False, repr=False, compare=False)
    """What the step touched. An update whose function raised has written nothing: it only read."""

    def __post_init__(self) -> None:
        touched = footprint(self.operation, self.answer)
        if isinstance(self.operation, Update) and any(isinstance(notice, Threw) for notice in self.notices):
            touched = touched._replace(access=Access.READ)
        object.__setattr__(self, "footprint", touched)

    def by(self, thread: str) -> Event:
        """The same step taken by another thread with the same body."""
        return self if thread == self.thread else replace(self, thread=thread)

    @property
    def text(self) -> str:
        """The step as a person says it, with its answer.

        >>> Event("a", Read("x"), 5, 5, 5, SourceLine("f.py", 1)).text
        'read x → 5'
        """
        said = describe(self.operation)
        match self.operation:
            case Read():
                return f"{said} → {show_value(self.answer)}"
            case Update():
                return f"{said}: {show_value(self.before)} → {show_value(self.after)}"
            case CompareAndSwap() | TryAcquire():
                return f"{said}: {'done' if self.answer else 'failed'}"
            case _:
                if self.footprint.access == Access.NONE and self.answer is not None:
                    return f"{said} → {show_value(self.answer)}"
                return said

    def __str__(self) -> str:
        return f"{self.thread}: {self.text}"


_HOWS = ("finished", "failed check", "crashed", "deadlocked", "out of steps")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an interleaving ended ("finished", "failed check", "crashed", "deadlocked", "out of steps") and the final memory.

    >>> str(Outcome("finished", (("count", 2),))), str(Outcome("deadlocked", (("count", 0),)))
    ('count=2', 'deadlocked: count=0')
    """

    how: str
    memory: tuple[tuple[Hashable, Any], ...] = field(compare=False)
    key: Key = field(init=False, repr=False)
    """The memory by what programs can tell apart: True is not 1."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", value_key(self.memory))

    def __str__(self) -> str:
        values = " ".join(f"{show_name(location)}={stable_repr(value)}" for location, value in self.memory)
        if self.how == "finished":
            return values or "finished"
        return f"{self.how}: {values}" if values else self.how

    @property
    def sort_key(self) -> tuple[object, ...]:
        """Finished ones first, then by the values in memory: a fixed order for every table."""
        return (_HOWS.index(self.how), *(_value_order(value) for _, value in self.memory))


def _value_order(value: object) -> tuple[object, ...]:
    if isinstance(value, bool | int | float):
        return (0, value, type(value).__name__)
    return (1, type(value).__name__, stable_repr(value))


_TOKEN = re.compile(r"(?P<thread>[^\s*]+)(?:\*(?P<times>\S*))?")
LONGEST = 10_000_000


class Schedule(tuple[str, ...]):
    """Who takes each step, by thread name; its text is run-length coded.

    >>> str(Schedule(["t0", "t0", "t1"])), Schedule.parse("t0*2 t1", ["t0", "t1"])
    ('t0*2 t1', Schedule('t0*2 t1'))
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, threads: Iterable[str]) -> Schedule:
        """Read a schedule's text. Raises ScheduleError that names the word which cannot be read."""
        known = list(threads)
        steps: list[str] = []
        for position, token in enumerate(text.split(), start=1):
            match = _TOKEN.fullmatch(token)
            if match is None:
                raise ScheduleError(
                    f"schedule word {position} {token!r} cannot be read; write a thread's name, or name*3"
                )
            thread, times = match["thread"], match["times"]
            if thread not in known:
                raise ScheduleError(f"schedule word {position} names thread {thread!r}{nearest(thread, known)}")
            if times is not None and not (
                times.isascii() and times.isdigit() and len(times) <= len(str(LONGEST)) and 0 < int(times) <= LONGEST
            ):
                shown = token if len(token) <= 40 else f"{token[:40]}…"
                raise ScheduleError(
                    f"schedule word {position} {shown!r} has no usable count after '*'; write a whole number "
                    f"from 1 to {LONGEST:,}"
                )
            if len(steps) + int(times or 1) > LONGEST:
                raise ScheduleError(f"the schedule is longer than {LONGEST:,} steps")
            steps.extend([thread] * int(times or 1))
        return cls(steps)

    def __str__(self) -> str:
        words = []
        for thread, steps in groupby(self):
            times = len(list(steps))
            words.append(thread if times == 1 else f"{thread}*{times}")
        return " ".join(words)

    def __repr__(self) -> str:
        return f"Schedule({str(self)!r})"


@dataclass(frozen=True, slots=True)
class Situation:
    """A state, spelt out: what a person or a detector asks about it."""

    memory: Mapping[Hashable, Any]
    owners: Mapping[Hashable, str | None]
    """Each lock's owner, None where it is free."""
    held: Mapping[str, tuple[Hashable, ...]]
    """The locks that each thread holds."""
    pending: Mapping[str, Pending | None]
    """What each thread is about to do; None where it has ended."""
    ends: Mapping[str, End | None]
    """How each thread ended by itself, None where it has not."""
    enabled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One interleaving, or the beginning of one: every step with the situation before it.

    `situations` has one more entry than `events`: the last one is where the run stopped. `outcome` is None when it stopped
    before it had to (the schedule was shorter than the program).
    """

    threads: tuple[str, ...]
    events: tuple[Event, ...]
    situations: tuple[Situation, ...]
    start: Mapping[str, tuple[Notice, ...]]
    """What each thread did before its first step."""
    outcome: Outcome | None
    lines: bool = False
    """Whether steps are best told with their lines in the source."""

    @property
    def schedule(self) -> Schedule:
        """Who took each step."""
        return Schedule(event.thread for event in self.events)

    @property
    def final(self) -> Situation:
        """Where the run stopped."""
        return self.situations[-1]

    @property
    def preemptions(self) -> int:
        """How often it switched away from a thread that was still enabled."""
        return sum(
            event.thread != before.thread and before.thread in situation.enabled
            for before, event, situation in zip(self.events, self.events[1:], self.situations[1:], strict=False)
        )

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def to_dict(self) -> dict[str, Any]:
        """The run in plain types, as `--json` prints it."""
        return {
            "schedule": str(self.schedule),
            "preemptions": self.preemptions,
            "outcome": None if self.outcome is None else str(self.outcome),
            "steps": [step_dict(number, event) for number, event in enumerate(self.events, start=1)],
            "memory": memory_dict(self.final.memory),
        }

    def __str__(self) -> str:
        from simulator.render.text import timeline

        return timeline(self)

    def _repr_html_(self) -> str:
        from simulator.render.html import preformatted

        return preformatted(str(self))


def step_dict(number: int, event: Event) -> dict[str, Any]:
    """A step in plain types."""
    return {"step": number, "thread": event.thread, "does": event.text, "where": str(event.where)}


def memory_dict(memory: Mapping[Hashable, Any] | Sequence[tuple[Hashable, Any]]) -> dict[str, Any]:
    """Memory in plain types: JSON values as they are, anything else by its repr."""
    return {show_name(name): plain(value) for name, value in dict(memory).items()}


def plain(value: object) -> object:
    """A value as JSON can hold it."""
    if isinstance(value, float) and math.isfinite(value):
        return value
    return value if value is None or isinstance(value, bool | int | str) else stable_repr(value)
