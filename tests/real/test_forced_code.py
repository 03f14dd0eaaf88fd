"""Plain code of many kinds: real threads do in every interleaving what the model does."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import pytest

from simulator import Plain, explore
from simulator.real.plain_code import PlainForcing
from simulator.source.threads import Threads

LOG = [0]


def counter() -> Callable[[], int]:
    """A function with a count of its own."""
    count = 0

    def add() -> int:
        nonlocal count
        count += 1
        return count

    return add


class Order:
    size = 1


class Base:
    limit = 0


class Shop(Base):
    def __init__(self) -> None:
        self.sold = 0
        self.lock: threading.Lock | None = None
        self.locks: dict[str, threading.Lock] = {}
        self.log = LOG
        self.add = counter()
        self.orders = [3, 1, 2]
        self.last: Order | None = None
        self.error: Exception | None = None
        self.pairs = [[1], [2]]

    def makes_its_lock_late(self) -> None:
        if self.lock is None:
            self.lock = threading.Lock()
        with self.lock:
            self.sold += 1

    def has_a_lock_for_each_key(self) -> None:
        with self.locks.setdefault("all", threading.Lock()):
            self.sold += 1

    def asks_for_what_is_not_there(self) -> None:
        try:
            self.nothing  # type: ignore[attr-defined]  # noqa: B018
        except AttributeError:
            self.sold += 1

    def writes_to_a_global_list(self) -> None:
        LOG[0] += 1

    def counts_in_a_closure(self) -> None:
        self.sold = self.add()

    def compares_in_a_chain(self) -> None:
        if 0 <= self.sold < 2:
            self.sold += 1

    def reads_its_class_first(self) -> None:
        self.limit += 1

    def sorts_what_it_made(self) -> None:
        one, other = Order(), Order()
        mine = [one, other]
        self.last = one
        mine.sort(key=lambda order: order.size)
        self.sold = mine.index(one) + mine.count(one)

    def keeps_what_it_caught(self) -> None:
        try:
            {}["k"]
        except KeyError as error:
            self.error = error
        self.sold += len(self.error.args)

    def raises_what_another_kept(self) -> None:
        try:
            if self.error is None:
                self.error = ValueError(1)
            raise self.error
        except ValueError:
            self.sold += 1

    def matches_its_orders(self) -> None:
        match self.orders:
            case [3, second, *_]:
                self.orders[0] = second + self.sold
                self.sold = 1
            case [_, *rest]:
                self.orders[1] = len(rest)

    def compares_what_is_in_its_lists(self) -> None:
        if self.pairs == [[1], [2]]:
            self.pairs[0][0] = 2
            self.sold += 1

    def asks_in_order(self) -> None:
        self.sold = self.sold in [self.sold, 1]


CASES = [value for name, value in vars(Shop).items() if callable(value) and not name.startswith("_")]


@pytest.mark.real
@pytest.mark.parametrize("method", CASES, ids=lambda method: method.__name__)
def test_real_threads_do_the_same_in_every_interleaving(method: Callable[[Shop], None]) -> None:
    threads = Threads(Plain(Shop, lambda shop: {"one": partial(method, shop), "other": partial(method, shop)}))
    with PlainForcing(threads) as forcing:
        runs = [run for run in islice(explore(threads.program, scheduler="naive"), 300) if not forcing.cannot(run)]
        differences = [str(forcing.force(run)[1]) for run in runs]
    assert runs
    assert set(differences) == {"None"}
    assert LOG == [0]


def nothing_yet() -> list[int]:
    return []


class Lists:
    """What C code does to containers in several steps, or together with Python code."""

    def __init__(self) -> None:
        self.items = [2, 1]
        self.table: dict[int, int] = {}
        self.lists: defaultdict[str, list[int]] = defaultdict(list)
        self.made: defaultdict[str, list[int]] = defaultdict(nothing_yet)
        self.last = 0

    def makes_a_missing_list(self) -> None:
        self.lists["k"].append(1)

    def has_python_make_it(self) -> None:
        self.made["k"].append(1)

    def sorts_by_python(self) -> None:
        self.items.sort(key=lambda item: -item)

    def extends_by_python(self) -> None:
        self.items.extend(item for item in (3, 4))

    def extends_by_what_it_reads(self) -> None:
        self.items.extend(self.last for _ in (3, 4))

    def updates_by_python(self) -> None:
        self.table.update((item, 1) for item in (3, 4))

    def goes_through_a_generator_expression(self) -> None:
        for item in (item for item in self.items):
            self.last = item

    def goes_backwards(self) -> None:
        for key in reversed(self.table):
            self.last = key
        self.table[self.last] = 1

    def finds_the_greatest_by_python(self) -> None:
        self.last = max(self.items, key=lambda item: -item)
        self.items.append(self.last)


LISTS = [value for name, value in vars(Lists).items() if callable(value) and not name.startswith("_")]


@pytest.mark.real
@pytest.mark.parametrize("method", LISTS, ids=lambda method: method.__name__)
def test_real_threads_do_the_same_to_containers(method: Callable[[Lists], None]) -> None:
    threads = Threads(Plain(Lists, lambda lists: {"one": partial(method, lists), "other": partial(method, lists)}))
    with PlainForcing(threads) as forcing:
        runs = [run for run in islice(explore(threads.program, scheduler="naive"), 100) if not forcing.cannot(run)]
        differences = {str(forcing.force(run)[1]) for run in runs}
    assert runs
    assert differences == {"None"}


@dataclass
class Guarded:
    lock: threading.Lock = field(default_factory=threading.Lock)
    sold: int = 0

    def sell(self) -> None:
        with self.lock:
            self.sold += 1


class GuardedByDefault:
    def __init__(self, make: Callable[[], threading.Lock] = threading.Lock) -> None:
        self.lock = make()
        self.sold = 0

    def sell(self) -> None:
        with self.lock:
            self.sold += 1


@pytest.mark.parametrize("kind", [Guarded, GuardedByDefault])
def test_locks_that_a_class_was_given_when_it_was_defined_ask_first(kind: type[Guarded | GuardedByDefault]) -> None:
    threads = Threads(Plain(kind, lambda guarded: {"one": guarded.sell, "other": guarded.sell}))
    with PlainForcing(threads) as forcing:
        found = [forcing.force(run)[1] for run in explore(threads.program, scheduler="naive")]
    assert found == [None, None]
    assert type(kind().lock) is type(threading.Lock())
