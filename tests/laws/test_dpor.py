"""Laws of optimal DPOR: its runs are the Mazurkiewicz traces, each exactly once, and nothing is begun in vain.

The reference goes through every interleaving and knows nothing of races, sleep sets or wakeup trees: two of them are one
trace when they have one canonical form. Outcomes alone would not do: what has lost a trace mostly has all outcomes still.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.census import count
from simulator.clocks import canonical_form
from simulator.errors import EndlessError
from simulator.machine import Machine
from simulator.ops import dependent
from simulator.search.budget import Stop
from simulator.search.distinct import TraceKeys
from simulator.search.dpor import Dpor, Place
from simulator.search.naive import Interleaving, interleavings
from simulator.search.replay import replay, run_of
from simulator.trace import Outcome
from simulator.traces import count_traces
from tests.conftest import PROFILE
from tests.laws.crowds import crowds
from tests.laws.programs import Small, any_programs, lock_programs, small_programs, tangled_programs

thorough = PROFILE == "thorough"
many = settings(max_examples=5000 if thorough else 400)
some = settings(max_examples=2000 if thorough else 120)

every_program = st.one_of(crowds(), crowds(), any_programs, tangled_programs())


def through(dpor: Dpor) -> list[Interleaving]:
    """All runs of a search that says that they were all."""
    runs = list(dpor.runs())
    assert dpor.stop is Stop.COMPLETE
    return runs


def told(runs: Iterable[Interleaving]) -> list[tuple[tuple[int, ...], bool]]:
    """Runs without their states: two machines number what they meet in their own order."""
    return [(run.schedule, run.cut) for run in runs]


def outcomes_by_trace(machine: Machine, runs: Iterable[Interleaving]) -> dict[bytes, Outcome]:
    keys = TraceKeys(machine)
    ends = {keys.key(run.schedule): run.state for run in runs}
    return {key: machine.outcome(state) for key, state in ends.items()}


@many
@given(crowds())
def test_the_runs_are_the_traces_of_all_interleavings_each_exactly_once(small: Small) -> None:
    machine = Machine(small.program())
    runs = through(Dpor(machine))
    found = outcomes_by_trace(machine, runs)
    assert len(found) == len(runs)
    assert found == outcomes_by_trace(machine, interleavings(machine))


@some
@given(st.one_of(any_programs, lock_programs))
def test_their_canonical_forms_are_those_of_all_interleavings(small: Small) -> None:
    machine = Machine(small.program())
    runs = [canonical_form(run_of(machine, run.schedule).events) for run in through(Dpor(machine))]
    assert len(set(runs)) == len(runs)
    assert set(runs) == {canonical_form(run_of(machine, run.schedule).events) for run in interleavings(machine)}


@some
@given(every_program)
def test_every_run_is_maximal_and_replays(small: Small) -> None:
    machine = Machine(small.program())
    other = Machine(small.program())
    for found in through(Dpor(machine)):
        assert not machine.enabled(found.state)
        assert not found.cut
        run = replay(other, [other.threads[thread] for thread in found.schedule])
        assert run.outcome == machine.outcome(found.state)
        assert not run.final.enabled


@many
@given(every_program)
def test_there_are_as_many_runs_as_traces_are_counted_for_each_outcome(small: Small) -> None:
    machine = Machine(small.program())
    found = Counter(machine.outcome(run.state) for run in through(Dpor(machine)))
    assert found == count_traces(small.program()).outcomes


@some
@given(crowds())
def test_there_are_as_many_interleavings_as_are_counted_for_each_outcome(small: Small) -> None:
    machine = Machine(small.program())
    assert Counter(machine.outcome(run.state) for run in interleavings(machine)) == count(small.program()).outcomes


@some
@given(every_program)
def test_the_search_takes_the_same_runs_with_and_without_merging(small: Small) -> None:
    merged = [run.schedule for run in through(Dpor(Machine(small.program())))]
    assert merged == [run.schedule for run in through(Dpor(Machine(small.program(), merge=False)))]
    assert merged == [run.schedule for run in through(Dpor(Machine(small.program(apart=True))))]


@some
@given(crowds())
def test_adjacent_independent_steps_of_a_run_commute(small: Small) -> None:
    machine = Machine(small.program())
    keys = TraceKeys(machine)
    for run in through(Dpor(machine)):
        state = machine.initial
        for place in range(1, len(run.schedule)):
            one, other = run.schedule[place - 1 : place + 1]
            between, first = machine.step(state, one)
            reached, second = machine.step(between, other)
            if one != other:
                swapped = (*run.schedule[: place - 1], other, one, *run.schedule[place + 1 :])
                if not dependent(first.footprint, second.footprint):
                    before, second_first = machine.step(state, other)
                    both, first_second = machine.step(before, one)
                    assert (both, first_second, second_first) == (reached, first, second)
                    assert keys.key(swapped) == keys.key(run.schedule)
            state = between


# -- saved and taken up again


def resumed(small: Small, after: int, max_steps: int | None = None) -> tuple[list[tuple[tuple[int, ...], bool]], Stop]:
    """What comes after so many runs, when the place is kept as text and another search goes on from there.

    The place after the last run is the one after all runs were gone through.
    """
    search = Dpor(Machine(small.program()), max_steps=max_steps)
    for number, _ in enumerate(search.runs(), start=1):
        if number == after:
            break
    place = Place(*json.loads(json.dumps(search.place())))
    other = Dpor(Machine(small.program()), max_steps=max_steps)
    return told(other.runs(place)), other.stop


@some
@given(every_program, st.data())
def test_a_search_taken_up_again_takes_exactly_the_runs_that_were_left(small: Small, data: st.DataObject) -> None:
    whole = told(through(Dpor(Machine(small.program()))))
    after = data.draw(st.integers(1, len(whole) + 1))
    left, stop = resumed(small, after)
    assert stop is Stop.COMPLETE
    assert left == whole[after:]


@some
@given(st.one_of(crowds(), small_programs(endless=True)), st.sampled_from([None, *range(1, 8)]), st.data())
def test_so_does_one_that_cuts_its_runs_or_finds_one_without_end(
    small: Small, max_steps: int | None, data: st.DataObject
) -> None:
    search = Dpor(Machine(small.program()), max_steps=max_steps)
    whole = told(search.runs())
    after = data.draw(st.integers(1, len(whole) + 1))
    assert resumed(small, after, max_steps) == (whole[after:], search.stop)


@some
@given(st.one_of(crowds(), any_programs), st.data())
def test_enumeration_goes_on_beyond_any_interleaving(small: Small, data: st.DataObject) -> None:
    machine = Machine(small.program())
    max_steps = data.draw(st.sampled_from([None, 1, 3, 5]))
    whole = told(interleavings(machine, max_steps=max_steps))
    after = data.draw(st.integers(1, len(whole)))
    beyond, _ = json.loads(json.dumps(whole[after - 1]))
    other = Machine(small.program())
    assert told(interleavings(other, max_steps=max_steps, beyond=beyond)) == whole[after:]


# -- programs that are cut, or never end


@some
@given(every_program)
def test_a_cut_that_no_run_reaches_changes_nothing(small: Small) -> None:
    whole = told(through(Dpor(Machine(small.program()))))
    longest = max(len(schedule) for schedule, _ in whole)
    for max_steps in (longest, longest + 1):
        cut = Dpor(Machine(small.program()), max_steps=max_steps)
        assert told(cut.runs()) == whole
        assert cut.stop is Stop.COMPLETE
    if longest:
        cut = Dpor(Machine(small.program()), max_steps=longest - 1)
        assert max(len(run.schedule) for run in cut.runs()) <= longest - 1
        assert cut.stop is Stop.STEPS


@some
@given(small_programs(endless=True), st.integers(0, 8))
def test_runs_that_are_cut_are_beginnings_and_are_said_to_be(small: Small, max_steps: int) -> None:
    machine = Machine(small.program())
    search = Dpor(machine, max_steps=max_steps)
    some_cut = False
    for found in search.runs():
        state = machine.initial
        for thread in found.schedule:
            state = machine.step(state, thread)[0]
        assert state == found.state
        assert len(found.schedule) <= max_steps
        assert found.cut == bool(machine.enabled(state))
        assert not found.cut or len(found.schedule) == max_steps
        some_cut |= found.cut
    assert search.stop is (Stop.STEPS if some_cut else Stop.COMPLETE)


@some
@given(small_programs(endless=True))
def test_a_program_that_can_run_for_ever_is_found_out(small: Small) -> None:
    search = Dpor(Machine(small.program()))
    assert sum(1 for _ in search.runs()) < 10_000
    try:
        count(small.program())
    except EndlessError:
        assert search.stop in (Stop.ENDLESS, Stop.STEPS)
    else:
        assert search.stop is Stop.COMPLETE


def test_what_is_drawn_has_everything_that_a_trace_can_be_lost_by() -> None:
    """The laws above would hold of programs without races, too."""
    seen: Counter[str] = Counter()

    @settings(max_examples=300, database=None)
    @given(crowds())
    def look(small: Small) -> None:
        machine = Machine(small.program())
        runs = list(Dpor(machine).runs())
        seen.update({f"{len(small.threads)} threads", *(machine.outcome(run.state).how for run in runs)})
        seen.update({f"{type(event.operation).__name__} {event.footprint.access.name}" for event in machine.events})
        seen["more than 20 traces"] += len(runs) > 20
        assert sum(1 for _ in interleavings(machine)) <= 2_520

    look()
    for what in (
        *("3 threads", "4 threads", "5 threads", "more than 20 traces"),
        *("finished", "deadlocked", "failed check", "crashed"),
        *("CompareAndSwap READ", "CompareAndSwap WRITE", "TryAcquire READ", "TryAcquire WRITE"),
        *("Update READ", "Update WRITE", "Acquire WRITE", "Release WRITE"),
    ):
        assert seen[what] >= 15, (what, seen)
