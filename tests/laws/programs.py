"""Small random programs: as values that print as the Python they stand for, and as a Hypothesis strategy.

A thread is a block of statements over one register `r`, a local list `log`, the locations x and y, the plain locks l
and m and the re-entrant lock k. It is rendered as the source of a generator function and compiled, and not
interpreted: so its loops, branches and half-evaluated expressions are the interpreter's own, which is what merging
has to get right.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

from simulator import ops
from simulator.program import Body, Program

LOCATIONS = ("x", "y")
LOCKS = ("l", "m")
REENTRANT = ("k",)


class Statement:
    """One statement; `lines` is its source, `operations` how many it yields at most, loops unrolled."""

    __slots__ = ()

    def lines(self) -> Iterable[str]:
        raise NotImplementedError

    @property
    def operations(self) -> int:
        return 1


Block = tuple[Statement, ...]


def _indented(block: Block) -> list[str]:
    lines = [line for statement in block for line in statement.lines()]
    return [f"    {line}" for line in lines or ["pass"]]


def _operations(block: Block) -> int:
    return sum(statement.operations for statement in block)


@dataclass(frozen=True, slots=True)
class Simple(Statement):
    """A single line."""

    text: str
    operations_in_it: int = 1

    def lines(self) -> Iterable[str]:
        return [self.text]

    @property
    def operations(self) -> int:
        return self.operations_in_it


@dataclass(frozen=True, slots=True)
class Locked(Statement):
    """Acquire, block, release; `safely` puts the release into a `finally`."""

    lock: str
    block: Block
    safely: bool

    def lines(self) -> Iterable[str]:
        yield f"yield Acquire({self.lock!r})"
        if self.safely:
            yield "try:"
            yield from _indented(self.block)
            yield "finally:"
            yield f"    yield Release({self.lock!r})"
        else:
            yield from (line for statement in self.block for line in statement.lines())
            yield f"yield Release({self.lock!r})"

    @property
    def operations(self) -> int:
        return 2 + _operations(self.block)


@dataclass(frozen=True, slots=True)
class Try(Statement):
    """Try a lock, and branch on the answer."""

    lock: str
    block: Block
    otherwise: Block

    def lines(self) -> Iterable[str]:
        yield f"if (yield TryAcquire({self.lock!r})):"
        yield from _indented(self.block)
        yield f"    yield Release({self.lock!r})"
        yield "else:"
        yield from _indented(self.otherwise)

    @property
    def operations(self) -> int:
        return 1 + max(1 + _operations(self.block), _operations(self.otherwise))


@dataclass(frozen=True, slots=True)
class If(Statement):
    """Branch on the register."""

    value: int
    block: Block
    otherwise: Block

    def lines(self) -> Iterable[str]:
        yield f"if r == {self.value}:"
        yield from _indented(self.block)
        yield "else:"
        yield from _indented(self.otherwise)

    @property
    def operations(self) -> int:
        return max(_operations(self.block), _operations(self.otherwise))


@dataclass(frozen=True, slots=True)
class Loop(Statement):
    """The block, several times."""

    times: int
    block: Block

    def lines(self) -> Iterable[str]:
        yield f"for _ in range({self.times}):"
        yield from _indented(self.block)

    @property
    def operations(self) -> int:
        return self.times * _operations(self.block)


@dataclass(frozen=True, slots=True)
class Caught(Statement):
    """The block, with the misuse of a lock caught."""

    block: Block

    def lines(self) -> Iterable[str]:
        yield "try:"
        yield from _indented(self.block)
        yield "except RuntimeError:"
        yield "    r = 7"

    @property
    def operations(self) -> int:
        return _operations(self.block)


@dataclass(frozen=True, slots=True)
class Await(Statement):
    """Wait for a value, without end: a program with this one may run for ever."""

    location: str
    value: int

    def lines(self) -> Iterable[str]:
        yield f"while (yield Read({self.location!r})) != {self.value}:"
        yield "    yield Pause()"

    @property
    def operations(self) -> int:
        return 2


@dataclass(frozen=True, slots=True)
class Small:
    """A small program; its repr is its source."""

    threads: tuple[Block, ...]

    @property
    def endless(self) -> bool:
        return "while" in repr(self)

    def sources(self) -> tuple[str, ...]:
        return tuple(map(_source, self.threads))

    def program(self, *, apart: bool = False, order: Iterable[int] | None = None) -> Program:
        """The program. Threads with one source are interchangeable, unless `apart`; `order` is another order."""
        sources = self.sources()
        chosen = range(len(sources)) if order is None else order
        bodies = {f"t{number}": _body(sources[at], number if apart else None) for number, at in enumerate(chosen)}
        return Program(
            bodies,
            memory=dict.fromkeys(LOCATIONS, 0),
            locks=LOCKS,
            rlocks=REENTRANT,
            always={"x stays below 4": lambda memory: memory["x"] < 4},
            finally_={"y ends below 3": lambda memory: memory["y"] < 3},
        )

    def __repr__(self) -> str:
        return "\n" + "\n".join(f"# t{number}\n{source}" for number, source in enumerate(self.sources()))


def _source(block: Block) -> str:
    return "\n".join(["def body():", "    r = 0", "    log = []", *_indented(block), "    yield from ()"])


@cache
def _body(source: str, apart: int | None) -> Body:
    """The generator function. `apart` makes another one of the same source, not interchangeable with it."""
    names: dict[str, Any] = {name: getattr(ops, name) for name in ops.__all__}
    names |= {"operator": operator, "apart": apart}
    exec(compile(source, "body.py", "exec"), names)
    body: Body = names["body"]
    return body


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
