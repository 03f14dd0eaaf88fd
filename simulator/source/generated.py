"""The methods that `@dataclass` and `namedtuple` write: they have no source to follow, but what they do is known.

Fields are loaded and stored one by one, as the generated code does it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import FunctionType
from typing import Any

from simulator.source.kinds import is_of_named_tuple, type_of
from simulator.source.native import Native
from simulator.source.operators import native
from simulator.source.running import Steps
from simulator.source.told import told

__all__ = ["generated"]


def generated(function: FunctionType, arguments: tuple[Any, ...]) -> Callable[..., Steps] | None:
    """What to do instead of calling a function that `@dataclass` wrote; None for any other."""
    if is_of_named_tuple(function, arguments):
        return _named
    # The __repr__ is wrapped once more, so that it does not go round in circles.
    written: FunctionType = getattr(function, "__wrapped__", function)
    if written.__code__.co_filename != "<string>" or not arguments:
        return None
    kind = type_of(arguments[0])
    if not hasattr(kind, "__dataclass_fields__"):
        return None
    return _WRITTEN.get(function.__name__)


def _named(walker: Native, function: Any, owner: Any, *arguments: Any, **keywords: Any) -> Steps:
    """What a named tuple does with its items looks into none of them."""
    given = []
    for each in arguments:
        given.append((yield from walker.unpack(each)) if function.__name__ == "_make" else each)
    return function(owner, *given, **keywords)


class _Recorder:
    """Stands in for the object that is made, and keeps what was set."""

    def __init__(self) -> None:
        self.finish: tuple[tuple[Any, ...], ...] = ()

    def __post_init__(self, *arguments: Any) -> None:
        object.__setattr__(self, "finish", (arguments,))


def _init(walker: Native, function: Any, made: Any, *arguments: Any, **keywords: Any) -> Steps:
    recorder = _Recorder()
    function(recorder, *arguments, **keywords)
    held = vars(recorder)
    finish = held.pop("finish")
    # A frozen one is filled past its own `__setattr__`.
    store = walker.store_raw if type_of(made).__dataclass_params__.frozen else walker.store
    for name, value in held.items():
        yield from store(made, name, value, None)
    for given in finish:
        after = type_of(made).__post_init__
        yield from walker.follow(after, (made, *given), {}, None)


def _values(walker: Native, thing: Any) -> Steps:
    """The fields that are compared."""
    values = []
    for field in dataclasses.fields(type_of(thing)):
        if field.compare:
            values.append((yield from walker.load(thing, field.name, None)))
    return values


def _compared(walker: Native, function: Any, one: Any, other: Any) -> Steps:
    if type_of(one) != type_of(other):
        return NotImplemented
    left = yield from _values(walker, one)
    right = yield from _values(walker, other)
    name = function.__name__.strip("_")
    for mine, others in zip(left, right, strict=True):
        if walker.same(mine, others):
            continue
        if not (yield from walker.truth((yield from walker.binary("eq", mine, others)))):
            return False if name == "eq" else (yield from walker.binary(name, mine, others))
    return native(name, (), ())


def _repr(walker: Native, function: Any, thing: Any) -> Steps:
    shown = []
    for field in dataclasses.fields(type_of(thing)):
        if field.repr:
            value = yield from walker.load(thing, field.name, None)
            text = yield from told(repr)(walker, None, value)
            shown.append(f"{field.name}={text}")
    return f"{type_of(thing).__qualname__}({', '.join(shown)})"


def _hash(walker: Native, function: Any, thing: Any) -> Steps:
    values = []
    for field in dataclasses.fields(type_of(thing)):
        if field.compare if field.hash is None else field.hash:
            values.append((yield from walker.load(thing, field.name, None)))
    return hash(tuple(values))


_WRITTEN: dict[str, Callable[..., Steps]] = {
    "__init__": _init, "__eq__": _compared, "__lt__": _compared, "__le__": _compared, "__gt__": _compared,
    "__ge__": _compared, "__repr__": _repr, "__hash__": _hash,
}  # fmt: skip
