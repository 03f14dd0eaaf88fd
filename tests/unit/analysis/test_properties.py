"""What the program itself promised: properties, checks, and not to crash."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from simulator.errors import ProgramError
from simulator.explore import check
from simulator.ops import Acquire, Check, Pause, Read, Write
from simulator.program import Program

Body = Generator[Any, Any, None]


def add(amount: int) -> Any:
    def body() -> Body:
        value = yield Read("x")
        yield Write("x", value + amount)

    return body


def found(program: Program) -> dict[str, tuple[str, str]]:
    return {
        finding.title: (str(finding.witness), finding.why)
        for finding in check(program).findings
        if finding.kind in ("failed invariant", "failed check", "crash")
    }


def test_a_property_of_every_step_is_broken_where_it_breaks() -> None:
    program = Program({"a": add(-1), "b": add(1)}, memory={"x": 0}, always={"not negative": lambda m: m["x"] >= 0})
    why = "not negative does not hold after the last step: x=-1"
    assert found(program) == {"failed invariant not negative": ("a*2", why)}


def test_a_property_may_be_broken_from_the_start() -> None:
    program = Program({"a": add(1)}, memory={"x": 0}, always={"positive": lambda m: m["x"] > 0})
    assert found(program)["failed invariant positive"][0] == ""


def test_a_property_of_the_end_is_asked_at_the_end() -> None:
    program = Program({"a": add(1), "b": add(1)}, memory={"x": 0}, finally_={"two": lambda m: m["x"] == 2})
    assert found(program) == {"failed invariant two": ("a b*2 a", "two does not hold at the end: x=1")}


def test_a_property_of_the_end_is_not_asked_of_a_deadlock_or_a_failed_check() -> None:
    def stuck() -> Body:
        yield Acquire("m")
        yield Acquire("m")

    def fails() -> Body:
        yield Check((yield Read("x")) == 1)

    for body in (stuck, fails):
        program = Program({"a": body}, memory={"x": 0}, locks=["m"], finally_={"never": lambda m: False})
        assert not any(title.startswith("failed invariant") for title in found(program))


def test_a_failed_check_and_a_crash_name_line_message_and_locks() -> None:
    def fails() -> Body:
        yield Acquire("m")
        yield Check((yield Read("x")) == 1, "x is one")

    def crashes() -> Body:
        yield Pause()
        raise KeyError("no")

    line = fails.__code__.co_firstlineno + 2
    crash_line = crashes.__code__.co_firstlineno + 2
    program = Program({"a": fails, "b": crashes}, memory={"x": 0}, locks=["m"])
    assert found(program) == {
        f"failed check at test_properties.py:{line}": (
            "a*2",
            f"a ended at test_properties.py:{line}: its check failed: x is one; it still holds m",
        ),
        f"crash at test_properties.py:{crash_line}": (
            "b",
            f"b ended at test_properties.py:{crash_line}: it raised: KeyError: 'no'",
        ),
    }


def test_a_check_that_fails_before_the_first_step_needs_no_schedule() -> None:
    def fails() -> Body:
        yield Check(False)

    assert [witness for witness, _ in found(Program({"a": fails})).values()] == [""]


def test_a_property_that_raises_is_its_authors_mistake() -> None:
    program = Program({"a": add(1)}, memory={"x": 0}, always={"typo": lambda m: m["z"] > 0})
    with pytest.raises(ProgramError, match="property 'typo' raised KeyError"):
        check(program)
