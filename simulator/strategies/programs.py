"""Random small programs. Knows what a small program looks like, and nothing of what can go wrong in it.

A program is well-formed as far as locks go: a thread gives back what it took, and does not wait for a plain lock that it
holds itself. It shrinks to fewer threads, to fewer statements, and to statements that stand earlier in the grammar.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterable, Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from simulator.errors import UsageError
from simulator.ops import show_name
from simulator.program import Program
from simulator.strategies.limits import Limits, limits
from simulator.strategies.orders import lock_orders
from simulator.strategies.source import (
    Await,
    Block,
    If,
    Locked,
    Loop,
    Simple,
    SourceProgram,
    Statement,
    Try,
    operations_in,
)

__all__ = ["programs"]

DEPTH = 2
"""How deep blocks are nested in each other."""

LOCATION = 1_000
"""The number that stands for the first location, while a program is drawn."""

_VALUES = st.integers(0, 2)


def programs(
    *,
    threads: Limits = (2, 3),
    operations: int = 5,
    locations: Sequence[Hashable] = ("x", "y"),
    locks: Sequence[Hashable] = ("l", "m"),
    rlocks: Sequence[Hashable] = (),
    atomics: bool = True,
    try_locks: bool = True,
    branches: bool = True,
    loops: bool = True,
    checks: bool = False,
    endless: bool = False,
) -> SearchStrategy[Program]:
    """Small programs whose repr is the Python that they stand for.

    `threads` is how many, a number or (least, most); `operations` how many each does at most, loops unrolled; all
    `locations` hold 0 at first. Threads read and write, take `locks` one inside another (and `rlocks`, the re-entrant ones,
    again), and pause; besides, there may be updates and compare-and-swaps (`atomics`), try-locks, branches on what was read
    last, loops of two turns, `checks` that fail at times, and `endless` waiting for a value.

    Some threads are alike, and so interchangeable. Raises UsageError for arguments that no program can be made of.

    >>> from hypothesis import find
    >>> find(programs(), lambda program: True)
    from simulator import Pause, Program
    <BLANKLINE>
    def t0():
        yield Pause()
    <BLANKLINE>
    program = Program({'t0': t0, 't1': t0}, memory={'x': 0, 'y': 0}, locks=('l', 'm'))
    """
    grammar = _Grammar(
        tuple(locations),
        tuple(locks),
        tuple(rlocks),
        atomics=atomics,
        try_locks=try_locks,
        branches=branches,
        loops=loops,
        checks=checks,
        endless=endless,
    )
    low, high = limits(threads, "threads", least=1)
    if operations < 1:
        raise UsageError(f"operations is {operations}, expected a number from 1")
    return _programs(grammar, grammar.thread(operations), low, high)


class _Grammar:
    """What statements there are, and the strategies of blocks of them: each made once."""

    def __init__(
        self,
        locations: tuple[Hashable, ...],
        locks: tuple[Hashable, ...],
        rlocks: tuple[Hashable, ...],
        *,
        atomics: bool,
        try_locks: bool,
        branches: bool,
        loops: bool,
        checks: bool,
        endless: bool,
    ) -> None:
        for name in (*locations, *locks, *rlocks):
            _check_name(name)
        self.locations = locations
        self.locks = locks
        self.rlocks = rlocks
        self.checks = checks
        # Numbers that are drawn for nothing else: Hypothesis lowers equal ones together, so that all of them can become the
        # first location at once.
        self.location = st.integers(LOCATION, LOCATION + len(locations) - 1).map(lambda n: locations[n - LOCATION])
        # In the order in which they shrink, the simplest first, and those together that are drawn alike: so each can become the
        # one before it. How often one stands there is how often it is drawn.
        self.kinds: list[tuple[str, int]] = []
        self._add(["pause", "add"], 1, True)
        self._add(["read", "write on", "write"], 1, locations)
        self._add(["update", "swap"], 1, locations and atomics)
        self._add(["write value"], 1, locations)
        self._add(["lock"] * 2, 2, locks or rlocks)
        self._add(["nest"] * 4, 4, len({*locks, *rlocks}) > 1)
        self._add(["try"], 2, (locks or rlocks) and try_locks)
        self._add(["if"], 1, locations and branches)
        self._add(["loop"], 2, loops)
        self._add(["await"], 2, locations and endless)
        self._add(["check"], 0, checks)
        self._kinds: dict[tuple[int, tuple[Hashable, ...], bool], SearchStrategy[str]] = {}
        self._blocks: dict[tuple[int, tuple[Hashable, ...], int], SearchStrategy[Block]] = {}
        self._nests: dict[tuple[int, tuple[Hashable, ...]], SearchStrategy[tuple[Hashable, ...]]] = {}

    def _add(self, kinds: Iterable[str], operations: int, wanted: object) -> None:
        if wanted:
            self.kinds.extend((kind, operations) for kind in kinds)

    def free(self, held: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
        """The locks that a thread can take without waiting for itself."""
        return (*(lock for lock in self.locks if lock not in held), *self.rlocks)

    def kind(self, size: int, held: tuple[Hashable, ...], depth: int) -> SearchStrategy[str]:
        """The kinds of statements of at most `size` operations that fit into a block."""
        key = (size, held, depth > 0)
        if key not in self._kinds:
            free = len(self.free(held))
            needs = {"lock": 1, "try": 1, "nest": 2}
            self._kinds[key] = st.sampled_from(
                [
                    kind
                    for kind, operations in self.kinds
                    if operations <= size
                    and (depth > 0 or kind not in (*needs, "if", "loop"))
                    and needs.get(kind, 0) <= free
                ]
            )
        return self._kinds[key]

    def nest(self, size: int, held: tuple[Hashable, ...]) -> SearchStrategy[tuple[Hashable, ...]]:
        """Two locks or more to take one inside another, in at most `size` operations."""
        free = self.free(held)
        most = min(len(free), size // 2)
        if (most, free) not in self._nests:
            self._nests[most, free] = lock_orders(free, size=(2, most))
        return self._nests[most, free]

    def thread(self, size: int) -> SearchStrategy[Block]:
        """Blocks that yield at most `size` operations, and one at least where no branch is taken past it."""
        statements = st.lists(_statement(self, size, (), DEPTH), min_size=1, max_size=size)
        return statements.map(lambda found: _fitting(found, size)).map(
            lambda block: block if operations_in(block) else (*block, Simple("yield Pause()"))
        )

    def block(self, size: int, held: tuple[Hashable, ...], depth: int) -> SearchStrategy[Block]:
        """Blocks that yield at most `size` operations."""
        key = (size, held, depth)
        if key not in self._blocks:
            self._blocks[key] = (
                st.lists(_statement(self, size, held, depth), max_size=size).map(lambda found: _fitting(found, size))
                if size
                else st.just(())
            )
        return self._blocks[key]


def _fitting(statements: Iterable[Statement], size: int) -> Block:
    """Those that fit into so many operations, each if those before it leave enough."""
    fitting: list[Statement] = []
    for statement in statements:
        if statement.operations <= size:
            fitting.append(statement)
            size -= statement.operations
    return tuple(fitting)


@st.composite
def _statement(draw: st.DrawFn, grammar: _Grammar, size: int, held: tuple[Hashable, ...], depth: int) -> Statement:
    kind = draw(grammar.kind(size, held, depth))
    match kind:
        case "read":
            return Simple(f"r = yield Read({draw(grammar.location)!r})")
        case "write on":
            return Simple(f"yield Write({draw(grammar.location)!r}, r + 1)")
        case "write":
            return Simple(f"yield Write({draw(grammar.location)!r}, 1)")
        case "write value":
            return Simple(f"yield Write({draw(grammar.location)!r}, {draw(_VALUES)})")
        case "pause":
            return Simple("yield Pause()")
        case "add":
            return Simple("r = yield Add(r, 1)")
        case "update":
            return Simple(f"r = yield Update({draw(grammar.location)!r}, operator.add, 1)")
        case "swap":
            return Simple(f"r = yield CompareAndSwap({draw(grammar.location)!r}, r, r + 1)")
        case "check":
            return Simple(f"yield Check(r != {draw(_VALUES)}, 'r was read last')", 0)
        case "await":
            return Await(draw(grammar.location), draw(_VALUES))
        case "lock" | "nest":
            order = draw(grammar.nest(size, held)) if kind == "nest" else (draw(st.sampled_from(grammar.free(held))),)
            block = draw(grammar.block(size - 2 * len(order), _with(held, *order), depth - 1))
            for lock in reversed(order):
                block = (Locked(lock, block, grammar.checks and draw(st.booleans())),)
            return block[0]
        case "try":
            lock = draw(st.sampled_from(grammar.free(held)))
            block = draw(grammar.block(size - 2, _with(held, lock), depth - 1))
            return Try(lock, block, draw(grammar.block(size - 1, held, depth - 1)))
        case "if":
            block = draw(grammar.block(size, held, depth - 1))
            return If(draw(_VALUES), block, draw(grammar.block(size, held, depth - 1)))
        case "loop":
            return Loop(2, draw(grammar.block(size // 2, held, depth - 1)))
    raise AssertionError(kind)


def _with(held: tuple[Hashable, ...], *locks: Hashable) -> tuple[Hashable, ...]:
    """What is held, in an order that does not depend on how it was taken."""
    return tuple(sorted({*held, *locks}, key=repr))


@st.composite
def _programs(draw: st.DrawFn, grammar: _Grammar, thread: SearchStrategy[Block], low: int, high: int) -> Program:
    # To say "like that one" is simpler than to draw another like it, so that a program shrinks to few different threads.
    alike = draw(st.integers(0, 3)) == 0
    blocks = draw(st.lists(thread, min_size=1 if alike else low, max_size=high))
    if alike:
        which = st.integers(0, len(blocks) - 1)
        copies = draw(st.lists(which, min_size=max(0, low - len(blocks)), max_size=max(high - 1, 1)))
        blocks = [*blocks, *(blocks[number] for number in copies)][:high]
    return SourceProgram.of(
        blocks, memory=dict.fromkeys(grammar.locations, 0), locks=grammar.locks, rlocks=grammar.rlocks
    )


def _check_name(name: Hashable) -> None:
    try:
        same = bool(ast.literal_eval(repr(name)) == name)
    except (ValueError, SyntaxError):
        same = False
    if not same:
        raise UsageError(
            f"{show_name(name)} cannot be the name of a location or a lock here: programs are drawn as Python source, so "
            "use text, a number or a tuple of such"
        )
