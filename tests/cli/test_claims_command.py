"""`simulator claims`: the article's claims, in the model and on this machine."""

from __future__ import annotations

import pytest

from scenarios.claims.claim import Asked, Claim, Evidence, Verdict
from scenarios.claims.every import CLAIMS
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
    assert "interrupted" in ran.err
