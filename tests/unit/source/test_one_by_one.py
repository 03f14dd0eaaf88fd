"""What C code puts into a container item by item is there before Python code makes the next one."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from simulator import Plain
from simulator.explore import count
from simulator.source.threads import Threads
from tests.laws.plain_runs import in_the_model, natively


class State:
    def __init__(self) -> None:
        self.items = [1, 2]
        self.queue = collections.deque([1])
        self.table: dict[Any, Any] = {1: 1}
        self.some = {1}
        self.counts = collections.Counter("a")
        self.found: Any = None
        self.failed = 0


def same(thing: Any) -> Any:
    return thing


def extends(state: State) -> None:
    state.items.extend(same(each) for each in (3, 4))


def adds(state: State) -> None:
    state.items += map(same, (3, 4))


def updates(state: State) -> None:
    state.table.update((same(each), 1) for each in (3, 4))


def joins(state: State) -> None:
    state.some.update(same(each) for each in (3, 4))


def queues(state: State) -> None:
    state.queue.extend(same(each) for each in (3, 4))


def counts(state: State) -> None:
    state.counts.update(same(each) for each in (3, 4))


def looks(name: str, state: State) -> None:
    state.found = len(getattr(state, name))


def positive(number: int) -> int:
    if number <= 0:
        raise ValueError(number)
    return number


class Pairs:
    def keys(self) -> list[str]:
        return ["a", "b"]

    def __getitem__(self, key: str) -> str:
        return key * 2


class Upto:
    def __init__(self, last: int) -> None:
        self.last = last

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if not self.last:
            raise StopIteration
        self.last -= 1
        return self.last


def asks_for_its_own_length(state: State) -> None:
    mine = [1, 2]
    mine.extend(len(mine) for _ in range(2))
    state.found = mine


def keeps_what_was_there_before_an_error(state: State) -> None:
    mine: list[int] = []
    last: collections.deque[int] = collections.deque(maxlen=1)
    for container in (mine, last, state.items, state.queue):
        try:
            container.extend(positive(each) for each in (2, 1, 0, 5))
        except ValueError:
            state.failed += 1
    try:
        state.table.update(each for each in [(1, 2), 3])  # type: ignore[misc]
    except TypeError as error:
        state.found = (mine, list(last), str(error))


def takes_all_kinds(state: State) -> None:
    mine: dict[str, Any] = {}
    mine.update(Pairs(), z=1)
    state.table.update(Pairs(), y=2)
    mine |= ((key, 1) for key in "xy")
    state.table |= ((key, 1) for key in "xy")
    state.items += Upto(2)
    state.some.update((each for each in (5, 6)), [7])
    state.some.difference_update(each for each in (1, 7))
    state.queue.extendleft(each for each in (7, 8))
    state.counts.subtract(each for each in "ab")
    state.found = mine


def becomes_shared_meanwhile(state: State) -> None:
    mine = [1]

    def give(number: int) -> int:
        state.items = mine
        return number

    mine.extend(give(each) for each in (1, 2))
    state.found = len(state.items)


def of(*workers: Callable[[State], None]) -> Threads:
    return Threads(
        Plain(State, lambda state: {f"t{number}": partial(each, state) for number, each in enumerate(workers)})
    )


@pytest.mark.parametrize(
    ("worker", "name", "before"),
    [
        (extends, "items", 2), (adds, "items", 2), (updates, "table", 1), (joins, "some", 1), (queues, "queue", 1),
        (counts, "counts", 1),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)),
)  # fmt: skip
def test_another_thread_sees_it_half_done(worker: Callable[[State], None], name: str, before: int) -> None:
    outcomes = count(of(worker, partial(looks, name)).program).outcomes
    assert {dict(outcome.memory)["state.found"] for outcome in outcomes} == {before, before + 1, before + 2}


@pytest.mark.parametrize(
    "worker",
    [asks_for_its_own_length, keeps_what_was_there_before_an_error, takes_all_kinds, becomes_shared_meanwhile],
    ids=lambda each: each.__name__,
)
@pytest.mark.parametrize("granularity", ["operations", "cpython-3.11"])
def test_alone_it_ends_as_python_does(worker: Callable[[State], None], granularity: str) -> None:
    assert in_the_model(State, [worker], granularity=granularity) == natively(State, [worker], __import__(__name__))
