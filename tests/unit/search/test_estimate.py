"""Knuth's estimator: its exact moments on the counter, and how an estimate reads."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from scenarios.counter import counter
from simulator.errors import UsageError
from simulator.machine import Machine
from simulator.search.estimate import (
    Estimate,
    estimate_interleavings,
    estimate_traces,
    interleaving_samples,
    trace_samples,
)
from tests.laws.chances import distribution

GOLDEN = Path(__file__).resolve().parents[2] / "known_answers" / "golden" / "golden.json"


def test_the_exact_moments_of_the_estimator_are_the_known_ones() -> None:
    known = json.loads(GOLDEN.read_text(encoding="utf-8"))["knuth"]["counter3(2,1)"]
    machine = Machine(counter.program(threads=2))
    odds = distribution(lambda draw: next(interleaving_samples(machine, draw=draw)))
    assert sum(value * chance for value, chance in odds.items()) == known["N"] == 20
    assert sum(value * value * chance for value, chance in odds.items()) == known["E_X2"] == 496


def test_the_exact_mean_for_traces_is_their_number() -> None:
    machine = Machine(counter.program(threads=2))
    odds = distribution(lambda draw: next(trace_samples(machine, draw=draw)))
    assert sum(value * chance for value, chance in odds.items()) == 4
    assert odds[0] > 0, "walks that come to a dead end"


def test_an_estimate_from_many_walks_is_near() -> None:
    machine = Machine(counter.program(threads=3))
    estimate = estimate_interleavings(machine, draw=random.Random(1).random, samples=2000)
    assert abs(estimate.mean - 1680) < 3 * estimate.standard_error
    traces = estimate_traces(machine, draw=random.Random(1).random, samples=2000)
    assert abs(traces.mean - 36) < 3 * traces.standard_error
    assert 0 < traces.dead_ends < 2000


def test_mean_variance_and_standard_error() -> None:
    # 2, 4, 9: mean 5, squares of the differences 9 + 1 + 16 = 26, over 2; the standard error is the root of 13/3.
    estimate = Estimate.of([2, 4, 9])
    assert (estimate.mean, estimate.variance, estimate.samples) == (5, 13, 3)
    assert abs(estimate.standard_error - Decimal("2.0816659994661327")) < Decimal("1e-15")
    assert estimate.to_dict() == {"estimate": 5, "standard_error": 2, "samples": 3, "dead_ends": 0}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([20, 20], "about 20 ± 0 (2 samples)"),
        ([4_000_000_000, 4_400_000_000], "about 4.2e9 ± 2e8 (2 samples)"),
        ([0, 0, 0, 6], "about 1.5 ± 1.5 (4 samples, 3 of them dead ends)"),
        ([10**400, 3 * 10**400], "about 2.0e400 ± 1e400 (2 samples)"),
        ([1680] * 1500, "about 1,680 ± 0 (1,500 samples)"),
    ],
)
def test_how_an_estimate_reads(values: list[int], text: str) -> None:
    assert str(Estimate.of(values)) == text


def test_one_sample_does_not_say_how_far_off_it_may_be() -> None:
    with pytest.raises(UsageError, match="at least 2"):
        estimate_interleavings(Machine(counter.program()), draw=random.Random(1).random, samples=1)


def test_estimates_are_exact_numbers() -> None:
    assert Estimate.of([1, 2]).mean == Fraction(3, 2)
