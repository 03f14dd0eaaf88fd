"""Forcing plain code on real threads, bytecode by bytecode."""

from __future__ import annotations

import _thread
import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.bodies import End
from simulator.errors import UsageError
from simulator.ops import Acquire, Call, Pause, Read, Release, TryAcquire, Write
from simulator.real.force import Instrumented
from simulator.real.forced import Blocked
from simulator.source.sites import Site, Visit
from simulator.trace import Outcome
from tests.real import plain_code
from tests.real.interpreters_at_hand import interpreters, run
from tests.real.plain_code import (
    ADD,
    ALTERED,
    ALTERED_LOADS,
    ALTERED_STORES,
    DEADLOCK,
    INCREMENT,
    LOAD,
    LOST,
    ONE_AFTER_THE_OTHER,
    STORE,
    AlteredCounter,
    Counter,
    Pair,
    Patient,
    code_of,
    fail,
    force_counter,
    force_pair,
    increments,
    lock_sites,
    lock_visits,
    site,
    step,
)

pytestmark = pytest.mark.real

SITES = {INCREMENT: [LOAD, STORE]}
HERE: list[dict[str, Any]] = [vars(plain_code)]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


# -- what must be shown, on every Python at hand


@pytest.mark.parametrize("version", interpreters())
def test_lost_updates_and_deadlocks_are_forced_every_time(version: str) -> None:
    seen = json.loads(run(interpreters()[version], "plain_code.py"))
    assert (seen["lost"], seen["unforced"]) == (1000, 1)
    assert (seen["deadlocked"], seen["threads left"]) == (100, 0)
    assert seen["altered"].startswith("step 3: a comes to 'load attribute'")
    no_room = (
        ""
        if version == "3.11"
        else "sys.monitoring has no tool id free for forced runs: other4 and other3 have 4 and 3"
    )
    assert seen["refused"].partition(";")[0] == no_room


# -- orders


def test_a_lost_update_is_forced_and_told_step_by_step() -> None:
    with Instrumented(SITES) as plain:
        forced = force_counter(plain, LOST)
    assert forced.outcome == Outcome("finished", (("count", 1),))
    assert [(step.thread, step.operation) for step in forced.log] == [
        ("a", Read("count")), ("b", Read("count")), ("a", Write("count", 1)), ("b", Write("count", 1)),
    ]  # fmt: skip
    assert {str(step.where) for step in forced.log} == {f"plain_code.py:{LOAD.line}"}
    assert forced.ends == (("a", End("finished")), ("b", End("finished")))


def test_every_order_of_two_increments_gives_what_it_must() -> None:
    # Two threads, a read and a write each: six orders; only those that run one after the other keep both.
    orders = ["aabb", "abab", "abba", "baab", "baba", "bbaa"]
    kept = []
    with Instrumented(SITES) as plain:
        for order in orders:
            both = order in ("aabb", "bbaa")
            forced = force_counter(plain, increments(order, [1, 2 if both else 1]))
            assert forced.followed
            assert "".join(forced.schedule) == order
            if forced.outcome == Outcome("finished", (("count", 2),)):
                kept.append(order)
    assert kept == ["aabb", "bbaa"]


NAMES = ("x", "y", "z")
Statement = tuple[str, str, bool]


def source_of(name: str, statements: list[Statement]) -> str:
    """`self.x = self.y + 1` or, augmented, `self.x += self.y`."""
    lines = [f" self.{left} += self.{right}" if augmented else f" self.{left} = self.{right} + 1"
             for left, right, augmented in statements]  # fmt: skip
    return "\n".join([f"def {name}(self):", *lines, " pass"])


def steps_of(statements: list[Statement]) -> list[tuple[Site, str]]:
    """What a thread does, in order: each site with the name that it touches."""
    steps = []
    for line, (left, right, augmented) in enumerate(statements, start=2):
        source = 11 if augmented else 10
        target = Site(line, line, 1, 7, "load attribute"), left
        if augmented:
            steps.append(target)
        steps.append((Site(line, line, source, source + 6, "load attribute"), right))
        steps.append((Site(line, line, 1, 7, "store attribute"), left))
    return steps


def expected(threads: dict[str, list[Statement]], order: list[str]) -> list[dict[str, int]]:
    """The memory after each step, worked out the slow way: a generator for each thread."""
    memory = dict.fromkeys(NAMES, 1)

    def thread(statements: list[Statement]) -> Iterator[None]:
        for left, right, augmented in statements:
            value = 1
            if augmented:
                value = memory[left]
                yield
            value += memory[right]
            yield
            memory[left] = value
            yield

    running = {name: thread(statements) for name, statements in threads.items()}
    after = []
    for name in order:
        next(running[name])
        after.append(dict(memory))
    return after


