"""Compare-and-swaps of one location. One that fails only reads, so what depends on what is known only as it runs."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from scenarios.published.parts import Steps, numbered, write
from simulator.ops import CompareAndSwap, Write
from simulator.program import Program
from simulator.scenario import Range, scenario

__all__ = ["cas", "casrot", "casw", "wcas"]


def swap(expected: int, new: int) -> Steps:
    """One compare-and-swap of x."""
    yield CompareAndSwap("x", expected, new)


def swap_then_write(value: int) -> Steps:
    """Swap x from 0 to 1, then write it whether that succeeded or not."""
    yield CompareAndSwap("x", 0, 1)
    yield Write("x", value)


@scenario(summary="Threads each swap x from 0 to a value of their own; the first one succeeds.")
def cas(n: Annotated[int, Range(1, 64), "how many threads"] = 2) -> Program:
    """Thread i of 1 to n: compare-and-swap x from 0 to i. n traces: which one is first."""
    return Program(numbered(*(partial(swap, 0, i) for i in range(1, n + 1))), memory={"x": 0}, name="cas")


@scenario(summary="Threads pass x on by swaps from 0 to 1, from 1 to 2, and so on.")
def casrot(n: Annotated[int, Range(1, 64), "how many threads"] = 2) -> Program:
    """Thread i of 1 to n: compare-and-swap x from i − 1 to i."""
    return Program(numbered(*(partial(swap, i - 1, i) for i in range(1, n + 1))), memory={"x": 0}, name="casrot")


@scenario(summary="Threads each swap x from 0 to 1, then write a value of their own to x.")
def casw(n: Annotated[int, Range(1, 64), "how many threads"] = 2) -> Program:
    """Thread i of 0 to n − 1: compare-and-swap x from 0 to 1; write x = i + 3, whether it succeeded or not."""
    return Program(numbered(*(partial(swap_then_write, i + 3) for i in range(n))), memory={"x": 0}, name="casw")


@scenario(summary="One thread writes 2 to x; the others each swap x from 2 to 3.")
def wcas(n: Annotated[int, Range(1, 64), "how many threads swap"] = 2) -> Program:
    """Write x = 2 beside n times: compare-and-swap x from 2 to 3. 1 + n·2ⁿ⁻¹ traces."""
    return Program(numbered(partial(write, "x", 2), *[partial(swap, 2, 3)] * n), memory={"x": 0}, name="wcas")
