"""Protection: from where a thread stands and what it holds to "no update of x can be lost"."""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator
from typing import Any

from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Kind
from simulator.analysis.protection import unprotected
from simulator.machine import Machine
from simulator.ops import Acquire, Check, CompareAndSwap, Operation, Read, Release, Update, Write
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.reduced import ReducedGraph

Steps = Generator[Operation | Check, Any, None]


def locations(*bodies: Callable[[], Steps]) -> tuple[object, ...]:
    """What is unprotected, over all that the threads do."""
    program = Program(
        {f"t{number}": body for number, body in enumerate(bodies)}, memory={"x": 0, "y": 0}, locks=["l", "m"]
    )
    graph = ReducedGraph(Machine(program), detectors_for(program), Budget())
    assert graph.run().complete
    return unprotected(graph.paths())


def increment() -> Steps:
    value = yield Read("x")
    yield Write("x", value + 1)


def locked_increment() -> Steps:
    yield Acquire("l")
    yield from increment()
    yield Release("l")


def write() -> Steps:
    yield Write("x", 7)


def locked_write() -> Steps:
    yield Acquire("l")
    yield Write("x", 7)
    yield Release("l")


def test_a_read_and_a_write_with_nothing_held() -> None:
    assert locations(increment, write) == ("x",)


def test_two_threads_alike_are_others_to_each_other() -> None:
    assert locations(increment, increment) == ("x",)


def test_one_thread_alone_loses_nothing() -> None:
    assert locations(increment) == ()


def test_a_write_without_a_read_loses_nothing() -> None:
    assert locations(write, locked_write, write) == ()


def test_a_lock_held_by_all_from_the_read_to_the_write() -> None:
    assert locations(locked_increment, locked_increment, locked_write) == ()


def test_a_lock_that_one_writer_does_not_take() -> None:
    assert locations(locked_increment, write) == ("x",)


def test_readers_without_the_lock_do_no_harm() -> None:
    def look() -> Steps:
        yield Read("x")

    assert locations(locked_increment, locked_increment, look) == ()


def test_a_lock_given_back_between_the_read_and_the_write() -> None:
    def in_two_regions() -> Steps:
        yield Acquire("l")
        value = yield Read("x")
        yield Release("l")
        yield Acquire("l")
        yield Write("x", value + 1)
        yield Release("l")

    assert locations(in_two_regions, locked_write) == ("x",)


def test_two_locks_each_of_which_keeps_out_one_other() -> None:
    def under_both() -> Steps:
        yield Acquire("l")
        yield Acquire("m")
        yield from increment()
        yield Release("m")
        yield Release("l")

    def under_the_other() -> Steps:
        yield Acquire("m")
        yield Write("x", 7)
        yield Release("m")

    assert locations(under_both, locked_write, under_the_other) == ()


def test_a_lock_on_one_path_only() -> None:
    def perhaps() -> Steps:
        flag = yield Read("y")
        if flag:
            yield Acquire("l")
        value = yield Read("x")
        yield Write("x", value + 1)
        if flag:
            yield Release("l")

    def raise_flag() -> Steps:
        yield Write("y", 1)

    assert locations(perhaps, locked_write, raise_flag) == ("x",)


def test_an_atomic_update_looks_again_as_it_writes() -> None:
    def update() -> Steps:
        yield Read("x")
        yield Update("x", operator.add, 1)

    def swap() -> Steps:
        value = yield Read("x")
        yield CompareAndSwap("x", value, value + 1)

    assert locations(update, update, swap, write) == ()


def test_an_atomic_update_can_be_lost() -> None:
    def update() -> Steps:
        yield Update("x", operator.add, 1)

    assert locations(increment, update) == ("x",)


def test_unprotected_is_no_finding() -> None:
    """The second thread writes only after the first one has, so nothing is lost; but no lock says so."""

    def first() -> Steps:
        yield from increment()
        yield Write("y", 1)

    def second() -> Steps:
        if (yield Read("y")):
            yield Write("x", 7)

    program = Program({"a": first, "b": second}, memory={"x": 0, "y": 0})
    graph = ReducedGraph(Machine(program), detectors_for(program), Budget())
    explored = graph.run()
    assert unprotected(graph.paths()) == ("x",)
    assert {sighting.kind for sighting in explored.sightings} == {Kind.DATA_RACE}
    assert explored.undecided == ()
