"""Every interleaving of small plain programs, forced at bytecode level on real threads, agrees with the model."""

from __future__ import annotations

import json
import threading
from functools import partial
from typing import Any

import pytest

from scenarios.plain_bank import plain as bank
from scenarios.plain_counter import Counter
from scenarios.plain_counter import plain as counter
from simulator.explore import check
from simulator.real.plain_code import PlainForcing, force_threads
from simulator.real.walked import walk_plain
from simulator.scenario import Plain
from simulator.search.replay import replay
from simulator.source.threads import Threads
from tests.real.agreement import ACCOUNTS, PROGRAMS, TRANSFERS, agreement, stopped_short
from tests.real.interpreters_at_hand import interpreters, run

pytestmark = pytest.mark.real

KNOWN = {
    # interleavings with a step for each operation, each bytecode that touches something shared, each switch of CPython 3.11
    "counter (2, 1)": (20, 6, 2),
    "counter (2, 2)": (924, 70, 6),
    "counter (3, 1)": (1680, 90, 6),
    "locked counter (2, 2)": (6, 6, 6),
    "unsafe bank": (12, 12, 106),
    "safe bank": (2, 2, 38),
}


@pytest.mark.parametrize("name", KNOWN)
def test_every_interleaving_is_as_the_model_says(name: str) -> None:
    for granularity, known in zip(("operations", "free-threaded", "cpython-3.11"), KNOWN[name], strict=True):
        assert agreement(name, granularity) == (known, known, ""), granularity


STOPPED = ("counter (2, 1)", "slow", "by name", "groups", "cache", "sums", "pair", "class attribute with a lock")


@pytest.mark.parametrize("granularity", ["operations", "cpython-3.11", "cpython-3.14"])
@pytest.mark.parametrize("name", STOPPED)
def test_wherever_a_schedule_stops_real_threads_are_where_the_model_is(name: str, granularity: str) -> None:
    assert stopped_short(name, granularity) == []


def test_a_thread_that_has_only_the_gil_to_give_back_has_ended() -> None:
    threads = Threads(PROGRAMS["slow"][0], granularity="cpython-3.11")
    forced, difference = force_threads(threads, "t0*4 t1*7 t0*2")
    assert difference is None
    assert str(forced.outcome) == "slow.count=1"


def test_a_thread_is_stopped_before_the_call_that_sets_an_attribute() -> None:
    threads = Threads(PROGRAMS["by name"][0])
    with PlainForcing(threads) as walked:
        differences = [walked.force(replay(threads.program, "t0"))[1] for _ in range(20)]
    assert differences == [None] * 20


def test_nobody_is_stopped_in_the_midst_of_c_code() -> None:
    threads = Threads(PROGRAMS["groups"][0])
    with PlainForcing(threads) as walked:
        said = [walked.cannot(replay(threads.program, schedule)) for schedule in ("t0", "t0 t1", "t0*3")]
    assert ["in the midst of C code" in each for each in said] == [True, True, False]


@pytest.mark.parametrize("version", interpreters())
def test_real_threads_agree_on_every_python_at_hand(version: str) -> None:
    said = json.loads(run(interpreters()[version], "agreement.py"))
    assert {what: first for what, (forced, agreed, first) in said["found"].items() if forced != agreed} == {}
    assert said["left"] == 0


def test_the_lost_update_happens_a_thousand_times_of_a_thousand() -> None:
    threads = Threads(counter(2, 1, False, 0))
    witness = next(finding.witness for finding in check(threads.program).findings if finding.kind.name == "LOST_UPDATE")
    walked = walk_plain(threads, replay(threads.program, witness), times=1000)
    assert walked.differences == ()
    assert str(walked.forced.outcome) == "counter.count=1"
    assert "1,000 of 1,000 times as in the model" in str(walked)


def test_ctrl_c_keeps_the_walks_made_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Threads(counter(2, 1, False, 0))
    walk, left = PlainForcing.force, [None] * 3

    def until_ctrl_c(*arguments: Any) -> Any:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return walk(*arguments)

    monkeypatch.setattr(PlainForcing, "force", until_ctrl_c)
    walked = walk_plain(threads, replay(threads.program, "t0*3 t1*3"), times=1000)
    assert (walked.times, walked.interrupted, walked.differences) == (3, True, ())
    assert "3 of 3 times as in the model" in str(walked)
    assert str(walked).endswith("(interrupted: it was to be 1,000 times)")
    with pytest.raises(KeyboardInterrupt):
        walk_plain(threads, replay(threads.program, "t0*3 t1*3"), times=1000)


def test_the_deadlock_of_the_bank_happens_and_is_unwound_a_hundred_times() -> None:
    before = set(threading.enumerate())
    threads = Threads(bank(ACCOUNTS, TRANSFERS, "from-then-to", 0.5))
    witness = next(finding.witness for finding in check(threads.program).findings if finding.kind.name == "DEADLOCK")
    walked = walk_plain(threads, replay(threads.program, witness), times=100)
    assert walked.differences == ()
    assert walked.forced.outcome is not None
    assert walked.forced.outcome.how == "deadlocked"
    assert {str(waits) for waits in walked.forced.blocked} == {
        "t0 wants bank.accounts[2].lock, held by t1",
        "t1 wants bank.accounts[1].lock, held by t0",
    }
    assert set(threading.enumerate()) == before


class Altered(Counter):
    """Does the same in the end, and writes once more on the way."""

    def increment(self, offset: int) -> None:
        self.count += offset
        self.count = self.count


class Elsewhere(Counter):
    """The same code over another start."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 7


def of(kind: Any) -> Plain:
    return Plain(kind, lambda thing: {name: partial(thing.increment, 1) for name in ("a", "b")})


@pytest.mark.parametrize("other", [Altered, Elsewhere])
def test_an_altered_implementation_disagrees(other: type) -> None:
    threads = Threads(of(Counter))
    with PlainForcing(threads, implementation=of(other)) as forcing:
        differences = [forcing.force(replay(threads.program, "a*2 b*3 a"))[1]]
    assert differences[0] is not None


def test_the_first_step_that_differs_is_named() -> None:
    threads = Threads(of(Counter))
    with PlainForcing(threads, implementation=of(Elsewhere)) as forcing:
        _, difference = forcing.force(replay(threads.program, "a*3 b*3"))
    assert str(difference) == "step 1: counter.count is 7 on real threads, 0 in the model"


def test_globals_are_as_before_after_a_forced_run() -> None:
    from tests.real import agreement as module

    before = module.hits, dict(module.table)
    threads = Threads(Plain(lambda: None, lambda _: {"a": module.hit, "b": module.hit}))
    forced, difference = force_threads(threads, "a*6 b*6")
    assert difference is None
    assert str(forced.outcome) == "hits=2 table['a']=2"
    assert (module.hits, module.table) == before
