"""What can be reached from the shared state, each object by the shortest way that leads to it.

The names are those that plain code has in the model: `bank.accounts[1].lock`, after the class of the state, or `state[0]` where
that is a container.

Like `watched.py`, this file runs on any CPython from 3.8 on, with nothing but the standard library.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

__all__ = ["attributes", "inside", "reach", "root_name"]

MOST = 100_000
"""How many objects are looked at."""
_NOTHING_INSIDE = (
    type(None),
    int,
    float,
    complex,
    str,
    bytes,
    type,
    ModuleType,
    FunctionType,
    BuiltinFunctionType,
    MethodType,
)


def root_name(state: object) -> str:
    """What the state itself is called.

    >>> root_name([]), root_name(ValueError())
    ('state', 'valueerror')
    """
    containers = (list, dict, set, deque, bytearray, tuple)
    return "state" if isinstance(state, containers) else type(state).__name__.lower()


def reach(state: object, leaves: tuple[type, ...] = (), name: str = "") -> Iterator[tuple[str, Any]]:
    """Everything that can be reached from `state`, with its name, nearest first; each object once, plain values each time.

    Nothing is looked for inside `leaves`. `name` is what `state` is called, where that is not after its class.

    >>> dict(reach({"a": [1, 2]}))
    {'state': {'a': [1, 2]}, "state['a']": [1, 2], "state['a'][0]": 1, "state['a'][1]": 2}
    """
    waiting = deque([(name or root_name(state), state)])
    # Kept alive as long as their numbers stand for them.
    seen: dict[int, Any] = {}
    while waiting and len(seen) < MOST:
        name, thing = waiting.popleft()
        if isinstance(thing, _NOTHING_INSIDE):
            yield name, thing
        elif id(thing) not in seen:
            seen[id(thing)] = thing
            yield name, thing
            if not isinstance(thing, leaves):
                waiting.extend(inside(name, thing))


def inside(name: str, thing: Any) -> list[tuple[str, Any]]:
    """What an object holds, each with its name: its attributes, and what is in it if it is a container."""
    found = [(f"{name}.{key}", value) for key, value in attributes(thing).items()]
    if isinstance(thing, Mapping):
        found += [(f"{name}[{key!r}]", value) for key, value in thing.items()]
    elif isinstance(thing, (list, tuple, deque)):
        found += [(f"{name}[{number}]", value) for number, value in enumerate(thing)]
    return found


def attributes(thing: Any) -> dict[str, Any]:
    """An object's own attributes: in its dictionary and in its slots. Runs no code of its class."""
    try:
        found = dict(object.__getattribute__(thing, "__dict__"))
    except AttributeError:
        found = {}
    for kind in type(thing).__mro__:
        for name, member in vars(kind).items():
            if isinstance(member, MemberDescriptorType) and name not in found:
                try:
                    found[name] = member.__get__(thing)
                except AttributeError:
                    continue
    return found
