"""Exact counting; the laws are in tests/laws/test_counting.py, the known counts in tests/known_answers."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from fractions import Fraction
from math import comb, factorial
from typing import Any

import pytest

from simulator.census import count
from simulator.errors import LimitError
from simulator.ops import Add, Pause, Read, Write
from simulator.program import Program
from simulator.search.budget import Budget

Body = Generator[Any, Any, None]


def pauses() -> Body:
    for _ in range(4):
        yield Pause()


def increment() -> Body:
    value = yield Read("x")
    value = yield Add(value, 1)
    yield Write("x", value)


def spin() -> Body:
    while not (yield Read("x")):
        pass


def counter(threads: int) -> Program:
    return Program({f"t{number}": increment for number in range(threads)}, memory={"x": 0})


def test_independent_threads_interleave_as_the_multinomial_says() -> None:
    assert count(Program({"a": pauses})).interleavings == 1
    assert count(Program({"a": pauses, "b": pauses})).interleavings == comb(8, 4)
    assert count(Program({"a": pauses, "b": pauses, "c": pauses})).interleavings == factorial(12) // factorial(4) ** 3


def test_the_articles_counter() -> None:
    census = count(counter(2))
    assert {str(outcome): number for outcome, number in census.outcomes.items()} == {"x=1": 18, "x=2": 2}
    assert list(census.odds.values()) == [Fraction(3, 4), Fraction(1, 4)]
    assert census.share(next(iter(census.outcomes))) == Fraction(9, 10)
    assert census.longest == 6


def test_ten_threads_are_counted_exactly_and_soon() -> None:
    """Interchangeable threads are counted together; 30! / 6^10 interleavings."""
    before = time.perf_counter()
    census = count(counter(10))
    assert census.interleavings == factorial(30) // 6**10
    right = next(number for outcome, number in census.outcomes.items() if str(outcome) == "x=10")
    assert right == factorial(10)
    assert sum(census.odds.values()) == 1
    assert time.perf_counter() - before < 30


def test_a_program_that_can_run_for_ever_is_refused_unless_it_is_cut() -> None:
    program = Program({"a": spin, "b": increment}, memory={"x": 0})
    with pytest.raises(LimitError, match="infinitely many interleavings; give max_steps"):
        count(program)
    census = count(program, max_steps=10)
    assert census.max_steps == 10
    assert {outcome.how for outcome in census.outcomes} == {"finished", "out of steps"}


def test_a_cut_that_cuts_nothing_is_no_cut() -> None:
    assert count(counter(2), max_steps=6) == count(counter(2))
    assert count(counter(2), max_steps=5).max_steps == 5


def test_a_part_of_a_count_is_no_count() -> None:
    with pytest.raises(LimitError, match=r"more than 10 states \(max_states\)"):
        count(counter(3), max_states=10)
    with pytest.raises(LimitError, match="timeout"):
        count(counter(6), budget=Budget(timeout=1e-9))


def test_a_program_that_ends_at_once_has_one_interleaving() -> None:
    def body() -> Body:
        yield from ()

    census = count(Program({"a": body}, memory={"x": 1}))
    assert (census.interleavings, census.longest) == (1, 0)


def test_a_census_in_plain_types() -> None:
    plain = json.loads(json.dumps(count(counter(2)).to_dict()))
    assert plain["interleavings"] == 20
    assert plain["complete"] is True
    assert plain["outcomes"]["x=1"] == {
        "interleavings": 18,
        "random_walk": "3/4",
        "how": "finished",
        "memory": {"x": 1},
    }
