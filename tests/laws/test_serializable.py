"""Laws of the assertions: each passes exactly when brute force over all interleavings finds nothing against it.

Brute force is `reference.py`, which runs every interleaving's generators from scratch, and every permutation of the
threads for the serial orders; for endless programs it is a walk from each reachable state.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulator.analysis.finding import Kind, Status
from simulator.assertions import (
    IncompleteFailure,
    InterleavingFailure,
    assert_clean,
    assert_deadlock_free,
    assert_invariant,
    assert_lock_order_acyclic,
    assert_no_data_races,
    assert_no_lost_updates,
    assert_same_outcomes,
    assert_serializable,
)
from simulator.errors import UsageError
from simulator.explore import check
from simulator.machine import Machine, State
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.no_end import surely_ends, without_end
from simulator.search.replay import replay
from simulator.serial import serial_outcomes
from simulator.trace import Run
from tests.conftest import PROFILE
from tests.laws import reference
from tests.laws.crowds import crowds
from tests.laws.programs import Block, Locked, Simple, Small, any_programs, lock_programs, small_programs

many = settings(max_examples=2000 if PROFILE == "thorough" else 60)

ending = st.one_of(crowds(), any_programs, lock_programs)

_UPDATES = (
    *("r = yield Read('x')", "r = yield Read('y')", "yield Write('x', r + 1)", "yield Write('y', r + 1)") * 2,
    *("yield Write('x', 2 * r)", "yield Write('y', 2)", "yield Update('x', operator.add, 1)"),
)


@st.composite
def updates(draw: st.DrawFn) -> Small:
    """Threads that read, reckon and write, some of it under a lock: about half of these are not serializable."""

    def block() -> Block:
        made = tuple(Simple(draw(st.sampled_from(_UPDATES))) for _ in range(draw(st.integers(1, 3))))
        return (Locked("l", made, False),) if draw(st.integers(0, 2)) == 0 else made

    return Small(tuple(block() for _ in range(draw(st.integers(2, 3)))))


Ending = tuple[Hashable, str]
"""How the threads of each group ended that did not finish, in any order, and the memory by repr, so that True is not 1."""


def ended(run: Run, *, groups: Sequence[Sequence[int]] = (), places: bool = True) -> Ending:
    """How a run ended that was seen to come to its end; all threads are one group if there are none."""
    told = []
    for name in run.threads:
        end, wanted = run.final.ends[name], run.final.pending[name]
        if end is not None:
            raised = end.message.split(":")[0] if end.how == "crashed" else ""
            told.append((end.how, raised, str(end.where) if places and end.how != "finished" else ""))
        else:
            assert wanted is not None
            told.append(("waits", "", str(wanted.operation) if places else ""))
    groups = groups or [range(len(told))]
    return tuple(
        tuple(sorted(told[number] for number in group if told[number][0] != "finished")) for group in groups
    ), repr(tuple(run.final.memory.items()))


def endings(program: Program, *, groups: Sequence[Sequence[int]] = (), places: bool = True) -> dict[Ending, Any]:
    """Each ending of any interleaving, with the shortest that has it."""
    machine = Machine(program)
    found: dict[Ending, Any] = {}
    for each in reference.interleavings(program):
        key = each.key(len(each.schedule))
        how, memory = each.outcome
        if how == "finished":
            end: Ending = (((),) * (len(groups) or 1), memory)
        else:
            end = ended(replay(machine, " ".join(each.schedule)), groups=groups, places=places)
        found[end] = min(found.get(end, key), key)
    return found


def serial_endings(program: Program) -> set[Ending]:
    """The ending of every permutation of the threads."""
    machine = Machine(program)
    found = set()
    for order in itertools.permutations(program.threads):
        world = reference.World(program)
        schedule = []
        for thread in order:
            while thread in world.enabled():
                world.step(thread)
                schedule.append(thread)
        world.close()
        found.add(ended(replay(machine, " ".join(schedule)), groups=program.interchangeable()))
    return found


@dataclass
class Brute:
    """What every interleaving of a program shows."""

    ends: set[tuple[str, str]]
    """Each outcome: how it ends, and the memory by repr."""
    deadlock: bool
    crash: bool
    lost: bool
    racing: bool
    broken: bool
    """A property does not hold, a check fails, or a thread crashes."""


def brute(program: Program) -> Brute:
    found = Brute(set(), deadlock=False, crash=False, lost=False, racing=False, broken=False)
    for each in reference.interleavings(program):
        found.ends.add(each.outcome)
        found.lost |= bool(each.lost)
        found.racing |= bool(each.racing)
        world = reference.World(program)
        for thread in each.schedule:
            found.broken |= not keeps(program.step_properties, world.memory)
            world.step(thread)
        found.broken |= not keeps(program.step_properties, world.memory)
        found.broken |= world.how() == "finished" and not keeps(program.final_properties, world.memory)
        found.broken |= any(how != "finished" for how in world.ended.values())
        found.crash |= "crashed" in world.ended.values()
        found.deadlock |= any(wanted is not None for wanted in world.wants.values())
        world.close()
    return found


def keeps(properties: Mapping[str, Callable[[Mapping[Hashable, Any]], bool]], memory: Mapping[Hashable, Any]) -> bool:
    return all(condition(memory) for condition in properties.values())


def serial(program: Program) -> dict[tuple[str, str], tuple[str, ...]]:
    """The outcome of every permutation of the threads, with the first one that has it."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for order in itertools.permutations(program.threads):
        world = reference.World(program)
        for thread in order:
            while thread in world.enabled():
                world.step(thread)
        found.setdefault((world.how(), repr(tuple(world.memory.items()))), order)
        world.close()
    return found


