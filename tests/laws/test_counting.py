"""Laws of enumeration and counting: what is walked, what is counted and what the graph reaches are the same.

The reference is `reference.py`, which shares nothing with the machine. Each law draws its own programs; the default
profile goes through 150 for each law, the thorough one through 2,000.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import TypeVar

from hypothesis import given, settings

from simulator.analysis.riders import Riders
from simulator.census import count
from simulator.errors import LimitError
from simulator.explore import check
from simulator.machine import COMPACT, ROOMY, LayoutFull, Machine
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.graph import StateGraph
from simulator.search.naive import interleavings
from simulator.trace import Outcome
from tests.conftest import PROFILE
from tests.laws import reference
from tests.laws.programs import Small, any_programs, orders, small_programs

T = TypeVar("T")
TINY = (1, 1)
"""Two local states, two values: it has to widen, several times, in nearly every program."""

many = settings(max_examples=2000 if PROFILE == "thorough" else 150)


def with_layout(program: Program, bits: tuple[int, int], use: Callable[[Machine], T], *, merge: bool = True) -> T:
    machine = Machine(program, bits=bits, merge=merge)
    while True:
        try:
            return use(machine)
        except LayoutFull:
            machine = machine.widened()


def walked(machine: Machine, max_steps: int | None = None) -> list[tuple[tuple[str, ...], Outcome]]:
    return [
        (tuple(machine.threads[thread] for thread in found.schedule), machine.outcome(found.state, cut=found.cut))
        for found in interleavings(machine, max_steps=max_steps)
    ]


def expected(program: Program, max_steps: int | None = None) -> list[tuple[tuple[str, ...], Outcome]]:
    return [
        (found.schedule, Outcome(found.how, found.memory))
        for found in reference.interleavings(program, max_steps=max_steps)
    ]


def reached(machine: Machine) -> set[Outcome]:
    return set(StateGraph(machine, Riders(machine, ()), Budget()).run().outcomes)


def shown(pairs: list[tuple[tuple[str, ...], Outcome]]) -> list[tuple[tuple[str, ...], str, str]]:
    """With values by repr, so that True is not 1."""
    return [(schedule, outcome.how, repr(outcome.memory)) for schedule, outcome in pairs]


@many
@given(any_programs)
def test_enumeration_is_the_reference_interpreter(small: Small) -> None:
    program = small.program()
    assert shown(walked(Machine(program))) == shown(expected(program))


@many
@given(small_programs(endless=True))
def test_enumeration_cut_by_a_budget_is_the_reference_interpreter_cut_there(small: Small) -> None:
    program = small.program()
    assert shown(walked(Machine(program), max_steps=6)) == shown(expected(program, max_steps=6))


@many
@given(any_programs)
def test_census_counts_what_the_reference_walks(small: Small) -> None:
    program = small.program()
    found = list(reference.interleavings(program))
    numbers: Counter[Outcome] = Counter(Outcome(each.how, each.memory) for each in found)
    odds: dict[Outcome, Fraction] = {}
    for each in found:
        outcome = Outcome(each.how, each.memory)
        odds[outcome] = odds.get(outcome, Fraction(0)) + each.odds
    census = count(program)
    assert census.outcomes == numbers
    assert census.odds == odds
    assert sum(census.odds.values()) == 1
    assert census.interleavings == len(found)
    assert census.longest == max(len(each.schedule) for each in found)


@many
@given(small_programs(endless=True))
def test_census_cut_by_a_budget_counts_what_enumeration_cut_there_walks(small: Small) -> None:
    program = small.program()
    assert count(program, max_steps=6).outcomes == Counter(outcome for _, outcome in walked(Machine(program), 6))


@many
@given(small_programs(endless=True))
def test_a_program_is_refused_for_running_for_ever_exactly_when_it_can(small: Small) -> None:
    """Every way round a loop of `Await` is a cycle of states, so a run of 60 steps exists exactly when there is one."""
    program = small.program()
    can = any(outcome.how == "out of steps" for outcome in count(program, max_steps=60).outcomes)
    try:
        census = count(program)
    except LimitError as error:
        assert can
        assert "for ever" in str(error)  # noqa: PT017
    else:
        assert not can
        assert census.max_steps is None


@many
@given(any_programs)
def test_graph_reaches_the_outcomes_of_enumeration(small: Small) -> None:
    program = small.program()
    outcomes = {outcome for _, outcome in walked(Machine(program))}
    assert reached(Machine(program)) == outcomes
    report = check(program, scheduler="naive")
    assert set(report.outcomes) == outcomes
    assert report.complete


@many
@given(small_programs(endless=True))
def test_graph_reaches_the_outcomes_of_enumeration_cut_anywhere(small: Small) -> None:
    program = small.program()
    ended = {outcome for _, outcome in walked(Machine(program), 8) if outcome.how != "out of steps"}
    assert ended <= reached(Machine(program))


@many
@given(any_programs)
def test_merging_changes_no_answer(small: Small) -> None:
    program = small.program()
    merged, apart = Machine(program, merge=True), Machine(program, merge=False)
    assert shown(walked(merged)) == shown(walked(apart))
    assert reached(merged) == reached(apart)
    one, other = count(Machine(program, merge=True)), count(Machine(program, merge=False))
    assert (one.outcomes, one.odds) == (other.outcomes, other.odds)
    assert merged.nodes <= apart.nodes


@many
@given(small_programs(endless=True))
def test_merging_changes_no_answer_of_a_program_without_end(small: Small) -> None:
    program = small.program()
    assert shown(walked(Machine(program, merge=True), 7)) == shown(walked(Machine(program, merge=False), 7))


@many
@given(any_programs)
def test_layout_changes_no_answer(small: Small) -> None:
    program = small.program()
    first = walked(Machine(program, bits=ROOMY))
    census = count(Machine(program, bits=ROOMY))
    for bits in (COMPACT, TINY):
        assert shown(with_layout(program, bits, walked)) == shown(first)
        assert with_layout(program, bits, reached) == {outcome for _, outcome in first}
        assert with_layout(program, bits, lambda machine: count(machine)) == census


@many
@given(any_programs)
def test_interchangeable_threads_are_counted_like_any_others(small: Small) -> None:
    """The same bodies as functions of their own are not interchangeable, and are counted one by one."""
    together, apart = count(small.program()), count(small.program(apart=True))
    assert (together.outcomes, together.odds) == (apart.outcomes, apart.odds)


@many
@given(any_programs)
def test_the_order_of_threads_changes_no_count(small: Small) -> None:
    first, *others = [count(small.program(order=order)) for order in orders(small)]
    for other in others:
        assert (other.outcomes, other.odds) == (first.outcomes, first.odds)
