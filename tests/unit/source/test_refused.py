"""What cannot be followed is refused in one line that says where, which thread, and what it does: no hang, no wrong answer."""

from __future__ import annotations

import base64
import builtins
import collections
import functools
import hashlib
import importlib.util
import inspect
import linecache
import math
import os
import pathlib
import struct
import sys
import textwrap
import threading
import urllib.parse
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy
import pytest

from simulator.errors import ProgramError, SimulatorError, UsageError
from simulator.explore import check, count
from simulator.machine import Machine
from simulator.scenario import Plain
from simulator.search.replay import run_of
from simulator.source import running, shared
from simulator.source.threads import Threads
from tests.unit.source import refused_code

Function = Callable[[Any], object]

CASES: list[Any] = [
    each
    for each in vars(refused_code).values()
    if isinstance(each, FunctionType) and each.__module__ == refused_code.__name__
]
LINES = Path(refused_code.__file__).read_text().splitlines()
MARKED = {number for number, line in enumerate(LINES, start=1) if line.endswith("# here")}


def threads(*workers: Function, setup: Callable[[], Any] = refused_code.State, strict: bool = False) -> Threads:
    """Threads named left, right … on one state."""
    return Threads(
        Plain(setup, lambda state: {name: partial(each, state) for name, each in zip(("left", "right"), workers)}),  # noqa: B905
        strict=strict,
    )


@pytest.fixture(autouse=True)
def _soon_taken_for_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "TURNS", 2_000)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_is_refused_in_one_line_that_says_where_and_who(case: Any) -> None:
    source, first = inspect.getsourcelines(case)
    own = MARKED & set(range(first, first + len(source)))
    with pytest.raises(ProgramError) as raised:
        threads(case)
    said = str(raised.value)
    file, line, rest = said.split(":", 2)
    assert file == "refused_code.py"
    assert int(line) in (own or MARKED)
    assert case.__doc__ in rest
    assert "thread 'left'" in rest
    assert "\n" not in said
    assert "_sim_" not in said


def test_a_second_thread_is_named_even_where_both_do_the_same() -> None:
    def fine(state: Any) -> None:
        state.n = 1

    with pytest.raises(ProgramError, match="thread 'right'"):
        threads(fine, refused_code.reads_clock)


# -- notes, and strict


def prints(state: Any) -> None:
    print("hello", state.n)
    state.n = 2


def asks_an_extension(state: Any) -> None:
    state.n = len(numpy.frombuffer(b"ab", "uint8"))


def warns(state: Any) -> None:
    warnings.warn("careful", stacklevel=1)
    state.n = 2


@pytest.mark.parametrize(
    ("worker", "what"),
    [
        (prints, "print is left out"),
        (warns, "warnings.warn is left out"),
        (asks_an_extension, "frombuffer is not looked into"),
    ],
)
def test_what_is_not_looked_into_is_noted_and_refused_where_we_are_strict(worker: Function, what: str) -> None:
    noted = threads(worker).notes
    assert len(noted) == 1
    assert noted[0].startswith("test_refused.py:")
    assert what in noted[0]
    with pytest.raises(ProgramError, match=rf"test_refused.py:\d+: .*{what}.* \(strict\)"):
        threads(worker, strict=True)


def test_what_is_followed_whole_has_no_notes_and_passes_strictly() -> None:
    def add(state: Any) -> None:
        with state.lock:
            state.n += 1

    assert threads(add, add, strict=True).notes == ()


def test_what_only_computes_has_neither_note_nor_step() -> None:
    def computes(state: Any) -> None:
        path = pathlib.Path(os.path.join("a", "b.txt")).with_suffix(".py")
        digest = hashlib.sha256(base64.b64encode(struct.pack("i", 3))).hexdigest()
        state.quoted = urllib.parse.quote("a b")
        state.n = (str(path), zlib.crc32(digest.encode()), textwrap.shorten("a b c", 3), math.isqrt(9))

    assert threads(computes, strict=True).notes == ()


def test_a_file_is_there_when_it_has_been_explored_that_it_is_removed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("here")

    def removes(state: Any) -> None:
        os.remove(victim)

    with pytest.raises(ProgramError, match=r"test_refused.py:\d+: thread 'left' calls os.remove: it would really"):
        threads(removes)
    assert victim.read_text() == "here"


# -- workers of other kinds


def test_a_lambda_that_has_no_source_is_refused() -> None:
    made = eval("lambda state: state.n + 1")
    with pytest.raises(ProgramError, match=r"<string>.*the source of '<lambda>' .*write it in a file"):
        threads(made)