@st.composite
def plain_programs(draw: st.DrawFn) -> tuple[dict[str, list[Statement]], list[str]]:
    statement = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.booleans())
    threads = {name: draw(st.lists(statement, max_size=4)) for name in "abc"[: draw(st.integers(1, 3))]}
    order = draw(st.permutations([name for name, body in threads.items() for _ in steps_of(body)]))
    return threads, list(order)


class Memory:
    def __init__(self) -> None:
        self.x = self.y = self.z = 1


@given(plain_programs())
@settings(max_examples=100)
def test_generated_code_in_any_order_leaves_what_the_order_says_after_every_step(
    program: tuple[dict[str, list[Statement]], list[str]],
) -> None:
    threads, order = program
    functions: dict[str, Any] = {}
    for name, statements in threads.items():
        known: dict[str, Any] = {}
        exec(compile(source_of(name, statements), "generated.py", "exec"), known)
        functions[name] = known[name]
    left = {name: iter(steps_of(statements)) for name, statements in threads.items()}
    visits = []
    for number, name in enumerate(order, start=1):
        at, touched = next(left[name])
        operation = Read(touched) if at.kind == "load attribute" else Write(touched, None)
        visits.append(Visit(name, code_of(functions[name]), at, number, operation))
    after = expected(threads, order)
    memory = Memory()

    def check(number: int) -> str:
        return "" if vars(memory) == after[number - 1] else f"{vars(memory)}, not {after[number - 1]}"

    sites = {code_of(functions[name]): [at for at, _ in steps_of(body)] for name, body in threads.items()}
    with Instrumented(sites) as plain:
        forced = plain.force({name: lambda name=name: functions[name](memory) for name in threads}, visits, check=check)
    assert forced.diverged is None
    assert len(forced.log) == len(order)


def test_a_function_with_more_names_than_fit_in_a_byte_is_stopped_all_the_same() -> None:
    lines = ["def work(self):", *(f" self.a{number} = {number}" for number in range(300)), " self.a299 += 1"]
    known: dict[str, Any] = {}
    exec(compile("\n".join(lines), "many.py", "exec"), known)
    code = known["work"].__code__
    load, store = Site(302, 302, 1, 10, "load attribute"), Site(302, 302, 1, 10, "store attribute")
    memory = Memory()
    visits = [
        Visit("a", code, load, 1, Read("a299")),
        Visit("b", code, load, 2, Read("a299")),
        Visit("a", code, store, 3, Write("a299", 300)),
        Visit("b", code, store, 4, Write("a299", 300)),
    ]
    threads = {name: lambda: known["work"](memory) for name in "ab"}
    with Instrumented({code: [load, store]}) as plain:
        forced = plain.force(
            threads, visits, observe=lambda: {"a299": vars(memory)["a299"], "a298": vars(memory)["a298"]}
        )
    assert str(forced.outcome) == "a299=300 a298=298"


# -- locks and pauses


def test_a_deadlock_is_forced_and_shown_by_threads_that_really_try() -> None:
    with Instrumented(lock_sites(), HERE) as plain:
        forced = force_pair(plain, DEADLOCK)
    assert forced.outcome == Outcome("deadlocked", ())
    assert forced.blocked == (Blocked("a", "second", "b"), Blocked("b", "first", "a"))
    assert (forced.followed, forced.running) == (True, ())


def test_locks_taken_one_after_the_other_are_no_deadlock() -> None:
    visits = []
    for thread, function, names, start in (
        ("a", Pair.forwards, ("first", "second"), 1),
        ("b", Pair.backwards, ("second", "first"), 5),
    ):
        visits += lock_visits(thread, function, (names[0], start), (names[1], start + 1))
        visits += [step(thread, start + 2, Release(names[1])), step(thread, start + 3, Release(names[0]))]
    with Instrumented(lock_sites(), HERE) as plain:
        forced = force_pair(plain, visits)
    assert forced.outcome == Outcome("finished", ())


def test_a_lock_that_the_model_calls_free_and_is_not_is_a_divergence() -> None:
    visits = [*DEADLOCK, step("a", 3, Acquire("second"))]
    with Instrumented(lock_sites(), HERE) as plain:
        forced = force_pair(plain, visits)
    assert str(forced.diverged) == "step 3: a is blocked: a wants second, held by b"


