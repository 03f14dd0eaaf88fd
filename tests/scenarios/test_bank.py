"""The bank: what exploration proves of each lock strategy, and that the plain version speaks of the same things."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from scenarios import plain_bank
from scenarios.bank import LockStrategy, Steps, bank, bank_program, lock_of
from scenarios.bank.strategies import named, names
from simulator.analysis.finding import Kind, Status
from simulator.census import count
from simulator.errors import UsageError
from simulator.explore import Report, check
from simulator.machine import Machine
from simulator.ops import Acquire, Read, Release

SAFE = ["ordered", "global", "try-lock"]
LOCKED = ["from-then-to", *SAFE]


def kinds(report: Report) -> set[Kind]:
    """The kinds of what was found, in a complete exploration."""
    assert report.complete
    return {finding.kind for finding in report.findings}


def totals(report: Report) -> set[int]:
    """How much money there is in the end, over all outcomes."""
    return {sum(dict(outcome.memory).values()) for outcome in report.outcomes}


def test_the_article_s_unsafe_transfers_deadlock_by_a_realised_lock_order_cycle() -> None:
    report = check(bank())
    assert kinds(report) == {Kind.DEADLOCK, Kind.LOCK_ORDER_CYCLE}
    cycle = next(finding for finding in report.findings if finding.kind is Kind.LOCK_ORDER_CYCLE)
    assert cycle.status is Status.REALISED
    assert totals(report) == {2000}


@pytest.mark.parametrize("strategy", SAFE)
def test_a_safe_strategy_has_no_deadlock_no_lock_order_cycle_and_no_lost_update(strategy: str) -> None:
    report = check(bank(strategy=strategy))
    assert kinds(report) == set()
    assert [str(outcome) for outcome in report.outcomes] == ["balance[1]=800 balance[2]=1200"]


@pytest.mark.parametrize("strategy", LOCKED)
def test_every_strategy_with_locks_conserves_money_and_loses_no_update(strategy: str) -> None:
    report = check(bank(strategy=strategy, transfers="1-2:500,2-1:300,1-2:200"))
    assert kinds(report) <= {Kind.DEADLOCK, Kind.LOCK_ORDER_CYCLE}
    assert totals(report) == {2000}


def test_without_locks_updates_are_lost_and_money_with_them() -> None:
    report = check(bank(strategy="none"))
    assert kinds(report) == {Kind.LOST_UPDATE, Kind.DATA_RACE, Kind.FAILED_INVARIANT}
    assert len(totals(report)) > 1


@pytest.mark.parametrize("size", [3, 4, 5])
def test_a_ring_deadlocks_all_the_way_round_and_an_ordered_one_does_not(size: int) -> None:
    report = check(bank(ring=size))
    deadlocks = [finding for finding in report.findings if finding.kind is Kind.DEADLOCK]
    assert [len(finding.objects) for finding in deadlocks] == [size]
    assert check(bank(ring=size, strategy="ordered")).clean
    assert totals(check(bank(ring=size, strategy="global"))) == {1000 * size}


def test_a_ring_of_two_is_the_article_s_bank_with_equal_amounts() -> None:
    assert bank(ring=2).memory == bank().memory
    assert kinds(check(bank(ring=2))) == {Kind.DEADLOCK, Kind.LOCK_ORDER_CYCLE}


POOR: dict[str, Any] = {"balances": "100", "transfers": "1-2:80,1-2:80"}


def lowest(report: Report) -> int:
    """The lowest final balance over all outcomes."""
    return min(min(dict(outcome.memory).values()) for outcome in report.outcomes)


@pytest.mark.parametrize("strategy", LOCKED)
def test_the_funds_check_under_locks_keeps_balances_from_going_negative(strategy: str) -> None:
    report = check(bank(strategy=strategy, **POOR))
    assert report.complete
    assert report.clean
    assert lowest(report) == 20


@pytest.mark.parametrize("strategy", [*LOCKED, "none"])
def test_without_the_funds_check_a_balance_can_go_negative(strategy: str) -> None:
    report = check(bank(strategy=strategy, funds_check=False, **POOR))
    assert report.complete
    assert lowest(report) == -60


def test_the_funds_check_without_locks_is_checked_too_early() -> None:
    # Both find 100, both take 80: the check and the update are two steps.
    report = check(bank(strategy="none", **POOR))
    assert "failed invariant no negative balance" in [finding.title for finding in report.findings]


def test_transfers_that_are_the_same_are_interchangeable_and_others_are_not() -> None:
    assert bank(transfers="1-2:5,2-1:5,1-2:5").interchangeable() == ((0, 2), (1,))
    assert bank().interchangeable() == ((0,), (1,))


def test_two_opposite_transfers_have_twelve_interleavings_half_of_them_stuck() -> None:
    outcomes = count(bank()).outcomes
    assert {outcome.how: number for outcome, number in outcomes.items()} == {"finished": 6, "deadlocked": 6}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"strategy": "orderd"}, "there is no lock strategy 'orderd'; did you mean 'ordered'?"),
        ({"accounts": 1}, "accounts is 1, expected a whole number, 2 to 64"),
        ({"pause": -0.5}, "pause is -0.5, expected a number"),
        ({"audits": 9}, "audits is 9, expected a whole number, 0 to 8"),
        ({"ring": 65}, "ring is 65, expected a whole number, 0 to 64"),
        ({"ring": 1}, "ring is 1, expected 0 for none, or at least 2 accounts"),
        ({"ring": 3, "accounts": 3}, "ring makes its own accounts and transfers; leave accounts and transfers out"),
        ({"transfers": "1-2"}, "transfer '1-2' cannot be read; write SOURCE-TARGET:AMOUNT, such as 1-2:500"),
        ({"transfers": "1-9:5"}, "transfer '1-9:5' names account 9; there are accounts 1 to 2"),
        ({"transfers": "2-2:5"}, "transfer '2-2:5' goes from an account to itself"),
        ({"balances": "1;2"}, "balances is '1;2', expected one whole number, or one for each account"),
        ({"balances": "1,2,3"}, "balances has 3 numbers for 2 accounts; give one, or one for each"),
    ],
)
def test_parameters_are_checked(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        bank(**values)
    assert str(caught.value).startswith(said)


def test_transfers_may_be_written_with_an_arrow() -> None:
    assert bank(transfers="1->2:500, 2 → 1 : 300").interchangeable() == bank().interchangeable()
    assert count(bank(transfers="1->2:500, 2 → 1 : 300")).outcomes == count(bank()).outcomes


class GateThenBoth(LockStrategy):
    """From-then-to behind one gate lock: taken in two orders, and still never stuck."""

    name = "gate"
    promise = "no lost update, no deadlock"

    def locks(self, accounts: Any) -> Any:
        return ("gate", *(lock_of(account) for account in accounts))

    def enter(self, source: int, target: int) -> Steps:
        yield Acquire("gate")
        yield from self.both(source, target)

    def leave(self, source: int, target: int) -> Steps:
        yield Release(lock_of(target))
        yield Release(lock_of(source))
        yield Release("gate")


def test_two_orders_behind_a_gate_lock_warn_of_nothing() -> None:
    program = bank_program({1: 1000, 2: 1000}, ((1, 2, 500), (2, 1, 300)), GateThenBoth)
    report = check(program)
    assert report.complete
    assert report.clean


class Broken(LockStrategy):
    name = "broken"
    promise = "nothing"

    def enter(self, *accounts: int) -> Any:
        yield from ()

    def leave(self, *accounts: int) -> Any:
        yield from ()


class NoEnter(Broken):
    enter = LockStrategy.enter


class NoLeave(Broken):
    leave = LockStrategy.leave


class NoYield(Broken):
    def enter(self, *accounts: int) -> Any:
        return None


class OneOnly(Broken):
    def enter(self, account: int) -> Any:
        yield Acquire(lock_of(account))


class TwoOnly(Broken):
    def enter(self, source: int, target: int) -> Any:
        yield from self.both(source, target)


class OwnStart(Broken):
    def __init__(self) -> None:
        pass


class Raises(Broken):
    def leave(self, *accounts: int) -> Any:
        raise KeyError(accounts[0])


class NoLocksAtAll(Broken):
    def locks(self, accounts: Any) -> Any:
        return None


class ListsAsNames(Broken):
    def rlocks(self, accounts: Any) -> Any:
        return [["lock", account] for account in accounts]


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (Raises, "lock strategy Raises cannot leave for 2 accounts: KeyError: 1"),
        (NoLocksAtAll, "lock strategy NoLocksAtAll cannot name its locks: locks(accounts) has to return names that "),
        (ListsAsNames, "lock strategy ListsAsNames cannot name its locks: rlocks(accounts) has to return names that "),
        (NoEnter, "lock strategy NoEnter has to say how to enter: define enter(self, *accounts)"),
        (NoLeave, "lock strategy NoLeave has to say how to leave: define leave(self, *accounts)"),
        (
            NoYield,
            "lock strategy NoYield: enter returned None, expected a generator of operations; to do nothing, write ",
        ),
        (OneOnly, "lock strategy OneOnly cannot enter for 2 accounts: "),
        (OwnStart, "lock strategy OwnStart cannot be made with pause: "),
    ],
)
def test_a_strategy_that_cannot_be_used_is_refused_with_its_place_and_what_is_missing(
    strategy: type[LockStrategy], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        bank_program({1: 10, 2: 10}, ((1, 2, 5),), strategy)
    line = inspect.getsourcelines(strategy)[1]
    assert str(caught.value).startswith(f"test_bank.py:{line}: {said}")


def test_a_strategy_for_two_accounts_works_for_transfers_and_is_refused_for_an_audit_of_three() -> None:
    three = {1: 10, 2: 10, 3: 10}
    assert kinds(check(bank_program(three, ((1, 2, 5),), TwoOnly))) == {Kind.LOCK_MISUSE}
    with pytest.raises(UsageError, match="lock strategy TwoOnly cannot enter_shared for 3 accounts: "):
        bank_program(three, ((1, 2, 5),), TwoOnly, audits=1)
    bank_program({1: 10, 2: 10}, ((1, 2, 5),), TwoOnly, audits=1)


class First(Broken):
    """Only the source's lock."""

    def enter(self, *accounts: int) -> Any:
        yield Acquire(lock_of(accounts[0]))

    def leave(self, *accounts: int) -> Any:
        yield Release(lock_of(accounts[0]))


