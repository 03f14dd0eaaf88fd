"""The programs behind `golden/golden.json` and `golden/corpus.json`, as generator bodies.

`golden/programs.md` tells them in words. One function for each family, from its parameters to a `Program`;
`straight_line` reads the notation of the corpus and of the litmus tests. Final memories of the corpus depend on one
more rule: the W at position p of thread t (both from 1) writes 10·t + p, and M adds 1.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import Any

from simulator.litmus import parse
from simulator.ops import Acquire, Add, Check, CompareAndSwap, Operation, Read, Release, Update, Write
from simulator.program import Program

Steps = Generator[Operation | Check, Any, None]


def threads(*bodies: Callable[[], Steps]) -> dict[str, Callable[[], Steps]]:
    return {f"t{number}": body for number, body in enumerate(bodies)}


# -- straight lines


def straight_line(texts: Iterable[str]) -> Program:
    """The program of a text for each thread, in the notation `R x; W x; M x; L m; U m` (RMW is M)."""
    return parse(" || ".join(texts)).program()


# -- families


def _increment(times: int, add: bool) -> Steps:
    for _ in range(times):
        value = yield Read("c")
        if add:
            value = yield Add(value, 1)
        else:
            value += 1
        yield Write("c", value)


def counter(n: int, k: int, *, add: bool) -> Program:
    return Program(threads(*[partial(_increment, k, add)] * n), memory={"c": 0})


def _locked_increment(times: int) -> Steps:
    for _ in range(times):
        yield Acquire("m")
        value = yield Read("c")
        value = yield Add(value, 1)
        yield Write("c", value)
        yield Release("m")


def locked_counter(n: int, k: int) -> Program:
    return Program(threads(*[partial(_locked_increment, k)] * n), memory={"c": 0}, locks=["m"])


def _transfer(first: int, second: int, source: int, target: int) -> Steps:
    yield Acquire(("l", first))
    yield Acquire(("l", second))
    for account in (source, target):
        balance = yield Read(("b", account))
        yield Write(("b", account), balance)
    yield Release(("l", second))
    yield Release(("l", first))


def bank(n: int, *, ordered: bool) -> Program:
    pairs = [(i, (i + 1) % n) for i in range(n)]
    return Program(
        threads(*(partial(_transfer, *(sorted(pair) if ordered else pair), *pair) for pair in pairs)),
        memory={("b", i): 0 for i in range(n)},
        locks=[("l", i) for i in range(n)],
    )


def _dine(first: int, second: int) -> Steps:
    yield Acquire(("f", first))
    yield Acquire(("f", second))
    yield Release(("f", second))
    yield Release(("f", first))


def philosophers(n: int, *, ordered: bool) -> Program:
    pairs = [(i, (i + 1) % n) for i in range(n)]
    return Program(
        threads(*(partial(_dine, *(sorted(pair) if ordered else pair)) for pair in pairs)),
        locks=[("f", i) for i in range(n)],
    )


def _write(location: object, value: object) -> Steps:
    yield Write(location, value)


def writers(n: int) -> Program:
    """Each writes another value."""
    return Program(threads(*(partial(_write, "x", i) for i in range(1, n + 1))), memory={"x": 0})


def gate_lock() -> Program:
    """Two orders of two locks under one gate lock: a cycle in the lock-order graph that can never deadlock."""
    return straight_line(["L g; L a; L b; U b; U a; U g", "L g; L b; L a; U a; U b; U g"])


def gated_cycle() -> Program:
    """A cycle over three locks, two of its arrows under one gate lock."""
    return straight_line(["L g; L a; L b; U b; U a; U g", "L g; L b; L c; U c; U b; U g", "L c; L a; U a; U c"])


# -- synthetic families of GenMC


def _update(*names: str) -> Steps:
    for name in names:
        yield Update(name, operator.add, 1)


def atomic_increments(n: int, *names: str) -> Program:
    return Program(threads(*[partial(_update, *names)] * n), memory=dict.fromkeys(names, 0))


def _read_private_then(location: str, number: int) -> Steps:
    yield Read(("own", number))
    yield Read(location)


def readers(n: int) -> Program:
    return Program(
        threads(partial(_write, "x", 1), *(partial(_read_private_then, "x", i) for i in range(n))),
        memory={"x": 0, **{("own", i): 0 for i in range(n)}},
    )


def _last_zero_reader(n: int) -> Steps:
    at = n
    while (yield Read(("a", at))) != 0:
        at -= 1


def _last_zero_writer(j: int) -> Steps:
    value = yield Read(("a", j - 1))
    yield Write(("a", j), value + 1)


def last_zero(n: int) -> Program:
    return Program(
        threads(partial(_last_zero_reader, n), *(partial(_last_zero_writer, j) for j in range(1, n + 1))),
        memory={("a", i): 0 for i in range(n + 1)},
    )


def coherence_of_a(n: int) -> Program:
    """CoA(N)."""
    return straight_line(["W x; R y; R x", "W x; R z; R x", *["W y; W z"] * (n - 1)])


def write_read_write(n: int) -> Program:
    return straight_line(["W x", *["R x; W x"] * n])


def _swap(expected: int, new: int) -> Steps:
    yield CompareAndSwap("x", expected, new)


def _swap_then_write(number: int) -> Steps:
    yield CompareAndSwap("x", 0, 1)
    yield Write("x", number + 3)


def swaps(n: int) -> Program:
    return Program(threads(*(partial(_swap, 0, i) for i in range(1, n + 1))), memory={"x": 0})


def rotating_swaps(n: int) -> Program:
    return Program(threads(*(partial(_swap, i - 1, i) for i in range(1, n + 1))), memory={"x": 0})


def swaps_then_writes(n: int) -> Program:
    return Program(threads(*(partial(_swap_then_write, i) for i in range(n))), memory={"x": 0})


def write_and_swaps(n: int) -> Program:
    return Program(threads(partial(_write, "x", 2), *[partial(_swap, 2, 3)] * n), memory={"x": 0})


def locked_updates(n: int) -> Program:
    return straight_line(["L m; M x; U m"] * n)


def _publish() -> Steps:
    yield Write("x", 1)
    yield Write("flag", 1)


def _poll(times: int) -> Steps:
    for _ in range(times):
        if (yield Read("flag")):
            yield Read("x")
            return


def publish(times: int = 41) -> Program:
    return Program(threads(_publish, partial(_poll, times)), memory={"x": 0, "flag": 0})


# -- Concuerror, DPU, traps


def popl_optimal_example() -> Program:
    def third() -> Steps:
        if (yield Read("y")) == 0:
            yield Write("z", 1)

    def fourth() -> Steps:
        if (yield Read("z")) == 1 and (yield Read("y")) == 0:
            yield Write("x", 2)

    return Program(
        threads(partial(_write, "x", 1), partial(_write, "y", 1), third, fourth), memory={"x": 0, "y": 0, "z": 0}
    )


def sleeping_races() -> Program:
    def fourth() -> Steps:
        yield Read("y")
        yield Write("z", 1)

    def fifth() -> Steps:
        if (yield Read("y")) and (yield Read("z")) and (yield Read("x")):
            yield Read("w")

    return Program(
        threads(*(partial(_write, name, 1) for name in "wxy"), fourth, fifth), memory=dict.fromkeys("wxyz", 0)
    )


def acquire_and_never_release(n: int) -> Program:
    return straight_line(["L m"] * n)


def many_patterns(k: int) -> Program:
    """mpat(k)."""
    return straight_line(
        [
            *(f"L a{i}; U a{i}" for i in range(k)),
            *(f"L m; L a{i}; U a{i}; U m" for i in range(k)),
        ]
    )


def optimal_notdep_trap() -> Program:
    def last() -> Steps:
        value = yield Read("x")
        yield Write("x", 3)
        if value != 0:
            yield Read("z")

    def read() -> Steps:
        yield Read("z")

    return Program(
        threads(partial(_write, "x", 1), partial(_write, "z", 1), partial(_write, "x", 2), read, last),
        memory={"x": 0, "z": 0},
    )


# -- models of SCTBench


def account() -> Program:
    def checker() -> Steps:
        yield Acquire("m")
        if (yield Read("dd")) and (yield Read("wd")):
            assert (yield Read("bal")) == -5
        yield Release("m")

    def deposit() -> Steps:
        yield Acquire("m")
        balance = yield Read("bal")
        yield Write("bal", balance + 2)
        yield Write("dd", 1)
        yield Release("m")

    def withdraw() -> Steps:
        yield Acquire("m")
        balance = yield Read("bal")
        yield Write("bal", balance - 4)
        yield Write("wd", 1)
        yield Release("m")

    return Program(threads(checker, deposit, withdraw), memory={"bal": 1, "dd": 0, "wd": 0}, locks=["m"])


def bluetooth_driver() -> Program:
    def work() -> Steps:
        if (yield Read("stopping")) == 0:
            yield Update("pending", operator.add, 1)
            assert not (yield Read("stopped"))
        pending = (yield Update("pending", operator.sub, 1)) - 1
        if pending == 0:
            yield Write("event", 1)

    def stop() -> Steps:
        yield Write("stopping", 1)
        pending = (yield Update("pending", operator.sub, 1)) - 1
        if pending == 0:
            yield Write("event", 1)
        if (yield Read("event")):
            yield Write("stopped", 1)

    return Program(threads(work, stop), memory={"pending": 1, "stopping": 0, "stopped": 0, "event": 0})


def carter01() -> Program:
    def body(own: str) -> Steps:
        yield Acquire("m")
        value = yield Read(own)
        yield Write(own, value + 1)
        if (yield Read(own)) == 1:
            yield Acquire("l")
        yield Release("m")
        yield Acquire("m")
        value = yield Read(own)
        yield Write(own, value - 1)
        if (yield Read(own)) == 0:
            yield Release("l")
        yield Release("m")

    return Program(threads(partial(body, "A"), partial(body, "B")), memory={"A": 0, "B": 0}, locks=["m", "l"])


def deadlock01() -> Program:
    def body(first: str, second: str) -> Steps:
        yield Acquire(first)
        yield Acquire(second)
        value = yield Read("c")
        yield Write("c", value + 1)
        yield Release(second)
        yield Release(first)

    return Program(threads(partial(body, "a", "b"), partial(body, "b", "a")), memory={"c": 0}, locks=["a", "b"])


def lazy01() -> Program:
    def add(amount: int) -> Steps:
        yield Acquire("m")
        value = yield Read("d")
        yield Write("d", value + amount)
        yield Release("m")

    def fail() -> Steps:
        yield Acquire("m")
        assert (yield Read("d")) < 3
        yield Release("m")

    return Program(threads(partial(add, 1), partial(add, 2), fail), memory={"d": 0}, locks=["m"])


def reorder(setters: int, checkers: int) -> Program:
    def setter() -> Steps:
        yield Write("a", 1)
        yield Write("b", -1)

    def checker() -> Steps:
        if (yield Read("a")) == 0 and (yield Read("b")) == 0:
            return
        if (yield Read("a")) == 1 and (yield Read("b")) == -1:
            return
        raise AssertionError("a and b are seen in the wrong order")

    return Program(threads(*[setter] * setters, *[checker] * checkers), memory={"a": 0, "b": 0})


def token_ring() -> Program:
    def pass_on(number: int) -> Steps:
        yield Acquire("m")
        before = yield Read(("x", (number - 2) % 3 + 1))
        yield Write(("x", number), (before + 1) % 4 if number == 1 else before)
        yield Write(("f", number), 1)
        yield Release("m")

    def checker() -> Steps:
        yield Acquire("m")
        if (yield Read(("f", 1))) and (yield Read(("f", 2))) and (yield Read(("f", 3))):
            first = yield Read(("x", 1))
            second = yield Read(("x", 2))
            third = yield Read(("x", 3))
            assert first == second == third
        yield Release("m")

    return Program(
        threads(*(partial(pass_on, number) for number in (1, 2, 3)), checker),
        memory={("x", 1): 1, ("x", 2): 2, ("x", 3): 1, ("f", 1): 0, ("f", 2): 0, ("f", 3): 0},
        locks=["m"],
    )


def two_stage() -> Program:
    def writer() -> Steps:
        yield Acquire("l1")
        yield Write("d1", 1)
        yield Release("l1")
        yield Acquire("l2")
        value = yield Read("d1")
        yield Write("d2", value + 1)
        yield Release("l2")

    def reader() -> Steps:
        yield Acquire("l1")
        if (yield Read("d1")) == 0:
            yield Release("l1")
            return
        first = yield Read("d1")
        yield Release("l1")
        yield Acquire("l2")
        second = yield Read("d2")
        yield Release("l2")
        assert second == first + 1

    return Program(threads(writer, reader), memory={"d1": 0, "d2": 0}, locks=["l1", "l2"])