def failure(asserted: Callable[..., object], *programs: Program, crashes_ok: bool = True) -> InterleavingFailure | None:
    """What the assertion fails with, None if it passes; a crash besides is let pass, to see what else fails."""
    try:
        asserted(*programs, crashes_ok=crashes_ok)
    except InterleavingFailure as error:
        failed = error
    else:
        return None
    assert str(failed).startswith(f"{asserted.__name__}: ")
    if failed.finding is not None and failed.finding.witness is not None:
        assert f'"{failed.schedule}"' in str(failed)
    return failed


@many
@given(st.one_of(ending, updates()))
def test_serial_orders_are_those_of_all_permutations(small: Small) -> None:
    program = small.program()
    found = {(each.how, repr(each.memory)): order for each, order in serial_outcomes(program).items()}
    assert found == serial(program)


@many
@given(ending)
def test_each_assertion_fails_exactly_when_some_interleaving_shows_it(small: Small) -> None:
    program = small.program()
    truth = brute(program)
    assert (failure(assert_deadlock_free, program) is not None) == truth.deadlock
    assert (failure(assert_deadlock_free, program, crashes_ok=False) is not None) == (truth.deadlock or truth.crash)
    assert (failure(assert_no_lost_updates, program) is not None) == truth.lost
    assert (failure(assert_no_data_races, program) is not None) == truth.racing
    if not program.final_properties and not program.step_properties:
        with pytest.raises(InterleavingFailure if truth.broken else UsageError):
            assert_invariant(program)
    elif not truth.broken and all(how != "finished" for how, _ in truth.ends):
        with pytest.raises(IncompleteFailure, match="no interleaving finishes"):
            assert_invariant(program)
    else:
        assert (failure(assert_invariant, program, crashes_ok=False) is not None) == truth.broken


@many
@given(ending)
def test_what_is_found_by_any_search_fails_and_nothing_else_does(small: Small) -> None:
    program = small.program()
    report = check(program, scheduler="naive")
    cycles = [each for each in report.findings if each.kind is Kind.LOCK_ORDER_CYCLE]
    realised = [each for each in cycles if each.status is Status.REALISED]
    assert (failure(assert_clean, program, crashes_ok=False) is None) == report.clean
    assert (failure(assert_lock_order_acyclic, program) is None) == (not cycles)
    if realised:
        with pytest.raises(InterleavingFailure) as caught:
            assert_lock_order_acyclic(program, realised_only=True, crashes_ok=True)
        assert caught.value.finding == realised[0]
    else:
        assert_lock_order_acyclic(program, realised_only=True, crashes_ok=True)


