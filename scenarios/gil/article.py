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

    @property
    def speedup(self) -> float:
        """How many times as fast, from the rounded seconds."""
        return self.alone / self.seconds

    def is_impossible(self, units: int) -> bool:
        """Whether so many executors could not be so fast, on however many cores, if all had done the work."""
        return self.speedup > units


PRINTED: Mapping[Experiment, Printed] = {
    Experiment(Workload.CPU, Executor.THREADS, 4): Printed(1.71, 1.62),
    # Its processes were spawned, as macOS does it.
    Experiment(Workload.CPU, Executor.SPAWN, 4): Printed(1.71, 0.09),
    Experiment(Workload.IO, Executor.THREADS, 4): Printed(0.50, 0.09),
}


def notes() -> tuple[str, ...]:
    """Why two of its figures cannot be what they are said to be."""
    processes = PRINTED[Experiment(Workload.CPU, Executor.SPAWN, 4)]
    threads = PRINTED[Experiment(Workload.IO, Executor.THREADS, 4)]
    return (
        f"The article's {processes.seconds:g} s for four processes is impossible: {processes.speedup:.0f}x by four. Even with "
        "a core for each and processes that start at once, each has to do its "
        f"{processes.alone / 4:.2f} s of work. Its traceback shows why: spawned processes import the main module again, died "
        "of that, and did nothing. Here exit codes are looked at.",
        f"The article's {threads.seconds:g} s for four requests ({threads.speedup:.1f}x; it says 5.24x) is more than "
        "overlapping alone can give, which is 4x: its first requests, those one after the other, took longer each than the "
        "later ones.",
    )
