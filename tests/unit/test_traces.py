"""Counting Mazurkiewicz traces; the laws are in tests/laws/test_trace_counting.py, the known counts in tests/known_answers."""

from __future__ import annotations

import json
from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from simulator.errors import EndlessError, LimitError
from simulator.litmus import parse
from simulator.machine import Machine
from simulator.ops import Acquire, CompareAndSwap, Pause, Read, Release, TryAcquire, Write
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.traces import Reduction, count_traces

Body = Generator[Any, Any, None]


def litmus(text: str) -> Program:
    return parse(text).program()


def increment() -> Body:
    value = yield Read("x")
    yield Write("x", value + 1)


def counter(threads: int) -> Program:
    return Program({f"t{number}": increment for number in range(threads)}, memory={"x": 0})


def shown(program: Program, **options: Any) -> dict[str, int]:
    return {str(outcome): number for outcome, number in count_traces(program, **options).outcomes.items()}


def test_the_four_traces_of_two_increments() -> None:
    """Of six interleavings; the two reads may come in either order, so three pairs are one.

    1. r0 w0 r1 w1             -> 2
    2. r1 w1 r0 w0             -> 2
    3. r0 r1 w0 w1, r1 r0 w0 w1 -> 1
    4. r0 r1 w1 w0, r1 r0 w1 w0 -> 1
    """
    assert shown(counter(2)) == {"x=1": 2, "x=2": 2}


def test_threads_that_share_nothing_have_one_trace_and_need_one_state() -> None:
    census = count_traces(litmus("R a; W a; P || R b; W b || L m; W c; U m; P; P"))
    assert (census.traces, census.states) == (1, 1)


def test_a_lock_of_one_thread_alone_is_its_own_and_so_is_one_that_the_others_have_passed() -> None:
    """t0 has m before, between or after the two times that t1 has it; k is nobody else's."""
    census = count_traces(litmus("L m; R x; U m || L m; R x; U m; L m; U m || L k; U k"))
    assert census.traces == 3
    assert census.states == 3


def test_a_taken_lock_keeps_the_others_from_what_is_behind_it() -> None:
    """While one holds m, the other cannot come to x: what is done in there is tried alone. A start and two ends."""
    census = count_traces(litmus("L m; W x; R x; W x; U m || L m; W x; R x; U m"))
    assert (census.traces, census.states) == (2, 3)


def test_a_taken_lock_keeps_the_others_from_what_is_behind_it_in_a_ring_too() -> None:
    """Without that it would be 1,003 states: a neighbour's balance is behind a lock that it has to wait for."""
    ring = " || ".join(
        f"L a{i}; L a{j}; R b{i}; W b{i}; R b{j}; W b{j}; U a{j}; U a{i}"
        for i, j in ((i, (i + 1) % 8) for i in range(8))
    )
    census = count_traces(litmus(ring))
    assert census.traces == 2**8 - 1
    assert census.states < 600


def test_who_waits_for_each_other_never_moves_again() -> None:
    """After the deadlock of t0 and t1 their W x can no longer come: t2 goes on alone."""
    program = litmus("L a; L b; W x || L b; L a; W x || R x; R x")
    assert shown(program, reductions=Reduction(0)) == shown(program)
    assert {how.split(":")[0] for how in shown(program)} == {"deadlocked"}


def test_interchangeable_threads_are_counted_together() -> None:
    together, apart = (
        count_traces(counter(5), reductions=reductions) for reductions in (Reduction.SYMMETRY, Reduction(0))
    )
    assert together.outcomes == apart.outcomes
    assert together.traces == 14_400
    assert together.states * 10 < apart.states


def test_a_failed_swap_and_a_failed_try_only_read() -> None:
    def swap() -> Body:
        yield CompareAndSwap("x", 7, 8)

    def attempt() -> Body:
        yield TryAcquire("m")

    assert count_traces(Program({"a": swap, "b": swap, "c": swap}, memory={"x": 0})).traces == 1
    # One of three takes the lock; the other two fail after it, in no order.
    assert count_traces(Program({"a": attempt, "b": attempt, "c": attempt}, locks=["m"])).traces == 3


