"""What builtin containers do: item by item, or as one.

The items of a list or a dict are locations of their own as long as threads only get and set them. A container that is also
looked at or changed as a whole is one location, and each method of C code is one step on it.
"""

from __future__ import annotations

import collections
import operator
from abc import abstractmethod
from collections.abc import ItemsView, ValuesView
from types import FunctionType
from typing import Any

from simulator.ops import Read, Update, Write
from simulator.source.attributes import say_kind
from simulator.source.called_back import may_call_back
from simulator.source.changes import applied, change, gone, or_default, removal
from simulator.source.comparing import Comparing
from simulator.source.kinds import (
    Said,
    View,
    is_absent,
    is_container,
    is_of_python,
    is_shared,
    may_be_compared,
    special,
)
from simulator.source.running import Steps
from simulator.source.shared import ABSENT, CONTAINERS, Frozen, Item, Ref, freeze, thaw

__all__ = ["Containers"]

_A_DICT: dict[Any, Any] = {}
_LOOKS_ONLY = {
    "copy", "count", "index", "get", "keys", "values", "items", "difference", "intersection", "union",
    "symmetric_difference", "isdisjoint", "issubset", "issuperset", "most_common", "elements", "total", "decode", "find",
    "startswith", "endswith", "hex", "__len__", "__contains__", "__getitem__", "__eq__", "__iter__", "__reversed__",
}  # fmt: skip
"""Methods that change nothing."""
_FACTORIES = (int, float, str, bool, complex, bytes, tuple, frozenset, list, dict, set, collections.deque)
"""Types that make their empty value in C code, so that looking up what is missing is one step."""
_OF_ONE = {"setdefault", "pop", "__delitem__", "__getitem__"}
"""Methods of a dict that look at one item, and change that one only."""
_TAKES_MANY = {
    "extend", "extendleft", "update", "subtract", "difference_update", "intersection_update", "symmetric_difference_update",
}  # fmt: skip
"""Methods whose arguments are taken apart by C code: what is Python code among them has to be done before."""
_PUTS_IN = {"extend", "extendleft", "update", "subtract", "difference_update"}
"""Methods that change the container for each item that they get, and then ask for the next one."""


def _check_hash(key: Any) -> None:
    """Raise TypeError for a shared object that Python finds unhashable: a list, say, or what has `__eq__` only."""
    for each in key if isinstance(key, tuple) else (key,):
        if isinstance(each, tuple):
            _check_hash(each)
        elif isinstance(each, Ref) and special(each, "__hash__") is None:
            raise TypeError(f"unhashable type: {each.type.__name__!r}")


