"""Functions in ordinary Python, drawn from a small grammar: loads, stores, loops, exceptions, containers, closures.

Each takes a shared box. What goes on for ever in Python is stopped by the box itself, in the model as well.
"""

from __future__ import annotations

# ruff: noqa: E501
import itertools
import linecache
import re
import threading
from collections import deque, namedtuple
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

NUMBERS = itertools.count()
HOLE = re.compile(r"\{([ikxcBLS])\}")


Pair = namedtuple("Pair", "left right")


class Part:
    """A part of the box."""

    def __init__(self, value: int) -> None:
        self.value = value

    def add(self, by: int = 1) -> int:
        self.value += by
        return self.value

    @property
    def double(self) -> int:
        return self.value * 2

    @double.setter
    def double(self, value: int) -> None:
        self.value = value // 2

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


class Box:
    """What drawn functions share."""

    def __init__(self) -> None:
        self.n = 1
        self.m = 2
        self.xs = [3, 1, 2]
        self.d: dict[Any, Any] = {"a": 1, 1: "one"}
        self.s = {1, 2}
        self.q = deque([1, 2])
        self.part = Part(5)
        self.parts = [Part(1), Part(2)]
        self.nested: Any = [[1], [2]]
        self.pair = Pair(1, [2])
        self.err: Any = ValueError(7)
        self.lock = threading.Lock()
        self.turns = 0
        self.out: Any = None

    def turn(self) -> None:
        self.turns += 1
        if self.turns > 12:
            raise OverflowError("too many turns")


EXPRESSIONS = [
    "{i}", "box.n", "box.m", "a", "b", "box.xs[{i}]", "len(box.xs)", "box.d.get('a', {i})", "box.d[{k}]", "box.part.value",
    "box.part.double", "box.part.add({i})", "sum(box.xs)", "({x} + {x})", "({x} - {x})", "({x} if {c} else {x})",
    "[v for v in box.xs if v > {i}]", "sum(v for v in box.xs)", "any(v == {x} for v in box.xs)", "sorted(box.xs)",
    "max(box.xs)", "(lambda v, w={x}: v + w)({x})", "helper({x})", "str({x})", "f'{ box.n }{ box.xs }'", "({x}, {x})", "list(box.d)",
    "box.parts[{i}].value", "next((v for v in box.xs if v > {i}), {i})", "{ v: {i} for v in box.xs }", "min(box.d, key=str)",
    "[*box.xs, {x}]", "box.xs[{i}:]", "box.q[{i}]", "len(box.s)", "(b := {x})", "sorted(box.s)", "isinstance({x}, int)",
    "[p.value for p in box.parts]", "dict(box.d)", "tuple(enumerate(box.xs))", "list(zip(box.xs, box.q))",
    "Pair({x}, {i})", "box.nested.count([{i}])", "box.nested.index([{i}])", "str(box.nested)", "repr(box.err)", "box.pair._replace(left={i})",
    "list(box.d.items())", "max(box.nested)",
]  # fmt: skip
CONDITIONS = [
    "{x} == {x}", "box.n < {i}", "{k} in box.d", "{x} in box.xs", "not box.xs", "box.n == 1 and {c}", "{c} or {c}", "a",
    "0 <= box.n < {i}", "box.part == box.parts[0]", "box.part is box.parts[0]", "box.s", "{i} in box.s", "hasattr(box, 'extra')",
    "box.nested == [[{i}], [2]]", "[{i}] in box.nested", "Pair({i}, {x}) == (1, {x})", "box.d == {'a': {x}, 1: 'one'}",
    "box.pair == ({i}, box.nested[1])", "isinstance(box.err, KeyError)", "[box.xs, {i}] < [[{i}], {i}]", "box.d.items() == {('a', {i})}",
]  # fmt: skip
SIMPLE = [
    "box.n = {x}", "box.m = {x}", "box.n += {i}", "a = {x}", "b = {x}", "a += {i}", "box.xs[{i}] = {x}", "box.d[{k}] = {x}",
    "box.d[{k}] += {i}", "box.xs.append({x})", "box.xs.pop()", "box.xs += [{x}]", "box.part.value = {x}", "box.part.double = {i}",
    "box.part.double += {i}", "del box.d[{k}]", "box.d.pop({k}, None)", "box.d.setdefault({k}, {x})", "box.s.add({i})",
    "box.s.discard({i})", "box.s |= { {i} }", "box.q.append({x})", "box.q.popleft()", "box.part = box.parts[{i}]",
    "box.parts[0], box.part = box.part, box.parts[1]", "box.part = Part({i})", "box.parts.append(Part({i}))", "a, *b = box.xs",
    "box.xs.sort(key=lambda v: -v)", "box.xs.remove({i})", "box.extra = {x}", "del box.extra", "raise ValueError({x})", "pass",
    "box.out = {x}", "helper({i})", "box.d.update(z={x})", "box.xs = list(box.xs)", "assert {c}, {x}", "box.out = (a, b)",
    "box.xs.extend(v for v in (1, {i}))", "box.q.rotate({i})", "box.xs[{i}:] = [{x}]", "box.out = [a, box.xs]",
    "box.nested[{i}].append({i})", "box.nested.append([{i}])", "box.nested.remove([{i}])", "box.err = KeyError({i})", "raise box.err",
    "box.pair = Pair({x}, box.xs)", "box.out = {'err': box.err, 'pair': box.pair}",
]  # fmt: skip
BLOCKS = [
    "if {c}:\n{B}", "if {c}:\n{B}else:\n{B}", "for a in range({i}):\n{L}", "for a in box.xs:\n    box.turn()\n{L}",
    "while {c}:\n    box.turn()\n{L}", "while {c}:\n    box.turn()\n{L}else:\n{B}", "try:\n{B}except ValueError as e:\n    b = str(e)\n{B}",
    "try:\n{B}except (KeyError, IndexError):\n{B}else:\n{B}finally:\n{B}", "try:\n{B}finally:\n{B}", "with box.lock:\n{S}",
    "for key in list(box.d):\n    box.turn()\n{L}", "for i, b in enumerate(box.xs):\n    box.turn()\n{L}",
    "for p in box.parts:\n    box.turn()\n    p.value += {i}\n{L}", "try:\n{B}except Exception as e:\n    box.out = repr(e)\n",
    "def inner(v={x}):\n    nonlocal a\n    a = v\n    return box.n\nb = inner()\n",
    "try:\n{B}except Exception as e:\n    box.err = e\n",
    "match {x}:\n    case [1, *a] | (a, _):\n        b = a\n    case int(b) if b > {i}:\n        box.m = b\n    case {1: a, **b}:\n        pass\n",
]  # fmt: skip


