"""`match`: what a pattern takes out of its subject, step by step, where the subject is shared.

Each question is answered by what the parts of the pattern look at, in a list, or by None where the subject does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulator.source.kinds import is_absent, python_type
from simulator.source.native import Native
from simulator.source.running import Steps
from simulator.source.shared import ABSENT
from simulator.source.told import told

__all__ = ["Matching"]

_TEXTS = (str, bytes, bytearray)
_THEMSELVES = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)
"""Builtins whose pattern's only part looks at the subject itself."""


class Matching(Native):
    """The parts of patterns that take something apart."""

    def matched_in_order(self, subject: Any, size: int, star: int, wanted: tuple[int, ...], whole: bool) -> Steps:
        """`[a, b, *c]`: `size` parts besides the one with a star, which is number `star`, or -1 where there is none.

        `wanted` are the parts that something is asked of. Unless the pattern takes the `whole` of it, they are looked up one
        by one.
        """
        kind = python_type(self.seen(subject))
        if not issubclass(kind, Sequence) or issubclass(kind, _TEXTS):
            return None
        length = yield from told(len)(self, None, subject)
        if length < size or (star < 0 and length > size):
            return None
        found: list[Any] = [None] * (size + (star >= 0))
        if whole:
            items = list((yield from self.unpack(subject)))
            self._check_size(len(items), size, star)
            after = size - star
            found = (
                items if star < 0 else [*items[:star], items[star : len(items) - after], *items[len(items) - after :]]
            )
        else:
            for number in wanted:
                place = number if star < 0 or number < star else length - (size + 1 - number)
                found[number] = yield from self.load_item(subject, place, None)
        return found

    def _check_size(self, length: int, size: int, star: int) -> None:
        """Raise where others have changed the subject since its length was asked for."""
        if length < size:
            least = f"{size}" if star < 0 else f"at least {size}"
            raise ValueError(f"not enough values to unpack (expected {least}, got {length})")
        if star < 0 and length > size:
            raise ValueError(f"too many values to unpack (expected {size})")

    def matched_by_key(self, subject: Any, keys: tuple[Any, ...], rest: bool) -> Steps:
        """`{"k": a, **b}`: the values of the keys and, last, what is left."""
        if not issubclass(python_type(self.seen(subject)), Mapping):
            return None
        if keys and (yield from told(len)(self, None, subject)) < len(keys):
            return None
        found = []
        if keys:
            get = yield from self.load(subject, "get", None)
            for key in keys:
                value = yield from self.invoke(None, get, key, ABSENT)
                if is_absent(value):
                    return None
                found.append(value)
        if rest:
            left = dict((yield from self.unpack(subject)))
            for key in keys:
                del left[key]
            found.append(left)
        return found

    def matched_by_class(self, subject: Any, kind: Any, size: int, names: tuple[str, ...]) -> Steps:
        """`Point(a, y=b)`: the attributes by position, and those by name."""
        if not isinstance(kind, type):
            raise TypeError("called match pattern must be a class")
        if not (yield from told(isinstance)(self, None, subject, kind)):
            return None
        found = []
        positions: tuple[str, ...] = getattr(kind, "__match_args__", ())
        is_itself = issubclass(kind, _THEMSELVES) and not hasattr(kind, "__match_args__")
        allowed = 1 if is_itself else len(positions)
        if size > allowed:
            plural = "" if allowed == 1 else "s"
            raise TypeError(f"{kind.__name__}() accepts {allowed} positional sub-pattern{plural} ({size} given)")
        if is_itself and size:
            found.append(subject)
        for name in (*(() if is_itself else positions[:size]), *names):
            try:
                found.append((yield from self.load(subject, name, None)))
            except AttributeError:
                return None
        return found
