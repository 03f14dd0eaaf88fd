"""Python code that C code calls: followed where that is simple, run as it is where that makes no difference, else refused."""

# ruff: noqa: SIM118, UP031, UP032

from __future__ import annotations

import cProfile
import dataclasses
import gc
import heapq
import itertools
import operator
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial, total_ordering
from typing import Any, Generic, TypeVar

import pytest

from simulator import Plain
from simulator.errors import ProgramError
from simulator.explore import count
from simulator.source.called_back import call_c
from simulator.source.shared import Shared
from simulator.source.threads import Threads
from tests.laws.plain_runs import in_the_model, natively

T = TypeVar("T")


class Config:
    limit = 1


class State:
    def __init__(self) -> None:
        self.found: Any = None


def changes(state: State) -> None:
    Config.limit = 2


class Asks:
    """All its methods depend on what another thread writes."""

    def __str__(self) -> str:
        return str(Config.limit)

    __repr__ = __str__

    def __int__(self) -> int:
        return Config.limit

    def __index__(self) -> int:
        return Config.limit

    def __eq__(self, other: object) -> bool:
        return Config.limit == 2

    def __hash__(self) -> int:
        return Config.limit

    def __lt__(self, other: object) -> bool:
        return Config.limit == 2

    def ask(self, more: int, *, by: int) -> int:
        return Config.limit + more + by


class Changes:
    def __repr__(self) -> str:
        Config.limit += 1
        return "changed"


@total_ordering
class Ordered:
    def __eq__(self, other: object) -> bool:
        return self is other

    def __lt__(self, other: object) -> bool:
        return Config.limit == 2


class Box(Generic[T]):
    def __init__(self) -> None:
        self.limit = Config.limit


@dataclass
class Limited:
    limit: int = field(default_factory=lambda: Config.limit)
    late: int = field(default_factory=lambda: Config.limit, init=False)


def matched(value: int) -> str:
    match value:
        case Config.limit:
            return "limit"
        case _:
            return "other"


REFUSED: dict[str, Callable[[], object]] = {
    "percent": lambda: "%s" % Asks(),
    "percent a tuple": lambda: "%r %s" % (Asks(), 1),
    "format": lambda: "{}".format(Asks()),
    "int": lambda: int(Asks()),  # type: ignore[call-overload]
    "range": lambda: range(Asks()),
    "an index": lambda: [7, 8, 9][Asks()],
    "sorted": lambda: sorted([Asks(), Asks()]) == 1,  # type: ignore[type-var]
    "a key": lambda: {1: 2}.get(Asks()),  # type: ignore[call-overload]
    "a set": lambda: len({Asks(), Asks()}),
    "in a set": lambda: Asks() in {1, 2},
    "group": lambda: len(list(itertools.groupby([Asks(), Asks()]))),
    "heap": lambda: heapq.heappush([Asks()], Asks()),  # type: ignore[type-var]
    "counter": lambda: Counter([Asks(), Asks()])[1],  # type: ignore[list-item]
    "changes": lambda: "%s" % Changes(),
}
FOLLOWED: dict[str, tuple[Callable[[], object], set[object]]] = {
    "attrgetter": (lambda: operator.attrgetter("limit")(Config), {1, 2}),
    "methodcaller": (lambda: operator.methodcaller("ask", 10, by=20)(Asks()), {31, 32}),
    "total_ordering": (lambda: Ordered() >= Ordered(), {True, False}),
    "generic": (lambda: Box[int]().limit, {1, 2}),
    "factories": (lambda: dataclasses.astuple(Limited()), {(1, 1), (1, 2), (2, 2)}),
    "lists": (lambda: [Asks()] == [1], {True, False}),
    "tuples": (lambda: (Asks(),) == (1,), {True, False}),
    "min": (lambda: min([Asks(), Asks()]) is None, {False}),  # type: ignore[type-var]
    "match": (lambda: matched(1), {"limit", "other"}),
    "f-string": (lambda: f"{Asks()}", {"1", "2"}),
}


class Point:
    def __init__(self, x: int) -> None:
        self.x = x

    def __lt__(self, other: Point) -> bool:
        return self.x < other.x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self.x == other.x

    def __hash__(self) -> int:
        return hash(self.x)

    def __repr__(self) -> str:
        return f"Point({self.x})"


