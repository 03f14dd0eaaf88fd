"""What each operation does, state by state. The machine alone decides it, so here is the whole table."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Generator
from typing import Any

import pytest

from simulator.census import count
from simulator.errors import InternalError
from simulator.machine import LayoutFull, Machine
from simulator.ops import Acquire, Add, CompareAndSwap, Operation, Pause, Read, Release, TryAcquire, Update, Write
from simulator.program import Program
from simulator.search.replay import replay
from simulator.trace import Run

Body = Generator[Any, Any, None]


def doing(*operations: Operation) -> Callable[[], Body]:
    def body() -> Body:
        for operation in operations:  # noqa: UP028 - a tuple's iterator takes no answers
            yield operation

    return body


def alone(*operations: Operation, x: Any = 0) -> Run:
    program = Program({"a": doing(*operations)}, memory={"x": x}, locks=["m"], rlocks=["r"])
    return replay(program, ["a"] * len(operations))


@pytest.mark.parametrize(
    ("operation", "answer", "x"),
    [
        (Read("x"), 1, 1),
        (Write("x", 7), None, 7),
        (Add(1, 2), 3, 1),
        (Add("a", "b"), "ab", 1),
        (Update("x", operator.add, 4), 1, 5),
        (Update("x", lambda value: (value,)), 1, (1,)),
        (CompareAndSwap("x", 1, 9), True, 9),
        (CompareAndSwap("x", 2, 9), False, 1),
        (Acquire("m"), None, 1),
        (TryAcquire("m"), True, 1),
        (TryAcquire("r"), True, 1),
        (Pause(3), None, 1),
    ],
    ids=repr,
)
def test_what_an_operation_answers_and_leaves(operation: Operation, answer: object, x: object) -> None:
    run = alone(operation, x=1)
    assert run.events[0].answer == answer
    assert run.final.memory == {"x": x}
    assert run.events[0].before == (1 if run.events[0].footprint.name == "x" else None)


def enabled(second: Operation, *first: Operation) -> bool:
    """Whether b can do `second` after a did all of `first`."""
    program = Program({"a": doing(*first, Pause()), "b": doing(second)}, memory={"x": 0}, locks=["m"], rlocks=["r"])
    return "b" in replay(program, ["a"] * len(first)).final.enabled


def test_a_plain_lock_blocks_everybody() -> None:
    assert not enabled(Acquire("m"), Acquire("m"))
    assert enabled(Acquire("m"), Acquire("m"), Release("m"))
    assert enabled(TryAcquire("m"), Acquire("m"))
    assert enabled(Read("x"), Acquire("m"))
    assert alone(Acquire("m"), Pause()).final.held == {"a": ("m",)}
    program = Program({"a": doing(Acquire("m"), Acquire("m"))}, locks=["m"])
    assert [str(outcome) for outcome in count(program).outcomes] == ["deadlocked"]


def test_a_re_entrant_lock_blocks_the_others_until_it_is_given_back_as_often_as_taken() -> None:
    twice = (Acquire("r"), Acquire("r"))
    assert not enabled(Acquire("r"), *twice, Release("r"))
    assert enabled(Acquire("r"), *twice, Release("r"), Release("r"))
    assert enabled(Acquire("r"), Acquire("r"), TryAcquire("r"), Release("r"), Release("r"))


def test_a_try_says_whether_it_got_the_lock() -> None:
    program = Program({"a": doing(Acquire("m")), "b": doing(TryAcquire("m"))}, locks=["m"])
    assert replay(program, "b").events[0].answer is True
    assert replay(program, "a b").events[1].answer is False
    assert alone(TryAcquire("m"), TryAcquire("m")).events[1].answer is False
    assert alone(TryAcquire("r"), TryAcquire("r")).events[1].answer is True


def test_releasing_what_is_not_held_raises_in_the_body_without_a_step() -> None:
    def body() -> Body:
        try:
            yield Release("m")
        except RuntimeError as error:
            yield Write("x", str(error))

    run = replay(Program({"a": body}, memory={"x": 0}, locks=["m"]), "a")
    assert run.final.memory["x"] == "release of a lock that is not held"
    assert [notice.what for notice in run.start["a"]] == ["release of a lock not held"]  # type: ignore[union-attr]


def test_a_lock_of_another_is_not_released() -> None:
    def body() -> Body:
        yield Pause()
        yield Release("m")

    program = Program({"a": doing(Acquire("m"), Pause()), "b": body}, locks=["m"])
    run = replay(program, "a b a")
    assert run.outcome is not None
    assert run.outcome.how == "crashed"
    assert run.final.owners == {"m": "a"}


def test_releasing_for_ever_without_a_step_is_refused() -> None:
    def body() -> Body:
        while True:
            with contextlib.suppress(RuntimeError):
                yield Release("m")

    with pytest.raises(Exception, match="over and over without a step"):
        Machine(Program({"a": body}, locks=["m"]))


def test_a_step_that_is_not_enabled_is_our_mistake() -> None:
    machine = Machine(Program({"a": doing(Acquire("m"), Acquire("m"))}, locks=["m"]))
    state, _ = machine.step(machine.initial, 0)
    assert machine.enabled(state) == ()
    with pytest.raises(InternalError):
        machine.step(state, 0)


def test_states_are_the_same_where_nothing_differs() -> None:
    machine = Machine(Program({"a": doing(Write("x", 1)), "b": doing(Write("y", 1))}, memory={"x": 0, "y": 0}))
    one = machine.step(machine.step(machine.initial, 0)[0], 1)[0]
    other = machine.step(machine.step(machine.initial, 1)[0], 0)[0]
    assert one == other
    assert machine.initial == Machine(machine.program).initial


def test_true_is_not_one_in_memory() -> None:
    def truth() -> Body:
        yield Write("x", True)

    def number() -> Body:
        yield Write("x", 1)

    machine = Machine(Program({"a": truth, "b": number}, memory={"x": 0}))
    one = machine.step(machine.step(machine.initial, 0)[0], 1)[0]
    other = machine.step(machine.step(machine.initial, 1)[0], 0)[0]
    assert one != other
    assert [repr(machine.memory(state)["x"]) for state in (one, other)] == ["1", "True"]


def test_a_full_layout_is_widened() -> None:
    program = Program({"a": doing(*(Write("x", number) for number in range(10)))}, memory={"x": 0})
    machine = Machine(program, bits=(1, 1))
    with pytest.raises(LayoutFull):
        count_steps(machine)
    wide = machine.widened().widened().widened()
    assert count_steps(wide) == 10


def count_steps(machine: Machine) -> int:
    state, steps = machine.initial, 0
    while machine.enabled(state):
        state, _ = machine.step(state, 0)
        steps += 1
    return steps


def test_how_runs_end() -> None:
    def crash() -> Body:
        yield Pause()
        raise ValueError

    def fail() -> Body:
        yield Pause()
        raise AssertionError

    stuck = doing(Acquire("m"), Acquire("m"))
    for bodies, how in [
        ([doing(Pause())], "finished"),
        ([stuck], "deadlocked"),
        ([stuck, fail], "failed check"),
        ([stuck, fail, crash], "crashed"),
    ]:
        program = Program({f"t{number}": body for number, body in enumerate(bodies)}, locks=["m"])
        assert {outcome.how for outcome in count(program).outcomes} == {how}
