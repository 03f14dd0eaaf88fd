"""C code, and library functions that are given nothing shared: done in one go, noted where that hides something, or refused.

What is refused: whatever would be wrong in one go. What does more than compute (`library.py`) would do so each time that the
code is followed; C code that calls Python code back, or changes what it is given, does so behind our back.
"""

from __future__ import annotations

import collections
import functools
import heapq
import types
from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import Any

from simulator.source.attributes import say_kind
from simulator.source.kinds import (
    Super,
    View,
    is_container,
    is_of_python,
    is_one_of,
    is_ours,
    is_private_object,
    name_of,
    special,
)
from simulator.source.library import is_known, refusal, said
from simulator.source.locks import Locks
from simulator.source.loops import Cursor
from simulator.source.running import Steps
from simulator.source.shared import CONTAINERS, Bound, Inner, Ref, attributes

__all__ = ["Native"]

_ITERATING: tuple[Any, ...] = (
    sum, any, all, list, tuple, set, frozenset, dict, sorted, min, max, bytes, bytearray, zip, enumerate, collections.deque,
    collections.Counter, collections.OrderedDict, reversed, len,
)  # fmt: skip
"""C code that looks at a whole container in one go, and changes nothing."""
_KEEPING: tuple[Any, ...] = (
    list, tuple, set, frozenset, dict, collections.deque, collections.OrderedDict, collections.defaultdict, functools.partial,
    types.MethodType,
)  # fmt: skip
"""What only keeps the items, whatever they are."""
_ORDERLESS: tuple[Any, ...] = (sum, any, all, set, frozenset, sorted, min, max, len, collections.Counter)
_CHANGERS: tuple[Any, ...] = (heapq.heappush, heapq.heappop, heapq.heapify, heapq.heapreplace, heapq.heappushpop)
_COMPARING: tuple[Any, ...] = (sorted, min, max, sum, set, frozenset, dict)
_PLAIN = (int, float, complex, str, bytes, type(None), range, slice, type, BuiltinFunctionType, ModuleType)
_DEPTH = 6


