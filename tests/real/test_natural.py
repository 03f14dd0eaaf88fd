"""Natural runs: classified, unwound, ended at their limit. No test here relies on how often anything happens."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scenarios import plain_bank, plain_counter
from simulator.errors import UsageError
from simulator.real.interpreters import Interpreter
from simulator.real.natural import run_batch, run_once
from simulator.scenario import Plain
from simulator.trace import Outcome

pytestmark = pytest.mark.real

ARTICLE: dict[str, Any] = {"accounts": ((1, 1000), (2, 1000)), "transfers": ((1, 2, 500), (2, 1, 300))}


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def of_workers(**workers: Callable[[], object]) -> Plain:
    return Plain(setup=dict, workers=lambda _: workers, observe=lambda _: {"x": 1}, namespace={})


def test_a_locked_counter_never_loses_an_update() -> None:
    plain = plain_counter.plain(threads=3, increments=100, lock=True, start=5)
    for _ in range(20):
        assert run_once(plain).outcome == Outcome("finished", (("count", 305),))


def test_an_unlocked_counter_ends_somewhere_between_one_and_all() -> None:
    natural = run_once(plain_counter.plain(threads=2, increments=10, lock=False, start=0))
    assert natural.outcome is not None
    assert 1 <= dict(natural.outcome.memory)["count"] <= 20


@pytest.mark.parametrize("strategy", ["ordered", "global", "try-lock"])
def test_the_safe_transfers_finish_and_conserve_money(strategy: str) -> None:
    plain = plain_bank.plain(**ARTICLE, strategy=strategy, pause=0.001)
    for _ in range(20):
        natural = run_once(plain, [("balance", 1), ("balance", 2)])
        assert natural.outcome == Outcome("finished", ((("balance", 1), 800), (("balance", 2), 1200)))
        assert natural.deadlocks == ()


def test_the_unsafe_transfers_end_by_themselves_and_both_orders_are_seen() -> None:
    plain = plain_bank.plain(**ARTICLE, strategy="from-then-to", pause=0.002)
    for _ in range(20):
        natural = run_once(plain, [("balance", 1), ("balance", 2)])
        assert natural.outcome is not None
        # One whole transfer or none happens before a deadlock, never a part of one: money is conserved.
        assert sum(dict(natural.outcome.memory).values()) == 2000
        assert (natural.outcome.how == "deadlocked") == bool(natural.deadlocks)
        if natural.deadlocks:
            assert natural.outcome.memory == ((("balance", 1), 1000), (("balance", 2), 1000))
            assert str(natural.deadlocks[0]) == (
                "t0 holds bank.accounts[1].lock and wants bank.accounts[2].lock, held by t1; "
                "t1 holds bank.accounts[2].lock and wants bank.accounts[1].lock, held by t0"
            )
        assert {order.thread for order in natural.orders} == {"t0", "t1"}


def test_memory_comes_in_the_order_that_was_asked_for() -> None:
    plain = plain_bank.plain(**ARTICLE, strategy="global", pause=0)
    outcome = run_once(plain, [("balance", 2), "unknown"]).outcome
    assert outcome is not None
    assert [location for location, _ in outcome.memory] == [("balance", 2), ("balance", 1)]


def test_a_worker_s_exception_is_a_crash_and_a_failed_assert_a_failed_check() -> None:
    def raises() -> None:
        raise ValueError("no")

    def asserts() -> None:
        raise AssertionError("count is odd")

    def leaves() -> None:
        sys.exit(3)

    crashed = run_once(of_workers(t0=raises, t1=asserts))
    assert crashed.outcome == Outcome("crashed", (("x", 1),))
    assert crashed.errors[0].startswith("t0: ValueError: no (test_natural.py:")
    failed = run_once(of_workers(t0=asserts))
    assert failed.outcome == Outcome("failed check", (("x", 1),))
    assert failed.errors[0].startswith("t0: count is odd (test_natural.py:")
    assert run_once(of_workers(t0=leaves)).outcome == Outcome("crashed", (("x", 1),))
    assert run_once(of_workers()).outcome == Outcome("finished", (("x", 1),))


def test_threads_meet_at_a_barrier_unless_they_are_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[int] = []

    class Counted(threading.Barrier):
        def wait(self, timeout: float | None = None) -> int:
            met.append(self.parties)
            return super().wait(timeout)

    monkeypatch.setattr("simulator.real.free_run.threading.Barrier", Counted)
    run_once(of_workers(t0=lambda: None, t1=lambda: None))
    assert met == [2, 2]
    run_once(of_workers(t0=lambda: None, t1=lambda: None), barrier=False)
    assert met == [2, 2]


def test_a_worker_that_does_not_end_is_named_at_the_limit() -> None:
    over = threading.Event()
    natural = run_once(of_workers(t0=partial(over.wait, 20), t1=lambda: None), timeout=0.1)
    assert natural.outcome is None
    assert natural.hung == ("t0",)
    over.set()
    until_gone("t0")


def until_gone(name: str) -> None:
    deadline = time.monotonic() + 10
    while any(thread.name == name for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("part", ["setup", "workers", "observe"])
def test_a_plain_version_at_fault_says_which_part(part: str) -> None:
    def wrong(*_: object) -> Any:
        raise KeyError("gone")

    parts: dict[str, Any] = {"setup": dict, "workers": lambda _: {}, "observe": lambda _: {}, part: wrong}
    with pytest.raises(UsageError, match=f"^{part} of the plain version raised KeyError: 'gone'$"):
        run_once(Plain(**parts, namespace={}))


# -- in a child process

FILE = """
import os, threading, time
from simulator.ops import Read, Write
from simulator.program import Program
from simulator.scenario import Plain, scenario

