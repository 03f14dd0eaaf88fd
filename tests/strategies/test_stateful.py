"""Hypothesis as the scheduler: a state machine finds the interleaving that breaks an invariant, and says its schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from simulator import Acquire, Add, Check, Outcome, Pause, Program, Read, Release, UsageError, Write, replay
from simulator.strategies import SchedulerStateMachine, programs

quick = settings(max_examples=200, database=None, suppress_health_check=[])
unshrunk = settings(quick, max_examples=5, phases=[Phase.generate])


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


def pauses(times: int) -> Any:
    def body() -> Iterator[Pause]:
        for _ in range(times):
            yield Pause()

    return body


@pytest.mark.parametrize("pauses_before", [0, 3, 55])
def test_a_thread_that_crashes_fails_the_test(pauses_before: int) -> None:
    def crashes() -> Iterator[Pause]:
        yield from pauses(pauses_before)()
        raise ValueError("no such account")

    class Crashing(SchedulerStateMachine):
        program = Program({"a": crashes}, finally_=lambda memory: True)

    with pytest.raises(AssertionError, match=r"it raised: .*no such account") as failure:
        run_state_machine_as_test(Crashing, settings=unshrunk)
    assert f"schedule: {f'a*{pauses_before}' if pauses_before else ''}" in failure.value.__notes__


def test_a_check_that_fails_after_one_preemption_fails_the_test() -> None:
    def checks() -> Iterator[Read | Check | Write]:
        before = yield Read("x")
        yield Check((yield Read("x")) == before, "x moved")
        yield Write("x", before + 1)

    class Checking(SchedulerStateMachine):
        program = Program({"a": checks, "b": checks}, memory={"x": 0})

    with pytest.raises(AssertionError, match="x moved"):
        run_state_machine_as_test(Checking, settings=quick)


@pytest.mark.parametrize("when", ["always", "finally_"])
def test_what_the_program_itself_promises_is_looked_at(when: str) -> None:
    def two_or_on_its_way(memory: Mapping[Any, Any]) -> bool:
        return memory["count"] != 1 if when == "always" else memory["count"] == 2

    class Promising(SchedulerStateMachine):
        program = Program({"a": increment, "b": increment}, memory={"count": 0}, **{when: two_or_on_its_way})

    with pytest.raises(AssertionError, match="two_or_on_its_way does not hold"):
        run_state_machine_as_test(Promising, settings=quick)


def test_what_has_to_hold_before_the_first_step_is_looked_at() -> None:
    class Wrong(SchedulerStateMachine):
        program = Program({"a": pauses(1)}, memory={"x": 0}, always=lambda memory: memory["x"] == 1)

    with pytest.raises(AssertionError, match=r"always does not hold.*\nschedule: \n"):
        run_state_machine_as_test(Wrong, settings=quick)


def test_the_end_of_a_long_program_is_looked_at() -> None:
    class Long(SchedulerStateMachine):
        program = Program({"a": pauses(60), "b": pauses(60)})

        def at_end(self) -> None:
            assert self.outcome is not None
            raise AssertionError("reached")

    with pytest.raises(AssertionError, match="reached") as failure:
        run_state_machine_as_test(Long, settings=unshrunk)
    (told,) = (note for note in failure.value.__notes__ if note.startswith("schedule: "))
    assert replay(Long.program, told.removeprefix("schedule: ")).outcome == Outcome("finished", ())


def test_an_end_that_never_comes_fails_the_test_that_asks_for_it() -> None:
    def for_ever() -> Iterator[Pause]:
        while True:
            yield Pause()

    class Endless(SchedulerStateMachine):
        program = Program({"a": for_ever})

    run_state_machine_as_test(Endless, settings=settings(quick, max_examples=5))

    class Asks(Endless):
        def at_end(self) -> None:
            pass

    with pytest.raises(AssertionError, match="has not ended"):
        run_state_machine_as_test(Asks, settings=unshrunk)


def test_a_failure_on_the_way_is_not_hidden_by_the_end() -> None:
    class OnTheWay(SchedulerStateMachine):
        program = Program({"a": pauses(3)})

        @invariant()
        def short(self) -> None:
            assert len(self.schedule) < 2, "on the way"

        def at_end(self) -> None:
            raise RuntimeError("at the end")

    with pytest.raises(AssertionError, match="on the way") as failure:
        run_state_machine_as_test(OnTheWay, settings=quick)
    assert failure.value.__context__ is None
    assert "schedule: a*2" in failure.value.__notes__


def test_without_a_program_it_says_what_to_do() -> None:
    class Nothing(SchedulerStateMachine):
        pass

    with pytest.raises(UsageError, match="Nothing has no program to run: give the class a program, or call start"):
        run_state_machine_as_test(Nothing, settings=quick)


TestCounterUnderPytest = LockedCounter.TestCase
