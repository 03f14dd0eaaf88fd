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
from simulator.source.called_back import may_call_back
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
_COMPARES_OWN = {"sort", "remove", "index", "count", "__contains__", "__eq__"}
_PLAIN = (int, float, complex, str, bytes, type(None), range, slice, type, BuiltinFunctionType, ModuleType)
_DEPTH = 6


class Native(Locks):
    """Calls of what has no Python code that could be followed."""

    def native(self, site: int | None, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Steps:
        """One step that touches nothing shared, or a look at the shared containers that it is given."""
        owner = getattr(function, "__self__", None)
        known = self.seen(owner)
        if isinstance(known, Ref) and not isinstance(owner, Ref):
            # A method of a container that was this thread's own when the method was taken.
            return (yield from self.invoke(site, Bound(function.__name__, known), *arguments, **keywords))
        if self.is_sequence(owner) and self._is_search(owner, function, arguments, keywords):
            return (yield from self._search(site, owner, function, arguments[0]))
        if isinstance(owner, list) and function.__name__ == "sort" and keywords.get("key") is not None:
            self.quiet(site)
            owner[:] = yield from self.sorted(owner, keywords, site)
            return None
        if is_one_of(function, (min, max)) and self._asks_code(arguments, keywords):
            return (yield from self._best(site, function, arguments, keywords))
        if isinstance(owner, CONTAINERS) and self._is_one_by_one(self._name(function), arguments):
            return (yield from self.one_by_one(site, owner, function.__name__, arguments, keywords))
        given = [self.seen(each) for each in arguments]
        named = {name: self.seen(each) for name, each in keywords.items()}
        self._allow(function, owner, given, named, site)
        if self._changes(function) and given and isinstance(given[0], Ref):
            name = f"heapq.{function.__name__}"
            result = yield from self.change(given[0], name, tuple(given[1:]), {}, site)
        else:
            yield from self._prepare(function, owner, given, site)
            keeps = self._keeps(function, owner)
            self._check(function, owner, given if keeps else [*given, *named.values()], site)
            if is_one_of(function, (sorted,)) and keywords.get("key") is not None:
                result = yield from self.sorted(given[0], keywords, site)
            elif is_one_of(function, (sorted,)) and len(given) == 1 and not keywords.keys() - {"key", "reverse"}:
                items = list(given[0])
                result = self._by_keys(items, [self._as_seen(each) for each in items], keywords)
            else:
                if keeps:
                    given = [self.mine(each) for each in given]
                    named = {name: self.mine(each) for name, each in named.items()}
                result = self._run(function, given, named)
        return result

    def _asks_code(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> bool:
        """Whether `min` or `max` may ask Python code, for keys or which of two is less."""
        if keywords.get("key") is not None or len(arguments) != 1:
            return keywords.get("key") is not None or self.is_walked(*arguments)
        seen = self.seen(arguments[0])
        return isinstance(seen, Cursor) or is_container(seen) or (self.is_sequence(seen) and self.is_walked(*seen))

    def _best(self, site: int | None, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Steps:
        """`min` and `max`, item by item."""
        if len(arguments) > 1 and "default" in keywords:
            function(0, 0, default=None)
        key = keywords.get("key")
        items: list[Any] = list(arguments)
        cursor: Any = None
        if len(arguments) == 1:
            seen = self.seen(arguments[0])
            if is_container(seen) and not isinstance(special(seen, "__iter__"), FunctionType):
                items, cursor = yield from self.before_code(seen, site, is_ours if key is None else _always)
            else:
                self.quiet(site)
                items, cursor = [], (yield from self.iterate(seen))
        else:
            self.quiet(site)
        number = 0
        best: Any = None
        best_key: Any = None
        while number < len(items) or (cursor and (yield from self.advance(cursor, None))):
            item = items[number] if number < len(items) else cursor.value
            value = item if key is None else (yield from self.invoke(None, key, item))
            if number == 0 or (
                yield from self.truth(
                    (yield from self.binary(self._than(function), value, best_key)),
                )
            ):
                best, best_key = item, value
            number += 1
        if number == 0:
            return keywords["default"] if "default" in keywords else function([])
        return best

    def _than(self, function: Any) -> str:
        return "lt" if function is min else "gt"

    def _name(self, function: Any) -> str:
        return getattr(function, "__name__", "")

    def _changes(self, function: Any) -> bool:
        return is_one_of(function, _CHANGERS)

    def _is_search(self, owner: Any, function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> bool:
        is_search = function.__name__ in ("index", "remove", "count") and len(arguments) == 1 and not keywords
        return is_search and self.is_walked(arguments[0], *owner)

    def _search(self, site: int | None, owner: Any, function: Any, thing: Any) -> Steps:
        """`index`, `remove` and `count` of a list of this thread's own, where C code cannot compare what is in it."""
        self.quiet(site)
        found = yield from self.searched(owner, function.__name__, thing)
        if function.__name__ == "remove":
            del owner[found]
            return None
        return found

    def _run(self, function: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        if is_of_python(function) if isinstance(function, type) else self._compares_own(function):
            return self.in_c_watched(function, *arguments, **keywords)
        return self.in_c(function, *arguments, **keywords)

    def _compares_own(self, function: Any) -> bool:
        """Whether a method of a container of one's own compares what is in it."""
        owner = getattr(function, "__self__", None)
        return (
            isinstance(owner, list | collections.deque) and function.__name__ in _COMPARES_OWN and may_call_back(owner)
        )

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
            elif isinstance(each, Cursor) and each.how == "native":
                given[number] = each.over
            elif isinstance(each, Cursor) and not self._keeps(function, owner):
                if self._is_lazy_itself(function):
                    raise self.wrong(
                        f"gives {name_of(function)}, which goes through it later, what Python code makes item by item: "
                        "it cannot be followed; make a list of it first",
                        site,
                    )
                given[number] = yield from self.collected(each)
        if not has_place:
            self.quiet(site)

    def _keeps(self, function: Any, owner: Any) -> bool:
        return isinstance(owner, CONTAINERS) or is_one_of(function, _KEEPING) or _is_tuple_maker(function)

    def _is_lazy_itself(self, function: Any) -> bool:
        return str(getattr(function, "__module__", "")) == "itertools"

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
        keeps = self._keeps(function, owner)
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
            if self._reaches_shared(each, _DEPTH) and not is_one_of(function, (sorted, min, max, sum, any, all)):
                raise self.wrong(
                    f"gives {name_of(function)}, which is C code or the library's, what leads to a shared object: "
                    "it cannot be followed",
                    site,
                )
        if is_one_of(function, (set, frozenset, collections.Counter)):
            for each in given:
                for item in each if isinstance(each, list | tuple | set | dict) else ():
                    self.key(item)

    def _reaches_shared(self, thing: Any, depth: int) -> bool:
        """Whether a thing that this thread made for itself leads to a shared one."""
        thing = self.seen(thing)
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
        return any(self._reaches_shared(each, depth - 1) for each in parts)

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


def _always(_: Any) -> bool:
    return True


def _is_native(thing: Any) -> bool:
    """Whether a thing may be called by C code, and is C code itself."""
    return isinstance(thing, BuiltinFunctionType | MethodWrapperType | functools.partial)


def _is_callback(thing: Any) -> bool:
    if isinstance(thing, functools.partial):
        return _is_callback(thing.func)
    return isinstance(thing, Inner | Bound | FunctionType | MethodType)


def say_wrapper(function: Any) -> str:
    """Who wraps a function, as far as one can tell."""
    kind = type(function)
    return str(function.__code__.co_filename.rpartition("/")[2]) if kind is FunctionType else f"{kind.__module__}"