def body():
    yield Write("x", 1)

def make(work):
    @scenario(summary="One thread.")
    def one(pause: float = 0.0, text: str = "") -> Program:
        return Program({"t0": body}, memory={"x": 0})

    @one.as_plain
    def plain_one(pause, text):
        done = []
        def run(state):
            done.append(1)
            work(len(done), state)
            state["x"] = 1
        return Plain(dict, lambda state: {"t0": lambda: run(state)}, lambda state: dict(state), globals())
    return one

def hang(number, state):
    if number > 3:
        threading.Event().wait()

def spin(number, state):
    while number > 3:
        pass

def die(number, state):
    if number > 3:
        os._exit(7)

def chatter(number, state):
    print("hello from the code under test", flush=True)
    os.write(1, b"and from below\\n")

class Odd:
    def __reduce__(self):
        raise TypeError("cannot be sent")
    def __repr__(self):
        return "<odd>"

def odd(number, state):
    state["y"] = Odd()

def slow(number, state):
    time.sleep(0.05)

hangs, spins, dies, chats, sends_odd, is_slow = map(make, (hang, spin, die, chatter, odd, slow))
program = Program({"t0": body}, memory={"x": 0})
"""
ONE = Outcome("finished", (("x", 1),))


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(FILE)
    return str(tmp_path / "mine.py")


def test_all_runs_of_a_batch_are_counted_and_prints_do_no_harm(path: str) -> None:
    seen: list[int] = []
    batch = run_batch(f"{path}:chats", {}, runs=5, timeout=60, progress=seen.append)
    assert batch.outcomes == {ONE: 5}
    assert (batch.done, batch.stopped) == (5, "")
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["hangs", "spins"])
def test_a_child_that_hangs_is_ended_at_its_limit_and_earlier_runs_are_kept(path: str, name: str) -> None:
    batch = run_batch(f"{path}:{name}", {}, runs=10, timeout=3)
    assert batch.outcomes == {ONE: 3}
    assert batch.stopped == "ended at its limit of 3 s after 3 of 10 runs"
    assert batch.seconds < 30
    assert re.fullmatch(r"t0 at mine\.py:\d+, in (hang|spin)", batch.stacks)


def test_a_child_that_dies_keeps_earlier_runs_and_says_so(path: str) -> None:
    batch = run_batch(f"{path}:dies", {}, runs=10, timeout=60)
    assert batch.outcomes == {ONE: 3}
    assert batch.stopped == "the process died after 3 of 10 runs (exit code 7)"


def test_a_batch_that_is_only_slow_stops_between_two_runs(path: str) -> None:
    batch = run_batch(f"{path}:is_slow", {}, runs=100_000, timeout=2)
    assert 0 < batch.done < 100_000
    assert "limit of 2 s" in batch.stopped


def test_ctrl_c_keeps_what_was_seen(path: str) -> None:
    def after_two(done: int) -> None:
        if done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    batch = run_batch(f"{path}:is_slow", {}, runs=1000, timeout=60, progress=after_two)
    assert batch.interrupted
    assert 2 <= batch.done < 1000
    assert batch.stopped == f"interrupted after {batch.done} of 1000 runs"


def test_a_value_that_cannot_be_sent_comes_as_its_repr(path: str) -> None:
    batch = run_batch(f"{path}:sends_odd", {}, runs=1, timeout=60)
    assert batch.outcomes == {Outcome("finished", (("x", 1), ("y", "<odd>"))): 1}


def test_what_cannot_be_run_is_told_in_one_line(path: str) -> None:
    with pytest.raises(UsageError, match="no plain Python version"):
        run_batch(f"{path}:program", {}, runs=1, timeout=60)
    with pytest.raises(UsageError, match="did you mean 'hangs'"):
        run_batch(f"{path}:hnags", {}, runs=1, timeout=60)
    with pytest.raises(UsageError, match="runs is 0"):
        run_batch(f"{path}:hangs", {}, runs=0)
    with pytest.raises(UsageError, match="timeout is 0"):
        run_batch(f"{path}:hangs", {}, runs=1, timeout=0)


def test_the_interpreter_says_what_it_is() -> None:
    current = Interpreter.current()
    assert current.version == sys.version_info[:3]
    assert ("with the GIL" in str(current)) == current.gil
