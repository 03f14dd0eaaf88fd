"""Where the interpreter may switch threads: one value for each kind of CPython, and one for a model that asks for no CPython.

Each flag is held against natural runs: a variant of `+= 1` that loses updates where the flag says so, and nowhere else
(`python -m scenarios.variants`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["GRANULARITIES", "Granularity", "granularity_for"]


class Granularity(NamedTuple):
    """When a thread may be switched away from."""

    says: str
    """In a line, for people."""
    adds: bool = False
    """Whether the addition of `x += y` is a step of its own."""
    has_gil: bool = False
    """Whether threads are switched at some places only: function entry, backward jumps, calls."""
    at_branches: bool = False
    """Whether conditional jumps and the return of a Python function are such places, too."""
    inlines: bool = False
    """Whether a comprehension, and `super().name`, are no calls."""
    jumps_to_tests: bool = False
    """Whether the test of a `while` comes after the jump back, and not before it."""
    enters_by_call: bool = False
    """Whether the beginning of a `with` is a call."""


_CALLS = "threads are switched at function entry, backward jumps and calls"

GRANULARITIES: Final = {
    "operations": Granularity("every operation is a step of its own: each read, addition and write", adds=True),
    "free-threaded": Granularity(
        "every bytecode that touches something shared is a step, as in builds of CPython without the GIL"
    ),
    "cpython-3.9": Granularity("the same: up to 3.9 the interpreter may switch threads after almost any bytecode"),
    "cpython-3.10": Granularity(f"{_CALLS}, and at conditional jumps", has_gil=True, at_branches=True),
    "cpython-3.11": Granularity(_CALLS, has_gil=True),
    "cpython-3.12": Granularity(f"{_CALLS}; comprehensions are none (3.12 and 3.13)", has_gil=True, inlines=True),
    "cpython-3.14": Granularity(
        f"{_CALLS}, the beginning of a `with` being one; a `while` jumps back before its test (3.14 and later)",
        has_gil=True,
        inlines=True,
        jumps_to_tests=True,
        enters_by_call=True,
    ),
}


def granularity_for(version: Sequence[int], *, gil: bool) -> str:
    """The name of the granularity that fits a CPython.

    >>> granularity_for((3, 13, 0), gil=True), granularity_for((3, 8, 18), gil=True), granularity_for((3, 14, 0), gil=False)
    ('cpython-3.12', 'cpython-3.9', 'free-threaded')
    """
    if not gil:
        return "free-threaded"
    known = sorted(int(name.rpartition(".")[2]) for name in GRANULARITIES if name.startswith("cpython-"))
    return f"cpython-3.{max((minor for minor in known if minor <= version[1]), default=known[0])}"
