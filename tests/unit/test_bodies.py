"""Bodies: what a generator may do, what it is told when it may not, and how nondeterminism is found out."""

from __future__ import annotations

import gc
import itertools
import random
import re
import time
from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from simulator import bodies
from simulator.bodies import Automaton, End, Raised
from simulator.census import count
from simulator.errors import LimitError, NondeterminismError, ProgramError
from simulator.explore import check, explore
from simulator.machine import Machine
from simulator.ops import Acquire, Check, Pause, Read, Release, Update, Write
from simulator.program import Program
from simulator.search.budget import Budget, Stop
from simulator.search.naive import interleavings

Body = Generator[Any, Any, Any]


def line_of(body: Any, offset: int) -> str:
    """The source line that stands so many lines below the body's first one, as messages name it."""
    return f"test_bodies.py:{body.__code__.co_firstlineno + offset}"


def walk(*bodies_: Any, **more: Any) -> None:
    program = Program({f"t{n}": body for n, body in enumerate(bodies_)}, memory={"x": 0, "y": 0}, locks=["m"], **more)
    for _ in interleavings(Machine(program), max_steps=20):
        pass


def end_of(body: Any, *answers: Any) -> End | None:
    automaton = Automaton(body, thread="a", merge=True)
    node = 0
    for answer in answers:
        node = automaton.after(node, answer)
    return automaton.ends[node]


def reader() -> Body:
    yield Read("x")


# -- nondeterminism


def test_a_random_number_is_found_out() -> None:
    def body() -> Body:
        yield Write("x", random.random())

    with pytest.raises(NondeterminismError) as caught:
        walk(body, body)
    said = str(caught.value)
    assert "'body'" in said
    assert line_of(body, 1) in said
    assert len(re.findall(r"Write\(location='x', value=0\.\d+\)", said)) == 2
    assert "take clocks, random numbers and shared Python objects out of it" in said


def test_a_clock_is_found_out() -> None:
    def body() -> Body:
        yield Write("x", time.perf_counter_ns())

    with pytest.raises(NondeterminismError, match=re.escape(line_of(body, 1))):
        walk(body)


def test_a_list_shared_behind_our_back_is_found_out() -> None:
    shared: list[int] = []

    def body() -> Body:
        yield Pause()
        shared.append(1)
        yield Write("x", len(shared))

    with pytest.raises(NondeterminismError) as caught:
        walk(body)
    assert "value=1" in str(caught.value)
    assert "value=2" in str(caught.value)


TURNS = 0


def test_a_global_counter_is_found_out() -> None:
    def body() -> Body:
        global TURNS
        TURNS += 1
        if TURNS % 2:
            yield Read("x")
        else:
            yield Read("y")

    with pytest.raises(NondeterminismError, match=r"first did Read\(location='x'\) and then Read\(location='y'\)"):
        walk(body)


def test_a_body_that_ends_sooner_the_second_time_is_found_out() -> None:
    turns = itertools.count()

    def body() -> Body:
        yield Read("x")
        if next(turns) == 0:
            yield Read("y")

    with pytest.raises(NondeterminismError, match=r"first did Read\(location='y'\) and then finished"):
        walk(body)


def test_a_body_that_goes_on_the_second_time_is_found_out() -> None:
    turns = itertools.count()

    def body() -> Body:
        yield Read("x")
        if next(turns) > 0:
            yield Read("y")

    with pytest.raises(NondeterminismError, match=r"first did finished and then Read\(location='y'\)"):
        walk(body)


def test_a_default_argument_that_is_filled_is_found_out() -> None:
    def body(log: list[int] = []) -> Body:  # noqa: B006
        yield Pause()
        log.append(1)
        yield Write("x", len(log))

    with pytest.raises(NondeterminismError):
        walk(body)


def test_a_lambda_written_in_the_body_is_the_same_each_time() -> None:
    def body() -> Body:
        step = 2
        old = yield Update("x", lambda value: value + step)
        if old:
            yield Pause()

    walk(body, body)


