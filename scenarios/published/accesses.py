"""Plain reads and writes of a few shared locations, next to no control flow."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from scenarios.published.parts import Steps, numbered, write
from simulator.ops import Read, Write
from simulator.program import Program
from simulator.scenario import Range, scenario

__all__ = ["coa", "publish", "readers", "writers", "wrw"]


@scenario(summary="Threads each write x once, each another value.")
def writers(n: Annotated[int, Range(1, 64), "how many threads"] = 2) -> Program:
    """n threads, each one write of x: n! interleavings, each a trace of its own."""
    return Program(
        numbered(*(partial(write, "x", number) for number in range(1, n + 1))), memory={"x": 0}, name="writers"
    )


def read_own_then(number: int, location: str) -> Steps:
    """Read a variable that no other thread touches, then the shared one."""
    yield Read(("own", number))
    yield Read(location)


@scenario(summary="One thread writes x; the others each read a variable of their own, then x.")
def readers(n: Annotated[int, Range(1, 64), "how many readers"] = 2) -> Program:
    """One write of x beside n readers that first read a variable of their own: 2ⁿ traces."""
    return Program(
        numbered(partial(write, "x", 1), *(partial(read_own_then, number, "x") for number in range(n))),
        memory={"x": 0, **{("own", number): 0 for number in range(n)}},
        name="readers",
    )


def write_then_read(location: str, value: object, *then: str) -> Steps:
    """One write, then reads."""
    yield Write(location, value)
    for each in then:
        yield Read(each)


def write_both(first: str, second: str) -> Steps:
    """Two writes."""
    yield Write(first, 1)
    yield Write(second, 1)


@scenario(summary="Coherence of x, seen by two threads, while others write y and z.")
def coa(n: Annotated[int, Range(1, 64), "one more than there are writers of y and z"] = 2) -> Program:
    """Write x; read y; read x beside write x; read z; read x beside n − 1 times: write y; write z."""
    return Program(
        numbered(
            partial(write_then_read, "x", 1, "y", "x"),
            partial(write_then_read, "x", 2, "z", "x"),
            *[partial(write_both, "y", "z")] * (n - 1),
        ),
        memory={"x": 0, "y": 0, "z": 0},
        name="coa",
    )


def read_then_overwrite(location: str, value: object) -> Steps:
    """Read, then write a value that does not depend on it."""
    yield Read(location)
    yield Write(location, value)


@scenario(summary="One thread writes x; the others each read x, then write it.")
def wrw(n: Annotated[int, Range(1, 64), "how many threads read and write"] = 2) -> Program:
    """One write of x beside n times: read x; write x."""
    return Program(
        numbered(partial(write, "x", 1), *[partial(read_then_overwrite, "x", 2)] * n), memory={"x": 0}, name="wrw"
    )


def poll(times: int) -> Steps:
    """Look at the flag at most so often; once it is set, read what it announces."""
    for _ in range(times):
        if (yield Read("flag")):
            yield Read("x")
            return


@scenario(summary="One thread writes x and sets a flag; the other polls the flag, then reads x.")
def publish(k: Annotated[int, Range(1, 1000), "how often the flag is polled at most"] = 41) -> Program:
    """Write x; write flag beside a thread that polls the flag up to k times and reads x once it is set: k + 1 traces."""
    return Program(
        numbered(partial(write_both, "x", "flag"), partial(poll, k)), memory={"x": 0, "flag": 0}, name="publish"
    )
