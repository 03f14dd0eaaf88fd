"""The parts of an expression are worked out in Python's order, whatever the expression."""

from __future__ import annotations

import importlib.util
import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from simulator import Plain, count
from simulator.source.threads import Threads

MODULE = """
class Item:
    def __init__(self, log):
        self.log = log
        self.value = 0

    def method(self, *parts, **named):
        self.log.seen.append("called")
        return 1

class Several:
    def __init__(self, log, items):
        self.log = log
        self.items = items

    def __iter__(self):
        self.log.seen.append("gone through")
        return iter(self.items)

    def __contains__(self, item):
        return False

class Log:
    def __init__(self):
        self.seen = []
        self.items = [0, 1, 2, 3]
        self.item = Item(self)

    def at(self, what, result=1):
        self.seen.append(what)
        return result

    def many(self, what):
        return Several(self, [self.at(what), 2])

def worker(log):
    at = log.at
    {line}
"""
LINES = [
    'at("x") in log.many("y")',
    'at("x") not in log.many("y")',
    'at("a") < at("b", 2) < at("c", 3)',
    'at("a") > at("b", 2) > at("c", 3)',
    'at("a") in log.items < at("b", [9])',
    'log.item.method(*log.many("a"), k=at("b"))',
    'log.item.method(*log.many("a"), **at("b", {"k": 1}))',
    'log.item.method(*log.many("a"), k=at("b"), **at("c", {"j": 1}))',
    'log.item.method(k=at("a"), *log.many("b"))',
    'log.item.method(at("a"), *log.many("b"), k=at("c"))',
    'log.item.method(at("a"), at("b"), k=at("c"), j=at("d"))',
    'log.items[at("key")] = at("value")',
    'at("owner", log.item).value = at("value")',
    'at("owner", log.items)[at("key")] += at("value")',
    'at("owner", log.item).value += at("value")',
    'at("owner", log.items)[at("from"):at("to", 2)]',
    'del at("owner", log.items)[at("key")]',
    '{at("k1"): at("v1"), at("k2", 2): at("v2")}',
    '[at("a"), *log.many("b"), at("c")]',
    '(at("a"), *log.many("b"), at("c"))',
    'at("then") if at("test", 0) else at("else")',
    'at("a", 0) or at("b") and at("c")',
    'at("a") + at("b") * at("c")',
    'f\'{at("a")} {at("b"):{at("c")}}\'',
    '[at("item") for each in log.many("over") if at("test")]',
    '{at(each): at("value") for each in log.many("over")}',
    'log.items[at("a")], log.items[at("b", 2)] = at("c"), at("d")',
    'first = log.items[at("a")] = at("b")',
    'at("f", log.item).method(at("a"))',
    'assert at("test"), at("message")',
    'return at("x"), at("y")',
]
NUMBER = itertools.count()


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("granularity", ["operations", "cpython-3.11"])
def test_parts_are_worked_out_in_the_order_of_python(line: str, granularity: str, tmp_path: Path) -> None:
    file = tmp_path / f"order{next(NUMBER)}.py"
    file.write_text(MODULE.replace("{line}", line))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    native = module.Log()
    module.worker(native)
    threads = Threads(Plain(module.Log, lambda log: {"t": partial(module.worker, log)}), granularity=granularity)
    (outcome,) = count(threads.program).outcomes
    state = threads.state(dict(outcome.memory))
    assert native.seen
    assert state.seen == native.seen
    assert state.items == native.items