# -- what is not a body


def test_a_function_that_does_not_yield() -> None:
    def body() -> int:
        return 3

    with pytest.raises(ProgramError) as caught:
        walk(body)
    assert str(caught.value).endswith("calling it returned 3; write its operations as 'yield Read(...)'")
    assert f"test_bodies.py:{body.__code__.co_firstlineno}" in str(caught.value)


def test_a_call_of_the_generator_function() -> None:
    with pytest.raises(ProgramError, match="pass the generator function itself, not a call of it"):
        Program({"a": reader()}, memory={"x": 0})  # type: ignore[dict-item]


def test_a_body_that_wants_arguments() -> None:
    def body(times: int) -> Body:
        yield Read("x")

    with pytest.raises(ProgramError, match=r"missing 1 required .* 'times'; a body takes no arguments"):
        walk(body)


def test_a_body_that_raises_before_it_is_a_generator() -> None:
    def body() -> Body:
        raise ValueError("no")

    with pytest.raises(ProgramError, match="raised ValueError before its first step: no"):
        walk(body)


@pytest.mark.parametrize("wrong", [3, None, "read x", ("x",)], ids=repr)
def test_yielding_what_is_not_an_operation(wrong: Any) -> None:
    def body() -> Body:
        yield Pause()
        yield wrong

    with pytest.raises(ProgramError) as caught:
        walk(body)
    expected = f"{line_of(body, 2)}: thread 't0' yielded {wrong!r}, expected an operation"
    assert str(caught.value).endswith(expected)


def test_yielding_an_operations_class() -> None:
    def body() -> Body:
        yield Pause

    with pytest.raises(ProgramError, match=r"expected an operation; write Pause\(\.\.\.\)"):
        walk(body)


def test_yielding_a_generator() -> None:
    def body() -> Body:
        yield reader()

    with pytest.raises(ProgramError, match="use 'yield from' for a helper that yields operations itself"):
        walk(body)


UNHASHABLE: list[Any] = [Write("x", [1]), Read(["x"]), Acquire({}), Update("x", max, [1])]  # type: ignore[arg-type]


@pytest.mark.parametrize("operation", UNHASHABLE, ids=repr)
def test_operands_that_cannot_be_hashed(operation: Any) -> None:
    def body() -> Body:
        yield operation

    with pytest.raises(ProgramError) as caught:
        walk(body)
    assert line_of(body, 1) in str(caught.value)
    assert "cannot be hashed" in str(caught.value)


def test_an_update_that_makes_what_cannot_be_hashed() -> None:
    def body() -> Body:
        yield Update("x", lambda value: [value])

    with pytest.raises(ProgramError, match=r"writes \[0\] to 'x', which cannot be hashed"):
        walk(body)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (Read("z"), "wants to 'read z', but the program has no memory location 'z'; known: x, y"),
        (Write("xx", 1), "has no memory location 'xx'; did you mean 'x'?"),
        (Acquire("n"), "wants to 'acquire n', but the program has no lock 'n'; known: m"),
        (Release("n"), "wants to 'release n', but the program has no lock 'n'; known: m"),
    ],
    ids=repr,
)
def test_names_that_the_program_does_not_have(operation: Any, said: str) -> None:
    def body() -> Body:
        yield operation

    with pytest.raises(ProgramError) as caught:
        walk(body)
    assert said in str(caught.value)
    assert line_of(body, 1) in str(caught.value)


# -- how bodies end


def test_a_body_that_returns() -> None:
    assert end_of(reader, 0) == End("finished")


def test_a_body_that_raises_crashes_at_its_line() -> None:
    def body() -> Body:
        value = yield Read("x")
        return 1 // value

    end = end_of(body, 0)
    assert end is not None
    # Up to 3.13: "integer division or modulo by zero".
    assert end.how == "crashed"
    assert re.fullmatch("ZeroDivisionError: .*by zero", end.message)
    assert str(end.where) == line_of(body, 2)


