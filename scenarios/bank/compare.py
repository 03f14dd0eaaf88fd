"""What exploration proves of lock strategies, side by side: `python -m scenarios.bank.compare`.

Every interleaving of the same transfers and audits under each strategy. It judges what comes out and knows no strategy by name;
your own stands beside the shipped ones as `path/to/file.py:Class`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from scenarios.bank import ARTICLE, Transfer, bank, bank_program, workload
from scenarios.bank.strategies import named, names
from scenarios.command_line import Parser, Partial, ended
from simulator.analysis.finding import Kind
from simulator.errors import LimitError
from simulator.explore import check
from simulator.report import Report
from simulator.search.budget import Budget
from simulator.search.endless import Endless, Fairness, can_run_for_ever
from simulator.trace import Outcome

__all__ = ["PROMISES", "Verdict", "compare", "judge", "serial_balances", "table"]


@dataclass(frozen=True)
class Verdict:
    """What exploration proves of one strategy over one workload.

    `report` has the findings and counts, `endless` the worst way to run for ever (None: there is none). `serial` are the final
    balances that the transfers have in some order, one after another.

    What is proved is True or False, and None where the exploration was not complete and found nothing against it.
    """

    strategy: str
    report: Report
    endless: Endless | None
    endless_known: bool
    serial: frozenset[tuple[int, ...]]

    @property
    def deadlock_free(self) -> bool | None:
        """No interleaving ends with threads that wait for each other."""
        return self._none_of(Kind.DEADLOCK)

    @property
    def lock_order_clean(self) -> bool | None:
        """Locks are taken in orders that cannot close a cycle, even if no interleaving deadlocked."""
        return self._none_of(Kind.LOCK_ORDER_CYCLE)

    @property
    def keeps_updates(self) -> bool | None:
        """No update of a balance is lost."""
        return self._none_of(Kind.LOST_UPDATE)

    @property
    def conserves_money(self) -> bool | None:
        """Whoever finishes, there is as much money as before, and no balance was ever negative."""
        return self._none_of(Kind.FAILED_INVARIANT)

    @property
    def true_audits(self) -> bool | None:
        """Every audit that is made counts all the money there is."""
        return self._none_of(Kind.FAILED_CHECK)

    @property
    def is_serial(self) -> bool | None:
        """Whenever all have finished, balances are as if the transfers had been made one after another: all of them."""
        finished = (outcome for outcome in self.report.outcomes if outcome.how == "finished")
        return self._proved(all(map(self._as_in_turn, finished)))

    @property
    def livelock_free(self) -> bool | None:
        """No scheduler that is fair to every thread goes on for ever."""
        if self.endless is not None:
            return self.endless.fairness is not Fairness.STRONG
        return True if self.endless_known else None

    @property
    def bad(self) -> Fraction | None:
        """The share of interleavings, each equally likely, that deadlock, make a wrong audit, or are not serial.

        None where interleavings were not or cannot be counted.
        """
        census = self.report.census
        if census is None:
            return None
        wrong = (number for outcome, number in census.outcomes.items() if not self._is_good(outcome))
        return Fraction(sum(wrong), census.interleavings)

    @property
    def any_bad(self) -> bool | None:
        """Whether such an interleaving ends at all; known also of a program that can run for ever."""
        found = not all(map(self._is_good, self.report.outcomes))
        return True if found else (False if self.report.complete else None)

    def keeps(self, promise: str) -> bool | None:
        """Whether a promise holds, one of `PROMISES`."""
        return PROMISES[promise](self)

    def _is_good(self, outcome: Outcome) -> bool:
        return outcome.how == "finished" and self._as_in_turn(outcome)

    def _as_in_turn(self, outcome: Outcome) -> bool:
        return tuple(balance for _, balance in outcome.memory) in self.serial

    def _none_of(self, kind: Kind) -> bool | None:
        return self._proved(all(finding.kind is not kind for finding in self.report.findings))

    def _proved(self, held: bool) -> bool | None:
        return False if not held else (True if self.report.complete else None)


PROMISES: Mapping[str, Callable[[Verdict], bool | None]] = {
    "no lost update": lambda verdict: verdict.keeps_updates,
    "no deadlock": lambda verdict: verdict.deadlock_free,
    "no livelock": lambda verdict: verdict.livelock_free,
    "serial": lambda verdict: verdict.is_serial,
    "true audits": lambda verdict: verdict.true_audits,
}
"""What a strategy's `promise` may say, and the verdict on it."""


