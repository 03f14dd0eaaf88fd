"""Who can run for ever, and who is to blame: one small program for each verdict."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from simulator.errors import LimitError
from simulator.ops import Acquire, Operation, Read, Release, TryAcquire, Write
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.endless import Fairness, can_run_for_ever

Body = Generator[Operation, Any, None]


def spin(flag: str) -> Body:
    """Busy waiting, with one place to look: up to 3.13 the test of a `while` stands twice in the bytecode."""
    while True:
        if (yield Read(flag)):
            return


def set_(flag: str) -> Body:
    yield Write(flag, True)


def set_under(lock: str, flag: str) -> Body:
    yield Acquire(lock)
    yield Write(flag, True)
    yield Release(lock)


def poll_under(lock: str, flag: str) -> Body:
    """Looks again and again, each time under the lock."""
    while True:
        yield Acquire(lock)
        ready = yield Read(flag)
        yield Release(lock)
        if ready:
            return


def polite(first: str, second: str) -> Body:
    """Takes one lock, tries the other, and gives way if that is taken."""
    while True:
        yield Acquire(first)
        if (yield TryAcquire(second)):
            break
        yield Release(first)
    yield Release(second)
    yield Release(first)


def test_a_program_that_ends_is_not_endless() -> None:
    assert can_run_for_ever(Program({"a": partial(set_, "x"), "b": partial(set_, "x")}, memory={"x": False})) is None


def test_a_deadlock_is_an_end() -> None:
    def twice() -> Body:
        yield Acquire("l")
        yield Acquire("l")

    assert can_run_for_ever(Program({"a": twice}, locks=["l"])) is None


def test_a_busy_wait_goes_on_only_while_the_other_thread_is_never_scheduled() -> None:
    found = can_run_for_ever(Program({"a": partial(spin, "x"), "b": partial(set_, "x")}, memory={"x": False}))
    assert found is not None
    assert (found.kind, found.fairness, found.moving, found.passed_over) == (
        "starvation",
        Fairness.NONE,
        ("a",),
        ("b",),
    )
    assert found.why == "a can go round for ever, but only while b could move all the time and is never scheduled"


def test_a_busy_wait_for_what_nobody_sets_is_a_livelock() -> None:
    found = can_run_for_ever(
        Program({"a": partial(spin, "x"), "b": partial(set_, "y")}, memory={"x": False, "y": False})
    )
    assert found is not None
    assert (found.kind, found.moving, found.passed_over, str(found.stem)) == ("livelock", ("a",), (), "b")


def test_a_busy_wait_for_a_thread_that_is_stuck_is_a_livelock() -> None:
    def lost() -> Body:
        yield Acquire("l")
        yield Acquire("l")
        yield Write("x", True)

    found = can_run_for_ever(Program({"a": partial(spin, "x"), "b": lost}, memory={"x": False}, locks=["l"]))
    assert found is not None
    assert (found.kind, found.moving, found.passed_over) == ("livelock", ("a",), ())


def test_polling_under_a_lock_can_keep_it_from_the_one_who_is_waited_for() -> None:
    program = Program(
        {"a": partial(poll_under, "l", "x"), "b": partial(set_under, "l", "x")}, memory={"x": False}, locks=["l"]
    )
    found = can_run_for_ever(program)
    assert found is not None
    assert (found.kind, found.fairness, found.passed_over) == ("starvation", Fairness.WEAK, ("b",))
    assert str(found.cycle) == "a*3"
    assert found.why == "a can go round for ever while b could move again and again and is passed over each time"


def test_giving_way_to_each_other_can_go_on_for_ever() -> None:
    found = can_run_for_ever(
        Program({"a": partial(polite, "l", "m"), "b": partial(polite, "m", "l")}, locks=["l", "m"])
    )
    assert found is not None
    assert (found.kind, found.moving, found.passed_over) == ("livelock", ("a", "b"), ())
    assert str(found) == (
        "livelock: a and b can go round for ever though no thread that can move is passed over: again and again a b a b a b"
    )


def test_giving_way_in_one_direction_ends_if_the_other_is_scheduled() -> None:
    found = can_run_for_ever(
        Program({"a": partial(polite, "l", "m"), "b": partial(polite, "m", "n")}, locks=["l", "m", "n"])
    )
    assert found is not None
    assert (found.kind, found.fairness, found.passed_over) == ("starvation", Fairness.NONE, ("b",))


def test_the_worst_cycle_is_told_not_the_nearest() -> None:
    # A busy wait right at the beginning, and a livelock of the two others once it is over.
    program = Program(
        {
            "s": partial(spin, "x"),
            "a": partial(polite, "l", "m"),
            "b": partial(polite, "m", "l"),
            "c": partial(set_, "x"),
        },
        memory={"x": False},
        locks=["l", "m"],
    )
    found = can_run_for_ever(program)
    assert found is not None
    assert (found.fairness, found.moving) == (Fairness.STRONG, ("a", "b"))


def test_a_fair_cycle_inside_a_component_that_is_not_fair_is_found() -> None:
    """The three can all come back to where they began, but not if b moves, which ends it. With the lock kept, b cannot."""

    def keeps_the_lock_until_it_may_go() -> Body:
        while not (yield Read("stop")):
            yield Acquire("l")
            while not (yield Read("go")):
                pass
            yield Release("l")

    def toggles() -> Body:
        while not (yield Read("stop")):
            yield Write("go", False)
            yield Write("go", True)

    found = can_run_for_ever(
        Program(
            {"a": keeps_the_lock_until_it_may_go, "b": partial(set_under, "l", "stop"), "c": toggles},
            memory={"go": True, "stop": False},
            locks=["l"],
        )
    )
    assert found is not None
    assert (found.kind, found.moving, found.passed_over) == ("livelock", ("a", "c"), ())


def test_the_limit_on_states_is_exact() -> None:
    program = Program({"a": partial(spin, "x"), "b": partial(set_, "x")}, memory={"x": False})
    # a looking or done; b before or after its write; done means written.
    assert can_run_for_ever(program, Budget(max_states=3)) is not None
    with pytest.raises(LimitError, match="more than 2 states"):
        can_run_for_ever(program, Budget(max_states=2))


def test_too_many_states_are_no_answer() -> None:
    def counts() -> Body:
        while True:
            value = yield Read("x")
            yield Write("x", value + 1)

    program = Program({"a": counts}, memory={"x": 0})
    with pytest.raises(LimitError, match=r"not known: it has more than 1,000 states \(max_states\)"):
        can_run_for_ever(program, Budget(max_states=1000))
    with pytest.raises(LimitError, match=r"not known: the time was up \(timeout\)"):
        can_run_for_ever(program, Budget(timeout=0.01))


def test_the_verdict_is_plain_types_too() -> None:
    found = can_run_for_ever(Program({"a": partial(spin, "x")}, memory={"x": False}))
    assert found is not None
    assert found.to_dict() == {
        "kind": "livelock",
        "fairness": "strongly fair",
        "why": "a can go round for ever though no thread that can move is passed over",
        "stem": "",
        "cycle": "a",
        "moving": ["a"],
        "passed_over": [],
        "shortest": True,
    }
