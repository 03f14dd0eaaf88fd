"""What a thread made is itself wherever it stands, also after others have come to know it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from simulator import Plain, check, count
from simulator.errors import ProgramError
from simulator.source.threads import Threads


class Node:
    def __init__(self, value: int = 0) -> None:
        self.value = value


class State:
    def __init__(self) -> None:
        self.head: Node | None = None
        self.nodes: list[Node] = []
        self.table: dict[Any, int] = {}
        self.numbers = [2, 1]
        self.keys = {1: 1, 2: 2}
        self.some = {1, 2}
        self.found: Any = None
        self.total = 0


def in_a_list(state: State) -> None:
    node = Node()
    mine = [node]
    state.nodes = [node]
    state.found = (mine == state.nodes, node in state.nodes, state.nodes.index(node), state.nodes.count(node))


def a_key_of_a_dict(state: State) -> None:
    node = Node()
    mine = {node: 5}
    state.head = node
    state.found = (mine.get(state.head), mine[state.head], state.head in mine)
    mine[state.head] = 6
    del mine[state.head]
    state.total = len(mine)


def in_a_set(state: State) -> None:
    node = Node()
    mine = {node}
    state.head = node
    mine.add(state.head)
    state.found = (len(mine), state.head in mine)


def in_a_tuple(state: State) -> None:
    node = Node()
    mine = [(node, 1)]
    state.head = node
    state.found = (mine[0] == (state.head, 1), (state.head, 1) in mine)


def in_a_copy(state: State) -> None:
    node = Node()
    state.nodes.append(node)
    copied = list(state.nodes)
    state.found = (copied == [node], copied.index(node), node in copied)
    copied.remove(node)
    state.nodes.remove(node)
    state.total = len(copied) + len(state.nodes)


def a_key_of_a_shared_dict(state: State) -> None:
    node = Node()
    state.table[node] = 1
    state.table[node] += 1
    state.total = state.table[node]
    state.found = (node in state.table, state.table.get(node), state.table.pop(node))


def a_loop_over_what_becomes_shared(state: State) -> None:
    mine = {"a": 1, "b": 2}
    for key in mine:
        state.found = mine
        state.total += mine[key]
    state.found = None


CASES = [
    in_a_list,
    a_key_of_a_dict,
    in_a_set,
    in_a_tuple,
    in_a_copy,
    a_key_of_a_shared_dict,
    a_loop_over_what_becomes_shared,
]


@pytest.mark.parametrize("worker", CASES, ids=lambda each: each.__name__)
def test_alone_it_ends_as_python_does(worker: Callable[[State], None]) -> None:
    native = State()
    worker(native)
    threads = Threads(Plain(State, lambda state: {"only": partial(worker, state)}))
    (outcome,) = count(threads.program).outcomes
    ended = threads.state(dict(outcome.memory))
    assert outcome.how == "finished"
    assert (ended.found, ended.total) == (native.found, native.total)
    assert len(ended.nodes) == len(native.nodes)


def sorts(state: State) -> None:
    state.numbers.sort(key=lambda number: number)


def appends(state: State) -> None:
    state.numbers.append(0)


def goes_through(state: State) -> None:
    for key in state.keys:
        state.total += key


def exchanges(state: State) -> None:
    del state.keys[1]
    state.keys[3] = 3


def empties(state: State) -> None:
    state.found = state.some.pop()


def pair(one: Callable[[State], None], other: Callable[[State], None]) -> Threads:
    return Threads(Plain(State, lambda state: {"one": partial(one, state), "other": partial(other, state)}))


def test_a_list_that_is_changed_while_it_is_sorted_says_so() -> None:
    report = check(pair(sorts, appends).program)
    assert report.complete
    assert any("ValueError: list modified during sort" in finding.why for finding in report.findings)


def test_a_loop_over_a_dict_whose_keys_are_exchanged_is_refused() -> None:
    with pytest.raises(ProgramError, match=r"test_own_objects\.py:\d+: thread 'one' goes on through a dictionary"):
        pair(goes_through, exchanges)


def test_the_order_of_a_set_is_said_to_be_ours() -> None:
    (note,) = pair(empties, empties).notes
    assert "gone through in an order of our own" in note


class Left:
    class Leaf:
        side = "left"


class Right:
    class Leaf:
        side = "right"


def makes_a_leaf(state: State) -> None:
    state.head = Left.Leaf() if state.total else Right.Leaf()  # type: ignore[assignment]
    state.found = state.head.side  # type: ignore[union-attr]


def counts(state: State) -> None:
    state.total = 1


def test_classes_of_one_name_are_told_apart() -> None:
    outcomes = count(pair(makes_a_leaf, counts).program).outcomes
    assert {dict(outcome.memory)["state.found"] for outcome in outcomes} == {"left", "right"}