def test_a_lock_that_the_model_calls_taken_and_is_free_is_a_divergence() -> None:
    visits = lock_visits("a", Pair.forwards, ("first", 1), ("second", None))
    with Instrumented(lock_sites(), HERE) as plain:
        pair = Pair()
        called = {id(pair.first): "first", id(pair.second): "second"}
        forced = plain.force({"a": pair.forwards}, visits, names=lambda lock, _: called[id(lock)])
    assert str(forced.diverged) == "step 2: a can take second, where the model has nothing more"
    assert forced.outcome is None


def test_tries_pauses_and_reentrant_locks_are_steps_of_their_own() -> None:
    def whole(thread: str, *numbers: int) -> list[Visit]:
        does = [TryAcquire("lock"), Pause(3600), Acquire("rlock"), Acquire("rlock"), Release("rlock"), Release("rlock"), Release("lock")]  # fmt: skip  # noqa: E501
        return [step(thread, number, operation) for number, operation in zip(numbers, does, strict=False)]

    visits = [*whole("a", 1, 2, 4, 5, 6, 7, 8), *whole("b", 3)]
    with Instrumented({}, HERE) as plain:
        shared = Patient()
        called = {id(shared.lock): "lock", id(shared.rlock): "rlock"}
        forced = plain.force({"a": shared.work, "b": shared.work}, visits, names=lambda lock, _: called[id(lock)])
    assert str(forced.outcome) == "finished"
    assert [(step.thread, step.answer) for step in forced.log if isinstance(step.operation, TryAcquire)] == [
        ("a", True), ("b", False),
    ]  # fmt: skip


def test_a_thread_that_looks_first_and_then_waits_is_still_in_one_acquire() -> None:
    # As with a lock of the interpreter's around everything, which real threads do not see.
    visits = [
        step("a", 1, Acquire("GIL")),
        step("a", 2, TryAcquire("lock 1")),
        step("b", 3, TryAcquire("lock 1")),
        step("b", 4, Release("GIL")),
    ]
    with Instrumented({}, HERE) as plain:
        lock = plain_code.threading.Lock()
        stuck = plain.force({"a": lock.acquire, "b": lock.acquire}, visits, model_only=["GIL"])
    assert [step.answer for step in stuck.log] == [None, True, False, None]
    assert (str(stuck.outcome), stuck.blocked) == ("deadlocked", (Blocked("b", "lock 1", "a"),))
    with Instrumented({}, HERE) as plain:
        lock = plain_code.threading.Lock()

        def once() -> None:
            with lock:
                pass

        again = [
            *visits,
            step("a", 5, Release("lock 1")),
            step("b", 6, Acquire("lock 1")),
            step("b", 7, Release("lock 1")),
        ]
        forced = plain.force({"a": once, "b": once}, again, model_only=["GIL"])
    assert str(forced.outcome) == "finished"


def test_releasing_what_nobody_holds_raises_as_python_does_and_is_no_step() -> None:
    with Instrumented({}, HERE) as plain:
        lock = plain_code.threading.Lock()
        forced = plain.force({"a": lock.release}, [])
    assert forced.ends == (("a", End("crashed", "RuntimeError: release unlocked lock")),)
    assert str(forced.outcome) == "crashed"


def test_releasing_what_another_holds_is_a_divergence_for_the_model_does_not_allow_it() -> None:
    with Instrumented({}, HERE) as plain:
        lock = plain_code.threading.Lock()

        def releases() -> None:
            plain_code.time.sleep(0)
            lock.release()

        forced = plain.force(
            {"a": lock.acquire, "b": releases}, [step("a", 1, Acquire("lock 1")), step("b", 2, Pause())]
        )
    assert str(forced.diverged).startswith("step 3: b comes to release lock 1, which a holds at test_force.py:")


def test_stand_ins_are_put_back_whatever_happens() -> None:
    namespace: dict[str, Any] = {"threading": threading, "sleep": time.sleep, "lock": threading.Lock()}
    before = dict(namespace)
    seen = {}

    def fails_inside() -> None:
        with Instrumented({}, [namespace]):
            seen.update(namespace)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails_inside()
    assert [seen[name] is before[name] for name in before] == [False, False, False]
    assert namespace == before


