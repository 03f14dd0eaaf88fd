"""Deadlock: no thread enabled, some unfinished; with the cycle, and who is stuck behind it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from simulator.analysis.deadlock import Wait, wait_for, waiting_cycles
from simulator.analysis.finding import Finding
from simulator.explore import check
from simulator.ops import Acquire, Operation, Pause, Release
from simulator.program import Program
from simulator.search.replay import replay


def doing(*operations: Operation) -> Callable[[], Generator[Any, Any, None]]:
    def body() -> Generator[Any, Any, None]:
        for operation in operations:  # noqa: UP028 - a tuple's iterator takes no answers
            yield operation

    return body


def both(first: str, second: str) -> Callable[[], Generator[Any, Any, None]]:
    return doing(Acquire(first), Acquire(second), Release(second), Release(first))


def deadlocks(program: Program) -> list[Finding]:
    return [finding for finding in check(program).findings if finding.kind == "deadlock"]


def test_two_threads_that_wait_for_each_other() -> None:
    (found,) = deadlocks(Program({"a": both("l", "m"), "b": both("m", "l")}, locks=["l", "m"]))
    assert (str(found.witness), found.preemptions) == ("a b", 1)
    assert found.why == "a holds l and waits for m of b; b holds m and waits for l of a"
    assert [str(step).split(" (")[0] for step in found.steps] == ["step 2, b: acquire m", "step 1, a: acquire l"]
    assert found.threads == ("a", "b")


def test_a_thread_that_is_stuck_behind_a_cycle() -> None:
    program = Program({"a": both("l", "m"), "b": both("m", "l"), "c": both("l", "m")}, locks=["l", "m"])
    assert all(finding.objects == ("l", "m") for finding in deadlocks(program))
    run = replay(program, "a b")
    assert wait_for(run.final) == (Wait("a", "m", "b"), Wait("b", "l", "a"), Wait("c", "l", "a"))
    assert waiting_cycles(wait_for(run.final)) == ((Wait("a", "m", "b"), Wait("b", "l", "a")),)


def test_a_lock_that_nobody_will_give_back() -> None:
    (found,) = deadlocks(Program({"a": doing(Acquire("m")), "b": doing(Acquire("m"))}, locks=["m"]))
    assert found.detail == "never released"
    assert found.why == "b waits for m, which a still holds though it has ended"


def test_a_thread_that_waits_for_itself() -> None:
    (found,) = deadlocks(Program({"a": doing(Acquire("m"), Acquire("m"))}, locks=["m"]))
    assert found.why == "a waits for m, which it holds itself"


def test_three_philosophers() -> None:
    program = Program({f"t{i}": both(f"f{i}", f"f{(i + 1) % 3}") for i in range(3)}, locks=["f0", "f1", "f2"])
    (found,) = deadlocks(program)
    assert (found.threads, str(found.witness), found.preemptions) == (("t0", "t1", "t2"), "t0 t2 t1", 1)
    assert found.share is not None
    assert (found.share.count, found.share.total) == (6, 168)


def test_two_cycles_at_once_are_two_findings() -> None:
    program = Program(
        {"a": both("k", "l"), "b": both("l", "k"), "c": both("m", "n"), "d": both("n", "m")}, locks=["k", "l", "m", "n"]
    )
    run = replay(program, "a b c d")
    cycles = waiting_cycles(wait_for(run.final))
    assert [[wait.thread for wait in cycle] for cycle in cycles] == [["a", "b"], ["c", "d"]]
    assert {finding.objects for finding in deadlocks(program)} == {("k", "l"), ("m", "n")}


def test_no_deadlock_where_every_lock_is_taken_in_one_order() -> None:
    program = Program({"a": both("l", "m"), "b": both("l", "m"), "c": doing(Pause())}, locks=["l", "m"])
    assert deadlocks(program) == []
