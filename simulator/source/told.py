"""Builtins that have to be told of shared objects, because Python's own would see through our references or past them.

Each is a function of the walker, the place, and the arguments; `TOLD` is the table.
"""

from __future__ import annotations

import collections
import functools
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable, Generator, ItemsView, KeysView, ValuesView
from types import FunctionType
from typing import Any

from simulator.ops import Pause
from simulator.source.attributes import say_kind
from simulator.source.kinds import (
    Me,
    Said,
    Stopped,
    View,
    has_default_text,
    is_container,
    is_hashable,
    is_of_named_tuple,
    is_of_python,
    is_ours,
    is_private_object,
    python_type,
    special,
)
from simulator.source.loops import Cursor, Given
from simulator.source.native import Native
from simulator.source.running import Steps
from simulator.source.shared import Bound, Frozen, Inner, Ref, freeze, remade, thaw

__all__ = ["is_told", "told"]

Lazily = Generator[Any, Any, None]


def is_told(function: Any) -> bool:
    """Whether a function stands in the table."""
    return is_hashable(function) and function in TOLD


def told(function: Any) -> Callable[..., Steps]:
    """What stands there."""
    return TOLD[function]


def _getattr(walker: Native, site: int | None, owner: Any, name: str, *default: Any) -> Steps:
    walker.quiet(site)
    try:
        return (yield from walker.load(owner, name, None))
    except AttributeError:
        if default:
            return default[0]
        raise


def _hasattr(walker: Native, site: int | None, owner: Any, name: str) -> Steps:
    walker.quiet(site)
    try:
        yield from walker.load(owner, name, None)
    except AttributeError:
        return False
    return True


def _setattr(walker: Native, site: int | None, owner: Any, name: str, value: Any) -> Steps:
    walker.quiet(site)
    yield from walker.store(owner, name, value, None)


def _delattr(walker: Native, site: int | None, owner: Any, name: str) -> Steps:
    walker.quiet(site)
    yield from walker.delete(owner, name, None)


def _set_raw(walker: Native, site: int | None, owner: Any, name: str, value: Any) -> Steps:
    walker.quiet(site)
    yield from walker.store_raw(walker.seen(owner), name, value, None)


def _delete_raw(walker: Native, site: int | None, owner: Any, name: str) -> Steps:
    walker.quiet(site)
    yield from walker.delete_raw(walker.seen(owner), name, None)


def _isinstance(walker: Native, site: int | None, thing: Any, kinds: Any) -> Steps:
    walker.quiet(site)
    yield from ()
    seen = walker.seen(thing)
    if isinstance(seen, Cursor):
        return _is_iterator(walker, site, kinds)
    kind = python_type(seen)
    return isinstance(seen, kinds) if _is_same(kind, type(seen)) else issubclass(kind, kinds)


def _is_iterator(walker: Native, site: int | None, kinds: Any) -> bool:
    """Whether a loop under way is one of these: which kind of iterator it is to Python, nobody here knows."""
    known: tuple[type, ...] = (
        types.GeneratorType,
        map,
        filter,
        zip,
        enumerate,
        reversed,
        type(iter([])),
        type(iter({})),
    )
    said = {issubclass(each, kinds) for each in known}
    if len(said) > 1:
        raise walker.wrong("asks which kind of iterator it has, which cannot be followed", site)
    return said.pop()


def _is_same(one: Any, other: Any) -> bool:
    return one is other


def _type(walker: Native, site: int | None, *arguments: Any) -> Steps:
    walker.quiet(site)
    yield from ()
    if len(arguments) != 1:
        raise walker.wrong("makes a class, which cannot be followed", site)
    seen = walker.seen(arguments[0])
    if isinstance(seen, Cursor):
        raise walker.wrong("asks which kind of iterator it has, which cannot be followed", site)
    return python_type(seen)


def _callable(walker: Native, site: int | None, thing: Any) -> Steps:
    walker.quiet(site)
    yield from ()
    seen = walker.seen(thing)
    return (
        special(seen, "__call__") is not None
        if isinstance(seen, Ref)
        else callable(seen) or isinstance(seen, Inner | Bound)
    )


def _bool(walker: Native, site: int | None, thing: Any = False) -> Steps:
    return (yield from walker.truth(thing, site))


