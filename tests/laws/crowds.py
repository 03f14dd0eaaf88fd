"""Programs of many short threads: where a search that leaves out interleavings loses a trace, if it does.

Two long threads hardly ever show it. What shows it is a race whose reversal needs the steps of a third and a fourth
thread, and a branch that is taken in the reversal only: `W x || W z || W x || R z || r = R x; W x; if r: R z`. So there
are three to five threads here, of one to four operations over two locations and three locks, and most of them touch the
same thing. No program has more than 2,520 interleavings, by its sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.laws.programs import Block, Caught, If, Locked, Simple, Small, Statement, Try

Choose = Callable[[Sequence[Any]], Any]
"""One of several: a draw of Hypothesis, or `random.Random.choice`."""

SIZES = (
    (3, 1, 1, 1, 1),
    (3, 1, 1, 1, 1),
    (2, 2, 1, 1, 1),
    (2, 2, 1, 1, 1),
    (4, 1, 1, 1),
    (4, 2, 1, 1),
    (3, 2, 1, 1),
    (3, 2, 1, 1),
    (3, 3, 1, 1),
    (2, 2, 2, 1),
    (2, 2, 2, 2),
    (4, 2, 2),
    (3, 3, 2),
    (3, 3, 3),
)
"""Operations per thread: at most 8! / (2!)^4 = 2,520 interleavings."""

_ACCESSES = (
    *("r = yield Read('x')", "yield Write('x', 1)", "yield Write('x', r + 1)") * 3,
    *("r = yield Read('y')", "yield Write('y', 1)", "yield Write('y', r + 1)") * 2,
    *("yield Write('x', 2)", "yield Write('x', 0)", "yield Write('x', 4)", "yield Write('y', 3)"),
    *("r = yield CompareAndSwap('x', 0, 1)", "r = yield CompareAndSwap('x', 1, 2)", "yield CompareAndSwap('x', r, 3)"),
    *("r = yield CompareAndSwap('y', 0, 1)", "yield CompareAndSwap('y', 1, r)"),
    *("r = yield Update('x', operator.add, 1)", "yield Update('y', operator.add, 1)"),
    *("yield Update('x', lambda value: 2 // value)", "yield Update('y', lambda value: value // r)"),
)
_LOCKING = (
    *("r = yield TryAcquire('l')", "r = yield TryAcquire('m')", "r = yield TryAcquire('k')") * 2,
    *("yield Acquire('l')", "yield Acquire('m')", "yield Acquire('k')") * 2,
    *("yield Release('l')", "yield Release('k')", "yield Pause()"),
)
_STEPLESS = (
    "yield Check(r != 0, 'r is 0')",
    "yield Check(r != 1, 'r is 1')",
    "assert r != 2, 'r is 2'",
    "return",
    "r = r + 1",
)


def _statement(choose: Choose, left: int, depth: int, locking: bool) -> Statement:
    kind = choose(range(16))
    within = (depth - 1, locking)
    if kind in (8, 9) and depth and left >= 2:
        return Locked(choose(("l", "l", "m", "k")), _block(choose, left - 2, *within), choose((False, True)))
    if kind in (10, 11) and depth and left >= 2:
        lock = choose(("l", "l", "m", "k"))
        return Try(lock, _block(choose, left - 2, *within), _block(choose, left - 1, *within))
    if kind == 12 and depth:
        return If(choose((0, 1, 2)), _block(choose, left, *within), _block(choose, choose((0, left)), *within))
    if kind == 13 and depth:
        return Caught(_block(choose, left, *within))
    if kind >= 14:
        return Simple(choose(_STEPLESS), 0)
    return Simple(choose(_LOCKING if locking and choose((False, True)) else _ACCESSES))


def _block(choose: Choose, size: int, depth: int, locking: bool) -> Block:
    found: list[Statement] = []
    left = size
    while left > 0 and len(found) < 4:
        found.append(_statement(choose, left, depth, locking))
        left -= found[-1].operations
    return tuple(found)


def crowd(choose: Choose) -> Small:
    """A program of three to five short threads, in any order; now and then two are alike."""
    left = list(choose(SIZES))
    locking = choose((False, False, True))
    made: list[Block] = []
    while left:
        size = choose(left)
        left.remove(size)
        alike = [block for block in made if sum(statement.operations for statement in block) == size]
        if alike and choose(range(6)) == 0:
            made.append(choose(alike))
        else:
            made.append(_block(choose, size, 2, locking))
    return Small(tuple(made))


@st.composite
def crowds(draw: st.DrawFn) -> Small:
    """Three to five short threads."""
    return crowd(lambda options: draw(st.sampled_from(options)))
