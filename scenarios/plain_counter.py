"""A counter that several threads increment: ordinary Python, with and without a lock.

This is how one would write it without knowing of the simulator: it imports `threading` and nothing of ours but the
description at the end that says how to start the threads and where to look afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import partial

from simulator.scenario import Plain

__all__ = ["Counter", "LockedCounter", "plain"]


class Counter:
    """Looks harmless: one line, one `+=`. It is a read, an addition and a write."""

    def __init__(self, start: int = 0) -> None:
        self.count = start

    def increment(self, offset: int) -> None:
        """Add to the count."""
        self.count += offset


class LockedCounter(Counter):
    """The same, with a lock held around the `+=`."""

    def __init__(self, start: int = 0) -> None:
        super().__init__(start)
        self.lock = threading.Lock()

    def increment(self, offset: int) -> None:
        """Add to the count, one thread at a time."""
        with self.lock:
            self.count += offset


def work(counter: Counter, increments: int) -> None:
    """What each thread does."""
    for _ in range(increments):
        counter.increment(1)


def workers(counter: Counter, threads: int, increments: int) -> dict[str, Callable[[], object]]:
    """All threads, by name."""
    return {f"t{number}": partial(work, counter, increments) for number in range(threads)}


def count(counter: Counter) -> dict[Hashable, int]:
    """Where to look afterwards."""
    return {"count": counter.count}


def plain(threads: int, increments: int, lock: bool, start: int) -> Plain:
    """The counter on real threads `t0`, `t1`, …, to be observed at the location "count".

    >>> counter_of_two = plain(threads=2, increments=3, lock=True, start=5)
    >>> counter = counter_of_two.setup()
    >>> for worker in counter_of_two.workers(counter).values():
    ...     worker()
    >>> counter_of_two.observe(counter)
    {'count': 11}
    """
    kind = LockedCounter if lock else Counter
    return Plain(
        setup=partial(kind, start),
        workers=partial(workers, threads=threads, increments=increments),
        observe=count,
        namespace=globals(),
        source=f"plain_counter.py:{kind.increment.__code__.co_firstlineno}: self.count += offset",
    )
