"""Orders: of the locks that are taken one inside another, and of the items of several sequences."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from simulator.errors import UsageError
from simulator.strategies.limits import Limits, limits

__all__ = ["interleavings", "lock_orders"]

Lock = TypeVar("Lock", bound=Hashable)
Item = TypeVar("Item")


def lock_orders(locks: Sequence[Lock], *, size: Limits | None = None) -> SearchStrategy[tuple[Lock, ...]]:
    """Orders in which to nest locks, the outermost first: tuples of different ones.

    `size` is how many, a number or (least, most); without it, from one to all of them. Shrinks to one lock, and to the
    order of `locks`. Raises UsageError when there are not as many.

    >>> from hypothesis import find
    >>> find(lock_orders("lmn"), lambda order: len(order) > 1)
    ('l', 'm')
    """
    known = tuple(dict.fromkeys(locks))
    low, high = limits((1, len(known)) if size is None else size, "size", least=0)
    if high > len(known):
        raise UsageError(f"size is {size!r}, but there are {len(known)} locks to nest: {known!r}")
    return _lock_orders(known, low, high)


@st.composite
def _lock_orders(draw: st.DrawFn, locks: tuple[Lock, ...], low: int, high: int) -> tuple[Lock, ...]:
    left = list(locks)
    return tuple(left.pop(draw(below(len(left)))) for _ in range(low + draw(below(high - low + 1))))


def interleavings(*threads: Sequence[Item]) -> SearchStrategy[list[tuple[int, Item]]]:
    """Interleavings of the items of several sequences (callables, say), each item with the number of its sequence.

    Every interleaving can be drawn. Shrinks toward one sequence after the other, the first one first.

    >>> from hypothesis import find
    >>> find(interleavings("ab", "c"), lambda order: order[0] == (1, "c"))
    [(1, 'c'), (0, 'a'), (0, 'b')]
    """
    return _interleavings(tuple(map(tuple, threads)))


@st.composite
def _interleavings(draw: st.DrawFn, threads: tuple[tuple[Item, ...], ...]) -> list[tuple[int, Item]]:
    done = [0] * len(threads)
    order: list[tuple[int, Item]] = []
    for _ in range(sum(map(len, threads))):
        last = order[-1][0] if order else 0
        able = [number for number, items in enumerate(threads) if done[number] < len(items)]
        able.sort(key=lambda number: number != last)
        number = able[draw(below(len(able)))]
        order.append((number, threads[number][done[number]]))
        done[number] += 1
    return order


def below(number: int) -> SearchStrategy[int]:
    """Numbers from 0 that are below this one; nothing is drawn where there is only one."""
    if number not in _BELOW:
        _BELOW[number] = st.just(0) if number == 1 else st.integers(0, number - 1)
    return _BELOW[number]


_BELOW: dict[int, SearchStrategy[int]] = {}
