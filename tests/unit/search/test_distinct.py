"""Keys of traces: the same for runs that differ in the order of independent steps only."""

from __future__ import annotations

from functools import partial

import pytest

from scenarios.counter import counter
from simulator.machine import Machine
from simulator.ops import Read, TryAcquire, Write
from simulator.program import Program
from simulator.search.distinct import TraceKeys
from simulator.search.naive import interleavings


def test_the_twenty_interleavings_of_two_incrementing_threads_have_four_keys() -> None:
    machine = Machine(counter.program(threads=2))
    keys = TraceKeys(machine)
    found = {keys.key(each.schedule) for each in interleavings(machine)}
    assert len(found) == 4
    assert {len(key) for key in found} == {16}


def test_a_write_comes_after_all_reads_since_the_last_write() -> None:
    def read():
        yield Read("x")

    def write():
        yield Write("x", 1)

    machine = Machine(Program({"a": read, "b": read, "w": write, "v": write}, memory={"x": 0}))
    keys = TraceKeys(machine)
    assert keys.layers([0, 1, 2, 3]) == keys.layers([1, 0, 2, 3]) == [0b0011, 0b0100, 0b1000]
    assert keys.layers([0, 2, 1, 3]) == [0b0001, 0b0100, 0b0010, 0b1000]
    assert keys.layers([2, 0, 3, 1]) != keys.layers([2, 1, 3, 0])


def test_failed_attempts_at_a_lock_only_read_it() -> None:
    def attempt():
        yield TryAcquire("m")

    machine = Machine(Program(dict.fromkeys("abc", attempt), locks=["m"]))
    keys = TraceKeys(machine)
    # Who was first counts; in which order the two others failed does not.
    assert keys.key([0, 1, 2]) == keys.key([0, 2, 1]) != keys.key([1, 0, 2])


def test_a_lock_and_a_location_of_one_name_are_two_things() -> None:
    def write():
        yield Write("m", 1)

    def attempt():
        yield TryAcquire("m")

    keys = TraceKeys(Machine(Program({"a": write, "b": attempt}, memory={"m": 0}, locks=["m"])))
    assert keys.layers([0, 1]) == keys.layers([1, 0]) == [0b11]


def test_more_threads_than_a_byte_has_bits() -> None:
    def write(location: int):
        yield Write(location, 1)

    program = Program(
        {f"t{number}": partial(write, number % 6) for number in range(12)}, memory=dict.fromkeys(range(6), 0)
    )
    keys = TraceKeys(Machine(program))
    straight = list(range(12))
    # The first six write to six places: in any order. t6 writes where t0 does: before it is another trace.
    assert keys.key(straight) == keys.key([*reversed(range(6)), *reversed(range(6, 12))])
    assert keys.key(straight) != keys.key([6, *range(1, 6), 0, *range(7, 12)])


def test_a_schedule_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(KeyError):
        TraceKeys(Machine(counter.program(threads=2))).key([0] * 4)
