"""What is found: one type for every detector.

A `Sighting` is the little that decides whether two findings are the same one; it rides inside searches. A `Finding` is
the whole story, told once, from the shortest witness.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from simulator.bodies import SourceLine
from simulator.ops import show_name
from simulator.trace import Event, Run, Schedule

__all__ = ["Finding", "Kind", "Share", "Sighting", "Status", "Step"]


class Kind(enum.StrEnum):
    """What a finding can be; reports list them in this order: what went wrong, then what came of it, then what might."""

    DEADLOCK = "deadlock"
    LOST_UPDATE = "lost update"
    DATA_RACE = "data race"
    FAILED_INVARIANT = "failed invariant"
    FAILED_CHECK = "failed check"
    CRASH = "crash"
    LOCK_ORDER_CYCLE = "lock-order cycle"
    LOCK_MISUSE = "lock misuse"


class Status(enum.StrEnum):
    """What is known of a lock-order cycle: it deadlocked, it was proved never to, or neither."""

    REALISED = "realised"
    IMPOSSIBLE = "impossible"
    OPEN = "open"


class Sighting(NamedTuple):
    """What makes two sightings the same finding: the kind, the objects, and what tells apart two on the same objects."""

    kind: Kind
    objects: tuple[Hashable, ...]
    detail: str = ""


class Step(NamedTuple):
    """One step that a finding names: its number in the witness (from 1), and what it did."""

    number: int
    thread: str
    text: str
    where: SourceLine

    @classmethod
    def of(cls, number: int, event: Event) -> Step:
        """The step of an event at a position counted from 1."""
        return cls(number, event.thread, event.text, event.where)

    def __str__(self) -> str:
        return f"step {self.number}, {self.thread}: {self.text} ({self.where})"


@dataclass(frozen=True, slots=True)
class Share:
    """How often something happens: in `count` of `total` interleavings, each counted once; or of random walks, `odds`."""

    count: int
    total: int
    odds: Fraction

    @property
    def of_interleavings(self) -> Fraction:
        """The share of all interleavings, each equally likely."""
        return Fraction(self.count, self.total)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with the program, and the schedule that shows it.

    `steps` are the guilty ones, by number in the witness. `shortest` says whether the witness is proved to be the
    shortest: fewest preemptions, then fewest steps, then first in thread order. `share` is None where it was not
    counted. `status` is for lock-order cycles alone.
    """

    kind: Kind
    objects: tuple[Hashable, ...]
    threads: tuple[str, ...]
    why: str
    steps: tuple[Step, ...] = ()
    witness: Schedule | None = None
    preemptions: int | None = None
    shortest: bool = False
    share: Share | None = None
    status: Status | None = None
    detail: str = ""
    run: Run | None = field(default=None, repr=False, compare=False)
    """The witness, step by step."""

    @property
    def title(self) -> str:
        """The finding in a few words.

        >>> Finding(Kind.LOST_UPDATE, ("count",), ("a", "b"), "why").title
        'lost update on count'
        """
        if self.kind in (Kind.FAILED_INVARIANT, Kind.FAILED_CHECK, Kind.CRASH):
            return f"{self.kind} {self.detail}".rstrip()
        names = ", ".join(map(show_name, self.objects))
        said = f"{self.kind} on {names}" if names else str(self.kind)
        return f"{said} ({self.status})" if self.status else said

    def to_dict(self) -> dict[str, Any]:
        """The finding in plain types, as `--json` prints it."""
        share = None
        if self.share is not None:
            share = {
                "interleavings": self.share.count,
                "of": self.share.total,
                "random_walk": str(self.share.odds),
            }
        return {
            "kind": str(self.kind),
            "title": self.title,
            "objects": [show_name(thing) for thing in self.objects],
            "threads": list(self.threads),
            "why": self.why,
            "status": None if self.status is None else str(self.status),
            "detail": self.detail,
            "witness": None if self.witness is None else str(self.witness),
            "preemptions": self.preemptions,
            "shortest": self.shortest,
            "share": share,
            "steps": [
                {"step": step.number, "thread": step.thread, "does": step.text, "where": str(step.where)}
                for step in self.steps
            ],
        }
