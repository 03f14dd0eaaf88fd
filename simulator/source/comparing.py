"""Containers compared by what is in them, item by item, where C code would look into what is shared or call Python code.

Whatever C code may look at is left to C code.
"""

from __future__ import annotations

import collections
from typing import Any

from simulator.source import operators
from simulator.source.attributes import Attributes
from simulator.source.kinds import View, has_own_comparison
from simulator.source.running import Steps
from simulator.source.shared import Ref

__all__ = ["Comparing"]

_SEQUENCES = (list, tuple, collections.deque)


class Comparing(Attributes):
    """Comparisons of lists, tuples, deques and dicts."""

    def is_walked(self, *things: Any) -> bool:
        """Whether things are not for C code to compare: one is shared, or compared by Python code, or holds such a one."""
        waiting = list(things)
        met: set[int] = set()
        while waiting:
            each = self.seen(waiting.pop())
            if isinstance(each, Ref | View) or has_own_comparison(each):
                return True
            if isinstance(each, (*_SEQUENCES, dict)) and id(each) not in met:
                met.add(id(each))
                waiting += each.values() if isinstance(each, dict) else each
        return False

    def is_sequence(self, thing: Any) -> bool:
        """Whether a thing is compared item by item, in order."""
        return isinstance(thing, _SEQUENCES)

    def compared(self, name: str, left: Any, right: Any) -> Steps:
        """A comparison of builtin containers that are this thread's own, whatever they hold."""
        if self.is_walked(left, right):
            kinds = [kind for kind in _SEQUENCES if isinstance(left, kind) and isinstance(right, kind)]
            if kinds:
                return (yield from self._in_order(name, left, right))
            if isinstance(left, dict) and isinstance(right, dict) and name in ("eq", "ne"):
                return (yield from self._by_key(left, right)) == (name == "eq")
        return self.in_c(operators.native, name, left, right)

    def _in_order(self, name: str, left: Any, right: Any) -> Steps:
        if not isinstance(left, tuple) and len(left) != len(right) and name in ("eq", "ne"):
            return name == "ne"
        for one, other in zip(tuple(left), tuple(right)):  # noqa: B905 -- the longer one is larger
            if not (yield from self.is_equal(one, other)):
                return name == "ne" if name in ("eq", "ne") else (yield from self.binary(name, one, other))
        return operators.native(name, len(left), len(right))

    def _by_key(self, left: Any, right: Any) -> Steps:
        if not self._have_the_same_keys(left, right):
            return False
        for key, one in tuple(left.items()):
            if not (yield from self.is_equal(one, dict.__getitem__(right, key))):
                return False
        return True

    def _have_the_same_keys(self, left: Any, right: Any) -> bool:
        is_ordered = isinstance(left, collections.OrderedDict) and isinstance(right, collections.OrderedDict)
        return list(left) == list(right) if is_ordered else dict.keys(left) == dict.keys(right)

    def is_equal(self, one: Any, other: Any) -> Steps:
        """Whether C code that looks for a thing takes another one for it."""
        if self.same(one, other):
            return True
        return (yield from self.truth((yield from self.binary("eq", one, other))))
