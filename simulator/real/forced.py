"""What real threads did when they were made to follow a schedule, as values.

The two ways of forcing (a program's bodies, and plain code) say it in the same words. Nothing here knows how threads are
held or let go.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulator.bodies import End, SourceLine
from simulator.ops import Operation, describe, show_name, show_value
from simulator.trace import Outcome, Schedule, plain

__all__ = ["Blocked", "Difference", "Divergence", "Forced", "Step"]


class Step(NamedTuple):
    """One operation that a real thread performed, and its `answer`, or what was `raised` in the body instead."""

    thread: str
    operation: Operation
    answer: object
    where: SourceLine
    raised: str = ""

    def __str__(self) -> str:
        got = (
            f" raised {self.raised}" if self.raised else "" if self.answer is None else f" → {show_value(self.answer)}"
        )
        return f"{self.thread}: {describe(self.operation)}{got}"


@dataclass(frozen=True, slots=True)
class Blocked:
    """A thread that really tried to take a lock when the schedule was over, and did not get it; `holder` has it."""

    thread: str
    lock: Hashable
    holder: str | None

    def __str__(self) -> str:
        held = f", held by {self.holder}" if self.holder is not None else ""
        return f"{self.thread} wants {show_name(self.lock)}{held}"


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where real threads stopped following the schedule (step 1 is the first), and why."""

    step: int
    why: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.why}"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step at which real threads and the model disagree (step 1 is the first), and how."""

    step: int
    why: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.why}"


@dataclass(frozen=True, slots=True)
class Forced:
    """What real threads did when they were made to follow a schedule.

    `outcome` is None where the program could have gone on; "deadlocked" means that every thread in `blocked` really
    tried to take its lock and did not get it. `running` names threads that could not be stopped: empty unless a body
    never yields.
    """

    schedule: Schedule
    log: tuple[Step, ...]
    outcome: Outcome | None
    memory: tuple[tuple[Hashable, Any], ...]
    ends: tuple[tuple[str, End | None], ...]
    blocked: tuple[Blocked, ...] = ()
    diverged: Divergence | None = None
    running: tuple[str, ...] = ()

    @property
    def followed(self) -> bool:
        """Whether the schedule was followed to its end."""
        return self.diverged is None

    def to_dict(self) -> dict[str, Any]:
        """The forced run in plain types."""
        return {
            "schedule": str(self.schedule),
            "followed": self.followed,
            "diverged": None if self.diverged is None else {"step": self.diverged.step, "why": self.diverged.why},
            "outcome": None if self.outcome is None else str(self.outcome),
            "steps": [
                {"step": number, "thread": step.thread, "does": describe(step.operation), "answer": plain(step.answer)}
                for number, step in enumerate(self.log, start=1)
            ],
            "blocked": [
                {"thread": waits.thread, "lock": show_name(waits.lock), "holder": waits.holder}
                for waits in self.blocked
            ],
        }

    def __str__(self) -> str:
        lines = [str(step) for step in self.log]
        lines += [f"blocked: {waits}" for waits in self.blocked]
        if self.diverged is not None:
            lines.append(f"left the schedule at {self.diverged}")
        lines.append(f"outcome: {self.outcome}" if self.outcome is not None else "stopped before the end")
        return "\n".join(lines)
