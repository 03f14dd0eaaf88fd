"""Counters: threads that add 1, in two steps, under a lock, or in one atomic step."""

from __future__ import annotations

import operator
from functools import partial
from typing import Annotated

from scenarios.counter import locked_increment
from scenarios.published.parts import Steps, numbered
from simulator.ops import Acquire, Read, Release, Update, Write
from simulator.program import Program
from simulator.scenario import Range, scenario

__all__ = ["ainc", "binc", "counter_rw", "locked_counter", "lockinc"]


def read_then_write(times: int) -> Steps:
    """Add 1 to c, `times` times; the addition itself is not a step."""
    for _ in range(times):
        value = yield Read("c")
        yield Write("c", value + 1)


@scenario(summary="Threads add to one counter in two steps: read, write.")
def counter_rw(
    n: Annotated[int, Range(1, 64), "how many threads"] = 2,
    k: Annotated[int, Range(1, 1000), "how often each adds 1"] = 1,
) -> Program:
    """The counter without a step for the addition: n threads, each k times: read c; write c.

    With k = 1 it has (n!)² traces; n!·c(n, v) of them end with the value v (c: unsigned Stirling numbers of the first
    kind).
    """
    return Program(numbered(*[partial(read_then_write, k)] * n), memory={"c": 0}, name="counter-rw")


@scenario(summary="Threads add to one counter under a lock: acquire, read, add, write, release.")
def locked_counter(
    n: Annotated[int, Range(1, 64), "how many threads"] = 2,
    k: Annotated[int, Range(1, 1000), "how often each adds 1"] = 1,
) -> Program:
    """n threads, each k times: acquire the lock, read, add 1, write, release.

    It has (nk)!/(k!)ⁿ interleavings, each a trace of its own, and all end with nk.
    """
    return Program(
        numbered(*[partial(locked_increment, k)] * n), memory={"count": 0}, locks=["lock"], name="locked-counter"
    )


def update(*locations: str) -> Steps:
    """Add 1 to each location, atomically."""
    for location in locations:
        yield Update(location, operator.add, 1)


@scenario(summary="Threads each add 1 to x, atomically.")
def ainc(n: Annotated[int, Range(1, 64), "how many threads"] = 2) -> Program:
    """n threads, each one atomic addition to x: n! interleavings, each a trace of its own."""
    return Program(numbered(*[partial(update, "x")] * n), memory={"x": 0}, name="ainc")


@scenario(summary="Threads each add 1 to x and then to y, atomically.")
def binc(n: Annotated[int, Range(1, 64), "how many threads"] = 2) -> Program:
    """n threads, each an atomic addition to x, then one to y: (n!)² traces."""
    return Program(numbered(*[partial(update, "x", "y")] * n), memory={"x": 0, "y": 0}, name="binc")


def locked_update() -> Steps:
    """Add 1 to x atomically, and under a lock besides."""
    yield Acquire("m")
    yield Update("x", operator.add, 1)
    yield Release("m")


@scenario(summary="Threads each add 1 to x, atomically, under a lock.")
def lockinc(n: Annotated[int, Range(1, 64), "how many threads"] = 2) -> Program:
    """n threads, each: acquire m; atomic addition to x; release m. The n! orders of the lock are the traces."""
    return Program(numbered(*[locked_update] * n), memory={"x": 0}, locks=["m"], name="lockinc")
