"""What a thread made for itself becomes shared, with all that it holds, when it is written to where others can see it.

From then on it is a `Ref` to everybody. What it holds is written first: others cannot come there before the last write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.ops import Write
from simulator.source.kinds import is_fixed, is_of_python, is_same, python_type, say
from simulator.source.running import Running, Steps
from simulator.source.shared import CONTAINERS, Frozen, Item, Ref, Thrown, attributes, freeze, remade

__all__ = ["Sharing"]


class Sharing(Running):
    """Values on their way into shared memory."""

    def share(self, thing: Any, site: int | None) -> Steps:
        """A value as others are to see it."""
        thing = self.seen(thing)
        if isinstance(thing, Ref) or is_fixed(thing):
            return thing
        if isinstance(thing, tuple | frozenset):
            parts = []
            for each in thing:
                parts.append((yield from self.share(each, site)))
            return self._rebuilt(thing, parts)
        if isinstance(thing, BaseException) and not isinstance(thing, BaseExceptionGroup):
            return (yield from self._share_error(thing, site))
        if not self._can_be_shared(thing):
            raise self.wrong(f"shares {say(thing)} that it made, which cannot be followed", site)
        ref = self._share_as(thing)
        for item, held in self._inside(thing):
            value = yield from self.share(held, site)
            yield from self._write_inside(ref, item, value)
        if isinstance(thing, CONTAINERS):
            frozen = self._frozen(thing)
            parts = []
            for each in frozen.items:
                parts.append((yield from self.share(each, site)))
            yield from self._write_inside(ref, Item("all", None), Frozen(frozen.type, tuple(parts), frozen.extra))
        return ref

    def _share_error(self, error: BaseException, site: int | None) -> Steps:
        """An exception is a value, which nobody changes once others know it."""
        known = self.known_error(error)
        if known is not None:
            return known
        arguments = yield from self.share(error.args, site)
        held = []
        for name, value in vars(error).items():
            held.append((name, (yield from self.share(value, site))))
        kind = python_type(error)
        return self.now_thrown(error, Thrown(self.new_name(kind.__name__), kind, arguments, tuple(held)))

    def _write_inside(self, ref: Ref, item: Item, value: Any) -> Steps:
        """A write that real threads do not see: what was private until now is filled in."""
        location = self.shared.writes(ref, item)
        yield from self.hold()
        self.is_at(None)
        self.is_inside(True)
        yield Write(location, value)
        self.is_inside(False)

    def _can_be_shared(self, thing: Any) -> bool:
        return isinstance(thing, CONTAINERS) or (is_of_python(type(thing)) and not isinstance(thing, BaseException))

    def _frozen(self, thing: Any) -> Frozen:
        return freeze(thing)

    def _share_as(self, thing: Any) -> Ref:
        kind = next((each.__name__ for each in CONTAINERS if isinstance(thing, each)), "object")
        ref = self.shared.new(self.new_name(self.shared.class_name(type(thing))), kind, type(thing))
        self.now_shared(thing, ref)
        return ref

    def _inside(self, thing: Any) -> list[tuple[Item, Any]]:
        return [(Item("attribute", name), value) for name, value in attributes(thing).items()]

    def _rebuilt(self, thing: Any, parts: Sequence[Any]) -> Any:
        if all(map(is_same, parts, thing)):
            return thing
        return remade(thing, parts) if isinstance(thing, tuple) else frozenset(parts)
