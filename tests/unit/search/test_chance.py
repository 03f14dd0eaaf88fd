"""Uniform integers below a bound, from numbers in [0, 1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from simulator.search.chance import below


def test_below_five_each_number_comes_from_one_eighth_and_three_eighths_are_thrown_away() -> None:
    #  draw    0/8  1/8  2/8  3/8  4/8  5/8 6/8 7/8
    #  number   0    1    2    3    4   again
    found = Counter()
    for eighth in range(8):
        rest = iter([eighth / 8, 0.25])
        found[below(5, lambda: next(rest))] += 1  # noqa: B023 - used at once
        assert len(list(rest)) == (eighth < 5)
    assert found == {0: 1, 1: 1, 2: 1 + 3, 3: 1, 4: 1}


def test_large_numbers_are_made_of_chunks_of_32_bits_with_the_first_the_highest() -> None:
    chunks = iter([3 / 2**32, 5 / 2**32, 0.5])
    assert below(2**66, lambda: next(chunks)) == (3 << 34) + (5 << 2) + 2


def test_a_last_chunk_of_one_bit_counts() -> None:
    chunks = iter([0.25, 0.5])
    assert below(2**32 + 1, lambda: next(chunks)) == (1 << 31) + 1


def test_one_number_alone_costs_no_randomness() -> None:
    assert below(1, lambda: pytest.fail("asked for randomness")) == 0


@pytest.mark.parametrize("bound", [2**32, 2**32 + 1, 10**30])
def test_the_largest_draw_is_within_the_bound(bound: int) -> None:
    def draws() -> Iterator[float]:
        yield from [1 - 2**-53] * 5
        while True:
            yield 0.0

    drawn = draws()
    assert 0 <= below(bound, lambda: next(drawn)) < bound
