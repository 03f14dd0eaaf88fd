"""One thread on its way through rewritten code: what each call, `with`, test and operator does, as operations.

A `Walker` belongs to one run of one body. What touches something shared is yielded (`Read`, `Write`, `Acquire` …); what
does not is done at once. It knows what Python code means and does not know of schedules or states. What it stands on has files
of its own: attributes, containers, loops, locks, C code.

Its generator functions are suspended while operations are under way, and `merging.py` compares them there. That is why they
set no attributes, read no tables, and ask for identity in functions of their own: what is kept where a frame does not show it
could not be compared.
"""

from __future__ import annotations

import collections
import operator
from collections.abc import Callable
from functools import partial
from types import FunctionType, MethodDescriptorType, MethodType, ModuleType, WrapperDescriptorType
from typing import Any

from simulator.errors import InternalError, ProgramError
from simulator.ops import Add
from simulator.source import operators
from simulator.source.called_back import may_call_back
from simulator.source.generated import generated
from simulator.source.kinds import (
    Stopped,
    View,
    has_default_text,
    is_container,
    is_of_python,
    is_ours,
    is_private_object,
    is_same,
    is_shared,
    name_of,
    of_class,
    special,
    type_name,
    type_of,
)
from simulator.source.library import refusal
from simulator.source.locks import makes_lock
from simulator.source.loops import Cursor, Given
from simulator.source.matching import Matching
from simulator.source.native import refused_entry
from simulator.source.running import GIL, Code, Steps
from simulator.source.shared import CONTAINERS, GENERIC, Bound, Inner, Ref
from simulator.source.told import is_told, told

__all__ = ["GIL", "Code", "Steps", "TooDeep", "Walker"]

BUILTIN = (list, tuple, dict, collections.deque)
_GETTERS = (operator.attrgetter, operator.itemgetter, operator.methodcaller)


class TooDeep(ProgramError):
    """A thread that calls functions within functions without end, as far as one can tell."""


