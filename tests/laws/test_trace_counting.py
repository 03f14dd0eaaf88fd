"""Laws of counting traces: what is counted is what a walk through every interleaving finds, whatever is reduced.

The reference brings every interleaving to its canonical form; it shares nothing with the count but the machine and the
dependence of steps. The default profile goes through 150 programs for each law, the thorough one through 2,000.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

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
from tests.laws.programs import (
    LOCATIONS,
    LOCKS,
    Block,
    If,
    Locked,
    Simple,
    Small,
    Try,
    any_programs,
    blocks,
    lock_programs,
    orders,
    small_programs,
)

TINY = (1, 1)
"""Two local states, two values: it has to widen, several times, in nearly every program."""
CUT = 5


@st.composite
def wide_programs(draw: st.DrawFn) -> Small:
    """Three or four threads of four operations at most, some alike: far too many interleavings to go through."""
    kinds = draw(st.lists(st.one_of(blocks(4, endless=False), _locked()), min_size=1, max_size=4))
    return Small(tuple(draw(st.lists(st.sampled_from(kinds), min_size=3, max_size=4))))


@st.composite
def _locked(draw: st.DrawFn) -> Block:
    """Look, then one or two locks, tried or taken, around what may depend on what was seen."""
    first, second = draw(st.permutations(LOCKS))
    inside = draw(blocks(2, endless=False, depth=1))
    inner = draw(
        st.sampled_from([*inside, Simple("yield Pause()"), Locked(second, inside, False), Try(second, inside, ())])
    )
    look = Simple(f"r = yield Read({draw(st.sampled_from(LOCATIONS))!r})")
    outer = Locked(first, (inner,), draw(st.booleans()))
    return (look, If(draw(st.integers(0, 2)), (outer,), inside)) if draw(st.booleans()) else (outer,)


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
@given(wide_programs())
def test_no_reduction_changes_the_count_of_larger_programs(small: Small) -> None:
    """Without reductions it is sleep sets alone, which the laws above hold against every interleaving."""
    plain = count_traces(small.program(apart=True), reductions=Reduction(0))
    for chosen in range(1, EVERY_REDUCTION.value + 1):
        assert count_traces(small.program(), reductions=Reduction(chosen)).outcomes == plain.outcomes


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