class FirstRemembered(First):
    """The same, remembered from enter to leave."""

    def enter(self, *accounts: int) -> Any:
        self.taken = lock_of(accounts[0])
        yield Acquire(self.taken)

    def leave(self, *accounts: int) -> Any:
        yield Release(self.taken)
        del self.taken


def test_what_a_strategy_remembers_stays_in_its_thread_and_its_run() -> None:
    held, moves = {1: 10, 2: 10}, ((1, 2, 5), (2, 1, 3), (1, 2, 1))
    assert (
        count(bank_program(held, moves, FirstRemembered)).outcomes == count(bank_program(held, moves, First)).outcomes
    )


def test_audits_are_threads_that_see_all_the_money_under_locks_and_less_without() -> None:
    assert bank(audits=2).threads == ("t0", "t1", "audit0", "audit1")
    assert check(bank(strategy="ordered", audits=1)).clean
    report = check(bank(strategy="none", transfers="1-2:500", audits=1))
    assert kinds(report) == {Kind.DATA_RACE, Kind.FAILED_CHECK}
    torn = next(finding for finding in report.findings if finding.kind is Kind.FAILED_CHECK)
    assert torn.why.endswith("its check failed: the audit counts 1500, and there is 2000")


def test_audits_are_interchangeable_unless_threads_are_told_apart() -> None:
    assert bank(strategy="ordered", audits=2).interchangeable() == ((0,), (1,), (2, 3))
    assert bank(strategy="readers-writer", audits=2).interchangeable() == ((0,), (1,), (2,), (3,))