def test_a_failing_assert_is_a_failed_check_at_its_line() -> None:
    def body() -> Body:
        value = yield Read("x")
        assert value, "nothing there"

    end = end_of(body, 0)
    assert end is not None
    assert (end.how, str(end.where)) == ("failed check", line_of(body, 2))
    assert end.message.startswith("nothing there")


def test_an_assert_in_a_helper_names_the_helpers_line() -> None:
    def helper(value: int) -> Body:
        yield Pause()
        assert value

    def body() -> Body:
        yield from helper((yield Read("x")))

    end = end_of(body, 0, None)
    assert end is not None
    assert str(end.where) == line_of(helper, 2)


def test_a_check_takes_no_step_and_ends_the_body_when_it_is_false() -> None:
    def body() -> Body:
        value = yield Read("x")
        yield Check(value == 1, "is one")
        yield Pause()

    automaton = Automaton(body, thread="a", merge=True)
    assert automaton.operations[automaton.after(0, 1)] == Pause()
    end = automaton.ends[automaton.after(0, 2)]
    assert end is not None
    assert (end.how, end.message, str(end.where)) == ("failed check", "is one", line_of(body, 2))


def test_a_body_may_catch_its_failed_check() -> None:
    def body() -> Body:
        try:
            yield Check(False)
        except AssertionError:
            yield Write("x", 1)

    automaton = Automaton(body, thread="a", merge=True)
    assert automaton.operations[0] == Write("x", 1)


def test_a_body_that_only_checks_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "CHECKS_WITHOUT_STEP", 100)

    def body() -> Body:
        while True:
            yield Check(True)

    with pytest.raises(ProgramError, match="yielded 100 checks without a step"):
        walk(body)