def test_what_a_thread_turns_out_to_touch_late_is_not_missed() -> None:
    """Only after reading all three flags, which takes an overlap of all the threads, does t3 write what t4 reads."""

    def flag(name: str) -> Body:
        yield Write(name, 1)
        yield Write(name, 0)

    def watch() -> Body:
        for name in "abc":
            if not (yield Read(name)):
                return
        yield Write("x", 1)

    def look() -> Body:
        yield Read("x")
        yield Read("x")

    program = Program(
        {**{name: partial(flag, name) for name in "abc"}, "watch": watch, "look": look},
        memory=dict.fromkeys("abcx", 0),
    )
    assert shown(program) == shown(program, reductions=Reduction(0))
    assert sum(shown(program).values()) > 1


def test_a_program_that_ends_at_once_has_one_trace() -> None:
    def body() -> Body:
        yield from ()

    census = count_traces(Program({"a": body}, memory={"x": 1}))
    assert (census.traces, census.states) == (1, 1)


def spin(location: str) -> Body:
    while not (yield Read(location)):
        pass


def flip() -> Body:
    while True:
        yield Pause()


def loop_of_writes() -> Body:
    while True:
        yield Write("x", 0)


@pytest.mark.parametrize(
    "bodies",
    [
        {"a": partial(spin, "y"), "b": increment},
        {"a": partial(spin, "x"), "b": increment},
        {"a": flip, "b": increment},
        {"a": loop_of_writes, "b": partial(spin, "x")},
    ],
    ids=["what it waits for never comes", "what it waits for comes if it may", "it only pauses", "it writes"],
)
def test_a_program_that_can_run_for_ever_is_refused_unless_it_is_cut(bodies: dict[str, Any]) -> None:
    program = Program(bodies, memory={"x": 0, "y": 0})
    for reductions in (Reduction(0), Reduction.SOURCES, Reduction.SYMMETRY, Reduction.SOURCES | Reduction.SYMMETRY):
        with pytest.raises(EndlessError, match="infinitely many traces; give max_steps"):
            count_traces(program, reductions=reductions)
    census = count_traces(program, max_steps=6)
    assert census.max_steps == 6
    assert "out of steps" in {outcome.how for outcome in census.outcomes}


@pytest.mark.parametrize("body", [flip, loop_of_writes, partial(spin, "x")], ids=["pauses", "writes", "reads"])
def test_a_program_whose_places_do_not_merge_is_given_up_when_it_does_not_end(body: Any) -> None:
    program = Program({"a": body, "b": increment}, memory={"x": 0})
    with pytest.raises(LimitError, match=r"within 500 steps: give max_steps"):
        count_traces(Machine(program, merge=False), longest=500)


def test_a_wait_behind_a_lock_is_not_taken_for_endless() -> None:
    def wait() -> Body:
        yield Acquire("m")
        while not (yield Read("x")):
            yield Release("m")
            return

    program = Program({"a": wait, "b": increment}, memory={"x": 0}, locks=["m"])
    assert shown(program) == shown(program, reductions=Reduction(0))


def test_a_cut_that_cuts_nothing_is_no_cut() -> None:
    assert shown(counter(2), max_steps=4) == shown(counter(2))
    assert count_traces(counter(2), max_steps=4).max_steps is None
    assert count_traces(counter(2), max_steps=3).max_steps == 3


def test_pieces_of_traces_are_told_apart_by_what_they_have_of_them() -> None:
    """Of three steps: r0 w0 r1, r1 w1 r0 (x=1), and both reads with either write (x=1)."""
    assert shown(counter(2), max_steps=3) == {"out of steps: x=1": 4}
    assert shown(counter(2), max_steps=2) == {"out of steps: x=0": 1, "out of steps: x=1": 2}


def test_a_part_of_a_count_is_no_count() -> None:
    with pytest.raises(LimitError, match=r"more than 10 states with sleep sets \(max_states\)"):
        count_traces(counter(5), max_states=10)
    with pytest.raises(LimitError, match="timeout"):
        count_traces(litmus(" || ".join(["W x"] * 12)), budget=Budget(timeout=1e-9))


def test_counting_twice_gives_the_same() -> None:
    program = litmus("L m; W x; U m; R y || W y; L m; R x; U m || R x; W y")
    assert count_traces(program) == count_traces(program)
    machine = Machine(program)
    assert count_traces(machine) == count_traces(machine) == count_traces(program)


def test_a_count_in_plain_types() -> None:
    plain = json.loads(json.dumps(count_traces(counter(2)).to_dict()))
    assert plain["traces"] == 4
    assert plain["complete"] is True
    assert plain["max_steps"] is None
    assert plain["outcomes"]["x=1"] == {"traces": 2, "how": "finished", "memory": {"x": 1}}