def compare(
    strategies: Sequence[str] = (),
    *,
    accounts: int = 2,
    balances: str = "1000",
    transfers: str = ARTICLE,
    ring: int = 0,
    audits: int = 0,
    budget: Budget | None = None,
) -> tuple[Verdict, ...]:
    """The verdicts on strategies (all shipped ones, if none are named) over one workload, written as for `bank`.

    Raises UsageError for what cannot be read or used.

    >>> [(verdict.strategy, verdict.deadlock_free) for verdict in compare(["from-then-to", "ordered"])]
    [('from-then-to', False), ('ordered', True)]
    """
    return tuple(
        _verdicts(
            strategies,
            accounts=accounts,
            balances=balances,
            transfers=transfers,
            ring=ring,
            audits=audits,
            budget=budget,
        )
    )


def _verdicts(
    strategies: Sequence[str],
    *,
    accounts: int,
    balances: str,
    transfers: str,
    ring: int,
    audits: int,
    budget: Budget | None = None,
) -> Iterator[Verdict]:
    """The same, one by one."""
    typed = {"accounts": accounts, "balances": balances, "transfers": transfers, "ring": ring, "audits": audits}
    bank.checked(typed)
    held, moves = workload(accounts, balances, transfers, ring)
    for name in strategies or names():
        yield judge(name, held, moves, audits=audits, budget=budget)


def judge(
    strategy: str,
    balances: dict[int, int],
    transfers: tuple[Transfer, ...],
    *,
    audits: int = 0,
    budget: Budget | None = None,
) -> Verdict:
    """The verdict on one strategy over one workload; after Ctrl-C there is none."""
    program = bank_program(balances, transfers, named(strategy), audits=audits)
    endless, known = None, True
    try:
        endless = can_run_for_ever(program, budget)
    except LimitError:
        known = False
    return Verdict(
        strategy=strategy.rpartition(":")[2],
        report=check(program, budget=budget).uninterrupted(),
        endless=endless,
        endless_known=known,
        serial=serial_balances(balances, transfers),
    )


def serial_balances(balances: Mapping[int, int], transfers: Sequence[Transfer]) -> frozenset[tuple[int, ...]]:
    """The final balances of all orders of the transfers, one after another; one that lacks the funds is not made.

    >>> sorted(serial_balances({1: 5, 2: 0}, [(1, 2, 5), (2, 1, 3)]))
    [(0, 5), (3, 2)]
    """
    found = {(frozenset[int](), tuple(balances.items()))}
    for _ in transfers:
        found = {
            (done | {number}, _after(held, transfers[number]))
            for done, held in found
            for number in set(range(len(transfers))) - done
        }
    return frozenset(tuple(balance for _, balance in held) for _, held in found)


def _after(held: tuple[tuple[int, int], ...], transfer: Transfer) -> tuple[tuple[int, int], ...]:
    source, target, amount = transfer
    balances = dict(held)
    if balances[source] >= amount:
        balances[source] -= amount
        balances[target] += amount
    return tuple(balances.items())


