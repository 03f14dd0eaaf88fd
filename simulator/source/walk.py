"""One thread on its way through rewritten code: what each load, store, call, loop and `with` does, as operations.

A `Walker` belongs to one run of one body. What touches something shared is yielded (`Read`, `Write`, `Acquire` …); what
does not is done at once. This file knows what Python code means; it does not know of schedules or states.

Its generator functions are suspended while operations are under way, and `merging.py` compares them there. That is why they
set no attributes, and ask for identity in functions of their own: what is kept where a frame does not show it could not be
compared.
"""

from __future__ import annotations

import _thread
import builtins
import collections
import functools
import heapq
import inspect
import operator
import random
import threading
import time
import types
from collections.abc import Callable, Generator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final, NamedTuple, Protocol

from simulator.errors import ProgramError
from simulator.ops import Acquire, Add, Operation, Pause, Read, Release, TryAcquire, Update, Write
from simulator.source.shared import (
    ABSENT,
    CONTAINERS,
    Bound,
    Frozen,
    Inner,
    Item,
    Ref,
    Shared,
    attributes,
    freeze,
    thaw,
)
from simulator.source.sites import Site, Visit

__all__ = ["GIL", "Code", "Walker"]

GIL = "GIL"
Steps = Generator[Operation, Any, Any]
TURNS: Final = 1_000_000
"""Turns of a loop without a step after which a thread is taken for one that never ends."""

_NUMBERS = (int, float, complex, str, bytes, tuple)
_DUNDERS = {
    "add", "sub", "mul", "matmul", "truediv", "mod", "pow", "lshift", "rshift", "or", "xor", "and", "floordiv",
}  # fmt: skip
_SWAPPED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne"}
_NATIVE: dict[str, Callable[[Any, Any], Any]] = {
    "or": operator.or_, "and": operator.and_,
    **{name: getattr(operator, name) for name in (*(_DUNDERS - {"or", "and"}), *_SWAPPED)},
}  # fmt: skip
_IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {name: getattr(operator, f"i{name}") for name in _DUNDERS}
_LOOKS_ONLY = frozenset(
    [
        "copy",
        "count",
        "index",
        "get",
        "keys",
        "values",
        "items",
        "difference",
        "intersection",
        "union",
        "symmetric_difference",
        "isdisjoint",
        "issubset",
        "issuperset",
        "most_common",
        "elements",
        "total",
        "decode",
        "find",
        "startswith",
        "endswith",
        "hex",
        "__len__",
        "__contains__",
        "__getitem__",
        "__eq__",
        "__iter__",
    ]
)
# C code that looks at a whole container in one go, and changes nothing.
_READERS: tuple[Any, ...] = (
    len, sum, any, all, list, tuple, set, frozenset, dict, str, repr, reversed, enumerate, zip, sorted, min, max, bytes,
    bytearray, collections.deque, collections.Counter, collections.OrderedDict, "join",
)  # fmt: skip
_CHANGERS: tuple[Any, ...] = (
    heapq.heappush, heapq.heappop, heapq.heapify, heapq.heapreplace, heapq.heappushpop,
)  # fmt: skip
_LOCKS: dict[Any, str] = {
    threading.Lock: "lock", _thread.allocate_lock: "lock", threading.RLock: "rlock", _thread.RLock: "rlock",
}  # fmt: skip
_CLOCKS: tuple[Any, ...] = (
    time.time, time.monotonic, time.perf_counter, time.time_ns, time.monotonic_ns, time.perf_counter_ns,
    random.random, random.randint, random.choice, random.randrange, random.uniform, random.shuffle, random.sample,
)  # fmt: skip
_WAITS = frozenset(
    [
        "socket",
        "ssl",
        "select",
        "selectors",
        "subprocess",
        "multiprocessing",
        "asyncio",
        "queue",
        "_queue",
        "concurrent",
        "http",
        "urllib",
        "_socket",
        "_io",
        "io",
        "signal",
    ]
)
_QUIET = frozenset(
    [
        "builtins",
        "math",
        "operator",
        "itertools",
        "functools",
        "string",
        "_operator",
        "_functools",
        "collections",
        "_collections",
        "copy",
    ]
)


class Absolute(NamedTuple):
    """What a load led to: a value, an operation to ask for, or a function to call."""

    how: str
    what: Any
    arguments: tuple[Any, ...] = ()


class View(NamedTuple):
    """`keys()`, `values()` or `items()` of a shared dict."""

    ref: Ref
    which: str


class Super(NamedTuple):
    """`super()`."""

    after: type
    owner: Any


