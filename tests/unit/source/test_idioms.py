"""What once ended otherwise than in Python: each program alone, on objects that are shared and on some that it made itself."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import pytest

from tests.laws.plain_runs import in_the_model, natively
from tests.unit.source import idioms

CASES = [
    each
    for each in vars(idioms).values()
    if isinstance(each, FunctionType)
    and each.__module__ == idioms.__name__
    and each.__code__.co_varnames[:1] == ("box",)
]


@pytest.mark.parametrize("granularity", ["operations", "cpython-3.11"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_ends_as_in_python(case: Callable[[Any], object], granularity: str) -> None:
    assert in_the_model(idioms.Box, [case], granularity=granularity) == natively(idioms.Box, [case], idioms)


class Holder:
    """Where a box is put that a thread has made for itself."""

    def __init__(self) -> None:
        self.box: Any = None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_does_so_on_objects_that_it_made_itself(case: Callable[[Any], object]) -> None:
    def worker(holder: Any) -> None:
        box = idioms.Box()
        try:
            case(box)
        finally:
            holder.box = box

    assert in_the_model(Holder, [worker]) == natively(Holder, [worker], idioms)
