"""How many: a number, or the least and the most."""

from __future__ import annotations

from simulator.errors import UsageError

__all__ = ["Limits", "limits"]

Limits = int | tuple[int, int]


def limits(given: Limits, what: str, *, least: int) -> tuple[int, int]:
    """The least and the most. Raises UsageError unless `least` <= least <= most.

    >>> limits(3, "threads", least=1), limits((1, 2), "threads", least=1)
    ((3, 3), (1, 2))
    """
    low, high = (given, given) if isinstance(given, int) else given
    if not least <= low <= high:
        raise UsageError(f"{what} is {given!r}, expected a number from {least}, or (least, most)")
    return low, high
