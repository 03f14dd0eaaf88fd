"""Python's operators by the names of their methods: `add` for `__add__`. What they mean for things that Python may look at."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

__all__ = ["adds", "in_place", "is_comparison", "native", "one_sided", "sign", "swapped", "unsupported"]

_ARITHMETIC = (
    "add", "sub", "mul", "matmul", "truediv", "mod", "pow", "lshift", "rshift", "or", "xor", "and", "floordiv",
)  # fmt: skip
_SWAPPED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne"}
_KEYWORDS = {"or": "or_", "and": "and_"}
_NATIVE: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(operator, _KEYWORDS.get(name, name)) for name in (*_ARITHMETIC, *_SWAPPED)
}
_IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {name: getattr(operator, f"i{name}") for name in _ARITHMETIC}
_ONE_SIDED: dict[str, Callable[[Any], Any]] = {"neg": operator.neg, "pos": operator.pos, "invert": operator.invert}
_SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "matmul": "@", "truediv": "/", "mod": "%", "pow": "** or pow()", "lshift": "<<",
    "rshift": ">>", "or": "|", "xor": "^", "and": "&", "floordiv": "//", "lt": "<", "gt": ">", "le": "<=", "ge": ">=",
    "eq": "==", "ne": "!=", "neg": "-", "pos": "+", "invert": "~",
}  # fmt: skip
_NUMBERS = (int, float, complex, str, bytes, tuple)


def native(name: str, left: Any, right: Any) -> Any:
    """An operator on things that Python may look at."""
    return _NATIVE[name](left, right)


def in_place(name: str, left: Any, right: Any) -> Any:
    """The same in place: `left += right` for "add"."""
    return _IN_PLACE[name](left, right)


def one_sided(name: str, thing: Any) -> Any:
    """`-thing` for "neg"."""
    return _ONE_SIDED[name](thing)


def swapped(name: str) -> str:
    """The method that the right side is asked for."""
    return _SWAPPED.get(name, f"r{name}")


def is_comparison(name: str) -> bool:
    """Whether an operator is a comparison."""
    return name in _SWAPPED


def adds(left: Any, right: Any) -> bool:
    """Whether the sum of two values is a value, and no code of anybody's."""
    return isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS)


def sign(name: str) -> str:
    """The operator as it is written."""
    return _SIGNS[name]


def unsupported(name: str, left: str, right: str, *, in_place: bool = False) -> str:
    """What Python says of operands that an operator does not take."""
    if in_place:
        return f"unsupported operand type(s) for {_SIGNS[name].split()[0]}=: '{left}' and '{right}'"
    if name in _SWAPPED:
        return f"'{_SIGNS[name]}' not supported between instances of '{left}' and '{right}'"
    return f"unsupported operand type(s) for {_SIGNS[name]}: '{left}' and '{right}'"
