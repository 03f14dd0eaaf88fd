"""Optimal DPOR on programs small enough to say what it has to do, and the mistakes that it once made."""

from __future__ import annotations

import json
import operator
import tracemalloc
from collections.abc import Generator
from typing import Any

import pytest

from simulator.litmus import parse
from simulator.machine import Machine
from simulator.ops import Add, Operation, Pause, Read, Update, Write
from simulator.program import Program
from simulator.search.budget import Stop
from simulator.search.dpor import Dpor, Place
from simulator.search.naive import Interleaving, interleavings

Steps = Generator[Operation, Any, None]


def runs(text: str) -> list[str]:
    """The runs of a litmus text, each as its threads' numbers."""
    search = Dpor(Machine(parse(text).program()))
    found = ["".join(map(str, run.schedule)) for run in search.runs()]
    assert search.stop is Stop.COMPLETE
    return found


def taken_up_again(program: Program, after: int, max_steps: int | None = None) -> tuple[list[Interleaving], Stop]:
    """What is left after so many runs, and what the search then says of all of them."""
    search = Dpor(Machine(program), max_steps=max_steps)
    for number, _ in enumerate(search.runs(), start=1):
        if number == after:
            break
    other = Dpor(Machine(program), max_steps=max_steps)
    return list(other.runs(Place(*json.loads(json.dumps(search.place()))))), other.stop


def spin() -> Steps:
    while (yield Read("x")) == 0:
        yield Pause()


def set_x() -> Steps:
    yield Write("x", 1)


# -- which runs


def test_threads_that_do_not_meet_have_one_run() -> None:
    assert runs("W x; R x || W y; R y || R z") == ["00112"]


def test_readers_see_a_write_or_do_not() -> None:
    # Each of two readers comes before or after the write: four traces, and not the six orders of three steps.
    assert runs("W x || R x || R x") == ["012", "102", "120", "201"]


def test_two_increments_have_four_traces() -> None:
    # One after the other; or both read first, in no order, and either writes last.
    assert runs("R x; W x || R x; W x") == ["0011", "0101", "0110", "1100"]


def test_an_acquire_is_reversed_with_the_acquire_before_it_and_not_with_the_release() -> None:
    assert runs("L m; R x; U m || L m; R y; U m") == ["000111", "111000"]


def test_a_thread_that_is_blocked_at_the_end_is_let_go_first() -> None:
    # Two forks in two orders: each may take both; or each takes one, and nobody goes on. The last run is 11110000 but
    # for the second release of 1, which is of another fork than the first acquire of 0.
    assert runs("L a; L b; U b; U a || L b; L a; U a; U b") == ["00001111", "01", "11101000"]


def test_a_lock_that_nobody_gives_back_goes_to_either() -> None:
    assert runs("L m; R x || L m; R y") == ["00", "11"]


def test_a_thread_that_waits_for_itself_is_reversed_with_nobody() -> None:
    assert runs("L m; L m || R x") == ["01"]


def test_a_swap_that_fails_after_another_would_have_succeeded_before_it() -> None:
    # Whoever swaps first succeeds; the other fails, and what fails only reads.
    assert runs("CAS x 0 1 || CAS x 0 2") == ["01", "10"]
    # Three that fail in any order after the first are one trace for each first.
    assert runs("CAS x 0 1 || CAS x 0 2 || CAS x 0 3") == ["012", "102", "201"]


def test_a_try_fails_only_while_the_lock_is_held() -> None:
    # Before the acquire, between, or after the release.
    assert len(runs("L m; U m || T m")) == 3


def test_the_trap_of_a_sequence_that_is_cut_short() -> None:
    # An insertion that ends at the second racing step finds 30 of the 36: the branch is taken in the reversal only.
    program = Program(
        {"a": _writes("x"), "b": _writes("z"), "c": _writes("x"), "d": _reads("z"), "e": _branches},
        memory={"x": 0, "z": 0},
    )
    assert len({run.schedule for run in Dpor(Machine(program)).runs()}) == 36


def _writes(location: str) -> Any:
    def body() -> Steps:
        yield Write(location, 1)

    return body


def _reads(location: str) -> Any:
    def body() -> Steps:
        yield Read(location)

    return body


def _branches() -> Steps:
    seen = yield Read("x")
    yield Write("x", 1)
    if seen:
        yield Read("z")