def _len(walker: Native, site: int | None, thing: Any) -> Steps:
    seen = walker.seen(thing)
    function = special(seen, "__len__")
    if isinstance(function, FunctionType):
        walker.quiet(site)
        return (yield from walker.follow(function, (seen,), {}, None))
    if isinstance(seen, Ref) and seen.kind == "list" and not walker.shared.is_whole(seen):
        # As long as nothing changes it as a whole, its length stays.
        walker.quiet(site)
        return len(walker.shared.real(seen))
    if is_container(seen):
        held = yield from walker.taken(seen, site)
    elif isinstance(seen, Ref):
        raise TypeError(f"object of type {seen.type.__name__!r} has no len()")
    else:
        walker.quiet(site)
        held = seen
    return walker.in_c(len, held)


def _iter(walker: Native, site: int | None, thing: Any, *more: Any) -> Steps:
    if more:
        walker.quiet(site)
        return walker.lazy(_until, thing, more[0])
    return (yield from walker.iterate(thing, site))


def _until(walker: Native, function: Any, sentinel: Any) -> Lazily:
    while True:
        value = yield from walker.invoke(None, function)
        if (yield from walker.truth((yield from walker.binary("eq", value, sentinel)))):
            return
        yield Given(value)


def _next(walker: Native, site: int | None, cursor: Any, *default: Any) -> Steps:
    walker.quiet(site)
    seen = walker.seen(cursor)
    try:
        if isinstance(seen, Cursor):
            if (yield from walker.advance(seen, None)):
                return seen.value
            raise Stopped
        function = special(seen, "__next__")
        if isinstance(function, FunctionType):
            return (yield from walker.follow(function, (seen,), {}, None))
        if isinstance(seen, Ref) and function is not None:
            raise walker.wrong(
                f"asks {seen!r} for its next item: {say_kind(seen)} has a state of its own, which cannot be followed; "
                "count or index by an attribute",
                site,
            )
        return next(seen)
    except (StopIteration, Stopped) as error:
        if default:
            return default[0]
        raise Stopped(*error.args) from None


def _map(walker: Native, site: int | None, function: Any, *iterables: Any) -> Steps:
    walker.quiet(site)
    cursors = []
    for each in iterables:
        cursors.append((yield from walker.iterate(each)))
    return walker.lazy(_mapped, function, cursors)


def _mapped(walker: Native, function: Any, cursors: list[Cursor]) -> Lazily:
    while True:
        row = []
        for each in cursors:
            if not (yield from walker.advance(each, None)):
                return
            row.append(each.value)
        yield Given((yield from walker.invoke(None, function, *row)))


def _filter(walker: Native, site: int | None, function: Any, iterable: Any) -> Steps:
    walker.quiet(site)
    return walker.lazy(_filtered, function, (yield from walker.iterate(iterable)))


def _filtered(walker: Native, function: Any, cursor: Cursor) -> Lazily:
    while (yield from walker.advance(cursor, None)):
        value = cursor.value
        kept = value if function is None else (yield from walker.invoke(None, function, value))
        if (yield from walker.truth(kept)):
            yield Given(value)


def _enumerate(walker: Native, site: int | None, iterable: Any, start: int = 0) -> Steps:
    walker.quiet(site)
    return walker.lazy(_enumerated, (yield from walker.iterate(iterable)), start)


def _enumerated(walker: Native, cursor: Cursor, number: int) -> Lazily:
    while (yield from walker.advance(cursor, None)):
        yield Given((number, cursor.value))
        number += 1


def _zip(walker: Native, site: int | None, *iterables: Any, strict: bool = False) -> Steps:
    walker.quiet(site)
    cursors = []
    for each in iterables:
        cursors.append((yield from walker.iterate(each)))
    return walker.lazy(_zipped, cursors, strict)


def _zipped(walker: Native, cursors: list[Cursor], strict: bool) -> Lazily:
    while cursors:
        row: list[Any] = []
        for each in cursors:
            if not (yield from walker.advance(each, None)):
                if strict:
                    yield from _check_strict(walker, cursors, len(row))
                return
            row.append(each.value)
        yield Given(tuple(row))


