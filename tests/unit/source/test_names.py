"""Two locations have two names, whatever they are called in the program."""

from __future__ import annotations

import queue
import sys
import threading
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from simulator import Plain, count
from simulator.analysis.finding import Kind
from simulator.explore import check
from simulator.source.threads import Threads


class counter:  # noqa: N801  # as its object is called
    total = 0

    def __init__(self) -> None:
        self.total = 5

    def in_the_class(self) -> None:
        type(self).total += 1

    def in_the_object(self) -> None:
        self.total += 1


def ends(plain: Plain, **options: Any) -> set[tuple[object, ...]]:
    """The values in memory at the ends of all interleavings."""
    return {tuple(value for _, value in each.memory) for each in count(Threads(plain, **options).program).outcomes}


def test_an_attribute_of_a_class_and_of_an_object_of_the_same_name() -> None:
    plain = Plain(counter, lambda shared: {"one": shared.in_the_class, "other": shared.in_the_object})
    assert ends(plain) == {(6, 1)} or ends(plain) == {(1, 6)}
    assert not check(Threads(plain).program).findings


number = 0


def in_the_module() -> None:
    global number
    number += 1


def around() -> Any:
    number = 10

    def add() -> None:
        nonlocal number
        number += 1

    return add


def test_a_global_and_a_variable_of_an_enclosing_function() -> None:
    plain = Plain(around, lambda add: {"one": in_the_module, "other": add})
    assert {frozenset(each) for each in ends(plain)} == {frozenset({1, 11})}


class Other:
    hits = 100

    def hit(self) -> None:
        self.hits += 1


def test_a_module_and_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("other")
    exec("hits = 1\ndef hit():\n    global hits\n    hits += 1\n", vars(module))
    monkeypatch.setitem(sys.modules, "other", module)

    def workers(shared: Other) -> dict[str, Any]:
        return {"a": in_the_module, "b": shared.hit, "c": partial(add_to, module)}

    assert {frozenset(each) for each in ends(Plain(Other, workers))} == {frozenset({1, 101, 2})}


def add_to(module: Any) -> None:
    module.hits += 1


GIL = threading.Lock()


def takes() -> None:
    with GIL, GIL_OF_OURS:
        pass


GIL_OF_OURS = threading.Lock()


def test_a_lock_called_gil_is_not_the_gil() -> None:
    report = check(Threads(Plain(object, lambda _: {"a": takes, "b": takes}), granularity="cpython-3.11").program)
    assert report.complete
    assert [each.kind for each in report.findings if each.kind in (Kind.DEADLOCK, Kind.LOCK_MISUSE)] == []


class Box:
    def __init__(self) -> None:
        self.x = [0]

    def strange(self) -> None:
        setattr(self, "x[0]", 5)

    def add(self) -> None:
        self.x[0] += 1


def test_an_attribute_that_is_called_as_an_item_is() -> None:
    plain = Plain(Box, lambda box: {"one": box.strange, "other": box.add})
    assert {frozenset(each) for each in ends(plain)} == {frozenset({1, 5})}


class Observable:
    def __init__(self) -> None:
        self.queue = queue.Queue[int]()
        self.event = threading.Event()
        self.lock = threading.RLock()
        self.unused = threading.Lock()
        self.observer: Any = None

    def observe(self) -> None:
        with self.lock:
            self.observer = self.observe


def test_a_lock_that_no_thread_takes_is_none_of_the_program() -> None:
    program = Threads(Plain(Observable, lambda shared: {"a": shared.observe, "b": shared.observe})).program
    assert (program.locks, program.rlocks) == ((), ("observable.lock",))


def test_a_method_as_a_value_is_shown_as_one_writes_it() -> None:
    (outcome,) = count(Threads(Plain(Observable, lambda shared: {"a": shared.observe})).program).outcomes
    assert str(outcome) == "observable.observer=observable.observe"
