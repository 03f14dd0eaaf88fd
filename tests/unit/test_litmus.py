"""Litmus text: what each step means, what each mistake is told, and that its bodies do what a plain reading of them does."""

from __future__ import annotations

import json
import operator
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.census import count
from simulator.errors import UsageError
from simulator.explore import check
from simulator.litmus import Litmus, parse
from simulator.machine import Machine
from simulator.ops import Acquire, CompareAndSwap, Operation, Pause, Read, Release, TryAcquire, Update, Write
from simulator.program import Program
from simulator.search.naive import interleavings
from simulator.search.replay import run_of

GOLDEN = Path(__file__).parents[1] / "known_answers" / "golden"
litmus_tests: dict[str, Any] = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))["litmus_genmc"]
corpus: list[dict[str, Any]] = json.loads((GOLDEN / "corpus.json").read_text(encoding="utf-8"))

ADD_ONE = operator.add, 1


def outcomes(text: str) -> dict[str, int]:
    return {str(outcome): number for outcome, number in count(parse(text).program()).outcomes.items()}


# -- what steps mean


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("R x", Read("x")),
        ("W x=1", Write("x", 1)),
        ("W x = -1", Write("x", -1)),
        (f"W x={10**599}", Write("x", 10**599)),
        ("M x", Update("x", *ADD_ONE)),
        ("RMW x", Update("x", *ADD_ONE)),
        ("CAS x 0 -7", CompareAndSwap("x", 0, -7)),
        ("L m", Acquire("m")),
        ("U m", Release("m")),
        ("T m", TryAcquire("m")),
        ("P", Pause()),
        ("\n R\tx ", Read("x")),
        ("R a.b[10]", Read("a.b[10]")),
        ("R _é2", Read("_é2")),
        ("R R", Read("R")),
    ],
)
def test_each_step_is_one_operation(text: str, operation: Operation) -> None:
    assert parse(text).threads == ((operation,),)


def test_a_write_without_a_value_can_be_told_from_every_other() -> None:
    assert parse("W x; R x; W x || M y; W x").threads == (
        (Write("x", 11), Read("x"), Write("x", 13)),
        (Update("y", *ADD_ONE), Write("x", 22)),
    )


def test_memory_and_locks_stand_in_the_order_of_the_text_and_memory_starts_at_zero() -> None:
    read = parse("R y; L n || R x; L m; R y; U m")
    assert list(read.memory.items()) == [("y", 0), ("x", 0)]
    assert read.locks == ("n", "m")


def test_a_prefix_says_what_memory_starts_with() -> None:
    assert list(parse("{z=3; x = -1} R x || R y").memory.items()) == [("z", 3), ("x", -1), ("y", 0)]
    assert outcomes("{x=2} CAS x 2 5 || R x") == {"x=5": 2}


def test_threads_are_named_as_in_every_program() -> None:
    program = parse("R x || W x || P").program()
    assert program.threads == ("t0", "t1", "t2")
    assert program.name == "litmus"


def test_only_threads_that_do_the_same_are_interchangeable() -> None:
    assert parse("R x; W x || R x; W x").program().interchangeable() == ((0,), (1,))
    assert parse("R x; W x=1 || R  x;W x = 1 || R x; W x=2").program().interchangeable() == ((0, 1), (2,))
    assert parse("M x || RMW x").program().interchangeable() == ((0, 1),)


def test_a_step_s_place_is_its_thread_and_position() -> None:
    def places(text: str, schedule: list[int]) -> list[str]:
        return [str(event.where) for event in run_of(Machine(parse(text).program()), schedule).events]

    assert places("R x; W x || R y; T m; U m", [0, 0, 1, 1, 1]) == ["t0:1", "t0:2", "t1:1", "t1:2", "t1:3"]
    assert places("R x; M x || P || R x; M x", [0, 1, 2, 2, 0]) == ["t0,t2:1", "t1:1", "t0,t2:1", "t0,t2:2", "t0,t2:2"]
    assert places(" || ".join(["M x"] * 4), [3, 2, 1, 0]) == ["t0,t1,t2,…:1"] * 4


# -- try-lock: its release is passed over when it failed


def test_the_release_that_belongs_to_a_failed_try_is_passed_over() -> None:
    """t1 takes three steps where it got the lock, and two where t0 had it."""
    program = parse("L m; U m || T m; W x; U m").program()
    machine = Machine(program)
    found = [str(run_of(machine, each.schedule).schedule) for each in interleavings(machine)]
    assert found == [
        "t0*2 t1*3",
        "t0 t1 t0 t1",
        "t0 t1*2 t0",
        "t1*3 t0*2",
    ]
    assert check(program).clean


