"""Forcing schedules on real threads, and holding them against the model."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Hashable, Iterator
from functools import partial
from typing import Any

import pytest

from simulator.errors import ProgramError, ScheduleError, UsageError
from simulator.machine import Machine
from simulator.ops import Acquire, Add, Check, CompareAndSwap, Pause, Read, Release, TryAcquire, Update, Write
from simulator.program import Program
from simulator.real.baton import Blocked, first_difference, force
from simulator.trace import Event, Outcome, Run, Schedule

pytestmark = pytest.mark.real

Body = Generator[Any, Any, None]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def increment(times: int = 1) -> Body:
    for _ in range(times):
        value = yield Read("count")
        value = yield Add(value, 1)
        yield Write("count", value)


def take_both(first: str, second: str) -> Body:
    yield Acquire(first)
    yield Acquire(second)
    yield Release(second)
    yield Release(first)


COUNTER = Program({"a": increment, "b": increment}, memory={"count": 0})
CROSSED = Program({"a": partial(take_both, "m", "n"), "b": partial(take_both, "n", "m")}, locks=["m", "n"])


def model(program: Program, schedule: Schedule) -> Run:
    """The model's own run of a schedule that fits."""
    machine = Machine(program, merge=False)
    state = machine.initial
    events: list[Event] = []
    situations = [machine.situation(state)]
    for thread in schedule:
        state, event = machine.step(state, machine.threads.index(thread))
        events.append(event)
        situations.append(machine.situation(state))
    start = {name: machine.initial_notices(number) for number, name in enumerate(machine.threads)}
    outcome = None if machine.enabled(state) else machine.outcome(state)
    return Run(program.threads, tuple(events), tuple(situations), start, outcome)


def every_schedule(program: Program) -> Iterator[Schedule]:
    machine = Machine(program, merge=False)

    def extend(state: int, so_far: list[str]) -> Iterator[Schedule]:
        enabled = machine.enabled(state)
        if not enabled:
            yield Schedule(so_far)
        for thread in enabled:
            yield from extend(machine.step(state, thread)[0], [*so_far, machine.threads[thread]])

    return extend(machine.initial, [])


def test_a_lost_update_is_forced_every_time() -> None:
    # a reads 0, b reads 0, both add, a writes 1, b writes 1: one increment is gone.
    schedule = Schedule(["a", "b", "a", "b", "a", "b"])
    for _ in range(20):
        forced = force(COUNTER, schedule)
        assert forced.outcome == Outcome("finished", (("count", 1),))
        assert forced.followed
        assert [(step.thread, step.answer) for step in forced.log] == [
            ("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", None), ("b", None),
        ]  # fmt: skip


def test_all_twenty_interleavings_of_the_counter_are_what_the_model_says() -> None:
    schedules = list(every_schedule(COUNTER))
    assert len(schedules) == 20
    outcomes = []
    for schedule in schedules:
        forced = force(COUNTER, schedule)
        assert first_difference(forced, model(COUNTER, schedule)) is None
        outcomes.append(str(forced.outcome))
    assert outcomes.count("count=1") == 18
    assert outcomes.count("count=2") == 2


def test_a_deadlock_is_shown_and_unwound_twenty_times_of_twenty() -> None:
    before = threading.active_count()
    for _ in range(20):
        forced = force(CROSSED, Schedule(["a", "b"]))
        assert forced.outcome == Outcome("deadlocked", ())
        assert forced.blocked == (Blocked("a", "n", "b"), Blocked("b", "m", "a"))
        assert forced.running == ()
        assert threading.active_count() == before


def test_every_interleaving_of_crossed_locks_is_what_the_model_says() -> None:
    for schedule in every_schedule(CROSSED):
        assert first_difference(force(CROSSED, schedule), model(CROSSED, schedule)) is None


def test_a_thread_that_waits_for_itself_is_deadlocked() -> None:
    def twice() -> Body:
        yield Acquire("m")
        yield Acquire("m")

    forced = force(Program({"a": twice}, locks=["m"]), Schedule(["a"]))
    assert forced.outcome == Outcome("deadlocked", ())
    assert forced.blocked == (Blocked("a", "m", "a"),)


def test_a_reentrant_lock_is_taken_again_and_freed_only_at_the_last_release() -> None:
    def twice() -> Body:
        yield Acquire("r")
        yield Acquire("r")
        yield Release("r")
        yield Release("r")

    def attempt() -> Body:
        got = yield TryAcquire("r")
        if got:
            yield Release("r")

    program = Program({"a": twice, "b": attempt}, rlocks=["r"])
    for schedule in every_schedule(program):
        assert first_difference(force(program, schedule), model(program, schedule)) is None


def test_every_operation_does_on_real_threads_what_it_does_in_the_model() -> None:
    def first() -> Body:
        old = yield Update("x", max, 3)
        yield Pause(0.5)
        swapped = yield CompareAndSwap("x", 3, old)
        yield Write("y", swapped)

    def second() -> Body:
        swapped = yield CompareAndSwap("x", 0, 7)
        got = yield TryAcquire("m")
        if got:
            yield Release("m")
        value = yield Read("x")
        try:
            yield Add(value, "text")
        except TypeError:
            yield Write("y", swapped)

    program = Program({"a": first, "b": second}, memory={"x": 0, "y": None}, locks=["m"])
    schedules = list(every_schedule(program))
    assert len(schedules) > 100
    for schedule in schedules:
        assert first_difference(force(program, schedule), model(program, schedule)) is None