@dataclass(frozen=True, order=True)
class Fixed:
    x: int
    y: int = 2


def alone(state: State) -> None:
    points = [Point(3), Point(1), Point(2)]
    points.sort()
    table = {Point(1): "one", Fixed(1): "fixed"}
    state.found = (
        str(points), "%s" % points[0], min(points).x, sorted(points)[1].x, Point(2) in set(points), points.index(Point(2)),
        table[Point(1)], table[Fixed(1, 2)], sorted([Fixed(2), Fixed(1)])[0].x, [Fixed(1)] == [Fixed(1, 2)],
    )  # fmt: skip


def into(what: Callable[[], object], state: State) -> None:
    state.found = what()


def of(what: Callable[[], object]) -> Threads:
    return Threads(Plain(State, lambda state: {"asks": partial(into, what, state), "changes": partial(changes, state)}))


@pytest.mark.parametrize("what", REFUSED.values(), ids=REFUSED)
def test_what_depends_on_other_threads_is_refused(what: Callable[[], object]) -> None:
    with pytest.raises(
        ProgramError, match=r"^test_called_back\.py:\d+: thread 'asks' (lets C code call|asks what is in a set)"
    ):
        of(what)
    assert Config.limit == 1


@pytest.mark.parametrize(("what", "expected"), FOLLOWED.values(), ids=FOLLOWED)
def test_what_can_be_followed_is(what: Callable[[], object], expected: set[object]) -> None:
    outcomes = count(of(what).program).outcomes
    assert {dict(outcome.memory)["state.found"] for outcome in outcomes} == expected


def test_what_looks_at_nothing_else_is_run_as_it_is() -> None:
    assert in_the_model(State, [alone]) == natively(State, [alone], __import__(__name__))


def test_a_profiler_goes_on_where_it_was() -> None:
    profile = cProfile.Profile()
    with profile:
        count(Threads(Plain(State, lambda state: {"alone": partial(alone, state)})).program)
    assert sys.getprofile() is None
    assert any("threads.py" in str(each.code) for each in profile.getstats())


class Dying:
    """Dies when somebody collects what is no longer in reach."""

    died = 0

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        Dying.died += 1


def test_what_the_collector_calls_meanwhile_has_nothing_to_do_with_it() -> None:
    def refused(what: str) -> Exception:
        return AssertionError(what)

    Dying()
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        made = call_c(Shared(None), refused, lambda: [[] for _ in range(1000)], (), {})
    finally:
        gc.set_threshold(*before)
    assert len(made) == 1000


class Keyed:
    def __init__(self) -> None:
        self.some: set[Any] = {Fixed(1), "k"}
        self.frozen = frozenset(self.some)
        self.table: dict[Any, int] = {Fixed(1): 1}
        self.found: object = None


def sized(keyed: Keyed) -> dict[Any, int]:
    """A dict that is also looked at as a whole."""
    keyed.table["n"] = len(keyed.table)
    return keyed.table


EQUAL: dict[str, Callable[[Keyed], object]] = {
    "in a set": lambda keyed: Fixed(1) in keyed.some,
    "in a frozenset": lambda keyed: Fixed(1) in keyed.frozen,
    "equal sets": lambda keyed: keyed.some == {Fixed(1), "k"},
    "union": lambda keyed: len(keyed.some | {Fixed(1)}),
    "superset": lambda keyed: keyed.some.issuperset({Fixed(1)}),
    "in a dict": lambda keyed: Fixed(1) in sized(keyed),
    "an item": lambda keyed: sized(keyed)[Fixed(1)],
    "get": lambda keyed: sized(keyed).get(Fixed(1)),
    "equal dicts": lambda keyed: keyed.table == {Fixed(1): 1},
    "in keys": lambda keyed: Fixed(1) in keyed.table.keys(),
}


@pytest.mark.parametrize("what", EQUAL.values(), ids=EQUAL)
def test_what_is_equal_to_a_shared_key_is_found_or_refused(what: Callable[[Keyed], object]) -> None:
    def asks(keyed: Keyed) -> None:
        keyed.found = what(keyed)

    with pytest.raises(ProgramError, match="one shared and one of its own"):
        Threads(Plain(Keyed, lambda keyed: {"asks": partial(asks, keyed)}))
