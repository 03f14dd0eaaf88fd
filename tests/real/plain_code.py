"""Plain classes, scripts for them written by hand, and what forcing them is to show. Runs on any CPython from 3.11 on.

As a program (`python plain_code.py`) it forces them on the interpreter that runs it and prints what it saw as JSON.
"""

from __future__ import annotations

import inspect
import json
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType
from typing import Any

from simulator.errors import UsageError
from simulator.ops import Acquire, Operation, Read, Write
from simulator.real.force import Instrumented
from simulator.real.forced import Forced
from simulator.source.sites import Site, Visit


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def increment(self) -> None:
        self.count += 1


class AlteredCounter(Counter):
    def increment(self) -> None:
        self.count = self.count + 1
        self.count = self.count


def fail() -> None:
    assert 1 > 2, "it must not be"


class Pair:
    def __init__(self) -> None:
        self.first = threading.Lock()
        self.second = threading.Lock()

    def forwards(self) -> None:
        with self.first, self.second:
            pass

    def backwards(self) -> None:
        with self.second, self.first:
            pass


class Patient:
    """Tries, sleeps, and takes a re-entrant lock twice."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rlock = threading.RLock()

    def work(self) -> bool:
        if not self.lock.acquire(blocking=False):
            return False
        time.sleep(3600)
        with self.rlock, self.rlock:
            pass
        self.lock.release()
        return True


def site(function: Callable[..., object], text: str, kind: str, number: int = 0) -> Site:
    """The site of `kind` whose source is `text`, the `number`th one from the top."""
    lines, first = inspect.getsourcelines(function)
    places = [
        (first + down, column)
        for down, line in enumerate(lines)
        for column in range(len(line))
        if line.startswith(text, column)
    ]
    line, column = places[number]
    return Site(line, line, column, column + len(text), kind)


def code_of(function: Callable[..., Any]) -> CodeType:
    code: CodeType = function.__code__
    return code


INCREMENT = code_of(Counter.increment)
LOAD = site(Counter.increment, "self.count", "load attribute")
ADD = site(Counter.increment, "self.count += 1", "add")
STORE = site(Counter.increment, "self.count", "store attribute")


def increments(order: str, values: list[int]) -> list[Visit]:
    """A script for threads that increment once each, in an order such as "aabb" (read, write); `values` are written."""
    met: dict[str, int] = {}
    visits = []
    for step, thread in enumerate(order, start=1):
        met[thread] = met.get(thread, 0) + 1
        if met[thread] == 1:
            visits.append(Visit(thread, INCREMENT, LOAD, step, Read("count")))
        else:
            visits.append(Visit(thread, INCREMENT, STORE, step, Write("count", values.pop(0))))
    return visits


LOST = increments("abab", [1, 1])
"""Both read 0, both write 1."""


ALTERED = code_of(AlteredCounter.increment)
ALTERED_LOADS = [site(AlteredCounter.increment, "self.count", "load attribute", number) for number in (1, 3)]
ALTERED_STORES = [site(AlteredCounter.increment, "self.count", "store attribute", number) for number in (0, 2)]
ONE_AFTER_THE_OTHER = [
    Visit("a", ALTERED, ALTERED_LOADS[0], 1, Read("count")),
    Visit("a", ALTERED, ALTERED_STORES[0], 2, Write("count", 1)),
    Visit("b", ALTERED, ALTERED_LOADS[0], 3, Read("count")),
    Visit("b", ALTERED, ALTERED_STORES[0], 4, Write("count", 2)),
]
"""What the first line of the altered counter does, twice; its second line is in no script."""


def force_counter(
    plain: Instrumented, visits: list[Visit], kind: type[Counter] = Counter, threads: str = "ab", **options: Any
) -> Forced:
    counter = kind()
    return plain.force(
        dict.fromkeys(threads, counter.increment), visits, observe=lambda: {"count": counter.count}, **options
    )


def lock_sites() -> dict[CodeType, list[Site]]:
    return {
        code_of(function): [site(function, f"self.{name}", "load attribute") for name in ("first", "second")]
        for function in (Pair.forwards, Pair.backwards)
    }


def lock_visits(thread: str, function: Callable[..., Any], *taken: tuple[str, int | None]) -> list[Visit]:
    """Lock after lock: the load of the attribute (no step), then the step that takes it; None: it never does."""
    visits = []
    for name, step in taken:
        visits.append(Visit(thread, code_of(function), site(function, f"self.{name}", "load attribute"), None, None))
        if step is not None:
            visits.append(Visit(thread, None, None, step, Acquire(name)))
    return visits


DEADLOCK = [
    *lock_visits("a", Pair.forwards, ("first", 1), ("second", None)),
    *lock_visits("b", Pair.backwards, ("second", 2), ("first", None)),
]


def force_pair(plain: Instrumented, visits: list[Visit], **options: Any) -> Forced:
    pair = Pair()
    called = {id(pair.first): "first", id(pair.second): "second"}
    threads = {"a": pair.forwards, "b": pair.backwards}
    return plain.force(threads, visits, names=lambda lock, _: called[id(lock)], observe=dict, **options)


def step(thread: str, number: int, operation: Operation) -> Visit:
    return Visit(thread, None, None, number, operation)


def what_is_said_when_other_tools_leave_no_room() -> str:
    if sys.version_info < (3, 12):
        return ""
    monitoring = sys.monitoring
    for tool in (3, 4):
        monitoring.use_tool_id(tool, f"other{tool}")
    try:
        with Instrumented({INCREMENT: [LOAD]}):
            return "not refused"
    except UsageError as error:
        return str(error)
    finally:
        for tool in (3, 4):
            monitoring.free_tool_id(tool)


def everything_seen() -> dict[str, Any]:
    """The figures that a forced interpreter is held to."""
    before = threading.active_count()
    seen: dict[str, Any] = {"version": sys.version.split()[0]}
    with Instrumented({INCREMENT: [LOAD, ADD, STORE]}) as plain:
        adds = [Visit(thread, INCREMENT, ADD, None, None) for thread in "ab"]
        script = [LOST[0], LOST[1], *adds, LOST[2], LOST[3]]
        force_counter(plain, script)
        began = time.perf_counter()
        seen["lost"] = sum(str(force_counter(plain, script).outcome) == "count=1" for _ in range(1000))
        seen["runs a second"] = round(1000 / (time.perf_counter() - began))
        counter = Counter()
        counter.increment()
        seen["unforced"] = counter.count
    with Instrumented(lock_sites(), [globals()]) as plain:
        runs = [force_pair(plain, DEADLOCK) for _ in range(100)]
        seen["deadlocked"] = sum(str(run.outcome) == "deadlocked" and len(run.blocked) == 2 for run in runs)
    with Instrumented({ALTERED: [*ALTERED_LOADS, *ALTERED_STORES]}) as plain:
        seen["altered"] = str(force_counter(plain, ONE_AFTER_THE_OTHER, kind=AlteredCounter).diverged)
    seen["refused"] = what_is_said_when_other_tools_leave_no_room()
    seen["threads left"] = threading.active_count() - before
    return seen


if __name__ == "__main__":
    print(json.dumps(everything_seen()))
