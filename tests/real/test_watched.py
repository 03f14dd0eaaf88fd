"""Watched locks: real locks that notice a deadlock and unwind it. Nothing here may hang: every wait has a limit."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from simulator.real.watched import Deadlock, Deadlocked, Wait, Watch, watching

pytestmark = pytest.mark.real

LIMIT = 10.0


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def run(watch: Watch, **workers: Callable[[], object]) -> dict[str, BaseException]:
    """Run each worker on its own thread; what each raised. Fails, instead of hanging, when one does not end."""
    raised: dict[str, BaseException] = {}

    def work(name: str, worker: Callable[[], object]) -> None:
        try:
            worker()
        except BaseException as error:
            raised[name] = error
        watch.thread_ended()

    threads = [threading.Thread(target=work, args=item, name=item[0], daemon=True) for item in workers.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive(), f"{thread.name} hangs"
    return raised


def named(watch: Watch, *names: str) -> list[Any]:
    locks = []
    for name in names:
        lock = watch.Lock()
        lock.name = name
        locks.append(lock)
    return locks


def ring(locks: list[Any], number: int, meet: threading.Barrier) -> Callable[[], None]:
    """Take one lock, wait until everybody has theirs, then want the next one's."""

    def worker() -> None:
        with locks[number]:
            meet.wait(LIMIT)
            with locks[(number + 1) % len(locks)]:
                pass

    return worker


def test_two_threads_in_a_circle_are_both_unwound() -> None:
    watch = Watch()
    locks, meet = named(watch, "m", "n"), threading.Barrier(2)
    raised = run(watch, t0=ring(locks, 0, meet), t1=ring(locks, 1, meet))
    assert set(raised) == {"t0", "t1"}
    assert all(isinstance(error, Deadlocked) for error in raised.values())
    assert watch.deadlocks == (
        Deadlock((Wait("t0", ("m",), "n", "t1"), Wait("t1", ("n",), "m", "t0"))),
    )  # fmt: skip
    assert not any(lock.locked() for lock in locks)


def test_three_threads_in_a_circle_are_unwound() -> None:
    watch = Watch()
    locks, meet = named(watch, "m", "n", "o"), threading.Barrier(3)
    run(watch, t0=ring(locks, 0, meet), t1=ring(locks, 1, meet), t2=ring(locks, 2, meet))
    assert [(wait.thread, wait.wants, wait.holder) for wait in watch.deadlocks[0].cycle] == [
        ("t0", "n", "t1"), ("t1", "o", "t2"), ("t2", "m", "t0"),
    ]  # fmt: skip


def test_a_thread_that_waits_for_itself_is_unwound() -> None:
    watch = Watch()
    (lock,) = named(watch, "m")

    def worker() -> None:
        with lock, lock:
            pass

    raised = run(watch, t0=worker)
    assert isinstance(raised["t0"], Deadlocked)
    assert watch.deadlocks == (Deadlock((Wait("t0", ("m",), "m", "t0"),)),)
    assert not lock.locked()


def test_threads_that_never_give_back_are_unwound_all_the_same() -> None:
    watch = Watch()
    locks, meet = named(watch, "m", "n"), threading.Barrier(2)

    def careless(number: int) -> Callable[[], None]:
        def worker() -> None:
            locks[number].acquire()
            meet.wait(LIMIT)
            locks[1 - number].acquire()

        return worker

    raised = run(watch, t0=careless(0), t1=careless(1))
    assert set(raised) == {"t0", "t1"}
    assert len(watch.deadlocks) == 1


