"""Lock-order cycle: reported even if no run deadlocked, and classified."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from simulator.analysis.detector import sightings_in
from simulator.analysis.finding import Finding, Kind, Sighting, Status
from simulator.analysis.lock_order import LockOrder
from simulator.explore import check
from simulator.ops import Acquire, Operation, Read, Release, TryAcquire, Write
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.replay import replay

Body = Generator[Any, Any, None]


def doing(*operations: Operation) -> Callable[[], Body]:
    def body() -> Body:
        for operation in operations:  # noqa: UP028 - a tuple's iterator takes no answers
            yield operation

    return body


def nested(*locks: str) -> tuple[Operation, ...]:
    return (*map(Acquire, locks), *map(Release, reversed(locks)))


def cycles(program: Program, **options: Any) -> list[Finding]:
    return [finding for finding in check(program, **options).findings if finding.kind == "lock-order cycle"]


CROSSED = Program({"a": doing(*nested("l", "m")), "b": doing(*nested("m", "l"))}, locks=["l", "m"])


def test_a_single_run_that_did_not_deadlock_shows_the_cycle() -> None:
    run = replay(CROSSED, "a*4 b*4")
    assert run.outcome is not None
    assert run.outcome.how == "finished"
    assert list(sightings_in(LockOrder(), run)) == [Sighting(Kind.LOCK_ORDER_CYCLE, ("l", "m"))]
    assert LockOrder().explain(Sighting(Kind.LOCK_ORDER_CYCLE, ("l", "m")), run).why.startswith("a takes l then m")


def test_a_cycle_that_deadlocks_is_realised_and_has_the_deadlocks_witness() -> None:
    (found,) = cycles(CROSSED)
    assert (found.status, str(found.witness)) == (Status.REALISED, "a b")


def test_a_cycle_that_a_complete_search_never_saw_deadlock_is_impossible() -> None:
    def second() -> Body:
        if (yield Read("ready")):
            yield from doing(*nested("m", "l"))()

    first = doing(*nested("l", "m"), Write("ready", 1))
    (found,) = cycles(Program({"a": first, "b": second}, memory={"ready": 0}, locks=["l", "m"]))
    assert found.status is Status.IMPOSSIBLE
    assert str(found.witness) == "a*5 b*2"


def test_a_cycle_that_was_not_explored_to_the_end_is_open() -> None:
    options = {"scheduler": "naive", "budget": Budget(max_interleavings=1)}
    (found,) = cycles(CROSSED, **options)
    assert found.status is Status.OPEN


def test_one_thread_alone_makes_no_cycle() -> None:
    program = Program({"a": doing(*nested("l", "m"), *nested("m", "l")), "b": doing(*nested("l"))}, locks=["l", "m"])
    assert cycles(program) == []


def test_a_gate_lock_keeps_a_cycle_apart() -> None:
    gated = Program({"a": doing(*nested("g", "l", "m")), "b": doing(*nested("g", "m", "l"))}, locks=["g", "l", "m"])
    assert cycles(gated) == []


def test_a_gate_that_one_of_them_does_not_pass_keeps_nothing_apart() -> None:
    program = Program({"a": doing(*nested("g", "l", "m")), "b": doing(*nested("m", "l"))}, locks=["g", "l", "m"])
    (found,) = cycles(program)
    assert (found.objects, found.status) == (("l", "m"), Status.REALISED)


def test_a_try_never_waits() -> None:
    def careful() -> Body:
        yield Acquire("m")
        if (yield TryAcquire("l")):
            yield Release("l")
        yield Release("m")

    assert cycles(Program({"a": doing(*nested("l", "m")), "b": careful}, locks=["l", "m"])) == []


def test_a_lock_that_was_tried_is_held_all_the_same() -> None:
    def careful() -> Body:
        if (yield TryAcquire("m")):
            yield from doing(*nested("l"))()
            yield Release("m")

    (found,) = cycles(Program({"a": doing(*nested("l", "m")), "b": careful}, locks=["l", "m"]))
    assert found.status is Status.REALISED


def test_a_cycle_over_three_locks() -> None:
    names = ["k", "l", "m"]
    program = Program({f"t{i}": doing(*nested(names[i], names[(i + 1) % 3])) for i in range(3)}, locks=names)
    (found,) = cycles(program)
    assert found.threads == ("t0", "t1", "t2")
    assert found.why.endswith("no lock common to them keeps them apart")


def test_taking_a_re_entrant_lock_again_is_no_arrow() -> None:
    again = doing(Acquire("r"), Acquire("m"), Acquire("r"), Release("r"), Release("m"), Release("r"))
    assert cycles(Program({"a": again, "b": again}, locks=["m"], rlocks=["r"])) == []
