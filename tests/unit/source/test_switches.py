"""Where CPython 3.10 and later may switch threads: after every call of what is not a Python function, and where one begins."""

from __future__ import annotations

import importlib.util
import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from simulator import Plain, check, count
from simulator.analysis.finding import Kind
from simulator.source.threads import Threads

SHOP = """
import threading

class Guard:
    def __init__(self):
        self.lock = threading.Lock()

    def __enter__(self):
        self.lock.acquire()

    def __exit__(self, *_):
        self.lock.release()

class Node:
    pass

class Shop:
    def __init__(self):
        self.sold = 0
        self.prices = (1, 2)
        self.stock = {1: 1}
        self.names = []
        self.guard = Guard()

    @property
    def first(self):
        return 1

def one(*_):
    return 1

def worker(shop):
"""
NUMBER = itertools.count()
LETS_GO = [
    'getattr(shop, "prices")', 'hasattr(shop, "prices")', "isinstance(shop, Shop)", "type(shop)", "callable(shop)",
    "bool(shop)", "iter(shop.prices)", "map(str, shop.prices)", "any(shop.prices)", "id(shop)", "hash(1)", "str(1)",
    "len(shop.prices)", "shop.stock.keys()", "shop.stock.get(1)", "Node()", "object()", "[].append(1)",
    "threading.current_thread()", "threading.get_ident()",
    "one()", "one(*shop.prices)", "shop.first", "[each for each in shop.prices]",
]  # fmt: skip
GOES_ON = ["1", "shop.prices[0]", "shop.stock[1]", "1 in shop.prices", 'f"{shop.prices[0]}"', "shop.prices[0] + 1"]


def loses(lines: str, granularity: str, folder: Path) -> bool:
    file = folder / f"shop{next(NUMBER)}.py"
    file.write_text(SHOP + lines)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plain = Plain(module.Shop, lambda shop: {name: partial(module.worker, shop) for name in ("one", "two")})
    report = check(Threads(plain, granularity=granularity).program, kinds=[Kind.LOST_UPDATE], counted=False)
    assert report.complete
    return bool(report.findings)


@pytest.mark.parametrize("granularity", ["cpython-3.10", "cpython-3.11"])
@pytest.mark.parametrize("call", LETS_GO)
def test_a_call_between_read_and_write_brings_the_lost_update_back(call: str, granularity: str, tmp_path: Path) -> None:
    assert loses(f"    shop.sold = shop.sold + (1 if ({call},) else 0)\n", granularity, tmp_path)


@pytest.mark.parametrize("granularity", ["cpython-3.10", "cpython-3.11"])
@pytest.mark.parametrize("what", GOES_ON)
def test_what_calls_nothing_lets_nobody_in(what: str, granularity: str, tmp_path: Path) -> None:
    lines = f"    before = shop.sold, {what}\n    shop.sold = before[0] + 1\n"
    assert not loses(lines, granularity, tmp_path)
    assert loses(lines, "free-threaded", tmp_path)


def test_a_call_before_the_read_lets_nobody_in_between(tmp_path: Path) -> None:
    assert not loses("    shop.sold = one() + shop.sold\n", "cpython-3.11", tmp_path)


def test_a_lock_in_a_context_manager_of_ones_own_is_a_lock(tmp_path: Path) -> None:
    assert not loses("    with shop.guard:\n        shop.sold += one()\n", "free-threaded", tmp_path)


class Scale:
    def __init__(self) -> None:
        self.weight = 0
        self.seen = 0

    def weighs(self) -> None:
        self.weight = 1
        self.seen = sum(self.weight for _ in (1,))

    def is_changed(self) -> None:
        self.weight = 2


def test_a_generator_expression_is_entered_when_its_first_item_is_asked_for() -> None:
    plain = Plain(Scale, lambda scale: {"one": scale.weighs, "other": scale.is_changed})
    outcomes = count(Threads(plain, granularity="cpython-3.11").program).outcomes
    assert {dict(outcome.memory)["scale.seen"] for outcome in outcomes} == {1, 2}
