"""Hypothesis as the scheduler: a state machine finds the interleaving that breaks an invariant, and says its schedule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from simulator import Acquire, Add, Outcome, Program, Read, Release, UsageError, Write, replay
from simulator.strategies import SchedulerStateMachine, programs

quick = settings(max_examples=200, database=None, suppress_health_check=[])


def increment() -> Iterator[Read | Add | Write]:
    value = yield Read("count")
    value = yield Add(value, 1)
    yield Write("count", value)


def locked_increment() -> Iterator[Acquire | Read | Add | Write | Release]:
    yield Acquire("m")
    yield from increment()
    yield Release("m")


class Counter(SchedulerStateMachine):
    """Two increments have to count to two."""

    program = Program({"a": increment, "b": increment}, memory={"count": 0})

    def at_end(self) -> None:
        assert self.memory["count"] == 2


class LockedCounter(Counter):
    """The same, one after the other."""

    program = Program({"a": locked_increment, "b": locked_increment}, memory={"count": 0}, locks=("m",))

    @invariant()
    def the_lock_is_held_while_one_counts(self) -> None:
        inside = [name for name in ("a", "b") if self.situation.held[name]]
        assert len(inside) <= 1
        assert self.situation.owners["m"] == (inside[0] if inside else None)


def shown_by(machine: type[SchedulerStateMachine], kind: type[Exception] = AssertionError) -> list[str]:
    """What Hypothesis prints of the failure that it comes back with."""
    with pytest.raises(kind) as failure:
        run_state_machine_as_test(machine, settings=quick)
    return "\n".join(failure.value.__notes__).splitlines()


def test_the_counter_loses_an_update_by_one_preemption_and_the_schedule_is_told() -> None:
    shown = shown_by(Counter)
    steps = [line.strip() for line in shown if "state.step" in line]
    assert steps == [f"state.step(thread={thread!r})" for thread in "aabbba"]
    assert "schedule: a*2 b*3 a" in shown
    run = replay(Counter.program, "a*2 b*3 a")
    assert (str(run.outcome), run.preemptions) == ("count=1", 1)


def test_the_locked_counter_passes() -> None:
    run_state_machine_as_test(LockedCounter, settings=quick)


def test_a_deadlock_is_an_outcome_that_at_end_sees() -> None:
    def nested(first: str, second: str) -> Any:
        def body() -> Iterator[Acquire | Release]:
            yield Acquire(first)
            yield Acquire(second)
            yield Release(second)
            yield Release(first)

        return body

    class Opposite(SchedulerStateMachine):
        program = Program({"a": nested("l", "m"), "b": nested("m", "l")}, locks=("l", "m"))

        def at_end(self) -> None:
            assert self.outcome == Outcome("finished", ())

    assert "schedule: a b" in shown_by(Opposite)


def test_what_is_seen_on_the_way_is_what_replay_shows() -> None:
    class Watched(Counter):
        ends: ClassVar[set[str]] = set()

        def at_end(self) -> None:
            self.ends.add(str(self.schedule))
            assert self.outcome == replay(Counter.program, self.schedule).outcome

        @invariant()
        def the_run_so_far_is_the_schedules(self) -> None:
            run = replay(Counter.program, self.schedule)
            assert self.run == run
            assert self.situation == run.final
            assert dict(self.memory) == dict(run.final.memory)
            assert set(self.enabled) == set(run.final.enabled)
            assert self.outcome == run.outcome

    run_state_machine_as_test(Watched, settings=settings(quick, max_examples=100))
    assert len(Watched.ends) > 10


def test_the_program_may_be_drawn_and_rules_may_stand_beside_the_steps() -> None:
    class Drawn(SchedulerStateMachine):
        begun: ClassVar[int] = 0
        begun_again: ClassVar[int] = 0

        @initialize(drawn=programs(operations=3))
        def begin(self, drawn: Program) -> None:
            self.drawn = drawn
            self.start(drawn)
            type(self).begun += 1

        @precondition(lambda self: not self.enabled)
        @rule()
        def once_more(self) -> None:
            self.start(self.drawn)
            assert self.schedule == ()
            type(self).begun_again += 1

        @invariant()
        def no_lock_has_two_owners(self) -> None:
            held = [lock for locks in self.situation.held.values() for lock in locks]
            assert len(held) == len(set(held))

    run_state_machine_as_test(Drawn, settings=settings(quick, max_examples=30))
    assert Drawn.begun >= 30
    assert Drawn.begun_again > 0


def test_without_a_program_it_says_what_to_do() -> None:
    class Nothing(SchedulerStateMachine):
        pass

    with pytest.raises(UsageError, match="Nothing has no program to run: give the class a program, or call start"):
        run_state_machine_as_test(Nothing, settings=quick)


TestCounterUnderPytest = LockedCounter.TestCase
