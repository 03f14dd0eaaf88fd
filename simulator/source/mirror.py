"""The shared objects as they are in another real state that the same `setup` made.

From a memory of the model to real objects that hold it, so that `invariant` and `observe` can be asked; and from real
objects to whether they hold what the model says, while real threads run on them. Knows which object is which by the way
that leads to it; knows nothing of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import MethodType, ModuleType
from typing import Any

from simulator.ops import show_value
from simulator.source.shared import (
    ABSENT,
    Bound,
    Frozen,
    Item,
    Place,
    Ref,
    Shared,
    Thrown,
    attributes,
    empty,
    fill,
    freeze,
    remade,
)
from simulator.values import value_key

__all__ = ["Mirror"]

_NOWHERE = object()
_MADE: dict[str, Callable[[], Any]] = {"lock": threading.Lock, "rlock": threading.RLock}


class Mirror:
    """Refs to real objects of one state, and back."""

    def __init__(self, shared: Shared, state: object) -> None:
        self.shared = shared
        self.state = state
        self._known: dict[str, Any] = {}

    # -- from the model to real objects

    def put(self, memory: Mapping[Hashable, Any]) -> Any:
        """Make the state hold what `memory` says, and return it. What is no part of the state is left alone."""
        # Every object is found before any is changed, or the way to it might lead elsewhere.
        targets = [
            (self._object(place.ref), place.item, self.real(memory[location]))
            for location, place in self.shared.places.items()
            if isinstance(place.ref, Ref) and self._is_inside(place.ref)
        ]
        for target, item, value in targets:
            self._put(target, item, value)
        return self.state

    def real(self, value: Any) -> Any:
        """What a value of the model is in this state."""
        if isinstance(value, Ref):
            return self._object(value)
        if isinstance(value, Bound):
            owner = self.real(value.owner)
            return (
                getattr(owner, value.function) if isinstance(value.function, str) else MethodType(value.function, owner)
            )
        if isinstance(value, Thrown):
            if value.name not in self._known:
                self._known[value.name] = value.made(self.real(value.arguments), self.real(value.attributes))
            return self._known[value.name]
        if isinstance(value, BaseException):
            return self._follow(self.shared.way_to_error(value), value)
        if isinstance(value, tuple):
            return remade(value, map(self.real, value))
        if isinstance(value, frozenset):
            return frozenset(map(self.real, value))
        if isinstance(value, Frozen):
            if issubclass(value.type, dict):
                items: tuple[Any, ...] = tuple((self.real(key), self.real(each)) for key, each in value.items)
            else:
                items = tuple(map(self.real, value.items))
            return Frozen(value.type, items, value.extra)
        return value

    def from_the_start(self) -> AbstractContextManager[None]:
        """Let globals, class attributes and all else outside the state start as they did, and be as before afterwards."""
        return self.outside(dict[Hashable, Any](self.shared.memory.items()))

    @contextmanager
    def outside(self, memory: Mapping[Hashable, Any]) -> Iterator[None]:
        """Let globals, class attributes and all else outside the state hold what a memory says, and be as before afterwards."""
        outside = [
            (place, self._raw(place), self.real(memory[location]))
            for location, place in self.shared.places.items()
            if not isinstance(place.ref, Ref) or not self._is_inside(place.ref) or self._is_the_same(place.ref)
        ]
        try:
            for place, _, value in outside:
                self._put(self._owner(place), place.item, value)
            yield
        finally:
            for place, before, _ in outside:
                self._put(self._owner(place), place.item, before)

    @contextmanager
    def with_locks(self, make: Mapping[str, Callable[[], Any]]) -> Iterator[None]:
        """Let locks that objects outside the state hold be others, made by `make["lock"]` and `make["rlock"]`."""
        placed = []
        for ref in self.shared.refs():
            way = self.shared.way(ref)
            # What a module calls by a name of its own is the business of whoever stands in for the module's names.
            if ref.kind in make and way[:1] not in ((), (Item("root", "state"),)) and not _is_of_module(way):
                owner = self._follow(way[:-1], None)
                placed.append((owner, way[-1], self._at(owner, way[-1])))
                self._put(owner, way[-1], make[ref.kind]())
        try:
            yield
        finally:
            for owner, item, before in placed:
                self._put(owner, item, before)

    def _is_inside(self, ref: Ref) -> bool:
        """Whether an object is a part of the state, or was made by a thread."""
        return isinstance(self.shared.real(ref), Ref) or self.shared.way(ref)[:1] == (Item("root", "state"),)

    def _is_the_same(self, ref: Ref) -> bool:
        """Whether every state holds this very object: a global list, say."""
        real = self.shared.real(ref)
        return not isinstance(real, Ref) and self._object(ref) is real

    def _owner(self, place: Place) -> Any:
        return self._object(place.ref) if isinstance(place.ref, Ref) else place.ref

    def _object(self, ref: Ref) -> Any:
        if ref.name not in self._known:
            real = self.shared.real(ref)
            if isinstance(real, Ref):
                made: Any = _MADE[ref.kind]() if ref.kind in _MADE else ref.type.__new__(ref.type)
            else:
                made = self._follow(self.shared.way(ref), real)
            self._known[ref.name] = made
        return self._known[ref.name]

    def _follow(self, way: tuple[Any, ...], real: Any) -> Any:
        if not way or way[0].how != "root":
            return real
        at: Any = self.state if way[0].key == "state" else way[0].key
        for item in way[1:]:
            if item.how == "attribute":
                at = attributes(at)[item.key]
            elif item.how == "item":
                at = dict.__getitem__(at, self.real(item.key)) if isinstance(at, dict) else at[item.key]
            elif item.how == "closure":
                at = at.__closure__[item.key]
            elif item.how == "member":
                at = list(at)[item.key]
        return at

    def _put(self, target: Any, item: Item, value: Any) -> None:
        if item.how == "attribute":
            if isinstance(target, type | ModuleType):
                if value is not ABSENT:
                    setattr(target, item.key, value)
                elif item.key in vars(target):
                    delattr(target, item.key)
            elif value is not ABSENT:
                object.__setattr__(target, item.key, value)
            elif item.key in attributes(target):
                object.__delattr__(target, item.key)
        elif item.how == "cell":
            if value is ABSENT:
                del target.cell_contents
            else:
                target.cell_contents = value
        elif item.how == "item":
            if value is ABSENT:
                dict.pop(target, self.real(item.key), None)
            elif isinstance(target, dict):
                dict.__setitem__(target, self.real(item.key), value)
            else:
                list.__setitem__(target, item.key, value)
        elif isinstance(value, Frozen):
            empty(target)
            fill(target, value.items)

    # -- from real objects to the model

    def _raw(self, place: Place) -> Any:
        """What a place really holds now."""
        return self._at(self._owner(place), place.item)

    def _at(self, target: Any, item: Item) -> Any:
        if item.how == "attribute":
            held = vars(target) if isinstance(target, type | ModuleType) else attributes(target)
            return held.get(item.key, ABSENT)
        if item.how == "cell":
            try:
                return target.cell_contents
            except ValueError:
                return ABSENT
        if item.how == "item":
            if isinstance(target, dict):
                return dict.get(target, self.real(item.key), ABSENT)
            return target[item.key] if -len(target) <= item.key < len(target) else ABSENT
        return freeze(target)

    def difference(self, memory: Mapping[Hashable, Any]) -> str:
        """Where the real objects hold something else than a memory of the model says, as a line; empty where nowhere.

        An object that a thread of the model has made is taken for the real one that is found in its place, if that is of the
        same class. What nobody can reach yet is not compared.
        """
        waiting = dict(self.shared.places)
        while True:
            later = {}
            for location, place in waiting.items():
                if self._is_unknown(place.ref):
                    later[location] = place
                    continue
                found = self._raw(place)
                if not self._is_same(memory[location], found):
                    return f"{location} is {show_value(found)} on real threads, {show_value(memory[location])} in the model"
            if len(later) == len(waiting):
                return ""
            waiting = later

    def memory(self) -> dict[Hashable, Any]:
        """What all locations hold now, as the model says it; what only a thread knows is absent."""
        names = {id(real): ref for ref in self.shared.refs() if (real := self._known_object(ref)) is not _NOWHERE}
        names |= {id(self._known[ref.name]): ref for ref in self.shared.made() if ref.name in self._known}
        return {
            location: ABSENT if self._is_unknown(place.ref) else _named(self._raw(place), names)
            for location, place in self.shared.places.items()
        }

    def locks(self) -> dict[int, str]:
        """The names of the locks by the identity of the real ones."""
        names = [*self.shared.locks, *self.shared.rlocks]
        known = {ref.name: ref for ref in self.shared.refs()}
        return {id(self._object(known[name])): name for name in names if name in known}

    def lock_name(self, lock: Any, expected: Hashable) -> Hashable | None:
        """What the model calls a lock that a thread has made: the name that is expected here, if no other lock has it yet."""
        made = [ref.name for ref in self.shared.made() if ref.kind in ("lock", "rlock")]
        for name in made:
            if self._known.get(name) is lock:
                return name
        if expected in made and expected not in self._known:
            self._known[str(expected)] = lock
            return expected
        return None

    def _known_object(self, ref: Ref) -> Any:
        try:
            return self._object(ref)
        except (KeyError, IndexError, AttributeError):
            return _NOWHERE

    def _is_unknown(self, ref: Any) -> bool:
        """Whether a ref is of something that a thread of the model has made, and nobody has found yet."""
        return isinstance(ref, Ref) and isinstance(self.shared.real(ref), Ref) and ref.name not in self._known

    def _is_same(self, value: Any, real: Any) -> bool:
        if isinstance(value, Ref):
            if self._is_unknown(value):
                if type(real) is value.type or value.kind in ("lock", "rlock"):
                    self._known[value.name] = real
                    return True
                return False
            return self._object(value) is real
        if isinstance(value, Thrown):
            if value.name in self._known:
                return self._known[value.name] is real
            is_one = type(real) is value.type and self._is_same(value.arguments, real.args)
            if is_one:
                self._known[value.name] = real
            return is_one
        if isinstance(value, BaseException):
            return self.real(value) is real
        if isinstance(value, Frozen):
            return isinstance(real, Frozen) and self._is_same(value.items, real.items)
        if isinstance(value, Bound):
            return getattr(real, "__func__", None) is value.function and self._is_same(value.owner, real.__self__)
        if isinstance(value, tuple):
            return isinstance(real, tuple) and len(value) == len(real) and all(map(self._is_same, value, real))
        if isinstance(value, frozenset) and isinstance(real, frozenset):
            return len(value) == len(real)
        try:
            return value_key(value) == value_key(real)
        except TypeError:
            return False


def _is_of_module(way: tuple[Any, ...]) -> bool:
    return len(way) == 2 and isinstance(way[0].key, ModuleType)


def _named(real: Any, names: Mapping[int, Ref]) -> Any:
    """A real value as the model says it: shared objects by their refs."""
    if id(real) in names:
        return names[id(real)]
    if isinstance(real, Frozen):
        return Frozen(real.type, _named(real.items, names), real.extra)
    if isinstance(real, tuple):
        return remade(real, [_named(each, names) for each in real])
    return real
