"""The reduced search, on programs small enough to list what is left."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Kind, Sighting
from simulator.machine import COMPACT, LayoutFull, Machine
from simulator.ops import Acquire, Add, Check, Operation, Pause, Read, Release, Write
from simulator.program import Program
from simulator.search.budget import Budget, Stop
from simulator.search.reduced import Reduced, ReducedGraph, Reduction
from simulator.search.replay import run_of
from simulator.search.stubborn import Futures, Move, Place, Stubborn

Steps = Generator[Operation | Check, Any, None]


def search(program: Program, reductions: Reduction = Reduction.ALL, budget: Budget | None = None) -> Reduced:
    return ReducedGraph(Machine(program), detectors_for(program), budget or Budget(), reductions=reductions).run()


def increment() -> Steps:
    value = yield Read("x")
    value = yield Add(value, 1)
    yield Write("x", value)


def alone(name: str) -> Steps:
    value = yield Read(name)
    yield Write(name, value + 1)


def locked(times: int) -> Steps:
    for _ in range(times):
        yield Acquire("l")
        yield from alone("x")
        yield Release("l")


def dine(first: int, second: int) -> Steps:
    yield Acquire(first)
    yield Acquire(second)
    yield Release(second)
    yield Release(first)


def philosophers(number: int) -> Program:
    pairs = [(i, (i + 1) % number) for i in range(number)]
    return Program({f"t{one}": partial(dine, one, other) for one, other in pairs}, locks=range(number))


def test_threads_that_share_nothing_take_one_way_through() -> None:
    names = [f"x{number}" for number in range(6)]
    program = Program({name: partial(alone, name) for name in names}, memory=dict.fromkeys(names, 0))
    explored = search(program)
    # One state before each thread goes, and the last one; the whole graph has 3 ** 6.
    assert (explored.states, explored.transitions) == (7, 6)
    assert search(program, Reduction.NONE).states == 3**6
    assert [str(outcome) for outcome in explored.outcomes] == [" ".join(f"{name}=1" for name in names)]
    assert explored.sightings == {}


def test_interchangeable_threads_are_kept_in_one_order() -> None:
    def body() -> Steps:
        yield Write("x", 1)

    program = Program(dict.fromkeys("abcd", body), memory={"x": 0})
    # Nobody, one, two, three or four threads have written.
    assert search(program, Reduction.SYMMETRY).states == 5
    assert search(program, Reduction.NONE).states == 2**4


def test_local_steps_come_along() -> None:
    program = Program({"a": increment}, memory={"x": 0})
    assert search(program, Reduction.FUSION).states == 3
    assert search(program, Reduction.NONE).states == 4


def test_who_holds_the_lock_goes_on_alone() -> None:
    program = Program({"a": partial(locked, 2), "b": partial(locked, 2), "c": partial(locked, 2)}, {"x": 0}, ["l"])
    explored = search(program)
    assert [str(outcome) for outcome in explored.outcomes] == ["x=6"]
    assert explored.sightings == {}
    assert explored.undecided == ()
    assert explored.states < search(program, ~Reduction.STUBBORN).states


def test_a_deadlock_among_many_is_found_with_a_schedule() -> None:
    program = philosophers(9)
    explored = search(program)
    ((sighting, schedule),) = explored.sightings.items()
    assert sighting == Sighting(Kind.DEADLOCK, tuple(range(9)))
    assert sorted(schedule) == list(range(9))
    run = run_of(Machine(program), schedule)
    assert str(run.outcome) == "deadlocked"
    assert explored.states < 2500  # of 683,583
    assert explored.restarts >= 1, "the first turn does not know yet who takes which fork"


def test_a_thread_that_waits_for_ever_puts_nobody_off() -> None:
    def spin() -> Steps:
        while True:
            yield Pause()

    def poll() -> Steps:
        while (yield Read("flag")) == 0:
            yield Pause()

    def crash() -> Steps:
        yield Write("y", 1)
        raise ValueError

    program = Program({"a": spin, "b": poll, "c": crash}, memory={"flag": 0, "y": 0})
    for reductions in (Reduction.ALL, Reduction.STUBBORN):
        explored = search(program, reductions)
        assert explored.complete
        assert explored.outcomes == {}
        assert [sighting.kind for sighting in explored.sightings] == [Kind.CRASH]


def test_a_race_that_only_a_stubborn_set_of_both_shows() -> None:
    def body(own: str) -> Steps:
        yield from alone(own)
        yield Write("x", 1)

    program = Program({"a": partial(body, "p"), "b": partial(body, "q")}, memory={"p": 0, "q": 0, "x": 0})
    explored = search(program)
    assert list(explored.sightings) == [Sighting(Kind.DATA_RACE, ("x",))]
    (schedule,) = explored.sightings.values()
    assert [str(event) for event in run_of(Machine(program), schedule).events[-2:]] == [
        "a: write x = 1",
        "b: write x = 1",
    ]


def test_a_memory_between_independent_writes_is_seen_when_a_property_looks() -> None:
    def body(name: str) -> Steps:
        yield Write(name, 1)

    program = Program(
        {"a": partial(body, "x"), "b": partial(body, "y")},
        memory={"x": 0, "y": 0},
        always={"y after x": lambda memory: memory["x"] >= memory["y"]},
    )
    explored = search(program)
    assert explored.sightings == {Sighting(Kind.FAILED_INVARIANT, (), "y after x"): (1,)}


def test_opening_local_steps_are_looked_at() -> None:
    def body() -> Steps:
        yield Pause()
        yield Add(1, None)

    explored = search(Program({"a": body, "b": body}))
    ((sighting, schedule),) = explored.sightings.items()
    assert sighting.kind is Kind.CRASH
    assert schedule == (0, 0)


def test_undecided_is_what_the_budget_did_not_reach() -> None:
    """Nothing is lost, for the flag orders all; but no lock says so, and who has read x makes more states than there are."""

    def first() -> Steps:
        yield from alone("x")
        yield Write("flag", 1)

    def second() -> Steps:
        if (yield Read("flag")):
            yield Write("x", 7)

    def look() -> Steps:
        yield Read("x")
        yield Read("flag")

    program = Program({"a": first, "b": second, "c": look, "d": look}, memory={"x": 0, "flag": 0})
    lost = Sighting(Kind.LOST_UPDATE, ("x",))
    whole = search(program)
    assert whole.undecided == ()
    assert lost not in whole.sightings
    explored = search(program, budget=Budget(max_states=whole.states + 1))
    assert explored.complete
    assert explored.undecided == (lost,)
    assert explored.sightings == whole.sightings


def test_the_budget_ends_it() -> None:
    assert search(philosophers(9), budget=Budget(max_states=50)).stop is Stop.STATES
    assert search(philosophers(9), budget=Budget(timeout=1e-9)).stop is Stop.TIMEOUT


def test_what_was_seen_before_an_interruption_is_kept() -> None:
    def stop(done: int) -> None:
        if done > 500:
            raise KeyboardInterrupt

    explored = search(philosophers(9), budget=Budget(progress=stop))
    assert explored.stop is Stop.INTERRUPTED
    assert explored.states > 500
    assert [str(sighting.kind) for sighting in explored.sightings] == ["deadlock"]


def test_fields_that_are_too_narrow_are_for_the_caller() -> None:
    def count() -> Steps:
        for number in range(100):
            yield Write("x", number)

    program = Program({"a": count}, memory={"x": 0})
    machine = Machine(program, bits=COMPACT)
    with pytest.raises(LayoutFull):
        ReducedGraph(machine, detectors_for(program), Budget()).run()
    assert ReducedGraph(machine.widened(), detectors_for(program), Budget()).run().complete


def test_every_visited_state_has_a_schedule_to_it_or_to_its_like() -> None:
    program = Program({"a": increment, "b": increment, "c": increment}, memory={"x": 0})
    machine = Machine(program)
    graph = ReducedGraph(machine, detectors_for(program), Budget())
    graph.run()
    number = 0
    for state, schedule in graph.visited():
        reached = machine.initial
        for thread in schedule():
            reached, _ = machine.step(reached, thread)
        assert sorted(machine.locals_of(reached, (0, 1, 2))) == sorted(machine.locals_of(state, (0, 1, 2)))
        assert machine.memory(reached) == machine.memory(state)
        number += 1
    assert number == graph.explored.states


def test_futures_tell_when_they_were_too_small() -> None:
    futures = Futures()
    futures.place(0, Place(Read("x"), 1, 0))
    futures.place(1, Place(Write("y", 1), 2, 0))
    futures.rely(0)
    assert futures.reach(0) == (1, 0)
    futures.edge(0, 0, 1, writes=False)
    assert futures.reach(0) == (3, 2)
    assert futures.outgrown


def test_nothing_behind_a_closed_lock_can_be_reached() -> None:
    futures = Futures()
    futures.place(0, Place(Acquire("l"), 4, 0))
    futures.place(1, Place(Read("x"), 1, 4))
    futures.place(2, Place(None, 0, 4))
    futures.edge(0, 0, 1, writes=True)
    futures.edge(1, 0, 2, writes=False)
    assert futures.reach(0) == (5, 4)
    assert futures.reach(0, closed=4) == (0, 0)
    assert futures.reach(0, closed=8) == (5, 4)


X, Y, LOCK = 1, 2, 4
ENDED = Place(None, 0, 0)


def move(thread: int, touches: int) -> Move:
    return Move(
        thread=thread, delta=0, event=0, touches=touches, writes=True, plain=True, on_memory=touches, ends=False
    )


def straight(*places: Place) -> Futures:
    """A thread that goes from place to place and ends; each step writes what it touches."""
    futures = Futures()
    for number, place in enumerate((*places, ENDED)):
        futures.place(number, place)
    for number in range(len(places)):
        futures.edge(number, 0, number + 1, writes=True)
    return futures


def test_with_a_blocked_thread_comes_the_one_that_holds_the_lock() -> None:
    """The second waits for the third and will write x then: so the first may not go on without the third, nor the fourth."""
    stubborn = Stubborn(
        [
            straight(Place(Write("x", 1), X, 0)),
            straight(Place(Acquire("l"), LOCK, 0), Place(Write("x", 2), X, LOCK)),
            straight(Place(Write("y", 3), Y, LOCK)),
            straight(Place(Write("y", 4), Y, 0)),
        ],
        shifts=(0, 4, 8, 12),
        local_mask=15,
    )
    moves = [move(0, X), move(2, Y), move(3, Y)]
    assert list(stubborn.sets(0, moves)) == [[moves[1], moves[2]]]


def test_what_is_relied_on_behind_a_lock_may_be_outgrown_too() -> None:
    """From the start of the second, x was in reach behind the lock all along; now there is a way around the lock."""
    other = Futures()
    for number, place in enumerate(
        [Place(Read("y"), Y, 0), Place(Acquire("l"), LOCK, 0), Place(Write("x", 2), X, LOCK), ENDED]
    ):
        other.place(number, place)
    other.edge(0, 0, 1, writes=False)
    other.edge(1, 0, 2, writes=True)
    other.edge(2, 0, 3, writes=True)
    stubborn = Stubborn([straight(Place(Write("x", 1), X, LOCK)), other], shifts=(0, 4), local_mask=15)
    around = stubborn.behind(0, move(0, X))
    assert around == (Y, 0, LOCK)
    stubborn.rely(0, 1, LOCK)
    other.place(4, Place(Write("x", 3), X, 0))
    assert not other.outgrown
    other.edge(0, 1, 4, writes=False)
    assert other.outgrown
    assert stubborn.behind(0, move(0, X)) is None
