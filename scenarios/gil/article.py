"""What the article printed of CPU-bound and I/O-bound work (CPython 3.9, macOS), and what cannot be true of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scenarios.gil.experiments import Executor, Experiment, Workload

__all__ = ["PRINTED", "Printed", "notes"]


@dataclass(frozen=True, slots=True)
class Printed:
    """The article's seconds for the same work one after the other, and by the executor."""

    alone: float
    seconds: float
    said: str = ""
    """How many times as fast it says that this is; empty where it gives no figure."""

    @property
    def speedup(self) -> float:
        """How many times as fast: as it says, or else from the rounded seconds."""
        return float(self.said) if self.said else self.alone / self.seconds

    def __str__(self) -> str:
        return f"{self.said or format(self.speedup, '.0f')}x"

    def is_impossible(self, units: int) -> bool:
        """Whether so many executors could not be so fast, on however many cores, if all had done the work."""
        return self.speedup > units


PRINTED: Mapping[Experiment, Printed] = {
    Experiment(Workload.CPU, Executor.THREADS, 4): Printed(1.71, 1.62, "1.06"),
    # Its processes were spawned, as macOS does it.
    Experiment(Workload.CPU, Executor.SPAWN, 4): Printed(1.71, 0.09),
    Experiment(Workload.IO, Executor.THREADS, 4): Printed(0.50, 0.09, "5.24"),
}


def notes() -> tuple[str, ...]:
    """Why two of its figures cannot be what they are said to be, and what the second could come of."""
    processes = PRINTED[Experiment(Workload.CPU, Executor.SPAWN, 4)]
    threads = PRINTED[Experiment(Workload.IO, Executor.THREADS, 4)]
    half = 0.005
    least = (threads.alone - half) / (threads.seconds + half)
    most = (threads.alone + half) / (threads.seconds - half)
    return (
        f"The article's {processes.seconds:g} s for four processes is impossible: {processes.speedup:.0f}x by four. Even with "
        "a core for each and processes that start at once, each has to do its "
        f"{processes.alone / 4:.2f} s of work. Its traceback shows why: spawned processes import the main module again, died "
        "of that, and did nothing. Here exit codes are looked at.",
        f"The article's {threads} for four requests (its {threads.alone:.2f} s and {threads.seconds:g} s are rounded: anything "
        f"from {least:.1f}x to {most:.1f}x) is more than overlapping alone can give, which is 4x. So a request did not take as "
        "long each time. Which ones were slow it does not show; a server or a name that is slow when it is first asked would "
        "explain it, for those one after the other came first.",
    )
