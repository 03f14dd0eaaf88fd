"""Laws of counting traces: what is counted is what a walk through every interleaving finds, whatever is reduced.

The reference brings every interleaving to its canonical form; it shares nothing with the count but the machine and the
dependence of steps. The default profile goes through 150 programs for each law, the thorough one through 2,000.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings

from simulator.census import count
from simulator.clocks import canonical_form
from simulator.errors import EndlessError
from simulator.machine import ROOMY, Machine
from simulator.program import Program
from simulator.search.naive import interleavings
from simulator.search.replay import run_of
from simulator.trace import Outcome
from simulator.traces import EVERY_REDUCTION, Reduction, count_traces
from tests.conftest import PROFILE
from tests.laws.programs import Small, any_programs, lock_programs, orders, small_programs

TINY = (1, 1)
"""Two local states, two values: it has to widen, several times, in nearly every program."""
CUT = 5

many = settings(max_examples=2000 if PROFILE == "thorough" else 150)


def walked(program: Program, max_steps: int | None = None) -> Counter[Outcome]:
    """Traces by outcome: the distinct canonical forms of all interleavings."""
    machine = Machine(program)
    forms = {}
    for found in interleavings(machine, max_steps=max_steps):
        run = run_of(machine, found.schedule, cut=found.cut)
        assert run.outcome is not None
        forms[canonical_form(run.events)] = run.outcome
    return Counter(forms.values())


@many
@given(any_programs)
def test_the_count_is_the_number_of_distinct_canonical_forms(small: Small) -> None:
    assert count_traces(small.program()).outcomes == walked(small.program())


@many
@given(lock_programs)
def test_the_count_of_programs_with_locks_is_the_number_of_distinct_canonical_forms(small: Small) -> None:
    assert count_traces(small.program()).outcomes == walked(small.program())


@many
@given(any_programs)
def test_no_reduction_changes_the_count(small: Small) -> None:
    plain = count_traces(small.program(), reductions=Reduction(0))
    assert plain.outcomes == walked(small.program())
    for chosen in range(1, EVERY_REDUCTION.value + 1):
        reduced = count_traces(small.program(), reductions=Reduction(chosen))
        assert reduced.outcomes == plain.outcomes, Reduction(chosen)


@many
@given(small_programs(endless=True))
def test_the_count_of_pieces_is_the_number_of_their_canonical_forms(small: Small) -> None:
    assert count_traces(small.program(), max_steps=CUT).outcomes == walked(small.program(), CUT)


@many
@given(small_programs(endless=True))
def test_a_program_has_a_number_of_traces_exactly_when_it_ends(small: Small) -> None:
    try:
        interleaved = count(small.program())
    except EndlessError:
        interleaved = None
    try:
        traces = count_traces(small.program())
    except EndlessError:
        traces = None
    assert (interleaved is None) == (traces is None)
    if interleaved is not None and traces is not None:
        assert set(interleaved.outcomes) == set(traces.outcomes)


@many
@given(any_programs)
def test_neither_layout_nor_merging_changes_the_count(small: Small) -> None:
    found = count_traces(small.program())
    assert count_traces(Machine(small.program(), bits=TINY)) == found
    assert count_traces(Machine(small.program(), bits=ROOMY)) == found
    assert count_traces(Machine(small.program(), merge=False)).outcomes == found.outcomes


@many
@given(any_programs)
def test_the_order_of_threads_changes_no_number_of_traces(small: Small) -> None:
    first, *others = [count_traces(small.program(order=order)).outcomes for order in orders(small)]
    assert all(other == first for other in others)


@many
@given(any_programs)
def test_interchangeable_threads_are_counted_like_any_others(small: Small) -> None:
    assert count_traces(small.program()).outcomes == count_traces(small.program(apart=True)).outcomes
