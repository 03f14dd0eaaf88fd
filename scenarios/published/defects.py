"""Models of programs with a known defect that only some interleavings show: a check that fails, or a deadlock."""

from __future__ import annotations

import operator
from functools import partial
from typing import Annotated

from scenarios.published.parts import Steps, numbered
from simulator.ops import Acquire, Check, Read, Release, Update, Write
from simulator.program import Program
from simulator.scenario import Range, scenario

__all__ = ["account", "bluetooth", "carter01", "deadlock01", "lazy01", "reorder", "token_ring", "twostage"]


def check_balance() -> Steps:
    """Once both transactions are done, look at the balance."""
    yield Acquire("m")
    if (yield Read("dd")) and (yield Read("wd")):
        balance = yield Read("bal")
        yield Check(balance == -5, "the balance is not -5")
    yield Release("m")


def transact(amount: int, done: str) -> Steps:
    """Change the balance and say that it is done."""
    yield Acquire("m")
    balance = yield Read("bal")
    yield Write("bal", balance + amount)
    yield Write(done, 1)
    yield Release("m")


@scenario(summary="A deposit, a withdrawal and a check of the balance that expects the wrong amount.")
def account() -> Program:
    """All under one lock: deposit 2, withdraw 4, and a third thread that, when both are done, expects a balance of −5."""
    return Program(
        numbered(check_balance, partial(transact, 2, "dd"), partial(transact, -4, "wd")),
        memory={"bal": 1, "dd": 0, "wd": 0},
        locks=["m"],
        name="account",
    )


def leave() -> Steps:
    """One pending user less; the last one raises the event."""
    before = yield Update("pending", operator.sub, 1)
    if before == 1:
        yield Write("event", 1)


def work() -> Steps:
    """Use the driver if it is not stopping; it must not stop meanwhile."""
    if (yield Read("stopping")) == 0:
        yield Update("pending", operator.add, 1)
        stopped = yield Read("stopped")
        yield Check(not stopped, "the driver was stopped while it is used")
    yield from leave()


def stop() -> Steps:
    """Announce the stop, and stop when nobody is pending any more."""
    yield Write("stopping", 1)
    yield from leave()
    if (yield Read("event")):
        yield Write("stopped", 1)


@scenario(summary="The Bluetooth driver: it can be stopped between a user's look and the user's entry.")
def bluetooth() -> Program:
    """A user looks whether the driver is stopping, enters and expects it not to be stopped; beside it, the stop."""
    return Program(
        numbered(work, stop), memory={"pending": 1, "stopping": 0, "stopped": 0, "event": 0}, name="bluetooth"
    )


def enter_and_leave(own: str) -> Steps:
    """The first of a kind takes the lock l for all of its kind, the last gives it back; m guards their number."""
    yield Acquire("m")
    value = yield Read(own)
    yield Write(own, value + 1)
    if (yield Read(own)) == 1:
        yield Acquire("l")
    yield Release("m")
    yield Acquire("m")
    value = yield Read(own)
    yield Write(own, value - 1)
    if (yield Read(own)) == 0:
        yield Release("l")
    yield Release("m")


@scenario(summary="Two kinds of users share a lock by counting themselves under another: a deadlock.")
def carter01() -> Program:
    """Users of kind A and B: the first of a kind acquires l while it holds m, which the other needs to give l back."""
    return Program(
        numbered(partial(enter_and_leave, "A"), partial(enter_and_leave, "B")),
        memory={"A": 0, "B": 0},
        locks=["m", "l"],
        name="carter01",
    )


def increment_under(first: str, second: str) -> Steps:
    """Add 1 to c under two locks, taken in this order."""
    yield Acquire(first)
    yield Acquire(second)
    value = yield Read("c")
    yield Write("c", value + 1)
    yield Release(second)
    yield Release(first)


@scenario(summary="Two threads take two locks in opposite orders: the classic deadlock.")
def deadlock01() -> Program:
    """Two threads add 1 under both locks, one takes a and then b, the other b and then a."""
    return Program(
        numbered(partial(increment_under, "a", "b"), partial(increment_under, "b", "a")),
        memory={"c": 0},
        locks=["a", "b"],
        name="deadlock01",
    )


def add_under_lock(amount: int) -> Steps:
    """Add to d under the lock."""
    yield Acquire("m")
    value = yield Read("d")
    yield Write("d", value + amount)
    yield Release("m")


