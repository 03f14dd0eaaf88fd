"""What the published programs share: numbered threads, and bodies of a single step.

It knows no program.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable
from typing import Any

from simulator.ops import Check, Operation, Read, Write
from simulator.program import Body

__all__ = ["Steps", "numbered", "read", "write"]

Steps = Generator[Operation | Check, Any, None]


def numbered(*bodies: Body) -> dict[str, Body]:
    """The bodies as threads `t0`, `t1`, …

    >>> from functools import partial
    >>> list(numbered(*[partial(read, "x")] * 3))
    ['t0', 't1', 't2']
    """
    return {f"t{number}": body for number, body in enumerate(bodies)}


def read(location: Hashable) -> Steps:
    """One read."""
    yield Read(location)


def write(location: Hashable, value: object) -> Steps:
    """One write."""
    yield Write(location, value)
