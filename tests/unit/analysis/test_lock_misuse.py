"""Lock misuse: release of a lock not held, a plain lock taken twice, an end while holding."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from simulator.explore import check
from simulator.ops import Acquire, Operation, Pause, Release
from simulator.program import Program

Body = Generator[Any, Any, None]


def doing(*operations: Operation) -> Callable[[], Body]:
    def body() -> Body:
        for operation in operations:  # noqa: UP028 - a tuple's iterator takes no answers
            yield operation

    return body


def misuses(*bodies: Callable[[], Body]) -> list[tuple[str, str]]:
    program = Program({f"t{number}": body for number, body in enumerate(bodies)}, locks=["m"], rlocks=["r"])
    return [
        (finding.why.split(" at ")[0], str(finding.witness))
        for finding in check(program).findings
        if finding.kind == "lock misuse"
    ]


def test_releasing_at_once_what_is_not_held() -> None:
    assert misuses(doing(Release("m"))) == [("t0: release of m not held", "")]


def test_releasing_twice() -> None:
    assert misuses(doing(Acquire("m"), Release("m"), Release("m"))) == [("t0: release of m not held", "t0*2")]


def test_releasing_what_another_holds() -> None:
    found = misuses(doing(Acquire("m"), Release("m")), doing(Pause(), Release("m")))
    assert found == [("t1: release of m not held", "t1")]


def test_taking_a_plain_lock_twice() -> None:
    assert misuses(doing(Acquire("m"), Acquire("m"))) == [("t0: re-acquire of m already held", "t0")]


def test_taking_a_re_entrant_lock_twice_is_no_misuse() -> None:
    assert misuses(doing(Acquire("r"), Acquire("r"), Release("r"), Release("r"))) == []


def test_ending_while_holding() -> None:
    assert misuses(doing(Acquire("m"))) == [("t0 ends while it holds m", "t0")]
    assert misuses(doing(Acquire("r"), Acquire("r"), Release("r"))) == [("t0 ends while it holds r", "t0*3")]


def test_a_thread_that_a_failed_check_ended_is_not_blamed_for_what_it_held() -> None:
    def body() -> Body:
        yield Acquire("m")
        raise AssertionError("no")

    assert misuses(body) == []


def test_the_same_misuse_at_two_lines_is_two_findings() -> None:
    def body() -> Body:
        for _ in range(2):
            try:
                yield Release("m")
            except RuntimeError:
                yield Pause()
        try:
            yield Release("m")
        except RuntimeError:
            yield Pause()

    assert [why for why, _ in misuses(body)] == ["t0: release of m not held"] * 2