def _check_strict(walker: Native, cursors: list[Cursor], ended: int) -> Lazily:
    """What `zip(strict=True)` says when one ends before the others."""
    before = "argument 1" if ended == 1 else f"arguments 1-{ended}"
    if ended:
        raise ValueError(f"zip() argument {ended + 1} is shorter than {before}")
    for number, each in enumerate(cursors[1:], start=1):
        if (yield from walker.advance(each, None)):
            before = "argument 1" if number == 1 else f"arguments 1-{number}"
            raise ValueError(f"zip() argument {number + 1} is longer than {before}")


def _reversed(walker: Native, site: int | None, thing: Any) -> Steps:
    seen = walker.seen(thing)
    function = special(seen, "__reversed__")
    if isinstance(function, FunctionType):
        walker.quiet(site)
        return (yield from walker.iterate((yield from walker.follow(function, (seen,), {}, None))))
    if isinstance(seen, Ref) and seen.kind == "list":
        walker.quiet(site)
        size = yield from _len(walker, None, seen)
        return walker.lazy(_backwards, seen, size)
    cursor = walker.counted(seen)
    if cursor is not None and cursor.how != "set":
        if isinstance(cursor.over, Ref):
            walker.note_order(cursor.over, site)
            cursor.marked(walker.mark_of((yield from walker.all_of(cursor.over, site))))
        else:
            walker.quiet(site)
            cursor.marked(walker.mark_of(cursor.over))
        return walker.lazy(_counted_backwards, cursor)
    if isinstance(seen, Ref) and seen.kind == "bytearray":
        size = yield from _len(walker, site, seen)
        return walker.lazy(_backwards, seen, size)
    if isinstance(seen, Ref) and seen.kind in ("set", "object"):
        raise TypeError(f"{seen.type.__name__!r} object is not reversible")
    if isinstance(seen, Ref):
        raise walker.wrong(f"goes backwards through {seen!r}, which cannot be followed", site)
    walker.quiet(site)
    return reversed(seen)


def _backwards(walker: Native, owner: Ref, size: int) -> Lazily:
    for number in range(size - 1, -1, -1):
        try:
            value = yield from walker.load_item(owner, number, None)
        except IndexError:
            return
        yield Given(value)


def _counted_backwards(walker: Native, cursor: Cursor) -> Lazily:
    """Dicts and deques notice that they change."""
    while True:
        over = walker.seen(cursor.over)
        held = (yield from walker.all_of(over, None)) if isinstance(over, Ref) else over
        if not walker.is_there_one_before(cursor, held):
            return
        yield Given(cursor.value)


def _any(walker: Native, site: int | None, iterable: Any) -> Steps:
    return (yield from _first(walker, site, iterable, True, any))


def _all(walker: Native, site: int | None, iterable: Any) -> Steps:
    return (yield from _first(walker, site, iterable, False, all))


def _first(walker: Native, site: int | None, iterable: Any, settles: bool, function: Any) -> Steps:
    """`any` and `all` stop at the first item that settles it."""
    seen = walker.seen(iterable)
    if is_container(seen) and not isinstance(special(seen, "__iter__"), FunctionType):
        items, cursor = yield from walker.before_code(seen, site, is_ours)
        for each in items:
            if (yield from walker.truth(each)) == settles:
                return settles
    else:
        walker.quiet(site)
        cursor = yield from walker.iterate(seen)
    while cursor and (yield from walker.advance(cursor, None)):
        if (yield from walker.truth(cursor.value)) == settles:
            return settles
    return not settles


def _reduce(walker: Native, site: int | None, function: Any, iterable: Any, *initial: Any) -> Steps:
    walker.quiet(site)
    cursor = yield from walker.iterate(iterable)
    if initial:
        value = initial[0]
    elif (yield from walker.advance(cursor, None)):
        value = cursor.value
    else:
        raise TypeError("reduce() of empty iterable with no initial value")
    while (yield from walker.advance(cursor, None)):
        value = yield from walker.invoke(None, function, value, cursor.value)
    return value