class Walker(Matching):
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
            return (yield from self._told(site, function, arguments, keywords))
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
        if isinstance(function, GENERIC):
            made = yield from self.invoke(site, self._origin(function), *arguments, **keywords)
            try:
                yield from self.store(made, "__orig_class__", function, None)
            except (AttributeError, TypeError):
                return made
            return made
        if isinstance(function, partial):
            named = {**function.keywords, **keywords}
            return (yield from self.invoke(site, function.func, *function.args, *arguments, **named))
        if isinstance(function, _GETTERS) and len(arguments) == 1:
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

    def _origin(self, function: Any) -> Any:
        return function.__origin__

    def _told(self, site: int | None, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Steps:
        try:
            return told(function)(self, site, *arguments, **keywords)
        except TypeError:
            raise self.wrong(f"calls {name_of(function)} with arguments that it is not known with", site) from None

    def _getter(self, function: Any, thing: Any) -> Steps:
        """`attrgetter`, `itemgetter` and `methodcaller`."""
        names, keywords = self._parts(function)
        if isinstance(function, operator.methodcaller):
            method = yield from self.load(thing, names[0], None)
            return (yield from self.invoke(None, method, *names[1:], **keywords))
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

    def _parts(self, function: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        made_by, parts = function.__reduce__()
        if isinstance(made_by, partial):
            return (*made_by.args, *parts), made_by.keywords
        return parts, {}

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
                is_shared(self.seen(each)) or isinstance(each, Cursor) or self._orders(function, each)
                for each in (*arguments, *keywords.values())
            ):
                return None
        return self.code.rewritten(function)

    def _orders(self, function: FunctionType, thing: Any) -> bool:
        """Whether it is a method that `total_ordering` made out of the thing's own."""
        return function.__module__ == "functools" and may_call_back(thing)

    def mapping(self, thing: Any) -> Steps:
        """What stands after `**` in a call, as a dict."""
        thing = self.seen(thing)
        if not isinstance(special(thing, "keys"), FunctionType):
            return (yield from self.unpack(thing))
        made = {}
        keys = yield from self.iterate((yield from self.invoke(None, (yield from self.load(thing, "keys", None)))))
        while (yield from self.advance(keys, None)):
            key = keys.value
            made[key] = yield from self.load_item(thing, key, None)
        return made

    def keywords(self, function: Any, /, *parts: Any) -> dict[str, Any]:
        """The keywords of a call, put together. Raises TypeError for one that is given twice, with Python's own words."""
        made: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, dict):
                said = type_name(self.seen(part))
                raise TypeError(f"{_said_of(function)} argument after ** must be a mapping, not {said}")
            for key, value in part.items():
                if not isinstance(key, str):
                    raise TypeError("keywords must be strings")
                if key in made:
                    raise TypeError(f"{_said_of(function)} got multiple values for keyword argument {key!r}")
                made[key] = value
        return made

    def _make(self, site: int | None, kind: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Steps:
        """A new object: `kind(...)`."""
        why = refusal(kind)
        if why is not None:
            raise self.wrong(f"makes a {kind.__module__}.{kind.__qualname__}{why}", site)
        if isinstance(of_class(kind, "__del__"), FunctionType):
            raise self.wrong(
                f"makes a {kind.__qualname__}, whose __del__ Python calls whenever it likes: it cannot be followed",
                site,
            )
        called = special(kind, "__call__")
        new = of_class(kind, "__new__")
        if not is_of_python(kind) or self._is_made_natively(kind, called, new):
            return (yield from self.native(site, kind, arguments, keywords))
        if isinstance(called, FunctionType):
            raise self.wrong(f"makes a {kind.__qualname__}, whose metaclass cannot be followed", site)
        self.quiet(site)
        is_value = self._is_value_class(kind, new)
        if is_value:
            made = yield from self._new_value(site, kind, arguments, keywords)
        elif isinstance(new, staticmethod):
            made = yield from self.follow(new.__func__, (kind, *arguments), keywords, site)
        else:
            made = self._new(kind, arguments)
        if not issubclass(type_of(self.seen(made)), kind):
            return made
        init = of_class(kind, "__init__")
        if isinstance(init, FunctionType):
            result = yield from self.follow(init, (made, *arguments), keywords, site)
            self._nothing_else(result)
        elif isinstance(made, CONTAINERS):
            given = []
            for each in arguments:
                given.append((yield from self.unpack(each)))
            kind.__init__(made, *given, **keywords)
        elif (arguments or keywords) and not (
            is_value or isinstance(new, staticmethod) or isinstance(made, BaseException)
        ):
            raise TypeError(f"{kind.__name__}() takes no arguments")
        return made

    def _is_value_class(self, kind: type, new: Any) -> bool:
        """Whether instances of a class of one's own are builtin values, complete once they are there: numbers, tuples."""
        return issubclass(kind, (int, float, complex, str, bytes, tuple, frozenset)) and not isinstance(
            new, staticmethod
        )

    def _new_value(self, site: int | None, kind: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Steps:
        """What C code makes of the arguments, at once."""
        given = []
        for each in arguments:
            if issubclass(kind, tuple | frozenset):
                given.append((yield from self.unpack(each)))
            elif issubclass(kind, str) and is_ours(self.seen(each)) and len(arguments) == 1:
                given.append((yield from told(str)(self, None, each)))
            elif is_shared(self.seen(each)):
                raise self.wrong(f"makes a {kind.__qualname__} of {self.seen(each)!r}, which cannot be followed", site)
            else:
                given.append(each)
        return kind.__new__(kind, *given, **keywords)

    def _is_made_natively(self, kind: type, called: Any, new: Any) -> bool:
        """An enum's member by its value, a named tuple, an exception without any code of its own."""
        if hasattr(kind, "__members__"):
            return True
        if issubclass(kind, BaseException):
            init = of_class(kind, "__init__")
            return not isinstance(init, FunctionType) and not isinstance(new, staticmethod)
        if isinstance(new, staticmethod):
            function: Any = new.__func__
            is_generated = hasattr(kind, "_fields") and function.__code__.co_filename.startswith("<string")
            return is_generated or self.code.is_library(function)
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
            made = self._entered(function, cursor) if self.code.granularity.has_gil else function(self, cursor)
            return Cursor("lazy", made).marked("generator")
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
        if function is not None and special(manager, "__exit__") is None:
            raise _no_manager(type_of(manager), __enter__=function)
        if isinstance(function, FunctionType) and refused is None:
            return (yield from self.follow(function, (manager,), {}, None))
        if function is None:
            raise _no_manager(type_of(manager))
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
        details = self._details(error)
        if isinstance(function, FunctionType):
            swallowed = yield from self.follow(function, (manager, *details), {}, None)
        else:
            swallowed = yield from self.native(None, manager.__exit__, details, {})
        yield from self.switch()
        return (yield from self.truth(swallowed))

    def _details(self, error: BaseException | None) -> tuple[Any, Any, Any]:
        if error is None:
            return None, None, None
        raised = StopIteration(*error.args) if isinstance(error, Stopped) else error
        return type(raised), raised, error.__traceback__

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
        return self.in_c(operators.one_sided, name, thing)

    def binary(self, name: str, left: Any, right: Any, site: int | None = None, *, in_place: bool = False) -> Steps:
        """An operator or a comparison."""
        left, right = self.seen(left), self.seen(right)
        is_comparison = operators.is_comparison(name)
        if not (is_ours(left) or is_ours(right) or (is_comparison and self.is_walked(left, right))):
            self._check_formatted(name, left, right, site)
            self.quiet(site)
            return self._natively(name, left, right)
        self._check_formatted(name, left, right, site)
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
            if is_comparison:
                return (yield from self.compared(name, *taken))
            return self._natively(name, *taken, in_place=in_place)
        if is_comparison and isinstance(left, BUILTIN) and isinstance(right, BUILTIN):
            self.quiet(site)
            return (yield from self.compared(name, left, right))
        self.quiet(site)
        return self._compared(name, left, right, in_place)

    def _check_formatted(self, name: str, left: Any, right: Any, site: int | None) -> None:
        """Raise where `%` would write what is shared, or where in memory something is."""
        if name == "mod" and isinstance(left, str | bytes | bytearray):
            for each in right if isinstance(right, tuple) else (right,):
                seen = self.seen(each)
                has_address = is_private_object(seen) and has_default_text(seen)
                if is_shared(seen) or has_address or (isinstance(seen, BUILTIN) and self.is_walked(seen)):
                    raise self.wrong(
                        f"formats {type_name(seen)} by '%', which is C code: it cannot be followed; an f-string can",
                        site,
                    )

    def _natively(self, name: str, left: Any, right: Any, *, in_place: bool = False) -> Any:
        return self.in_c(operators.in_place if in_place else operators.native, name, left, right)

    def _asked_in_turn(self, name: str, left: Any, right: Any) -> list[tuple[Any, Any, str]]:
        """Which method of which side is asked, first to last: the right one first where its class is a subclass."""
        mine, others = type_of(left), type_of(right)
        first = (left, right, f"__{name}__")
        second = (right, left, f"__{operators.swapped(name)}__")
        if name == "mod" and isinstance(left, str | bytes | bytearray) and not issubclass(others, mine):
            # A text formats whatever it is given.
            return [first]
        if mine is others:
            return [first, second] if operators.is_comparison(name) else [first]
        is_asked_first = operators.is_comparison(name) or special(right, second[2]) is not special(left, second[2])
        if issubclass(others, mine) and is_asked_first:
            return [second, first]
        return [first, second]

    def _compared(self, name: str, left: Any, right: Any, in_place: bool) -> Any:
        """What is left where no method of Python code says anything."""
        if name in ("eq", "ne"):
            said = self._said_by_c_code(name, left, right)
            return (left is right) == (name == "eq") if said is NotImplemented else said
        if is_shared(left) or is_shared(right):
            raise TypeError(operators.unsupported(name, type_name(left), type_name(right), in_place=in_place))
        return self._natively(name, left, right, in_place=in_place)

    def _said_by_c_code(self, name: str, left: Any, right: Any) -> Any:
        """What the builtin says that a class of this thread's own is made of: a number, a text."""
        for one, other, method in self._asked_in_turn(name, left, right):
            function = special(one, method)
            is_plain = function in (getattr(object, method), None) or isinstance(function, FunctionType)
            if not (is_plain or is_shared(one) or is_shared(other)):
                said = function(one, other)
                if said is not NotImplemented:
                    return said
        return NotImplemented

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
        elif function is not None and self._puts_in_lazily(name, old, value):
            method = "update" if name == "or" else "extend"
            yield from self.one_by_one(site, old, method, (value,), {})
            return old
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
                return self.in_c(operators.in_place, name, old, value)
            return (yield from self.binary(name, old, value, site, in_place=True))
        self.quiet(site)
        if isinstance(value, Cursor):
            value = yield from self.collected(value)
        return self.in_c(operators.in_place, name, old, value)

    def _puts_in_lazily(self, name: str, old: Any, value: Any) -> bool:
        """Whether `old += value` or `old |= value` asks Python code for one item after the other."""
        kind = type_of(old)
        takes = (list, collections.deque) if name == "add" else dict if name == "or" else ()
        return issubclass(kind, takes) and self.is_lazy(value)

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
                raise _no_container(type_name(container))
        cursor = yield from self.iterate(container)
        while (yield from self.advance(cursor, None)):
            if self.same(cursor.value, thing):
                return True
            if (yield from self.truth((yield from self.binary("eq", cursor.value, thing)))):
                return True
        return False

    # -- the rest

    def text(self, thing: Any) -> Steps:
        """`repr(thing)`."""
        return (yield from told(repr)(self, None, thing))

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

    def said(self, thing: Any) -> Steps:
        """The message of an `assert`: what is shared, as it is now."""
        thing = self.seen(thing)
        if is_container(thing):
            return (yield from self.taken(thing, None))
        if isinstance(thing, Ref):
            return (yield from told(str)(self, None, thing))
        return thing

    def raised(self, thing: Any) -> Any:
        """What is raised: an exception that others know cannot be."""
        seen = self.seen(thing)
        if isinstance(seen, Ref) and issubclass(seen.type, BaseException):
            raise self.wrong(f"raises {seen!r}, which holds more than values: it cannot be followed", None)
        if self.known_error(thing) is not None:
            # What the last one who raised it left behind is nobody's business.
            thing.__traceback__ = thing.__context__ = None
        if isinstance(seen, Ref):
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


def _said_of(function: Any) -> str:
    """What Python calls a function whose arguments are wrong."""
    if isinstance(function, Bound) and not isinstance(function.function, str):
        function = function.function
    name = getattr(function, "name" if isinstance(function, Inner) else "__qualname__", None)
    module = getattr(function, "__module__", None)
    if not isinstance(name, str):
        return str(function)
    return f"{name}()" if module in (None, "builtins") or isinstance(function, Inner) else f"{module}.{name}()"


def _no_manager(kind: Any, **methods: Any) -> TypeError:
    """What Python says of a `with` on an object of a class that is no context manager, in the words of this version."""
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    try:
        with type(kind.__name__, (), {**methods, **named})():
            raise InternalError(f"{kind!r} is a context manager after all")
    except TypeError as error:
        return error


def _no_container(name: str) -> TypeError:
    """What Python says of `in` on an object of a class that is no container, in the words of this version."""
    stub: Any = type(name, (), {})()
    try:
        raise InternalError(f"{name} is a container after all: {None in stub}")
    except TypeError as error:
        return error