def test_local_steps_ride_along_and_are_in_the_schedule() -> None:
    def body() -> Steps:
        yield Pause()
        value = yield Read("x")
        value = yield Add(value, 1)
        yield Write("x", value)

    found = [run.schedule for run in Dpor(Machine(Program({"a": body, "b": body}, memory={"x": 0}))).runs()]
    assert found == [
        (0, 1, 0, 0, 0, 1, 1, 1),
        (0, 1, 0, 0, 1, 1, 0, 1),
        (0, 1, 0, 0, 1, 1, 1, 0),
        (0, 1, 1, 1, 1, 0, 0, 0),
    ]


def test_threads_without_a_step_have_one_empty_run() -> None:
    def body() -> Steps:
        yield from ()

    assert [run.schedule for run in Dpor(Machine(Program({"a": body, "b": body}))).runs()] == [()]


def test_memory_does_not_grow_with_the_number_of_traces() -> None:
    def peak(threads: int) -> tuple[int, int]:
        body = lambda: (yield Update("x", operator.add, 1))  # noqa: E731
        machine = Machine(Program({f"t{number}": body for number in range(threads)}, memory={"x": 0}))
        tracemalloc.start()
        try:
            number = sum(1 for _ in Dpor(machine).runs())
            return number, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(4), peak(7)
    assert (few[0], many[0]) == (24, 5_040)
    assert many[1] < 12 * few[1], (few, many)


# -- without end, and cut


def test_a_thread_that_spins_for_ever_is_found_out_at_once() -> None:
    search = Dpor(Machine(Program({"a": spin}, memory={"x": 0})))
    found = list(search.runs())
    assert [run.cut for run in found] == [True]
    assert search.stop is Stop.ENDLESS


def test_a_thread_that_may_spin_for_ever_is_found_out_although_runs_end() -> None:
    search = Dpor(Machine(Program({"a": set_x, "b": spin}, memory={"x": 0})))
    assert sum(1 for _ in search.runs()) < 100
    assert search.stop is Stop.ENDLESS


def test_a_run_that_never_comes_to_a_state_again_is_cut_after_ten_thousand_steps() -> None:
    def body() -> Steps:
        while True:
            yield Update("x", operator.add, 1)

    # Both steps of a turn are states of their own, as numbers go on.
    search = Dpor(Machine(Program({"a": body}, memory={"x": 0}), bits=(32, 64)))
    (run,) = search.runs()
    assert (len(run.schedule), run.cut, search.stop) == (10_000, True, Stop.STEPS)


@pytest.mark.parametrize(("max_steps", "stop"), [(1, Stop.STEPS), (2, Stop.STEPS), (3, Stop.STEPS), (4, Stop.COMPLETE)])
def test_a_run_that_ends_with_the_last_step_allowed_is_whole(max_steps: int, stop: Stop) -> None:
    search = Dpor(Machine(parse("R x; W x || R x; W x").program()), max_steps=max_steps)
    found = list(search.runs())
    assert {(len(run.schedule), run.cut) for run in found} == {(max_steps, stop is Stop.STEPS)}
    assert search.stop is stop


# -- saved and taken up again


def test_a_program_without_races_has_nothing_left_after_its_run() -> None:
    def local() -> Steps:
        yield Pause()

    for body in (local, set_x):
        assert taken_up_again(Program({"a": body}, memory={"x": 0}), 1) == ([], Stop.COMPLETE)


def test_races_of_a_run_that_was_cut_are_not_forgotten() -> None:
    program = parse("R x; W x || R x; W x").program()
    whole = list(Dpor(Machine(program), max_steps=3).runs())
    for after in range(1, len(whole) + 1):
        assert taken_up_again(program, after, 3) == (whole[after:], Stop.STEPS)


def test_a_search_that_ended_at_an_endless_run_does_not_go_on() -> None:
    program = Program({"a": set_x, "b": spin}, memory={"x": 0})
    number = sum(1 for _ in Dpor(Machine(program)).runs())
    for after in (number, number + 1):
        assert taken_up_again(program, after) == ([], Stop.ENDLESS)


def test_enumeration_beyond_the_empty_interleaving_has_nothing_left() -> None:
    def body() -> Steps:
        yield from ()

    assert list(interleavings(Machine(Program({"a": body})), beyond=())) == []
