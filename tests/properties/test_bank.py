"""Lock strategies under property-based test: workloads are drawn, and each one is proved by complete exploration.

The README's example, and two theorems. A transfer takes its locks one by one and gives none back before it has both, so
that threads that wait for each other in a circle are exactly a cycle of the lock-order graph that is drawn by the
transfers themselves, without running anything.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

import networkx
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from scenarios.bank import bank_program
from scenarios.bank.strategies import FromThenTo, LockStrategy, Steps, lock_of, named
from simulator.assertions import InterleavingFailure, assert_deadlock_free, assert_invariant, assert_no_lost_updates
from simulator.ops import Acquire, Release
from simulator.program import Program
from simulator.strategies import Workload, workloads
from tests.conftest import PROFILE

thorough = PROFILE == "thorough"
drawn = workloads(accounts=(2, 4), transfers=(1, 3), amounts=(1, 30))
tangled = workloads(accounts=(2, 4), transfers=(2, 4), amounts=1)


def program(workload: Workload, strategy: str | type[LockStrategy]) -> Program:
    chosen = named(strategy) if isinstance(strategy, str) else strategy
    return bank_program(workload.balances, workload.transfers, chosen)


@settings(max_examples=1000 if thorough else 100)
@given(drawn, st.sampled_from(["ordered", "global"]))
def test_ordered_and_global_never_deadlock_and_conserve_money(workload: Workload, strategy: str) -> None:
    assert_deadlock_free(program(workload, strategy))
    assert_invariant(program(workload, strategy))
    assert_no_lost_updates(program(workload, strategy))


def lock_order(transfers: tuple[tuple[int, int, int], ...], gated: frozenset[int] = frozenset()) -> networkx.DiGraph:
    """An arrow from each source to its target; it weighs 1 where every such transfer is made under the gate lock."""
    graph = networkx.DiGraph()
    for number, (source, target, _) in enumerate(transfers):
        before = graph.get_edge_data(source, target, {"gates": 1})["gates"]
        graph.add_edge(source, target, gates=min(before, int(number in gated)))
    return graph


def deadlocks(workload: Workload, strategy: str | type[LockStrategy]) -> bool:
    try:
        assert_deadlock_free(program(workload, strategy))
    except InterleavingFailure:
        return True
    return False


@settings(max_examples=10_000 if thorough else 1000)
@given(tangled)
def test_from_then_to_deadlocks_exactly_when_the_transfers_go_round_in_a_circle(workload: Workload) -> None:
    cyclic = not networkx.is_directed_acyclic_graph(lock_order(workload.transfers))
    assert deadlocks(workload, "from-then-to") == cyclic


class Gated(FromThenTo):
    """From, then to; some pairs of accounts under a lock that is taken before."""

    pairs: frozenset[tuple[int, ...]] = frozenset()

    def enter(self, *accounts: int) -> Steps:
        if accounts in self.pairs:
            yield Acquire("gate")
        yield from super().enter(*accounts)

    def leave(self, *accounts: int) -> Steps:
        yield from super().leave(*accounts)
        if accounts in self.pairs:
            yield Release("gate")

    def locks(self, accounts: Iterable[int]) -> tuple[Hashable, ...]:
        return (*map(lock_of, accounts), "gate")


@settings(max_examples=5000 if thorough else 500)
@given(tangled, st.data())
def test_a_common_gate_lock_keeps_a_circle_from_closing(workload: Workload, data: st.DataObject) -> None:
    pairs = sorted({transfer[:2] for transfer in workload.transfers})
    behind = frozenset(data.draw(st.sets(st.sampled_from(pairs)), label="pairs behind the gate"))
    strategy = type("Gated", (Gated,), {"pairs": behind})
    gated = frozenset(n for n, transfer in enumerate(workload.transfers) if transfer[:2] in behind)
    graph = lock_order(workload.transfers, gated)
    closing = any(
        sum(graph[one][other]["gates"] for one, other in zip(circle, [*circle[1:], circle[0]], strict=True)) <= 1
        for circle in networkx.simple_cycles(graph)
    )
    assert deadlocks(workload, strategy) == closing


def test_both_sides_of_the_theorems_are_met_often_enough() -> None:
    seen = {True: 0, False: 0}

    @settings(max_examples=200, database=None)
    @given(tangled)
    def look(workload: Workload) -> None:
        seen[networkx.is_directed_acyclic_graph(lock_order(workload.transfers))] += 1

    look()
    assert min(seen.values()) > 40, seen


# -- the smallest thing that is wrong


def broken(strategy: str, assertion: Callable[[Program], object]) -> tuple[Workload, InterleavingFailure]:
    def fails(workload: Workload) -> bool:
        try:
            assertion(program(workload, strategy))
        except InterleavingFailure:
            return True
        return False

    smallest = find(workloads(accounts=(2, 5), transfers=(1, 3)), fails, settings=settings(max_examples=300))
    with pytest.raises(InterleavingFailure) as failure:
        assertion(program(smallest, strategy))
    return smallest, failure.value


def test_from_then_to_comes_back_with_two_opposite_transfers_of_1() -> None:
    smallest, failure = broken("from-then-to", assert_deadlock_free)
    assert smallest == Workload({1: 10, 2: 10}, ((1, 2, 1), (2, 1, 1)))
    assert failure.schedule == "t0*2 t1*2"  # each takes its first lock, pauses, and waits for the other's
    assert failure.finding is not None
    assert (failure.finding.shortest, failure.finding.preemptions) == (True, 1)


def test_the_wrong_key_comes_back_with_two_accounts_that_it_cannot_tell_apart() -> None:
    smallest, failure = broken("wrong-key", assert_deadlock_free)
    assert smallest == Workload({1: 10, 2: 10, 3: 10}, ((1, 3, 1), (3, 1, 1)))
    assert failure.schedule == "t0*2 t1*2"


def test_no_locks_come_back_with_a_lost_update_on_one_account() -> None:
    smallest, failure = broken("none", assert_no_lost_updates)
    assert smallest == Workload({1: 10, 2: 10}, ((1, 2, 1), (1, 2, 1)))
    assert failure.finding is not None
    assert failure.finding.preemptions == 1