@many
@given(ending)
def test_an_invariant_of_ones_own_is_looked_at_at_every_end_or_after_every_step(small: Small) -> None:
    program = small.program()
    bare = Program(program.bodies, memory=program.memory, locks=program.locks, rlocks=program.rlocks)
    for always in (True, False):
        wanted = {"x is 0 or y is 0": lambda memory: not (memory["x"] and memory["y"])}
        given_one = Program(
            program.bodies,
            memory=program.memory,
            locks=program.locks,
            rlocks=program.rlocks,
            **{"always" if always else "finally_": wanted},
        )
        truth = brute(given_one)
        if truth.broken:
            with pytest.raises(InterleavingFailure):
                assert_invariant(bare, wanted, always=always)
        elif always or any(how == "finished" for how, _ in truth.ends):
            assert_invariant(bare, wanted, always=always)
        else:
            with pytest.raises(IncompleteFailure):
                assert_invariant(bare, wanted)


@many
@given(st.one_of(ending, updates()))
def test_a_program_is_serializable_exactly_when_every_outcome_is_that_of_a_permutation(small: Small) -> None:
    program = small.program()
    groups = program.interchangeable()
    ends, allowed = endings(program, groups=groups), serial_endings(program)
    bad = {end: key for end, key in ends.items() if end not in allowed}
    failed = failure(assert_serializable, program)
    assert (failed is not None) == bool(bad)
    if failed is not None:
        assert failed.finding is not None
        assert failed.finding.shortest
        _, _, shortest = min(bad.values())
        assert tuple(failed.finding.witness or ()) == shortest
        run = replay(program, failed.schedule)
        assert run.outcome is not None
        assert ended(run, groups=groups) in bad


@many
@given(st.one_of(ending, updates()))
def test_what_is_observed_is_all_that_counts_for_serializability(small: Small) -> None:
    program = small.program()

    groups = program.interchangeable()

    def observed(end: Ending) -> Ending:
        how, memory = end
        return how, repr(dict(eval(memory, {}))["x"])

    bad = {observed(end) for end in endings(program, groups=groups)} - {
        observed(end) for end in serial_endings(program)
    }
    if not bad:
        assert_serializable(program, observe=lambda memory: memory["x"], crashes_ok=True)
        return
    with pytest.raises(InterleavingFailure) as caught:
        assert_serializable(program, observe=lambda memory: memory["x"], crashes_ok=True)
    run = replay(program, caught.value.schedule)
    assert run.outcome is not None
    assert observed(ended(run, groups=groups)) in bad


@many
@given(small_programs(), small_programs(), st.sampled_from(["two", "itself", "turned round", "cut"]))
def test_two_programs_have_the_same_outcomes_exactly_when_the_sets_are_equal(a: Small, b: Small, how: str) -> None:
    first = a.program()
    if how == "itself":
        second = a.program(apart=True)
    elif how == "turned round":
        second = a.program(order=reversed(range(len(a.threads))))
    elif how == "cut":
        second = Small((a.threads[0][:-1], *a.threads[1:])).program()
    else:
        second = b.program()
    named = [
        sorted(sorted(each.threads[n] for n in group) for group in each.interchangeable()) for each in (first, second)
    ]
    groups: list[Any] = [(), ()]
    if named[0] == named[1]:
        groups = [[[each.threads.index(name) for name in group] for group in named[0]] for each in (first, second)]
    mine, others = (endings(each, groups=of, places=False) for each, of in zip((first, second), groups, strict=True))
    failed = failure(assert_same_outcomes, first, second)
    assert (failed is not None) == (mine.keys() != others.keys())
    if failed is not None:
        only_first = mine.keys() - others.keys()
        program, extra = (first, only_first) if only_first else (second, others.keys() - mine.keys())
        run = replay(program, failed.schedule)
        assert run.outcome is not None
        assert ended(run, groups=groups[0 if only_first else 1], places=False) in extra
        assert f"only the {'first' if only_first else 'second'} program ends" in str(failed)


# -- programs that may run for ever


def reachable(machine: Machine, start: State) -> set[State]:
    found = {start}
    waiting = [start]
    while waiting:
        for _, state in machine.successors(waiting.pop()):
            if state not in found:
                found.add(state)
                waiting.append(state)
    return found