def test_a_function_made_by_exec_is_refused() -> None:
    scope: dict[str, Any] = {}
    exec("def made(state):\n    state.n = 1\n", scope)
    with pytest.raises(ProgramError, match="the source of 'made'"):
        threads(scope["made"])


def test_a_function_typed_in_at_a_prompt_whose_lines_are_kept_is_followed() -> None:
    source = "def typed(state):\n    state.n += 1\n"
    linecache.cache["<prompt 1>"] = (len(source), None, source.splitlines(keepends=True), "<prompt 1>")
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<prompt 1>", "exec"), scope)
    assert len(count(threads(scope["typed"], scope["typed"]).program).outcomes) == 2


def test_two_lambdas_on_one_line_are_told_apart() -> None:
    one, other = (lambda state: setattr(state, "n", 10)), (lambda state: setattr(state, "n", 20))
    (outcome,) = count(threads(one).program).outcomes
    assert dict(outcome.memory)["state.n"] == 10
    (outcome,) = count(threads(other).program).outcomes
    assert dict(outcome.memory)["state.n"] == 20


@pytest.mark.parametrize("function", [math.sqrt, builtins.print, len])
def test_a_c_function_as_a_worker_is_one_step_or_refused_and_never_more(function: Any) -> None:
    plain = Plain(refused_code.State, lambda state: {"left": partial(function, state)})
    try:
        found = Threads(plain)
    except ProgramError as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017
    else:
        assert count(found.program).interleavings == 1


class Adder:
    """A callable object."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def __call__(self) -> None:
        self.state.n += 1


def test_a_callable_object_is_a_worker() -> None:
    plain = Plain(refused_code.State, lambda state: {"left": Adder(state), "right": Adder(state)})
    values = {dict(each.memory)["state.n"] for each in count(Threads(plain).program).outcomes}
    assert values == {1, 2}


def test_bound_methods_and_partials_of_partials_are_workers() -> None:
    class Counter:
        def __init__(self) -> None:
            self.n = 0

        def add(self, by: int, *, times: int) -> None:
            self.n += by * times

    plain = Plain(Counter, lambda c: {"left": partial(partial(c.add, 2), times=5), "right": partial(c.add, 1, times=1)})
    values = {dict(each.memory)["counter.n"] for each in count(Threads(plain).program).outcomes}
    assert values == {11, 10, 1}


def test_what_cannot_be_called_is_no_worker() -> None:
    with pytest.raises(UsageError, match="the worker of thread 'left' is 5, which cannot be called"):
        Threads(Plain(refused_code.State, lambda state: {"left": 5}))  # type: ignore[dict-item]


def test_a_worker_that_is_a_generator_function_is_refused() -> None:
    def worker(state: Any) -> Any:
        yield state.n

    with pytest.raises(ProgramError, match="a generator cannot be followed"):
        threads(worker)


# -- states of other kinds


def test_a_lock_that_is_held_at_the_start_is_the_setups_fault() -> None:
    def setup() -> Any:
        state = refused_code.State()
        state.lock.acquire()
        return state

    def worker(state: Any) -> None:
        with state.lock:
            state.n += 1

    with pytest.raises(UsageError, match=r"^test_refused.py:\d+: the lock state\.lock is held before any thread runs"):
        threads(worker, setup=setup)


class Node:
    def __init__(self, value: int, after: Any = None) -> None:
        self.value = value
        self.after = after


def test_objects_in_a_circle_have_a_name_each_and_no_end_of_names() -> None:
    def setup() -> Any:
        first = Node(1)
        first.after = Node(2, first)
        return first

    def worker(node: Any) -> None:
        node.after.after.value += node.after.value

    found = threads(worker, worker, setup=setup)
    assert {dict(each.memory)["node.value"] for each in count(found.program).outcomes} == {3, 5}


def test_a_state_thousands_of_objects_deep_is_walked_through_and_not_recursed_into() -> None:
    def setup() -> Any:
        head = None
        for number in range(5_000):
            head = Node(number, head)
        return head

    def worker(head: Any) -> None:
        head.after.value = 7

    (outcome,) = count(threads(worker, setup=setup).program).outcomes
    assert dict(outcome.memory) == {"node.after.value": 7}


def test_a_huge_state_of_which_little_is_touched_is_small() -> None:
    def setup() -> Any:
        return {number: [number] for number in range(5_000)}

    def worker(state: Any) -> None:
        state[17][0] += 1

    found = threads(worker, worker, setup=setup)
    assert list(found.program.memory) == ["state[17][0]"]


def test_a_setup_that_raises_is_told_with_what_it_said() -> None:
    with pytest.raises(UsageError, match=r"^test_refused.py:\d+: setup raised ZeroDivisionError"):
        threads(prints, setup=lambda: 1 // 0)
    with pytest.raises(UsageError, match=r"^test_refused.py:\d+: workers raised AttributeError"):
        Threads(Plain(refused_code.State, lambda state: {"left": state.nothing}))
    with pytest.raises(UsageError, match=r"^test_refused.py:\d+: workers raised TypeError"):
        Threads(Plain(refused_code.State, lambda: {"left": hit}))  # type: ignore[misc,arg-type]


hits = 0


def hit() -> None:
    global hits
    hits += 1


def test_there_may_be_no_setup_and_a_list_of_workers_as_for_check_threads() -> None:
    found = Threads(Plain(None, lambda _: [hit, hit]))  # type: ignore[arg-type,return-value]
    assert found.program.threads == ("t0", "t1")
    assert {dict(each.memory)["hits"] for each in count(found.program).outcomes} == {1, 2}


def test_a_body_is_called_what_is_followed_and_all_its_steps_are_in_the_users_file() -> None:
    program = Threads(Plain(None, lambda _: [hit, hit]), granularity="cpython-3.10").program  # type: ignore[arg-type,return-value]
    assert getattr(program.bodies["t0"], "__name__", None) == "hit"
    run = run_of(Machine(program), [0] * 4 + [1] * 4)
    assert {Path(event.where.file).name for event in run.events} == {"test_refused.py"}


def test_methods_of_mixins_whose_modules_are_frozen_are_followed() -> None:
    def get(state: Any) -> None:
        state.n = state.mapping.get("a", 3) + len(state.mapping)

    def setup() -> Any:
        state = refused_code.State()
        state.mapping = collections.UserDict({"a": 1})
        return state

    assert {dict(each.memory)["state.n"] for each in count(threads(get, setup=setup).program).outcomes} == {2}


def test_a_loop_that_waits_for_what_nobody_writes_is_told_without_going_round_for_each_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    monkeypatch.setattr(shared.Shared, "initial", lambda *asked_for: asked.append(asked_for) or initial(*asked_for))

    def spins(state: Any) -> None:
        while not state.n:
            pass

    with pytest.raises(ProgramError, match="went through a loop 2,000 times"):
        threads(spins, spins)
    assert len(asked) < 200


initial = shared.Shared.initial


# -- files that change


def module_of(path: Path) -> ModuleType:
    """A file, imported."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_a_function_whose_file_was_changed_since_it_was_imported_is_not_taken_for_another(tmp_path: Path) -> None:
    path = tmp_path / "changing.py"
    path.write_text("def worker(state):\n    state.n = 1\n")
    module = module_of(path)
    path.write_text("# a line more\n\ndef other(state):\n    state.n = 2\n")
    linecache.checkcache(str(path))
    with pytest.raises(ProgramError, match=r"changing.py:1: 'worker' does not stand here; was the file changed"):
        threads(module.worker)


