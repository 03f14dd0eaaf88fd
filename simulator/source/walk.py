"""One thread on its way through rewritten code: what each call, `with`, test and operator does, as operations.

A `Walker` belongs to one run of one body. What touches something shared is yielded (`Read`, `Write`, `Acquire` …); what
does not is done at once. It knows what Python code means and does not know of schedules or states. What it stands on has files
of its own: attributes, containers, loops, locks, C code.

Its generator functions are suspended while operations are under way, and `merging.py` compares them there. That is why they
set no attributes, read no tables, and ask for identity in functions of their own: what is kept where a frame does not show it
could not be compared.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from functools import partial
from types import FunctionType, MethodDescriptorType, MethodType, ModuleType, WrapperDescriptorType
from typing import Any

from simulator.errors import ProgramError
from simulator.ops import Add
from simulator.source import operators
from simulator.source.generated import generated
from simulator.source.kinds import (
    Stopped,
    View,
    is_container,
    is_of_python,
    is_ours,
    is_same,
    is_shared,
    special,
    type_name,
    type_of,
)
from simulator.source.library import refusal
from simulator.source.locks import makes_lock
from simulator.source.loops import Cursor, Given
from simulator.source.native import Native, refused_entry
from simulator.source.running import GIL, Code, Steps
from simulator.source.shared import CONTAINERS, Bound, Inner, Ref
from simulator.source.told import is_told, told

__all__ = ["GIL", "Code", "Steps", "TooDeep", "Walker"]

_GETTERS = (operator.attrgetter, operator.itemgetter, operator.methodcaller)


class TooDeep(ProgramError):
    """A thread that calls functions within functions without end, as far as one can tell."""


class Walker(Native):
    """One run of one thread's body."""

    def again(self) -> None:
        """A turn of a loop: one that never takes a step would never end."""
        self.count_turn()

    # -- calls

    def call(self, site: int | None, function: Any, /, *arguments: Any, **keywords: Any) -> Steps:
        """`function(...)` in the program, where the interpreter may switch threads once C code has returned."""
        result = yield from self.invoke(site, function, *arguments, **keywords)
        if not self._is_inlined(function):
            yield from self.switch()
        return result

    def after(self, result: Any) -> Steps:
        """A place where the interpreter may switch threads, once something has been worked out."""
        yield from self.switch()
        return result

    def _is_inlined(self, function: Any) -> bool:
        """Whether a Python function is called: the interpreter goes on in the same loop, and looks up where it begins alone."""
        if self.code.granularity.at_branches:
            return False
        if isinstance(function, Bound):
            function = function.function
        elif isinstance(function, MethodType):
            function = function.__func__
        return isinstance(function, Inner) or (
            isinstance(function, FunctionType) and not is_told(function) and not self.code.is_library(function)
        )

    def invoke(self, site: int | None, function: Any, /, *arguments: Any, **keywords: Any) -> Steps:
        """`function(...)`, called by the program or by C code."""
        function = self.seen(function)
        if is_told(function):
            return (yield from told(function)(self, site, *arguments, **keywords))
        if makes_lock(function):
            self.quiet(site)
            return self.new_lock(function)
        if isinstance(function, FunctionType):
            self.quiet(site)
            return (yield from self.follow(function, arguments, keywords, site))
        if isinstance(function, Inner):
            self.quiet(site)
            yield from self.switch()
            return (yield from self._begun(function.function, function, arguments, keywords))
        if isinstance(function, Bound):
            if isinstance(function.function, str):
                return (yield from self._method(site, function.owner, function.function, arguments, keywords))
            return (yield from self.invoke(site, function.function, function.owner, *arguments, **keywords))
        if isinstance(function, MethodType):
            return (yield from self.invoke(site, function.__func__, function.__self__, *arguments, **keywords))
        if isinstance(function, type):
            return (yield from self._make(site, function, arguments, keywords))
        if isinstance(function, partial):
            named = {**function.keywords, **keywords}
            return (yield from self.invoke(site, function.func, *function.args, *arguments, **named))
        if isinstance(function, _GETTERS) and self._needs_walking(arguments):
            self.quiet(site)
            return (yield from self._getter(function, *arguments))
        if isinstance(function, staticmethod | classmethod):
            return (yield from self.invoke(site, function.__func__, *arguments, **keywords))
        if isinstance(function, MethodDescriptorType | WrapperDescriptorType) and arguments:
            # `dict.get(self, key)`, in a class of one's own.
            owner = self.seen(arguments[0])
            if isinstance(owner, Ref) and is_container(owner):
                return (yield from self._method(site, owner, function.__name__, arguments[1:], keywords))
        called = special(function, "__call__")
        if isinstance(called, FunctionType):
            self.quiet(site)
            return (yield from self.follow(called, (function, *arguments), keywords, site))
        if isinstance(function, Ref):
            if is_of_python(function.type):
                raise TypeError(f"{function.type.__name__!r} object is not callable")
            raise self.wrong(f"calls {function!r}, a {function.type.__name__}, which cannot be followed", site)
        return (yield from self.native(site, function, arguments, keywords))

    def _needs_walking(self, arguments: tuple[Any, ...]) -> bool:
        return len(arguments) == 1 and is_ours(self.seen(arguments[0]))

    def _getter(self, function: Any, thing: Any) -> Steps:
        """`attrgetter`, `itemgetter` and `methodcaller` of a shared object."""
        names = self._parts(function)
        if isinstance(function, operator.methodcaller):
            method = yield from self.load(thing, names[0], None)
            return (yield from self.invoke(None, method, *names[1:]))
        found = []
        for name in names:
            value = thing
            if isinstance(function, operator.itemgetter):
                value = yield from self.load_item(thing, name, None)
            else:
                for part in name.split("."):
                    value = yield from self.load(value, part, None)
            found.append(value)
        return found[0] if len(found) == 1 else tuple(found)

    def _parts(self, function: Any) -> tuple[Any, ...]:
        parts: tuple[Any, ...] = function.__reduce__()[1]
        return parts

    def follow(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any], site: int | None) -> Steps:
        """A Python function: its rewritten code, step by step."""
        if not isinstance(function, FunctionType):
            return (yield from self.invoke(site, function, *arguments, **keywords))
        written = generated(function, arguments)
        if written is not None:
            yield from self.switch()
            return (yield from written(self, function, *arguments, **keywords))
        rewritten = self._rewritten(function, arguments, keywords, site)
        yield from self.switch()
        if rewritten is None:
            if function.__module__ == "logging":
                self.note("logging is left out", site)
                return None
            return (yield from self.native(None, function, arguments, keywords))
        try:
            return (yield from self._begun(rewritten, function, arguments, keywords))
        except RecursionError:
            what = f"calls {function.__qualname__} too deeply to be followed"
            raise TooDeep(f"{self.place(site)}{self.called} {what}") from None

    def _begun(
        self, rewritten: Callable[..., Steps], function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Steps:
        """The generator. Raises TypeError for arguments that do not fit, with Python's own words."""
        try:
            return rewritten(self, *arguments, **keywords)
        except TypeError:
            if isinstance(function, Inner):
                function = function.like_python()
            function(*arguments, **keywords)
            raise

    def _rewritten(
        self, function: FunctionType, arguments: tuple[Any, ...], keywords: dict[str, Any], site: int | None
    ) -> Callable[..., Steps] | None:
        """The rewritten function; None for a library's that is given nothing shared."""
        if self.code.is_library(function):
            self.refuse_library(function, site)
            if function.__module__ == "logging" or not any(
                is_shared(self.seen(each)) or isinstance(each, Cursor) for each in (*arguments, *keywords.values())
            ):
                return None
            if function.__module__ in ("threading", "queue"):
                raise self.wrong(
                    f"calls {function.__module__}.{function.__qualname__}, which the model does not know "
                    "(it knows Lock and RLock)",
                    site,
                )
        return self.code.rewritten(function)

    def _make(self, site: int | None, kind: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Steps:
        """A new object: `kind(...)`."""
        why = refusal(kind)
        if why is not None:
            raise self.wrong(f"makes a {kind.__module__}.{kind.__qualname__}{why}", site)
        if isinstance(inspect.getattr_static(kind, "__del__", None), FunctionType):
            raise self.wrong(
                f"makes a {kind.__qualname__}, whose __del__ Python calls whenever it likes: it cannot be followed",
                site,
            )
        called = special(kind, "__call__")
        new = inspect.getattr_static(kind, "__new__", None)
        if not is_of_python(kind) or self._is_made_natively(kind, called, new):
            return (yield from self.native(site, kind, arguments, keywords))
        if isinstance(called, FunctionType):
            raise self.wrong(f"makes a {kind.__qualname__}, whose metaclass cannot be followed", site)
        self.quiet(site)
        if isinstance(new, staticmethod):
            made = yield from self.follow(new.__func__, (kind, *arguments), keywords, site)
        else:
            made = self._new(kind, arguments)
        if not issubclass(type_of(self.seen(made)), kind):
            return made
        init = inspect.getattr_static(kind, "__init__", None)
        if isinstance(init, FunctionType):
            result = yield from self.follow(init, (made, *arguments), keywords, site)
            self._nothing_else(result)
        elif isinstance(made, CONTAINERS):
            given = []
            for each in arguments:
                given.append((yield from self.unpack(each)))
            kind.__init__(made, *given, **keywords)
        elif (arguments or keywords) and not isinstance(new, staticmethod) and not isinstance(made, BaseException):
            raise TypeError(f"{kind.__name__}() takes no arguments")
        return made

    def _is_made_natively(self, kind: type, called: Any, new: Any) -> bool:
        """An enum's member by its value, a named tuple, an exception without any code of its own."""
        if hasattr(kind, "__members__"):
            return True
        if issubclass(kind, BaseException):
            init = inspect.getattr_static(kind, "__init__", None)
            return not isinstance(init, FunctionType) and not isinstance(new, staticmethod)
        if isinstance(new, staticmethod):
            function: Any = new.__func__
            return hasattr(kind, "_fields") or self.code.is_library(function)
        return isinstance(new, FunctionType)

    def _new(self, kind: Any, arguments: tuple[Any, ...]) -> Any:
        return kind.__new__(kind, *arguments) if issubclass(kind, BaseException) else kind.__new__(kind)

    def _nothing_else(self, result: Any) -> None:
        if result is not None:
            raise TypeError(f"__init__() should return None, not '{type_name(result)}'")

    def inline(self, function: Callable[..., Steps], iterable: Any, lazily: bool, site: int | None) -> Steps:
        """A comprehension. The first iterable is asked for at once, even where the items are made one by one."""
        cursor = yield from self.iterate(iterable, site)
        if lazily:
            return Cursor(
                "lazy", self._entered(function, cursor) if self.code.granularity.has_gil else function(self, cursor)
            )
        if not self.code.granularity.inlines:
            yield from self.switch()
        return (yield from function(self, cursor))

    def _entered(self, function: Callable[..., Steps], cursor: Cursor) -> Steps:
        """A generator expression, which is entered when it is asked for its first item."""
        yield from self.switch()
        return (yield from function(self, cursor))

    def given(self, value: Any) -> Given:
        """The next item of a generator expression."""
        return Given(value)

    def _method(
        self, site: int | None, owner: Any, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Steps:
        """A method that C code has: of a lock, of a builtin container, of every object."""
        if not isinstance(owner, Ref):
            return (yield from self.native(site, getattr(owner, name), arguments, keywords))
        if owner.kind in ("lock", "rlock"):
            self.quiet(site)
            return (yield from self.lock_method(site, owner, name, arguments, keywords))
        if name == "__init__" and owner.kind == "object":
            self.quiet(site)
            return None
        if name == "__setattr__":
            return (yield from self.store_raw(owner, arguments[0], arguments[1], site))
        if name == "__delattr__":
            return (yield from self.delete_raw(owner, arguments[0], site))
        if is_container(owner):
            return (yield from self.method(site, owner, name, arguments, keywords))
        if name in ("__eq__", "__ne__") and owner.kind == "object":
            self.quiet(site)
            return self._by_identity(owner, arguments[0], name)
        return (yield from self.unknown(site, owner, name))

    def _by_identity(self, one: Any, other: Any, name: str) -> Any:
        if self.same(one, other):
            return name == "__eq__"
        return NotImplemented

    # -- with

    def enter(self, manager: Any) -> Steps:
        """The beginning of a `with`."""
        manager = self.seen(manager)
        if isinstance(manager, Ref) and manager.kind in ("lock", "rlock"):
            return (yield from self._entered_by_call((yield from self.acquire(manager, True))))
        function = special(manager, "__enter__")
        refused = refused_entry(manager, function)
        if isinstance(function, FunctionType) and refused is None:
            return (yield from self.follow(function, (manager,), {}, None))
        if function is None:
            raise TypeError(f"{type_name(manager)!r} object does not support the context manager protocol")
        if refused is not None:
            raise self.wrong(refused, None)
        return (yield from self._entered_by_call((yield from self.native(None, manager.__enter__, (), {}))))

    def _entered_by_call(self, entered: Any) -> Steps:
        if self.code.granularity.enters_by_call:
            yield from self.switch()
        return entered

    def leave(self, manager: Any, error: BaseException | None) -> Steps:
        """The end of a `with`; whether the exception is swallowed."""
        manager = self.seen(manager)
        if isinstance(manager, Ref) and manager.kind in ("lock", "rlock"):
            yield from self.release(manager)
            yield from self.switch()
            return False
        function = special(manager, "__exit__")
        details = (None, None, None) if error is None else (type(error), error, error.__traceback__)
        if isinstance(function, FunctionType):
            swallowed = yield from self.follow(function, (manager, *details), {}, None)
        else:
            swallowed = yield from self.native(None, manager.__exit__, details, {})
        yield from self.switch()
        return (yield from self.truth(swallowed))

    # -- truth, operators

    def truth(self, thing: Any, site: int | None = None) -> Steps:
        """Whether something counts as true."""
        thing = self.seen(thing)
        if isinstance(thing, View):
            thing = thing.ref
        if not is_ours(thing):
            self.quiet(site)
            return bool(thing)
        for name in ("__bool__", "__len__"):
            function = special(thing, name)
            if isinstance(function, FunctionType):
                self.quiet(site)
                result = yield from self.follow(function, (thing,), {}, None)
                return self._checked_truth(result, name)
        if is_container(thing):
            if isinstance(thing, Ref) and thing.kind == "list" and not self.shared.is_whole(thing):
                self.quiet(site)
                return bool(self.shared.real(thing))
            return bool((yield from self.all_of(thing, site)))
        self.quiet(site)
        return True if isinstance(thing, Ref | Bound) else bool(thing)

    def _checked_truth(self, result: Any, name: str) -> bool:
        if name == "__bool__" and not isinstance(result, bool):
            raise TypeError(f"__bool__ should return bool, returned {type_name(result)}")
        if name == "__len__" and isinstance(result, int) and result < 0:
            raise ValueError("__len__() should return >= 0")
        return bool(result)

    def unary(self, name: str, thing: Any) -> Steps:
        """`-thing`, `+thing`, `~thing`."""
        thing = self.seen(thing)
        function = special(thing, f"__{name}__")
        if isinstance(function, FunctionType):
            return (yield from self.follow(function, (thing,), {}, None))
        if isinstance(thing, Ref):
            raise TypeError(f"bad operand type for unary {operators.sign(name)}: {thing.type.__name__!r}")
        return operators.one_sided(name, thing)

    def binary(self, name: str, left: Any, right: Any, site: int | None = None, *, in_place: bool = False) -> Steps:
        """An operator or a comparison."""
        left, right = self.seen(left), self.seen(right)
        if not (is_ours(left) or is_ours(right)):
            self.quiet(site)
            return self._natively(name, left, right)
        for one, other, method in self._asked_in_turn(name, left, right):
            function = special(one, method)
            if isinstance(function, FunctionType):
                self.quiet(site)
                result = yield from self.follow(function, (one, other), {}, None)
                if not is_same(result, NotImplemented):
                    return result
            elif name == "ne" and isinstance(special(one, "__eq__"), FunctionType):
                self.quiet(site)
                result = yield from self.follow(special(one, "__eq__"), (one, other), {}, None)
                if not is_same(result, NotImplemented):
                    return not (yield from self.truth(result))
        if is_container(left) or is_container(right):
            taken: list[Any] = []
            at = site
            for each in (left, right):
                if is_container(each):
                    taken.append((yield from self.taken(each, at)))
                    at = None
                else:
                    taken.append(self.mine(each))
            return self._natively(name, *taken, in_place=in_place)
        self.quiet(site)
        return self._compared(name, left, right, in_place)

    def _natively(self, name: str, left: Any, right: Any, *, in_place: bool = False) -> Any:
        return (operators.in_place if in_place else operators.native)(name, left, right)

    def _asked_in_turn(self, name: str, left: Any, right: Any) -> list[tuple[Any, Any, str]]:
        """Which method of which side is asked, first to last: the right one first where its class is a subclass."""
        mine, others = type_of(left), type_of(right)
        first = (left, right, f"__{name}__")
        second = (right, left, f"__{operators.swapped(name)}__")
        if mine is others:
            return [first, second] if operators.is_comparison(name) else [first]
        if issubclass(others, mine) and special(right, second[2]) is not special(left, second[2]):
            return [second, first]
        return [first, second]

    def _compared(self, name: str, left: Any, right: Any, in_place: bool) -> Any:
        """What is left where no method of Python code says anything."""
        if name in ("eq", "ne"):
            return (left is right) == (name == "eq")
        if is_shared(left) or is_shared(right):
            raise TypeError(operators.unsupported(name, type_name(left), type_name(right), in_place=in_place))
        return self._natively(name, left, right, in_place=in_place)

    def augment(self, name: str, old: Any, value: Any, site: int, owner: Any) -> Steps:
        """The arithmetic of `x += value`, a step of its own where x is shared and every operation counts."""
        old, value = self.seen(old), self.seen(value)
        if self.code.granularity.adds and name == "add" and self._is_memory(owner) and operators.adds(old, value):
            self.is_at(site)
            return (yield Add(old, value))
        function = special(old, f"__i{name}__")
        if isinstance(function, FunctionType):
            self.quiet(site)
            result = yield from self.follow(function, (old, value), {}, None)
            if not is_same(result, NotImplemented):
                return result
        elif isinstance(old, Ref) and is_container(old) and function is not None:
            taken = yield from self.value_of(value, site)
            result = yield from self.change(old, f"__i{name}__", (taken,), {}, site)
            return (
                old
                if not is_same(result, NotImplemented)
                else (yield from self.binary(name, old, value, None, in_place=True))
            )
        if is_ours(old) or is_ours(value):
            if isinstance(old, CONTAINERS) and name in ("add", "or", "and", "xor", "sub"):
                value = yield from self.unpack(value)
                return operators.in_place(name, old, value)
            return (yield from self.binary(name, old, value, site, in_place=True))
        self.quiet(site)
        if isinstance(value, Cursor):
            value = yield from self.collected(value)
        return operators.in_place(name, old, value)

    def _is_memory(self, owner: Any) -> bool:
        return owner is True or isinstance(self.seen(owner), Ref | type | ModuleType)

    def contains(self, thing: Any, container: Any, site: int | None) -> Steps:
        """`thing in container`."""
        thing, container = self.seen(thing), self.seen(container)
        function = special(container, "__contains__")
        if isinstance(function, FunctionType):
            self.quiet(site)
            found = yield from self.follow(function, (container, thing), {}, None)
            return (yield from self.truth(found))
        if isinstance(container, Cursor) or (
            function is None and (isinstance(container, Ref) or is_ours(container)) and not is_container(container)
        ):
            self.quiet(site)
            return (yield from self._looks_for(container, thing))
        return (yield from self.contains_item(container, thing, site))

    def _looks_for(self, container: Any, thing: Any) -> Steps:
        """Through an iterable, item by item."""
        if not isinstance(container, Cursor) and special(container, "__iter__") is None:
            is_numbered = special(container, "__getitem__") is not None
            if not is_numbered:
                raise TypeError(f"argument of type {type_name(container)!r} is not iterable")
        cursor = yield from self.iterate(container)
        while (yield from self.advance(cursor, None)):
            if self.same(cursor.value, thing):
                return True
            if (yield from self.truth((yield from self.binary("eq", cursor.value, thing)))):
                return True
        return False

    # -- the rest

    def shown(self, thing: Any, conversion: int) -> Steps:
        """Something in an f-string, after `!r`, `!s` or `!a`."""
        thing = self.seen(thing)
        if conversion == ord("r") or conversion == ord("a"):
            text = yield from told(repr)(self, None, thing)
            return text if conversion == ord("r") else text.encode("ascii", "backslashreplace").decode("ascii")
        if conversion == ord("s") or is_ours(thing) or isinstance(thing, tuple | list | dict | set):
            if isinstance(special(thing, "__format__"), FunctionType):
                raise self.wrong(f"shows a {type_name(thing)}, whose __format__ cannot be followed", None)
            return (yield from told(str)(self, None, thing))
        return thing

    def plain(self, thing: Any) -> Any:
        """The subject of a `match`."""
        if is_shared(self.seen(thing)):
            raise self.wrong(f"matches the shared {thing!r}, which cannot be followed; match its values", None)
        return thing

    def raised(self, thing: Any) -> Any:
        """What is raised: an exception that others know cannot be."""
        if isinstance(self.seen(thing), Ref):
            raise TypeError("exceptions must derive from BaseException")
        if isinstance(thing, KeyboardInterrupt) or thing is KeyboardInterrupt:
            raise self.wrong(
                "raises KeyboardInterrupt, which would end the exploration as Ctrl-C does; raise another exception",
                None,
            )
        if isinstance(thing, StopIteration):
            return Stopped(*thing.args)
        return Stopped if thing is StopIteration else thing

    def caught(self, kinds: Any) -> Any:
        """What an `except` catches."""
        if isinstance(kinds, tuple):
            return tuple(self.caught(each) for each in kinds)
        return (StopIteration, Stopped) if kinds is StopIteration else kinds