def _sum(walker: Native, site: int | None, iterable: Any, /, start: Any = 0) -> Steps:
    """Items that Python code adds are added one by one."""
    seen = walker.seen(iterable)
    if is_container(seen) and not isinstance(special(seen, "__iter__"), FunctionType):
        items = list((yield from walker.taken(seen, site)))
    else:
        walker.quiet(site)
        items = yield from walker.collected(seen)
    if any(is_ours(walker.seen(each)) for each in (*items, start)):
        total = start
        for each in items:
            total = yield from walker.binary("add", total, each)
    else:
        total = walker.in_c(sum, items, start)
    return total


def _left_out(name: str, walker: Native, site: int | None, *_: Any, **__: Any) -> Steps:
    """What only tells somebody something."""
    walker.quiet(site)
    walker.note(f"{name} is left out", site)
    yield from ()


def _sleep(walker: Native, site: int | None, seconds: float = 0) -> Steps:
    walker.quiet(site)
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    yield from walker.let_go()
    walker.is_at(None)
    yield Pause(seconds)


def _current_thread(walker: Native, site: int | None) -> Steps:
    walker.quiet(site)
    yield from ()
    walker.code.ask_for_names()
    return Me(walker.thread)


def _get_ident(walker: Native, site: int | None) -> Steps:
    return (yield from _current_thread(walker, site)).ident


def _id(walker: Native, site: int | None, thing: Any) -> Steps:
    walker.quiet(site)
    yield from ()
    seen = walker.seen(thing)
    if not isinstance(seen, Ref):
        raise walker.wrong("asks for the id() of what only it knows: that is another one every time", site)
    walker.note("id() is taken to be larger for objects that were made later", site)
    return walker.shared.number(seen)


def _hash(walker: Native, site: int | None, thing: Any) -> Steps:
    walker.quiet(site)
    seen = walker.seen(thing)
    function = special(seen, "__hash__")
    if isinstance(function, FunctionType):
        return (yield from walker.follow(function, (seen,), {}, None))
    if isinstance(seen, Ref | View | Bound | Inner):
        raise walker.wrong(f"asks for the hash() of {seen!r}, which is another one every time", site)
    return walker.in_c(hash, seen)


def _text(walker: Native, site: int | None, thing: Any, names: tuple[str, ...], native: Callable[[Any], str]) -> Steps:
    seen = walker.seen(thing)
    for name in names:
        function = special(seen, name)
        is_written = isinstance(function, FunctionType) and not is_of_named_tuple(function, (seen,))
        if is_written and is_of_python(seen.type if isinstance(seen, Ref) else type(seen)):
            walker.quiet(site)
            return (yield from walker.follow(function, (seen,), {}, None))
    if _is_shown_live(seen):
        return (yield from _shown_live(walker, site, seen))
    if is_container(seen):
        seen = yield from walker.taken(seen, site)
    else:
        walker.quiet(site)
    if isinstance(seen, list | tuple | dict | set | collections.deque) and _has_texts(walker, seen):
        return (yield from _inside(walker, seen))
    if isinstance(seen, ValuesView | ItemsView | KeysView) and _has_texts(walker, list(seen)):
        inside = yield from _inside(walker, list(seen))
        return f"{type(seen).__name__}({inside})"
    is_own = isinstance(seen, Bound | Inner | Cursor)
    if is_own or isinstance(seen, Ref) or (is_private_object(seen) and has_default_text(seen)):
        walker.note("the text of an object says where in memory it is: its name is taken", site)
        return f"<{seen!r}>" if isinstance(seen, Ref) else f"<{python_type(seen).__name__}>"
    return walker.in_c(native, seen)


def _has_texts(walker: Native, container: Any) -> bool:
    """Whether a container holds what is shared, or what Python code may write, however deep."""
    waiting = [container]
    met: set[int] = set()
    while waiting:
        each = walker.seen(waiting.pop())
        if isinstance(each, Ref | View | Bound | Inner | Cursor) or is_private_object(each):
            return True
        if isinstance(each, list | tuple | dict | set | frozenset | collections.deque) and id(each) not in met:
            met.add(id(each))
            waiting += [*each, *each.values()] if isinstance(each, dict) else each
    return False


def _is_shown_live(thing: Any) -> bool:
    """Whether C code goes through a container while it asks for texts: others are copied first."""
    return isinstance(thing, Ref) and thing.type in (list, dict)


