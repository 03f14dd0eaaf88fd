"""Interchangeable threads in one order: states that differ only in which of them is where are visited once.

Threads with the same body and arguments can be exchanged (Clarke, Enders, Filkorn, Jha 1996; Ip and Dill 1996): who holds
a lock is in the holder's local state, memory knows no threads, and no sighting names one. So the fields of each class are
sorted. It knows fields of bits and nothing of what is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["Orbits"]

Field = tuple[int, int]
"""Shift and width."""


class Orbits:
    """Sorts the fields of interchangeable threads.

    `classes` has, for each class of two threads or more, one sequence of fields for each thread: what is the thread's own.
    The first field is compared first.

    >>> one, other = [(0, 4)], [(4, 4)]
    >>> hex(Orbits([[one, other]]).canonical(0x912))
    '0x921'
    """

    def __init__(self, classes: Iterable[Sequence[Sequence[Field]]]) -> None:
        self._classes: list[tuple[int, Sequence[Sequence[Field]], dict[int, int]]] = []
        for members in classes:
            mask = sum(((1 << width) - 1) << shift for fields in members for shift, width in fields)
            self._classes.append((mask, members, {}))

    def __bool__(self) -> bool:
        return bool(self._classes)

    def canonical(self, node: int) -> int:
        """The one node that stands for all those with the same threads in another order."""
        for mask, members, known in self._classes:
            part = node & mask
            change = known.get(part)
            if change is None:
                change = known[part] = _sorted(part, members) - part
            node += change
        return node


def _sorted(part: int, members: Sequence[Sequence[Field]]) -> int:
    own = sorted([[(part >> shift) & ((1 << width) - 1) for shift, width in fields] for fields in members])
    total = 0
    for values, fields in zip(own, members, strict=True):
        for value, (shift, _) in zip(values, fields, strict=True):
            total |= value << shift
    return total
