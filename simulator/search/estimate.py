"""How many interleavings, or Mazurkiewicz traces, a program has: Knuth's estimate from random walks.

Knuth, "Estimating the efficiency of backtrack programs" (Mathematics of Computation 29, 1975): the product of the numbers
of choices along a random walk down a tree is, on average, the number of its leaves. For interleavings the tree is that of
all runs; for traces that of `sleep_sets.py`, where a walk that comes to a dead end counts 0. The estimate has no bias,
but its spread can be large, and a sample that missed a few huge values looks surer than it is: the standard error
is itself an estimate. Five dining philosophers have 31 traces; nearly all walks are dead ends there, and 20,000 of them
said 2.8 ± 0.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

from simulator.errors import UsageError
from simulator.machine import Machine
from simulator.search.chance import Draw
from simulator.search.sleep_sets import SleepSets
from simulator.search.tables import Moves

__all__ = ["Estimate", "estimate_interleavings", "estimate_traces", "interleaving_samples", "trace_samples"]

_DIGITS = Context(prec=30)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number estimated from independent samples: their `mean`, their sample `variance`, and how many there are.

    `dead_ends` are those among them that counted 0. Where they are nearly all, the few others carry the estimate, and it
    is worth little, whatever the standard error says.

    >>> str(Estimate.of([4_000_000_000, 4_400_000_000])), str(Estimate.of([12, 0, 12]))
    ('about 4.2e9 ± 2e8 (2 samples)', 'about 8 ± 4 (3 samples, 1 of them a dead end)')
    """

    mean: Fraction
    variance: Fraction
    samples: int
    dead_ends: int = 0

    @classmethod
    def of(cls, values: list[int]) -> Estimate:
        """The estimate from these samples. Raises UsageError for fewer than two."""
        if len(values) < 2:
            raise UsageError(
                f"{len(values)} samples, expected at least 2: one alone does not say how far off it may be"
            )
        total, squares, number = sum(values), sum([value * value for value in values]), len(values)
        variance = Fraction(squares * number - total * total, number * (number - 1))
        return cls(Fraction(total, number), variance, number, values.count(0))

    @property
    def standard_error(self) -> Decimal:
        """The square root of variance / samples: how far off the mean is, typically. May be beyond what floats hold."""
        return _decimal(self.variance / self.samples).sqrt(_DIGITS)

    def to_dict(self) -> dict[str, Any]:
        """The estimate in plain types: whole numbers, however large."""
        return {
            "estimate": round(self.mean),
            "standard_error": int(self.standard_error.to_integral_value()),
            "samples": self.samples,
            "dead_ends": self.dead_ends,
        }

    def __str__(self) -> str:
        mean, error = _decimal(self.mean), self.standard_error
        told = f"{self.samples:,} samples"
        if self.dead_ends:
            told += f", {self.dead_ends:,} of them {'a dead end' if self.dead_ends == 1 else 'dead ends'}"
        return f"about {_short(mean, 2)} ± {_short(error, 1)} ({told})"


def _decimal(number: Fraction) -> Decimal:
    return _DIGITS.divide(Decimal(number.numerator), Decimal(number.denominator))


def _short(number: Decimal, digits: int) -> str:
    """Whole up to 99,999, and beyond with so many digits and an exponent."""
    if number < 100_000:
        return f"{number:,.0f}" if number >= 10 or number == number.to_integral_value() else f"{number:.1f}"
    return f"{number:.{digits - 1}e}".replace("e+", "e")


def interleaving_samples(machine: Machine, *, draw: Draw, max_steps: int | None = None) -> Iterator[int]:
    """Samples without end whose mean is the number of interleavings; with `max_steps`, of those cut there.

    A program that can run for ever needs `max_steps`.

    >>> import random
    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> machine = Machine(Program({"a": body, "b": body, "c": body}))
    >>> next(interleaving_samples(machine, draw=random.Random(1).random))
    6
    """
    moves = Moves(machine)
    while True:
        product = 1
        steps = 0
        choices = moves[machine.initial]
        while choices and steps != max_steps:
            product *= len(choices)
            choices = moves[choices[int(draw() * len(choices))][1]]
            steps += 1
        yield product


def trace_samples(machine: Machine, *, draw: Draw, max_steps: int | None = None) -> Iterator[int]:
    """Samples without end whose mean is the number of Mazurkiewicz traces; 0 for a walk that comes to a dead end.

    With `max_steps`, runs are cut there, and two that are cut are one trace when they differ only in the order of
    independent steps up to there.
    """
    tree = SleepSets(machine)
    while True:
        product = 1
        steps = 0
        choices = tree.after(machine.initial, 0)
        while choices and steps != max_steps:
            product *= len(choices)
            _, state, asleep = choices[int(draw() * len(choices))]
            choices = tree.after(state, asleep)
            steps += 1
        yield product if choices is None or steps == max_steps else 0


def estimate_interleavings(machine: Machine, *, draw: Draw, samples: int, max_steps: int | None = None) -> Estimate:
    """The number of interleavings, from that many of `interleaving_samples`. Raises UsageError for fewer than two."""
    return Estimate.of(list(islice(interleaving_samples(machine, draw=draw, max_steps=max_steps), samples)))


def estimate_traces(machine: Machine, *, draw: Draw, samples: int, max_steps: int | None = None) -> Estimate:
    """The number of Mazurkiewicz traces, from that many of `trace_samples`. Raises UsageError for fewer than two."""
    return Estimate.of(list(islice(trace_samples(machine, draw=draw, max_steps=max_steps), samples)))
