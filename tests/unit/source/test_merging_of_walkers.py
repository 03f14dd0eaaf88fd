"""Suspended walkers can be compared: a loop of plain code is a cycle of the automaton, as it is for a generator of the user's.

`merging.py` refuses frames of functions that set attributes or globals, compare two objects by identity, or read globals that
could change. The walker's generator functions therefore do none of that.
"""

from __future__ import annotations

import dis
import inspect
import itertools
from collections.abc import Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import pytest

from simulator.machine import Machine
from simulator.merging import SUPPORTED
from simulator.ops import Add, Read, Write
from simulator.program import Program
from simulator.scenario import Plain
from simulator.source import (
    attributes,
    comparing,
    containers,
    generated,
    locks,
    loops,
    matching,
    native,
    running,
    sharing,
    told,
    walk,
)
from simulator.source.granularity import GRANULARITIES
from simulator.source.threads import Threads

MODULES = (attributes, comparing, containers, generated, locks, loops, matching, native, running, sharing, told, walk)
SETTERS = {"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR"}
SAME_EVERY_TIME = (bool, int, str, float, type, FunctionType, BuiltinFunctionType, ModuleType, type(NotImplemented))


def generators() -> Iterator[FunctionType]:
    """All generator functions of the walker's files."""
    for module in MODULES:
        owners: list[Any] = [module, *(each for each in vars(module).values() if isinstance(each, type))]
        for owner in owners:
            for each in vars(owner).values():
                if inspect.isgeneratorfunction(each) and each.__module__ == module.__name__:
                    yield each


def test_there_are_generator_functions_to_look_at() -> None:
    assert len(list(generators())) > 80


@pytest.mark.parametrize("function", list(generators()), ids=lambda function: function.__qualname__)
def test_a_generator_of_the_walker_keeps_nothing_where_its_frame_does_not_show_it(function: FunctionType) -> None:
    instructions = list(dis.get_instructions(function))
    for before, each in itertools.pairwise(instructions):
        assert each.opname not in SETTERS, f"{each.opname} {each.argval}"
        assert each.opname != "IS_OP" or before.opname in ("LOAD_CONST", "LOAD_COMMON_CONSTANT"), "asks for identity"
        if each.opname == "LOAD_GLOBAL":
            assert each.argval != "id"
            value = function.__globals__.get(each.argval)
            is_fixed = value is None or isinstance(value, SAME_EVERY_TIME) or hasattr(value, "future_state")
            assert is_fixed or (isinstance(value, tuple) and all(isinstance(part, type) for part in value)), each.argval


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        self.count += 1

    def many(self, times: int) -> None:
        for _ in range(times):
            self.count += 1

    def until(self, times: int) -> None:
        done = 0
        while done < times:
            self.increment()
            done += 1

    def forever(self) -> None:
        while True:
            value = self.count
            self.count = 1 - value


def plain(method: str, *arguments: Any) -> Plain:
    """Two threads that call a method of one counter."""
    return Plain(Counter, lambda counter: {name: partial(getattr(counter, method), *arguments) for name in "ab"})


def nodes(program: Program) -> int:
    """How many places the bodies have, once every state has been seen."""
    machine = Machine(program)
    seen = {machine.initial}
    waiting = [machine.initial]
    while waiting:
        for _, reached in machine.successors(waiting.pop()):
            if reached not in seen:
                seen.add(reached)
                waiting.append(reached)
    return machine.nodes


def body(times: int) -> Any:
    for _ in range(times):
        value = yield Read("count")
        value = yield Add(value, 1)
        yield Write("count", value)


@pytest.mark.skipif(not SUPPORTED, reason="merging is off on this interpreter")
@pytest.mark.parametrize("method", ["many", "until"])
def test_a_loop_of_plain_code_has_as_many_places_as_one_of_a_generator(method: str) -> None:
    by_hand = Program({name: partial(body, 12) for name in "ab"}, memory={"count": 0})
    assert nodes(Threads(plain(method, 12)).program) == nodes(by_hand)


@pytest.mark.skipif(not SUPPORTED, reason="merging is off on this interpreter")
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_a_loop_without_end_is_a_cycle(granularity: str) -> None:
    assert nodes(Threads(plain("forever"), granularity=granularity).program) < 20
