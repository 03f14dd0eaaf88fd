"""Laws of the samplers: what they sample are runs, each is as likely as it is said to be, and nothing is carried over.

Exact odds come from trying every choice that a sampler can make (`chances.py`), on programs drawn anew for each law.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scenarios.counter import counter
from simulator.census import count
from simulator.clocks import canonical_form
from simulator.errors import EndlessError
from simulator.machine import Machine
from simulator.ops import dependent
from simulator.search.distinct import TraceKeys
from simulator.search.estimate import interleaving_samples, trace_samples
from simulator.search.naive import Interleaving, interleavings
from simulator.search.pct import pct
from simulator.search.pos import pos
from simulator.search.random_walk import random_walks
from simulator.search.replay import run_of
from simulator.search.surw import surw
from simulator.search.uniform import RankedInterleavings, uniform
from simulator.search.uniform_traces import RankedTraces, uniform_traces
from simulator.search.weighted_by_length import weighted_by_length
from simulator.trace import Event
from tests.conftest import PROFILE
from tests.laws.chances import chi_squared, critical, distribution, every_run
from tests.laws.programs import Small, any_programs, small_programs

many = settings(max_examples=2000 if PROFILE == "thorough" else 150)
few = settings(max_examples=1000 if PROFILE == "thorough" else 40)

Sampler = Callable[..., Iterator[Interleaving]]
SAMPLERS: dict[str, Sampler] = {
    "random": random_walks,
    "weighted by length": weighted_by_length,
    "uniform": uniform,
    "uniform traces": uniform_traces,
    "pct": pct,
    "pos": pos,
    "surw": surw,
}
each_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=list(SAMPLERS))
limits = st.none() | st.integers(1, 6)


def trace(machine: Machine, schedule: tuple[int, ...]) -> object:
    return canonical_form(run_of(machine, schedule).events)


# -- what holds for every sampler


@each_sampler
@few
@given(any_programs, st.integers(0, 2**32), limits)
def test_what_is_sampled_are_maximal_runs_or_cut_ones(
    sampler: Sampler, small: Small, seed: int, max_steps: int | None
) -> None:
    machine = Machine(small.program())
    for found in islice(sampler(machine, draw=random.Random(seed).random, max_steps=max_steps), 5):
        run = run_of(machine, found.schedule, cut=found.cut)
        assert run.outcome == machine.outcome(found.state, cut=found.cut)
        assert found.cut == bool(run.final.enabled)
        assert not found.cut or len(run) == max_steps
        assert max_steps is None or len(run) <= max_steps


@each_sampler
@few
@given(small_programs(endless=True), st.integers(0, 2**32))
def test_endless_programs_are_cut_at_the_limit(sampler: Sampler, small: Small, seed: int) -> None:
    machine = Machine(small.program())
    for found in islice(sampler(machine, draw=random.Random(seed).random, max_steps=9), 3):
        assert found.cut == bool(machine.enabled(found.state))
        assert len(found.schedule) == 9 or not found.cut


@each_sampler
@few
@given(any_programs, st.integers(0, 2**32), st.integers(0, 4))
def test_a_sampler_carries_nothing_over_from_one_run_to_the_next(
    sampler: Sampler, small: Small, seed: int, before: int
) -> None:
    """Stopped after some runs and started anew on another machine, with the generator as it was: the same runs."""
    chance = random.Random(seed)
    straight = list(islice(sampler(Machine(small.program()), draw=chance.random), 6))
    again = random.Random(seed)
    list(islice(sampler(Machine(small.program()), draw=again.random), before))
    saved = random.Random()
    saved.setstate(again.getstate())
    rest = islice(sampler(Machine(small.program()), draw=saved.random), 6 - before)
    assert [found.schedule for found in rest] == [found.schedule for found in straight[before:]]


# -- uniform over interleavings


@many
@given(any_programs, limits)
def test_ranked_interleavings_are_those_of_naive_enumeration_in_their_order(
    small: Small, max_steps: int | None
) -> None:
    machine = Machine(small.program())
    ranked = RankedInterleavings(machine, max_steps=max_steps)
    everything = list(interleavings(machine, max_steps=max_steps))
    assert [ranked.at(number) for number in range(ranked.total)] == everything
    apart = Machine(small.program(apart=True))
    assert RankedInterleavings(apart, max_steps=max_steps).total == ranked.total


@many
@given(small_programs(endless=True))
def test_counting_for_samples_refuses_the_programs_that_the_census_refuses(small: Small) -> None:
    program = small.program()
    try:
        total = count(program).interleavings
    except EndlessError:
        for ranked in (RankedInterleavings, RankedTraces):
            with pytest.raises(EndlessError, match="give max_steps"):
                ranked(Machine(program))
    else:
        assert RankedInterleavings(Machine(program)).total == total
    assert RankedInterleavings(Machine(program), max_steps=7).total == count(program, max_steps=7).interleavings


def test_all_1680_interleavings_of_three_incrementing_threads_are_equally_likely() -> None:
    """Chi-squared with 1,679 degrees of freedom at a level of 1 in 1,000, seed 1, 25,200 samples: 15 expected of each."""
    machine = Machine(counter.program(threads=3))
    sample = Counter(found.schedule for found in islice(uniform(machine, draw=random.Random(1).random), 15 * 1680))
    assert len(sample) == 1680
    assert chi_squared(sample, 1680) < critical(1680)


def test_a_random_walk_over_them_is_not_uniform() -> None:
    """The same test, level and number of samples: it does tell what is not uniform."""
    machine = Machine(counter.program(threads=3))
    sample = Counter(found.schedule for found in islice(random_walks(machine, draw=random.Random(1).random), 15 * 1680))
    assert chi_squared(sample, 1680) > critical(1680)


# -- uniform over traces


@many
@given(any_programs, limits)
def test_ranked_traces_are_all_traces_once_each(small: Small, max_steps: int | None) -> None:
    machine = Machine(small.program())
    ranked = RankedTraces(machine, max_steps=max_steps)
    found = [ranked.at(number) for number in range(ranked.total)]
    everything = {trace(machine, each.schedule) for each in interleavings(machine, max_steps=max_steps)}
    forms = [trace(machine, each.schedule) for each in found]
    assert len(forms) == len(set(forms))
    assert set(forms) == everything
    for each in found:
        state = machine.initial
        for thread in each.schedule:
            state, _ = machine.step(state, thread)
        assert each.state == state
    assert RankedTraces(Machine(small.program(apart=True)), max_steps=max_steps).total == ranked.total


def test_all_36_traces_of_three_incrementing_threads_are_equally_likely() -> None:
    """Chi-squared with 35 degrees of freedom at a level of 1 in 1,000, seed 1, 3,600 samples: 100 expected of each."""
    machine = Machine(counter.program(threads=3))
    keys = TraceKeys(machine)
    sample = Counter(
        keys.key(found.schedule) for found in islice(uniform_traces(machine, draw=random.Random(1).random), 3600)
    )
    assert len(sample) == 36
    assert chi_squared(sample, 36) < critical(36)
    walks = Counter(keys.key(found.schedule) for found in islice(uniform(machine, draw=random.Random(1).random), 3600))
    assert chi_squared(walks, 36) > critical(36)


# -- keys of traces


@many
@given(any_programs, limits)
def test_keys_are_equal_exactly_for_runs_of_one_trace(small: Small, max_steps: int | None) -> None:
    machine = Machine(small.program())
    keys = TraceKeys(machine)
    pairs = {
        (keys.key(each.schedule), trace(machine, each.schedule)) for each in interleavings(machine, max_steps=max_steps)
    }
    assert len({key for key, _ in pairs}) == len({form for _, form in pairs}) == len(pairs)
    # A saved key can be compared with one of another process: it does not hang on what the machine did before.
    other = TraceKeys(Machine(small.program()))
    last = list(interleavings(machine, max_steps=max_steps))[-1]
    assert other.key(last.schedule) == keys.key(last.schedule)


# -- random walks and Knuth's estimates


@few
@given(any_programs)
def test_random_walks_have_the_odds_of_the_census(small: Small) -> None:
    machine = Machine(small.program())
    assume(sum(1 for _ in islice(interleavings(machine), 300)) < 300)
    odds = distribution(lambda draw: machine.outcome(next(random_walks(machine, draw=draw)).state))
    assert odds == count(machine).odds


@few
@given(any_programs, limits)
def test_knuths_estimates_have_no_bias(small: Small, max_steps: int | None) -> None:
    """The mean over all walks, each with its odds, is the number itself."""
    machine = Machine(small.program())
    everything = list(islice(interleavings(machine, max_steps=max_steps), 300))
    assume(len(everything) < 300)
    walks = every_run(lambda draw: next(interleaving_samples(machine, draw=draw, max_steps=max_steps)))
    assert sum(value * odds for value, odds in walks) == len(everything)
    traces = {trace(machine, found.schedule) for found in everything}
    walks = every_run(lambda draw: next(trace_samples(machine, draw=draw, max_steps=max_steps)))
    assert sum(value * odds for value, odds in walks) == len(traces)


# -- POS


def literal_pos(machine: Machine, draw: Callable[[], Any], *, at_once: bool) -> tuple[int, ...]:
    """One POS run as the paper writes it: a priority for each event, by its thread and its place in the thread.

    `at_once` draws anew right away for the events that race with the one executed; otherwise when they are next seen.
    """
    state, schedule = machine.initial, []
    priority: dict[tuple[int, int], Any] = {}
    while enabled := machine.enabled(state):
        pending = {thread: (thread, schedule.count(thread)) for thread in enabled}
        for event in pending.values():
            if event not in priority:
                priority[event] = draw()
        chosen = max(enabled, key=lambda thread: priority[pending[thread]])
        for thread in enabled:
            first, second = (machine.event_at(state, each).footprint for each in (thread, chosen))
            if thread != chosen and dependent(first, second):
                del priority[pending[thread]]
                if at_once:
                    priority[pending[thread]] = draw()
        state, _ = machine.step(state, chosen)
        schedule.append(chosen)
    return tuple(schedule)


@many
@given(any_programs, st.integers(0, 2**32))
def test_pos_is_the_papers_algorithm(small: Small, seed: int) -> None:
    machine = Machine(small.program())
    runs = pos(machine, draw=random.Random(seed).random)
    draw = random.Random(seed).random
    for found in islice(runs, 5):
        assert found.schedule == literal_pos(machine, draw, at_once=False)


# -- weights


def short(machine: Machine) -> list[Interleaving]:
    """All interleavings of a program with six steps at most, for which every choice can be tried."""
    everything = list(islice(interleavings(machine), 100))
    assume(len(everything) < 100 and max(len(found.schedule) for found in everything) <= 6)
    return everything


@few
@given(any_programs)
def test_weighted_walks_are_uniform_where_threads_never_block_and_keep_their_lengths(small: Small) -> None:
    machine = Machine(small.program())
    everything = short(machine)
    threads = range(len(machine.threads))
    assume(len({tuple(map(found.schedule.count, threads)) for found in everything}) == 1)
    assume(not any(blocked(machine, found.schedule) for found in everything))
    uniformly = dict.fromkeys((found.schedule for found in everything), Fraction(1, len(everything)))
    assert distribution(lambda draw: next(weighted_by_length(machine, draw=draw)).schedule) == uniformly
    # The selectively uniform walk in which all events are interesting is the same one.
    assert distribution(lambda draw: next(surw(machine, draw=draw, interesting=lambda _: True)).schedule) == uniformly


def blocked(machine: Machine, schedule: tuple[int, ...]) -> bool:
    """Whether a thread that has not ended cannot move, somewhere on the way."""
    run = run_of(machine, schedule)
    return any(len(here.enabled) < sum(map(bool, here.pending.values())) for here in run.situations)


@few
@given(any_programs)
def test_every_interleaving_is_possible_under_surw_and_under_weights(small: Small) -> None:
    machine = Machine(small.program())
    everything = {found.schedule for found in short(machine)}
    assert distribution(lambda draw: next(surw(machine, draw=draw)).schedule).keys() == everything
    assert distribution(lambda draw: next(weighted_by_length(machine, draw=draw)).schedule).keys() == everything


@few
@given(any_programs)
def test_the_orders_of_interesting_steps_are_equally_likely_under_surw(small: Small) -> None:
    """Where no thread blocks and each takes as many of them in every run: here, the steps that touch x."""
    machine = Machine(small.program())
    everything = short(machine)

    def order(found: Interleaving) -> tuple[int, ...]:
        events = run_of(machine, found.schedule).events
        return tuple(thread for thread, event in zip(found.schedule, events, strict=True) if touches_x(event))

    threads = range(len(machine.threads))
    orders = {order(found) for found in everything}
    assume(len({tuple(map(each.count, threads)) for each in orders}) == 1)
    assume(not any(blocked(machine, found.schedule) for found in everything))
    odds = distribution(lambda draw: order(next(surw(machine, draw=draw, interesting=touches_x))))
    assert odds == dict.fromkeys(orders, Fraction(1, len(orders)))


def touches_x(event: Event) -> bool:
    return event.footprint.name == "x"