@pytest.mark.parametrize(
    ("steps", "misuse"),
    [
        ("T m; U m", False),
        ("T m; U m; T m; U m", False),
        # The second try fails, for the thread has the lock: its release is the first one, and is passed over.
        ("T m; T m; U m; U m", False),
        ("L m; T m; U m; U m", False),
        ("L m; U m; T m; U m", False),
        ("U m", True),
        ("T m; U m; U m", True),
        ("L m; U m; U m", True),
        ("T n; U m; U n", True),
    ],
)
def test_a_release_belongs_to_the_last_open_acquire_or_try(steps: str, misuse: bool) -> None:
    """Alone in its thread, beside one that takes no lock: only a release that belongs to nothing is misuse."""
    kinds = {finding.kind for finding in check(parse(f"{steps} || P").program()).findings}
    assert kinds == ({"crash", "lock misuse"} if misuse else set())


def test_locks_nest_so_the_first_release_belongs_to_the_last_try() -> None:
    machine = Machine(parse("T m; T m; U m; P; U m").program())
    run = run_of(machine, [0] * 4)
    assert [str(event) for event in run.events] == [
        "t0: try m: done",
        "t0: try m: failed",
        "t0: pause",
        "t0: release m",
    ]


def test_a_thread_goes_on_after_a_failed_try_and_a_failed_swap() -> None:
    # L T W, where the try fails; or T W, and then nobody gives t0 the lock.
    assert outcomes("L m || T m; W x=1") == {"x=1": 1, "deadlocked: x=1": 1}
    assert outcomes("{x=3} CAS x 0 1; W y=1 || P") == {"x=3 y=1": 3}


