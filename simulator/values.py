"""When two values are the same.

Memory and answers are interned by these keys, so two values with one key are one value everywhere. Python's `==` is too
coarse for that (`True == 1 == 1.0` and `0.0 == -0.0`, yet programs can tell them apart), so a key carries the type, all the
way down tuples, frozen sets and dataclasses; and where a class says by itself what is equal, its attributes have to agree,
too.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from numbers import Number
from types import FunctionType

__all__ = ["Key", "stable_repr", "value_key"]

Key = Hashable


def value_key(value: object) -> Key:
    """A hashable key, equal for two values exactly when no program can tell them apart by value.

    Raises TypeError for a value that cannot be hashed (a list, a dict, a set).

    >>> value_key(1) == value_key(True), value_key(0.0) == value_key(-0.0), value_key((1, "a")) == value_key((1, "a"))
    (False, False, True)
    """
    kind = type(value)
    if kind is int or kind is str or kind is bool or value is None:
        return (kind, value)
    if kind is float:
        return (kind, value.hex())  # type: ignore[attr-defined]
    if kind is complex:
        return (kind, value.real.hex(), value.imag.hex())  # type: ignore[attr-defined]
    if isinstance(value, tuple):
        return (kind, *map(value_key, value))
    if kind is frozenset:
        return (kind, frozenset(map(value_key, value)))  # type: ignore[call-overload]
    hash(value)
    if is_dataclass(kind) and kind.__dataclass_params__.eq and not isinstance(value, enum.Enum):  # type: ignore[attr-defined]
        return (kind, *(value_key(getattr(value, field.name)) for field in fields(kind)))
    if isinstance(value, Number):
        # Numbers that are equal and print differently: Decimal("1.0") and Decimal("1.00").
        return (kind, value, repr(value))
    if isinstance(kind.__eq__, FunctionType) and hasattr(value, "__dict__"):
        # Equality written by hand may look at a part only, an id for instance.
        return (kind, value, *((name, _attribute_key(each)) for name, each in sorted(vars(value).items())))
    return (kind, value)


def _attribute_key(value: object) -> Key:
    """The key of an attribute; one that cannot be hashed, or leads back to where it came from, is known by its text."""
    try:
        return value_key(value)
    except (TypeError, RecursionError):
        return (type(value), stable_repr(value))


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def stable_repr(value: object) -> str:
    """The repr of a value, the same in every process: frozen sets in order, no addresses.

    >>> stable_repr((1, frozenset({"b", "a"})))
    "(1, frozenset({'a', 'b'}))"
    """
    if type(value) is tuple:
        inside = ", ".join(map(stable_repr, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if type(value) is frozenset:
        return f"frozenset({{{', '.join(sorted(map(stable_repr, value)))}}})" if value else "frozenset()"
    return _ADDRESS.sub("", repr(value))
