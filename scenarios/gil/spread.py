"""What is believed of several measurements of one thing: their median, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Any

__all__ = ["TOO_WIDE", "Spread", "spread"]

CONFIDENCE = 0.85
TOO_WIDE = 0.15
"""A measurement whose interval reaches further than this from its middle, in parts of the median, is inconclusive."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of `number` measurements, and the interval in which the true median lies in at least 85 of 100 cases.

    The interval goes from one of the measurements to another (a sign test turned round), so it needs no assumption
    about how they are distributed, and a few that are far off do not widen it. With fewer than four measurements it is
    all that was seen.
    """

    median: float
    low: float
    high: float
    number: int

    @property
    def relative(self) -> float:
        """Half the width of the interval, in parts of the median."""
        return (self.high - self.low) / 2 / self.median

    @property
    def conclusive(self) -> bool:
        """Whether it is narrow enough to say something."""
        return self.number > 1 and self.relative <= TOO_WIDE

    def to_dict(self) -> dict[str, Any]:
        """The spread in plain types."""
        return {
            "median": round(self.median, 9),
            "low": round(self.low, 9),
            "high": round(self.high, 9),
            "number": self.number,
        }


def spread(values: Sequence[float]) -> Spread:
    """The spread of one or more measurements.

    >>> spread([1.0, 1.1, 0.9, 1.0, 1.2, 1.0, 9.9])
    Spread(median=1.0, low=1.0, high=1.2, number=7)
    """
    ordered = sorted(values)
    number = len(ordered)
    left_out = 0
    # P(the median is outside of x[k] … x[n-1-k]) = 2 P(Binomial(n, 1/2) <= k)
    while left_out + 1 < number - 1 - left_out and _outside(number, left_out + 1) <= 1 - CONFIDENCE:
        left_out += 1
    return Spread(median(ordered), ordered[left_out], ordered[-1 - left_out], number)


def _outside(number: int, left_out: int) -> float:
    return sum(comb(number, below) for below in range(left_out + 1)) / (1 << number - 1)