def test_a_file_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "going.py"
    path.write_text("def worker(state):\n    state.n = 1\n")
    module = module_of(path)
    path.unlink()
    linecache.checkcache(str(path))
    with pytest.raises(ProgramError, match=r"going.py: the source of 'worker'"):
        threads(module.worker)


# -- what would be a wrong answer


def test_a_lock_that_another_thread_gives_back_is_refused() -> None:
    def takes(state: Any) -> None:
        state.lock.acquire()

    def gives(state: Any) -> None:
        state.lock.release()

    with pytest.raises(ProgramError, match="which another thread holds"):
        threads(takes, gives)


def test_a_lock_that_nobody_holds_and_is_given_back_crashes_as_in_python() -> None:
    def gives(state: Any) -> None:
        state.lock.release()

    report = check(threads(gives).program)
    assert any("release unlocked lock" in str(each) for each in report.findings)


def test_our_own_errors_go_through_every_handler_of_the_program() -> None:
    with pytest.raises(SimulatorError):
        threads(refused_code.swallows)


def test_nothing_real_is_touched_while_code_is_explored() -> None:
    made: list[Any] = []

    def setup() -> Any:
        made.append(refused_code.State())
        return made[-1]

    def worker(state: Any) -> None:
        state.n += 1
        state.xs.append(state.n)
        state.d["k"] = state.xs.pop(0)

    before = threading.active_count()
    count(threads(worker, worker, setup=setup).program)
    assert threading.active_count() == before
    assert [(each.n, each.xs, each.d) for each in made] == [(0, [3, 1], {})] * len(made)


def test_a_cached_function_is_refused_when_it_is_called_by_name() -> None:
    with pytest.raises(ProgramError, match="wraps: what is inside cannot be followed"):
        threads(lambda state: setattr(state, "n", cached(2)))


@functools.lru_cache
def cached(x: int) -> int:
    return x * 2
