"""Laws of runs, schedules and the order of cause."""

from __future__ import annotations

import random
from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.clocks import HappensBefore, canonical_form
from simulator.errors import ScheduleError
from simulator.machine import Machine
from simulator.ops import dependent
from simulator.search.naive import interleavings
from simulator.search.random_walk import random_walks
from simulator.search.replay import Misfit, replay, run_of
from simulator.trace import Run, Schedule
from tests.conftest import PROFILE
from tests.laws import reference
from tests.laws.programs import Small, any_programs

many = settings(max_examples=2000 if PROFILE == "thorough" else 150)


def runs(machine: Machine, most: int = 150) -> list[Run]:
    found = []
    for interleaving in interleavings(machine):
        found.append(run_of(machine, interleaving.schedule))
        if len(found) == most:
            break
    return found


def told(run: Run) -> list[tuple[object, ...]]:
    """A run without the functions of its updates: a lambda in a body is another object each time that the body runs."""
    return [
        *((event.thread, event.text, repr(event.answer), str(event.where), event.held, event.notices) for event in run),
        (repr(run.outcome), repr(run.final.memory), run.final.owners, run.final.ends, run.start),
    ]


@many
@given(any_programs, st.data())
def test_replaying_a_schedules_text_reproduces_its_run(small: Small, data: st.DataObject) -> None:
    machine = Machine(small.program())
    run = data.draw(st.sampled_from(runs(machine)))
    assert Schedule.parse(str(run.schedule), machine.threads) == run.schedule
    if run.schedule:
        assert told(replay(small.program(), str(run.schedule))) == told(run)
    assert replay(machine, run.schedule) == run
    # Any beginning of it fits, and goes on to an end by itself.
    length = data.draw(st.integers(0, len(run)))
    beginning = replay(small.program(), run.schedule[:length])
    assert told(beginning)[:-1] == told(run)[:length]
    assert replay(small.program(), run.schedule[:length], finish=True).outcome is not None


@many
@given(any_programs, st.lists(st.sampled_from(["t0", "t1"]), max_size=12))
def test_a_schedule_that_does_not_fit_says_so_or_is_followed_as_far_as_it_fits(small: Small, wanted: list[str]) -> None:
    program = Machine(small.program())
    stopped = replay(program, wanted, misfit=Misfit.STOP)
    assert list(stopped.schedule) == wanted[: len(stopped)]
    skipped = replay(program, wanted, misfit=Misfit.SKIP)
    assert skipped.schedule[: len(stopped)] == stopped.schedule
    try:
        run = replay(program, wanted)
    except ScheduleError as error:
        assert len(stopped) < len(wanted)
        assert f"at step {len(stopped) + 1} of {len(wanted)}" in str(error)  # noqa: PT017
    else:
        assert run == stopped == skipped
        assert list(run.schedule) == wanted


@many
@given(any_programs, st.integers(0, 2**32))
def test_random_walks_are_interleavings_and_repeat_with_their_seed(small: Small, seed: int) -> None:
    machine = Machine(small.program())
    other = Machine(small.program())
    first = list(islice(random_walks(machine, draw=random.Random(seed).random), 5))
    again = list(islice(random_walks(other, draw=random.Random(seed).random), 5))
    assert [found.schedule for found in first] == [found.schedule for found in again]
    for found in first:
        run = run_of(machine, found.schedule)
        assert run.outcome == machine.outcome(found.state)


@many
@given(any_programs)
def test_events_say_what_the_reference_does(small: Small) -> None:
    program = small.program()
    machine = Machine(program)
    for run in runs(machine, 20):
        world = reference.World(program)
        for number, event in enumerate(run.events):
            assert run.situations[number].enabled == tuple(world.enabled())
            assert repr(world.wants[event.thread]) == repr(event.operation)
            assert repr(world.memory) == repr(dict(run.situations[number].memory))
            assert world.owner == run.situations[number].owners
            world.step(event.thread)
        assert {name: end.how for name, end in run.final.ends.items() if end is not None} == world.ended
        world.close()


@many
@given(any_programs)
def test_adjacent_independent_steps_commute(small: Small) -> None:
    program = small.program()
    machine = Machine(program)
    for run in runs(machine, 40):
        state = machine.initial
        for first, second in zip(run.events, run.events[1:], strict=False):
            one, other = machine.threads.index(first.thread), machine.threads.index(second.thread)
            after_first, _ = machine.step(state, one)
            if one != other and not dependent(first.footprint, second.footprint):
                assert other in machine.enabled(state)
                after_second, second_first = machine.step(state, other)
                both, first_second = machine.step(after_second, one)
                assert both == machine.step(after_first, other)[0]
                assert (second_first, first_second) == (second, first)
            state = after_first


@many
@given(any_programs)
def test_canonical_forms_are_the_classes_of_runs_under_swaps(small: Small) -> None:
    """Runs joined by swapping adjacent independent steps have one canonical form, and others have another."""
    machine = Machine(small.program())
    everything = runs(machine, 600)
    if len(everything) == 600:
        return
    groups = {run.schedule: number for number, run in enumerate(everything)}
    parent = list(range(len(everything)))

    def root(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    for number, run in enumerate(everything):
        for place, (first, second) in enumerate(zip(run.events, run.events[1:], strict=False)):
            if first.thread != second.thread and not dependent(first.footprint, second.footprint):
                names = list(run.schedule)
                names[place], names[place + 1] = names[place + 1], names[place]
                parent[root(number)] = root(groups[Schedule(names)])
    classes: dict[int, set[object]] = {}
    for number, run in enumerate(everything):
        classes.setdefault(root(number), set()).add(canonical_form(run.events))
    assert all(len(forms) == 1 for forms in classes.values())
    assert len(set().union(*classes.values())) == len(classes)


@many
@given(any_programs)
def test_happens_before_is_the_closure_of_dependence(small: Small) -> None:
    machine = Machine(small.program())
    for run in runs(machine, 15):
        events = run.events
        order = HappensBefore(events)
        before = [[False] * len(events) for _ in events]
        for second in range(len(events)):
            for first in range(second):
                before[first][second] = events[first].thread == events[second].thread or dependent(
                    events[first].footprint, events[second].footprint
                )
        for middle in range(len(events)):
            for first in range(len(events)):
                for second in range(len(events)):
                    before[first][second] |= before[first][middle] and before[middle][second]
        for first in range(len(events)):
            for second in range(len(events)):
                assert order.before(first, second) == before[first][second]
        races = [
            (first, second)
            for second in range(len(events))
            for first in range(second)
            if events[first].thread != events[second].thread
            and dependent(events[first].footprint, events[second].footprint)
            and not any(before[first][middle] and before[middle][second] for middle in range(first + 1, second))
        ]
        assert order.races() == races
