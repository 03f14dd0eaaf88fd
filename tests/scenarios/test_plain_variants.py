"""Ten ways to add one. Of natural runs, only what every run guarantees is asserted."""

from __future__ import annotations

import inspect
import sys

import pytest

from scenarios import variants
from scenarios.plain_variants import VARIANTS, plain
from simulator.errors import UsageError
from simulator.real.interpreters import Interpreter, installed
from simulator.real.natural import run_once
from simulator.source.granularity import GRANULARITIES

pytestmark = pytest.mark.real

CURRENT = Interpreter.current()


@pytest.mark.parametrize("name", VARIANTS)
def test_alone_every_variant_counts(name: str) -> None:
    natural = run_once(plain(name, threads=1, increments=50))
    assert str(natural.outcome) == "count=50"


@pytest.mark.parametrize("name", VARIANTS)
def test_no_variant_counts_too_far_or_not_at_all(name: str) -> None:
    natural = run_once(plain(name, threads=3, increments=5))
    assert natural.outcome is not None
    assert 1 <= dict(natural.outcome.memory)["count"] <= 15


@pytest.mark.parametrize("interpreter", installed(), ids=str)
def test_with_the_lock_nothing_is_lost_on_any_python(interpreter: Interpreter) -> None:
    seen = variants.natural("lock", interpreter, runs=3, increments=20_000, switch_interval=1e-5)
    assert (seen.runs, seen.lost, seen.stopped) == (3, 0, "")


def test_the_invariant_says_whether_something_was_lost() -> None:
    two = plain("plain", increments=2)
    counter = two.setup()
    assert two.invariant is not None
    counter.count = 3
    assert not two.invariant(counter)
    counter.count = 4
    assert two.invariant(counter)


def test_each_variant_says_where_its_increment_stands() -> None:
    for name, kind in VARIANTS.items():
        line = int(plain(name).source.split(":")[1])
        assert inspect.getsourcelines(kind.increment)[1] == line


def test_a_lost_update_is_counted_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.real.natural import Batch
    from simulator.trace import Outcome

    def two_of_three_lost(*_: object, **__: object) -> Batch:
        counts = {Outcome("finished", (("count", 20),)): 1, Outcome("finished", (("count", 19),)): 2}
        return Batch(asked=3, outcomes=counts)

    monkeypatch.setattr(variants, "run_batch", two_of_three_lost)
    assert variants.natural("plain", CURRENT, runs=3, increments=10) == variants.Seen(3, 2)


def test_the_command_prints_a_line_for_each_variant_and_a_column_for_each_python(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert variants.main(["--runs", "2", "--increments", "100", "--python", sys.executable]) == 0
    _, model, _, natural, last = capsys.readouterr().out.split("\n\n")
    assert last == "Nothing contradicts the model.\n"
    for lines in (model.splitlines(), natural.splitlines()):
        assert [line.split()[1] for line in lines[2:]] == list(VARIANTS)
    assert ".".join(map(str, sys.version_info[:3])) in natural.splitlines()[0]
    assert "0 of 2 (0%–66%)" in natural.splitlines()[-1]


def test_each_version_s_granularity_is_told_from_the_one_before_by_a_variant() -> None:
    can_lose = {
        kind: {name for name in VARIANTS if variants.verdict(name, kind)[0]}
        for kind in GRANULARITIES
        if kind.startswith("cpython")
    }
    always = {"property", "int", "call", "sleep"}
    assert can_lose == {
        "cpython-3.9": set(VARIANTS) - {"lock"},
        "cpython-3.10": always | {"comprehension", "while"},
        "cpython-3.11": always | {"comprehension", "while"},
        "cpython-3.12": always | {"while"},
        "cpython-3.14": always | {"with"},
    }


def test_the_model_s_verdicts_have_a_place_beside_the_natural_runs() -> None:
    verdict = variants.Column("cpython-3.11", lambda name: "proved" if name == "plain" else "loses")
    seen = {(name, CURRENT): variants.Seen(20, 0) for name in VARIANTS}
    header, _, plain_line, *_ = variants.table((verdict, *variants.columns_of(seen))).splitlines()
    assert "| cpython-3.11 |" in header
    assert "| proved       | 0 of 20 (0%–16%) |" in plain_line


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["--python", "no-such"], "python 'no-such': there is no such program"),
        (["--runs", "0"], "runs is 0"),
        (["--increments", "0"], "increments is 0"),
        (["--switch-interval", "-1"], "switch_interval is -1"),
    ):
        assert variants.main([*words, "--python", "python3"] if words[0] != "--python" else words) == 2
        assert capsys.readouterr().err.startswith(f"error: {said}")
    with pytest.raises(UsageError, match="there is no variant 'none'; known: plain, split"):
        variants.natural("none", CURRENT, runs=1, increments=1)
