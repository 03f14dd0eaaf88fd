"""From what happened to how long: what each task was doing between its events, and who held which GIL when. A fold over
a history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from scenarios.gil.history import Event, History, What

__all__ = ["Doing", "Span", "Stay", "holders", "shares", "spans"]


class Doing(Enum):
    """What a task does for a while; the value is its sign in a timeline."""

    RUNS = "█"
    WAITS_FOR_GIL = "·"
    WAITS_FOR_CORE = "○"
    IO = "─"
    WAITS_FOR_TASK = " "


@dataclass(frozen=True, slots=True)
class Span:
    """What a task did from one time to another, in microseconds."""

    task: str
    doing: Doing
    begin: int
    end: int
    core: int | None = None

    @property
    def length(self) -> int:
        """How long, in microseconds."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Stay:
    """Who held the GIL of a process from one time to another."""

    process: str
    task: str
    begin: int
    end: int


_BEGINS: Mapping[What, Doing | None] = {
    What.BEGINS: None,
    What.WAITS: Doing.WAITS_FOR_GIL,
    What.QUEUES: Doing.WAITS_FOR_CORE,
    What.RUNS: Doing.RUNS,
    What.PREEMPTED: Doing.WAITS_FOR_CORE,
    What.BLOCKS: Doing.IO,
    What.WAITS_FOR: Doing.WAITS_FOR_TASK,
    What.ENDS: None,
}
"""What a task does after each event; an event that is not here changes nothing of it."""


def spans(history: History) -> tuple[Span, ...]:
    """What each task did, in the order of their ends; what took no time is left out.

    >>> from scenarios.gil.machine import simulate
    >>> from scenarios.gil.tasks import Cpu, Io, Task, World
    >>> [(span.doing.name, span.length) for span in spans(simulate(World((Task("t0", (Cpu(7), Io(3))),))))]
    [('RUNS', 7), ('IO', 3)]
    """
    return tuple(_spans(history))


def _spans(history: History) -> Iterator[Span]:
    now: dict[str, Event] = {}
    for event in history.events:
        if event.what in _BEGINS:
            before = now.get(event.task)
            if before is not None and event.time > before.time:
                doing = _BEGINS[before.what]
                assert doing is not None
                core = before.on if isinstance(before.on, int) else None
                yield Span(event.task, doing, before.time, event.time, core)
            now[event.task] = event


def holders(history: History) -> tuple[Stay, ...]:
    """Who held which GIL when, in the order of giving it back; stays that took no time are there too."""
    process = {task.name: task.process for task in history.world.tasks}
    taken: dict[str, int] = {}
    found = []
    for event in history.events:
        if event.what is What.TAKES:
            taken[event.task] = event.time
        elif event.what in (What.DROPS, What.RELEASES) and event.task in taken:
            found.append(Stay(process[event.task], event.task, taken.pop(event.task), event.time))
    return tuple(found)


def shares(history: History) -> dict[str, dict[Doing, int]]:
    """How long each task did what, in microseconds, in the order of the world."""
    total = {task.name: dict.fromkeys(Doing, 0) for task in history.world.tasks}
    for span in spans(history):
        total[span.task][span.doing] += span.length
    return total
