"""Write down, in true order, what threads do to the attributes of shared objects and to watched locks.

Each object that can be reached from the shared state, or from the globals, before the threads start gets a subclass of its
own class for the time being, with the same layout: there, reading and writing an attribute is done, and written down, under
one recording lock. So the order in the record is the order in which it happened. That costs time and adds calls, where the
interpreter may switch threads: a recorded run is not a natural one.

What is not seen: items of lists and dictionaries, globals, class attributes, objects that threads make, attributes of a
class that has a `__getattribute__`, `__setattr__` or `__delattr__` of its own, and what C code does to an object. What of it
there is in the program, the record names (`unwatched.py`).

Like `watched.py`, this file runs on any CPython from 3.8 on, with nothing but the standard library.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Sequence
from types import FrameType, MemberDescriptorType
from typing import TYPE_CHECKING, Any

from simulator.real.reach import attributes, reach
from simulator.real.unwatched import roots, unwatched
from simulator.real.watched import WatchedLock, WatchedRLock

if TYPE_CHECKING:
    from simulator.real.free_run import End

__all__ = ["Enough", "Recorder", "kept"]

_OURS = ("__getattribute__", "__setattr__", "__delattr__")
_GONE = object()
_NOT_SHARED = ("builtins", "threading", "_thread")
_PYTHON_CLASS = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: not one of the classes that are written in C, whose objects have no attributes to watch."""


class Enough(BaseException):
    """Raised in a thread that would go on writing events for ever."""


class Recorder:
    """What happened in one run, as the lines between the first and the last of its record (docs/json.md has the format)."""

    def __init__(self, most_events: int, namespaces: Sequence[dict[str, Any]] = ()) -> None:
        self._namespaces = namespaces
        # Re-entrant, for the last reference to an old value may go while it is held, and run code of the user's.
        self._lock = threading.RLock()
        self._most = most_events
        self._happened: list[dict[str, Any]] = []
        self._cut = False
        self._over: set[str] = set()
        self._locks: dict[str, bool] = {}
        self._places: dict[int, str] = {}
        self._first: dict[str, Any] = {}
        self._changed: list[tuple[Any, type]] = []
        self._unseen: dict[str, None] = {}

    def hooks(self) -> dict[str, Any]:
        """What `free_run` has to be given."""
        return {"log": self._on_lock, "prepare": self.watch, "ended": self._on_end}

    def told(self) -> dict[str, Any]:
        """Everything: `events` (`cut`, if there were more), `locks` seen, the `memory` before, and what was left out."""
        for thing, kind in self._changed:
            thing.__class__ = kind
        with self._lock:
            return {
                "events": self._happened,
                "cut": self._cut,
                "locks": self._locks,
                "memory": list(self._first.items()),
                "unseen": list(self._unseen),
            }

    # -- what happens

    def _add(self, thread: str, event: dict[str, Any], frame: FrameType | None) -> None:
        """Write an event down. The caller holds what keeps it in order; after the end of a thread nothing more of it counts."""
        with self._lock:
            if thread in self._over:
                return
            if len(self._happened) >= self._most:
                self._cut = True
                # Not out of a release: who waits for that lock must get it.
                if event.get("does") == "release":
                    return
                raise Enough(f"more than {self._most:,} events")
            if frame is not None:
                event["where"] = [frame.f_code.co_filename, frame.f_lineno]
            self._happened.append({"thread": thread, **event})

    def _on_lock(self, what: str, thread: str, lock: WatchedLock, frame: FrameType | None) -> None:
        with self._lock:
            self._locks[lock.name] = isinstance(lock, WatchedRLock)
            if what in ("acquire", "release"):
                self._add(thread, {"does": what, "lock": lock.name}, frame)
            elif what in ("try", "failed"):
                self._add(thread, {"does": "try", "lock": lock.name, "answer": what == "try"}, frame)
            elif what == "foreign":
                self._add(thread, {"misuse": "release of a lock not held", "lock": lock.name}, frame)
                self._add(thread, {"does": "release", "lock": lock.name}, frame)
            elif what == "stuck":
                self._add(thread, {"waits": "acquire", "lock": lock.name}, frame)
                self._over.add(thread)
            else:
                said = {"free": "release of a lock not held", "re-acquire": "re-acquire of a lock already held"}[what]
                self._add(thread, {"misuse": said, "lock": lock.name}, frame)

    def _on_end(self, thread: str, end: End) -> None:
        with self._lock:
            if thread not in self._over:
                where = [end.file, end.line] if end.file else None
                self._happened.append({"thread": thread, "ended": end.how, "message": end.said, "where": where})
                self._over.add(thread)

    # -- whose attributes are watched

    def watch(self, state: Any) -> None:
        """Watch the attributes of everything that can be reached from `state`, and of the objects that globals hold."""
        # What this thread does itself, before and after, is no part of the run.
        self._over.add(threading.current_thread().name)
        self._unseen.update(dict.fromkeys(unwatched(state, self._namespaces, (WatchedLock,))))
        modules = {namespace.get("__name__") for namespace in self._namespaces}
        things = list(reach(state, (WatchedLock,)))
        for root, held in roots(self._namespaces):
            # Those of the modules' own classes: what else they hold, others use as well.
            things += [each for each in reach(held, (WatchedLock,), root) if type(each[1]).__module__ in modules]
        for name, thing in things:
            kind = type(thing)
            if (
                id(thing) in self._places
                or not kind.__flags__ & _PYTHON_CLASS
                or isinstance(thing, (WatchedLock, type))
                or kind.__module__ in _NOT_SHARED
            ):
                continue
            self._places[id(thing)] = name
            self._stand_in(thing, kind)
            self._first.update(
                (f"{name}.{key}", kept(value))
                for key, value in attributes(thing).items()
                if not isinstance(value, WatchedLock)
            )

    def _stand_in(self, thing: Any, kind: type) -> None:
        own = [name for name in _OURS if not _is_python_s(getattr(kind, name))]
        if own:
            self._unseen[f"{kind.__name__} has a {own[0]} of its own"] = None
            return
        try:
            thing.__class__ = self._watched_class(kind)
        except TypeError:
            self._unseen[f"{kind.__name__} cannot be stood in for"] = None
            return
        self._changed.append((thing, kind))

    def _watched_class(self, kind: type) -> type:
        """A subclass of `kind` with the same layout whose attributes are read and written under the recording lock."""
        recorder, lock = self, self._lock

        def get(thing: Any, name: str) -> Any:
            if not _is_data(thing, kind, name):
                return object.__getattribute__(thing, name)
            with lock:
                value = object.__getattribute__(thing, name)
                recorder._access(thing, "read", name, value, value)
            return value

        def put(thing: Any, name: str, value: Any) -> None:
            if _has_setter(kind, name):
                object.__setattr__(thing, name, value)
                return
            with lock:
                before = _now(thing, name)
                object.__setattr__(thing, name, value)
                recorder._access(thing, "write", name, before, value)

        def remove(thing: Any, name: str) -> None:
            if _has_setter(kind, name):
                object.__delattr__(thing, name)
                return
            with lock:
                before = _now(thing, name)
                object.__delattr__(thing, name)
                recorder._access(thing, "write", name, before, _GONE)

        body = {"__slots__": (), "__getattribute__": get, "__setattr__": put, "__delattr__": remove}
        return type(kind.__name__, (kind,), {**body, "__module__": kind.__module__, "__qualname__": kind.__qualname__})

    def _access(self, thing: Any, does: str, name: str, before: Any, after: Any) -> None:
        if isinstance(after, WatchedLock):
            return
        location = f"{self._places[id(thing)]}.{name}"
        event = {"does": does, "location": location, "before": kept(before), "after": kept(after)}
        self._add(threading.current_thread().name, event, sys._getframe(2))


