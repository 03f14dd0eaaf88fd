"""The claims about the bank: two locks in two orders can deadlock; ordering by id, or one lock for all, cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scenarios.bank import bank
from scenarios.claims.claim import Asked, Claim, Evidence, Verdict
from simulator.analysis.finding import Kind
from simulator.explore import check
from simulator.loading import load
from simulator.real.natural import Batch, run_batch
from simulator.real.walked import walk_plain
from simulator.search.replay import replay

__all__ = ["CLAIMS"]

FORCED = 20


def _two_orders(asked: Asked) -> Evidence:
    report = check(bank()).uninterrupted()
    deadlock = next(finding for finding in report.findings if finding.kind is Kind.DEADLOCK)
    cycle = next(finding for finding in report.findings if finding.kind is Kind.LOCK_ORDER_CYCLE)
    model = (f"{deadlock.why}; shortest witness: {deadlock.witness}", f"lock-order cycle, {cycle.status}: {cycle.why}")
    if not asked.real:
        return Evidence(Verdict.CONFIRMED, model)
    threads = load("bank").at("operations").threads()
    walks = check(threads.program).uninterrupted()
    found = next(each for each in walks.findings if each.kind is Kind.DEADLOCK)
    assert found.witness is not None
    walked = walk_plain(threads, replay(threads.program, found.witness), times=FORCED)
    deadlocked = FORCED - len(walked.differences)
    machine = [f"real threads made to walk into it, and unwound: deadlocked {deadlocked} of {FORCED} times"]
    batch = _runs({"pause": 0.01}, asked)
    stuck = sum(times for outcome, times in batch.outcomes.items() if outcome.how == "deadlocked")
    machine.append(
        f"natural runs with a pause of 0.01 s between the locks: {stuck} of {batch.done} deadlocked, none hung"
    )
    return Evidence(Verdict.CONFIRMED if deadlocked == FORCED else Verdict.REFUTED, model, tuple(machine))


def _runs(values: dict[str, Any], asked: Asked) -> Batch:
    """Natural runs of the bank."""
    return run_batch(load("bank"), values, runs=asked.runs, timeout=30, interpreter=asked.interpreter).uninterrupted()


def _safe(strategy: str) -> Evidence:
    workloads = ("1-2:500,2-1:300", "1-2:500,2-3:300,3-1:100", "1-2:1,2-1:1,1-2:1,2-1:1")
    proved = []
    for transfers in workloads:
        report = check(bank(strategy=strategy, transfers=transfers, accounts=3)).uninterrupted()
        kinds = {finding.kind for finding in report.findings}
        proved.append(
            report.complete and not kinds & {Kind.DEADLOCK, Kind.FAILED_INVARIANT, Kind.LOST_UPDATE, Kind.CRASH}
        )
    said = "no deadlock, money conserved, nothing lost: proved for each of" if all(proved) else "NOT proved for all of"
    verdict = Verdict.CONFIRMED if all(proved) else Verdict.REFUTED
    short = f"{sum(proved)} of {len(workloads)} sets of transfers proved, every interleaving"
    return Evidence(verdict, (f"{said} {' · '.join(workloads)}",), short=short)


def _natural(strategy: str, asked: Asked, evidence: Evidence) -> Evidence:
    if not asked.real:
        return evidence
    batch = _runs({"strategy": strategy, "pause": 0.001}, asked)
    finished = sum(times for outcome, times in batch.outcomes.items() if outcome.how == "finished")
    agrees = finished == batch.done == asked.runs
    machine = f"natural runs: {finished} of {batch.done} finished"
    return replace(
        evidence,
        verdict=evidence.verdict if agrees else Verdict.REFUTED,
        machine=(machine,),
        short=f"{evidence.short}; {machine}",
    )


CLAIMS = (
    Claim(
        "two locks, two orders",
        "two transfers in opposite directions, each taking its source's lock first, can wait for each other for ever",
        _two_orders,
        (
            "simulator explore bank",
            "simulator graph bank --kind wait-for",
            "simulator crosscheck bank --granularity operations --all",
        ),
    ),
    Claim(
        "order by id",
        "always taking the lock of the smaller id first removes the deadlock",
        lambda asked: _natural("ordered", asked, _safe("ordered")),
        ("simulator explore bank --strategy ordered", "python -m scenarios.bank.compare"),
    ),
    Claim(
        "one lock for all",
        "one global lock cannot deadlock with itself",
        lambda asked: _natural("global", asked, _safe("global")),
        ("simulator explore bank --strategy global",),
    ),
)
