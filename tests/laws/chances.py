"""Chance taken apart: every run that a sampler can make, with its exact odds; and a test of uniformity for samples.

A sampler gets its randomness as a function; these are functions of another kind, which try one way after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from fractions import Fraction
from math import sqrt
from typing import Any


class _Choices:
    """A `draw` for code that chooses by `int(draw() * many)`: it takes the choices of `path`, and then the first each time."""

    def __init__(self) -> None:
        self.path: list[list[int]] = []
        self.at = 0

    def __call__(self) -> _Choices:
        return self

    def __mul__(self, many: int) -> int:
        if self.at == len(self.path):
            self.path.append([0, many])
        choice, of = self.path[self.at]
        assert of == many, "the same choices led elsewhere"
        self.at += 1
        return choice


class _Ranks:
    """A `draw` for code that only compares what is drawn: each number falls between two earlier ones, each gap alike."""

    def __init__(self, choices: _Choices) -> None:
        self.choices = choices
        self.drawn: list[Fraction] = []

    def __call__(self) -> Fraction:
        place = self.choices * (len(self.drawn) + 1)
        border = [Fraction(0), *self.drawn, Fraction(1)]
        self.drawn.insert(place, (border[place] + border[place + 1]) / 2)
        return self.drawn[place]


def every_run(sample: Callable[[Any], Any], *, ranks: bool = False) -> Iterator[tuple[Any, Fraction]]:
    """What `sample(draw)` can return, once for each way of choosing, with the odds of that way."""
    choices = _Choices()
    while True:
        choices.at = 0
        result = sample(_Ranks(choices) if ranks else choices)
        odds = Fraction(1)
        for _, many in choices.path:
            odds /= many
        yield result, odds
        while choices.path and choices.path[-1][0] == choices.path[-1][1] - 1:
            choices.path.pop()
        if not choices.path:
            return
        choices.path[-1][0] += 1


def distribution(sample: Callable[[Any], Hashable], *, ranks: bool = False) -> dict[Any, Fraction]:
    """The exact odds of everything that `sample(draw)` can return."""
    odds: dict[Any, Fraction] = {}
    for result, chance in every_run(sample, ranks=ranks):
        odds[result] = odds.get(result, Fraction(0)) + chance
    return odds


def chi_squared(counts: Counter[Any], cells: int) -> float:
    """Pearson's statistic against "all cells equally likely"."""
    expected = counts.total() / cells
    assert expected >= 5, "too few samples for the approximation"
    return sum((counts[cell] - expected) ** 2 for cell in counts) / expected + (cells - len(counts)) * expected


def critical(cells: int) -> float:
    """What the statistic of a uniform sample exceeds once in a thousand times.

    Wilson and Hilferty, "The distribution of chi-square" (PNAS 17, 1931); 3.0902 is the normal quantile of 0.999. Tables
    give 59.70 for 30 degrees of freedom and 149.45 for 100; this gives 59.81 and 149.50.
    """
    freedom = cells - 1
    return freedom * (1 - 2 / (9 * freedom) + 3.0902 * sqrt(2 / (9 * freedom))) ** 3
