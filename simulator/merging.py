"""When two suspended generators have the same future.

This file turns a suspended body into a key, such that equal keys mean equal futures: the same code position, the same
locals that can still be read, the same iterator positions and expression temporaries, all the way down the `yield from`
chain. It promises nothing about generators whose keys differ, and says `None` for one that it cannot compare.

Code position and locals alone are wrong: a `for` loop's iterator and the temporaries of a half-evaluated expression
live on the interpreter's value stack. `gc.get_referents` sees that stack. Its layout belongs to CPython and to the
version, so merging is on only where it was tested (`SUPPORTED`), and everywhere else no two nodes are merged: slower,
never wrong. From 3.15 on, a loop over a list, tuple or string has no iterator: the stack holds the list, and a bare
number that nothing shows. Code with loops is not compared while such an object is on its stack.

Mutable objects are compared by content and by *aliasing*: each gets a number when it is first met, so two equal lists
are not taken for one list. A frozen dataclass is compared by its attributes, an object with a method `future_state` (ours alone
have one) by what that says. What has an identity that a program could
observe and content that we cannot read (a lock, a random generator, an open file, any other object of a user's class)
is not compared, and neither is a set, whose iteration order depends on its history.
"""

from __future__ import annotations

import dataclasses
import dis
import enum
import gc
import itertools
import operator
import sys
from collections.abc import Generator
from functools import lru_cache, partial
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any

from simulator import ops
from simulator.liveness import live_after
from simulator.values import Key, value_key

__all__ = ["SUPPORTED", "future_key"]

SUPPORTED = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info[:2] <= (3, 15)
"""Whether this interpreter's generators can be compared."""

# Equal values of one of these types are the same value, so they are their own key.
_PLAIN = frozenset({bool, int, str, bytes, type(None), type(...), type(NotImplemented)})
# Globals of these types are the same whenever they are read; others are a part of the key, as what they hold may change.
_FIXED = _PLAIN | {float, complex, FunctionType, ModuleType, BuiltinFunctionType}
_CONSTANTS = frozenset({"LOAD_CONST", "LOAD_COMMON_CONSTANT"})
_LOOPED_BY_NUMBER: frozenset[type] = frozenset({list, tuple, str, bytes} if sys.version_info >= (3, 15) else ())
"""Whose loops keep their position as a bare number on the value stack."""
_SETTERS = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR"})
_BY_IDENTITY = (type, ModuleType, enum.Enum)
_ITERATORS: frozenset[type] = frozenset(
    map(
        type,
        (
            iter(range(1)),
            iter(range(1 << 70, (1 << 70) + 1)),
            iter([0]),
            reversed([0]),
            iter((0,)),
            iter("a"),
            iter("é"),
            iter(b"a"),
            reversed((0,)),
        ),
    )
) | {enumerate, zip, map, filter}
_RANGE_ITERATORS = frozenset({type(iter(range(1))), type(iter(range(1 << 70, (1 << 70) + 1)))})
# Kinds that can be told by their type alone, ahead of the slower questions.
_KNOWN_KINDS = _ITERATORS | {list, dict, GeneratorType, CellType, FunctionType, MethodType, partial}
_OPERATIONS = (
    ops.Read,
    ops.Write,
    ops.Add,
    ops.Update,
    ops.CompareAndSwap,
    ops.Acquire,
    ops.TryAcquire,
    ops.Release,
    ops.Pause,
    ops.Call,
    ops.Return,
    ops.Check,
)


class _Incomparable(Exception):
    """Met an object whose future we cannot read."""


def future_key(generator: Generator[Any, Any, Any]) -> Key | None:
    """A key that two suspended generators share only if they will do the same from here on; None if it cannot be told.

    >>> def body(times):
    ...     for _ in range(times):
    ...         yield
    >>> first, second = body(3), body(3)
    >>> next(first), next(second), future_key(first) == future_key(second)
    (None, None, True)
    >>> next(first), future_key(first) == future_key(second)
    (None, False)
    """
    if not SUPPORTED:
        return None
    try:
        return _Reader().generator(generator)
    except (_Incomparable, RecursionError):
        return None


def _frame(generator: Generator[Any, Any, Any], code: CodeType) -> tuple[FunctionType, list[object]]:
    """The function that a generator runs, and its bound local variables, cells, free variables and value stack, in order."""
    referents = gc.get_referents(generator)
    for number, executable in enumerate(referents):
        if executable is code and number:
            function = referents[number - 1]
            if isinstance(function, FunctionType) and function.__code__ is code:
                return function, referents[number + 1 :]
    raise _Incomparable


@lru_cache(maxsize=4096)
def _locals_at(code: CodeType, offset: int) -> tuple[tuple[str, bool, bool], ...]:
    """The local variables in frame order: the name, whether it is a cell, whether it may still be read after `offset`."""
    live = live_after(code, offset)
    return tuple((name, name in code.co_cellvars, name in live) for name in code.co_varnames)


