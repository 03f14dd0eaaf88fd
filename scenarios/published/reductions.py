"""Small programs on which partial-order reductions are told apart: where one explores too much, or loses a trace."""

from __future__ import annotations

from functools import partial

from scenarios.published.parts import Steps, numbered, read, write
from simulator.ops import Read, Write
from simulator.program import Program
from simulator.scenario import scenario

__all__ = ["notdep_trap", "popl_optimal_example", "sleeping_races"]


def set_z_unless_y() -> Steps:
    """Write z if y is still 0."""
    if (yield Read("y")) == 0:
        yield Write("z", 1)


def set_x_if_z_and_not_y() -> Steps:
    """Write x if z is set, and y is still 0."""
    if (yield Read("z")) == 1 and (yield Read("y")) == 0:
        yield Write("x", 2)


@scenario(summary="The example on which source sets explore more than optimal DPOR: five traces.")
def popl_optimal_example() -> Program:
    """Write x = 1 beside write y = 1 beside (y?; if 0: z = 1) beside (z?; if 1: y?; if 0: x = 2)."""
    return Program(
        numbered(partial(write, "x", 1), partial(write, "y", 1), set_z_unless_y, set_x_if_z_and_not_y),
        memory={"x": 0, "y": 0, "z": 0},
        name="popl-optimal-example",
    )


def read_y_write_z() -> Steps:
    """Read y, then write z whatever it was."""
    yield Read("y")
    yield Write("z", 1)


def read_on_while_set() -> Steps:
    """Read y, z, x and w, as long as each before is set."""
    if (yield Read("y")) and (yield Read("z")) and (yield Read("x")):
        yield Read("w")


@scenario(summary="Races that show only behind other races: ten traces.")
def sleeping_races() -> Program:
    """Write w, write x and write y beside (read y; write z) beside (if y: if z: if x: read w)."""
    return Program(
        numbered(*(partial(write, location, 1) for location in "wxy"), read_y_write_z, read_on_while_set),
        memory=dict.fromkeys("wxyz", 0),
        name="sleeping-races",
    )


def read_write_then_perhaps_read() -> Steps:
    """Read and write x; read z if x was set."""
    before = yield Read("x")
    yield Write("x", 1)
    if before != 0:
        yield Read("z")


@scenario(summary="A trap for optimal DPOR: one that inserts too short a sequence finds 30 of the 36 traces.")
def notdep_trap() -> Program:
    """Write x beside write z beside write x beside read z beside (read x; write x; if x was not 0: read z)."""
    return Program(
        numbered(
            partial(write, "x", 1),
            partial(write, "z", 1),
            partial(write, "x", 1),
            partial(read, "z"),
            read_write_then_perhaps_read,
        ),
        memory={"x": 0, "z": 0},
        name="notdep-trap",
    )
