"""What happened in virtual time: an event for each thing that a task, the GIL or the operating system did."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from scenarios.gil.tasks import World

__all__ = ["Event", "History", "What"]


class What(Enum):
    """What happens to a task."""

    BEGINS = "begins"
    WAITS = "waits for the GIL"
    ASKS = "asks for the GIL"
    """It has waited for the switch interval, in which the GIL did not change hands (CPython's gil_drop_request)."""
    TAKES = "takes the GIL"
    DROPS = "drops the GIL"
    """Because it was asked to. Another thread has the GIL before it can have it again."""
    RELEASES = "releases the GIL"
    """Because it blocks or ends."""
    QUEUES = "waits for a core"
    RUNS = "runs"
    PREEMPTED = "is preempted"
    """The operating system gives its core to another. It keeps the GIL."""
    BLOCKS = "blocks on I/O"
    RETURNS = "is back from I/O"
    WAITS_FOR = "waits for"
    """For another task: to have begun to run, or to end."""
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a time, in microseconds; `on` is the core it runs on, or the task it waits for."""

    time: int
    task: str
    what: What
    on: int | str | None = None

    def __str__(self) -> str:
        rest = "" if self.on is None else f" on core {self.on}" if isinstance(self.on, int) else f" {self.on}"
        return f"{self.time} µs: {self.task} {self.what.value}{rest}"

    def to_dict(self) -> dict[str, Any]:
        """The event in plain types."""
        return {"time": self.time, "task": self.task, "what": self.what.name.lower(), "on": self.on}


@dataclass(frozen=True, slots=True)
class History:
    """A world and all that happened in it, in order."""

    world: World
    events: tuple[Event, ...]

    @property
    def end(self) -> int:
        """When the last task ended, in microseconds."""
        return self.events[-1].time if self.events else 0

    def to_dict(self) -> dict[str, Any]:
        """The history in plain types."""
        return {"end": self.end, "events": [event.to_dict() for event in self.events]}