def _is_python_s(method: Any) -> bool:
    """Whether reaching for an attribute does what it does for every object; so it does for a subclass of `dict`."""
    return getattr(method, "__objclass__", None) in (object, dict, list, set, deque)


def _is_data(thing: Any, kind: type, name: str) -> bool:
    """Whether reading an attribute only fetches what the object keeps, and runs nothing."""
    found = _in_classes(kind, name)
    if isinstance(found, MemberDescriptorType):
        return True
    if found is not _GONE and _has_setter(kind, name):
        return False
    try:
        return name in object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return False


def _in_classes(kind: type, name: str) -> Any:
    for each in kind.__mro__:
        if name in vars(each):
            return vars(each)[name]
    return _GONE


def _has_setter(kind: type, name: str) -> bool:
    found = _in_classes(kind, name)
    return hasattr(type(found), "__set__") and not isinstance(found, MemberDescriptorType)


def _now(thing: Any, name: str) -> Any:
    try:
        return object.__getattribute__(thing, name)
    except AttributeError:
        return _GONE


def kept(value: Any) -> Any:
    """A value as JSON keeps it, taken now, for it may change: simple ones as they are, others by what they are."""
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if value - value == 0 else {"repr": repr(value)}
    if kind is tuple:
        return [kept(each) for each in value]
    if kind in (bytes, complex):
        return {"repr": repr(value)}
    if value is _GONE:
        return {"repr": "<no such attribute>"}
    return {"repr": f"<{kind.__name__}>"}
