"""An import inside a function finds what the module holds in the model, and leaves the real module alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

import pytest

from simulator import Plain, explore
from simulator.explore import count
from simulator.real.plain_code import PlainForcing
from simulator.source.threads import Threads
from tests.unit.source import imported


class State:
    def __init__(self) -> None:
        self.found: Any = None


def bumps(state: State) -> None:
    imported.bump()


def imports_a_number(state: State) -> None:
    from tests.unit.source.imported import NUMBER

    state.found = NUMBER


def imports_an_object(state: State) -> None:
    from .imported import STOCK

    STOCK.n += 1
    state.found = STOCK.n


def imports_the_module(state: State) -> None:
    import tests.unit.source.imported as module
    from tests.unit.source import imported as same

    state.found = (module.NUMBER, same.made_up)


def imports_what_is_not_there(state: State) -> None:
    try:
        from tests.unit.source.imported import nothing  # type: ignore[attr-defined]  # noqa: F401
    except ImportError as error:
        state.found = str(error).partition(" (")[0]


def of(*workers: Callable[[State], None]) -> Threads:
    return Threads(
        Plain(
            State, lambda state: {f"t{number}": partial(each, state) for number, each in enumerate(workers)},
            observe=lambda state: {"found": state.found},
        )
    )  # fmt: skip


def found(threads: Threads) -> set[Any]:
    return {threads.observed(outcome).memory[0][1] for outcome in count(threads.program).outcomes}


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        ([bumps, imports_a_number], {0, 1}),
        ([imports_an_object, imports_an_object], {1, 2}),
        ([bumps, imports_the_module], {(0, 0), (0, 1), (1, 1)}),
        ([imports_what_is_not_there], {"cannot import name 'nothing' from 'tests.unit.source.imported'"}),
    ],
    ids=["number", "object", "module", "missing"],
)
def test_it_finds_what_threads_have_written(workers: list[Callable[[State], None]], expected: set[Any]) -> None:
    assert found(of(*workers)) == expected
    assert (imported.NUMBER, imported.STOCK.n) == (0, 0)


@pytest.mark.real
@pytest.mark.parametrize("worker", [imports_a_number, imports_the_module, imports_an_object])
def test_real_threads_do_the_same(worker: Callable[[State], None]) -> None:
    threads = of(bumps, worker)
    with PlainForcing(threads) as forcing:
        runs = list(islice(explore(threads.program, scheduler="naive"), 50))
        assert {str(forcing.force(run)[1]) for run in runs if not forcing.cannot(run)} == {"None"}
