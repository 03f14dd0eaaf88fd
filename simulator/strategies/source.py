"""Programs made of statements: values that are rendered as Python source, which is then run.

A thread is a block of statements over one register `r` and a local list `log`. It is rendered as the source of a generator
function and compiled, and not interpreted: so its loops, branches and half-evaluated expressions are the interpreter's own.
What a program prints is the module that it was made from. Nothing here knows how statements are chosen.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from simulator import ops
from simulator.program import Program, Property

__all__ = [
    "Await",
    "Block",
    "Caught",
    "If",
    "Locked",
    "Loop",
    "Simple",
    "SourceProgram",
    "Statement",
    "Try",
    "operations_in",
    "source_of",
]


class Statement(ABC):
    """One statement; `lines` is its source, `operations` how many it yields at most, loops unrolled."""

    __slots__ = ()

    @abstractmethod
    def lines(self) -> Iterable[str]:
        """The source, without indentation."""

    @property
    def operations(self) -> int:
        """How many operations it yields at most."""
        return 1


Block = tuple[Statement, ...]


def operations_in(block: Iterable[Statement]) -> int:
    """How many operations a block yields at most.

    >>> operations_in([Locked("l", (Simple("yield Write('x', 1)"),))])
    3
    """
    return sum(statement.operations for statement in block)


def _lines(block: Block) -> list[str]:
    return [line for statement in block for line in statement.lines()]


def _indented(block: Block) -> list[str]:
    return [f"    {line}" for line in _lines(block) or ["pass"]]


def _otherwise(block: Block) -> list[str]:
    return ["else:", *_indented(block)] if block else []


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

    lock: Hashable
    block: Block
    safely: bool = False

    def lines(self) -> Iterable[str]:
        yield f"yield Acquire({self.lock!r})"
        if self.safely:
            yield "try:"
            yield from _indented(self.block)
            yield "finally:"
            yield f"    yield Release({self.lock!r})"
        else:
            yield from _lines(self.block)
            yield f"yield Release({self.lock!r})"

    @property
    def operations(self) -> int:
        return 2 + operations_in(self.block)


@dataclass(frozen=True, slots=True)
class Try(Statement):
    """Try a lock, and branch on the answer."""

    lock: Hashable
    block: Block
    otherwise: Block

    def lines(self) -> Iterable[str]:
        yield f"if (yield TryAcquire({self.lock!r})):"
        yield from _indented(self.block) if self.block else ()
        yield f"    yield Release({self.lock!r})"
        yield from _otherwise(self.otherwise)

    @property
    def operations(self) -> int:
        return 1 + max(1 + operations_in(self.block), operations_in(self.otherwise))


@dataclass(frozen=True, slots=True)
class If(Statement):
    """Branch on the register."""

    value: object
    block: Block
    otherwise: Block

    def lines(self) -> Iterable[str]:
        yield f"if r == {self.value!r}:"
        yield from _indented(self.block)
        yield from _otherwise(self.otherwise)

    @property
    def operations(self) -> int:
        return max(operations_in(self.block), operations_in(self.otherwise))


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
        return self.times * operations_in(self.block)


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
        return operations_in(self.block)


@dataclass(frozen=True, slots=True)
class Await(Statement):
    """Wait for a value, without end: a program with this one may run for ever."""

    location: Hashable
    value: object

    def lines(self) -> Iterable[str]:
        yield f"while (yield Read({self.location!r})) != {self.value!r}:"
        yield "    yield Pause()"

    @property
    def operations(self) -> int:
        return 2


def source_of(name: str, block: Block) -> str:
    """The source of one thread, as a generator function.

    >>> print(source_of("t0", (Simple("yield Write('x', 1)"),)))
    def t0():
        yield Write('x', 1)
    """
    lines = _lines(block)
    text = "\n".join(lines)
    # Both may be read before anything was put there; and what yields nothing is to be a generator all the same.
    reads = re.sub(r"^ *r = ", "", text, flags=re.MULTILINE)
    before = [line for line in ("r = 0", "log = []") if re.search(rf"\b{line.split()[0]}\b", reads)]
    after = [] if "yield" in text else ["yield from ()"]
    return "\n".join([f"def {name}():", *(f"    {line}" for line in (*before, *lines, *after))])


@dataclass(frozen=True, eq=False, repr=False)
class SourceProgram(Program):
    """A program that was made from the source of a module, and prints as it.

    The source can be saved as a file, and is a scenario then (`path/to/file.py:program`). Properties given beside it are
    the program's but are not in the source.
    """

    source: str = ""

    @classmethod
    def of(
        cls,
        threads: Sequence[Block],
        *,
        memory: Mapping[Hashable, object],
        locks: Sequence[Hashable] = (),
        rlocks: Sequence[Hashable] = (),
        apart: bool = False,
        finally_: Property | Mapping[str, Property] | None = None,
        always: Property | Mapping[str, Property] | None = None,
    ) -> SourceProgram:
        """The program of some blocks, whose threads are called `t0`, `t1`, …

        Like blocks are one function, so that their threads are interchangeable, unless these are kept `apart`. The names
        of locations and locks, and the values that the memory begins with, must have a repr that Python reads.

        >>> SourceProgram.of([(Simple("yield Write('x', 1)"),)] * 2, memory={"x": 0})
        from simulator import Program, Write
        <BLANKLINE>
        def t0():
            yield Write('x', 1)
        <BLANKLINE>
        program = Program({'t0': t0, 't1': t0}, memory={'x': 0})
        """
        source = _module(threads, memory, locks, rlocks, apart)
        made = _run(source)
        return cls(
            made.bodies,
            memory=made.memory,
            locks=made.locks,
            rlocks=made.rlocks,
            finally_=finally_,
            always=always,
            source=source,
        )

    def __repr__(self) -> str:
        return self.source

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For Hypothesis, which prints `program=` before it: every line on a line of its own, indented alike."""
        with printer.indent(4):
            for line in self.source.splitlines():
                printer.break_()
                printer.text(line)


def _module(
    threads: Sequence[Block],
    memory: Mapping[Hashable, object],
    locks: Sequence[Hashable],
    rlocks: Sequence[Hashable],
    apart: bool,
) -> str:
    functions: dict[str, str] = {}
    bodies: dict[str, str] = {}
    first: dict[str, str] = {}
    for number, block in enumerate(threads):
        name = f"t{number}"
        bodies[name] = name if apart else first.setdefault("\n".join(_lines(block)), name)
        if bodies[name] == name:
            functions[name] = source_of(name, block)
    shown = ", ".join(f"{thread!r}: {function}" for thread, function in bodies.items())
    arguments = [f"{{{shown}}}", f"memory={dict(memory)!r}"]
    arguments += [f"{kind}={tuple(names)!r}" for kind, names in (("locks", locks), ("rlocks", rlocks)) if names]
    text = "\n\n".join([*functions.values(), f"program = Program({', '.join(arguments)})"])
    used = sorted({"Program", *ops.__all__} & set(re.findall(r"\b([A-Z]\w+)\(", text)))
    imports = [f"from simulator import {', '.join(used)}"]
    if "operator." in text:
        imports.insert(0, "import operator\n")
    return "\n\n".join(["\n".join(imports), text])


@lru_cache(maxsize=256)
def _run(source: str) -> Program:
    """The program that a module's source makes."""
    names: dict[str, Any] = {"__name__": "drawn"}
    exec(compile(source, "drawn.py", "exec"), names)
    program: Program = names["program"]
    return program
