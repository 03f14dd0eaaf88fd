"""Bounded search on programs small enough to list; the laws are in tests/laws/test_bounded.py."""

from __future__ import annotations

import tracemalloc
from collections.abc import Generator
from itertools import islice
from typing import Any

import pytest

from simulator.census_by import count_by
from simulator.errors import EndlessError, LimitError, UsageError
from simulator.machine import Machine
from simulator.ops import Acquire, Pause, Read, Release, Write
from simulator.program import Program
from simulator.search import bounded as module
from simulator.search.bounded import NOBODY, BoundedSearch, Cost, Level, charges
from simulator.search.budget import Budget
from simulator.search.naive import interleavings

Body = Generator[Any, Any, None]


def twice() -> Body:
    yield Pause()
    yield Pause()


def once() -> Body:
    yield Pause()


def many() -> Body:
    for _ in range(12):
        yield Pause()


def six_times() -> Body:
    for _ in range(6):
        yield Pause()


def spin() -> Body:
    while not (yield Read("x")):
        pass


def write() -> Body:
    yield Write("x", 1)


def pause_then_lock() -> Body:
    yield Pause()
    yield Acquire("l")
    yield Release("l")


def pause_within_lock() -> Body:
    yield Acquire("l")
    yield Pause()
    yield Release("l")


def listed(program: Program, bound: int, cost: Cost, max_steps: int | None = None) -> list[list[str]]:
    """The schedules of each level, a letter for each step."""
    search = BoundedSearch(Machine(program), bound, cost=cost, max_steps=max_steps)
    levels: list[list[str]] = [[] for _ in range(bound + 1)]
    for found in search:
        levels[len(search.levels)].append("".join(program.threads[thread] for thread in found.schedule))
    return levels


def test_two_threads_of_two_steps_by_preemptions() -> None:
    """The six interleavings: two run one after the other; a switch after one step and none back, none; and so on.

    aabb bbaa      no preemption
    abba baab      one: the thread that was preempted goes on when the other has ended
    abab baba      two
    """
    program = Program({"a": twice, "b": twice})
    assert listed(program, 2, Cost.PREEMPTIONS) == [["aabb", "bbaa"], ["abba", "baab"], ["abab", "baba"]]


def test_two_threads_of_two_steps_by_delays() -> None:
    """Starting with b is a delay; going on with a when b has ended is none."""
    program = Program({"a": twice, "b": twice})
    assert listed(program, 3, Cost.DELAYS) == [["aabb"], ["abba", "bbaa"], ["abab", "baab"], ["baba"]]


def test_of_three_threads_with_a_step_each_only_round_robin_has_no_delay() -> None:
    """After b it is the turn of c, and a costs one more."""
    program = Program({"a": once, "b": once, "c": once})
    assert listed(program, 3, Cost.DELAYS) == [["abc"], ["acb", "bca"], ["bac", "cab"], ["cba"]]
    assert listed(program, 0, Cost.PREEMPTIONS) == [["abc", "acb", "bac", "bca", "cab", "cba"]]


def test_to_leave_a_blocked_thread_is_no_preemption() -> None:
    """When b holds the lock, a takes its pause and is blocked: back to b for nothing.

    aaabbb bbbaaa           no preemption
    abbbaa babbaa bbabaa    one: a after its pause, or b before or after its own
    """
    program = Program({"a": pause_then_lock, "b": pause_within_lock}, locks=["l"])
    assert listed(program, 2, Cost.PREEMPTIONS) == [["aaabbb", "bbbaaa"], ["abbbaa", "babbaa", "bbabaa"], []]


def test_before_the_first_step_it_is_the_first_threads_turn_and_nobody_can_be_preempted() -> None:
    assert charges(Cost.DELAYS, [0, 1, 2], NOBODY) == [0, 1, 2]
    assert charges(Cost.DELAYS, [1, 2], NOBODY) == [0, 1]
    assert charges(Cost.PREEMPTIONS, [0, 1, 2], NOBODY) == [0, 0, 0]


def test_the_turn_of_a_thread_that_cannot_go_on_is_the_next_ones_in_a_circle() -> None:
    assert charges(Cost.DELAYS, [0, 1], 2) == [0, 1]
    assert charges(Cost.DELAYS, [0, 3], 1) == [1, 0]