def table(verdicts: Sequence[Verdict], *, audits: bool = True) -> str:
    """The verdicts as a table, and below it the shortest witness of each thing that goes wrong."""
    from rich import box
    from rich.table import Table

    from simulator.render.text import number, table_text

    columns = ["strategy", "deadlock", "lock order", "updates", "money", *["audits"] * audits, "serial", "for ever"]
    counts = ["interleavings", "traces", "bad"]
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        drawn.add_column(column, no_wrap=True)
    for column in counts:
        drawn.add_column(column, justify="right", no_wrap=True)
    for verdict in verdicts:
        census, traced = verdict.report.census, verdict.report.trace_census
        unknown = "∞" if verdict.endless is not None else "?"
        drawn.add_row(
            verdict.strategy,
            _said(verdict.deadlock_free, "never", "can"),
            _said(verdict.lock_order_clean, "clean", "cycle"),
            _said(verdict.keeps_updates, "kept", "lost"),
            _said(verdict.conserves_money, "kept", "lost"),
            *[_said(verdict.true_audits, "true", "torn")] * audits,
            _said(verdict.is_serial, "yes", "no"),
            _for_ever(verdict),
            unknown if census is None else number(census.interleavings),
            unknown if traced is None else number(traced.traces),
            _bad(verdict),
        )
    lines = [line for verdict in verdicts for line in _witnesses(verdict)]
    return "\n\n".join([table_text(drawn), *(["\n".join(lines)] if lines else [])])


def _said(proved: bool | None, good: str, wrong: str) -> str:
    return "?" if proved is None else good if proved else wrong


def _for_ever(verdict: Verdict) -> str:
    if verdict.endless is None:
        return "no" if verdict.endless_known else "?"
    return {Fairness.STRONG: "livelock", Fairness.WEAK: "starvation", Fairness.NONE: "if unfair"}[
        verdict.endless.fairness
    ]


def _bad(verdict: Verdict) -> str:
    from simulator.render.text import percent

    if verdict.bad is not None:
        return percent(verdict.bad)
    return {True: "some", False: "none", None: "?"}[verdict.any_bad]


TOLD = (Kind.DEADLOCK, Kind.LOST_UPDATE, Kind.FAILED_CHECK)
"""Kinds of findings that a witness is shown of; the others come of these."""


def _witnesses(verdict: Verdict) -> list[str]:
    """One line for each kind of thing that goes wrong."""
    found = []
    for kind in TOLD:
        for finding in verdict.report.findings:
            if finding.kind is kind and finding.witness is not None:
                what = "torn audit" if kind is Kind.FAILED_CHECK else finding.title
                found.append(f"{verdict.strategy}: {what}: {finding.witness}")
                break
    if (endless := verdict.endless) is not None:
        lasso = f"{endless.stem} ({endless.cycle})∞".lstrip()
        found.append(f"{verdict.strategy}: {endless.kind}: {lasso}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: prints the table; the exit code is 0, 2 for bad input, or 130 after Ctrl-C."""
    return ended(lambda: _printed(arguments))


def _printed(arguments: Sequence[str] | None) -> int:
    parser = Parser(
        prog="python -m scenarios.bank.compare",
        description="What exploration proves of lock strategies over the same transfers, every interleaving covered.",
    )
    parser.add_argument(
        "strategy", nargs="*", help=f"{', '.join(names())}, or path/to/file.py:Class (default: all shipped)"
    )
    parser.add_argument("--accounts", type=int, default=2, metavar="N", help="how many accounts (default: 2)")
    parser.add_argument(
        "--balances", default="1000", metavar="TEXT", help="one number for all, or one for each with commas"
    )
    parser.add_argument(
        "--transfers", default=ARTICLE, metavar="TEXT", help=f"who pays whom how much (default: {ARTICLE})"
    )
    parser.add_argument(
        "--ring", type=int, default=0, metavar="N", help="instead: each of N accounts pays the next 500"
    )
    parser.add_argument(
        "--audits", type=int, default=0, metavar="N", help="threads that add all balances up (default: 0)"
    )
    options: dict[str, Any] = vars(parser.parse_args(arguments))
    strategies = options.pop("strategy") or names()
    verdicts: list[Verdict] = []
    interrupted = False
    try:
        verdicts.extend(_verdicts(strategies, **options))
    except KeyboardInterrupt:
        if not verdicts:
            raise
        interrupted = True
    print(table(verdicts, audits=options["audits"] > 0))
    if interrupted:
        raise Partial(f"{len(verdicts)} of {len(strategies)} strategies")
    return 0


if __name__ == "__main__":
    sys.exit(main())