def test_what_an_operation_raises_is_raised_in_the_body() -> None:
    def body() -> Body:
        try:
            yield Update("x", lambda value: 1 // value)
        except ZeroDivisionError:
            yield Write("x", 7)

    assert [str(outcome) for outcome in count(Program({"a": body}, memory={"x": 0})).outcomes] == ["x=7"]
    automaton = Automaton(body, thread="a", merge=True)
    assert automaton.operations[automaton.after(0, Raised(ZeroDivisionError("no")))] == Write("x", 7)


def test_a_deep_recursion_is_a_crash_and_not_ours() -> None:
    def deeper() -> Body:
        yield from deeper()

    end = Automaton(deeper, thread="a", merge=True).ends[0]
    assert end is not None
    assert end.how == "crashed"
    assert end.message.startswith("RecursionError")


def test_a_finally_that_yields_a_release_runs_when_a_check_fails() -> None:
    def body() -> Body:
        yield Acquire("m")
        try:
            assert (yield Read("x"))
        finally:
            yield Release("m")

    runs = list(explore(Program({"a": body, "b": body}, memory={"x": 0}, locks=["m"])))
    assert [str(run.schedule) for run in runs] == ["a*3 b*3", "b*3 a*3"]
    assert {run.outcome.how for run in runs if run.outcome} == {"failed check"}
    assert all(owner is None for run in runs for owner in run.final.owners.values())


def test_generators_left_parked_are_closed_without_noise() -> None:
    """A `finally` that yields makes `close` raise; warnings are errors here, so a message on stderr would fail this."""

    def body() -> Body:
        yield Acquire("m")
        try:
            value = yield Read("x")
            if value:
                yield Write("x", 5)
            yield Pause()
        finally:
            yield Release("m")
            yield Pause()

    program = Program({"a": body, "b": body}, memory={"x": 0}, locks=["m"])
    machine = Machine(program)
    next(iter(interleavings(machine)))
    machine.close()
    machine = Machine(program)
    next(iter(interleavings(machine)))
    del machine
    gc.collect()


def test_an_automaton_goes_on_after_close() -> None:
    def body() -> Body:
        value = yield Read("x")
        yield Write("x", value + 1)

    machine = Machine(Program({"a": body, "b": body}, memory={"x": 0}))
    found = interleavings(machine)
    next(found)
    machine.close()
    assert len(list(found)) == 5


# -- bodies without end


def endless() -> Body:
    number = 0
    while True:
        number = (number + 1) % 200
        yield Write("x", number)


def spinning() -> Body:
    while True:
        yield Read("x")


def test_an_endless_body_under_each_budget() -> None:
    program = Program({"a": endless}, memory={"x": 0})
    assert check(program, budget=Budget(max_states=100)).stop is Stop.STATES
    assert check(program, budget=Budget(max_steps=50)).stop is Stop.STEPS
    assert check(program, scheduler="naive", budget=Budget(max_steps=50)).stop is Stop.STEPS
    sampled = check(program, scheduler="random", seed=1, budget=Budget(max_steps=50, max_interleavings=3))
    assert sampled.stop is Stop.SAMPLED
    assert not check(program, budget=Budget(max_states=100)).complete


def test_a_body_that_never_comes_back_to_a_place_under_a_timeout() -> None:
    def body() -> Body:
        for number in itertools.count():
            yield Write("x", number)

    assert check(Program({"a": body}, memory={"x": 0}), budget=Budget(timeout=0.05)).stop is Stop.TIMEOUT


def test_an_endless_body_that_comes_back_to_its_place_is_complete_in_the_graph_and_cannot_be_counted() -> None:
    program = Program({"a": spinning, "b": spinning}, memory={"x": 0})
    report = check(program)
    assert report.complete
    assert report.census is None
    assert "for ever" in report.census_missing
    with pytest.raises(LimitError, match="can run for ever"):
        count(program)
    assert {outcome.how for outcome in count(program, max_steps=5).outcomes} == {"out of steps"}


# -- other kinds of bodies


def test_a_lambda_can_be_a_body() -> None:
    program = Program({"a": lambda: (yield Write("x", 1))}, memory={"x": 0})
    assert [str(outcome) for outcome in count(program).outcomes] == ["x=1"]


def test_partial_bodies_with_the_same_arguments_are_interchangeable() -> None:
    def body(value: int, *, times: int = 1) -> Body:
        for _ in range(times):
            yield Write("x", value)

    program = Program(
        {
            "a": partial(body, 1),
            "b": partial(body, 2),
            "c": partial(body, 1),
            "d": partial(body, 1, times=2),
            "e": partial(body, True),
            "f": partial(partial(body, 1), times=2),
        },
        memory={"x": 0},
    )
    assert program.interchangeable() == ((0, 2), (1,), (3, 5), (4,))


def test_a_generator_method_can_be_a_body() -> None:
    class Worker:
        def run(self) -> Body:
            yield Write("x", 4)

    assert [str(outcome) for outcome in count(Program({"a": Worker().run}, memory={"x": 0})).outcomes] == ["x=4"]


# -- Ctrl-C


def test_ctrl_c_in_a_body_that_releases_its_lock_on_the_way_out_is_no_step_of_its_own() -> None:
    pressed = [True]

    def body() -> Body:
        yield Acquire("lock")
        try:
            if pressed:
                pressed.clear()
                raise KeyboardInterrupt
            yield Write("x", 1)
        finally:
            yield Release("lock")

    automaton = Automaton(body, thread="a", merge=True)
    with pytest.raises(KeyboardInterrupt):
        automaton.after(0, None)
    assert automaton.operations[automaton.after(0, None)] == Write("x", 1)


def test_ctrl_c_that_a_body_turns_into_another_error_is_no_crash() -> None:
    def body() -> Body:
        yield Pause()
        try:
            raise KeyboardInterrupt
        finally:
            raise ValueError("left half done")

    with pytest.raises(KeyboardInterrupt):
        Automaton(body, thread="a", merge=True).after(0, None)
