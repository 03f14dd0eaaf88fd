"""What a lock strategy promises holds over every interleaving of each workload here; what it does not promise fails in one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.bank import bank_program, workload
from scenarios.bank.compare import PROMISES, Verdict, compare, judge, main, serial_balances, table
from scenarios.bank.strategies import named, names
from simulator.errors import UsageError
from simulator.explore import explore
from simulator.machine import Machine
from simulator.search.budget import Budget
from simulator.search.endless import Fairness
from simulator.search.replay import replay
from simulator.trace import Run

WORKLOADS: Mapping[str, Mapping[str, Any]] = {
    "opposite": {},
    "opposite in one bucket": {"accounts": 3, "transfers": "1-3:5,3-1:3"},
    "same direction": {"transfers": "1-2:5,1-2:3"},
    "one source": {"accounts": 3, "transfers": "1-2:5,1-3:3"},
    "one target": {"accounts": 3, "transfers": "1-2:5,3-2:3"},
    "chain": {"accounts": 3, "transfers": "1-2:5,2-3:3"},
    "apart": {"accounts": 4, "transfers": "1-2:5,3-4:3"},
    "there, back and there": {"transfers": "1-2:5,2-1:3,1-2:2"},
    "ring": {"ring": 3},
    "poor": {"balances": "5", "transfers": "1-2:5,2-1:8"},
    "poor, twice": {"balances": "5", "transfers": "1-2:4,1-2:4"},
    "one audit": {"transfers": "1-2:5", "audits": 1},
    "two audits": {"transfers": "2-1:5", "audits": 2},
    "opposite with an audit": {"audits": 1},
    "audit of three": {"accounts": 3, "transfers": "3-1:5", "audits": 1},
}


@cache
def verdict(strategy: str, over: str) -> Verdict:
    (found,) = compare([strategy], **WORKLOADS[over])
    return found


def promised(strategy: str) -> list[str]:
    return named(strategy).promise.split(", ")


@pytest.mark.parametrize("over", WORKLOADS)
@pytest.mark.parametrize("strategy", names())
def test_what_is_promised_holds_over_every_interleaving(strategy: str, over: str) -> None:
    found = verdict(strategy, over)
    assert found.report.complete
    assert {promise: found.keeps(promise) for promise in promised(strategy)} == dict.fromkeys(promised(strategy), True)


@pytest.mark.parametrize("strategy", names())
def test_what_is_not_promised_fails_somewhere(strategy: str) -> None:
    assert set(promised(strategy)) <= set(PROMISES)
    for promise in set(PROMISES) - set(promised(strategy)):
        assert any(verdict(strategy, over).keeps(promise) is False for over in WORKLOADS), promise


@pytest.mark.parametrize("strategy", names())
def test_money_is_conserved_and_no_balance_negative_by_every_strategy_but_none(strategy: str) -> None:
    kept = {over: verdict(strategy, over).conserves_money for over in WORKLOADS}
    if strategy == "none":
        assert not kept["opposite"]
        assert not kept["poor, twice"]
    else:
        assert kept == dict.fromkeys(WORKLOADS, True)


def test_a_lock_order_cycle_warns_of_every_deadlock_and_once_of_one_that_cannot_happen() -> None:
    warned = {
        (strategy, over): verdict(strategy, over).deadlock_free
        for strategy in names()
        for over in WORKLOADS
        if not verdict(strategy, over).lock_order_clean
    }
    deadlocks = {
        (strategy, over) for strategy in names() for over in WORKLOADS if not verdict(strategy, over).deadlock_free
    }
    # The second transfer has the funds only once the first one is done, so the two never want to upgrade at once.
    assert set(warned) - deadlocks == {("two-phase", "poor")}
    assert deadlocks < set(warned)


def deadlocking(strategy: str) -> set[str]:
    return {over for over in WORKLOADS if not verdict(strategy, over).deadlock_free}


def test_from_then_to_deadlocks_where_money_goes_both_ways_or_round_or_an_audit_comes_from_the_other_end() -> None:
    assert deadlocking("from-then-to") == {
        "opposite",
        "opposite in one bucket",
        "there, back and there",
        "ring",
        "poor",
        "two audits",
        "opposite with an audit",
        "audit of three",
    }


def test_a_wrong_key_deadlocks_only_where_two_accounts_have_the_same_bucket() -> None:
    # An audit takes 2, 1, 3: 1 before 3, as they come.
    assert deadlocking("wrong-key") == {"opposite in one bucket", "audit of three"}


def test_two_upgraders_wait_for_each_other_whatever_the_direction() -> None:
    assert deadlocking("two-phase") == {
        "opposite",
        "opposite in one bucket",
        "same direction",
        "one source",
        "one target",
        "chain",
        "there, back and there",
        "ring",
        "poor, twice",
        "opposite with an audit",
    }
    report = verdict("two-phase", "same direction").report
    assert report.findings[0].title == "deadlock on lock[1, 0], lock[1, 1]"
    assert report.findings[0].why == (
        "t0 holds lock[1, 0] and waits for lock[1, 1] of t1; t1 holds lock[1, 1] and waits for lock[1, 0] of t0"
    )


def test_a_transfer_that_lacks_the_funds_never_upgrades() -> None:
    (found,) = compare(["two-phase"], balances="5", transfers="1-2:8,1-2:8")
    assert found.deadlock_free
    assert [str(outcome) for outcome in found.report.outcomes] == ["balance[1]=5 balance[2]=5"]


def test_try_lock_can_livelock_exactly_where_from_then_to_deadlocks() -> None:
    livelocking = {over for over in WORKLOADS if not verdict("try-lock", over).livelock_free}
    assert livelocking == deadlocking("from-then-to")


def test_try_lock_in_one_direction_runs_for_ever_only_under_an_unfair_scheduler() -> None:
    fairness = {
        over: endless.fairness for over in WORKLOADS if (endless := verdict("try-lock", over).endless) is not None
    }
    assert {over for over in fairness if fairness[over] is Fairness.NONE} == {"one target", "chain"}
    assert verdict("try-lock", "same direction").endless is None


def test_the_livelock_of_try_lock_replays_and_comes_back_to_where_it_began() -> None:
    endless = verdict("try-lock", "opposite").endless
    assert endless is not None
    program = bank_program(*workload(), named("try-lock"))
    once = replay(program, (*endless.stem, *endless.cycle))
    assert once.final == replay(program, endless.stem).final
    assert replay(program, (*endless.stem, *endless.cycle * 3)).final == once.final
    assert {event.thread for event in once.events} == {"t0", "t1"}


def test_everything_but_try_lock_ends() -> None:
    for strategy in set(names()) - {"try-lock"}:
        assert all(verdict(strategy, over).endless is None for over in WORKLOADS), strategy


def test_timeout_may_give_up_one_transfer_or_both_and_never_half_of_one() -> None:
    outcomes = {str(outcome) for outcome in verdict("timeout", "opposite").report.outcomes}
    assert outcomes == {
        "balance[1]=800 balance[2]=1200",
        "balance[1]=500 balance[2]=1500",
        "balance[1]=1300 balance[2]=700",
        "balance[1]=1000 balance[2]=1000",
    }


def test_an_audit_without_locks_sees_the_money_missing_that_is_on_its_way() -> None:
    found = verdict("none", "one audit")
    assert not found.true_audits
    assert found.keeps_updates
    assert found.conserves_money


def test_striping_makes_more_transfers_wait_and_a_single_stripe_is_one_global_lock() -> None:
    striped, single = named("striped"), type("Single", (named("striped"),), {"stripes": 1})
    transfers = ((1, 2, 5), (3, 4, 5))
    held = dict.fromkeys((1, 2, 3, 4), 10)
    apart = verdict("ordered", "apart").report.trace_census
    assert apart is not None
    assert apart.traces == 1
    assert len(list(explore(bank_program(held, transfers, striped), scheduler="dpor"))) == 2
    assert len(list(explore(bank_program(held, transfers, single)))) == 2


def test_re_entrant_locks_are_taken_again_inside() -> None:
    machine = Machine(bank_program(*workload(), named("re-entrant")))
    run = replay(machine, "t0*16")
    taken = [event.text for event in run.events if event.text.startswith("acquire")]
    assert taken == ["acquire lock[1]", "acquire lock[2]", "acquire lock[1]", "acquire lock[2]"]
    assert machine.program.locks == ()


# -- the verdicts themselves


def ends_well(run: Run, serial: frozenset[tuple[int, ...]]) -> bool:
    assert run.outcome is not None
    return run.outcome.how == "finished" and tuple(run.final.memory.values()) in serial


@pytest.mark.parametrize("over", ["opposite", "poor, twice", "one audit"])
@pytest.mark.parametrize("strategy", [name for name in names() if name != "try-lock"])
def test_the_table_is_what_going_through_every_interleaving_one_by_one_gives(strategy: str, over: str) -> None:
    given_ = dict(WORKLOADS[over])
    audits = given_.pop("audits", 0)
    balances, transfers = workload(**given_)
    runs = list(explore(bank_program(balances, transfers, named(strategy), audits=audits)))
    serial = frozenset(one_by_one(balances, order) for order in permutations(transfers))
    hows = Counter(run.outcome.how for run in runs if run.outcome is not None)
    found = verdict(strategy, over)
    assert found.report.census is not None
    assert found.report.census.interleavings == len(runs)
    assert found.bad == Fraction(sum(not ends_well(run, serial) for run in runs), len(runs))
    assert found.any_bad == (found.bad > 0)
    assert found.deadlock_free == (not hows["deadlocked"])
    assert found.true_audits == (not hows["failed check"])
    finished = [run for run in runs if run.outcome is not None and run.outcome.how == "finished"]
    assert found.is_serial == all(ends_well(run, serial) for run in finished)
    conserved = all(sum(run.final.memory.values()) == sum(balances.values()) for run in finished)
    never_negative = all(min(situation.memory.values()) >= 0 for run in runs for situation in run.situations)
    assert found.conserves_money == (conserved and never_negative)


def one_by_one(balances: Mapping[int, int], transfers: tuple[tuple[int, int, int], ...]) -> tuple[int, ...]:
    held = dict(balances)
    for source, target, amount in transfers:
        if held[source] >= amount:
            held[source] -= amount
            held[target] += amount
    return tuple(held.values())


accounts = st.integers(1, 3)
moves = st.tuples(accounts, accounts, st.integers(0, 6)).filter(lambda move: move[0] != move[1])


@given(st.tuples(*[st.integers(0, 9)] * 3), st.lists(moves, max_size=4))
def test_serial_balances_are_those_of_all_orders(held: tuple[int, ...], transfers: list[tuple[int, int, int]]) -> None:
    balances = dict(enumerate(held, start=1))
    assert serial_balances(balances, transfers) == {one_by_one(balances, order) for order in permutations(transfers)}


def test_nothing_is_proved_within_a_budget_that_ran_out() -> None:
    found = judge("ordered", *workload(), budget=Budget(max_states=10))
    assert [found.keeps(promise) for promise in PROMISES] == [None] * len(PROMISES)
    assert (found.lock_order_clean, found.conserves_money, found.any_bad) == (None, None, None)
    row = table([found]).splitlines()[2]
    assert row.split()[:8] == ["ordered", *"???????"]


def test_the_table_of_all_strategies_can_be_had_as_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[2:13]] == list(names())
    assert "audits" not in printed
    assert main(["ordered", "--audits", "1"]) == 0
    assert "audits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["orderd"], "error: there is no lock strategy 'orderd'; did you mean 'ordered'?\n"),
        (["--transfers", "1-9:5"], "error: transfer '1-9:5' names account 9; there are accounts 1 to 2\n"),
        (["--audits", "-1"], "error: audits is -1, expected a whole number, 0 to 8\n"),
        (["--accounts", "1"], "error: accounts is 1, expected a whole number, 2 to 64\n"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr() == ("", said)


def test_compare_takes_the_parameters_of_the_bank() -> None:
    with pytest.raises(UsageError, match="balances has 3 numbers for 2 accounts"):
        compare(balances="1,2,3")
    with pytest.raises(UsageError, match="a bank needs a transfer or an audit"):
        judge("none", {1: 5, 2: 5}, ())
    with pytest.raises(UsageError, match="audits is -1, expected at least 0"):
        judge("none", {1: 5, 2: 5}, ((1, 2, 5),), audits=-1)
    assert judge("ordered", {1: 5, 2: 5}, (), audits=1).true_audits
