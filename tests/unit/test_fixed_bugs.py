"""Bugs that were, each with its smallest program."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from simulator import (
    Acquire,
    Budget,
    Pause,
    Program,
    ProgramError,
    Read,
    Release,
    Schedule,
    ScheduleError,
    Update,
    Write,
    check,
    count,
    explore,
    replay,
    scenario,
)
from simulator.analysis.detector import sightings_in
from simulator.analysis.finding import Kind, Status
from simulator.analysis.lock_order import LockOrder, cyclic_pairs
from simulator.errors import LimitError

Body = Generator[Any, Any, None]


def write(value: object) -> Body:
    yield Write("x", value)


def grow() -> Body:
    while True:
        value = yield Read("x")
        yield Write("x", value + 1)


def test_a_check_of_a_program_that_grows_for_ever_ends_at_its_step_budget() -> None:
    report = check(Program({"a": grow}, memory={"x": 0}), budget=Budget(max_steps=50))
    assert not report.complete
    assert report.census is None


def test_a_count_of_a_program_that_grows_for_ever_is_refused() -> None:
    with pytest.raises(LimitError, match="not seen to end within"):
        count(Program({"a": grow}, memory={"x": 0}), longest=500)


@pytest.mark.parametrize("values", [100, 5000])
def test_more_initial_values_than_a_narrow_field_holds(values: int) -> None:
    program = Program(
        {"a": partial(write, -1), "b": partial(write, -1)}, memory={"x": 0, **dict(enumerate(range(values)))}
    )
    assert count(program).interleavings == 2
    assert check(program).complete


def test_threads_that_write_true_and_one_are_not_interchangeable_and_end_differently() -> None:
    program = Program({"a": partial(write, True), "b": partial(write, 1)}, memory={"x": 0})
    assert len(program.interchangeable()) == 2
    assert {str(outcome): number for outcome, number in count(program).outcomes.items()} == {"x=1": 1, "x=True": 1}


def take(*locks: str) -> Body:
    for lock in locks:
        yield Acquire(lock)
    for lock in reversed(locks):
        yield Release(lock)


def test_the_witness_of_a_lock_order_cycle_shows_it_where_a_gate_lock_excuses_another_path() -> None:
    def a() -> Body:
        flag = yield Read("f")
        yield from take("a", "b") if flag else take("g", "a", "b")

    def b() -> Body:
        yield from take("g", "b", "a")
        yield Write("f", 1)

    program = Program({"A": a, "B": b}, memory={"f": 0}, locks=["a", "b", "g"])
    cycles = [finding for finding in check(program).findings if finding.kind is Kind.LOCK_ORDER_CYCLE]
    assert [finding.status for finding in cycles] == [Status.IMPOSSIBLE]
    assert cycles[0].witness is not None
    assert sightings_in(LockOrder(), replay(program, cycles[0].witness))


def test_a_deadlock_over_locks_that_are_never_released_realises_no_cycle() -> None:
    def ends_holding(lock: str) -> Body:
        yield Acquire(lock)
        assert lock == "never"

    program = Program(
        {
            "t0": partial(ends_holding, "a"),
            "t1": partial(ends_holding, "b"),
            "t2": partial(take, "a"),
            "t3": partial(take, "b"),
        },
        locks=["a", "b"],
    )
    report = check(program)
    assert Kind.DEADLOCK in {finding.kind for finding in report.findings}
    assert Kind.LOCK_ORDER_CYCLE not in {finding.kind for finding in report.findings}


def test_state_kept_in_a_class_made_by_the_body_is_not_merged_away() -> None:
    def body() -> Body:
        class Kept:
            value = 0

        while Kept.value < 3:
            yield Pause()
            Kept.value += 1
        yield Write("x", Kept.value)

    assert [str(outcome) for outcome in count(Program({"a": body}, memory={"x": 0})).outcomes] == ["x=3"]


LOG: list[int] = []


def test_a_global_list_that_changes_is_not_merged_away() -> None:
    def body() -> Body:
        while len(LOG) < 3:
            yield Pause()
            LOG.append(1)
        yield Write("x", len(LOG))

    LOG.clear()
    with pytest.raises(ProgramError, match="not deterministic"):
        check(Program({"a": body, "b": body}, memory={"x": 0}))


def test_two_runs_with_a_lambda_written_in_the_body_are_equal() -> None:
    def body() -> Body:
        yield Update("x", lambda old: old + 1)

    program = Program({"a": body}, memory={"x": 0})
    assert replay(program, "a").events == replay(program, "a").events


def test_a_schedule_with_an_absurd_count_is_refused() -> None:
    with pytest.raises(ScheduleError, match="no usable count"):
        Schedule.parse("a*" + "9" * 5000, ["a"])


def test_a_body_that_yields_from_itself_without_end_is_the_authors_mistake() -> None:
    def body() -> Body:
        yield Read("x")
        yield from body()

    with pytest.raises(ProgramError, match="recurses too deeply"):
        check(Program({"a": body}, memory={"x": 0}))


def test_graph_and_naive_list_findings_in_one_order() -> None:
    def pay(source: str, target: str) -> Body:
        for name, amount in ((source, -1), (target, 1)):
            value = yield Read(name)
            yield Write(name, value + amount)

    program = Program({"a": partial(pay, "x", "y"), "b": partial(pay, "y", "x")}, memory={"x": 1, "y": 1})
    titles = [[finding.title for finding in check(program, scheduler=name).findings] for name in ("graph", "naive")]
    assert titles[0] == titles[1]
    assert len(list(explore(program))) == count(program).interleavings


def outcomes(program: Program) -> dict[str, int]:
    return {str(outcome): number for outcome, number in count(program).outcomes.items()}


def test_an_update_that_closes_over_a_variable_that_changes_later() -> None:
    def add_twice() -> Body:
        for step in (1, 10):
            yield Update("x", lambda old: old + step)  # noqa: B023  # that it sees the variable is the point

    program = Program({"a": add_twice, "b": partial(write, 5)}, memory={"x": 0})
    # b's write of 5 comes last, between the two additions, or first.
    assert outcomes(program) == {"x=5": 1, "x=15": 1, "x=16": 1}


def test_keyword_only_defaults_tell_bodies_apart() -> None:
    def made(times: int) -> Any:
        def body(*, times: int = times) -> Body:
            yield Write("x", times)

        return body

    assert outcomes(Program({"a": made(1), "b": made(2)}, memory={"x": 0})) == {"x=1": 1, "x=2": 1}


def test_a_wait_cycle_beside_a_thread_that_runs_for_ever_is_not_called_impossible() -> None:
    def spin() -> Body:
        while True:
            yield Pause()

    program = Program({"a": partial(take, "A", "B"), "b": partial(take, "B", "A"), "s": spin}, locks=["A", "B"])
    cycles = [finding for finding in check(program).findings if finding.kind is Kind.LOCK_ORDER_CYCLE]
    assert [finding.status for finding in cycles] == [Status.REALISED]


def test_an_update_that_raises_has_written_nothing() -> None:
    def add() -> Body:
        value = yield Read("x")
        yield Write("x", value + 1)

    def fail() -> Body:
        yield Update("x", lambda old: 1 // 0)

    kinds = {finding.kind for finding in check(Program({"a": add, "b": fail}, memory={"x": 0})).findings}
    assert Kind.LOST_UPDATE not in kinds
    assert Kind.CRASH in kinds


def test_an_exception_keeps_its_attributes_on_the_way_into_the_body() -> None:
    class BoomError(Exception):
        def __init__(self, code: int = 0) -> None:
            super().__init__()
            self.code = code

    def boom(value: int) -> int:
        raise BoomError(value)

    def body() -> Body:
        try:
            yield Update("x", boom)
        except BoomError as error:
            code = error.code
        yield Write("y", code)

    program = Program({"a": body, "b": partial(write, 5)}, memory={"x": 7, "y": 0})
    assert outcomes(program) == {"x=5 y=5": 1, "x=5 y=7": 2}


def test_a_deadlock_and_a_lock_never_released_are_told_apart() -> None:
    def twice() -> Body:
        yield Acquire("A")
        yield Acquire("A")

    def holds() -> Body:
        yield Acquire("C")

    def wants() -> Body:
        yield Acquire("C")
        yield Release("C")

    report = check(Program({"a": twice, "h": holds, "w": wants}, locks=["A", "C"]))
    deadlocks = [finding for finding in report.findings if finding.kind is Kind.DEADLOCK]
    assert sorted((finding.objects, finding.detail) for finding in deadlocks) == [
        (("A",), ""),
        (("C",), "never released"),
    ]
    assert not any("stuck behind" in finding.why for finding in deadlocks)


def test_frozen_sets_print_the_same_in_every_process() -> None:
    program = Program({"a": partial(write, frozenset({"pear", "apple"}))}, memory={"x": 0})
    assert list(outcomes(program)) == ["x=frozenset({'apple', 'pear'})"]


def test_a_sample_reports_only_what_its_runs_showed() -> None:
    def sometimes() -> Body:
        if (yield Read("x")) == 3:
            yield from take("A", "B")

    def other() -> Body:
        yield Write("x", 3)
        yield from take("B", "A")

    program = Program({"a": sometimes, "b": other}, memory={"x": 0}, locks=["A", "B"])
    for seed in range(8):
        report = check(program, scheduler="random", seed=seed, budget=Budget(max_interleavings=1))
        (run,) = explore(program, scheduler="random", seed=seed, budget=Budget(max_interleavings=1))
        cycle = any(finding.kind is Kind.LOCK_ORDER_CYCLE for finding in report.findings)
        assert cycle == bool(sightings_in(LockOrder(), run))


def test_a_small_program_without_end_is_explored_at_once() -> None:
    def poll() -> Body:
        while not (yield Read("flag")):
            yield Pause()

    def raise_flag() -> Body:
        yield Write("flag", 1)

    report = check(Program({"a": raise_flag, "b": poll, "c": poll}, memory={"flag": 0}), budget=Budget(timeout=20))
    assert report.complete
    assert report.census is None


def test_a_parameter_without_annotation_takes_its_type_from_its_default() -> None:
    @scenario(summary="Nothing happens.")
    def idle(tries=2, flag=False):  # type: ignore[no-untyped-def]
        return Program({"a": partial(write, (tries, flag))}, memory={"x": 0})

    assert [parameter.kind for parameter in idle.parameters] == [int, bool]


def test_both_cycles_over_the_same_locks_are_on_the_lock_order_picture() -> None:
    def both_ways(first: str, second: str) -> Body:
        yield from take(first, second)
        yield from take(second, first)

    pairs = (("A", "B"), ("B", "C"), ("C", "A"))
    bodies = {f"t{number}": partial(both_ways, *pair) for number, pair in enumerate(pairs)}
    edges = check(Program(bodies, locks=["A", "B", "C"])).lock_edges
    assert cyclic_pairs(edges) == {*pairs, *((second, first) for first, second in pairs)}
