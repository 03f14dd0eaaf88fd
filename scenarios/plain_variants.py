"""Ten ways to add one to a counter: ordinary Python, as one would write it without knowing of the simulator.

Whether one of them can lose an update depends on where the interpreter may switch threads: between the read of the count and
the write, or only around them. Each class has a comment on what stands between the two.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from simulator.scenario import Plain

__all__ = ["VARIANTS", "plain"]


class PlainCounter:
    """`+=`: nothing stands between the read and the write but the addition."""

    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        self.count += 1


class SplitCounter:
    """Two statements: still nothing but the addition."""

    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        value = self.count
        self.count = value + 1


class PropertyCounter:
    """`+=` on a property: reading and writing are calls of Python functions, with their own entry and return."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def count(self) -> int:
        return self._count

    @count.setter
    def count(self, value: int) -> None:
        self._count = value

    def increment(self) -> None:
        self.count += 1


class IntCounter:
    """A call of `int`, which is written in C, stands between them."""

    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        value = self.count
        self.count = int(value) + 1


def one_more(value: int) -> int:
    """What comes after a number."""
    return value + 1


class CallCounter:
    """A call of a Python function stands between them."""

    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        self.count = one_more(self.count)


class SleepCounter:
    """`time.sleep(0)` stands between them, which lets go of the GIL."""

    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        value = self.count
        time.sleep(0)
        self.count = value + 1


NOTHING: tuple[int, ...] = ()


class ComprehensionCounter:
    """A comprehension without any items stands between them: a call of a function up to 3.11, and none from 3.12 on."""

    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        value, _ = self.count, [each + 1 for each in NOTHING]
        self.count = value + 1


class WhileCounter:
    """The test of a `while` reads, and its body writes, in the second turn: the jump back is after the test up to 3.13."""

    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        is_second = False
        while (value := self.count) >= 0:
            if is_second:
                self.count = value + 1
                return
            is_second = True


class WithCounter:
    """The beginning of a `with` on something written in C, which is a call from 3.14 on."""

    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        manager = memoryview(b"")
        value = self.count
        with manager:
            self.count = value + 1


class LockCounter:
    """A lock is held from before the read until after the write."""

    def __init__(self) -> None:
        self.count = 0
        self.lock = threading.Lock()

    def increment(self) -> None:
        with self.lock:
            self.count += 1


VARIANTS: dict[str, type[Any]] = {
    "plain": PlainCounter,
    "split": SplitCounter,
    "property": PropertyCounter,
    "int": IntCounter,
    "call": CallCounter,
    "sleep": SleepCounter,
    "comprehension": ComprehensionCounter,
    "while": WhileCounter,
    "with": WithCounter,
    "lock": LockCounter,
}
"""By name, in the order of every table."""


def work(counter: Any, increments: int) -> None:
    """What each thread does."""
    for _ in range(increments):
        counter.increment()


def workers(counter: Any, threads: int, increments: int) -> dict[str, Callable[[], object]]:
    """All threads, by name."""
    return {f"t{number}": partial(work, counter, increments) for number in range(threads)}


def count(counter: Any) -> dict[Hashable, int]:
    """Where to look afterwards."""
    return {"count": counter.count}


def nothing_is_lost(counter: Any, expected: int) -> bool:
    """Every increment has left its effect."""
    return bool(counter.count == expected)


def plain(name: str, threads: int = 2, increments: int = 1) -> Plain:
    """A variant on real threads `t0`, `t1`, …, to be observed at the location "count".

    >>> two = plain("property", increments=3)
    >>> counter = two.setup()
    >>> for worker in two.workers(counter).values():
    ...     worker()
    >>> two.observe(counter), two.invariant(counter)
    ({'count': 6}, True)
    """
    return Plain(
        setup=VARIANTS[name],
        workers=partial(workers, threads=threads, increments=increments),
        observe=count,
        namespace=globals(),
        source=f"plain_variants.py:{VARIANTS[name].increment.__code__.co_firstlineno}: {VARIANTS[name].__name__}.increment",
        invariant=partial(nothing_is_lost, expected=threads * increments),
    )
