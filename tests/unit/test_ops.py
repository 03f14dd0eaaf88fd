"""The alphabet: what each operation touches, which pairs are dependent, and how it is said."""

from __future__ import annotations

import dataclasses
import itertools
import operator
from typing import Any

import pytest

from simulator.ops import (
    Acquire,
    Add,
    Call,
    Check,
    CompareAndSwap,
    Operation,
    Pause,
    Read,
    Release,
    Return,
    TryAcquire,
    Update,
    Write,
    dependent,
    describe,
    footprint,
    function_key,
    is_operation,
    operation_key,
    show_name,
    show_value,
)

STEPS: dict[str, tuple[Operation, object]] = {
    "read x": (Read("x"), 0),
    "write x": (Write("x", 1), None),
    "update x": (Update("x", operator.add, 1), 0),
    "swap x": (CompareAndSwap("x", 0, 1), True),
    "failed swap x": (CompareAndSwap("x", 0, 1), False),
    "read y": (Read("y"), 0),
    "write y": (Write("y", 1), None),
    "acquire x": (Acquire("x"), None),
    "release x": (Release("x"), None),
    "try x": (TryAcquire("x"), True),
    "failed try x": (TryAcquire("x"), False),
    "acquire y": (Acquire("y"), None),
    "add": (Add(1, 2), 3),
    "pause": (Pause(), None),
    "call": (Call("push", 1), None),
    "return": (Return(1), None),
}
# A location and a lock may have one name; they are two things.
WRITES_X = {"write x", "update x", "swap x"}
READS_X = {"read x", "failed swap x"}
TAKES_X = {"acquire x", "release x", "try x"}


@pytest.mark.parametrize(("first", "second"), list(itertools.product(STEPS, STEPS)))
def test_dependence(first: str, second: str) -> None:
    pair = {first, second}
    expected = (
        (bool(pair & WRITES_X) and pair <= WRITES_X | READS_X)
        or pair == {"write y"}
        or pair == {"read y", "write y"}
        or (bool(pair & TAKES_X) and pair <= TAKES_X | {"failed try x"})
        or pair == {"acquire y"}
    )
    assert dependent(footprint(*STEPS[first]), footprint(*STEPS[second])) == expected


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (Read("x"), "read x"),
        (Read(("balance", 1)), "read balance[1]"),
        (Write("x", 2), "write x = 2"),
        (Add(1, 2), "add 1 + 2"),
        (Update("x", operator.add, 1), "update x by add, 1"),
        (CompareAndSwap("x", 0, 1), "swap x 0 → 1"),
        (Acquire("m"), "acquire m"),
        (TryAcquire("m"), "try m"),
        (Release("m"), "release m"),
        (Pause(), "pause"),
        (Pause(0.5), "sleep 0.5 s"),
        (Call("pop"), "call pop()"),
        (Call("push", 1, "a"), "call push(1, 'a')"),
        (Return((1, 2)), "return (1, 2)"),
    ],
    ids=repr,
)
def test_how_an_operation_is_said(operation: Operation, said: str) -> None:
    assert describe(operation) == said
    assert is_operation(operation)


def test_a_check_takes_no_step() -> None:
    assert not is_operation(Check(True))
    assert not is_operation(Read)


@pytest.mark.parametrize("operation", [each for each, _ in STEPS.values()], ids=repr)
def test_operations_are_values(operation: Any) -> None:
    field = dataclasses.fields(operation)[0].name
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
        setattr(operation, field, "other")
    assert dataclasses.replace(operation) == operation if not isinstance(operation, Update | Call) else True
    assert operation_key(operation) == operation_key(operation)


def test_keys_tell_values_apart() -> None:
    different = [
        Write("x", 1),
        Write("x", True),
        Write("x", 1.0),
        Write("y", 1),
        Read("x"),
        Acquire("x"),
        TryAcquire("x"),
        Release("x"),
        CompareAndSwap("x", 0, 1),
        CompareAndSwap("x", False, 1),
        Add(0.0, 1),
        Add(-0.0, 1),
        Pause(),
        Pause(1),
        Call("push", 1),
        Call("push", True),
        Call("push", 1, 1),
        Call("pop", 1),
        Return(),
        Return(1),
        Return(True),
        Update("x", operator.add, 1),
        Update("x", operator.sub, 1),
        Update("x", operator.add, 2),
    ]
    assert len({operation_key(operation) for operation in different}) == len(different)


def make(step: object) -> Update:
    return Update("x", lambda value: (value, step))


def test_a_lambda_is_compared_by_code_and_by_what_it_closes_over() -> None:
    assert operation_key(make(1)) == operation_key(make(1))
    assert operation_key(make(1)) != operation_key(make(2))
    assert operation_key(make(1)) != operation_key(make(True))
    # What cannot be hashed is known by its code when the same place yields it again, and never makes two bodies one.
    assert operation_key(make([])) == operation_key(make([]))
    assert function_key(make([]).function) != function_key(make([]).function)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("x", "x"), (("a", 1), "a[1]"), (("a", "b", 2), "a[b, 2]"), (1, "1"), ((1, 2), "(1, 2)"), (("a",), "('a',)")],
)
def test_names(name: Any, shown: str) -> None:
    assert show_name(name) == shown


def test_long_values_are_cut_in_the_middle() -> None:
    assert show_value("a" * 40 + "z") == "'" + "a" * 23 + "…" + "a" * 10 + "z'"
    assert len(show_value(tuple(range(1000)))) < 40
