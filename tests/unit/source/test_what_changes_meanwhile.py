"""Loops backwards, `is`, messages of assertions, keywords: as Python has them, also when another thread comes in between."""

from __future__ import annotations

import collections
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from simulator import Plain
from simulator.explore import count
from simulator.source.threads import Threads
from tests.laws.plain_runs import in_the_model, natively


class State:
    def __init__(self) -> None:
        self.items = [3, 1, 2]
        self.table = {"a": 1, "b": 2}
        self.ordered = collections.OrderedDict(a=1, b=2)
        self.queue = collections.deque([1, 2])
        self.raw = bytearray(b"ab")
        self.pair: Any = (1, 2)
        self.found: Any = None


def tried(what: Callable[[], object]) -> object:
    try:
        return what()
    except (TypeError, RuntimeError) as error:
        return str(error)


def changing(container: Any, view: Any) -> list[object]:
    seen = []
    for each in reversed(view):
        seen.append(each)
        if isinstance(container, dict):
            container["z"] = 1
        else:
            container.append(1)
    return seen


def goes_backwards(state: State) -> None:
    state.found = [
        list(reversed(each))  # type: ignore[call-overload]
        for each in (
            state.table,
            state.table.items(),
            state.queue,
            state.raw,
            state.ordered,
            {1: 2},
            collections.deque([1]),
        )
    ]


def goes_backwards_and_changes(state: State) -> None:
    mine = {1: 2}
    state.found = [
        tried(lambda: changing(state.table, state.table)),
        tried(lambda: changing(state.table, state.table.items())),
        tried(lambda: changing(state.ordered, state.ordered)),
        tried(lambda: changing(state.queue, state.queue)),
        tried(lambda: changing(mine, mine)),
    ]


def comes_to_the_end_of_a_deque(state: State) -> None:
    backwards = reversed(state.queue)
    next(backwards), next(backwards)
    state.queue.append(3)
    state.found = next(backwards, "end")


def keeps_a_tuple(state: State) -> None:
    inside = [1]
    mine = (inside, [inside])
    state.pair = mine
    state.found = (state.pair is mine, state.pair is state.pair, state.pair[0] is inside, state.pair is state.items)


def given(*arguments: Any, **keywords: Any) -> Any:
    return arguments, keywords


class Letters:
    def keys(self) -> list[str]:
        return ["a", "b"]

    def __getitem__(self, key: str) -> str:
        return key * 2


def gives_keywords(state: State) -> None:
    table: Any = state.table
    twice = {"a": 2}
    state.found = [
        tried(lambda: given(a=1, **twice)),
        tried(lambda: given(**twice, **table)),
        tried(lambda: given(**{1: 2})),  # type: ignore[arg-type]
        # What comes before these words depends on the version.
        tried(lambda: given(**[1])).partition(" after ")[2],  # type: ignore[arg-type]
        tried(lambda: given(0, *[1], c=3, **table)),
        tried(lambda: given(*[1], a=3, **table)),
        tried(lambda: given(**Letters())),
    ]


def asserts(state: State) -> None:
    assert not state.items, state.items


@pytest.mark.parametrize(
    "worker",
    [
        goes_backwards, goes_backwards_and_changes, comes_to_the_end_of_a_deque, keeps_a_tuple, gives_keywords,
    ],
    ids=lambda each: each.__name__,
)  # fmt: skip
def test_alone_it_ends_as_python_does(worker: Callable[[State], None]) -> None:
    assert in_the_model(State, [worker]) == natively(State, [worker], __import__(__name__))


def goes(state: State) -> None:
    for key in reversed(state.table):
        state.found = key


def puts(state: State) -> None:
    state.table["c"] = 3


def appends(state: State) -> None:
    state.items.append(4)


def compares(state: State) -> None:
    before = state.pair
    state.found = "changed" if state.pair is not before else "same"


def exchanges(state: State) -> None:
    state.pair = (1, 3)


def of(*workers: Callable[[State], None]) -> Threads:
    return Threads(
        Plain(State, lambda state: {f"t{number}": partial(each, state) for number, each in enumerate(workers)})
    )


def ends(threads: Threads) -> set[tuple[str, object]]:
    return {(outcome.how, dict(outcome.memory).get("state.found")) for outcome in count(threads.program).outcomes}


def test_a_loop_backwards_notices_that_a_dict_grows() -> None:
    assert ends(of(goes, puts)) == {("finished", "a"), ("crashed", None), ("crashed", "b"), ("crashed", "a")}


def test_the_message_of_an_assertion_is_what_was_there() -> None:
    assert {how for how, _ in ends(of(asserts, appends))} == {"failed check"}


def test_equal_tuples_are_said_to_be_taken_for_one() -> None:
    threads = of(compares, exchanges)
    assert ends(threads) == {("finished", "same"), ("finished", "changed")}
    (note,) = threads.notes
    assert "'is' takes two tuples that are equal for the same one" in note