def test_a_level_is_noted_when_it_is_done_and_not_before() -> None:
    search = BoundedSearch(Machine(Program({"a": twice, "b": twice})), 1)
    running = iter(search)
    assert not search.levels
    assert [next(running).schedule for _ in range(2)] == [(0, 0, 1, 1), (1, 1, 0, 0)]
    assert search.levels == []
    next(running)
    assert search.levels == [Level(cost=0, interleavings=2, more=True)]
    assert not search.complete
    list(running)
    assert search.levels == [Level(0, 2, more=True), Level(1, 2, more=True)]
    assert not search.complete


def test_a_bound_that_nothing_exceeds_is_none_and_the_search_is_complete() -> None:
    program = Program({"a": twice, "b": twice})
    for bound in (2, 3, 1000, None):
        search = BoundedSearch(Machine(program), bound)
        assert len(list(search)) == 6
        assert search.levels[-1] == Level(2, 2, more=False)
        assert search.complete


def test_a_search_starts_from_the_beginning_each_time() -> None:
    search = BoundedSearch(Machine(Program({"a": twice, "b": twice})))
    assert list(search) == list(search)
    assert [level.cost for level in search.levels] == [0, 1, 2]


def test_a_program_without_steps_has_one_interleaving() -> None:
    def nothing() -> Body:
        yield from ()

    for cost in Cost:
        search = BoundedSearch(Machine(Program({"a": nothing})), cost=cost)
        assert [found.schedule for found in search] == [()]
        assert search.levels == [Level(0, 1, more=False)]
        assert count_by(Program({"a": nothing}), cost).numbers == {0: 1}


def test_a_bound_below_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="the bound is -1, expected 0 or more delays"):
        BoundedSearch(Machine(Program({"a": once})), -1, cost=Cost.DELAYS)


def test_a_program_that_can_run_for_ever_is_searched_up_to_max_steps() -> None:
    """Without a preemption a spins to the cut, or b writes first; with one, b writes after one to three of a's reads."""
    program = Program({"a": spin, "b": write}, memory={"x": 0})
    assert listed(program, 1, Cost.PREEMPTIONS, max_steps=4) == [["aaaa", "ba"], ["aaab", "aaba", "aba"]]
    cut = BoundedSearch(Machine(program), max_steps=4)
    assert [found.cut for found in cut] == [True, False, True, False, False]
    assert cut.complete


def test_the_first_interleavings_come_at_once_however_large_the_program() -> None:
    program = Program({f"t{number}": many for number in range(8)})
    for cost in Cost:
        first = next(iter(BoundedSearch(Machine(program), cost=cost)))
        assert first.schedule == tuple(number for number in range(8) for _ in range(12))


def test_memory_does_not_grow_with_the_number_of_interleavings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 300)
    machine = Machine(Program(dict.fromkeys("abc", six_times)))
    running = iter(BoundedSearch(machine))

    def most_after(number: int) -> int:
        tracemalloc.reset_peak()
        for _ in islice(running, number):
            pass
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        first = most_after(2_000)
        assert most_after(8_000) < 1.25 * first
    finally:
        tracemalloc.stop()


def test_counting_by_cost_refuses_what_counting_refuses() -> None:
    endless = Program({"a": spin, "b": write}, memory={"x": 0})
    large = Program({f"t{number}": many for number in range(3)})
    for cost in Cost:
        with pytest.raises(EndlessError, match="infinitely many interleavings; give max_steps"):
            count_by(endless, cost)
        with pytest.raises(LimitError, match="more than 100 states"):
            count_by(large, cost, max_states=100)
        with pytest.raises(LimitError, match="time was up"):
            count_by(large, cost, budget=Budget(timeout=1e-9))


def test_counting_by_delays_needs_more_states_than_counting_alike_threads_together_and_says_so() -> None:
    alike = Program({f"t{number}": twice for number in range(6)})
    assert count_by(alike, Cost.PREEMPTIONS, max_states=200).census.states < 200
    with pytest.raises(LimitError, match="more than 200 states"):
        count_by(alike, Cost.DELAYS, max_states=200)


def test_counting_by_cost_agrees_with_a_walk_through_every_interleaving() -> None:
    machine = Machine(Program({"a": twice, "b": twice, "c": once}))
    for cost in Cost:
        counted = count_by(machine, cost)
        search = BoundedSearch(machine, cost=cost)
        assert set(search) == set(interleavings(machine))
        assert counted.numbers == {level.cost: level.interleavings for level in search.levels}
        assert counted.within(1) == sum(level.interleavings for level in search.levels[:2])
        assert counted.highest == search.levels[-1].cost
