"""Plain programs whose every interleaving is forced on real threads and held against the model, step for step.

As a program (`python agreement.py`) it does so on the interpreter that runs it and prints as JSON, for each program and
granularity, how many interleavings there are, in how many real threads agreed, and the first difference.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

from scenarios.plain_bank import plain as bank
from scenarios.plain_counter import plain as counter
from scenarios.plain_variants import VARIANTS
from scenarios.plain_variants import plain as variant
from simulator.explore import explore
from simulator.real.plain_code import PlainForcing
from simulator.scenario import Plain
from simulator.search.replay import replay
from simulator.source.threads import Threads

ACCOUNTS = ((1, 1000), (2, 1000))
TRANSFERS = ((1, 2, 500), (2, 1, 300))


class Cache:
    def __init__(self) -> None:
        self.kept: dict[int, int] = {}
        self.misses = 0

    def get(self, key: int) -> int:
        if key not in self.kept:
            self.misses += 1
            self.kept[key] = self.make(key)
        return self.kept[key]

    def make(self, key: int) -> int:
        return key * 2


class Stack:
    def __init__(self) -> None:
        self.items: list[int] = []

    def push(self, item: int) -> None:
        self.items.append(item)

    def pop(self) -> int | None:
        if self.items:
            return self.items.pop()
        return None


class Node:
    def __init__(self, value: int, after: Node | None) -> None:
        self.value = value
        self.after = after


class Linked:
    def __init__(self) -> None:
        self.head: Node | None = None

    def push(self, value: int) -> None:
        self.head = Node(value, self.head)


class Words:
    def __init__(self) -> None:
        self.seen: defaultdict[str, int] = defaultdict(int)

    def count(self) -> None:
        for word in ("a", "b"):
            self.seen[word] += 1


class Walked:
    def __init__(self) -> None:
        self.kept = {1: 1, 2: 2}
        self.total = 0

    def put(self) -> None:
        self.kept[3] = 3

    def add_up(self) -> None:
        total = 0
        for value in self.kept.values():
            total += value
        self.total = total


class Sums:
    def __init__(self) -> None:
        self.numbers = [1, 2]
        self.twice: tuple[int, ...] = ()

    def run(self) -> None:
        self.twice = tuple(number * 2 for number in self.numbers if number > 1)
        self.numbers[0] = sum([number + 0 for number in self.numbers])


class Gone:
    """Through everything in every way."""

    def __init__(self) -> None:
        self.table = {1: 1, 2: 2}
        self.row = [3, 4]
        self.found: object = None

    def change(self) -> None:
        self.table[3] = 3
        self.row[0] = 5

    def enumerated(self) -> None:
        self.found = tuple(pair for pair in enumerate(self.table))

    def zipped(self) -> None:
        self.found = tuple(zip(self.row, self.table.values(), strict=False))

    def mapped(self) -> None:
        self.found = tuple(map(str, self.row))

    def best(self) -> None:
        self.found = (max(self.table), sorted(self.row), sum(self.row))[0]

    def first(self) -> None:
        self.found = next(iter(self.table.items()))

    def some(self) -> None:
        self.found = any(number > 4 for number in self.row)

    def apart(self) -> None:
        one, two = self.row
        self.found = one + two


class Pair:
    def __init__(self) -> None:
        self.first = threading.Lock()
        self.second = threading.RLock()
        self.done = 0

    def forwards(self) -> None:
        with self.first, self.second:
            self.done += 1

    def backwards(self) -> None:
        with self.second:  # noqa: SIM117
            with self.second:
                if self.first.acquire(blocking=False):
                    try:
                        self.done += 10
                    finally:
                        self.first.release()
                else:
                    time.sleep(0)


class Slow:
    """Reads, lets others go first, writes."""

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        count = self.count
        time.sleep(0.001)
        self.count = count + 1


class ByName:
    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        setattr(self, "count", getattr(self, "count", 0) + 1)  # noqa: B010

    def drop(self) -> None:
        if hasattr(self, "count"):
            delattr(self, "count")


class Groups:
    """What is not there is made, and put there, by one bytecode."""

    def __init__(self) -> None:
        self.kept: defaultdict[str, list[int]] = defaultdict(list)

    def put(self) -> None:
        self.kept["a"].append(1)


class Shared:
    total = 0
    lock = threading.Lock()

    def add(self) -> None:
        type(self).total += 1

    def add_safely(self) -> None:
        with self.lock:
            Shared.total += 1


hits = 0
table = {"a": 0}


def hit() -> None:
    global hits
    hits += 1
    table["a"] += 1


def of(kind: type, *methods: str | tuple[Any, ...]) -> Plain:
    def workers(thing: Any) -> dict[str, Callable[[], object]]:
        calls = [(method,) if isinstance(method, str) else method for method in methods]
        return {f"t{n}": partial(getattr(thing, name), *arguments) for n, (name, *arguments) in enumerate(calls)}

    return Plain(kind, workers)


PROGRAMS: dict[str, tuple[Plain, int]] = {
    # name: the program, and how many of its interleavings are forced at most (each of the first six: all of them)
    "counter (2, 1)": (counter(2, 1, False, 0), 10_000),
    "counter (2, 2)": (counter(2, 2, False, 0), 10_000),
    "counter (3, 1)": (counter(3, 1, False, 0), 10_000),
    "locked counter (2, 2)": (counter(2, 2, True, 0), 10_000),
    "unsafe bank": (bank(ACCOUNTS, TRANSFERS, "from-then-to", 0.5), 10_000),
    "safe bank": (bank(ACCOUNTS, TRANSFERS, "ordered", 0.5), 10_000),
    "bank without locks": (bank(ACCOUNTS, TRANSFERS, "none", 0), 200),
    "bank, one lock": (bank(ACCOUNTS, TRANSFERS, "global", 0), 200),
    "cache": (of(Cache, ("get", 1), ("get", 1)), 200),
    "stack": (of(Stack, ("push", 1), "pop", "pop"), 200),
    "linked": (of(Linked, ("push", 1), ("push", 2)), 200),
    "words": (of(Words, "count", "count"), 200),
    "walked": (of(Walked, "put", "add_up"), 200),
    "sums": (of(Sums, "run", "run"), 200),
    **{
        f"gone through: {way}": (of(Gone, "change", way), 200)
        for way in ("enumerated", "zipped", "mapped", "best", "first", "some", "apart")
    },
    "slow": (of(Slow, "add", "add"), 200),
    "by name": (of(ByName, "add", "drop"), 200),
    "groups": (of(Groups, "put", "put"), 200),
    "pair": (of(Pair, "forwards", "backwards"), 200),
    "class attribute": (of(Shared, "add", "add"), 200),
    "class attribute with a lock": (of(Shared, "add_safely", "add_safely"), 200),
    "globals": (Plain(lambda: None, lambda _: {"a": hit, "b": hit}), 200),
    **{f"variant {name}": (variant(name), 200) for name in VARIANTS},
}


def agreement(name: str, granularity: str) -> tuple[int, int, str]:
    """How many interleavings of a program were forced, in how many real threads agreed, and the first difference."""
    plain, most = PROGRAMS[name]
    threads = Threads(plain, granularity=granularity)
    forced = agreed = 0
    first = ""
    with PlainForcing(threads) as walked:
        for run in explore(threads.program, scheduler="naive"):
            if walked.cannot(run):
                continue
            _, difference = walked.force(run)
            forced += 1
            agreed += difference is None
            if difference is not None and not first:
                first = f"{run.schedule}: {difference}"
            if forced == most:
                break
    return forced, agreed, first


def stopped_short(name: str, granularity: str, most: int = 60) -> list[str]:
    """Of what real threads do when schedules of a program stop early, at every step, all that differs from the model."""
    threads = Threads(PROGRAMS[name][0], granularity=granularity)
    seen: set[tuple[str, ...]] = set()
    differences = []
    with PlainForcing(threads) as walked:
        for run in explore(threads.program, scheduler="naive"):
            for end in range(len(run)):
                schedule = run.schedule[:end]
                if schedule in seen or len(seen) == most:
                    continue
                seen.add(schedule)
                beginning = replay(threads.program, schedule)
                difference = None if walked.cannot(beginning) else walked.force(beginning)[1]
                if difference is not None:
                    differences.append(f"{' '.join(schedule)}: {difference}")
            if len(seen) == most:
                break
    return differences


def main() -> None:
    found = {
        f"{name}, {granularity}": agreement(name, granularity)
        for name in PROGRAMS
        for granularity in ("free-threaded", "cpython-3.11")
    }
    print(json.dumps({"left": threading.active_count() - 1, "found": found}))


if __name__ == "__main__":
    main()