class Me:
    """`threading.current_thread()`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ident = self.native_id = sum(ord(letter) << (8 * place) for place, letter in enumerate(name[:6]))
        self.daemon = False


class Cursor:
    """How far a loop has come."""

    __slots__ = ("how", "index", "over", "size", "value")

    def __init__(self, how: str, over: Any, size: int = -1) -> None:
        self.how = how
        self.over = over
        self.index = 0
        self.size = size
        self.value: Any = None

    def put(self, value: Any) -> bool:
        """The next value is there."""
        self.value = value
        self.index += 1
        return True

    def future_state(self) -> tuple[object, ...]:
        """For merging: all of it."""
        return (self.how, self.index, self.over, self.size, self.value)


class Code(Protocol):
    """What a walker asks of the program that it belongs to."""

    shared: Shared
    switches: bool
    branches: bool
    adds: bool
    named: bool

    def rewritten(self, function: FunctionType) -> Callable[..., Steps] | None: ...
    def is_library(self, function: FunctionType) -> bool: ...
    def note(self, what: str, site: int | None) -> None: ...
    def place(self, site: int | None) -> str: ...
    def ask_for_names(self) -> None: ...
    def module_of(self, code: types.CodeType) -> ModuleType: ...
    def site(self, number: int) -> tuple[types.CodeType, Site]: ...


class Walker:
    """One run of one thread's body."""

    def __init__(self, code: Code, thread: str, log: list[Visit] | None = None) -> None:
        self.code = code
        self.shared = code.shared
        self.thread = thread
        self.log = log
        self.at: int | None = None
        self.inside = False
        self._made = 0
        self._escaped: list[tuple[Any, Ref]] = []
        self._has_gil = False
        self._turns = 0

    def future_state(self) -> tuple[object, ...]:
        """For merging: what this run has made so far, and whether it holds the GIL."""
        return (self.thread, self._made, tuple(self._escaped), self._has_gil)

    # -- the log, for forcing; and other things that are set

    def quiet(self, site: int | None) -> None:
        """A place was passed where nothing shared was touched."""
        if self.log is not None and site is not None:
            code, place = self.code.site(site)
            self.log.append(Visit(self.thread, code, place, None, None))

    def _is_at(self, site: int | None) -> None:
        """The next operation happens here."""
        self.at = site
        self._turns = 0

    def _is_inside(self, inside: bool) -> None:
        """The next operation is a part of another: real threads do not see it."""
        self.inside = inside

    def _gil(self, held: bool) -> None:
        self._has_gil = held

    def _new_name(self, what: str) -> str:
        self.code.ask_for_names()
        self._made += 1
        return f"{self.thread}.{what}{self._made}"

    def _now_shared(self, made: Any, ref: Ref) -> None:
        self._escaped.append((made, ref))

    def _seen(self, thing: Any) -> Any:
        """A thing as everybody knows it: one that this thread made and then shared by its ref."""
        if self._escaped and type(thing) is not Ref:
            for made, ref in self._escaped:
                if made is thing:
                    return ref
        return thing

    def _wrong(self, what: str, site: int | None) -> ProgramError:
        return ProgramError(f"{self.code.place(site)}thread {self.thread!r} {what}")

    # -- the GIL

    def hold(self) -> Steps:
        """Take the GIL before anything shared is touched."""
        if self.code.switches and not self._has_gil:
            yield Acquire(GIL)
            self._gil(True)

    def let_go(self) -> Steps:
        """Give the GIL back."""
        if self._has_gil:
            self._gil(False)
            yield Release(GIL)

    def switch(self, what: str) -> Steps:
        """A place where the interpreter may switch threads."""
        if self.code.switches and (what != "branch" or self.code.branches):
            yield from self.let_go()

    def branch(self, tested: Any) -> Steps:
        """A conditional jump."""
        yield from self.switch("branch")
        return tested

    def again(self) -> Steps:
        """A turn of a loop: one that never takes a step would never end."""
        self._count_turn()
        return
        yield

    def _count_turn(self) -> None:
        self._turns += 1
        if self._turns > TURNS:
            raise ProgramError(
                f"thread {self.thread!r} ran through a loop {TURNS:,} times without touching anything shared"
            )

    # -- attributes

    def load(self, owner: Any, name: str, site: int | None) -> Steps:
        """`owner.name`."""
        found = self._find(self._seen(owner), name, site)
        if found.how == "step":
            yield from self.hold()
            self._is_at(site)
            value = yield Read(found.what)
            found = self._present(value, self._seen(owner), name)
        else:
            self.quiet(site)
        if found.how == "call":
            return (yield from self.follow(found.what, found.arguments, {}, site))
        return found.what

    def _present(self, value: Any, owner: Any, name: str) -> Absolute:
        """What was read, or what stands in for an attribute that is not there."""
        if value is not ABSENT:
            return Absolute("value", value)
        if isinstance(owner, Ref):
            return self._of_class(owner, owner.type, name)
        kind = "module" if isinstance(owner, ModuleType) else f"type object {owner.__name__!r}"
        raise AttributeError(f"{kind} has no attribute {name!r}")

    def _find(self, owner: Any, name: str, site: int | None) -> Absolute:
        if type(owner) is Ref:
            return self._find_shared(owner, name, site)
        if isinstance(owner, Super):
            return self._find_super(owner, name)
        if isinstance(owner, View | Bound | Cursor):
            if isinstance(owner, View) or not hasattr(owner.function, name):
                raise self._wrong(f"asks for {name!r} of {owner!r}, which cannot be followed", site)
            return Absolute("value", getattr(owner.function, name))
        if isinstance(owner, ModuleType):
            return self._find_static(owner, name)
        if isinstance(owner, type):
            return self._find_in_class(owner, name)
        if _is_python(type(owner)):
            return self._find_private(owner, name, site)
        return Absolute("value", getattr(owner, name))

    def _find_shared(self, owner: Ref, name: str, site: int | None) -> Absolute:
        if name == "__class__":
            return Absolute("value", owner.type)
        if name == "__dict__":
            raise self._wrong(f"looks into the __dict__ of {owner}, which cannot be followed", site)
        if owner.kind in ("lock", "rlock"):
            return Absolute("value", Bound(name, owner))
        if owner.kind == "opaque" or owner.type.__module__ in ("threading", "queue", "logging"):
            return Absolute("value", Bound(name, owner))
        attribute = inspect.getattr_static(owner.type, name, ABSENT)
        if isinstance(attribute, property):
            return Absolute("call", attribute.fget, (owner,))
        if not (isinstance(attribute, FunctionType) and owner.kind != "object"):
            is_constant, found = self.shared.constant(owner, Item("attribute", name))
            if not is_constant:
                return Absolute("step", found)
            if found is not ABSENT:
                return Absolute("value", found)
        return self._of_class(owner, owner.type, name)

    def _of_class(self, owner: Any, kind: type, name: str) -> Absolute:
        """An attribute that an instance has not itself."""
        attribute = inspect.getattr_static(kind, name, ABSENT)
        if attribute is ABSENT or isinstance(attribute, types.MemberDescriptorType):
            fallback = inspect.getattr_static(kind, "__getattr__", None)
            if isinstance(fallback, FunctionType):
                return Absolute("call", fallback, (owner, name))
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
        if isinstance(attribute, FunctionType):
            return Absolute("value", _bound(attribute, owner))
        if isinstance(attribute, staticmethod):
            return Absolute("value", attribute.__func__)
        if isinstance(attribute, classmethod):
            return Absolute("value", Bound(attribute.__func__, kind))
        if isinstance(attribute, property):
            return Absolute("call", attribute.fget, (owner,))
        if isinstance(attribute, types.MethodDescriptorType | types.WrapperDescriptorType):
            return Absolute("value", Bound(name, owner) if isinstance(owner, Ref) else getattr(owner, name))
        if isinstance(attribute, functools.partialmethod | functools.cached_property) or (
            hasattr(type(attribute), "__get__") and not isinstance(attribute, type | BuiltinFunctionType)
        ):
            raise ProgramError(
                f"{kind.__name__}.{name} is a {type(attribute).__name__}, a descriptor that cannot be followed"
            )
        for base in kind.__mro__:
            if name in vars(base):
                return self._find_static(base, name)
        return Absolute("value", attribute)

    def _find_static(self, owner: type | ModuleType, name: str) -> Absolute:
        """An attribute of a class itself, or of a module."""
        is_constant, found = self.shared.constant(owner, Item("attribute", name))
        if not is_constant:
            return Absolute("step", found)
        if found is ABSENT:
            return Absolute("value", getattr(owner, name))
        return Absolute("value", found)

    def _find_in_class(self, owner: type, name: str) -> Absolute:
        for base in owner.__mro__:
            if name in vars(base):
                attribute = vars(base)[name]
                if isinstance(attribute, classmethod):
                    return Absolute("value", Bound(attribute.__func__, owner))
                if isinstance(attribute, staticmethod):
                    return Absolute("value", attribute.__func__)
                if base.__module__ == "builtins" or hasattr(type(attribute), "__get__"):
                    return Absolute("value", getattr(owner, name))
                return self._find_static(base, name)
        is_constant, found = self.shared.constant(owner, Item("attribute", name))
        return Absolute("value", getattr(owner, name)) if is_constant else Absolute("step", found)

    def _find_private(self, owner: Any, name: str, site: int | None) -> Absolute:
        """An attribute of an object that only this thread knows."""
        attribute = inspect.getattr_static(type(owner), name, ABSENT)
        if isinstance(attribute, property):
            return Absolute("call", attribute.fget, (owner,))
        held = attributes(owner)
        if name in held:
            return Absolute("value", held[name])
        if attribute is ABSENT or isinstance(attribute, FunctionType | staticmethod | classmethod):
            return self._of_class(owner, type(owner), name)
        if isinstance(attribute, int | float | str | tuple | list | dict | set):
            return self._of_class(owner, type(owner), name)
        return Absolute("value", getattr(owner, name))

    def _find_super(self, owner: Super, name: str) -> Absolute:
        instance = owner.owner
        kind = (
            instance.type if isinstance(instance, Ref) else instance if isinstance(instance, type) else type(instance)
        )
        chain = kind.__mro__
        for base in chain[chain.index(owner.after) + 1 :]:
            if name in vars(base):
                attribute = vars(base)[name]
                if isinstance(attribute, FunctionType):
                    return Absolute("value", _bound(attribute, instance))
                if isinstance(attribute, property):
                    return Absolute("call", attribute.fget, (instance,))
                if isinstance(attribute, classmethod):
                    return Absolute("value", Bound(attribute.__func__, kind))
                if isinstance(attribute, staticmethod):
                    return Absolute("value", attribute.__func__)
                if isinstance(instance, Ref):
                    return Absolute("value", Bound(name, instance))
                return Absolute("value", attribute.__get__(instance) if hasattr(attribute, "__get__") else attribute)
        raise AttributeError(f"'super' object has no attribute {name!r}")

    def super(self, after: type, owner: Any) -> Steps:
        """`super()`."""
        return Super(after, self._seen(owner))
        yield

    def store(self, owner: Any, name: str, value: Any, site: int | None) -> Steps:
        """`owner.name = value`."""
        owner = self._seen(owner)
        setter = self._setter(owner, name, site)
        if setter is not None:
            self.quiet(site)
            yield from self.follow(setter, (owner, value), {}, site)
        elif isinstance(owner, Ref | type | ModuleType):
            value = yield from self.share(value, site)
            location = self.shared.writes(owner, Item("attribute", name))
            yield from self.hold()
            self._is_at(site)
            yield Write(location, value)
        else:
            self.quiet(site)
            object.__setattr__(owner, name, value)

    def _setter(self, owner: Any, name: str, site: int | None) -> Any:
        """The function that sets an attribute, where the class says so."""
        if isinstance(owner, type | ModuleType):
            return None
        kind = owner.type if isinstance(owner, Ref) else type(owner)
        if isinstance(owner, Ref) and owner.kind in ("lock", "rlock", "opaque"):
            raise self._wrong(f"sets {name!r} of {owner}, which cannot be followed", site)
        attribute = inspect.getattr_static(kind, name, None)
        if isinstance(attribute, property):
            if attribute.fset is None:
                raise AttributeError(f"property {name!r} of {kind.__name__!r} object has no setter")
            return attribute.fset
        if isinstance(inspect.getattr_static(kind, "__setattr__", None), FunctionType):
            raise self._wrong(f"sets an attribute of a {kind.__name__}, whose __setattr__ cannot be followed", site)
        if (
            attribute is not None
            and not isinstance(attribute, types.MemberDescriptorType)
            and hasattr(type(attribute), "__set__")
        ):
            raise self._wrong(f"sets {kind.__name__}.{name}, a descriptor that cannot be followed", site)
        return None

    def delete(self, owner: Any, name: str, site: int | None) -> Steps:
        """`del owner.name`."""
        owner = self._seen(owner)
        if isinstance(owner, Ref | type | ModuleType):
            location = self.shared.writes(owner, Item("attribute", name))
            yield from self.hold()
            self._is_at(site)
            yield Update(location, _removed, AttributeError, name)
        else:
            self.quiet(site)
            object.__delattr__(owner, name)

    # -- globals and variables of enclosing functions

    def load_global(self, name: str, site: int) -> Steps:
        """A global that some function assigns."""
        module = self.code.module_of(self.code.site(site)[0])
        return (yield from self.load(module, name, site))

    def store_global(self, name: str, value: Any, site: int) -> Steps:
        """The same, assigned."""
        yield from self.store(self.code.module_of(self.code.site(site)[0]), name, value, site)

    def load_cell(self, cell: Ref, site: int) -> Steps:
        """A variable of an enclosing function that some thread assigns."""
        is_constant, found = self.shared.constant(cell, Item("cell", None))
        if is_constant:
            self.quiet(site)
            return found
        yield from self.hold()
        self._is_at(site)
        return (yield Read(found))

    def store_cell(self, cell: Ref, value: Any, site: int) -> Steps:
        """The same, assigned."""
        value = yield from self.share(value, site)
        location = self.shared.writes(cell, Item("cell", None))
        yield from self.hold()
        self._is_at(site)
        yield Write(location, value)

    # -- items

    def load_item(self, owner: Any, key: Any, site: int | None) -> Steps:
        """`owner[key]`."""
        owner, key = self._seen(owner), self._seen(key)
        if not isinstance(owner, Ref):
            function = inspect.getattr_static(type(owner), "__getitem__", None)
            self.quiet(site)
            if isinstance(function, FunctionType):
                return (yield from self.follow(function, (owner, key), {}, site))
            return owner[key]
        function = inspect.getattr_static(owner.type, "__getitem__", None)
        if isinstance(function, FunctionType):
            self.quiet(site)
            return (yield from self.follow(function, (owner, key), {}, site))
        item = self._item(owner, key, site)
        if item is None:
            held = yield from self._all(owner, site)
            return self._got(held, key)
        is_constant, value = self.shared.constant(owner, item)
        if is_constant:
            self.quiet(site)
        else:
            yield from self.hold()
            self._is_at(site)
            value = yield Read(value)
        if self._is_absent(value) and hasattr(owner.type, "__missing__"):
            self.shared.make_whole(owner)
            return (yield from self._missing(owner, key, site))
        return self._there(value, owner, key)

    def _missing(self, owner: Ref, key: Any, site: int | None) -> Steps:
        """`defaultdict` makes what is missing: C code, in one go, unless its factory is Python."""
        frozen = self._frozen_initial(owner)
        factory = frozen.extra[0] if frozen.extra else None
        if isinstance(factory, FunctionType) or not _has_default(owner.type):
            raise self._wrong(f"asks {owner} for a missing key, whose __missing__ cannot be followed", site)
        return (yield from self.change(owner, "__getitem__", (key,), {}, site))

    def _frozen_initial(self, owner: Ref) -> Any:
        real = self.shared.real(owner)
        return Frozen(owner.type, ()) if isinstance(real, Ref) else freeze(real)

    def _is_absent(self, value: Any) -> bool:
        return value is ABSENT

    def _there(self, value: Any, owner: Ref, key: Any) -> Any:
        if value is not ABSENT:
            return value
        raise KeyError(key) if owner.kind == "dict" else IndexError(f"{owner.kind} index out of range")

    def _got(self, held: Any, key: Any) -> Any:
        return held[key]

    def _item(self, owner: Ref, key: Any, site: int | None) -> Item | None:
        """The item that a key means, where items are locations of their own; None where the container is one."""
        if owner.kind not in ("list", "dict", "deque", "bytearray"):
            raise self._wrong(f"takes an item of {owner}, a {owner.type.__name__}, which cannot be followed", site)
        if isinstance(owner.type, type) and isinstance(
            inspect.getattr_static(owner.type, "__missing__", None), FunctionType
        ):
            raise self._wrong(f"takes an item of {owner}, whose __missing__ cannot be followed", site)
        if self.shared.is_whole(owner):
            return None
        if owner.kind == "dict":
            hash(key)
            return Item("item", key)
        if isinstance(key, int):
            length = len(self.shared.real(owner))
            return Item("item", key + length if -length <= key < 0 else key)
        return None

    def store_item(self, owner: Any, key: Any, value: Any, site: int | None) -> Steps:
        """`owner[key] = value`."""
        owner, key = self._seen(owner), self._seen(key)
        kind = owner.type if isinstance(owner, Ref) else type(owner)
        function = inspect.getattr_static(kind, "__setitem__", None)
        if isinstance(function, FunctionType):
            self.quiet(site)
            yield from self.follow(function, (owner, key, value), {}, site)
        elif not isinstance(owner, Ref):
            self.quiet(site)
            owner[key] = value
        else:
            value = yield from self.share(value, site)
            item = self._item(owner, key, site)
            if item is not None and owner.kind == "list" and not 0 <= item.key < len(self.shared.real(owner)):
                self.quiet(site)
                raise IndexError("list assignment index out of range")
            if item is None:
                yield from self.change(owner, "__setitem__", (key, value), {}, site)
            else:
                location = self.shared.writes(owner, item)
                yield from self.hold()
                self._is_at(site)
                yield Write(location, value)

    def delete_item(self, owner: Any, key: Any, site: int | None) -> Steps:
        """`del owner[key]`."""
        owner, key = self._seen(owner), self._seen(key)
        kind = owner.type if isinstance(owner, Ref) else type(owner)
        function = inspect.getattr_static(kind, "__delitem__", None)
        if isinstance(function, FunctionType):
            self.quiet(site)
            yield from self.follow(function, (owner, key), {}, site)
        elif not isinstance(owner, Ref):
            self.quiet(site)
            del owner[key]
        elif owner.kind == "dict" and not self.shared.is_whole(owner):
            location = self.shared.writes(owner, Item("item", key))
            yield from self.hold()
            self._is_at(site)
            yield Update(location, _removed, KeyError, key)
        else:
            yield from self.change(owner, "__delitem__", (key,), {}, site)

    def _all(self, owner: Ref, site: int | None) -> Steps:
        """All of a container, in one go: a new one with the same items."""
        self.shared.takes_all(owner)
        is_constant, found = self._whole(owner)
        if is_constant:
            self.quiet(site)
        else:
            yield from self.hold()
            self._is_at(site)
            found = yield Read(found, atomic=True)
        return thaw(found)

    def _whole(self, owner: Ref) -> tuple[bool, Any]:
        is_constant, found = self.shared.constant(owner, Item("all", None))
        if is_constant and found is ABSENT:
            return False, self.shared.writes(owner, Item("all", None))
        return is_constant, found

    def change(
        self, owner: Ref, method: str, arguments: tuple[Any, ...], keywords: dict[str, Any], site: int | None
    ) -> Steps:
        """A method of a builtin container that changes it, in one go; what the method returned."""
        self.shared.make_whole(owner)
        location = self.shared.writes(owner, Item("all", None))
        given = yield from self._given(arguments, site)
        named = tuple(sorted(keywords.items()))
        yield from self.hold()
        self._is_at(site)
        before = yield _change(location, method, given, named)
        return _applied(thaw(before), method, given, named)

    def _given(self, arguments: tuple[Any, ...], site: int | None) -> Steps:
        """Arguments as values that can be shared; containers among them are looked at first."""
        given = []
        for each in arguments:
            each = self._seen(each)
            if isinstance(each, View) or (isinstance(each, Ref) and each.kind in ("list", "dict", "set", "deque")):
                given.append(each if isinstance(each, Ref) else (yield from self.unpack(each)))
            else:
                given.append(each)
        shared = []
        for each in given:
            shared.append((yield from self.share(each, site)))
        return tuple(shared)

    # -- calls

    def call(self, site: int | None, function: Any, /, *arguments: Any, **keywords: Any) -> Steps:
        """`function(...)`."""
        function = self._seen(function)
        if isinstance(function, Inner):
            self.quiet(site)
            yield from self.switch("entry")
            return (yield from function.function(self, *arguments, **keywords))
        if isinstance(function, Bound):
            if isinstance(function.function, str):
                return (yield from self.method(site, function.owner, function.function, arguments, keywords))
            return (yield from self.call(site, function.function, function.owner, *arguments, **keywords))
        if isinstance(function, Ref):
            called = inspect.getattr_static(function.type, "__call__", None)
            if not isinstance(called, FunctionType):
                raise self._wrong(f"calls {function}, a {function.type.__name__}, which cannot be followed", site)
            self.quiet(site)
            return (yield from self.follow(called, (function, *arguments), keywords, site))
        if isinstance(function, functools.partial):
            return (
                yield from self.call(
                    site, function.func, *function.args, *arguments, **{**function.keywords, **keywords}
                )
            )
        if isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
            return (yield from self.call(site, function.__func__, function.__self__, *arguments, **keywords))
        if _makes_lock(function):
            self.quiet(site)
            return self._new_lock(function)
        if isinstance(function, FunctionType) and function.__module__ != "threading":
            self.quiet(site)
            return (yield from self.follow(function, arguments, keywords, site))
        if isinstance(function, type) and _is_python(function) and not issubclass(function, BaseException):
            if function.__module__ in ("threading", "queue", "multiprocessing.context", "logging"):
                raise self._wrong(
                    f"makes a {function.__module__}.{function.__name__}, which the model does not know", site
                )
            if _is_plainly_made(function):
                self.quiet(site)
                return (yield from self._construct(function, arguments, keywords, site))
        return (yield from self.native(site, function, arguments, keywords))

    def _new_lock(self, function: Any) -> Ref:
        kind = _LOCKS[function]
        return self.shared.new(self._new_name(kind), kind, type(function()))

    def follow(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any], site: int | None) -> Steps:
        """A Python function: its rewritten code, step by step."""
        if not isinstance(function, FunctionType):
            return (yield from self.call(site, function, *arguments, **keywords))
        rewritten = None
        if not self.code.is_library(function) or any(map(_is_shared, (*arguments, *keywords.values()))):
            rewritten = self.code.rewritten(function)
        if rewritten is None:
            return (yield from self.native(None, function, arguments, keywords, named_at=site))
        yield from self.switch("entry")
        return (yield from rewritten(self, *arguments, **keywords))

    def _construct(self, kind: type, arguments: tuple[Any, ...], keywords: dict[str, Any], site: int | None) -> Steps:
        made = kind.__new__(kind)
        init = inspect.getattr_static(kind, "__init__", None)
        if isinstance(init, FunctionType):
            if init.__code__.co_filename.startswith("<"):  # a dataclass's: it only sets attributes
                init(made, *arguments, **keywords)
            else:
                yield from self.follow(init, (made, *arguments), keywords, site)
        elif isinstance(made, CONTAINERS):
            given = yield from self._unpacked(arguments)
            kind.__init__(made, *given, **keywords)
        elif arguments or keywords:
            raise TypeError(f"{kind.__name__}() takes no arguments")
        return made

    def _unpacked(self, arguments: tuple[Any, ...]) -> Steps:
        given = []
        for each in arguments:
            given.append((yield from self.unpack(each)))
        return tuple(given)

    def inline(self, function: Callable[..., Steps], iterable: Any, lazily: bool) -> Steps:
        """A comprehension. What a generator expression would make one by one is made at once."""
        yield from self.switch("entry")
        made = yield from function(self, iterable)
        return iter(made) if lazily else made

    def method(
        self, site: int | None, owner: Any, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Steps:
        """A method of a lock or of a builtin container."""
        if not isinstance(owner, Ref):
            return (yield from self.native(site, getattr(owner, name), arguments, keywords))
        if owner.kind in ("lock", "rlock"):
            self.quiet(site)
            return (yield from self._lock_method(site, owner, name, arguments, keywords))
        if owner.kind not in ("list", "dict", "set", "deque", "bytearray"):
            return (yield from self._unknown(site, owner, name, arguments))
        if name in ("keys", "values", "items") and owner.kind == "dict":
            self.quiet(site)
            return View(owner, name)
        by_item = owner.kind == "dict" and not self.shared.is_whole(owner)
        if by_item and name in ("get", "setdefault", "pop") and not keywords:
            result = yield from self._item_method(site, owner, name, arguments)
        elif name in ("__getitem__", "__setitem__", "__contains__", "__delitem__"):
            self.quiet(site)
            if name == "__contains__":
                result = yield from self.contains(owner, *arguments, None)
            else:
                kinds = {"__getitem__": self.load_item, "__setitem__": self.store_item, "__delitem__": self.delete_item}
                result = yield from kinds[name](owner, *arguments, None)
        elif name in _LOOKS_ONLY:
            given = yield from self._unpacked(arguments)
            held = yield from self._all(owner, site)
            result = getattr(held, name)(*given, **keywords)
        elif name == "sort" and keywords.get("key") is not None:
            held = yield from self._all(owner, None)
            ordered = yield from self._sorted(held, keywords, site)
            result = yield from self.change(owner, "__setitem__", (slice(None), tuple(ordered)), {}, site)
        else:
            if name in ("extend", "update", "__ior__", "__iadd__"):
                arguments = yield from self._unpacked(arguments)
            result = yield from self.change(owner, name, arguments, keywords, site)
        yield from self.switch("call")
        return result

    def _item_method(self, site: int | None, owner: Ref, name: str, arguments: tuple[Any, ...]) -> Steps:
        key = self._seen(arguments[0])
        hash(key)
        item = Item("item", key)
        if name == "get":
            is_constant, value = self.shared.constant(owner, item)
            if is_constant:
                self.quiet(site)
            else:
                yield from self.hold()
                self._is_at(site)
                value = yield Read(value)
            return self._or(value, arguments[1] if len(arguments) > 1 else None)
        default = ABSENT
        if len(arguments) > 1 or name == "setdefault":
            default = yield from self.share(arguments[1] if len(arguments) > 1 else None, site)
        location = self.shared.writes(owner, item)
        yield from self.hold()
        self._is_at(site)
        if name == "setdefault":
            before = yield Update(location, _or_default, default)
            return self._or(before, default)
        if self._is_absent(default):
            return (yield Update(location, _removed, KeyError, key))
        return self._or((yield Update(location, _gone)), default)

    def _or(self, value: Any, default: Any) -> Any:
        return default if value is ABSENT else value

    def _unknown(self, site: int | None, owner: Ref, name: str, arguments: tuple[Any, ...]) -> Steps:
        kind = f"{owner.type.__module__}.{owner.type.__name__}".removeprefix("builtins.").removeprefix("_")
        if owner.type.__module__ == "logging":
            self.quiet(site)
            self.code.note(f"{kind}.{name} is left out", site)
            return None
        if owner.type.__module__ in ("threading", "queue", "_queue"):
            raise self._wrong(
                f"calls {owner}.{name}: it waits on a {kind}, which the model does not know (it knows Lock and RLock)",
                site,
            )
        raise self._wrong(
            f"calls {owner}.{name}: a {kind} is C code with a state of its own, which cannot be followed", site
        )
        yield

    def native(
        self,
        site: int | None,
        function: Any,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        *,
        named_at: int | None = None,
    ) -> Steps:
        """C code, or a library's function that is given nothing shared: done in one go."""
        named = site if site is not None else named_at
        special = _special(function)
        if special is not None:
            return (yield from special(self, site, *arguments, **keywords))
        given = [self._seen(each) for each in arguments]
        self._allowed(function, given, keywords, named)
        if _is_changer(function) and given and isinstance(given[0], Ref):
            owner, *rest = given
            result = yield from self._heap(owner, function, tuple(rest), site)
        else:
            reads = [number for number, each in enumerate(given) if _is_container(each)]
            for number in reads:
                # What is looked at first is looked at in this very call; the rest has no place of its own.
                given[number] = yield from self._taken(given[number], site if number == reads[0] else None)
            if not reads:
                self.quiet(site)
            for number, each in enumerate(given):
                if isinstance(each, Ref) and not _takes_anything(function):
                    given[number] = yield from self._as_native(each, function, named)
            if _is_one_of(function, (sorted, min, max)) and keywords.get("key") is not None:
                result = yield from self._keyed(function, given, keywords, named)
            else:
                result = _run(function, given, keywords)
        yield from self.switch("call")
        return result

    def _as_native(self, ref: Ref, function: Any, site: int | None) -> Steps:
        raise self._wrong(
            f"gives the shared object {ref} to {_name_of(function)}, which is C code or without source, and cannot be followed",
            site,
        )
        yield

    def _taken(self, thing: Any, site: int | None) -> Steps:
        """A container in one go, or a view of one."""
        if isinstance(thing, View):
            held = yield from self._all(thing.ref, site)
            return list(getattr(held, thing.which)())
        return (yield from self._all(thing, site))

    def _allowed(self, function: Any, given: list[Any], keywords: Mapping[str, Any], site: int | None) -> None:
        """Raise for what would be wrong, take note of what is only not looked into."""
        name = _name_of(function)
        module = (getattr(function, "__module__", None) or "builtins").split(".")[0]
        owner = getattr(function, "__self__", None)
        if owner is not None and not isinstance(owner, ModuleType):
            module = type(owner).__module__.split(".")[0]
        if _is_one_of(function, _CLOCKS) or isinstance(owner, random.Random):
            raise self._wrong(f"calls {name}: a clock or a random number is not the same every time", site)
        if module in _WAITS or function in (builtins.open, builtins.input):
            raise self._wrong(f"calls {name}: it waits on something the model does not know", site)
        if isinstance(function, FunctionType | type) and module == "threading":
            raise self._wrong(f"calls {name}, which the model does not know (it knows Lock and RLock)", site)
        containers = any(map(_is_container, given))
        if containers and not (
            _is_one_of(function, _READERS)
            or getattr(function, "__name__", "") == "join"
            or _is_one_of(function, _CHANGERS)
        ):
            raise self._wrong(
                f"gives a shared container to {name}, which is C code and may change it: it cannot be followed", site
            )
        callbacks = [each for each in (*given, *keywords.values()) if isinstance(each, Inner | Bound)]
        if callbacks and not (_is_one_of(function, (sorted, min, max)) and len(callbacks) == 1):
            raise self._wrong(f"gives a function to {name}, which is C code: what it calls cannot be followed", site)
        if (
            module not in _QUIET
            and not isinstance(function, type)
            and not issubclass(type(owner), str | bytes | int | float | tuple | list | dict | set)
        ):
            self.code.note(
                f"{name} is not looked into: it is taken as one step of its own that touches nothing shared", site
            )

    def _heap(self, owner: Ref, function: Any, rest: tuple[Any, ...], site: int | None) -> Steps:
        return (yield from self.change(owner, f"heapq.{function.__name__}", rest, {}, site))

    def _keyed(self, function: Any, given: list[Any], keywords: dict[str, Any], site: int | None) -> Steps:
        """`sorted`, `min` and `max` with a key that is Python code."""
        items = list(given[0]) if len(given) == 1 else given
        ordered = yield from self._sorted(
            items, {**keywords, "reverse": keywords.get("reverse", False)}, site, one=function
        )
        return ordered

    def _sorted(self, items: Any, keywords: dict[str, Any], site: int | None, one: Any = sorted) -> Steps:
        key = keywords["key"]
        keys = []
        for each in items:
            keys.append((yield from self.call(None, key, each)))
        return _by_keys(list(items), keys, keywords, one)

    # -- locks

    def _lock_method(
        self, site: int | None, lock: Ref, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Steps:
        if name in ("acquire", "acquire_lock"):
            blocking, timeout = _acquire_arguments(*arguments, **keywords)
            result = yield from self.acquire(lock, blocking and timeout < 0)
        elif name in ("release", "release_lock"):
            result = yield from self.release(lock)
        elif name in ("__enter__", "__exit__"):
            result = yield from (self.acquire(lock, True) if name == "__enter__" else self.release(lock))
        elif name in ("locked", "locked_lock"):
            raise self._wrong(f"asks whether {lock} is locked, which cannot be followed; try to take it instead", site)
        else:
            raise AttributeError(f"{lock.type.__name__!r} object has no attribute {name!r}")
        yield from self.switch("call")
        return result

    def acquire(self, lock: Ref, blocking: bool) -> Steps:
        """Take a lock. A wait with a time limit is a try: the limit may run out at any moment that the lock is not free."""
        yield from self.hold()
        self._is_at(None)
        if not blocking:
            return (yield TryAcquire(lock.name))
        if self.code.switches:
            # The interpreter tries first; only a thread that has to wait gives the GIL back.
            got = yield TryAcquire(lock.name)
            if got:
                return True
            yield from self.let_go()
            self._is_at(None)
        yield Acquire(lock.name)
        return True

    def release(self, lock: Ref) -> Steps:
        """Give a lock back."""
        yield from self.hold()
        self._is_at(None)
        yield Release(lock.name)

    def enter(self, manager: Any) -> Steps:
        """The beginning of a `with`."""
        manager = self._seen(manager)
        if isinstance(manager, Ref) and manager.kind in ("lock", "rlock"):
            return (yield from self.acquire(manager, True))
        function = self._special(manager, "__enter__")
        if isinstance(function, FunctionType):
            return (yield from self.follow(function, (manager,), {}, None))
        return self._native_enter(manager)

    def _native_enter(self, manager: Any) -> Any:
        if isinstance(manager, Ref):
            if manager.type.__module__ in ("threading", "queue"):
                raise ProgramError(
                    f"thread {self.thread!r} waits on {manager}, a {manager.type.__module__}.{manager.type.__name__}, which the "
                    "model does not know (it knows Lock and RLock)"
                )
            raise ProgramError(
                f"thread {self.thread!r} enters {manager}, a {manager.type.__name__}, which cannot be followed"
            )
        if isinstance(manager, Generator) or hasattr(manager, "gen"):
            raise ProgramError(
                f"thread {self.thread!r} enters a context manager made of a generator, which cannot be followed"
            )
        return manager.__enter__()

    def leave(self, manager: Any, error: BaseException | None) -> Steps:
        """The end of a `with`; whether the exception is swallowed."""
        manager = self._seen(manager)
        if isinstance(manager, Ref) and manager.kind in ("lock", "rlock"):
            yield from self.release(manager)
            yield from self.switch("call")
            return False
        function = self._special(manager, "__exit__")
        details = (None, None, None) if error is None else (type(error), error, error.__traceback__)
        if isinstance(function, FunctionType):
            swallowed = yield from self.follow(function, (manager, *details), {}, None)
        else:
            swallowed = manager.__exit__(*details)
        yield from self.switch("call")
        return bool(swallowed)

    def _special(self, thing: Any, name: str) -> Any:
        """A method that Python looks up on the class."""
        return inspect.getattr_static(thing.type if isinstance(thing, Ref) else type(thing), name, None)

    # -- loops

    def iterate(self, iterable: Any) -> Steps:
        """The beginning of a loop."""
        iterable = self._seen(iterable)
        if isinstance(iterable, Cursor):
            return iterable
        if isinstance(iterable, View):
            return Cursor(iterable.which, iterable.ref)
        function = self._special(iterable, "__iter__")
        if isinstance(function, FunctionType):
            made = yield from self.follow(function, (iterable,), {}, None)
            if self._is_same(made, iterable) or isinstance(self._special(made, "__next__"), FunctionType):
                return Cursor("next", made)
            return (yield from self.iterate(made))
        if isinstance(iterable, Ref):
            return self._cursor(iterable)
        return Cursor("native", iter(iterable))

    def _is_same(self, one: Any, other: Any) -> bool:
        return one is other

    def _cursor(self, ref: Ref) -> Cursor:
        if ref.kind in ("list", "dict", "set", "deque"):
            return Cursor("keys" if ref.kind == "dict" else ref.kind, ref)
        raise TypeError(f"{ref.type.__name__!r} object is not iterable")

    def advance(self, cursor: Cursor, site: int | None) -> Steps:
        """The next turn of a loop: whether there is one."""
        self._count_turn()
        if cursor.how == "native":
            self.quiet(site)
            return self._next_native(cursor)
        if cursor.how == "next":
            self.quiet(site)
            try:
                value = yield from self.call(None, self._special(cursor.over, "__next__"), cursor.over)
            except StopIteration:
                return False
            return cursor.put(value)
        if cursor.how == "list" and not self.shared.is_whole(cursor.over):
            if cursor.index >= len(self.shared.real(cursor.over)):
                self.quiet(site)
                return False
            return cursor.put((yield from self.load_item(cursor.over, cursor.index, site)))
        held = yield from self._all(cursor.over, site)
        return self._next_of(cursor, held)

    def _next_native(self, cursor: Cursor) -> bool:
        try:
            return cursor.put(next(cursor.over))
        except StopIteration:
            return False

    def _next_of(self, cursor: Cursor, held: Any) -> bool:
        """The next item of a container as it is now; dicts, sets and deques notice that they have changed."""
        if cursor.how != "list":
            if cursor.size < 0:
                cursor.size = len(held)
            elif len(held) != cursor.size:
                kind = "dictionary" if isinstance(held, dict) else type(held).__name__
                end = "mutated" if isinstance(held, collections.deque) else "changed size"
                raise RuntimeError(f"{kind} {end} during iteration")
        items = list(held) if cursor.how in ("list", "set", "deque") else list(getattr(held, cursor.how)())
        return cursor.index < len(items) and cursor.put(items[cursor.index])

    # -- the rest

    def truth(self, thing: Any, site: int | None = None) -> Steps:
        """Whether something counts as true."""
        thing = self._seen(thing)
        if isinstance(thing, View):
            thing = thing.ref
        for name in ("__bool__", "__len__"):
            function = self._special(thing, name)
            if isinstance(function, FunctionType):
                self.quiet(site)
                return bool((yield from self.follow(function, (thing,), {}, None)))
        if _is_container(thing):
            return bool((yield from self._all(thing, site)))
        self.quiet(site)
        return True if isinstance(thing, Ref) else bool(thing)

    def binary(self, name: str, left: Any, right: Any, site: int | None = None) -> Steps:
        """An operator or a comparison."""
        left, right = self._seen(left), self._seen(right)
        if not (_is_ours(left) or _is_ours(right)):
            self.quiet(site)
            return _native(name, left, right)
        for one, other, method in ((left, right, name), (right, left, _swapped(name))):
            function = self._special(one, f"__{method}__")
            if isinstance(function, FunctionType):
                self.quiet(site)
                result = yield from self.follow(function, (one, other), {}, None)
                if result != NotImplemented:
                    return result
            elif name == "ne" and isinstance(self._special(one, "__eq__"), FunctionType):
                self.quiet(site)
                return not (yield from self.binary("eq", left, right))
        if _is_container(left) or _is_container(right):
            taken = []
            for each in (left, right):
                taken.append(
                    (yield from self._taken(each, site if not taken else None)) if _is_container(each) else each
                )
            return _native(name, *taken)
        self.quiet(site)
        return self._compared(name, left, right)

    def _compared(self, name: str, left: Any, right: Any) -> Any:
        if name in ("eq", "ne"):
            return (left is right) == (name == "eq")
        if _is_shared(left) or _is_shared(right):
            raise TypeError(f"unsupported operand types for {name}: {_type_name(left)!r} and {_type_name(right)!r}")
        return _native(name, left, right)

    def augment(self, name: str, old: Any, value: Any, site: int, owner: Any) -> Steps:
        """The arithmetic of `x += value`, of a step of its own where x is shared and every operation counts."""
        old, value = self._seen(old), self._seen(value)
        if self.code.adds and name == "add" and _is_memory(owner, self) and _can_add(old, value):
            self._is_at(site)
            return (yield Add(old, value))
        function = self._special(old, f"__i{name}__")
        if isinstance(function, FunctionType):
            self.quiet(site)
            return (yield from self.follow(function, (old, value), {}, None))
        if isinstance(old, Ref) and old.kind in ("list", "set", "deque", "dict") and function is not None:
            given = yield from self._unpacked((value,))
            yield from self.change(old, f"__i{name}__", given, {}, site)
            return old
        if _is_ours(old) or _is_ours(value):
            return (yield from self.binary(name, old, value, site))
        self.quiet(site)
        return _in_place(name, old, value)

    def contains(self, container: Any, thing: Any, site: int | None) -> Steps:
        """`thing in container`."""
        container, thing = self._seen(container), self._seen(thing)
        function = self._special(container, "__contains__")
        if isinstance(function, FunctionType):
            self.quiet(site)
            return bool((yield from self.follow(function, (container, thing), {}, None)))
        if isinstance(container, Ref) and container.kind == "dict" and not self.shared.is_whole(container):
            hash(thing)
            is_constant, value = self.shared.constant(container, Item("item", thing))
            if is_constant:
                self.quiet(site)
            else:
                yield from self.hold()
                self._is_at(site)
                value = yield Read(value)
            return not self._is_absent(value)
        if _is_container(container):
            return self._holds((yield from self._taken(container, site)), thing)
        self.quiet(site)
        return self._holds(container, thing)

    def _holds(self, container: Any, thing: Any) -> bool:
        return thing in container

    def unpack(self, thing: Any) -> Steps:
        """Something that is taken apart."""
        thing = self._seen(thing)
        if _is_container(thing):
            return (yield from self._taken(thing, None))
        if isinstance(thing, Ref) or isinstance(self._special(thing, "__iter__"), FunctionType):
            return (yield from self._collected(thing))
        return thing

    def _collected(self, thing: Any) -> Steps:
        cursor = yield from self.iterate(thing)
        made = []
        while (yield from self.advance(cursor, None)):
            made.append(cursor.value)
        return made

    def shown(self, thing: Any) -> Steps:
        """Something in an f-string."""
        thing = self._seen(thing)
        return (yield from self._taken(thing, None)) if _is_container(thing) else thing

    def plain(self, thing: Any, line: int) -> Steps:
        """The subject of a `match`."""
        if _is_shared(self._seen(thing)):
            raise ProgramError(
                f"line {line}: thread {self.thread!r} matches the shared object {thing}, which cannot be followed"
            )
        return thing
        yield

    def share(self, thing: Any, site: int | None) -> Steps:
        """A value on its way into shared memory: what this thread made for itself becomes shared, contents first."""
        thing = self._seen(thing)
        if isinstance(thing, Ref) or _is_fixed(thing):
            return thing
        if isinstance(thing, tuple | frozenset):
            parts = []
            for each in thing:
                parts.append((yield from self.share(each, site)))
            return self._rebuilt(thing, parts)
        if isinstance(thing, View | Cursor | Inner | Super) or not (
            _is_python(type(thing)) or isinstance(thing, CONTAINERS)
        ):
            if isinstance(thing, BaseException):
                return repr(thing)
            raise self._wrong(f"shares {_say(thing)} that it made, which cannot be followed", site)
        ref = self._share_as(thing)
        for item, held in self._inside(thing):
            value = yield from self.share(held, site)
            location = self.shared.writes(ref, item)
            yield from self.hold()
            self._is_at(None)
            self._is_inside(True)
            yield Write(location, value)
            self._is_inside(False)
        if isinstance(thing, CONTAINERS):
            yield from self._share_items(ref, thing, site)
        return ref

    def _share_items(self, ref: Ref, thing: Any, site: int | None) -> Steps:
        frozen = self._frozen(thing)
        parts = []
        for each in frozen.items:
            parts.append((yield from self.share(each, site)))
        location = self.shared.writes(ref, Item("all", None))
        yield from self.hold()
        self._is_at(None)
        self._is_inside(True)
        yield Write(location, Frozen(frozen.type, tuple(parts), frozen.extra))
        self._is_inside(False)

    def _frozen(self, thing: Any) -> Frozen:
        return freeze(thing)

    def _share_as(self, thing: Any) -> Ref:
        kind = next((each.__name__ for each in CONTAINERS if isinstance(thing, each)), "object")
        ref = self.shared.new(self._new_name(type(thing).__name__), kind, type(thing))
        self._now_shared(thing, ref)
        return ref

    def _inside(self, thing: Any) -> list[tuple[Item, Any]]:
        return [(Item("attribute", name), value) for name, value in attributes(thing).items()]

    def _rebuilt(self, thing: Any, parts: list[Any]) -> Any:
        if all(part is each for part, each in zip(parts, thing, strict=True)):
            return thing
        return type(thing)(*parts) if hasattr(thing, "_fields") else type(thing)(parts)


# -- builtins that have to be told of shared objects


def _getattr(walker: Walker, site: int | None, owner: Any, name: str, *default: Any) -> Steps:
    walker.quiet(site)
    try:
        return (yield from walker.load(owner, name, None))
    except AttributeError:
        if default:
            return default[0]
        raise


def _hasattr(walker: Walker, site: int | None, owner: Any, name: str) -> Steps:
    walker.quiet(site)
    try:
        yield from walker.load(owner, name, None)
    except AttributeError:
        return False
    return True


def _setattr(walker: Walker, site: int | None, owner: Any, name: str, value: Any) -> Steps:
    walker.quiet(site)
    yield from walker.store(owner, name, value, None)


def _isinstance(walker: Walker, site: int | None, thing: Any, kinds: Any) -> Steps:
    walker.quiet(site)
    seen = walker._seen(thing)
    return issubclass(seen.type, kinds) if isinstance(seen, Ref) else isinstance(seen, kinds)
    yield


def _type(walker: Walker, site: int | None, *arguments: Any) -> Steps:
    walker.quiet(site)
    if len(arguments) != 1:
        raise walker._wrong("makes a class, which cannot be followed", site)
    seen = walker._seen(arguments[0])
    return seen.type if isinstance(seen, Ref) else type(seen)
    yield


def _len(walker: Walker, site: int | None, thing: Any) -> Steps:
    seen = walker._seen(thing)
    function = walker._special(seen, "__len__")
    if isinstance(function, FunctionType):
        walker.quiet(site)
        return (yield from walker.follow(function, (seen,), {}, site))
    if isinstance(seen, Ref) and seen.kind == "list" and not walker.shared.is_whole(seen):
        # As long as nothing changes it as a whole, its length stays.
        walker.quiet(site)
        return len(walker.shared.real(seen))
    if _is_container(seen):
        held = yield from walker._taken(seen, site)
    else:
        walker.quiet(site)
        held = seen
    length = len(held)
    yield from walker.switch("call")
    return length


def _iter(walker: Walker, site: int | None, thing: Any) -> Steps:
    walker.quiet(site)
    return (yield from walker.iterate(thing))


def _next(walker: Walker, site: int | None, cursor: Any, *default: Any) -> Steps:
    walker.quiet(site)
    if not isinstance(cursor, Cursor):
        function = walker._special(walker._seen(cursor), "__next__")
        if isinstance(function, FunctionType):
            return (yield from walker.follow(function, (walker._seen(cursor),), {}, site))
        return next(cursor, *default)
    if (yield from walker.advance(cursor, None)):
        return cursor.value
    if default:
        return default[0]
    raise StopIteration


def _map(walker: Walker, site: int | None, function: Any, *iterables: Any) -> Steps:
    walker.quiet(site)
    columns = []
    for each in iterables:
        columns.append((yield from walker._collected(each)))
    made = []
    for row in zip(*columns, strict=False):
        made.append((yield from walker.call(None, function, *row)))
    return iter(made)


def _filter(walker: Walker, site: int | None, function: Any, iterable: Any) -> Steps:
    walker.quiet(site)
    made = []
    for each in (yield from walker._collected(iterable)):
        kept = each if function is None else (yield from walker.call(None, function, each))
        if (yield from walker.truth(kept)):
            made.append(each)
    return iter(made)


def _print(walker: Walker, site: int | None, *_: Any, **__: Any) -> Steps:
    walker.quiet(site)
    walker.code.note("print is left out", site)
    yield from walker.switch("call")


def _sleep(walker: Walker, site: int | None, seconds: float = 0) -> Steps:
    walker.quiet(site)
    yield from walker.let_go()
    walker._is_at(None)
    yield Pause(seconds)


def _current_thread(walker: Walker, site: int | None) -> Steps:
    walker.quiet(site)
    walker.code.ask_for_names()
    return Me(walker.thread)
    yield


def _get_ident(walker: Walker, site: int | None) -> Steps:
    return (yield from _current_thread(walker, site)).ident


_SPECIAL: dict[Any, Callable[..., Steps]] = {
    getattr: _getattr, hasattr: _hasattr, setattr: _setattr, isinstance: _isinstance, type: _type, len: _len, iter: _iter,
    next: _next, map: _map, filter: _filter, print: _print, time.sleep: _sleep, threading.current_thread: _current_thread,
    threading.get_ident: _get_ident, threading.get_native_id: _get_ident,
}  # fmt: skip
_TAKES_ANYTHING: tuple[Any, ...] = (id, callable, hash, repr, str, list.append, issubclass)


def _run(function: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    return function(*arguments, **keywords)


def _by_keys(items: list[Any], keys: list[Any], keywords: Mapping[str, Any], one: Any) -> Any:
    numbers = range(len(items))
    if one is sorted:
        return [
            items[number] for number in sorted(numbers, key=keys.__getitem__, reverse=bool(keywords.get("reverse")))
        ]
    if not items and "default" in keywords:
        return keywords["default"]
    return items[one(numbers, key=keys.__getitem__)]


def _acquire_arguments(blocking: bool = True, timeout: float = -1) -> tuple[bool, float]:
    if not blocking and timeout != -1:
        raise ValueError("can't specify a timeout for a non-blocking call")
    return bool(blocking), timeout


# -- what updates do to a container, and what they answer


def _change(location: str, method: str, arguments: tuple[Any, ...], keywords: tuple[tuple[str, Any], ...]) -> Update:
    """The operation: a method of a container, called on what a location holds."""
    return Update(
        location, _method(method, tuple(name for name, _ in keywords)), *arguments, *(each for _, each in keywords)
    )


@functools.cache
def _method(method: str, names: tuple[str, ...]) -> Callable[..., Frozen]:
    """A function from a frozen container and arguments (the last of them by name) to the frozen container afterwards."""

    def change(frozen: Frozen, *arguments: Any) -> Frozen:
        held = thaw(frozen)
        plain = len(arguments) - len(names)
        _applied(held, method, arguments[:plain], tuple(zip(names, arguments[plain:], strict=True)))
        return freeze(held)

    change.__name__ = method.strip("_")
    return change


def _applied(held: Any, method: str, arguments: tuple[Any, ...], keywords: tuple[tuple[str, Any], ...]) -> Any:
    if method.startswith("heapq."):
        return getattr(heapq, method.removeprefix("heapq."))(held, *arguments)
    return getattr(held, method)(*arguments, **dict(keywords))


def _removed(old: Any, error: type[Exception], name: Any) -> Any:
    if old is ABSENT:
        raise error(name)
    return ABSENT


def _gone(_: Any) -> Any:
    return ABSENT


def _or_default(old: Any, default: Any) -> Any:
    return default if old is ABSENT else old


# -- questions


def _has_default(kind: type) -> bool:
    return inspect.getattr_static(kind, "__missing__", None) is inspect.getattr_static(
        collections.defaultdict, "__missing__"
    )


def _makes_lock(function: Any) -> bool:
    return _is_hashable(function) and function in _LOCKS


def _special(function: Any) -> Callable[..., Steps] | None:
    return _SPECIAL.get(function) if _is_hashable(function) else None


def _is_changer(function: Any) -> bool:
    return _is_one_of(function, _CHANGERS)


def _takes_anything(function: Any) -> bool:
    return _is_one_of(function, _TAKES_ANYTHING)


def _native(name: str, left: Any, right: Any) -> Any:
    return _NATIVE[name](left, right)


def _in_place(name: str, left: Any, right: Any) -> Any:
    return _IN_PLACE[name](left, right)


def _swapped(name: str) -> str:
    return _SWAPPED.get(name, f"r{name}")


def _can_add(left: Any, right: Any) -> bool:
    return isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS)


def _is_shared(thing: Any) -> bool:
    return isinstance(thing, Ref | View | Bound | Inner | Super) or (
        isinstance(thing, tuple) and any(map(_is_shared, thing))
    )


def _is_container(thing: Any) -> bool:
    return isinstance(thing, View) or (
        isinstance(thing, Ref) and thing.kind in ("list", "dict", "set", "deque", "bytearray")
    )


def _is_ours(thing: Any) -> bool:
    """Whether an operator may mean more than Python would make of it here."""
    return isinstance(thing, Ref | View | Bound) or (_is_python(type(thing)) and not isinstance(thing, BaseException))


def _is_python(kind: type) -> bool:
    """Whether a class was written in Python (and is none of ours)."""
    return (
        bool(kind.__flags__ & (1 << 9))
        and kind.__module__ not in ("builtins", __name__, "simulator.source.shared")
        and (
            not kind.__module__.startswith(
                ("_", "fractions", "decimal", "datetime", "pathlib", "enum", "re", "collections")
            )
            or kind.__module__ == "__main__"
        )
    )


def _is_plainly_made(kind: type) -> bool:
    """Whether a class's instances are made by `object.__new__` and then `__init__`."""
    new = inspect.getattr_static(kind, "__new__", None)
    return type(kind) is type and not isinstance(new, staticmethod | FunctionType)


def _is_fixed(thing: Any) -> bool:
    from simulator.source.shared import _IMMUTABLE

    return isinstance(thing, _IMMUTABLE) or thing is ABSENT or isinstance(thing, Bound)


def _is_memory(owner: Any, walker: Walker) -> bool:
    return owner is True or isinstance(walker._seen(owner), Ref | type | ModuleType)


def _is_hashable(thing: Any) -> bool:
    try:
        hash(thing)
    except TypeError:
        return False
    return True


def _is_one_of(thing: Any, things: tuple[Any, ...]) -> bool:
    return any(thing is each for each in things)


def _bound(function: FunctionType, owner: Any) -> Any:
    return Bound(function, owner) if isinstance(owner, Ref | type) else MethodType(function, owner)


def _name_of(function: Any) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__name__
    owner = getattr(function, "__self__", None)
    if isinstance(owner, ModuleType) and owner.__name__ != "builtins":
        return f"{owner.__name__}.{name}"
    module = getattr(function, "__module__", None)
    return f"{module}.{name}" if module and module != "builtins" and owner is None else name


def _type_name(thing: Any) -> str:
    return thing.type.__name__ if isinstance(thing, Ref) else type(thing).__name__


def _say(thing: Any) -> str:
    return "a function" if isinstance(thing, Inner) else f"a {type(thing).__name__}"