def test_a_lock_that_is_held_when_the_module_is_taken_is_refused() -> None:
    namespace: dict[str, Any] = {"threading": threading, "guard": threading.Lock()}
    before = dict(namespace)
    with namespace["guard"], pytest.raises(UsageError, match="'guard' of the module is held"):
        Instrumented({}, [namespace]).__enter__()
    assert namespace == before


# -- leaving the schedule


def test_an_altered_implementation_diverges_at_the_first_step_that_differs() -> None:
    with Instrumented({ALTERED: [*ALTERED_LOADS, *ALTERED_STORES]}) as plain:
        forced = force_counter(plain, ONE_AFTER_THE_OTHER, kind=AlteredCounter)
    assert forced.diverged is not None
    assert forced.diverged.step == 3
    assert f"a comes to 'load attribute' at plain_code.py:{ALTERED_LOADS[1].line}" in forced.diverged.why
    assert "the model has nothing more" in forced.diverged.why
    assert len(forced.log) == 2
    assert forced.memory == (("count", 1),)


def test_a_thread_that_ends_with_steps_to_come_diverges() -> None:
    with Instrumented(SITES) as plain:
        forced = force_counter(plain, LOST, kind=AlteredCounter)
    assert str(forced.diverged).startswith("step 1: a has ended: finished; the model goes on with step 1: read count")


def test_a_partial_schedule_leaves_threads_where_they_stand() -> None:
    with Instrumented(SITES) as plain:
        forced = force_counter(plain, LOST[:3], partial=True)
        whole = force_counter(plain, LOST[:3])
    assert (forced.followed, forced.outcome, len(forced.log)) == (True, None, 3)
    assert str(whole.diverged).startswith("step 3: b comes to 'store attribute'")


def test_memory_that_is_not_the_models_is_reported_at_its_step() -> None:
    counter = Counter()
    claims = {3: 1, 4: 2}

    def check(number: int) -> str:
        claimed = claims.get(number, 0)
        return "" if counter.count == claimed else f"count is {counter.count}, {claimed} in the model"

    with Instrumented(SITES) as plain:
        forced = plain.force({"a": counter.increment, "b": counter.increment}, LOST, check=check)
    assert str(forced.diverged) == "step 4: count is 1, 2 in the model"


def test_a_check_may_itself_run_watched_code() -> None:
    counter, beside = Counter(), Counter()

    def check(_: int) -> str:
        beside.increment()
        return ""

    with Instrumented(SITES) as plain:
        forced = plain.force({"a": counter.increment, "b": counter.increment}, LOST, check=check)
    assert (forced.followed, counter.count, beside.count) == (True, 1, 4)


@pytest.mark.parametrize("error", [LookupError, SystemExit])
@pytest.mark.parametrize("at", [1, 3, 4])
def test_what_a_check_raises_comes_out_and_nothing_is_left(error: type[BaseException], at: int) -> None:
    def check(number: int) -> str:
        if number == at:
            raise error("the caller's own")
        return ""

    with Instrumented(SITES) as plain, pytest.raises(error, match="the caller's own"):
        force_counter(plain, LOST, check=check)


def test_a_lock_that_the_caller_cannot_name_comes_out_as_his_error() -> None:
    with Instrumented({}, HERE) as plain:
        lock = plain_code.threading.Lock()
        with pytest.raises(KeyError):
            plain.force({"a": lock.acquire}, [step("a", 1, Acquire("m"))], names=lambda lock, _: {}[lock])


def test_a_step_of_the_models_alone_passes_by_itself() -> None:
    visits = [
        Visit("a", None, None, 1, Call("increment")),
        Visit("a", INCREMENT, LOAD, 2, Read("count")),
        Visit("b", None, None, 3, Call("increment")),
        Visit("b", INCREMENT, LOAD, 4, Read("count")),
        Visit("b", INCREMENT, STORE, 5, Write("count", 1)),
        Visit("a", INCREMENT, STORE, 6, Write("count", 1)),
    ]
    with Instrumented(SITES) as plain:
        forced = force_counter(plain, visits)
    assert str(forced.outcome) == "count=1"
    assert [step.thread for step in forced.log] == list("aabbba")


# -- ends


def test_a_crash_of_a_worker_is_an_end() -> None:
    def crashes() -> None:
        raise KeyError("no")

    with Instrumented({}) as plain:
        forced = plain.force({"a": crashes, "b": fail}, [])
    ends: Mapping[str, End | None] = dict(forced.ends)
    assert ends["a"] is not None
    assert (ends["a"].how, ends["a"].message) == ("crashed", "KeyError: 'no'")
    assert ends["b"] is not None
    assert (ends["b"].how, ends["b"].message) == ("failed check", "it must not be")
    assert ends["a"].where is not None
    assert str(ends["a"].where).startswith("test_force.py:")
    assert str(forced.outcome) == "crashed"