def test_audits_shut_each_other_out_under_plain_locks_and_not_under_readers_writer_locks() -> None:
    def most_audits_inside(strategy: str) -> int:
        program = bank(strategy=strategy, transfers="1-2:5", audits=2)
        machine = Machine(program)
        most, seen, waiting = 0, {machine.initial}, [machine.initial]
        while waiting:
            state = waiting.pop()
            inside = [
                wanted for n in (1, 2) if (wanted := machine.pending(state, n)) and isinstance(wanted.operation, Read)
            ]
            most = max(most, len(inside))
            following = {reached for _, reached in machine.successors(state)} - seen
            seen |= following
            waiting.extend(following)
        return most

    assert most_audits_inside("ordered") == 1
    assert most_audits_inside("readers-writer") == 2


def test_the_plain_version_has_the_article_s_strategies_and_no_others() -> None:
    assert set(plain_bank.STRATEGIES) < set(names())
    assert [named(name).name for name in names()] == list(names())


@pytest.mark.parametrize("strategy", plain_bank.STRATEGIES)
def test_the_plain_version_has_the_same_threads_and_observes_the_same_memory(strategy: str) -> None:
    values = {"strategy": strategy, "ring": 3, "pause": 0.0}
    program, plain = bank(**values), bank.plain(**values)
    assert plain is not None
    state = plain.setup()
    workers = plain.workers(state)
    assert tuple(workers) == program.threads
    assert plain.observe(state) == dict(program.memory)
    for work in workers.values():
        work()
    ended = tuple(sorted(plain.observe(state).items()))
    # One after the other, and the model has that outcome.
    assert ended in [tuple(sorted(outcome.memory)) for outcome in check(program).outcomes]


def test_what_has_no_plain_version_says_so() -> None:
    assert bank.plain(funds_check=False) is None
    assert bank.plain(strategy="scenarios.bank.strategies:Ordered") is None
    assert bank.plain(strategy="timeout") is None
    assert bank.plain(audits=1) is None
