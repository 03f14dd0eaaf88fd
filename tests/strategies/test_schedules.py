"""Schedules that are drawn fit their program, are complete, and can be any of its interleavings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from simulator import Add, LimitError, Pause, Program, ProgramError, Read, Schedule, UsageError, Write, replay
from simulator.machine import Machine
from simulator.search.naive import interleavings
from simulator.strategies import programs, schedules
from simulator.strategies.stepping import Stepping


def increment() -> Iterator[Read | Add | Write]:
    value = yield Read("count")
    value = yield Add(value, 1)
    yield Write("count", value)


counter = Program({"a": increment, "b": increment}, memory={"count": 0})


def by_choices(machine: Machine) -> Iterator[tuple[int, ...]]:
    """Every run that some choices lead to, each begun from the beginning."""
    pending: list[tuple[int, ...]] = [()]
    while pending:
        choices = pending.pop()
        run = Stepping(machine)
        for choice in choices:
            run.take(choice)
        if not run.choices:
            yield tuple(run.taken)
        pending.extend((*choices, choice) for choice in range(len(run.choices)))


@settings(max_examples=150)
@given(programs(threads=2, operations=3, rlocks=("k",), checks=True))
def test_the_choices_lead_to_every_interleaving_once(program: Program) -> None:
    machine = Machine(program)
    assert sorted(by_choices(machine)) == sorted(found.schedule for found in interleavings(machine))


@given(st.data(), programs(rlocks=("k",), checks=True))
def test_a_drawn_schedule_is_a_complete_interleaving(data: st.DataObject, program: Program) -> None:
    schedule = data.draw(schedules(program))
    run = replay(program, schedule)
    assert run.schedule == schedule
    assert run.outcome is not None


@given(st.data(), programs(rlocks=("k",), checks=True))
def test_the_first_choice_is_never_a_preemption(data: st.DataObject, program: Program) -> None:
    run = Stepping(Machine(program))
    while run.choices:
        run.take(0)
    assert replay(program, run.schedule).preemptions == 0


def test_each_of_the_twenty_interleavings_of_the_counter_is_drawn() -> None:
    drawn = set()

    @settings(max_examples=2_000, database=None)
    @given(schedules(counter))
    def draw(schedule: Schedule) -> None:
        drawn.add(schedule)

    draw()
    assert len(drawn) == 20


def test_the_simplest_schedule_is_one_thread_after_the_other() -> None:
    assert find(schedules(counter), lambda schedule: True) == Schedule(["a"] * 3 + ["b"] * 3)


def test_a_waiting_loop_gives_way_so_that_the_first_choices_lead_to_an_end() -> None:
    def waiting() -> Iterator[Read | Pause]:
        while True:
            if (yield Read("ready")):
                return
            yield Pause()

    def telling() -> Iterator[Write]:
        yield Write("ready", True)

    program = Program({"a": waiting, "b": telling}, memory={"ready": False})
    run = Stepping(Machine(program))
    while run.choices:
        run.take(0)
    assert str(run.schedule) == "a b a*2"
    assert str(find(schedules(program), lambda schedule: True)) == "b a"
    longest = find(schedules(program, max_steps=9), lambda schedule: len(schedule) == 8)
    assert replay(program, longest).outcome is not None


def endless() -> Iterator[Pause]:
    while True:
        yield Pause()


def test_a_program_that_never_ends_is_told_so_and_never_drawn() -> None:
    program = Program({"a": endless}, name="clock")
    with pytest.raises(
        LimitError, match="program 'clock' has not ended after 50 steps, though every thread had its turn"
    ):
        find(schedules(program, max_steps=50), lambda schedule: True)


def test_longer_interleavings_than_allowed_are_not_drawn() -> None:
    with pytest.raises(LimitError, match="has not ended after 5 steps"):
        find(schedules(counter, max_steps=5), lambda schedule: True)
    assert len(find(schedules(counter, max_steps=6), lambda schedule: True)) == 6
    with pytest.raises(UsageError, match="max_steps is 0, expected a number above 0"):
        schedules(counter, max_steps=0)


def test_a_program_that_cannot_run_says_so_at_the_first_draw() -> None:
    def wrong() -> Iterator[object]:
        yield "read"

    program = Program({"a": wrong})  # type: ignore[dict-item]
    with pytest.raises(ProgramError, match="thread 'a' yielded 'read', expected an operation"):
        find(schedules(program), lambda schedule: True)


def test_a_filter_that_no_schedule_passes_is_hypothesis_to_tell() -> None:
    @settings(max_examples=10, database=None)
    @given(schedules(counter).filter(lambda schedule: len(schedule) == 7))
    def draw(schedule: Schedule) -> None: ...

    with pytest.raises(Unsatisfiable):
        draw()