def _shown_live(walker: Native, site: int | None, thing: Ref) -> Steps:
    view: Any = View(thing, "items") if thing.kind == "dict" else thing
    items, cursor = yield from walker.before_code(view, site, lambda each: _has_texts(walker, (each,)))
    if not cursor:
        return walker.in_c(repr, _like(thing, items))
    shown = []
    for each in items:
        shown.append((yield from _part(walker, each, thing)))
    while (yield from _advance(walker, cursor, thing)):
        shown.append((yield from _part(walker, cursor.value, thing)))
    inside = ", ".join(shown)
    return f"[{inside}]" if thing.kind == "list" else f"{{{inside}}}"


def _like(thing: Ref, items: list[Any]) -> Any:
    return dict(items) if thing.kind == "dict" else items


def _part(walker: Native, item: Any, inside: Ref) -> Steps:
    if inside.kind == "list":
        return (yield from _text(walker, None, item, ("__repr__",), repr))
    key = yield from _text(walker, None, item[0], ("__repr__",), repr)
    value = yield from _text(walker, None, item[1], ("__repr__",), repr)
    return f"{key}: {value}"


def _advance(walker: Native, cursor: Cursor, thing: Ref) -> Steps:
    try:
        return (yield from walker.advance(cursor, None))
    except RuntimeError:
        raise walker.wrong(
            f"shows {thing!r}, which others change while Python code says what is in it: it cannot be followed", None
        ) from None


def _inside(walker: Native, container: Any) -> Steps:
    """The text of a container with objects in it whose text is Python code's: Python writes it, with texts in their places."""
    shown: list[Any] = []
    for each in list(container):
        said = yield from _said(walker, each)
        shown.append((said, (yield from _said(walker, container[each]))) if isinstance(container, dict) else said)
    if isinstance(container, set | frozenset):
        return _set_text(container, shown)
    if isinstance(container, tuple):
        return repr(remade(container, shown))
    return repr(thaw(Frozen(type(container), tuple(shown), freeze(container).extra)))


def _said(walker: Native, thing: Any) -> Steps:
    """A thing that Python may write, or one that stands there with its text."""
    if _has_texts(walker, (thing,)):
        return Said((yield from _text(walker, None, thing, ("__repr__",), repr)))
    return thing


def _set_text(container: Any, shown: list[Any]) -> str:
    inside = "{" + ", ".join(map(repr, shown)) + "}"
    return inside if type(container) is set else f"{type(container).__name__}({inside})"


def _str(walker: Native, site: int | None, *things: Any, **named: Any) -> Steps:
    if not things and list(named) == ["object"]:
        things, named = (named["object"],), {}
    if len(things) != 1 or named:
        return (yield from walker.native(site, str, things, named))
    return (yield from _text(walker, site, things[0], ("__str__", "__repr__"), str))


def _repr(walker: Native, site: int | None, thing: Any) -> Steps:
    return (yield from _text(walker, site, thing, ("__repr__",), repr))


def _bytes(walker: Native, site: int | None, *things: Any, **named: Any) -> Steps:
    seen = walker.seen(things[0]) if len(things) == 1 else None
    function = special(seen, "__bytes__")
    if isinstance(function, FunctionType):
        walker.quiet(site)
        return (yield from walker.follow(function, (seen,), {}, None))
    return (yield from walker.native(site, bytes, things, named))


TOLD: dict[Any, Callable[..., Steps]] = {
    getattr: _getattr, hasattr: _hasattr, setattr: _setattr, delattr: _delattr, isinstance: _isinstance, type: _type,
    callable: _callable, bool: _bool, len: _len, iter: _iter, next: _next, map: _map, filter: _filter, zip: _zip,
    enumerate: _enumerate, reversed: _reversed, any: _any, all: _all, sum: _sum, functools.reduce: _reduce,
    print: functools.partial(_left_out, "print"), warnings.warn: functools.partial(_left_out, "warnings.warn"),
    traceback.print_exc: functools.partial(_left_out, "traceback.print_exc"),
    time.sleep: _sleep, threading.current_thread: _current_thread, threading.get_ident: _get_ident,
    threading.get_native_id: _get_ident, id: _id, hash: _hash, str: _str, repr: _repr, bytes: _bytes,
    object.__setattr__: _set_raw, object.__delattr__: _delete_raw,
}  # fmt: skip
