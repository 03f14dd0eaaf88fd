"""Small random programs for the laws, out of the statements of `simulator.strategies.source`.

They have the locations x and y, the plain locks l and m and the re-entrant lock k. What is drawn is worse than what
`simulator.strategies.programs` draws: locks that are misused, left held or taken twice, updates that raise, threads that
end in the middle, half-evaluated expressions; for merging and every search have to get these right, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from simulator.program import Program
from simulator.strategies.source import (
    Await,
    Block,
    Caught,
    If,
    Locked,
    Loop,
    Simple,
    SourceProgram,
    Statement,
    Try,
    source_of,
)

__all__ = [
    "Await",
    "Block",
    "Caught",
    "If",
    "Locked",
    "Loop",
    "Simple",
    "Statement",
    "Try",
]

LOCATIONS = ("x", "y")
LOCKS = ("l", "m")
REENTRANT = ("k",)


@dataclass(frozen=True, slots=True)
class Small:
    """A small program; its repr is its source."""

    threads: tuple[Block, ...]

    @property
    def endless(self) -> bool:
        return "while" in repr(self)

    def program(self, *, apart: bool = False, order: Iterable[int] | None = None) -> Program:
        """The program. Threads with one source are interchangeable, unless `apart`; `order` is another order."""
        chosen = range(len(self.threads)) if order is None else order
        return SourceProgram.of(
            [self.threads[at] for at in chosen],
            memory=dict.fromkeys(LOCATIONS, 0),
            locks=LOCKS,
            rlocks=REENTRANT,
            apart=apart,
            always={"x stays below 4": lambda memory: memory["x"] < 4},
            finally_={"y ends below 3": lambda memory: memory["y"] < 3},
        )

    def __repr__(self) -> str:
        return "\n" + "\n\n".join(source_of(f"t{number}", block) for number, block in enumerate(self.threads))


# -- strategies

locations = st.sampled_from(LOCATIONS)
locks = st.sampled_from((*LOCKS, *LOCKS, *REENTRANT))
values = st.integers(0, 2)

_SIMPLE = [
    (4, st.builds("r = yield Read({0!r})".format, locations)),
    (4, st.builds("yield Write({0!r}, {1})".format, locations, values)),
    (4, st.builds("yield Write({0!r}, r + {1})".format, locations, values)),
    (1, st.just("r = yield Add(r, 1)")),
    (2, st.builds("r = yield Update({0!r}, operator.add, 1)".format, locations)),
    (1, st.builds("yield Update({0!r}, lambda value: 2 * value + 1)".format, locations)),
    (1, st.builds("yield Update({0!r}, lambda value: 2 // value)".format, locations)),
    (3, st.builds("r = yield CompareAndSwap({0!r}, {1}, {2})".format, locations, values, values)),
    (1, st.builds("yield CompareAndSwap({0!r}, r, {1})".format, locations, values)),
    (2, st.builds("yield Acquire({0!r})".format, locks)),
    (1, st.builds("r = yield TryAcquire({0!r})".format, locks)),
    (2, st.builds("yield Release({0!r})".format, locks)),
    (1, st.just("yield Pause()")),
]
_STEPLESS = [
    st.builds("yield Check(r != {0}, 'r is {0}')".format, values),
    st.builds("assert r != {0}, 'r is {0}'".format, values),
    st.just("log.append(r)"),
    st.just("r = len(log)"),
    st.just("return"),
]
_DOUBLE = [
    st.builds("r = (yield Read({0!r})) + (yield Read({1!r}))".format, locations, locations),
    st.builds("log.append((yield Read({0!r}))); yield Write({1!r}, len(log))".format, locations, locations),
]
simple = st.sampled_from([which for weight, which in _SIMPLE for _ in range(weight)]).flatmap(
    lambda which: which.map(Simple)
)
stepless = st.one_of(_STEPLESS).map(lambda text: Simple(text, 0))
double = st.one_of(_DOUBLE).map(lambda text: Simple(text, 2))


@st.composite
def blocks(draw: st.DrawFn, size: int, *, endless: bool, depth: int = 2) -> Block:
    """A block that yields at most `size` operations."""
    found: list[Statement] = []
    left = size
    inside = {"endless": endless, "depth": depth - 1}
    while left > 0 and len(found) < 5:
        kind = draw(st.integers(0, 14)) if depth else draw(st.integers(0, 5))
        statement: Statement
        if kind <= 4:
            statement = draw(simple)
        elif kind == 5:
            statement = draw(stepless)
        elif kind == 6 and left >= 2:
            statement = draw(double)
        elif kind in (7, 8) and left >= 2:
            statement = Locked(draw(locks), draw(blocks(left - 2, **inside)), draw(st.booleans()))
        elif kind == 9 and left >= 4:
            statement = Locked(draw(locks), (Locked(draw(locks), (), draw(st.booleans())),), draw(st.booleans()))
        elif kind == 10 and left >= 2:
            statement = Try(draw(locks), draw(blocks(left - 2, **inside)), draw(blocks(left - 1, **inside)))
        elif kind == 11:
            statement = If(draw(values), draw(blocks(left, **inside)), draw(blocks(left, **inside)))
        elif kind == 12 and left >= 2:
            statement = Loop(2, draw(blocks(left // 2, **inside)))
        elif kind == 13 and endless and left >= 2:
            statement = Await(draw(locations), draw(values))
        elif kind == 14:
            statement = Caught(draw(blocks(left, **inside)))
        else:
            statement = draw(simple)
        found.append(statement)
        left -= statement.operations
        if draw(st.integers(0, 5)) == 0:
            break
    return tuple(found)


@st.composite
def small_programs(draw: st.DrawFn, *, endless: bool = False) -> Small:
    """Two threads of five operations at most, or three of three, three and two; some threads are alike."""
    sizes = draw(st.sampled_from([(5, 5), (4, 4), (3, 3, 2)]))
    made: list[Block] = []
    for size in sizes:
        if made and size == sizes[0] and draw(st.integers(0, 3)) == 0:
            made.append(draw(st.sampled_from(made)))
        else:
            made.append(draw(blocks(size, endless=endless)))
    return Small(tuple(made))


def orders(small: Small) -> list[tuple[int, ...]]:
    """Every order of the threads."""
    return list(itertools.permutations(range(len(small.threads))))


@st.composite
def _nested(draw: st.DrawFn) -> Block:
    """One lock inside another, perhaps under a gate lock, perhaps by trying, perhaps after looking at the memory."""
    first, second = draw(st.permutations(LOCKS))
    inner: Statement
    if draw(st.integers(0, 3)) == 0:
        inner = Try(second, (), ())
    else:
        inner = Locked(second, (draw(simple),) if draw(st.integers(0, 3)) == 0 else (), draw(st.booleans()))
    outer: Statement = Locked(first, (inner,), draw(st.booleans()))
    if draw(st.integers(0, 3)) == 0:
        outer = Locked(REENTRANT[0], (outer,), draw(st.booleans()))
    if draw(st.integers(0, 4)) == 0:
        look: Statement = Simple(f"r = yield Read({draw(locations)!r})")
        return (look, If(draw(values), (outer,), (Locked(second, (), False),)))
    return (draw(simple), outer) if draw(st.integers(0, 4)) == 0 else (outer,)


@st.composite
def tangled_programs(draw: st.DrawFn) -> Small:
    """Two threads that nest locks, in one order or in two; a third one writes at times."""
    made = [draw(_nested()), draw(_nested())]
    if draw(st.integers(0, 3)) == 0:
        made.append((draw(simple),))
    return Small(tuple(made))


any_programs = st.one_of(small_programs(), small_programs(), tangled_programs())
lock_programs = st.one_of(tangled_programs(), tangled_programs(), small_programs())
