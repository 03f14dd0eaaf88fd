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
        self.lock = threading.Lock()
        self.seen = False

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


def made(source: str, folder: Path) -> Any:
    file = folder / f"shop{next(NUMBER)}.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def loses(lines: str, granularity: str, folder: Path) -> bool:
    module = made(SHOP + lines, folder)
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


BETWEEN = {
    "range": """
    before = shop.sold
    for _ in range(1):
        shop.sold = before + 1
""",
    "assert": """
    before = shop.sold
    try:
        assert before < 0, "never"
    except AssertionError:
        shop.sold = before + 1
""",
}


@pytest.mark.parametrize("granularity", ["cpython-3.10", "cpython-3.11", "cpython-3.12", "cpython-3.14"])
@pytest.mark.parametrize("lines", BETWEEN.values(), ids=BETWEEN)
def test_calls_that_do_not_look_like_calls_let_others_in(lines: str, granularity: str, tmp_path: Path) -> None:
    assert loses(lines, granularity, tmp_path)


def test_an_assertion_without_a_message_calls_nothing(tmp_path: Path) -> None:
    assert not loses(BETWEEN["assert"].replace(', "never"', ""), "cpython-3.11", tmp_path)


ONLY_SOME = {
    # What stands between the read and the write, and up to where it lets others in, or from where on.
    "a comprehension of no items": (
        "    before = shop.sold, [x for x in ()]\n    shop.sold = before[0] + 1\n",
        {"3.11"},
    ),
    "super().name": ("    before = shop.sold, super(Shop, shop).__doc__\n    shop.sold = before[0] + 1\n", {"3.11"}),
    "the beginning of a with": (
        "    before = shop.sold\n    with shop.lock:\n        shop.sold = before + 1\n",
        {"3.14"},
    ),
    "from the test of a while to its body": (
        """
    turns = 0
    while (before := shop.sold) >= 0:
        if turns:
            shop.sold = before + 1
            return
        turns += 1
""",
        {"3.11", "3.12"},
    ),
    "from the test of a while to its body, after continue": (
        """
    turns = 0
    while (before := shop.sold) >= 0:
        turns += 1
        if turns < 2:
            continue
        shop.sold = before + 1
        return
""",
        set(),
    ),
}


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.14"])
@pytest.mark.parametrize(("lines", "letting"), ONLY_SOME.values(), ids=ONLY_SOME)
def test_some_things_let_others_in_in_some_versions_only(
    lines: str, letting: set[str], version: str, tmp_path: Path
) -> None:
    assert loses(lines, f"cpython-{version}", tmp_path) == (version in letting)


def both(module: Any, shop: Any) -> dict[str, Any]:
    return {"one": partial(module.worker, shop), "two": partial(module.other, shop)}


def test_continue_jumps_back_before_the_test_and_the_end_of_the_body_after_it(tmp_path: Path) -> None:
    body = """
    before = None
    while before is None or shop.sold == before:
        if before is None:
            before = shop.sold
            {}
        else:
            break
    else:
        shop.seen = True

def other(shop):
    shop.sold += 1
"""
    for word, versions in (("continue", {"3.11", "3.12", "3.14"}), ("pass", {"3.14"})):
        module = made(SHOP + body.format(word), tmp_path)
        plain = Plain(module.Shop, partial(both, module))
        for version in ("3.11", "3.12", "3.14"):
            outcomes = count(Threads(plain, granularity=f"cpython-{version}").program).outcomes
            seen = any(dict(outcome.memory).get("shop.seen") is True for outcome in outcomes)
            assert seen == (version in versions), (word, version)


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
