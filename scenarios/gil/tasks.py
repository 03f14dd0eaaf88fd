"""What is to be done, and on what: tasks made of CPU bursts and blocking I/O, and a world of cores, processes and GILs.

Values alone; `machine` says what comes of them. Times are whole microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from simulator.errors import UsageError

__all__ = ["SWITCH_INTERVAL", "TIME_SLICE", "Cpu", "Io", "Join", "Op", "Start", "Task", "World"]

SWITCH_INTERVAL = 5_000
"""CPython's `sys.getswitchinterval()`, unless it is set: 5 ms."""
TIME_SLICE = 3_000
"""After how long the operating system lets another thread have a core, if one waits for it."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """Computes for so long, if it has a core to itself.

    `check` is how much it computes between two looks at whether somebody asked for the GIL: every microsecond is often
    enough for bytecode; None is C code that keeps the GIL and never looks.
    """

    time: int
    check: int | None = 1

    def __post_init__(self) -> None:
        if self.time < 1 or (self.check is not None and self.check < 1):
            raise UsageError(f"{self}: expected whole microseconds above 0")


@dataclass(frozen=True, slots=True)
class Io:
    """Blocks for so long, without the GIL and without a core."""

    time: int

    def __post_init__(self) -> None:
        if self.time < 1:
            raise UsageError(f"{self}: expected whole microseconds above 0")


@dataclass(frozen=True, slots=True)
class Start:
    """Starts a task. A thread of the same process is waited for until it first runs, as `threading.Thread.start`
    does."""

    task: str


@dataclass(frozen=True, slots=True)
class Join:
    """Blocks until a task has ended."""

    task: str


Op: TypeAlias = Cpu | Io | Start | Join


@dataclass(frozen=True, slots=True)
class Task:
    """A thread: its name, what it does in order, and the process that it belongs to. Each process has a GIL of its
    own."""

    name: str
    ops: tuple[Op, ...]
    process: str = "main"


@dataclass(frozen=True, slots=True)
class World:
    """Tasks and what they run on. A task that no other starts is there from the beginning.

    `capacity` is how much is computed when all cores are busy, in cores: less than `cores` where they share something,
    such as a quota, or other people's work. `time_slice` is after how long the operating system lets another thread
    have the core.

    Raises UsageError for names that are not there, or there twice, and for numbers out of range.
    """

    tasks: tuple[Task, ...]
    cores: int = 2
    gil: bool = True
    switch_interval: int = SWITCH_INTERVAL
    time_slice: int = TIME_SLICE
    capacity: Fraction | None = None

    def __post_init__(self) -> None:
        for what, number in (
            ("cores", self.cores),
            ("switch_interval", self.switch_interval),
            ("time_slice", self.time_slice),
        ):
            if number < 1:
                raise UsageError(f"{what} is {number}, expected a whole number above 0")
        if not 0 < self.total_capacity <= self.cores:
            raise UsageError(
                f"capacity is {float(self.total_capacity):g}, expected above 0 and up to the {self.cores} cores"
            )
        names = [task.name for task in self.tasks]
        started = [op.task for task in self.tasks for op in task.ops if isinstance(op, Start)]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"there are two tasks {name!r}")
            if started.count(name) > 1:
                raise UsageError(f"task {name!r} is started twice")
        for task in self.tasks:
            for op in task.ops:
                if isinstance(op, Start | Join) and op.task not in names:
                    raise UsageError(f"task {task.name!r}: {op}, but there is no task {op.task!r}")

    @property
    def total_capacity(self) -> Fraction:
        """How much is computed when all cores are busy, in cores."""
        return Fraction(self.cores) if self.capacity is None else self.capacity
