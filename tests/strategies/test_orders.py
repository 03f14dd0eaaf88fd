"""Lock orders, interleavings of any items, and bank workloads: all that there are can be drawn, and nothing else."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from scenarios.bank import bank_program
from scenarios.bank.strategies import named
from simulator import UsageError, count
from simulator.strategies import Workload, interleavings, lock_orders, workloads

Value = TypeVar("Value", bound=Hashable)


def all_drawn(strategy: SearchStrategy[Value], examples: int = 1_000) -> set[Value]:
    """What comes out of many draws."""
    found: set[Value] = set()

    @settings(max_examples=examples, database=None)
    @given(strategy)
    def draw(value: Value) -> None:
        found.add(value)

    draw()
    return found


@pytest.mark.parametrize(("size", "sizes"), [(None, (1, 2, 3)), (2, (2,)), ((0, 1), (0, 1)), ((2, 3), (2, 3))])
def test_every_order_of_locks_is_drawn(size: Any, sizes: Iterable[int]) -> None:
    expected = {order for number in sizes for order in itertools.permutations("lmn", number)}
    assert all_drawn(lock_orders("lmn", size=size)) == expected


def test_there_are_no_orders_of_more_locks_than_there_are() -> None:
    with pytest.raises(UsageError, match="size is 3, but there are 2 locks to nest"):
        lock_orders(["l", "m", "l"], size=3)


def merged(*threads: str) -> set[tuple[tuple[int, str], ...]]:
    """Every interleaving, by choosing places for each thread's items."""
    numbers = [number for number, items in enumerate(threads) for _ in items]
    found = set()
    for order in set(itertools.permutations(numbers)):
        left = [iter(items) for items in threads]
        found.add(tuple((number, next(left[number])) for number in order))
    return found


@pytest.mark.parametrize("threads", [(), ("",), ("ab",), ("abc", "de"), ("ab", "", "c"), ("ab", "cd", "e")])
def test_every_interleaving_is_drawn(threads: tuple[str, ...]) -> None:
    assert all_drawn(interleavings(*threads).map(tuple)) == merged(*threads)


def test_callables_are_interleaved_as_they_are() -> None:
    done: list[str] = []

    @settings(max_examples=20, database=None)
    @given(interleavings([lambda: done.append("a1"), lambda: done.append("a2")], [lambda: done.append("b")]))
    def run(order: list[tuple[int, Any]]) -> None:
        done.clear()
        for _, call in order:
            call()
        assert done.index("a1") < done.index("a2")
        assert sorted(done) == ["a1", "a2", "b"]

    run()


@given(st.data(), st.integers(2, 5), st.integers(1, 4))
def test_workloads_keep_to_what_was_asked_for(data: st.DataObject, accounts: int, transfers: int) -> None:
    workload = data.draw(workloads(accounts=accounts, transfers=(1, transfers), amounts=(3, 9), balances=7))
    assert workload.balances == dict.fromkeys(range(1, accounts + 1), 7)
    assert 1 <= len(workload.transfers) <= transfers
    for source, target, amount in workload.transfers:
        assert source != target
        assert {source, target} <= set(workload.balances)
        assert 3 <= amount <= 9


def test_every_pair_of_accounts_pays_each_other() -> None:
    drawn = all_drawn(workloads(accounts=4, transfers=1, amounts=1, balances=0).map(lambda drawn: drawn.transfers))
    assert drawn == {((source, target, 1),) for source, target in itertools.permutations(range(1, 5), 2)}


@given(workloads())
def test_a_workload_is_what_the_bank_takes(workload: Workload) -> None:
    program = bank_program(workload.balances, workload.transfers, named("ordered"))
    assert Counter(outcome.how for outcome in count(program).outcomes) == {"finished": len(count(program).outcomes)}


@pytest.mark.parametrize("wrong", [{"accounts": 1}, {"transfers": 0}, {"amounts": (2, 1)}, {"balances": -1}])
def test_limits_that_leave_nothing_to_draw(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected a number from"):
        workloads(**wrong)
