"""How much memory there is for processes, asked before they are started."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from simulator.errors import UsageError

__all__ = ["PROCESS_BYTES", "available", "check_memory"]

PROCESS_BYTES = 20 * 2**20
"""What a process that does a unit of work takes at most: a Python with `multiprocessing`, and some room."""


def available() -> int | None:
    """How many bytes there are for new processes: free on the machine, and within the control group's limit; None if
    that is not known."""
    found = []
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                found.append(int(value.split()[0]) * 1024)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):
            folder = Path("/sys/fs/cgroup")
            found.append(int((folder / limit).read_text()) - int((folder / used).read_text()))
    if not found:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            found.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(found)) if found else None


def check_memory(processes: int) -> None:
    """Raises UsageError when so many processes would take more memory than there is."""
    free = available()
    if free is not None and processes * PROCESS_BYTES > free:
        raise UsageError(
            f"{processes} processes need about {processes * PROCESS_BYTES / 2**20:,.0f} MB, and "
            f"{free / 2**20:,.0f} MB are free: ask for at most {free // PROCESS_BYTES} at once"
        )
