"""`min`, `max`, `any`, `all` and `str` go through a shared container while Python code says what they ask of each item."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from simulator import Plain
from simulator.errors import ProgramError
from simulator.explore import count
from simulator.source.threads import Threads
from tests.laws.plain_runs import in_the_model, natively


class Value:
    def __init__(self, value: int) -> None:
        self.value = value

    def __lt__(self, other: Value) -> bool:
        return self.value < other.value

    def __gt__(self, other: Value) -> bool:
        return self.value > other.value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return f"V{self.value}"


class State:
    def __init__(self) -> None:
        self.numbers = [3, 1, 2]
        self.values = [Value(1), Value(1)]
        self.table = {"a": Value(1), "b": Value(0)}
        self.none: list[int] = []
        self.found: Any = None


def negative(number: int) -> int:
    return -number


def alone(state: State) -> None:
    values, numbers, none = state.values, state.numbers, state.none
    state.found = [
        max(numbers, key=negative), min(numbers, key=negative), max(3, 1, key=negative), max(none, default=7),
        min(none, key=negative, default=8), max(values).value, min(Value(2), Value(1)).value, max([Value(1), Value(2)]).value,
        max(state.table.values()).value, any(values), all(values), all(state.table.values()), any(none), str(values),
        repr(state.table), str(numbers), f"{values}", max(numbers), min(state.table), max("abc"), sorted(numbers, key=negative),
    ]  # fmt: skip


def says_what_is_wrong(state: State) -> None:
    state.found = []
    for keywords in ({}, {"key": negative}):
        try:
            max(state.none, **keywords)  # type: ignore[call-overload]
        except ValueError as error:
            state.found.append(str(error))
    try:
        max([State(), State()])  # type: ignore[type-var]
    except TypeError as error:
        state.found.append(str(error))


@pytest.mark.parametrize("worker", [alone, says_what_is_wrong])
@pytest.mark.parametrize("granularity", ["operations", "cpython-3.11"])
def test_alone_it_ends_as_python_does(worker: Callable[[State], None], granularity: str) -> None:
    assert in_the_model(State, [worker], granularity=granularity) == natively(State, [worker], __import__(__name__))


def finds_the_least(state: State) -> None:
    state.found = max(state.numbers, key=negative)


def finds_the_greatest(state: State) -> None:
    state.found = max(state.values).value


def asks_all(state: State) -> None:
    state.found = all(state.values)


def shows(state: State) -> None:
    state.found = str(state.values)


def shows_a_dict(state: State) -> None:
    state.found = str(state.table)


def adds_a_number(state: State) -> None:
    state.numbers.append(0)


def adds_a_value(state: State) -> None:
    state.values.append(Value(9))


def adds_nothing(state: State) -> None:
    state.values.append(Value(0))


def adds_a_key(state: State) -> None:
    state.table["c"] = Value(1)


def of(*workers: Callable[[State], None]) -> Threads:
    return Threads(
        Plain(State, lambda state: {f"t{number}": partial(each, state) for number, each in enumerate(workers)}),
        granularity="cpython-3.11",
    )


@pytest.mark.parametrize(
    ("worker", "other", "expected"),
    [
        (finds_the_least, adds_a_number, {1, 0}), (finds_the_greatest, adds_a_value, {1, 9}),
        (asks_all, adds_nothing, {True, False}), (shows, adds_a_value, {"[V1, V1]", "[V1, V1, V9]"}),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)  # fmt: skip
def test_it_sees_what_comes_in_between(
    worker: Callable[[State], None], other: Callable[[State], None], expected: set[object]
) -> None:
    outcomes = count(of(worker, other).program).outcomes
    assert {dict(outcome.memory)["state.found"] for outcome in outcomes} == expected


def test_a_dict_that_changes_while_it_is_shown_is_refused() -> None:
    with pytest.raises(
        ProgramError, match=r"^test_item_by_item\.py:\d+: thread 't0' shows state\.table, which others change"
    ):
        of(shows_a_dict, adds_a_key)