def stuck(machine: Machine, state: State) -> list[str]:
    """Threads that have not ended and cannot step in any state that a walk from here comes to."""
    able = {thread for following in reachable(machine, state) for thread in machine.enabled(following)}
    return [
        name
        for number, name in enumerate(machine.threads)
        if number not in able and machine.ended(state, number) is None
    ]


_WAITS = (
    *("yield Acquire('l')", "yield Acquire('m')", "yield Write('x', 1)", "yield Write('y', 1)", "yield Write('x', 0)"),
    *("while not (yield Read('x')): pass", "while not (yield Read('y')): pass"),
    *("while not (yield TryAcquire('l')): pass", "while not (yield TryAcquire('m')): pass"),
    *("yield Release('l')", "yield Release('m')"),
)


@st.composite
def awaiting(draw: st.DrawFn) -> Program:
    """Threads that hold locks while they go round a loop until another thread does something; some never leave it."""
    bodies = {}
    for name in "abc"[: draw(st.integers(2, 3))]:
        lines = "\n ".join(draw(st.lists(st.sampled_from(_WAITS), min_size=1, max_size=4)))
        made: dict[str, Any] = {}
        exec(f"from simulator.ops import *\ndef body():\n {lines}", made)
        bodies[name] = made["body"]
    return Program(bodies, memory={"x": 0, "y": 0}, locks=["l", "m"])


waiting_programs = st.one_of(small_programs(endless=True), small_programs(endless=True), lock_programs)


@many
@given(waiting_programs)
def test_no_end_is_in_reach_exactly_where_a_walk_comes_to_none(small: Small) -> None:
    machine = Machine(small.program())
    states = reachable(machine, machine.initial)
    assume(len(states) <= 250)
    never = {state for state in states if all(machine.successors(following) for following in reachable(machine, state))}
    found = without_end(machine, Budget())
    assert {state for state, _ in found} == never
    for state, path in found:
        reached = machine.initial
        for thread in path():
            reached, _ = machine.step(reached, thread)
        assert reached == state
    acyclic = not any(
        state in reachable(machine, following) for state in states for _, following in machine.successors(state)
    )
    assert acyclic or not surely_ends(Machine(small.program()), Budget())
    assert small.endless or surely_ends(Machine(small.program()), Budget())


@many
@given(st.one_of(awaiting(), awaiting(), waiting_programs.map(lambda small: small.program())))
def test_a_thread_that_waits_for_ever_is_a_deadlock_though_others_run_on(program: Program) -> None:
    machine = Machine(program)
    states = reachable(machine, machine.initial)
    assume(len(states) <= 250)
    failed = failure(assert_deadlock_free, program)
    assert (failed is not None) == any(stuck(machine, state) for state in states)
    if failed is not None:
        assert failed.finding is not None
        state = machine.initial
        for name in replay(program, failed.schedule).schedule:
            state, _ = machine.step(state, machine.threads.index(name))
        assert set(failed.finding.threads) <= set(stuck(machine, state))


@many
@given(small_programs(endless=True))
def test_questions_of_ends_never_pass_where_no_end_is_in_reach(small: Small) -> None:
    program = small.program()
    machine = Machine(program)
    assume(len(reachable(machine, machine.initial)) <= 5_000)
    assume(without_end(machine, Budget()))
    for asserted in (partial(assert_invariant, invariant=lambda memory: True), assert_serializable, assert_clean):
        with pytest.raises((IncompleteFailure, InterleavingFailure)):
            asserted(program)
    with pytest.raises(IncompleteFailure):
        assert_same_outcomes(program, program, crashes_ok=True)


def test_each_assertion_passes_and_fails_often_enough() -> None:
    """The laws above would hold of programs that are all alike, too."""
    seen: dict[tuple[str, bool], int] = {}

    def look(small: Small) -> None:
        program = small.program()
        for asserted in (
            assert_deadlock_free,
            assert_no_lost_updates,
            assert_no_data_races,
            assert_serializable,
            assert_lock_order_acyclic,
        ):
            key = (asserted.__name__, failure(asserted, program) is None)
            seen[key] = seen.get(key, 0) + 1

    settings(max_examples=100, database=None)(given(st.one_of(ending, updates()))(look))()
    assert len(seen) == 10
    assert min(seen.values()) >= 5, seen