@lru_cache(maxsize=1024)
def _globals_of(code: CodeType) -> tuple[str, ...]:
    """The global names that a function reads.

    Raises _Incomparable for a function that sets globals or attributes, which are kept where the frame does not show
    them, and for one that asks whether two objects are the same one (other than a constant such as None).
    """
    instructions = list(dis.get_instructions(code))
    for before, instruction in itertools.pairwise(instructions):
        if instruction.opname in _SETTERS or (instruction.opname == "IS_OP" and before.opname not in _CONSTANTS):
            raise _Incomparable
    reads = {instruction.argval for instruction in instructions if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    if "id" in reads:
        raise _Incomparable
    return tuple(sorted(reads))


@lru_cache(maxsize=1024)
def _has_loops(code: CodeType) -> bool:
    return any(instruction.opname == "FOR_ITER" for instruction in dis.get_instructions(code))


class _Is:
    """Equal to itself alone, by identity; keeps its object alive, so that the identity is not given out again."""

    __slots__ = ("_object",)

    def __init__(self, value: object) -> None:
        self._object = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Is) and other._object is self._object

    def __hash__(self) -> int:
        return id(self._object)


class _Reader:
    """Reads one suspended generator; remembers the mutable objects already met, by number."""

    __slots__ = ("_kept", "_numbers")

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []

    def generator(self, generator: Generator[Any, Any, Any]) -> Key:
        if type(generator) is not GeneratorType:
            raise _Incomparable
        frame = generator.gi_frame
        if frame is None:
            return ("finished generator",)
        code = generator.gi_code
        offset = frame.f_lasti
        names = frame.f_locals
        function, held = _frame(generator, code)
        slots = iter(held)
        parts: list[Key] = []
        for name in _globals_of(code):
            value = function.__globals__.get(name)
            if type(value) not in _FIXED and not isinstance(value, type):
                parts.append((name, self.key(value)))
        for name, is_cell, is_live in _locals_at(code, offset):
            if is_cell:
                parts.append(self.key(next(slots, None)))
            elif name in names:
                value = next(slots, None)
                if value is not names[name]:
                    raise _Incomparable
                if is_live:
                    parts.append((name, self.key(value)))
        # What is left are the cells, the free variables and the value stack: loop iterators and expression temporaries.
        for value in slots:
            if type(value) in _LOOPED_BY_NUMBER and _has_loops(code):
                raise _Incomparable
            parts.append(self.key(value))
        return (code, offset, *parts)

    def key(self, value: object) -> Key:
        kind = type(value)
        if kind in _PLAIN:
            return (kind, value)
        if kind is tuple:
            return (tuple, *map(self.key, value))  # type: ignore[call-overload]
        if kind not in _KNOWN_KINDS:
            if kind is float or kind is complex:
                return value_key(value)
            if kind is range:
                return (range, value.start, value.stop, value.step)  # type: ignore[attr-defined]
            if isinstance(value, _BY_IDENTITY):
                if "<locals>" in getattr(value, "__qualname__", ""):
                    # A class made by the body itself: what it holds can change as the body goes.
                    raise _Incomparable
                return _Is(value)
            if kind is CodeType:
                return value
            if isinstance(value, _OPERATIONS):
                return self._operation(value)
            if isinstance(value, tuple) and hasattr(kind, "_fields") and not hasattr(value, "__dict__"):
                return (kind, *map(self.key, value))
        number = self._numbers.get(id(value))
        if number is not None:
            return ("met", number)
        self._numbers[id(value)] = len(self._numbers)
        # `__reduce__` makes short-lived objects; kept alive here so that no id is given out twice.
        self._kept.append(value)
        return self._by_content(value, kind)

    def _by_content(self, value: Any, kind: type) -> Key:
        state = getattr(kind, "future_state", None)
        if state is not None:
            return (_Is(kind), self.key(state(value)))
        if kind in _RANGE_ITERATORS:
            _, (span,), *position = value.__reduce__()
            return (kind, span.start, span.stop, span.step, *position)
        if kind is list:
            return (list, *map(self.key, value))
        if kind is dict:
            return (dict, *((self.key(name), self.key(item)) for name, item in value.items()))
        if kind in _ITERATORS:
            return (kind, self.key(value.__reduce__()))
        if kind is GeneratorType:
            return self.generator(value)
        if kind is CellType:
            try:
                return (CellType, self.key(value.cell_contents))
            except ValueError:
                return (CellType,)
        if kind is FunctionType:
            return self._function(value)
        if kind is MethodType:
            return (MethodType, self.key(value.__func__), self.key(value.__self__))
        if kind is BuiltinFunctionType and (value.__self__ is None or isinstance(value.__self__, ModuleType)):
            return _Is(value)
        if kind is partial and not value.__dict__:
            return (partial, self.key(value.func), self.key(value.args), self.key(value.keywords))
        if dataclasses.is_dataclass(value) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            return (_Is(kind), self._attributes(value, kind))
        raise _Incomparable

    def _attributes(self, value: object, kind: type) -> Key:
        """All that an object of a pure Python class holds: its `__dict__` and its slots. Its bases have to be pure too."""
        held = dict(getattr(value, "__dict__", {}))
        for base in kind.__mro__:
            if base.__module__ == "builtins" and base is not object:
                raise _Incomparable
            slots = base.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                    held[name] = getattr(value, name)
        return self.key(held)

    def _function(self, function: FunctionType) -> Key:
        if function.__dict__:
            raise _Incomparable
        cells = function.__closure__ or ()
        return (
            FunctionType,
            function.__code__,
            _Is(function.__globals__),
            self.key(function.__annotations__) if "<locals>" in function.__qualname__ else None,
            self.key(function.__defaults__),
            self.key(function.__kwdefaults__),
            *map(self.key, cells),
        )

    def _operation(self, operation: object) -> Key:
        fields = operator.attrgetter(*operation.__slots__)(operation)  # type: ignore[attr-defined]
        return (type(operation), self.key(fields))