class Native(Locks):
    """Calls of what has no Python code that could be followed."""

    def native(self, site: int | None, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Steps:
        """One step that touches nothing shared, or a look at the shared containers that it is given."""
        owner = getattr(function, "__self__", None)
        if isinstance(owner, list | collections.deque) and self._is_search(function, arguments):
            return (yield from self._search(site, owner, function, arguments[0]))
        if isinstance(owner, list) and function.__name__ == "sort" and keywords.get("key") is not None:
            self.quiet(site)
            owner[:] = yield from self.sorted(owner, keywords, site)
            return None
        known = self.seen(owner)
        if isinstance(known, Ref) and not isinstance(owner, Ref):
            # A method of a container that was this thread's own when the method was taken.
            return (yield from self.invoke(site, Bound(function.__name__, known), *arguments, **keywords))
        given = [self.seen(each) for each in arguments]
        named = {name: self.seen(each) for name, each in keywords.items()}
        self._allow(function, owner, given, named, site)
        if self._changes(function) and given and isinstance(given[0], Ref):
            name = f"heapq.{function.__name__}"
            result = yield from self.change(given[0], name, tuple(given[1:]), {}, site)
        else:
            yield from self._prepare(function, owner, given, site)
            self._check(function, owner, [*given, *named.values()], site)
            if is_one_of(function, (sorted, min, max)) and keywords.get("key") is not None:
                items = given[0] if len(given) == 1 else given
                result = yield from self.sorted(items, keywords, site, one=function)
            else:
                keeps = isinstance(owner, CONTAINERS) or is_one_of(function, _KEEPING)
                result = self._run(function, [self.mine(each) for each in given] if keeps else given, named)
        return result

    def _changes(self, function: Any) -> bool:
        return is_one_of(function, _CHANGERS)

    def _is_search(self, function: Any, arguments: tuple[Any, ...]) -> bool:
        name = function.__name__
        return name in ("index", "remove", "count") and len(arguments) == 1 and is_ours(self.seen(arguments[0]))

    def _search(self, site: int | None, owner: Any, function: Any, thing: Any) -> Steps:
        """`index`, `remove` and `count` of a list of this thread's own, for a thing that Python code may compare."""
        self.quiet(site)
        found = []
        for number, each in enumerate(owner):
            if self.same(each, thing) or (yield from self.truth((yield from self.binary("eq", each, thing)))):
                found.append(number)
        name = function.__name__
        if name == "count":
            return len(found)
        if not found:
            raise ValueError("list.remove(x): x not in list" if name == "remove" else f"{thing!r} is not in list")
        if name == "remove":
            del owner[found[0]]
            return None
        return found[0]

    def _run(self, function: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        return function(*arguments, **keywords)

    def _prepare(self, function: Any, owner: Any, given: list[Any], site: int | None) -> Steps:
        """What is looked at first is looked at in this very call; the rest has no place of its own."""
        has_place = False
        takes_apart = self._takes_apart(function, owner)
        for number, each in enumerate(given):
            if is_container(each):
                if takes_apart:
                    self._note_set(function, each, site)
                    given[number] = yield from self.taken(each, None if has_place else site)
                    has_place = True
            elif (
                takes_apart
                and (isinstance(each, Cursor | Ref) or isinstance(special(each, "__iter__"), FunctionType))
                and not isinstance(each, collections.Counter)
            ):
                if not has_place:
                    # The call has begun when it asks for the first item.
                    self.quiet(site)
                    has_place = True
                given[number] = yield from self.collected(each)
        if not has_place:
            self.quiet(site)

    def _note_set(self, function: Any, thing: Any, site: int | None) -> None:
        """Say that a set has no order that we know, where that may be seen."""
        if isinstance(thing, Ref) and thing.kind == "set" and not is_one_of(function, _ORDERLESS):
            self.note_order(thing, site)

    def _takes_apart(self, function: Any, owner: Any) -> bool:
        """Whether a function goes through the iterables that it is given."""
        if is_one_of(function, _ITERATING):
            return True
        name = getattr(function, "__name__", "")
        if isinstance(owner, str | bytes):
            return name == "join"
        return isinstance(owner, CONTAINERS) and (
            name.endswith("update")
            or name in ("extend", "extendleft", "union", "intersection", "difference", "__init__")
        )

    # -- what is refused, and what is noted

    def _allow(
        self, function: Any, owner: Any, given: list[Any], keywords: Mapping[str, Any], site: int | None
    ) -> None:
        """Raise for what would be wrong, take note of what is only not looked into."""
        name = name_of(function)
        self.refuse_library(function, site)
        if hasattr(function, "__wrapped__"):
            raise self.wrong(
                f"calls {name}, which {say_wrapper(function)} wraps: what is inside cannot be followed", site
            )
        if isinstance(owner, types.GeneratorType):
            raise self.wrong(f"runs the generator {name}, which cannot be followed", site)
        keeps = is_one_of(function, _KEEPING) or isinstance(owner, CONTAINERS) or _is_tuple_maker(function)
        if (
            not keeps
            and not is_one_of(function, (sorted, min, max))
            and any(map(_is_callback, (*given, *keywords.values())))
        ):
            raise self.wrong(
                f"gives a function to {name}, which is C code or the library's: what it calls cannot be followed", site
            )
        if not keeps:
            for each in filter(_is_native, (*given, *keywords.values())):
                self.refuse_library(each.func if isinstance(each, functools.partial) else each, site)
        if (
            not is_known(function)
            and not isinstance(function, type)
            and not is_private_object(owner)
            and not isinstance(owner, (*CONTAINERS, BaseException))
        ):
            self.note(
                f"{name} is not looked into: it is taken as one step of its own that touches nothing shared", site
            )

    def refuse_library(self, function: Any, site: int | None) -> None:
        """Raise for what does more than compute, so that it may be neither called nor followed."""
        why = refusal(function)
        if why is not None:
            raise self.wrong(f"calls {said(function)}{why}", site)

    def _check(self, function: Any, owner: Any, given: list[Any], site: int | None) -> None:
        """Raise where Python's own code would look into a shared object."""
        if _is_tuple_maker(function):
            return
        if isinstance(owner, CONTAINERS):
            name = getattr(function, "__name__", "")
            if name in ("remove", "index", "count", "discard", "add", "setdefault", "get", "pop"):
                for each in given[:1]:
                    self._look_up(owner, each, site)
            return
        for each in given:
            if isinstance(each, View | Super) or is_container(each):
                raise self.wrong(
                    f"gives the shared {each!r} to {name_of(function)}, which is C code and may change it: "
                    "it cannot be followed",
                    site,
                )
            if isinstance(each, Ref):
                raise self.wrong(
                    f"gives the shared object {each!r} to {name_of(function)}, which is C code or without source: "
                    "it cannot be followed",
                    site,
                )
            if is_one_of(function, _KEEPING) or is_one_of(function, (len, enumerate)):
                continue
            if _reaches_shared(each, _DEPTH) and not is_one_of(function, (sorted, min, max, sum, any, all)):
                raise self.wrong(
                    f"gives {name_of(function)}, which is C code or the library's, what leads to a shared object: "
                    "it cannot be followed",
                    site,
                )
        if is_one_of(function, (set, frozenset, collections.Counter)):
            for each in given:
                for item in each if isinstance(each, list | tuple | set | dict) else ():
                    self.key(item)
        if is_one_of(function, _COMPARING):
            for each in given:
                if isinstance(each, list | tuple | set | dict) and any(map(_has_operators, each)):
                    self.note(f"{name_of(function)} calls methods written in Python, which are not looked into", site)

    # -- objects of which only the library knows what they do

    def unknown(self, site: int | None, owner: Ref, name: str) -> Steps:
        """A method of a shared object of C code, or of the library's."""
        yield from ()
        kind = say_kind(owner)
        if owner.type.__module__ == "logging":
            self.quiet(site)
            self.note(f"{kind.removeprefix('a ')}.{name} is left out", site)
            return None
        if owner.type.__module__ in ("threading", "queue", "_queue"):
            raise self.wrong(
                f"calls {owner!r}.{name}: it waits on {kind}, which the model does not know (it knows Lock and RLock)",
                site,
            )
        raise self.wrong(f"calls {owner!r}.{name}: {kind} has a state of its own, which cannot be followed", site)


def refused_entry(manager: Any, function: Any) -> str | None:
    """Why a context manager, whose `__enter__` is `function`, cannot be entered; None if it can."""
    if isinstance(manager, Ref):
        if manager.type.__module__ in ("threading", "queue"):
            return f"waits on {manager!r}, {say_kind(manager)}, which the model does not know (it knows Lock and RLock)"
        if not isinstance(function, FunctionType):
            return f"enters {manager!r}, {say_kind(manager)}, which cannot be followed"
        return None
    if hasattr(manager, "gen"):
        return "enters a context manager made of a generator, which cannot be followed; write a class"
    return None


def _is_tuple_maker(function: Any) -> bool:
    return isinstance(function, type) and issubclass(function, tuple) and hasattr(function, "_fields")


def _is_native(thing: Any) -> bool:
    """Whether a thing may be called by C code, and is C code itself."""
    return isinstance(thing, BuiltinFunctionType | MethodWrapperType | functools.partial)


def _is_callback(thing: Any) -> bool:
    return isinstance(thing, Inner | Bound | FunctionType | MethodType)


def say_wrapper(function: Any) -> str:
    """Who wraps a function, as far as one can tell."""
    kind = type(function)
    return str(function.__code__.co_filename.rpartition("/")[2]) if kind is FunctionType else f"{kind.__module__}"


def _has_operators(thing: Any) -> bool:
    return is_private_object(thing) and any(
        isinstance(special(thing, name), FunctionType) for name in ("__lt__", "__gt__", "__add__", "__radd__", "__eq__")
    )


def _reaches_shared(thing: Any, depth: int) -> bool:
    """Whether a thing that this thread made for itself leads to a shared one."""
    if isinstance(thing, Ref | View | Super):
        return True
    if depth == 0 or isinstance(thing, _PLAIN):
        return False
    if isinstance(thing, dict):
        parts: list[Any] = [*thing, *thing.values()]
    elif isinstance(thing, tuple | list | set | frozenset | collections.deque):
        parts = list(thing)
    else:
        parts = []
    if is_of_python(type(thing)):
        parts += attributes(thing).values()
    return any(_reaches_shared(each, depth - 1) for each in parts)
