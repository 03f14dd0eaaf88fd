"""What Hypothesis comes back with: the smallest program, workload or schedule, by name. No health check is switched off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from simulator import Program, Read, Schedule, Write, check, explore, replay
from simulator.analysis.finding import Finding, Kind
from simulator.strategies import Workload, interleavings, lock_orders, programs, schedules, workloads

Value = TypeVar("Value")

strict = settings(
    max_examples=2_000,
    database=None,
    derandomize=True,
    suppress_health_check=[],
    phases=[Phase.generate, Phase.shrink],
)


def smallest(strategy: SearchStrategy[Value], condition: Callable[[Value], bool]) -> Value:
    """What Hypothesis comes back with."""
    return find(strategy, condition, settings=strict)


def shows(kind: Kind, which: Callable[[Finding], bool] = lambda finding: True) -> Callable[[Program], bool]:
    """Whether complete exploration of a program finds such a thing."""

    def found(program: Program) -> bool:
        report = check(program, kinds=[kind], counted=False)
        return any(each.kind is kind and which(each) for each in report.findings)

    return found


def threads_of(program: Program) -> list[list[str]]:
    """What each thread of a drawn program does, one line for each statement."""
    functions = dict(re.findall(r"^def (\w+)\(\):\n((?:    .*\n)+)", repr(program), re.MULTILINE))
    body_of = dict(re.findall(r"'(\w+)': (\w+)", repr(program)))
    return [
        [line.strip() for line in functions[body_of[thread]].splitlines() if "yield" in line]
        for thread in program.threads
    ]


LEFT = ["yield Acquire('l')", "yield Acquire('m')", "yield Release('m')", "yield Release('l')"]
RIGHT = ["yield Acquire('m')", "yield Acquire('l')", "yield Release('l')", "yield Release('m')"]


def test_the_smallest_program_is_two_threads_that_pause() -> None:
    assert threads_of(smallest(programs(), lambda program: True)) == [["yield Pause()"]] * 2


def test_the_smallest_lost_update_is_a_read_and_a_write_against_a_write() -> None:
    found = smallest(programs(), shows(Kind.LOST_UPDATE))
    reading, writing = ["r = yield Read('x')", "yield Write('x', r + 1)"], ["yield Write('x', r + 1)"]
    assert sorted(threads_of(found), key=len) in ([writing, reading], [reading, reading])


def test_the_smallest_data_race_is_one_access_against_another() -> None:
    found = smallest(programs(), shows(Kind.DATA_RACE))
    assert [len(thread) for thread in threads_of(found)] == [1, 1]
    assert "yield Write('x', r + 1)" in [line for thread in threads_of(found) for line in thread]


def test_the_smallest_deadlock_is_two_locks_nested_in_opposite_orders() -> None:
    found = smallest(programs(), shows(Kind.DEADLOCK))
    assert sorted(threads_of(found)) == [LEFT, RIGHT]
    # The schedule need not be drawn: its shortest witness is a function of the program, so Hypothesis shrinks that alone.
    (deadlock,) = check(found, kinds=[Kind.DEADLOCK], counted=False).findings
    assert str(deadlock.witness) == "t0 t1"


def test_the_smallest_deadlock_of_three_threads_goes_round_three_locks() -> None:
    only_locks = programs(threads=(2, 3), locations=(), locks=("l", "m", "n"), try_locks=False)
    found = smallest(only_locks, shows(Kind.DEADLOCK, lambda finding: len(finding.objects) == 3))
    orders = [re.findall(r"Acquire\('(\w)'\)", " ".join(thread)) for thread in threads_of(found)]
    assert [len(order) for order in orders] == [2, 2, 2]
    assert {first for first, _ in orders} == {second for _, second in orders} == {"l", "m", "n"}


def test_the_smallest_failed_check_is_one_that_is_reached_at_once() -> None:
    found = smallest(programs(checks=True), shows(Kind.FAILED_CHECK))
    assert sum(len(thread) for thread in threads_of(found)) <= 4
    assert "Check(r != 0" in repr(found)


def add_one() -> Iterator[Read | Write]:
    value = yield Read("x")
    yield Write("x", value + 1)


counter = Program({"a": add_one, "b": add_one, "c": add_one}, memory={"x": 0})


def test_the_smallest_schedule_that_loses_an_update_has_one_preemption() -> None:
    found = smallest(schedules(counter), lambda schedule: str(replay(counter, schedule).outcome) != "x=3")
    assert replay(counter, found).preemptions == 1
    assert str(found) == "a b*2 a c*2"


def test_the_smallest_schedule_that_loses_two_updates_has_as_few_preemptions_as_it_can() -> None:
    found = smallest(schedules(counter), lambda schedule: str(replay(counter, schedule).outcome) == "x=1")
    fewest = min(
        replay(counter, schedule).preemptions
        for schedule in every_schedule(counter)
        if str(replay(counter, schedule).outcome) == "x=1"
    )
    assert replay(counter, found).preemptions == fewest


def every_schedule(program: Program) -> list[Schedule]:
    return [run.schedule for run in explore(program)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (lambda drawn: True, Workload({1: 10, 2: 10}, ((1, 2, 1),))),
        (lambda drawn: drawn.transfers[0][2] > 10, Workload({1: 10, 2: 10}, ((1, 2, 11),))),
        (lambda drawn: len(drawn.transfers) == 2, Workload({1: 10, 2: 10}, ((1, 2, 1), (1, 2, 1)))),
        (lambda drawn: len(drawn.balances) == 3, Workload({1: 10, 2: 10, 3: 10}, ((1, 2, 1),))),
        (lambda drawn: drawn.transfers[0][0] == 2, Workload({1: 10, 2: 10}, ((2, 1, 1),))),
    ],
)
def test_a_workload_shrinks_to_few_accounts_transfers_and_sums(
    condition: Callable[[Workload], bool], expected: Workload
) -> None:
    assert smallest(workloads(), condition) == expected


def test_a_sum_of_amounts_shrinks_to_the_least_that_will_do() -> None:
    found = smallest(workloads(), lambda drawn: sum(amount for _, _, amount in drawn.transfers) > 10)
    assert found.balances == {1: 10, 2: 10}
    assert sum(amount for _, _, amount in found.transfers) == 11
    assert {(source, target) for source, target, _ in found.transfers} == {(1, 2)}


def test_two_transfers_shrink_to_opposite_ones_between_two_accounts() -> None:
    def opposite(workload: Workload) -> bool:
        pairs = {(source, target) for source, target, _ in workload.transfers}
        return any((target, source) in pairs for source, target in pairs)

    found = smallest(workloads(), opposite)
    assert found.balances == {1: 10, 2: 10}
    assert sorted(found.transfers) == [(1, 2, 1), (2, 1, 1)]


def test_lock_orders_shrink_to_the_given_order() -> None:
    assert smallest(lock_orders("lmn"), lambda order: True) == ("l",)
    assert smallest(lock_orders("lmn"), lambda order: len(order) == 3) == ("l", "m", "n")
    pairs = st.tuples(lock_orders("lmn", size=2), lock_orders("lmn", size=2))
    assert smallest(pairs, lambda pair: pair[0] == pair[1][::-1]) == (("l", "m"), ("m", "l"))


def test_interleavings_shrink_toward_one_sequence_after_the_other() -> None:
    assert smallest(interleavings("ab", "cd"), lambda order: True) == [(0, "a"), (0, "b"), (1, "c"), (1, "d")]
    split = smallest(interleavings("ab", "cd"), lambda order: (order[0], order[-1]) == ((0, "a"), (0, "b")))
    assert split == [(0, "a"), (1, "c"), (1, "d"), (0, "b")]


@pytest.mark.parametrize(
    "strategy",
    [
        programs(rlocks=("k",), checks=True, endless=True),
        programs(threads=(2, 5), operations=12),
        workloads(accounts=(2, 8), transfers=(1, 8)),
        schedules(counter),
        programs().flatmap(schedules),
        lock_orders("lmnopq"),
        interleavings("abcdef", "ghijkl", "mnopqr"),
    ],
    ids=["programs", "larger programs", "workloads", "schedules", "schedules of programs", "orders", "interleavings"],
)
def test_health_checks_stay_green(strategy: SearchStrategy[object]) -> None:
    @settings(strict, max_examples=200)
    @given(strategy)
    def draw(value: object) -> None: ...

    draw()


def test_a_thousand_drawn_programs_are_explored_in_one_property() -> None:
    explored = 0

    @settings(strict, max_examples=1_000)
    @given(programs())
    def explore_it(program: Program) -> None:
        nonlocal explored
        assert check(program, counted=False).complete
        explored += 1

    explore_it()
    assert explored >= 1_000