class Stubborn(Counter):
    def spin(self) -> None:
        self.increment()
        while True:
            pass

    def spin_first(self) -> None:
        while True:
            time.sleep(0.001)


def test_a_worker_that_never_ends_is_ended_and_named() -> None:
    stubborn = Stubborn()
    visits = [Visit("a", INCREMENT, LOAD, 1, Read("count")), Visit("a", INCREMENT, STORE, 2, Write("count", 1))]
    with Instrumented(SITES) as plain:
        forced = plain.force({"a": stubborn.spin}, visits, timeout=0.1)
        early = plain.force({"a": stubborn.spin_first}, visits, timeout=0.1)
    assert str(forced.diverged).startswith("step 2: a did not come back from step 2: write count = 1")
    assert "it is at test_force.py:" in str(forced.diverged)
    assert str(early.diverged).startswith("step 1: a did not reach its first step within 0.1 s; it is at")
    assert (forced.running, early.running) == ((), ())


def test_a_worker_that_cannot_be_ended_is_named() -> None:
    bell = threading.Event()
    with Instrumented({}) as plain:
        forced = plain.force({"a": bell.wait, "b": int}, [], timeout=0.05)
    assert forced.running == ("a",)
    bell.set()
    for thread in threading.enumerate():
        if thread.name == "a":
            thread.join(5)


def test_unwinding_does_not_touch_the_memory_that_was_seen() -> None:
    class Tidy(Pair):
        tidied = False

        def forwards(self) -> None:
            try:
                super().forwards()
            finally:
                self.tidied = True

    with Instrumented(lock_sites(), HERE) as plain:
        tidy = Tidy()
        called = {id(tidy.first): "first", id(tidy.second): "second"}
        forced = plain.force(
            {"a": tidy.forwards, "b": tidy.backwards},
            DEADLOCK,
            names=lambda lock, _: called[id(lock)],
            observe=lambda: {"tidied": tidy.tidied},
        )
    assert str(forced.outcome) == "deadlocked: tidied=False"
    assert tidy.tidied


def test_an_exception_handler_of_the_users_does_not_swallow_the_unwinding() -> None:
    class Careful(Counter):
        swallowed = False

        def work(self) -> None:
            try:
                self.increment()
            except Exception:
                self.swallowed = True

    careful = Careful()
    with Instrumented(SITES) as plain:
        forced = plain.force({"a": careful.work}, LOST[:1], partial=True)
    assert (forced.ends, careful.swallowed) == ((("a", None),), False)


def test_an_interrupt_of_the_caller_unwinds_everything_and_is_passed_on() -> None:
    def interrupt_at(number: int) -> str:
        if number == 2:
            _thread.interrupt_main()
            time.sleep(0.05)
        return ""

    with Instrumented(SITES) as plain, pytest.raises(KeyboardInterrupt):
        force_counter(plain, LOST, check=interrupt_at)


# -- scripts that do not fit


@pytest.mark.parametrize(
    ("visits", "message"),
    [
        ([Visit("z", INCREMENT, LOAD, 1, Read("count"))], "thread 'z'; known: a, b"),
        ([Visit("a", INCREMENT, ADD, 1, Read("count"))], "not watched"),
        ([Visit("a", INCREMENT, LOAD, 2, Read("count"))], "step 1 is missing"),
        ([LOST[0], LOST[0]], "out of order, or there are two"),
        ([Visit("a", INCREMENT, LOAD, 1, None)], "step 1 has no operation"),
    ],
)
def test_a_script_that_does_not_fit_is_refused(visits: list[Visit], message: str) -> None:
    with Instrumented(SITES) as plain, pytest.raises(UsageError, match=message):
        force_counter(plain, visits)


def test_a_step_where_there_is_no_instruction_is_refused() -> None:
    def folded() -> int:
        return 2 + 3

    code = code_of(folded)
    nowhere = site(folded, "2 + 3", "operator")
    with Instrumented({code: [nowhere]}) as plain:
        assert [spot.site for spot in plain.without_instruction] == [nowhere]
        with pytest.raises(UsageError, match=r"step 1 is 'operator' at test_force.py:.*no instruction"):
            plain.force({"a": folded}, [Visit("a", code, nowhere, 1, Read("x"))])