def expect_less_than_three() -> Steps:
    """Fails when both additions were first."""
    yield Acquire("m")
    value = yield Read("d")
    yield Check(value < 3, "d is 3 already")
    yield Release("m")


@scenario(summary="Two additions under a lock, and a thread that expects not to come after both.")
def lazy01() -> Program:
    """Under one lock: d += 1 beside d += 2 beside a check that d is less than 3."""
    return Program(
        numbered(partial(add_under_lock, 1), partial(add_under_lock, 2), expect_less_than_three),
        memory={"d": 0},
        locks=["m"],
        name="lazy01",
    )


def set_both() -> Steps:
    """Two writes that belong together."""
    yield Write("a", 1)
    yield Write("b", -1)


def expect_both_or_none() -> Steps:
    """Each look reads a, and b only if a is as it should be."""
    if (yield Read("a")) == 0 and (yield Read("b")) == 0:
        return
    if (yield Read("a")) == 1 and (yield Read("b")) == -1:
        return
    yield Check(False, "of a and b, one is seen set and the other is not")


@scenario(summary="Setters write a, then b; checkers expect to see both or neither.")
def reorder(
    setters: Annotated[int, Range(1, 64), "how many threads set a and b"] = 2,
    checkers: Annotated[int, Range(1, 64), "how many threads check them"] = 1,
) -> Program:
    """Setters: a = 1; b = −1. Checkers: fine if a is 0 and b is 0, else fine if a is 1 and b is −1, else the check fails."""
    return Program(
        numbered(*[set_both] * setters, *[expect_both_or_none] * checkers), memory={"a": 0, "b": 0}, name="reorder"
    )


def pass_on(number: int) -> Steps:
    """Copy the value of the one before; the first one adds 1 to it (modulo 4)."""
    yield Acquire("m")
    before = yield Read(("x", (number - 2) % 3 + 1))
    yield Write(("x", number), (before + 1) % 4 if number == 1 else before)
    yield Write(("f", number), 1)
    yield Release("m")


def expect_all_equal() -> Steps:
    """Once all have passed the token on, compare them."""
    yield Acquire("m")
    if (yield Read(("f", 1))) and (yield Read(("f", 2))) and (yield Read(("f", 3))):
        first = yield Read(("x", 1))
        second = yield Read(("x", 2))
        third = yield Read(("x", 3))
        yield Check(first == second == third, "the tokens differ")
    yield Release("m")


@scenario(summary="Three threads pass a token round; a fourth expects all to have the same in the end.")
def token_ring() -> Program:
    """Under one lock: x1 = (x3 + 1) mod 4 beside x2 = x1 beside x3 = x2; a check that all are equal once all have run."""
    return Program(
        numbered(*(partial(pass_on, number) for number in (1, 2, 3)), expect_all_equal),
        memory={("x", 1): 1, ("x", 2): 2, ("x", 3): 1, **{("f", number): 0 for number in (1, 2, 3)}},
        locks=["m"],
        name="token-ring",
    )


def write_in_two_stages() -> Steps:
    """Set d1 under one lock, then d2 to one more under the other."""
    yield Acquire("l1")
    yield Write("d1", 1)
    yield Release("l1")
    yield Acquire("l2")
    value = yield Read("d1")
    yield Write("d2", value + 1)
    yield Release("l2")


def expect_the_second_stage() -> Steps:
    """If d1 is set, expect d2 to be one more."""
    yield Acquire("l1")
    if (yield Read("d1")) == 0:
        yield Release("l1")
        return
    first = yield Read("d1")
    yield Release("l1")
    yield Acquire("l2")
    second = yield Read("d2")
    yield Release("l2")
    yield Check(second == first + 1, "d2 is not one more than d1")


@scenario(summary="Writers update two locations under two locks, one after the other; readers expect both.")
def twostage(
    writers: Annotated[int, Range(1, 64), "how many threads write"] = 1,
    readers: Annotated[int, Range(1, 64), "how many threads read"] = 1,
) -> Program:
    """Writers: d1 = 1 under l1, then d2 = d1 + 1 under l2. Readers: if d1 is set (under l1), d2 must be d1 + 1 (under l2)."""
    return Program(
        numbered(*[write_in_two_stages] * writers, *[expect_the_second_stage] * readers),
        memory={"d1": 0, "d2": 0},
        locks=["l1", "l2"],
        name="twostage",
    )
