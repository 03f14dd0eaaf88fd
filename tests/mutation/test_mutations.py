"""Each mutation still fits the source that it breaks. Whether the laws catch it, `python -m tests.mutation` tells."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutation.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_fits_and_changes_the_program(mutation: Mutation) -> None:
    before = ast.dump(ast.parse((ROOT / mutation.file).read_text(encoding="utf-8")))
    assert ast.dump(ast.parse(mutation.applied(ROOT))) != before


def test_no_two_mutations_are_the_same() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    assert len({(mutation.file, mutation.text, mutation.instead) for mutation in MUTATIONS}) == len(MUTATIONS)
