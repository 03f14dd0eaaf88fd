"""Python code that C code calls by itself: special methods of the things that it is given.

Such code runs as it is, on the real classes and modules, which hold what they held before any thread of the model ran. So it
may run only where that makes no difference: where it looks at nothing but what it is given, and changes nothing. Anything
else is stopped before its first line.
"""

from __future__ import annotations

import collections
import dis
import enum
import functools
import gc
import inspect
import os
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

from simulator.source.here import is_library
from simulator.source.kinds import is_of_python
from simulator.source.shared import FIXED, Shared

__all__ = ["call_c", "may_call_back"]

_MADE_WITH = {"__init__", "__new__", "__init_subclass__", "__class_getitem__", "__set_name__", "__post_init__"}
"""Special methods that C code does not call on what is made already."""
_NOT_ALONE = {
    "open", "input", "print", "id", "globals", "vars", "getattr", "setattr", "delattr", "eval", "exec", "compile",
    "__import__", "next", "breakpoint",
}  # fmt: skip
"""Builtins that reach further than what they are given."""
_SAFE_MODULES = {"math", "operator", "_operator", "itertools", "functools", "_functools", "enum", "builtins", "typing"}
_HOLDING = (tuple, list, set, frozenset, collections.deque, dict)
_INNER = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
_ATTRIBUTES = (
    *FIXED, property, staticmethod, classmethod, functools.cached_property, types.MemberDescriptorType,
    types.ClassMethodDescriptorType,
)  # fmt: skip
"""What a class may hold under a name that is looked up on its instances."""


def may_call_back(thing: Any) -> bool:
    """Whether C code that gets a thing may come to call Python code of the user's."""
    kind: Any = type(thing)
    if kind in (int, str, float, bool, bytes, type(None)):
        return False
    if not isinstance(thing, _HOLDING):
        return _has_methods(kind)
    waiting = [thing]
    met = set[int]()
    while waiting:
        each = waiting.pop()
        if _has_methods(type(each)):
            return True
        if isinstance(each, _HOLDING) and id(each) not in met:
            met.add(id(each))
            waiting += [*each, *each.values()] if isinstance(each, dict) else each
    return False


@functools.cache
def _has_methods(kind: Any) -> bool:
    """Whether some special method of a class is Python code, or what itertools makes goes on through such things."""
    return kind.__module__ == "itertools" or any(
        is_of_python(base)
        and any(
            isinstance(value, FunctionType)
            and name.startswith("__")
            and name.endswith("__")
            and name not in _MADE_WITH
            and not is_library(value.__code__.co_filename)
            for name, value in vars(base).items()
        )
        for base in kind.__mro__
    )


def call_c(
    shared: Shared,
    refused: Callable[[str], Exception],
    function: Callable[..., Any],
    arguments: Iterable[Any],
    keywords: Mapping[str, Any],
) -> Any:
    """`function(*arguments, **keywords)`. Raises what `refused` makes of Python code that is called and may not be."""
    stopped: list[Exception] = []
    known: dict[tuple[object, ...], bool] = {}

    def is_alone(frame: FrameType) -> bool:
        code = frame.f_code
        if code.co_freevars:
            return _is_alone(frame, shared)
        key = (id(code), id(frame.f_globals), *map(type, frame.f_locals.values()))
        if key not in known:
            known[key] = _is_alone(frame, shared)
        return known[key]

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and not stopped and not is_alone(frame):
            code = frame.f_code
            where = f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}"
            stopped.append(refused(f"{code.co_qualname} ({where})"))
            raise stopped[0]

    before, collects = sys.getprofile(), gc.isenabled()
    # Whose `__del__` the collector would call just now has nothing to do with it.
    gc.disable()
    sys.setprofile(look)
    try:
        result = function(*arguments, **keywords)
    finally:
        _put_back(before)
        if collects:
            gc.enable()
        if stopped:
            raise stopped[0] from None
    return result


def _put_back(profiler: Any) -> None:
    """Go on as before. Up to 3.11 `cProfile` shows itself there, and is no function that `setprofile` could take."""
    sys.setprofile(profiler if callable(profiler) else None)
    if profiler is not None and not callable(profiler):
        profiler.enable()


class _Uses(NamedTuple):
    """What a function's code reaches for."""

    changes: bool
    """Whether it sets anything but its own variables."""
    globals: Mapping[str, bool]
    """The globals it reads, and whether it looks into them."""
    attributes: frozenset[str]


@functools.cache
def _uses(code: CodeType) -> _Uses:
    changes = False
    names: dict[str, bool] = {}
    attributes: set[str] = set()
    last = ""
    for each in dis.get_instructions(code):
        operation = each.opname
        if operation in ("PRECALL", "CACHE", "PUSH_NULL", "RESUME"):
            continue
        is_attribute = operation in ("LOAD_ATTR", "LOAD_METHOD")
        if is_attribute:
            attributes.add(str(each.argval))
            if last:
                names[last] = True
        last = ""
        if operation in ("LOAD_GLOBAL", "LOAD_NAME"):
            last = str(each.argval)
            names.setdefault(last, False)
        elif operation.startswith(("STORE_", "DELETE_", "IMPORT_")):
            changes = changes or "FAST" not in operation
    return _Uses(changes, names, frozenset(attributes))


def _is_alone(frame: FrameType, shared: Shared) -> bool:
    """Whether a function that is about to run looks at nothing but what it is given, and changes nothing."""
    code = frame.f_code
    if is_library(code.co_filename) or code.co_filename == "<string>":
        return True
    uses = _uses(code)
    written = {place.item.key for place in shared.places.values() if isinstance(place.ref, type | ModuleType)}
    if uses.changes or written & (uses.attributes | set(uses.globals)):
        return False
    is_inner = code.co_name in _INNER
    if not is_inner and not all(_is_value(name, frame.f_locals.get(name)) for name in code.co_freevars):
        return False
    if not all(_is_safe(frame, name, looked_into) for name, looked_into in uses.globals.items()):
        return False
    classes = {type(each) for each in frame.f_locals.values()}
    classes |= {each for each in frame.f_globals.values() if isinstance(each, type) and is_of_python(each)}
    return all(_is_plain(kind, name) for kind in classes for name in uses.attributes)


def _is_value(name: str, thing: Any) -> bool:
    return name == "__class__" or (isinstance(thing, FIXED) and not isinstance(thing, ModuleType))


def _is_safe(frame: FrameType, name: str, looked_into: bool) -> bool:
    """Whether a global is the same for all threads, and so is what is behind it."""
    if name not in frame.f_globals:
        return name not in _NOT_ALONE
    value = frame.f_globals[name]
    if isinstance(value, ModuleType):
        return value.__name__ in _SAFE_MODULES
    if isinstance(value, BuiltinFunctionType):
        return value.__module__ in _SAFE_MODULES
    if isinstance(value, type):
        return not looked_into or issubclass(value, enum.Enum) or not is_of_python(value)
    return isinstance(value, FIXED)


def _is_plain(kind: type, name: str) -> bool:
    """Whether a class has nothing under a name that somebody could change."""
    found = inspect.getattr_static(kind, name, None)
    return isinstance(found, _ATTRIBUTES) or not is_of_python(kind)
