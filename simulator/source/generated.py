"""The methods that `@dataclass` and `namedtuple` write: they have no source to follow, but what they do is known.

Fields are loaded and stored one by one, as the generated code does it.
"""

from __future__ import annotations

import dataclasses
import inspect
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


def _init(walker: Native, function: Any, made: Any, *arguments: Any, **keywords: Any) -> Steps:
    kind = _owner(function, type_of(made))
    given = _fitted(function, made, arguments, keywords)
    for field in kind.__dataclass_fields__.values():
        name, factory = field.name, field.default_factory
        if _is_class_variable(field):
            continue
        value = given.get(name, field.default)
        if not _is_missing(factory) and (name not in given or _is_default(value)):
            value = yield from walker.invoke(None, factory)
        elif name not in given and _is_missing(field.default):
            continue
        elif name in given and _is_one(value, field.default):
            value = walker.shared.value(value, f"{kind.__name__}.{name}")
        if _is_only_passed_on(field):
            given[name] = value
        elif name in given or not _is_missing(factory) or "__slots__" in vars(kind):
            yield from _set(walker, kind, made, name, value)
    after = getattr(kind, "__post_init__", None)
    if after is not None:
        passed = [given[field.name] for field in kind.__dataclass_fields__.values() if _is_only_passed_on(field)]
        method = yield from walker.load(made, "__post_init__", None)
        yield from walker.invoke(None, method, *passed)


def _set(walker: Native, kind: Any, made: Any, name: str, value: Any) -> Steps:
    if kind.__dataclass_params__.frozen:
        yield from walker.store_raw(walker.seen(made), name, value, None)
    else:
        yield from walker.store(made, name, value, None)


def _owner(function: Any, kind: type) -> Any:
    """The dataclass that a function was written for: the object's class, or one that it inherits from."""
    return next(each for each in kind.__mro__ if vars(each).get(function.__name__) is function)


def _fitted(function: Any, made: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
    """Arguments and defaults by name. Raises TypeError for arguments that do not fit, with Python's own words."""
    try:
        fitted = inspect.signature(function).bind(made, *arguments, **keywords)
    except TypeError:
        function(made, *arguments, **keywords)
        raise
    fitted.apply_defaults()
    (itself, *_) = fitted.arguments
    return {name: value for name, value in fitted.arguments.items() if name != itself}


def _is_missing(value: Any) -> bool:
    return value is dataclasses.MISSING


def _is_default(value: Any) -> bool:
    """Whether an argument stands for what a factory is to make."""
    return type(value).__name__ == "_HAS_DEFAULT_FACTORY_CLASS"


def _is_one(one: Any, other: Any) -> bool:
    return one is other


def _is_class_variable(field: Any) -> bool:
    return field._field_type is dataclasses._FIELD_CLASSVAR  # type: ignore[attr-defined]


def _is_only_passed_on(field: Any) -> bool:
    return field._field_type is dataclasses._FIELD_INITVAR  # type: ignore[attr-defined]


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
    return walker.in_c(hash, tuple(values))


_WRITTEN: dict[str, Callable[..., Steps]] = {
    "__init__": _init, "__eq__": _compared, "__lt__": _compared, "__le__": _compared, "__gt__": _compared,
    "__ge__": _compared, "__repr__": _repr, "__hash__": _hash,
}  # fmt: skip
