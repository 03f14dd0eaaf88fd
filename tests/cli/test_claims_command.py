"""`simulator claims`: the article's claims, in the model and on this machine."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import pytest

from scenarios.claims.claim import Asked, Claim, Evidence, Verdict
from scenarios.claims.every import CLAIMS
from scenarios.counter import counter
from scenarios.gil.ask import INTERRUPTED
from scenarios.gil.compare import Comparison, Row
from scenarios.gil.costs import Costs
from scenarios.gil.experiments import Executor, Experiment, Workload
from scenarios.gil.measure import Measured
from scenarios.gil.predict import predict
from scenarios.gil.spread import spread
from simulator.explore import check
from simulator.real.interpreters import Interpreter
from simulator.real.natural import Batch
from simulator.search.budget import Stop
from tests.cli.command_line import simulator

EXPECTED = {
    "getrefcount says 3": "inconclusive",
    "unprotected counts": "confirmed",
    "one lock for all counts": "confirmed",
    "racy counter": "confirmed",
    "locked counter": "confirmed",
    "two locks, two orders": "confirmed",
    "order by id": "confirmed",
    "one lock for all": "confirmed",
    "the GIL and +=": "it depends",
    "CPU-bound threads": "confirmed",
    "CPU-bound processes": "confirmed",
    "0.09 s for four processes": "refuted",
    "I/O-bound threads": "confirmed",
}
"""What the model alone says of each claim: no machine is asked."""


def test_the_model_alone_settles_what_it_can() -> None:
    ran = simulator("claims", "--no-real", "--json")
    said = {claim["claim"]: claim["verdict"] for claim in ran.json["claims"]}
    assert ran.code == 0
    assert {name: said[name] for name in EXPECTED} == EXPECTED


def test_each_claim_comes_with_its_evidence_and_commands_that_exist() -> None:
    ran = simulator("claims", "--no-real")
    for claim in CLAIMS:
        assert f"{claim.name}: " in ran.out
        for command in claim.commands:
            assert f"$ {command}" in ran.out


@pytest.mark.parametrize(
    "command", sorted({each for claim in CLAIMS for each in claim.commands if each.startswith("simulator ")})
)
def test_every_command_of_a_claim_can_be_read(command: str) -> None:
    words = command.split()[1:]
    assert simulator(words[0], "--help").code == 0
    if words[0] in ("explore", "count"):
        assert simulator(*words, "--json").code in (0, 1)


@pytest.mark.real
def test_real_threads_are_asked_too() -> None:
    ran = simulator("claims", "--only", "order by id", "--runs", "2", "--json")
    (claim,) = ran.json["claims"]
    assert claim["machine"] == ["natural runs: 2 of 2 finished"]


def test_an_unknown_claim_is_told_with_those_there_are() -> None:
    ran = simulator("claims", "--only", "nonsense")
    assert ran.code == 2
    assert "no claim has 'nonsense' in its name; known: getrefcount says 3" in ran.err


def test_a_refuted_claim_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuted(asked: Asked) -> Evidence:
        return Evidence(Verdict.REFUTED, ("the model says no",))

    monkeypatch.setattr("scenarios.claims.every.CLAIMS", (Claim("wrong", "it is so", refuted, ()),))
    ran = simulator("claims")
    assert ran.code == 1
    assert "→ refuted" in ran.out


def test_ctrl_c_keeps_the_claims_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    def confirmed(asked: Asked) -> Evidence:
        return Evidence(Verdict.CONFIRMED, ("yes",))

    def interrupted(asked: Asked) -> Evidence:
        raise KeyboardInterrupt

    claims = (Claim("one", "first", confirmed, ()), Claim("two", "second", interrupted, ()))
    monkeypatch.setattr("scenarios.claims.every.CLAIMS", claims)
    ran = simulator("claims")
    assert ran.code == 130
    assert "one: first" in ran.out
    assert ran.err == "simulator: interrupted: 1 of 2 claims\n"


def counting(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> list[int]:
    """Put a value in a function's place; the list has an item for each call."""
    calls: list[int] = []

    def function(*_: object, **__: object) -> object:
        calls.append(1)
        return value

    monkeypatch.setattr(name, function)
    return calls


@pytest.mark.parametrize("only", ["one lock for all", "locked counter", "racy counter", "two locks", "unprotected"])
def test_nothing_is_said_of_a_claim_whose_search_was_interrupted(only: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part = replace(check(counter(threads=2)), stop=Stop.INTERRUPTED, findings=())
    for module in ("scenarios.claims.banks", "scenarios.claims.counters", "scenarios.refcount.compare"):
        counting(monkeypatch, f"{module}.check", part)
    ran = simulator("claims", "--no-real", "--only", only)
    assert (ran.code, ran.out) == (130, "")
    assert re.fullmatch(r"simulator: interrupted: 0 of [12] claims\n", ran.err)
    assert simulator("claims", "--no-real", "--only", only, "--json").json == {"claims": [], "interrupted": True}


def test_nothing_is_started_after_interrupted_natural_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Batch(asked=10, interrupted=True, stopped="interrupted after 0 of 10 runs")
    calls = counting(monkeypatch, "scenarios.claims.banks.run_batch", part)
    calls_of_counters = counting(monkeypatch, "scenarios.variants.run_batch", part)
    ran = simulator("claims", "--only", "o")
    assert ran.code == 130
    assert len(calls) + len(calls_of_counters) == 1
    assert "refuted" not in ran.out


def test_nothing_is_said_of_a_speed_up_whose_measurement_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Comparison(Interpreter.current(), Costs(), None, (), INTERRUPTED)
    counting(monkeypatch, "scenarios.claims.work.compare", found)
    ran = simulator("claims", "--only", "I/O-bound threads")
    assert (ran.code, ran.out, ran.err) == (130, "", "simulator: interrupted: 0 of 1 claims\n")


@pytest.mark.parametrize(("capacity", "verdict"), [(Fraction(1), "inconclusive"), (Fraction(2), "refuted")])
def test_a_machine_without_a_core_to_spare_refutes_nothing(
    capacity: Fraction, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = Costs(capacity=capacity)
    experiment = Experiment(Workload.CPU, Executor.FORK, 4)
    measured = Measured(experiment, spread([0.4] * 3), spread([0.9, 0.91, 0.92]))
    row = Row(predict(experiment, costs), measured, None)
    gil = Interpreter("CPython", (3, 11, 7), True, 0.005)
    counting(monkeypatch, "scenarios.claims.work.compare", Comparison(gil, costs, None, (row,)))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    (claim,) = simulator("claims", "--only", "CPU-bound processes", "--json").json["claims"]
    assert claim["verdict"] == verdict


def test_a_reader_of_the_table_sees_what_was_proved_and_what_was_only_forced() -> None:
    table = simulator("claims", "--no-real").out.rpartition("evidence")[2]
    assert "see 'the GIL and +='" in " ".join(table.split())
    assert "2, 3, 4 threads proved" in table
    assert table.count("sets of transfers proved, every interleaving") == 2
