"""Loops: how far one has come, and what its next turn finds.

Builtin containers are looked at again at each turn, as Python's iterators do. What Python makes lazily (a generator expression,
`map`, `zip`, `enumerate` …) is made lazily: a generator of ours runs inside the loop, and what it yields that is no operation
is the next item.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Generator
from functools import partial
from types import FunctionType
from typing import Any, NamedTuple

from simulator.source.attributes import Found, say_kind
from simulator.source.containers import Containers
from simulator.source.kinds import (
    Stopped,
    View,
    is_container,
    is_of_python,
    is_private_object,
    is_same,
    special,
    type_name,
)
from simulator.source.running import Steps
from simulator.source.shared import Ref

__all__ = ["Cursor", "Given", "Loops"]


class Given(NamedTuple):
    """An item that a lazy loop comes to: no operation."""

    value: Any


class Cursor:
    """How far a loop has come."""

    __slots__ = ("how", "index", "mark", "over", "value")

    def __init__(self, how: str, over: Any) -> None:
        self.how = how
        """What it goes over: "list", "keys" …, "native" (an iterator of Python's), "next" (one written in Python), "lazy"."""
        self.over = over
        self.index = 0
        self.mark: object = None
        self.value: Any = None

    def marked(self, mark: object) -> Cursor:
        """Itself, which knows now what must stay as it is."""
        self.mark = mark
        return self

    def after(self, index: int) -> Cursor:
        """Itself, some items further on."""
        self.index = index
        return self

    def put(self, value: Any) -> bool:
        """The next value is there."""
        self.value = value
        self.index += 1
        return True

    def ended(self) -> bool:
        """There is none, and never will be again."""
        self.how = "native"
        self.over = iter(())
        self.value = None
        return False

    def future_state(self) -> tuple[object, ...]:
        """For merging: all of it."""
        return (self.how, self.index, self.over, self.mark, self.value)


class Loops(Containers):
    """`for`, and all that takes an iterable apart."""

    def iterate(self, iterable: Any, site: int | None = None) -> Steps:
        """The beginning of a loop. Dicts, sets and deques are looked at here: their iterators notice that they change."""
        iterable = self.seen(iterable)
        counted = self._counted(iterable)
        if counted is not None:
            self.note_order(counted.over, site)
            return counted.marked(_mark((yield from self.all_of(counted.over, site))))
        self.quiet(site)
        if isinstance(iterable, Cursor):
            return iterable
        function = special(iterable, "__iter__")
        if isinstance(function, FunctionType):
            made = yield from self.follow(function, (iterable,), {}, None)
            if is_same(made, iterable) or isinstance(special(made, "__next__"), FunctionType):
                return Cursor("next", made)
            return (yield from self.iterate(made))
        if isinstance(iterable, Ref) or self._is_own(iterable):
            return self._cursor(iterable)
        if isinstance(special(iterable, "__getitem__"), FunctionType):
            return self.lazy(_by_number, iterable)
        return Cursor("native", iter(iterable))

    def _counted(self, iterable: Any) -> Cursor | None:
        """The beginning of a loop over a builtin container that may not change its size meanwhile."""
        if isinstance(iterable, View):
            return Cursor(iterable.which, iterable.ref)
        if not isinstance(iterable, Ref) or isinstance(special(iterable, "__iter__"), FunctionType):
            return None
        if iterable.kind == "dict":
            return Cursor("keys", iterable)
        return Cursor(iterable.kind, iterable) if iterable.kind in ("set", "deque") else None

    def _cursor(self, thing: Any) -> Cursor:
        if not isinstance(thing, Ref):
            # It may become shared in the middle of the loop.
            return Cursor(_OWN[type(thing)], thing)
        if thing.kind in ("list", "bytearray"):
            return Cursor(thing.kind, thing)
        if isinstance(special(thing, "__getitem__"), FunctionType):
            return self.lazy(_by_number, thing)
        if thing.kind == "opaque" and special(thing, "__iter__") is not None:
            raise self.wrong(
                f"goes through {thing!r}: {say_kind(thing)} has a state of its own, which cannot be followed", None
            )
        raise TypeError(f"{type_name(thing)!r} object is not iterable")

    def _is_own(self, thing: Any) -> bool:
        return type(thing) in _OWN

    def lazy(self, function: Callable[..., Generator[Any, Any, Any]], *arguments: Any) -> Cursor:
        """A loop over what a generator of ours gives."""
        return Cursor("lazy", function(self, *arguments))

    def advance(self, cursor: Cursor, site: int | None) -> Steps:
        """The next turn of a loop: whether there is one."""
        self.count_turn()
        if cursor.how == "lazy":
            self.quiet(site)
            return (yield from self._advance_lazily(cursor))
        if cursor.how == "native":
            self.quiet(site)
            return self._next_native(cursor)
        if cursor.how == "next":
            self.quiet(site)
            try:
                value = yield from self.invoke(None, special(cursor.over, "__next__"), cursor.over)
            except Stopped:
                return False
            return cursor.put(value)
        over = self.seen(cursor.over)
        if not isinstance(over, Ref):
            self.quiet(site)
            return self._next_of(cursor, over)
        if cursor.how == "list" and not self.shared.is_whole(over):
            if cursor.index >= len(self.shared.real(over)):
                self.quiet(site)
                return cursor.ended()
            return cursor.put((yield from self.item_of(over, cursor.index, site)))
        held = yield from self.all_of(over, site)
        return self._next_of(cursor, held)

    def item_of(self, owner: Ref, number: int, site: int | None) -> Steps:
        """An item of a list whose items are locations of their own."""
        return (yield from self.load_item(owner, number, site))

    def _advance_lazily(self, cursor: Cursor) -> Steps:
        """Run the inner generator up to its next item; its operations are this thread's."""
        answer: Any = None
        error: BaseException | None = None
        while True:
            asked = self._resumed(cursor, answer, error)
            error = None
            if isinstance(asked, Given):
                return cursor.put(asked.value)
            if asked is None:
                return cursor.ended()
            try:
                answer = yield asked
            except GeneratorExit:
                raise
            except BaseException as thrown:
                error = thrown

    def _find(self, owner: Any, name: str, site: int | None) -> Found:
        if isinstance(owner, Cursor):
            if name not in ("__next__", "__iter__"):
                raise self.wrong(f"asks for {name!r} of an iterator, which cannot be followed", site)
            return Found("value", functools.partial(next if name == "__next__" else iter, owner))
        return super()._find(owner, name, site)

    def _resumed(self, cursor: Cursor, answer: Any, error: BaseException | None) -> Any:
        try:
            return cursor.over.send(answer) if error is None else cursor.over.throw(error)
        except StopIteration:
            return None
        except Stopped as error:
            if cursor.mark == "generator":
                raise RuntimeError("generator raised StopIteration") from error
            return None

    def _next_native(self, cursor: Cursor) -> bool:
        try:
            return cursor.put(self.in_c(next, cursor.over))
        except StopIteration:
            return False

    def _next_of(self, cursor: Cursor, held: Any) -> bool:
        """The next item of a container as it is now; dicts, sets and deques notice that they have changed."""
        if cursor.how not in ("list", "bytearray"):
            if cursor.mark is None:
                # It was this thread's own when the loop began.
                cursor.mark = _mark(held)
            elif cursor.mark != _mark(held):
                self._complain(cursor, held)
        items = getattr(held, cursor.how)() if isinstance(held, dict) else held
        if cursor.index >= len(items):
            return cursor.ended()
        if isinstance(items, list | bytearray):
            return cursor.put(items[cursor.index])
        return cursor.put(list(items)[cursor.index])

    def counted(self, thing: Any) -> Cursor | None:
        """The beginning of a loop over a dict, a set or a deque, shared or one's own."""
        own = _OWN.get(type(thing), "list")
        return Cursor(own, thing) if own != "list" else self._counted(thing)

    def mark_of(self, held: Any) -> object:
        """What may not change while such a loop goes on."""
        return _mark(held)

    def is_there_one_before(self, cursor: Cursor, held: Any) -> bool:
        """The next item backwards, if there is one. A deque does not look again when it has come to its end."""
        ends = isinstance(cursor.mark, tuple) and cursor.index >= len(cursor.mark)
        if cursor.mark != _mark(held) and not (ends and cursor.how == "deque"):
            self._complain(cursor, held)
        if ends:
            return False
        items = list(getattr(held, cursor.how)() if isinstance(held, dict) else held)
        return cursor.put(items[-1 - cursor.index])

    def _complain(self, cursor: Cursor, held: Any) -> None:
        """What a loop says of a container that has changed meanwhile."""
        if isinstance(held, collections.OrderedDict):
            raise RuntimeError("OrderedDict mutated during iteration")
        if cursor.how == "deque":
            raise RuntimeError("deque mutated during iteration")
        kind = "dictionary" if isinstance(held, dict) else "Set"
        if not isinstance(cursor.mark, tuple) or len(cursor.mark) != len(held):
            raise RuntimeError(f"{kind} changed size during iteration")
        raise self.wrong(
            f"goes on through a {kind.lower()} of which others have exchanged an item meanwhile: what comes next "
            "depends on how Python keeps it, which cannot be followed",
            None,
        )

    # -- what C code goes through

    def before_code(self, thing: Any, site: int | None, runs: Callable[[Any], bool]) -> Steps:
        """What C code has of a shared container before it first calls Python code, and the loop that goes on from there.

        Without such code it sees all of it in one go, and there is no loop.
        """
        cursor = self._counted(thing) or Cursor("list", thing)
        held = yield from self.all_of(cursor.over, site)
        items = list(self._viewed(held, cursor.how) if isinstance(held, dict) else held)
        number = self._first_of(items, runs)
        if number is None:
            return items, None
        self.note_order(cursor.over, site)
        return items[: number + 1], cursor.marked(_mark(held)).after(number + 1)

    def _first_of(self, items: list[Any], runs: Callable[[Any], bool]) -> int | None:
        return next((number for number, each in enumerate(items) if runs(each)), None)

    # -- what is put in one by one

    def is_lazy(self, thing: Any) -> bool:
        """Whether Python code makes the items of an iterable when C code asks for them."""
        thing = self.seen(thing)
        if isinstance(thing, Cursor):
            return thing.how in ("lazy", "next")
        return isinstance(special(thing, "__iter__"), FunctionType) or self._is_mapping(thing)

    def _is_mapping(self, thing: Any) -> bool:
        return isinstance(special(thing, "keys"), FunctionType)

    def one_by_one(
        self, site: int | None, owner: Any, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Steps:
        """`extend` or `update` with what Python code makes item by item: each is there before the next is asked for."""
        self.quiet(site)
        for each in arguments:
            if not self.is_lazy(each):
                yield from self._put_in(owner, name, each, {})
                continue
            is_mapping = self._is_mapping(each) and isinstance(self._held_as(owner), dict)
            keys = (yield from self.invoke(None, (yield from self.load(each, "keys", None)))) if is_mapping else each
            cursor = yield from self.iterate(keys)
            number = 0
            while (yield from self.advance(cursor, None)):
                item = cursor.value
                if is_mapping:
                    item = (item, (yield from self.load_item(each, item, None)))
                try:
                    yield from self._put_in(owner, name, [item], {})
                except (TypeError, ValueError) as error:
                    raise self._numbered(error, number) from None
                number += 1
        if keywords:
            yield from self._put_in(owner, name, None, keywords)

    def _put_in(self, owner: Any, name: str, items: Any, keywords: dict[str, Any]) -> Steps:
        seen = self.seen(owner)
        given = [] if keywords else [items]
        if isinstance(seen, Ref):
            taken = []
            for each in given:
                taken.append((yield from self.value_of(each, None)))
            yield from self.change(seen, name, tuple(taken), keywords, None)
            return
        parts = []
        for each in given:
            parts.append((yield from self.unpack(each)))
        for part in parts:
            for item in part if isinstance(owner, set | dict) and isinstance(part, list) else ():
                self.key(item[0] if isinstance(owner, dict) and isinstance(item, tuple | list) and item else item)
        base = next(each for each in type(owner).__mro__ if not is_of_python(each))
        self.in_c(partial(getattr(base, name), owner), *self.mine(parts), **keywords)

    def _held_as(self, owner: Any) -> Any:
        """A container of the kind that a thing is."""
        seen = self.seen(owner)
        return ({} if seen.kind == "dict" else []) if isinstance(seen, Ref) else owner

    def _numbered(self, error: Exception, number: int) -> Exception:
        """What `update` says of an item that is no pair."""
        return type(error)(*(str(each).replace("element #0", f"element #{number}") for each in error.args))

    # -- what is taken apart

    def unpack(self, thing: Any, most: int | None = None) -> Steps:
        """Something that is taken apart: what Python can iterate over by itself. Of what is made lazily, `most` items."""
        thing = self.seen(thing)
        if is_container(thing) and not isinstance(special(thing, "__iter__"), FunctionType):
            return (yield from self.taken(thing, None))
        if isinstance(thing, Ref | Cursor) or isinstance(special(thing, "__iter__"), FunctionType):
            return (yield from self.collected(thing, most))
        return thing

    def taken_apart(self, thing: Any, most: int | None = None) -> Steps:
        """What stands at the right of `a, b = thing`."""
        seen = self.seen(thing)
        is_object = (isinstance(seen, Ref) and not is_container(seen)) or is_private_object(seen)
        if is_object and special(seen, "__iter__") is None and special(seen, "__getitem__") is None:
            raise TypeError(f"cannot unpack non-iterable {type_name(seen)} object")
        taken = yield from self.unpack(thing, most)
        # What is too long says how long it is, where that is known: not of what is made lazily.
        return iter(taken) if is_object or isinstance(seen, Cursor) else taken

    def collected(self, thing: Any, most: int | None = None) -> Steps:
        """All items, one by one, or as many as there may be."""
        cursor = yield from self.iterate(thing)
        made: list[Any] = []
        while len(made) != most and (yield from self.advance(cursor, None)):
            made.append(cursor.value)
        return made


_OWN: dict[type, str] = {
    list: "list", dict: "keys", collections.OrderedDict: "keys", collections.defaultdict: "keys", collections.Counter: "keys",
    set: "set", collections.deque: "deque",
}  # fmt: skip
"""How a loop over what a thread has made for itself goes on."""


def _mark(held: Any) -> object:
    """What may not change while a builtin container is gone through."""
    return tuple(held)


def _by_number(walker: Loops, thing: Any) -> Generator[Any, Any, Any]:
    """A class with `__getitem__` alone is gone through by numbers, until there is none."""
    number = 0
    while True:
        try:
            value = yield from walker.load_item(thing, number, None)
        except IndexError:
            return
        yield Given(value)
        number += 1
