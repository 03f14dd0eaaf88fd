"""What a record of a run cannot show, by name: globals, class attributes, variables of functions around others, items.

Python has no place where a thread could be seen to touch them (`accesses.py` says which there is). So the code is read for
what it assigns, and what it holds is looked through for containers: whoever reads a record is told what nobody looked at.

Like `watched.py`, this file runs on any CPython from 3.8 on, with nothing but the standard library.
"""

from __future__ import annotations

import dis
from collections import deque
from collections.abc import Iterator, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any

from simulator.real.reach import reach

__all__ = ["roots", "unwatched"]

MOST_NAMED = 12
_CONTAINERS = (list, dict, set, deque, bytearray)


def roots(namespaces: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The objects and containers that modules hold, by the names that the model has for them."""
    modules = {namespace.get("__name__") for namespace in namespaces}
    for number, namespace in enumerate(namespaces):
        prefix = f"{namespace.get('__name__')}." if number else ""
        for name, value in list(namespace.items()):
            if name.startswith("__") or isinstance(value, (type, ModuleType, FunctionType)):
                continue
            if isinstance(value, _CONTAINERS) or type(value).__module__ in modules:
                yield prefix + name, value


def unwatched(state: Any, namespaces: Sequence[dict[str, Any]], leaves: tuple[type, ...] = ()) -> list[str]:
    """What threads share, or may, and no record has, in words.

    >>> unwatched({"a": 1}, [])
    ['the items of state']
    """
    found: dict[str, None] = {}
    classes = {kind.__name__: kind for kind in _classes(namespaces)}
    for function in _functions(namespaces, classes.values()):
        for code in _codes(function.__code__):
            found.update(dict.fromkeys(_assigned(code, classes)))
    things = [*reach(state, leaves)]
    for name, root in roots(namespaces):
        things += reach(root, leaves, name)
    seen: set[int] = set()
    for name, thing in things:
        if isinstance(thing, _CONTAINERS) and id(thing) not in seen:
            seen.add(id(thing))
            found[f"the items of {name}"] = None
    said = list(found)
    more = len(said) - MOST_NAMED
    return said if more <= 0 else [*said[:MOST_NAMED], f"{more:,} more of the kind"]


def _classes(namespaces: Sequence[dict[str, Any]]) -> list[type]:
    modules = {namespace.get("__name__") for namespace in namespaces}
    values = [value for namespace in namespaces for value in list(namespace.values())]
    return [value for value in values if isinstance(value, type) and value.__module__ in modules]


def _functions(namespaces: Sequence[dict[str, Any]], classes: Any) -> Iterator[Any]:
    """The functions of modules and of their classes."""
    modules = {namespace.get("__name__") for namespace in namespaces}
    held = [value for namespace in namespaces for value in list(namespace.values())]
    held += [value for kind in classes for value in list(vars(kind).values())]
    for value in held:
        for part in (
            getattr(value, "__func__", value),
            *(getattr(value, name, None) for name in ("fget", "fset", "fdel")),
        ):
            if isinstance(part, FunctionType) and part.__module__ in modules:
                yield part


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _assigned(code: CodeType, classes: dict[str, type]) -> Iterator[str]:
    """What a function assigns that is no attribute of an object."""
    before = ""
    for instruction in dis.get_instructions(code):
        name, what = instruction.opname, instruction.argval
        if name in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            yield f"the global {what}"
        elif name in ("STORE_DEREF", "DELETE_DEREF") and what in code.co_freevars:
            yield f"the variable {what} of the function around {code.co_name}"
        elif name in ("STORE_ATTR", "DELETE_ATTR") and not _is_of_an_object(before, code):
            for kind in classes.values():
                # A slot and a property are there for the objects.
                if what in vars(kind) and not hasattr(type(vars(kind)[what]), "__set__"):
                    yield f"the class attribute {kind.__name__}.{what}"
        if name not in ("CACHE", "EXTENDED_ARG"):
            before = f"{name} {instruction.argrepr}"


def _is_of_an_object(before: str, code: CodeType) -> bool:
    """Whether what was loaded last is no class: `self`, or an attribute of something."""
    me = code.co_varnames[0] if code.co_argcount else ""
    loaded = before.replace(",", " ").split()
    if loaded[:1] and loaded[0].startswith("LOAD_FAST"):
        return loaded[-1] == me == "self"
    return before.startswith("LOAD_ATTR") and "__class__" not in before
