"""What threads share and do only after very many states: said to be too deep for us, and no fault of the program's."""

from __future__ import annotations

from functools import partial

import pytest

from simulator import Plain, check
from simulator.errors import LimitError
from simulator.source import threads as of_threads
from simulator.source.threads import Threads


class Late:
    def __init__(self) -> None:
        self.n = self.k = self.m = self.fresh = 0


def counts(state: Late) -> None:
    for number in range(5):
        state.n = number


def counts_beside_it(state: Late) -> None:
    for number in range(5):
        state.k = number


def writes_late(state: Late) -> None:
    for number in range(5):
        state.m = number
    if state.n == 2 and state.k == 2:
        state.fresh = 1


def test_a_location_beyond_what_was_looked_at_is_a_limit_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_threads, "LOOK", 20)
    workers = {"one": counts, "two": counts_beside_it, "late": writes_late}
    threads = Threads(Plain(Late, lambda state: {name: partial(each, state) for name, each in workers.items()}))
    with pytest.raises(
        LimitError,
        match=r"^test_found_late\.py:\d+: only here it turns out that late\.fresh is written, deeper than the 20 states",
    ) as raised:
        check(threads.program)
    assert "thread 'late'" in str(raised.value)