def test_a_thread_behind_the_circle_is_unwound_with_it() -> None:
    watch = Watch()
    locks, meet = named(watch, "m", "n"), threading.Barrier(2)
    stuck = threading.Event()

    def behind() -> None:
        stuck.set()
        locks[0].acquire()

    def first() -> None:
        locks[0].acquire()
        meet.wait(LIMIT)
        locks[1].acquire()

    def last() -> None:
        locks[1].acquire()
        meet.wait(LIMIT)
        assert stuck.wait(LIMIT)
        until(lambda: len(watch._waiting) == 2)
        locks[0].acquire()

    raised = run(watch, t0=first, t1=last, t2=lambda: (meet_held(locks[0]), behind()))
    assert set(raised) == {"t0", "t1", "t2"}
    assert watch.deadlocks[0].threads == ("t0", "t1", "t2")
    assert watch.deadlocks[0].behind == (Wait("t2", (), "m", "t0"),)


def meet_held(lock: Any) -> None:
    until(lock.locked)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_thread_that_comes_later_for_a_lock_in_the_circle_is_unwound_too() -> None:
    watch = Watch()
    locks, meet = named(watch, "m", "n"), threading.Barrier(2)

    def careless(number: int) -> Callable[[], None]:
        def worker() -> None:
            locks[number].acquire()
            meet.wait(LIMIT)
            locks[1 - number].acquire()

        return worker

    def late() -> None:
        until(lambda: bool(watch.deadlocks))
        locks[0].acquire()

    raised = run(watch, t0=careless(0), t1=careless(1), t2=late)
    assert set(raised) == {"t0", "t1", "t2"}
    assert [wait.thread for wait in watch.deadlocks[0].behind] == ["t2"]


def test_a_lock_of_a_deadlocked_thread_stays_lost_even_when_the_unwinding_gave_it_back() -> None:
    watch = Watch()
    locks, meet = named(watch, "m", "n"), threading.Barrier(2)
    tried: list[bool] = []

    def late() -> None:
        until(lambda: bool(watch.deadlocks) and not any(lock.locked() for lock in locks))
        tried.append(locks[0].acquire(blocking=False))
        tried.append(locks[0].acquire(timeout=0.01))
        locks[0].acquire()

    raised = run(watch, t0=ring(locks, 0, meet), t1=ring(locks, 1, meet), t2=late)
    assert set(raised) == {"t0", "t1", "t2"}
    assert tried == [False, False]
    assert watch.deadlocks[0].behind == (Wait("t2", (), "m", "t0"),)


def test_a_lock_left_behind_by_a_thread_that_ended_is_noticed_before_and_after() -> None:
    watch = Watch()
    (lock,) = named(watch, "m")
    waits = threading.Event()

    def leaves() -> None:
        lock.acquire()
        waits.set()
        until(lambda: bool(watch._waiting))

    def early() -> None:
        assert waits.wait(LIMIT)
        lock.acquire()

    def late() -> None:
        until(lambda: bool(watch.deadlocks))
        lock.acquire()

    raised = run(watch, t0=leaves, t1=early, t2=late)
    assert set(raised) == {"t1", "t2"}
    assert watch.deadlocks[0].cycle == ()
    assert str(watch.deadlocks[0].behind[0]) == "t1 wants m, held by t0 (ended)"


def test_a_user_s_except_exception_does_not_eat_the_unwinding() -> None:
    watch = Watch()
    (lock,) = named(watch, "m")

    def worker() -> None:
        lock.acquire()
        try:
            lock.acquire()
        except Exception:
            pytest.fail("eaten")

    assert isinstance(run(watch, t0=worker)["t0"], Deadlocked)


def test_a_wait_with_a_limit_is_no_deadlock_and_ends_by_itself() -> None:
    watch = Watch()
    locks, meet = named(watch, "m", "n"), threading.Barrier(2)
    got: list[bool] = []

    def patient() -> None:
        with locks[0]:
            meet.wait(LIMIT)
            got.append(locks[1].acquire(timeout=0.02))

    def endless() -> None:
        with locks[1]:
            meet.wait(LIMIT)
            with locks[0]:
                pass

    assert run(watch, t0=patient, t1=endless) == {}
    assert got == [False]
    assert watch.deadlocks == ()


