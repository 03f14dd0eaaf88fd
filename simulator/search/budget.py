"""How much a search may do, and why it stopped.

The one place with a clock: a timeout ends a search early, and never changes what it does until then.
"""

from __future__ import annotations

import enum
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from simulator.errors import UsageError

__all__ = ["Budget", "Stop", "without_collecting"]


class Stop(enum.StrEnum):
    """Why a search ended. Only `COMPLETE` is a proof."""

    COMPLETE = "complete"
    INTERLEAVINGS = "max_interleavings reached"
    STEPS = "max_steps reached"
    STATES = "max_states reached"
    BOUND = "bound reached"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    SAMPLED = "sampled"
    ENDLESS = "the program can run for ever"


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of a search; None where there is none. Raises UsageError for a limit that is not above 0.

    `max_steps` cuts each interleaving after that many steps; `timeout` is in seconds. `progress` is called now and then
    with how much was done so far (states or interleavings).
    """

    max_interleavings: int | None = None
    max_steps: int | None = None
    max_states: int | None = None
    timeout: float | None = None
    progress: Callable[[int], None] | None = None
    ends: float | None = None
    """When the time is up, once the clock is started: see `begun`."""

    def __post_init__(self) -> None:
        for name in ("max_interleavings", "max_steps", "max_states", "timeout"):
            limit = getattr(self, name)
            if limit is not None and limit <= 0:
                raise UsageError(f"{name} is {limit}, expected a number above 0")

    def begun(self) -> Budget:
        """The same limits with the clock started: all that shares this budget shares its deadline."""
        return replace(self, ends=self.deadline())

    def deadline(self) -> float | None:
        """When the time is up, on the monotonic clock."""
        if self.ends is not None or self.timeout is None:
            return self.ends
        return time.monotonic() + self.timeout

    def late(self, deadline: float | None, done: int) -> bool:
        """Whether the deadline has passed; reports progress on the way."""
        if self.progress is not None:
            self.progress(done)
        return deadline is not None and time.monotonic() >= deadline


@contextmanager
def without_collecting() -> Iterator[None]:
    """Garbage collection off for a search's loop, which makes millions of small values and no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
