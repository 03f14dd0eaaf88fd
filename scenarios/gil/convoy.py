"""The convoy effect: what a thread that does short I/O pays for standing behind threads that compute.

Each time it is back from I/O it waits until a computing thread has had the GIL for the switch interval, and it does so
for each request anew, however little it computes itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from scenarios.gil.ask import ask
from scenarios.gil.history import History, What
from scenarios.gil.machine import simulate
from scenarios.gil.spans import Doing, spans
from scenarios.gil.spread import Spread, spread
from scenarios.gil.tasks import SWITCH_INTERVAL, Cpu, Io, Op, Task, World
from simulator.errors import UsageError
from simulator.real.interpreters import Interpreter

__all__ = ["Convoy", "convoy", "measured_convoys"]


@dataclass(frozen=True, slots=True)
class Convoy:
    """A thread's requests beside some computing threads: how long each took, and how much of that was waiting for the
    GIL."""

    beside: int
    switch_interval: int
    times: tuple[int, ...]
    waited: int
    history: History

    @property
    def mean(self) -> float:
        """Microseconds for a request."""
        return sum(self.times) / len(self.times)

    @property
    def worst(self) -> int:
        """Microseconds for the slowest request."""
        return max(self.times)

    def to_dict(self) -> dict[str, Any]:
        """The convoy in plain types, without its history."""
        return {
            "beside": self.beside,
            "switch_interval": self.switch_interval,
            "microseconds": list(self.times),
            "waited_for_gil": self.waited,
        }


def convoy(
    beside: int,
    *,
    requests: int = 20,
    io: int = 1_000,
    cpu: int = 100,
    switch_interval: int = SWITCH_INTERVAL,
    gil: bool = True,
    cores: int = 2,
) -> Convoy:
    """A thread `io` makes requests (blocks for `io`, computes for `cpu` microseconds) beside threads that compute all
    the time.

    Raises UsageError for numbers below 1 (`beside` may be 0).

    >>> convoy(0).mean, convoy(1).mean
    (1100.0, 6100.0)
    """
    if requests < 1 or beside < 0:
        raise UsageError(f"{requests} requests beside {beside} threads: expected at least 1, beside none or more")
    ops: tuple[Op, ...] = (Io(io), Cpu(cpu)) * requests
    # Longer than the requests can take: each waits at most two switch intervals for each thread, or their shares of the cores.
    ever = requests * (io + (cpu + 2 * switch_interval) * (beside + 1)) + 1
    others = [Task(f"cpu{number}", (Cpu(ever),)) for number in range(beside)]
    history = simulate(World((Task("io", ops), *others), gil=gil, switch_interval=switch_interval, cores=cores))
    ends = [event.time for event in history.events if event.task == "io" and event.what in (What.BLOCKS, What.ENDS)]
    times = tuple(after - before for before, after in pairwise(ends))
    waited = sum(span.length for span in spans(history) if span.task == "io" and span.doing is Doing.WAITS_FOR_GIL)
    return Convoy(beside, switch_interval, times, waited, history)


def measured_convoys(
    interpreter: Interpreter,
    beside: Sequence[int],
    *,
    requests: int = 20,
    io: int = 1_000,
    cpu: int = 100,
    switch_interval: int | None = None,
    limit: float = 60.0,
) -> tuple[dict[int, Spread], str]:
    """The same with real threads, where a sleep stands for I/O: the time of a request beside so many, in seconds.

    And why there are fewer than were asked for: Ctrl-C, or more than `limit` seconds; empty if there are all.
    """
    times: dict[int, list[float]] = {}

    def take(one: dict[str, Any]) -> None:
        if "beside" in one:
            times.setdefault(one["beside"], []).append(one["seconds"])

    order = {
        "do": "convoy",
        "beside": list(beside),
        "requests": requests,
        "delay": io / 1e6,
        "work": cpu / 1e6,
        "switch_interval": None if switch_interval is None else switch_interval / 1e6,
    }
    stopped = ask(interpreter, order, take, limit=limit)
    return {number: spread(measured) for number, measured in times.items()}, stopped