class Containers(Comparing):
    """`owner[key]`, and the methods of builtin containers."""

    def load_item(self, owner: Any, key: Any, site: int | None) -> Steps:
        """`owner[key]`."""
        owner, key = self.seen(owner), self.seen(key)
        if isinstance(owner, type):
            self.quiet(site)
            return (yield from self._class_item(owner, key, site))
        function = special(owner, "__getitem__")
        if isinstance(function, FunctionType):
            self.quiet(site)
            return (yield from self.follow(function, (owner, key), {}, None))
        if not isinstance(owner, Ref):
            self.quiet(site)
            self._look_up(owner, key, site)
            key = self.mine(key)
            missing = special(owner, "__missing__")
            if missing is not None and not self._holds(owner, key):
                if isinstance(missing, FunctionType):
                    return (yield from self.follow(missing, (owner, key), {}, None))
                if owner.default_factory is not None:
                    owner[key] = yield from self.invoke(None, owner.default_factory)
            return self.at_key(operator.getitem, owner, key)
        item = self._item(owner, key, site)
        if item is None:
            missing = special(owner, "__missing__")
            if missing is not None and self._makes_at_once(owner, missing):
                # C code looks and makes in one go.
                return (yield from self.change(owner, "__getitem__", (key,), {}, site))
            held = yield from self.all_of(owner, site, key)
            if missing is not None and not self._holds(held, self.mine(key)):
                return (yield from self._missing(owner, key, missing, site, held))
            return self.at_key(operator.getitem, held, self.mine(key))
        is_constant, value = self.shared.constant(owner, item)
        if is_constant:
            self.quiet(site)
        else:
            yield from self.hold()
            self.is_at(site)
            value = self.mine((yield Read(value)))
        missing = special(owner, "__missing__")
        if is_absent(value) and missing is not None:
            return (yield from self._missing(owner, key, missing, site))
        return self._there(value, owner, key)

    def _class_item(self, owner: Any, key: Any, site: int | None) -> Steps:
        """`list[int]`, a generic class, a member of an enum by its name."""
        function = special(owner, "__getitem__")
        if isinstance(function, FunctionType) and is_of_python(type(owner)):
            return (yield from self.follow(function, (owner, key), {}, None))
        return owner[key]

    def _missing(self, owner: Ref, key: Any, missing: Any, site: int | None, held: Any = None) -> Steps:
        """`defaultdict` makes what is missing: C code, in one go, unless its factory is Python. `__missing__` is followed."""
        if isinstance(missing, FunctionType):
            return (yield from self.follow(missing, (owner, key), {}, None))
        factory = self._factory(owner) if held is None else held.default_factory
        if factory is None or is_absent(factory):
            raise KeyError(key)
        if self._is_builtin_factory(factory):
            made = yield from self.share(factory(), site)
            return (yield from self.change(owner, "setdefault", (key, made), {}, None))
        made = yield from self.share((yield from self.invoke(None, factory)), site)
        yield from self.change(owner, "__setitem__", (key, made), {}, None)
        return made

    def _makes_at_once(self, owner: Ref, missing: Any) -> bool:
        """Whether what is missing is made by C code alone, in a container that somebody changes."""
        factory = self._factory(owner)
        return not isinstance(missing, FunctionType) and self._is_builtin_factory(factory) and not is_mutable(factory)

    def _factory(self, owner: Ref) -> Any:
        """What a `defaultdict` calls for a missing key."""
        is_constant, found = self.shared.constant(owner, Item("all", None))
        frozen = found if is_constant else self.shared.memory[found]
        factory = frozen.extra[0] if isinstance(frozen, Frozen) and frozen.extra else None
        return ABSENT if factory is None else factory

    def _is_builtin_factory(self, factory: Any) -> bool:
        return factory in _FACTORIES

    def _there(self, value: Any, owner: Ref, key: Any) -> Any:
        if value is not ABSENT:
            return value
        raise KeyError(key) if owner.kind == "dict" else IndexError(f"{owner.kind} index out of range")

    def _item(self, owner: Ref, key: Any, site: int | None, refusal: str = "is not subscriptable") -> Item | None:
        """The item that a key means, where items are locations of their own; None where the container is one."""
        if owner.kind not in ("list", "dict", "deque", "bytearray"):
            if owner.kind in ("set", "object"):
                raise TypeError(f"{owner.type.__name__!r} object {refusal}")
            raise self.wrong(f"takes an item of {owner!r}, {say_kind(owner)}, which cannot be followed", site)
        self._look_up(owner, key, site)
        if self.shared.is_whole(owner):
            return None
        if owner.kind == "dict":
            return Item("item", key) if self._is_by_item(owner, key) else None
        if hasattr(key, "__index__"):
            key = operator.index(key)
            length = len(self.shared.real(owner))
            return Item("item", key + length if -length <= key < 0 else key)
        return None

    def _is_by_item(self, owner: Ref, key: Any) -> bool:
        """Whether a key of a shared dict has a location of its own."""
        hash(key)
        if self.shared.is_whole(owner):
            return False
        if self.shared.is_too_fine(owner, key):
            self.shared.make_whole(owner)
            return False
        return True

    def _look_up(self, owner: Any, key: Any, site: int | None) -> None:
        """Raise for a key that C code would have to compare by means of Python code, and for one that has no hash."""
        if isinstance(owner, dict | set | frozenset) or (isinstance(owner, Ref) and owner.kind in ("dict", "set")):
            _check_hash(key)
        if not may_be_compared(key):
            raise self.wrong(
                f"looks up {key!r}, which C code would compare by what is in it: it cannot be followed", site
            )

    def key(self, thing: Any) -> Any:
        """A key of a dict, or an item of a set, that is being made."""
        self._look_up(_A_DICT, self.seen(thing), None)
        mine = self.mine(thing)
        if may_call_back(mine):
            self.in_c_watched(hash, mine)
            self.in_c_watched(operator.eq, mine, mine)
        return mine

    def at_key(self, function: Any, owner: Any, key: Any, *value: Any) -> Any:
        """An item of what is this thread's own; Python code may say what its key is equal to."""
        do = self.in_c_watched if may_call_back(key) else self._at_once
        return do(function, owner, key, *value)

    def _at_once(self, function: Any, owner: Any, key: Any, *value: Any) -> Any:
        return function(owner, key, *value)

    def set_of(self, *things: Any) -> set[Any]:
        """`{a, b}`: all of it is worked out before anything is hashed."""
        return {self.key(each) for each in things}

    def dict_of(self, *things: Any) -> dict[Any, Any]:
        """`{a: b}`, from keys and values in turn."""
        return {self.key(key): value for key, value in zip(things[::2], things[1::2], strict=True)}

    def store_item(self, owner: Any, key: Any, value: Any, site: int | None) -> Steps:
        """`owner[key] = value`."""
        owner, key = self.seen(owner), self.seen(key)
        function = special(owner, "__setitem__")
        if isinstance(function, FunctionType):
            self.quiet(site)
            yield from self.follow(function, (owner, key, value), {}, None)
        elif not isinstance(owner, Ref):
            self._look_up(owner, key, site)
            if isinstance(key, slice):
                value = yield from self.unpack(value)
            self.quiet(site)
            self.at_key(operator.setitem, owner, self.mine(key), value)
        else:
            if isinstance(key, slice):
                value = yield from self._as_tuple(value)
            value = yield from self.share(value, site)
            item = self._item(owner, key, site, "does not support item assignment")
            if item is not None and owner.kind == "list" and not 0 <= item.key < len(self.shared.real(owner)):
                self.quiet(site)
                raise IndexError("list assignment index out of range")
            if item is None:
                yield from self.change(owner, "__setitem__", (key, value), {}, site)
            else:
                location = self.shared.writes(owner, item)
                if self.shared.is_whole(owner):
                    # It has just become one, because it is looked at as a whole elsewhere.
                    yield from self.change(owner, "__setitem__", (key, value), {}, site)
                else:
                    yield from self.hold()
                    self.is_at(site)
                    yield Write(location, value)

    def _as_tuple(self, value: Any) -> Steps:
        return tuple((yield from self.unpack(value)))

    def delete_item(self, owner: Any, key: Any, site: int | None) -> Steps:
        """`del owner[key]`."""
        owner, key = self.seen(owner), self.seen(key)
        function = special(owner, "__delitem__")
        if isinstance(function, FunctionType):
            self.quiet(site)
            yield from self.follow(function, (owner, key), {}, None)
        elif not isinstance(owner, Ref):
            self._look_up(owner, key, site)
            self.quiet(site)
            self.at_key(operator.delitem, owner, self.mine(key))
        else:
            item = self._item(owner, key, site, "doesn't support item deletion")
            if item is not None and owner.kind == "dict":
                yield from self._update_item(owner, item, site, removal(KeyError, key))
            else:
                yield from self.change(owner, "__delitem__", (key,), {}, site)

    def _update_item(self, owner: Ref, item: Item, site: int | None, function: Any, *arguments: Any) -> Steps:
        location = self.shared.writes(owner, item)
        yield from self.hold()
        self.is_at(site)
        return self.mine((yield Update(location, function, *arguments)))

    # -- all of a container

    def all_of(self, owner: Ref, site: int | None, *key: Any) -> Steps:
        """All of a container, in one go: a new one with the same items. With a key, it is that item which is looked at."""
        self.shared.takes_all(owner)
        is_constant, found = self._whole(owner)
        if is_constant:
            self.quiet(site)
        else:
            yield from self.hold()
            self.is_at(site)
            found = self.mine((yield Read(found, atomic=True, part=self._part(owner, key))))
        return thaw(found)

    def note_order(self, owner: Ref, site: int | None) -> None:
        """Say what going through a container that somebody changes does not show."""
        if self.shared.constant(owner, Item("all", None))[0]:
            return
        if owner.kind == "set":
            self.note(f"{owner!r} is gone through in an order of our own: that of a set depends on its past", site)
        elif owner.kind == "deque" or issubclass(owner.type, collections.OrderedDict):
            self.note(
                f"a loop over {owner!r} does not notice a change that is undone before its next turn, as Python's does",
                site,
            )

    def _part(self, owner: Ref, key: tuple[Any, ...]) -> str | None:
        """The name of an item of a container that is one location."""
        if not key or owner.kind == "set" or isinstance(key[0], slice):
            return None
        seen = tuple(map(self.seen, key[0])) if type(key[0]) is tuple else self.seen(key[0])
        return self.shared.location(owner, Item("item", seen))

    def _changed_part(self, owner: Ref, method: str, given: list[Any], named: list[tuple[str, Any]]) -> str | None:
        if owner.kind == "dict" and method == "update":
            keys = [name for name, _ in named]
            keys += [
                key
                for each in given
                if isinstance(each, Frozen) and issubclass(each.type, dict)
                for key, _ in each.items
            ]
            return self._part(owner, (keys[0],)) if len(keys) == len(given) + len(named) == 1 else None
        is_of_one = method == "__setitem__" or (owner.kind == "dict" and method in _OF_ONE)
        return self._part(owner, tuple(given[:1])) if is_of_one else None

    def _whole(self, owner: Ref) -> tuple[bool, Any]:
        is_constant, found = self.shared.constant(owner, Item("all", None))
        if is_constant and found is ABSENT:
            return False, self.shared.writes(owner, Item("all", None))
        return is_constant, found

    def taken(self, thing: Any, site: int | None) -> Steps:
        """A container in one go, or a view of one."""
        if isinstance(thing, View):
            held = yield from self.all_of(thing.ref, site)
            return self._viewed(held, thing.which)
        return (yield from self.all_of(thing, site))

    def _viewed(self, held: Any, which: str) -> Any:
        return getattr(held, which)()

    def change(
        self, owner: Ref, method: str, arguments: tuple[Any, ...], keywords: dict[str, Any], site: int | None
    ) -> Steps:
        """A method of a builtin container that changes it, in one go; what the method returned."""
        self.shared.make_whole(owner)
        location = self.shared.writes(owner, Item("all", None))
        given = []
        for each in arguments:
            given.append(each if self._is_value(each) else (yield from self.share(each, site)))
        named = []
        for name, each in sorted(keywords.items()):
            named.append((name, (yield from self.share(each, site))))
        self._comparable(owner, method, given, site)
        yield from self.hold()
        self.is_at(site)
        before = self.mine(
            (
                yield change(
                    location, method, tuple(given), tuple(named), self._changed_part(owner, method, given, named)
                )
            )
        )
        named = [(name, self.mine(each)) for name, each in named]
        return applied(thaw(before), method, self.mine(tuple(given)), tuple(named))

    def _is_value(self, thing: Any) -> bool:
        return isinstance(thing, Frozen)

    def _comparable(self, owner: Ref, method: str, given: list[Any], site: int | None) -> None:
        """Raise where C code would compare shared objects by what is in them."""
        if owner.kind in ("set", "dict") or method in ("remove", "sort", "heapq.heappush"):
            for each in given:
                if not may_be_compared(each) and (owner.kind != "dict" or each is given[0]):
                    raise self.wrong(
                        f"calls {method} of {owner!r}, where C code would compare {each!r} by what is in it: "
                        "it cannot be followed",
                        site,
                    )

    # -- methods

    def method(
        self, site: int | None, owner: Ref, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Steps:
        """A method of a builtin container."""
        if name in ("keys", "values", "items") and owner.kind == "dict":
            self.quiet(site)
            return View(owner, name)
        is_of_one = owner.kind == "dict" and name in ("get", "setdefault", "pop") and len(arguments) in (1, 2)
        if is_of_one and not keywords and self._is_by_item(owner, self.seen(arguments[0])):
            result = yield from self._item_method(site, owner, name, arguments)
        elif name == "__contains__":
            result = yield from self.contains_item(owner, self._only(arguments), site)
        elif name == "__getitem__" and not is_of_python(owner.type):
            result = yield from self.load_item(owner, self._only(arguments), site)
        elif self._searches(name, owner) and len(arguments) == 1 and not keywords:
            result = yield from self._searched(site, owner, name, arguments[0])
        elif self._looks_only(name):
            given = []
            for each in arguments:
                given.append((yield from self.unpack(each)) if is_container(self.seen(each)) else self.seen(each))
            self._comparable(owner, "remove", given, site)
            held = yield from self.all_of(owner, site, *self._asked_for(name, given))
            result = self.in_c(applied, held, name, self.mine(tuple(given)), tuple(keywords.items()))
        elif self._is_one_by_one(name, arguments):
            result = yield from self.one_by_one(site, owner, name, arguments, keywords)
        elif name == "sort" and keywords.get("key") is not None:
            result = yield from self._sort(site, owner, keywords)
        else:
            if self._takes_many(name):
                taken = []
                for each in arguments:
                    taken.append((yield from self.value_of(each, site)))
                arguments = tuple(taken)
            result = yield from self.change(owner, name, arguments, keywords, site)
            if owner.kind == "set" and name == "pop":
                self.note_order(owner, site)
        return result

    @abstractmethod
    def is_lazy(self, thing: Any) -> bool:
        """Whether Python code makes the items of an iterable when C code asks for them."""

    @abstractmethod
    def one_by_one(
        self, site: int | None, owner: Any, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Steps:
        """A method that puts in one item after the other."""

    def _is_one_by_one(self, name: str, arguments: tuple[Any, ...]) -> bool:
        return name in _PUTS_IN and any(map(self.is_lazy, arguments))

    def _searches(self, name: str, owner: Ref) -> bool:
        return name in ("count", "index", "remove") and owner.kind in ("list", "deque")

    def _searched(self, site: int | None, owner: Ref, name: str, thing: Any) -> Steps:
        """`index`, `remove` and `count` of a shared list: in one go, as long as C code may compare what is in it."""
        if name == "remove" and not self._holds_others(thing):
            return (yield from self.change(owner, name, (thing,), {}, site))
        held = yield from self.all_of(owner, site)
        found = yield from self.searched(held, name, thing)
        if name == "remove":
            yield from self.change(owner, "__delitem__", (found,), {}, None)
            return None
        return found

    def _holds_others(self, thing: Any) -> bool:
        """Whether a thing is compared by what is in it."""
        seen = self.seen(thing)
        if isinstance(seen, Ref):
            return not may_be_compared(seen)
        return isinstance(seen, CONTAINERS) or self.is_walked(seen)

    def searched(self, held: Any, name: str, thing: Any) -> Steps:
        """The place of a thing in a list of this thread's own, or how often it is there. Raises ValueError as Python does."""
        if name != "remove" and not self.is_walked(thing, *held):
            return getattr(held, name)(self.mine(thing))
        found = []
        for number, each in enumerate(tuple(held)):
            if (yield from self.is_equal(each, thing)):
                if name != "count":
                    return number
                found.append(number)
        if name == "count":
            return len(found)
        shown = Said((yield from self.text(thing)))
        # An empty one says in Python's words that it is not there.
        return getattr(type(held)(), name)(shown)

    @abstractmethod
    def text(self, thing: Any) -> Steps:
        """`repr(thing)`."""

    def _asked_for(self, name: str, given: list[Any]) -> list[Any]:
        """The key, where a method looks at one item alone."""
        return given[:1] if name in ("get", "__getitem__") else []

    def _only(self, arguments: tuple[Any, ...]) -> Any:
        (argument,) = arguments
        return argument

    def _looks_only(self, name: str) -> bool:
        return name in _LOOKS_ONLY

    def _takes_many(self, name: str) -> bool:
        return name in _TAKES_MANY

    def value_of(self, thing: Any, site: int | None) -> Steps:
        """An iterable, or a mapping, as a value that C code can take apart later."""
        taken = yield from self.unpack(thing)
        frozen = self._as_frozen(taken)
        if frozen is None:
            return taken
        parts = []
        for each in frozen.items:
            parts.append((yield from self.share(each, site)))
        return Frozen(frozen.type, tuple(parts))

    def _as_frozen(self, taken: Any) -> Frozen | None:
        if isinstance(taken, dict | set):
            return Frozen(dict if isinstance(taken, dict) else set, freeze(taken).items)
        if is_shared(taken) or isinstance(taken, str | bytes | frozenset) or not hasattr(taken, "__iter__"):
            return None
        return Frozen(list, tuple(taken))

    def _item_method(self, site: int | None, owner: Ref, name: str, arguments: tuple[Any, ...]) -> Steps:
        key = self.seen(arguments[0])
        self._look_up(owner, key, site)
        item = Item("item", key)
        if name == "get":
            is_constant, value = self.shared.constant(owner, item)
            if is_constant:
                self.quiet(site)
            else:
                yield from self.hold()
                self.is_at(site)
                value = self.mine((yield Read(value)))
            return or_default(value, arguments[1] if len(arguments) > 1 else None)
        if name == "setdefault":
            default = yield from self.share(arguments[1] if len(arguments) > 1 else None, site)
            return or_default(
                (yield from self._update_item(owner, item, site, or_default, default)), self.mine(default)
            )
        if len(arguments) == 1:
            return (yield from self._update_item(owner, item, site, removal(KeyError, key)))
        return or_default((yield from self._update_item(owner, item, site, gone)), arguments[1])

    def _sort(self, site: int | None, owner: Ref, keywords: dict[str, Any]) -> Steps:
        """`sort` with a key: while it is worked out, the list is empty to all others."""
        held = yield from self.change(owner, "list.take", (), {}, site)
        try:
            ordered = yield from self.sorted(held, keywords, site)
        except Exception:
            yield from self.change(owner, "list.put", (tuple(held),), {}, None)
            raise
        if (yield from self.change(owner, "list.put", (tuple(ordered),), {}, None)):
            raise ValueError("list modified during sort")

    def sorted(self, items: Any, keywords: dict[str, Any], site: int | None) -> Steps:
        """`sorted` with a key that is Python code."""
        keys = []
        for each in items:
            keys.append((yield from self.invoke(None, keywords["key"], each)))
        return self._by_keys(list(items), keys, keywords)

    def _by_keys(self, items: list[Any], keys: list[Any], keywords: dict[str, Any]) -> list[Any]:
        numbers = range(len(items))
        ordered = self.in_c(_sorted, keys, numbers, bool(keywords.get("reverse")))
        return [items[number] for number in ordered]

    # -- what is in it

    def contains_item(self, container: Any, thing: Any, site: int | None) -> Steps:
        """`thing in container`, for what has no `__contains__` written in Python."""
        if isinstance(container, Ref) and container.kind == "dict" and self._is_by_item(container, self.seen(thing)):
            thing = self.seen(thing)
            self._look_up(container, thing, site)
            is_constant, value = self.shared.constant(container, Item("item", thing))
            if is_constant:
                self.quiet(site)
            else:
                yield from self.hold()
                self.is_at(site)
                value = self.mine((yield Read(value)))
            return not is_absent(value)
        if isinstance(container, Ref) and container.kind == "dict":
            held = yield from self.all_of(container, site, self.seen(thing))
        elif is_container(container):
            held = yield from self.taken(container, site)
        else:
            self.quiet(site)
            held = container
        return (yield from self._is_in(held, self.mine(thing), site))

    def _is_in(self, held: Any, thing: Any, site: int | None) -> Steps:
        """C code looks through a container that is this thread's own; what it cannot compare is compared one by one."""
        if isinstance(held, ItemsView | ValuesView):
            held = list(held)
        if self.is_sequence(held):
            if self.is_walked(thing, *held):
                for each in tuple(held):
                    if (yield from self.is_equal(each, thing)):
                        return True
                return False
        elif not may_be_compared(thing):
            raise self.wrong(
                "asks what is in a set or a dict, whose items Python code compares: it cannot be followed", site
            )
        return self._holds(held, thing)

    def _holds(self, container: Any, thing: Any) -> bool:
        if isinstance(container, dict | set | frozenset):
            return bool(self.at_key(operator.contains, container, thing))
        return bool(self.in_c(operator.contains, container, thing))


def is_mutable(factory: Any) -> bool:
    """Whether what a factory makes can be changed, so that it has to be shared first."""
    return factory in (list, dict, set, collections.deque)


def _sorted(keys: list[Any], numbers: range, reverse: bool) -> list[int]:
    return sorted(numbers, key=keys.__getitem__, reverse=reverse)
