"""What lies outside the shared state and is shared all the same: globals, class attributes, what functions keep (defaults,
attributes, variables of functions around them), and what these hold.

Each run starts with them as they were before the first one. The locks among them, which were made when the module was
imported, are stood in for while a run lasts. Only what belongs to the code under test is touched: plain values, Python's
own containers, and objects of the modules' own classes.

Like `watched.py`, this file runs on any CPython from 3.8 on, with nothing but the standard library.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from types import FunctionType
from typing import Any

from simulator.real.reach import attributes
from simulator.real.watched import Watch

__all__ = ["Held", "Outside"]

_LOCK, _RLOCK = type(threading.Lock()), type(threading.RLock())
_CONTAINERS = (list, dict, set, deque, bytearray, defaultdict, OrderedDict, Counter)
_PLAIN = (type(None), bool, int, float, complex, str, bytes, tuple, frozenset)

_WITH_FUNCTIONS = (FunctionType, classmethod, staticmethod, property, partial)


class Held(Exception):
    """A lock that is taken before any thread runs."""


class Outside:
    """The globals of some modules, as they were when this was made."""

    def __init__(self, namespaces: Sequence[dict[str, Any]]) -> None:
        self.namespaces = list(namespaces)
        self._modules = {namespace.get("__name__") for namespace in namespaces}
        self._seen: set[int] = set()
        self._values: list[tuple[str, Any, Any, Any]] = []
        """A name, what holds the value, under which key, and the value."""
        self._locks: list[tuple[str, Any, Any, Any]] = []
        self._contents: list[tuple[Any, Any]] = []
        self._names: list[tuple[Any, frozenset[str]]] = []
        """What holds values by names, and under which names it did."""
        for number, namespace in enumerate(self.namespaces):
            self._names.append((namespace, frozenset(namespace)))
            prefix = f"{namespace.get('__name__')}." if number else ""
            for name, value in list(namespace.items()):
                if not name.startswith("__"):
                    self._note(prefix + name, namespace, name, value)

    def _note(self, name: str, holder: Any, key: Any, value: Any) -> None:
        kind = type(value)
        if kind is _LOCK or kind is _RLOCK:
            self._locks.append((name, holder, key, value))
        elif kind in _PLAIN:
            self._values.append((name, holder, key, value))
        elif kind in _CONTAINERS:
            self._values.append((name, holder, key, value))
            if self._is_new(value):
                self._contents.append((value, copy(value)))
                self._note_items(name, value)
        elif isinstance(value, type):
            if value.__module__ in self._modules and self._is_new(value):
                self._names.append((value, frozenset(vars(value))))
                for each, held in list(vars(value).items()):
                    if not each.startswith("__") or isinstance(held, _WITH_FUNCTIONS):
                        self._note(f"{value.__name__}.{each}", value, each, held)
        elif isinstance(value, _WITH_FUNCTIONS):
            for function in _functions(value):
                if function.__module__ in self._modules and self._is_new(function):
                    self._note_function(function)
        elif kind.__module__ in self._modules:
            self._values.append((name, holder, key, value))
            if self._is_new(value):
                self._names.append((value, frozenset(attributes(value))))
                for each, held in attributes(value).items():
                    self._note(f"{name}.{each}", value, each, held)

    def _note_function(self, function: Any) -> None:
        """What a function keeps, by names that no location has."""
        name = function.__qualname__
        self._names.append((function, frozenset(vars(function))))
        for each in ("__defaults__", "__kwdefaults__"):
            self._values.append((f"{name}({each})", function, each, getattr(function, each)))
        # Nothing can be put into a tuple; what its values hold begins anew all the same.
        defaults = list(function.__defaults__ or ())
        self._note_items(f"{name}(defaults)", defaults)
        self._note_items(f"{name}(keywords)", function.__kwdefaults__ or {})
        for key, value in vars(function).items():
            self._note(f"{name}(attributes).{key}", function, key, value)
        for number, cell in enumerate(function.__closure__ or ()):
            held = _get(cell, "cell_contents")
            if held is not _GONE:
                self._note(f"{name}({function.__code__.co_freevars[number]})", cell, "cell_contents", held)

    def _note_items(self, name: str, container: Any) -> None:
        if isinstance(container, dict):
            for key, held in container.items():
                self._note(f"{name}[{key!r}]", container, key, held)
        elif isinstance(container, list):
            for number, held in enumerate(container):
                self._note(f"{name}[{number}]", container, number, held)

    def _is_new(self, value: Any) -> bool:
        if id(value) in self._seen:
            return False
        self._seen.add(id(value))
        return True

    @contextmanager
    def anew(self, watch: Watch) -> Iterator[None]:
        """Let everything start as it was, with watched locks in place of real ones. Raises Held for a lock that is taken."""
        for known, names in self._names:
            for each in [each for each in _held_by(known) if each not in names and not each.startswith("__")]:
                _take_away(known, each)
        for container, before in self._contents:
            if container != before:
                _refill(container, before)
        for _, holder, key, value in self._values:
            if _get(holder, key) is not value:
                _put(holder, key, value)
        for name, _, _, lock in self._locks:
            if _is_taken(lock):
                raise Held(f"the lock {name} is held before any thread runs: give it back when the module is imported")
        stand_ins: dict[int, Any] = {}
        for name, holder, key, lock in self._locks:
            if id(lock) not in stand_ins:
                stand_ins[id(lock)] = watch.Lock() if type(lock) is _LOCK else watch.RLock()
                stand_ins[id(lock)].name = name
            _put(holder, key, stand_ins[id(lock)])
        try:
            yield
        finally:
            for _, holder, key, lock in self._locks:
                _put(holder, key, lock)

    def now(self) -> Iterator[tuple[str, Any]]:
        """What everything is now, by name."""
        for name, holder, key, _ in self._values:
            yield name, _get(holder, key)


_GONE = object()


def _get(holder: Any, key: Any) -> Any:
    try:
        if isinstance(holder, (dict, list)):
            return holder[key]
        return vars(holder)[key] if isinstance(holder, type) else object.__getattribute__(holder, key)
    except (AttributeError, LookupError, ValueError):  # the last of a cell that is empty
        return _GONE


def _put(holder: Any, key: Any, value: Any) -> None:
    if isinstance(holder, (dict, list)):
        holder[key] = value
    elif isinstance(holder, type):
        setattr(holder, key, value)
    else:
        object.__setattr__(holder, key, value)


def _held_by(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else vars(holder) if isinstance(holder, type) else attributes(holder)


def _take_away(holder: Any, key: str) -> None:
    if isinstance(holder, dict):
        del holder[key]
    elif isinstance(holder, type):
        delattr(holder, key)
    else:
        object.__delattr__(holder, key)


def _functions(value: Any) -> list[Any]:
    """The functions of Python code behind what a class or a module holds under a name."""
    if isinstance(value, property):
        return [each for part in (value.fget, value.fset, value.fdel) for each in _functions(part)]
    if isinstance(value, (classmethod, staticmethod)):
        return _functions(value.__func__)
    if isinstance(value, partial):
        return _functions(value.func)
    return [value] if isinstance(value, FunctionType) else []


def _refill(container: Any, before: Any) -> None:
    container.clear()
    if isinstance(container, (dict, set)):
        container.update(before)
    else:
        container.extend(before)


def _is_taken(lock: Any) -> bool:
    """Whether a lock is held: by anybody, or if it is re-entrant by another thread or by this one."""
    if getattr(lock, "_is_owned", bool)():  # as threading.Condition asks a re-entrant one
        return True
    if lock.acquire(False):
        lock.release()
        return False
    return True