def test_releasing_a_lock_not_held_raises_in_the_body_as_in_the_model() -> None:
    def careless() -> Body:
        try:
            yield Release("m")
        except RuntimeError:
            yield Write("x", 1)

    def holder() -> Body:
        yield Acquire("m")
        yield Release("m")

    program = Program({"a": careless, "b": holder}, memory={"x": 0}, locks=["m"])
    for schedule in every_schedule(program):
        forced = force(program, schedule)
        assert forced.outcome == Outcome("finished", (("x", 1),))
        assert first_difference(forced, model(program, schedule)) is None


def test_checks_asserts_and_exceptions_end_a_thread_as_in_the_model() -> None:
    def yields_check() -> Body:
        value = yield Read("x")
        yield Check(value == 1, "x is not 1")
        yield Write("x", 5)

    def asserts() -> Body:
        value = yield Read("x")
        assert value == 1

    def raises() -> Body:
        yield Read("x")
        raise ValueError("no")

    for body, how in ((yields_check, "failed check"), (asserts, "failed check"), (raises, "crashed")):
        program = Program({"a": body}, memory={"x": 0})
        forced = force(program, Schedule(["a"]))
        assert forced.outcome == Outcome(how, (("x", 0),))
        assert first_difference(forced, model(program, Schedule(["a"]))) is None


def test_a_thread_that_dies_with_a_lock_leaves_the_others_blocked_and_all_is_unwound() -> None:
    def dies() -> Body:
        yield Acquire("m")
        raise ValueError("no")

    def waits() -> Body:
        yield Acquire("m")

    program = Program({"a": dies, "b": waits}, locks=["m"])
    forced = force(program, Schedule(["a"]))
    assert forced.outcome == Outcome("crashed", ())
    assert forced.blocked == (Blocked("b", "m", "a"),)
    assert first_difference(forced, model(program, Schedule(["a"]))) is None


def test_a_schedule_shorter_than_the_program_stops_there() -> None:
    forced = force(COUNTER, Schedule(["a", "a"]))
    assert forced.followed
    assert forced.outcome is None
    assert len(forced.log) == 2


def test_a_schedule_that_stops_where_a_lock_is_free_is_not_called_a_deadlock() -> None:
    forced = force(CROSSED, Schedule([]))
    assert forced.followed
    assert forced.outcome is None


def test_a_schedule_that_asks_a_blocked_thread_says_where_and_why() -> None:
    forced = force(CROSSED, Schedule(["a", "b", "a"]))
    assert str(forced.diverged) == "step 3: a is blocked: a wants n, held by b"
    assert forced.outcome == Outcome("deadlocked", ())


def test_a_schedule_that_asks_an_ended_thread_says_so() -> None:
    forced = force(COUNTER, Schedule(["a"] * 4))
    assert str(forced.diverged) == "step 4: a has no step left: it has ended (finished)"
    assert forced.outcome is None


class ForgetfulMemory(dict[Hashable, Any]):
    """Memory that keeps only even numbers."""

    def __setitem__(self, location: Hashable, value: Any) -> None:
        super().__setitem__(location, value - value % 2)


def test_memory_with_another_meaning_is_noticed_at_the_first_step_that_shows_it() -> None:
    schedule = Schedule(["a", "a", "a", "b", "b", "b"])
    forced = force(COUNTER, schedule, memory=ForgetfulMemory)
    difference = first_difference(forced, model(COUNTER, schedule))
    assert str(difference) == "step 4: b: read count gave 0 on real threads, 1 in the model"


def test_memory_with_another_meaning_is_noticed_at_the_end_at_the_latest() -> None:
    program = Program({"a": increment}, memory={"count": 0})
    schedule = Schedule(["a", "a", "a"])
    difference = first_difference(force(program, schedule, memory=ForgetfulMemory), model(program, schedule))
    assert difference is not None
    assert "real threads ended as count=0, the model as count=1" in str(difference)


def test_a_body_that_never_comes_back_is_ended_at_the_limit() -> None:
    def spins() -> Body:
        yield Pause()
        while True:
            time.sleep(0.001)

    forced = force(Program({"a": spins}), Schedule(["a"]), timeout=0.2)
    assert str(forced.diverged) == "step 1: a did not come back from it within 0.2 s"
    assert forced.running == ()


def test_two_hundred_threads_are_no_trouble() -> None:
    program = Program({f"t{n}": increment for n in range(200)}, memory={"count": 0})
    forced = force(program, Schedule([f"t{n}" for _ in range(3) for n in range(200)]))
    assert str(forced.outcome) == "count=1"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda: iter([1]), "not a generator function"),
        (lambda: (yield 3), "expected an operation"),
        (lambda: (yield Read("coutn")), "did you mean 'count'"),
        (lambda: (yield Acquire("coutn")), "does not have"),
    ],
)
def test_a_body_at_fault_is_named_and_nothing_is_left(body: Any, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        force(Program({"a": body}, memory={"count": 0}), Schedule(["a"]))


def test_an_unknown_thread_or_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ScheduleError, match=r"step 1 names thread 'z'; known: a, b"):
        force(COUNTER, Schedule(["z"]))
    with pytest.raises(UsageError, match="seconds above 0"):
        force(COUNTER, Schedule([]), timeout=0)
