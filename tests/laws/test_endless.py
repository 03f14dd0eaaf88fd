"""Whether a program can run for ever, against the definition: try every walk from every state that comes back to it.

The slow side knows no component: for each state it goes through all (state, who was enabled, who moved) that can be reached
from it, and looks whether one is back at that state with everybody moved that has to. The number of steps it takes, the
least over all states, is the length of the shortest cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from simulator.census import count
from simulator.errors import EndlessError
from simulator.machine import Machine, State
from simulator.ops import Acquire, Pause, Read, Release, TryAcquire, Write
from simulator.program import Body, Program
from simulator.search.endless import Endless, Fairness, can_run_for_ever
from simulator.search.replay import replay
from tests.conftest import FACTOR, PROFILE
from tests.laws import programs

Threads = frozenset[int]

MUST: dict[Fairness, Callable[[Threads, Threads], Threads]] = {
    Fairness.STRONG: frozenset.union,
    Fairness.WEAK: frozenset.intersection,
    Fairness.NONE: lambda so_far, here: frozenset(),
}


def depths(machine: Machine) -> dict[State, int]:
    """Every state, with the fewest steps to it."""
    found = {machine.initial: 0}
    waiting = [machine.initial]
    for state in waiting:
        for _, reached in machine.successors(state):
            if reached not in found:
                found[reached] = found[state] + 1
                waiting.append(reached)
    return found


def shortest_way_back(machine: Machine, start: State, fairness: Fairness) -> int | None:
    """The least number of steps from a state back to it on which everybody moves that has to."""
    here = frozenset(machine.enabled(start))
    layer = {(start, MUST[fairness](here, here), frozenset[int]())}
    seen = set(layer)
    steps = 0
    while layer:
        steps += 1
        following = set()
        for state, must, moved in layer:
            for thread, reached in machine.successors(state):
                there = frozenset(machine.enabled(reached))
                following.add((reached, MUST[fairness](must, there), moved | {thread}))
        if any(state == start and must <= moved for state, must, moved in following):
            return steps
        layer = following - seen
        seen |= layer
    return None


def by_definition(program: Program) -> tuple[Fairness, int, int] | None:
    """The best fairness of a cycle, how short such a one can be, and how near it can begin."""
    machine = Machine(program)
    states = depths(machine)
    for fairness in Fairness:
        lassos = [
            (length, depth)
            for state, depth in states.items()
            if (length := shortest_way_back(machine, state, fairness)) is not None
        ]
        if lassos:
            return fairness, *min(lassos)
    return None


def hold_the_witness(program: Program, endless: Endless) -> None:
    """The lasso replays, closes, and is as fair as it is said to be."""
    machine = Machine(program)
    before = replay(machine, endless.stem)
    run = replay(machine, endless.witness)
    assert run.outcome is None
    state = machine.initial
    for thread in endless.stem:
        state, _ = machine.step(state, program.threads.index(thread))
    start = state
    enabled = []
    for thread in endless.cycle:
        state, _ = machine.step(state, program.threads.index(thread))
        enabled.append(set(machine.enabled(state)))
    assert state == start
    assert run.final == before.final
    moved = {program.threads.index(thread) for thread in endless.cycle}
    passed_over = {program.threads.index(thread) for thread in endless.passed_over}
    starved = set.union(*enabled) - moved
    neglected = set.intersection(*enabled) - moved
    if endless.fairness is Fairness.NONE:
        assert passed_over == neglected != set()
    else:
        assert neglected == set()
        assert passed_over == starved
        assert bool(starved) == (endless.fairness is Fairness.WEAK)


def hold(program: Program) -> None:
    found = can_run_for_ever(program)
    expected = by_definition(program)
    event(str(None if found is None else found.fairness))
    assert (None if found is None else (found.fairness, len(found.cycle), len(found.stem))) == expected
    if found is not None:
        assert found.shortest
        hold_the_witness(program, found)


@given(programs.small_programs(endless=True))
@settings(max_examples=120 * FACTOR[PROFILE])
def test_the_verdict_and_the_length_of_the_cycle_are_those_of_the_definition(small: programs.Small) -> None:
    hold(small.program())


@given(programs.small_programs(endless=True))
@settings(max_examples=120 * FACTOR[PROFILE])
def test_a_program_can_run_for_ever_exactly_if_its_interleavings_have_no_number(small: programs.Small) -> None:
    program = small.program()
    try:
        count(program)
        counted = True
    except EndlessError:
        counted = False
    assert counted == (can_run_for_ever(program) is None)


Thread = tuple[tuple[tuple[str, int], ...], bool]
LINES = ["try", "acquire", "poll", "wait", "write", "pause"]


def looping(lines: tuple[tuple[str, int], ...], for_ever: bool) -> Body:
    """A thread that goes through its lines once, or again and again; every lock that it takes it gives back at the end."""

    def body() -> Generator[Any, Any, None]:
        while True:
            held = ()
            for line, which in lines:
                if line == "acquire" and which not in held:
                    yield Acquire(which)
                    held = (*held, which)
                elif line == "try":
                    if which not in held and (yield TryAcquire(which)):
                        held = (*held, which)
                elif line == "poll" and which not in held:
                    while (yield Read("x")) != 1:
                        yield Acquire(which)
                        yield Release(which)
                elif line == "wait":
                    while (yield Read("x")) != which:
                        yield Pause()
                elif line == "write":
                    yield Write("x", which)
                else:
                    yield Pause()
            for which in reversed(held):
                yield Release(which)
            if not for_ever:
                return

    return body


anything = st.tuples(
    st.lists(st.tuples(st.sampled_from(LINES), st.integers(0, 1)), min_size=1, max_size=3).map(tuple),
    st.sampled_from([False, False, True]),
)
pollers = st.integers(0, 1).map(lambda lock: ((("poll", lock),), False))
setters = st.integers(0, 1).map(lambda lock: ((("acquire", lock), ("write", 1)), False))
"""What a poller waits for, under a lock that the poller may keep from it."""


@given(st.lists(anything | pollers | setters, min_size=1, max_size=3))
@settings(max_examples=250 * FACTOR[PROFILE])
def test_loops_over_locks_and_flags_are_judged_as_by_the_definition(
    threads: list[tuple[tuple[tuple[str, int], ...], bool]],
) -> None:
    bodies = {f"t{number}": looping(*thread) for number, thread in enumerate(threads)}
    hold(Program(bodies, memory={"x": 0}, locks=[0, 1]))