def test_a_crowd_on_one_lock_excludes_and_everyone_gets_through() -> None:
    watch = Watch()
    lock, inside, most, done = watch.Lock(), [0], [0], [0]

    def worker() -> None:
        for _ in range(50):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0)
                inside[0] -= 1
                done[0] += 1

    assert run(watch, **{f"t{n}": worker for n in range(8)}) == {}
    assert most == [1]
    assert done == [400]
    assert not watch._waiting


def test_orders_are_recorded_even_when_nothing_goes_wrong() -> None:
    watch = Watch()
    m, n, o = named(watch, "m", "n", "o")

    def worker() -> None:
        with m, n, o:
            pass
        with m, n:
            pass

    run(watch, t0=worker)
    assert [order[:3] for order in watch.orders] == [("t0", ("m",), "n"), ("t0", ("m", "n"), "o"), ("t0", ("m",), "n")]
    # The place is where the code under test asked: twice for n, on two lines.
    assert {os.path.basename(order.file) for order in watch.orders} == {"test_watched.py"}
    assert [order.line - watch.orders[0].line for order in watch.orders] == [0, 0, 2]
    assert watch.deadlocks == ()


def test_a_reentrant_lock_may_be_taken_again_and_takes_part_in_circles() -> None:
    watch = Watch()
    locks, meet = [watch.RLock(), watch.RLock()], threading.Barrier(2)

    def worker(number: int) -> Callable[[], None]:
        def work() -> None:
            with locks[number], locks[number]:
                meet.wait(LIMIT)
                with locks[1 - number]:
                    pass

        return work

    raised = run(watch, t0=worker(0), t1=worker(1))
    assert raised
    assert len(watch.deadlocks[0].cycle) == 2
    assert not any(lock.locked() for lock in locks)


def test_a_real_condition_works_over_watched_locks() -> None:
    for make in ("Lock", "RLock"):
        watch = Watch()
        condition = watch.Condition(getattr(watch, make)())
        ready: list[int] = []

        def consumer(condition: Any = condition, ready: list[int] = ready) -> None:
            with condition:
                assert condition.wait_for(lambda: bool(ready), LIMIT)

        def producer(condition: Any = condition, ready: list[int] = ready) -> None:
            with condition:
                ready.append(1)
                condition.notify_all()

        assert run(watch, t0=consumer, t1=producer) == {}


def test_misuse_raises_what_the_real_locks_raise() -> None:
    watch = Watch()
    for lock, real in ((watch.Lock(), threading.Lock()), (watch.RLock(), threading.RLock())):
        for call in (
            lambda lock: lock.release(),
            lambda lock: lock.acquire(False, 1),
            lambda lock: lock.acquire(True, -3),
        ):
            errors = []
            for candidate in (lock, real):
                with pytest.raises((RuntimeError, ValueError)) as caught:
                    call(candidate)
                errors.append(caught.type)
            assert errors[0] is errors[1]


def test_only_the_module_s_own_name_is_stood_in_for_and_it_is_put_back() -> None:
    module = ModuleType("under_test")
    exec("import threading\nimport threading as th\nfrom threading import Lock, RLock, Thread", vars(module))
    before = dict(vars(module))
    real_lock = threading.Lock

    def use() -> None:
        with watching(vars(module)) as watch:
            assert vars(module)["threading"] is watch
            assert vars(module)["th"] is watch
            assert type(vars(module)["Lock"]()).__name__ == "WatchedLock"
            assert vars(module)["Thread"] is threading.Thread
            assert threading.Lock is real_lock
            assert sys.modules["threading"] is threading
            raise KeyError

    with pytest.raises(KeyError):
        use()
    assert vars(module) == before


def test_a_lock_is_called_by_the_line_that_made_it() -> None:
    with watching({"threading": threading}) as watch:
        locks = [watch.Lock() for _ in range(2)]
    assert [lock.name.split(":")[0] for lock in locks] == ["test_watched.py"] * 2
    assert [lock.name.split("#")[1] for lock in locks] == ["1", "2"]
