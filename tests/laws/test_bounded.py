"""Laws of bounded search and of counting by cost, held against naive enumeration.

The slow judge prices an interleaving after the fact: preemptions by `Run.preemptions`, delays by walking round the
threads one by one. Each law draws its own programs; the default profile goes through 100 for each law, the thorough
one through 2,000.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.census import count
from simulator.census_by import count_by
from simulator.machine import Machine
from simulator.ops import Pause, Read, Write
from simulator.program import Program
from simulator.search import bounded as module
from simulator.search.bounded import BoundedSearch, Cost, Level
from simulator.search.naive import Interleaving, interleavings
from simulator.search.replay import run_of
from simulator.trace import Outcome
from tests.conftest import PROFILE
from tests.laws.programs import Small, any_programs, small_programs

many = settings(max_examples=2000 if PROFILE == "thorough" else 100)
costs = st.sampled_from(Cost)
Steps = Generator[Any, Any, None]


def delays(machine: Machine, schedule: tuple[int, ...]) -> int:
    """The enabled threads that round robin would have run and that were skipped, one look at a thread after the other."""
    state, turn, skipped = machine.initial, 0, 0
    for thread in schedule:
        enabled = machine.enabled(state)
        while turn != thread:
            skipped += turn in enabled
            turn = (turn + 1) % len(machine.threads)
        state, _ = machine.step(state, thread)
    return skipped


def price(machine: Machine, found: Interleaving, cost: Cost) -> int:
    if cost is Cost.PREEMPTIONS:
        return run_of(machine, found.schedule).preemptions
    return delays(machine, found.schedule)


def by_price(machine: Machine, cost: Cost, max_steps: int | None = None) -> list[tuple[int, Interleaving]]:
    """Every interleaving with its price, in the order that is promised: by price, and then in thread order."""
    found = interleavings(machine, max_steps=max_steps)
    return sorted(((price(machine, each, cost), each) for each in found), key=lambda pair: (pair[0], pair[1].schedule))


@many
@given(any_programs, costs)
def test_without_a_bound_every_interleaving_is_given_once_the_cheapest_first(small: Small, cost: Cost) -> None:
    machine = Machine(small.program())
    expected = by_price(machine, cost)
    search = BoundedSearch(machine, cost=cost)
    assert list(search) == [each for _, each in expected]
    assert search.complete
    assert len(search.levels) == expected[-1][0] + 1


@many
@given(any_programs, costs, st.integers(0, 4))
def test_a_bound_gives_the_interleavings_within_it_and_says_whether_there_are_more(
    small: Small, cost: Cost, bound: int
) -> None:
    machine = Machine(small.program())
    expected = by_price(machine, cost)
    highest = expected[-1][0]
    numbers = Counter(spent for spent, _ in expected)
    search = BoundedSearch(machine, bound, cost=cost)
    assert list(search) == [each for spent, each in expected if spent <= bound]
    levels = range(min(bound, highest) + 1)
    assert search.levels == [Level(spent, numbers[spent], highest > spent) for spent in levels]
    assert search.complete == (highest <= bound)


@many
@given(small_programs(endless=True), costs, st.integers(0, 3), st.integers(1, 7))
def test_interleavings_that_are_cut_cost_what_was_spent_until_then(
    small: Small, cost: Cost, bound: int, max_steps: int
) -> None:
    machine = Machine(small.program())
    expected = by_price(machine, cost, max_steps)
    search = BoundedSearch(machine, bound, cost=cost, max_steps=max_steps)
    assert list(search) == [each for spent, each in expected if spent <= bound]
    assert search.complete == (expected[-1][0] <= bound)


def await_then_branch() -> Steps:
    """Comes to one place after any number of steps, and goes on from there by a short way or a long one."""
    while not (yield Read("x")):
        pass
    if (yield Read("y")):
        for _ in range(4):
            yield Pause()
    yield Pause()


def write_both() -> Steps:
    yield Write("x", 1)
    yield Write("y", 1)


@pytest.mark.parametrize("cost", Cost)
@pytest.mark.parametrize("max_steps", range(1, 16))
def test_ways_to_the_end_that_are_remembered_are_cut_where_they_are_too_long(cost: Cost, max_steps: int) -> None:
    """Out of the loop the state is the same after one turn, which is seen first, and after ten: then fewer steps are left."""
    machine = Machine(Program({"a": write_both, "b": await_then_branch}, memory={"x": 0, "y": 0}))
    expected = by_price(machine, cost, max_steps)
    assert {found.cut for _, found in expected} == ({True, False} if max_steps >= 5 else {True})
    assert list(BoundedSearch(machine, cost=cost, max_steps=max_steps)) == [each for _, each in expected]


@many
@given(any_programs, costs, st.integers(0, 60), st.sampled_from([0, 3, 12, 1000]))
def test_what_is_remembered_changes_nothing(small: Small, cost: Cost, kept: int, few: int) -> None:
    machine = Machine(small.program())
    expected = list(islice(BoundedSearch(machine, 3, cost=cost), 3000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "REMEMBERED", kept)
        patch.setattr(module, "FEW", few)
        assert list(islice(BoundedSearch(machine, 3, cost=cost), 3000)) == expected


@many
@given(any_programs, costs)
def test_the_count_by_cost_is_the_histogram_of_naive_enumeration(small: Small, cost: Cost) -> None:
    program = small.program()
    machine = Machine(program)
    expected: dict[Outcome, Counter[int]] = {}
    for spent, found in by_price(machine, cost):
        expected.setdefault(machine.outcome(found.state), Counter())[spent] += 1
    counted = count_by(program, cost)
    assert counted.by_outcome == expected
    assert [list(numbers) for numbers in counted.by_outcome.values()] == [
        sorted(numbers) for numbers in counted.by_outcome.values()
    ]
    assert counted.highest == max(max(numbers) for numbers in expected.values())


@many
@given(small_programs(endless=True), costs, st.integers(1, 7))
def test_the_count_by_cost_cut_by_a_budget_is_the_histogram_cut_there(small: Small, cost: Cost, max_steps: int) -> None:
    program = small.program()
    machine = Machine(program)
    expected: dict[Outcome, Counter[int]] = {}
    for spent, found in by_price(machine, cost, max_steps):
        expected.setdefault(machine.outcome(found.state, cut=found.cut), Counter())[spent] += 1
    assert count_by(program, cost, max_steps=max_steps).by_outcome == expected


@many
@given(any_programs, costs)
def test_summed_over_the_costs_it_is_the_census(small: Small, cost: Cost) -> None:
    counted = count_by(small.program(), cost)
    assert counted.census == count(small.program())
    assert {outcome: sum(numbers.values()) for outcome, numbers in counted.by_outcome.items()} == dict(
        counted.census.outcomes
    )
    assert counted.within(counted.highest) == counted.census.interleavings


@many
@given(any_programs, costs)
def test_interchangeable_threads_cost_what_any_others_cost(small: Small, cost: Cost) -> None:
    """The same bodies as functions of their own are not interchangeable, and are counted one by one."""
    assert count_by(small.program(), cost).by_outcome == count_by(small.program(apart=True), cost).by_outcome
