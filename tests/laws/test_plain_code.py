"""Rewritten code means what Python means.

One thread in the model ends as the same function does when Python runs it on a fresh state: the same state, object for
object, and the same exception with the same text. Two threads, one after the other, end as Python does in that order. Merging
places with the same future changes nothing.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest

from simulator.explore import count
from simulator.machine import Machine
from simulator.source.threads import GRANULARITIES
from tests.laws import plain_programs
from tests.laws.plain_runs import in_the_model, natively, of

CASES = [
    each
    for name, each in vars(plain_programs).items()
    if isinstance(each, types.FunctionType) and each.__module__ == plain_programs.__name__ and not name.startswith("_")
]
Case = Callable[[Any], object]


class Holder:
    """Where a box is put that a thread has made for itself."""

    def __init__(self) -> None:
        self.box: Any = None


def privately(case: Case) -> Case:
    """The same on a box that nobody else knows before the end."""

    def worker(holder: Any) -> None:
        box = plain_programs.Box()
        try:
            case(box)
        finally:
            holder.box = box

    return worker


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_function_does_in_the_model_what_it_does_in_python(case: Case) -> None:
    assert in_the_model(plain_programs.Box, [case]) == natively(plain_programs.Box, [case], plain_programs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_does_so_on_objects_that_it_made_itself(case: Case) -> None:
    worker = privately(case)
    assert in_the_model(Holder, [worker]) == natively(Holder, [worker], plain_programs)