# -- mistakes


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "step 1 of thread t0 is empty"),
        ("R x ||", 7, "step 1 of thread t1 is empty"),
        ("R x || ; R x", 8, "step 1 of thread t1 is empty, at '; R x'"),
        ("R x; || R x", 6, "step 2 of thread t0 is empty, at '|| R x'"),
        ("R x || || R x", 8, "step 1 of thread t1 is empty, at '|| R x'"),
        ("R x; Q x || W x", 6, "unknown operation 'Q' (expected R, W, M, CAS, L, U, T, P), at 'Q x || W x'"),
        ("R x || r x", 8, "unknown operation 'r' (expected R, W, M, CAS, L, U, T, P), at 'r x'"),
        ("R x || {x=1} W x", 8, "unknown operation '{' (expected R, W, M, CAS, L, U, T, P), at '{x=1} W x'"),
        (
            "R || W x",
            3,
            "expected a memory location, not '||' (a name is a letter or _, then letters, digits, _ . [ ])",
        ),
        ("W x || W", 9, "expected a memory location, not the end (a name is"),
        ("W x || L 3", 10, "expected a lock, not '3' (a name is"),
        ("W x-1 || R x", 3, "expected a memory location, not 'x-1' (a name is"),
        ("R x y || R x", 5, "expected ';', '||' or the end after a step, not 'y', at 'y || R x'"),
        ("R x = 3 || R x", 5, "expected ';', '||' or the end after a step, not '=', at '= 3 || R x'"),
        ("R x | W x || R x", 5, "expected ';', '||' or the end after a step, not '|', at '| W x || R x'"),
        ("R x ||| W x", 7, "unknown operation '|' (expected"),
        ("W x= || R x", 6, "expected a whole number, not '||', at '|| R x'"),
        ("W x=1.5 || R x", 5, "expected a whole number, not '1.5', at '1.5 || R x'"),
        ("CAS x 0 || R x", 9, "expected a whole number, not '||', at '|| R x'"),
        (f"W x={'9' * 601} || R x", 5, f"a number of more than 600 digits, at '{'9' * 30}…'"),
        ("R x || L x", 10, "'x' is a memory location (column 3), not a lock too, at 'x'"),
        ("R y; L m || W m=1", 15, "'m' is a lock (column 8), not a memory location too, at 'm=1'"),
        ("{x=1} R y || L x", 16, "'x' is a memory location (column 2), not a lock too, at 'x'"),
        ("{} R x || R x", 2, "expected a memory location to start with, as {x=1; y=2}, not '}' (a name is"),
        ("{x} R x || R x", 3, "expected '=', not '}', at '} R x || R x'"),
        ("{x=1 R x || R x", 6, "expected '}', not 'R', at 'R x || R x'"),
        ("{x=1; x=1} R x || R x", 7, "memory location 'x' starts with two values, at 'x=1} R x || R x'"),
    ],
)
def test_a_mistake_is_told_with_its_column(text: str, column: int, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert str(refused.value).startswith(f"litmus text, column {column}: {said}")
    assert "\n" not in str(refused.value)


def test_a_mistake_far_into_a_long_text_is_one_short_line() -> None:
    text = "R x; " * 50_000 + "Q\n" + "; R x" * 50_000
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert str(refused.value) == (
        "litmus text, column 250001: unknown operation 'Q' (expected R, W, M, CAS, L, U, T, P),"
        " at 'Q\\n; R x; R x; R x; R x; R x; R…'"
    )


# -- laws

NAMES = ("x", "y", "a[1]")
LOCKS = ("m", "n.1")
_names, _locks = st.sampled_from(NAMES), st.sampled_from(LOCKS)
_numbers = st.integers(-3, 3) | st.integers()
operations = st.one_of(
    st.builds(Read, _names),
    st.builds(Write, _names, _numbers),
    st.builds(Update, _names, st.just(operator.add), st.just(1)),
    st.builds(CompareAndSwap, _names, _numbers, _numbers),
    st.builds(Acquire, _locks),
    st.builds(Release, _locks),
    st.builds(TryAcquire, _locks),
    st.just(Pause()),
)


def threads(most: int) -> st.SearchStrategy[list[list[Operation]]]:
    return st.lists(st.lists(operations, min_size=1, max_size=most), min_size=1, max_size=3)


def printed(operation: Operation, draw: st.DataObject) -> list[str]:
    """The words and signs of a step."""
    match operation:
        case Read(name):
            return ["R ", name]
        case Write(name, value):
            return ["W ", name, "=", str(value)]
        case Update(name):
            return [draw.draw(st.sampled_from(["M ", "RMW "])), name]
        case CompareAndSwap(name, expected, new):
            return ["CAS ", name, f" {expected} ", str(new)]
        case Acquire(name):
            return ["L ", name]
        case Release(name):
            return ["U ", name]
        case TryAcquire(name):
            return ["T ", name]
        case _:
            return ["P"]


@given(threads(6), st.dictionaries(_names, _numbers), st.data())
def test_a_printed_program_parses_back_to_the_same_steps(
    steps: list[list[Operation]], memory: dict[str, int], draw: st.DataObject
) -> None:
    pieces = []
    if memory:
        pieces.append("{")
        for name, value in memory.items():
            pieces += [*([";"] if len(pieces) > 1 else []), name, "=", str(value)]
        pieces.append("}")
    for number, thread in enumerate(steps):
        pieces += ["||"] if number else []
        for position, operation in enumerate(thread):
            pieces += [*([";"] if position else []), *printed(operation, draw)]
    text = "".join(piece + draw.draw(st.sampled_from(["", " ", "\n\t"])) for piece in pieces)
    read = parse(text)
    assert read.threads == tuple(map(tuple, steps))
    assert {name: value for name, value in read.memory.items() if value or name in memory} == memory


def plain_body(steps: tuple[Operation, ...]) -> Generator[Operation, Any, None]:
    """The steps one after the other; a stack for each lock says what its next release belongs to."""
    taken: dict[object, list[bool]] = {}
    for operation in steps:
        if isinstance(operation, Release) and taken.get(operation.lock):
            if taken[operation.lock].pop():
                yield operation
            continue
        answer = yield operation
        if isinstance(operation, Acquire | TryAcquire):
            taken.setdefault(operation.lock, []).append(answer is not False)


def plain_program(read: Litmus) -> Program:
    return Program(
        {f"t{number}": partial(plain_body, steps) for number, steps in enumerate(read.threads)},
        memory=read.memory,
        locks=read.locks,
    )


@given(threads(4))
def test_the_bodies_do_what_a_plain_reading_of_the_steps_does(steps: list[list[Operation]]) -> None:
    read = Litmus(dict.fromkeys(NAMES, 0), LOCKS, tuple(map(tuple, steps)))
    assert count(read.program()).outcomes == count(plain_program(read)).outcomes


def test_a_body_has_one_place_for_each_step_whatever_it_reads() -> None:
    machine = Machine(parse("R x; CAS x 11 5; R x; R x || W x; W x; M x; T m; U m; P").program())
    for _ in interleavings(machine):
        pass
    # The steps and the end; a T that failed leads to the step after its U.
    assert machine.nodes == (4 + 1) + (6 + 1)


# -- known answers


@pytest.mark.parametrize("name", litmus_tests)
def test_the_litmus_tests_as_they_are_printed(name: str) -> None:
    entry = litmus_tests[name]
    assert count(parse(entry["threads"]).program()).interleavings == entry["interleavings"]


@pytest.mark.parametrize("entry", corpus[::10], ids=lambda entry: f"corpus {entry['id']}")
def test_final_memories_of_the_corpus(entry: dict[str, Any]) -> None:
    census = count(parse(" || ".join(entry["threads"])).program())
    finals = {
        ",".join(
            [{"finished": "ok", "deadlocked": "deadlock"}[outcome.how], *(str(v) for _, v in sorted(outcome.memory))]
        ): n
        for outcome, n in census.outcomes.items()
    }
    assert (census.interleavings, finals) == (entry["interleavings"], entry["finals"])
