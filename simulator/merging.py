"""When two suspended generators have the same future.

This file turns a suspended body into a key, such that equal keys mean equal futures: the same code position, the same live
locals, the same iterator positions and expression temporaries, all the way down the `yield from` chain. It promises
nothing about generators whose keys differ, and says `None` for one that it cannot compare.

Code position and locals alone are wrong: a `for` loop's iterator and the temporaries of a half-evaluated expression live on
the interpreter's value stack. `gc.get_referents` sees that stack. Its layout belongs to CPython and to the version, so
merging is on only where it was tested (`SUPPORTED`), and everywhere else no two nodes are merged: slower, never wrong.

Mutable objects are compared by content and by *aliasing*: each gets a number when it is first met, so two equal lists are
not taken for one list. What has an identity that a program could observe and content that we cannot read (a lock, a random
generator, an open file, any object of a user's class) is not compared, and neither is a set, whose iteration order depends on its history.
"""

from __future__ import annotations

import enum
import gc
import operator
import sys
from collections.abc import Generator
from functools import partial
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
from simulator.values import Key, value_key

__all__ = ["SUPPORTED", "future_key"]

SUPPORTED = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info[:2] <= (3, 13)
"""Whether this interpreter's generators can be compared."""

_BY_VALUE = frozenset({bool, int, float, complex, str, bytes, type(None), type(...), type(NotImplemented), range})
_BY_IDENTITY = (type, ModuleType, BuiltinFunctionType, enum.Enum)
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
    except _Incomparable:
        return None


class _Reader:
    """Reads one suspended generator; remembers the mutable objects already met, by number."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []

    def generator(self, generator: Generator[Any, Any, Any]) -> Key:
        if type(generator) is not GeneratorType:
            raise _Incomparable
        frame = generator.gi_frame
        if frame is None:
            return ("finished generator",)
        # Which locals are bound is needed beside the flat list of referents: that list skips unbound ones, so without
        # the names (a=1, b unbound) and (a unbound, b=1) would look alike.
        bound = tuple(frame.f_locals)
        parts = [self.key(part) for part in gc.get_referents(generator) if part is not frame]
        return (generator.gi_code, frame.f_lasti, bound, *parts)

    def key(self, value: object) -> Key:
        kind = type(value)
        if kind in _BY_VALUE:
            return value_key(value)
        if kind is tuple:
            return (tuple, *map(self.key, value))  # type: ignore[call-overload]
        if isinstance(value, _BY_IDENTITY) or kind is CodeType:
            return (kind, id(value))
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
        if kind is partial:
            return (partial, self.key(value.func), self.key(value.args), self.key(value.keywords))
        raise _Incomparable

    def _function(self, function: FunctionType) -> Key:
        if function.__dict__:
            raise _Incomparable
        cells = function.__closure__ or ()
        return (
            FunctionType,
            id(function.__code__),
            id(function.__globals__),
            self.key(function.__defaults__),
            self.key(function.__kwdefaults__),
            *map(self.key, cells),
        )

    def _operation(self, operation: object) -> Key:
        fields = operator.attrgetter(*operation.__slots__)(operation)  # type: ignore[attr-defined]
        return (type(operation), self.key(fields))

