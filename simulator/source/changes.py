"""What methods do to a container in memory, in one go: functions from its value before to its value afterwards.

They are the functions of `Update` operations, so they close over nothing that could change.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from simulator.ops import Update
from simulator.source.kinds import is_of_python
from simulator.source.shared import ABSENT, Frozen, freeze, thaw

__all__ = ["Span", "applied", "change", "gone", "or_default", "removal"]

Keywords = tuple[tuple[str, Any], ...]


F = TypeVar("F", bound=Callable[..., Any])


class Span(NamedTuple):
    """A slice as a value that can be hashed."""

    start: Any
    stop: Any
    step: Any


def change(
    location: str, method: str, arguments: tuple[Any, ...], keywords: Keywords, part: str | None = None
) -> Update:
    """The operation: a method of a container, called on what a location holds; `part` is the one item that it touches."""
    given = tuple(Span(each.start, each.stop, each.step) if isinstance(each, slice) else each for each in arguments)
    names = tuple(name for name, _ in keywords)
    return Update(
        location,
        _method(method, names),
        *given,
        *(each for _, each in keywords),
        part=part,
        blind=part is not None and method in ("__setitem__", "update"),
    )


@functools.cache
def _method(method: str, names: tuple[str, ...]) -> Callable[..., Frozen]:
    """A function from a frozen container and arguments (the last of them by name) to the frozen container afterwards."""

    def changed(frozen: Frozen, *arguments: Any) -> Frozen:
        held = thaw(frozen)
        plain = len(arguments) - len(names)
        applied(held, method, arguments[:plain], tuple(zip(names, arguments[plain:], strict=True)))
        return freeze(held)

    changed.__name__ = method.strip("_")
    return _self_contained(changed)


def applied(held: Any, method: str, arguments: tuple[Any, ...], keywords: Keywords) -> Any:
    """What a method returns, called on a container that belongs to nobody else."""
    given = [
        slice(*each) if isinstance(each, Span) else thaw(each) if isinstance(each, Frozen) else each
        for each in arguments
    ]
    if method.startswith("heapq."):
        return getattr(heapq, method.removeprefix("heapq."))(held, *given)
    if method == "list.take":
        taken = held[:]
        held.clear()
        return taken
    if method == "list.put":
        is_changed = bool(held)
        held[:] = given[0]
        return is_changed
    # What Python code makes of the method is followed elsewhere: here it is the one that C code brings along.
    base = next(each for each in type(held).__mro__ if not is_of_python(each))
    return getattr(base, method)(held, *given, **dict(keywords))


def removal(error: type[Exception], said: Any) -> Callable[[Any], Any]:
    """`del`, and `pop` without a default: a function that raises this where there is nothing."""
    kind: Any = error
    return _removal(kind, said)


@functools.lru_cache(maxsize=None, typed=True)  # 1 and True are one key of a dict, and two texts
def _removal(error: Any, said: Any) -> Callable[[Any], Any]:
    def delete(old: Any) -> Any:
        if old is ABSENT:
            raise error(said)
        return ABSENT

    return _self_contained(delete)


def _self_contained(function: F) -> F:
    """A function that looks into nobody's variables, though it closes over some: see `bodies.py`."""
    function.self_contained = True  # type: ignore[attr-defined]
    return function


def gone(_: Any) -> Any:
    """`pop` with a default."""
    return ABSENT


def or_default(old: Any, default: Any) -> Any:
    """`setdefault`."""
    return default if old is ABSENT else old