HEAD = """\
def drawn(box):
    a, b = box.n, 0
    def helper(v):
        nonlocal b
        b = v
        box.m = b
        return box.n
"""


class _Drawn:
    """A function under way."""

    def __init__(self, draw: Callable[..., Any]) -> None:
        self.draw = draw

    def one_of(self, choices: list[str]) -> str:
        choice: str = self.draw(st.sampled_from(choices))
        return choice

    def fill(self, text: str, depth: int) -> str:
        """A template with its holes filled from left to right."""
        return HOLE.sub(lambda found: self.hole(found[1], depth), text)

    def hole(self, hole: str, depth: int) -> str:
        if hole == "i":
            return str(self.draw(st.integers(-1, 4)))
        if hole == "k":
            return self.one_of(["'a'", "'b'", "1", "(1, 'x')"])
        if hole == "x":
            return self.fill(self.one_of(EXPRESSIONS if depth < 3 else EXPRESSIONS[:5]), depth + 1)
        if hole == "c":
            return self.fill(self.one_of(CONDITIONS if depth < 3 else CONDITIONS[1:3]), depth + 1)
        if hole == "S":
            return indented(self.fill(self.one_of(SIMPLE), depth + 1))
        return indented(self.block(depth + 1, in_loop=hole == "L"))

    def block(self, depth: int, *, in_loop: bool = False) -> str:
        lines = []
        for _ in range(self.draw(st.integers(1, 4 if depth == 0 else 2))):
            kinds = ["simple", "simple", *(["block"] if depth < 3 else [])]
            if self.one_of(kinds) == "simple":
                lines.append(self.fill(self.one_of(SIMPLE), depth) + "\n")
            else:
                lines.append(self.fill(self.one_of(BLOCKS), depth).rstrip("\n") + "\n")
        if in_loop and self.draw(st.integers(0, 3)) == 0:
            lines.append(f"if {self.fill('{c}', 3)}:\n    {self.one_of(['break', 'continue'])}\n")
        return "".join(lines)


def indented(text: str) -> str:
    """Four spaces further to the right."""
    return "".join(f"    {line}\n" for line in text.rstrip("\n").split("\n"))


@st.composite
def functions(draw: Callable[..., Any], small: bool = False) -> Callable[[Any], object]:
    """A function of a box; its source is its `__doc__`."""
    drawn = _Drawn(draw)
    if small:
        body = "".join(drawn.fill(drawn.one_of(SIMPLE), 2) + "\n" for _ in range(draw(st.integers(1, 2))))
    else:
        body = drawn.block(0)
    return compiled(f"{HEAD}{indented(body)}")


def compiled(source: str) -> Callable[[Any], object]:
    """The function `drawn` of a source text, which can be read as if it stood in a file."""
    file = f"<drawn {next(NUMBERS)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"__name__": "drawn", "Part": Part, "Pair": Pair}
    exec(compile(source, file, "exec"), scope)
    function: Callable[[Any], object] = scope["drawn"]
    function.__doc__ = source
    return function
