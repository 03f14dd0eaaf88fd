"""The models of SPIN: one for each proof, and SPIN understands them and agrees. No other test needs SPIN."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.searches import PROOFS
from benchmarks.spin import JUDGED, MODELS, generate, run_spin

needs_spin = pytest.mark.skipif(
    shutil.which("spin") is None or shutil.which("gcc") is None, reason="spin and gcc are not installed"
)
SMALL = ["counter(6,1)", "locked counter(6,2)", "philosophers(9)", "bank ring(6)", "bank ring(6), ordered"]


def test_every_proof_has_a_model() -> None:
    assert list(MODELS) == list(PROOFS)
    assert len(set(MODELS.values())) == len(MODELS)


@needs_spin
@pytest.mark.parametrize("what", MODELS)
def test_spin_accepts_the_model(what: str, tmp_path: Path) -> None:
    generate(MODELS[what], tmp_path)
    assert (tmp_path / "pan.c").exists()


@needs_spin
@pytest.mark.parametrize("what", SMALL)
def test_spin_agrees(what: str) -> None:
    found = run_spin(MODELS[what])
    assert not found.ended
    assert found.faulty == bool(PROOFS[what].kinds & JUDGED)
