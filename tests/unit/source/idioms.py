"""Small functions that Python and the model once ended differently: each leaves what it found out in `box.out`."""

# ruff: noqa

from __future__ import annotations

import collections
import contextlib
import enum
import math
import operator
import types
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass

PT = namedtuple("PT", "a b")
ERR = ValueError("global")
G = 0


class Child:
    """A plain object."""

    def __init__(self, value=0):
        self.value = value

    def get(self):
        return self.value


class Money:
    """Equality written in Python."""

    def __init__(self, amount):
        self.amount = amount

    def __eq__(self, other):
        return self.amount == (other.amount if isinstance(other, Money) else other)

    __hash__ = None


class MyList(list):
    """A list of one's own."""


class MyDict(dict):
    """A dict of one's own."""


class MyInt(int):
    """A number of one's own."""

    def twice(self):
        return self * 2


class MyStr(str):
    """A text of one's own."""


class MyTuple(tuple):
    """A tuple of one's own."""


class Failed(Exception):
    """An exception of one's own."""

    def __init__(self, code):
        super().__init__(f"code {code}")
        self.code = code


class Box:
    """What the threads share."""

    def __init__(self):
        self.n = 1
        self.out = None
        self.rec = None
        self.err = None
        self.xs = [1, 2, 3]
        self.ys = [4, 5]
        self.m = [[1], [2]]
        self.t = (1, [2])
        self.d = {"k": [1]}
        self.flat = {"a": 1, "b": 2}
        self.s = {1, 2}
        self.q = deque([1, 2])
        self.od = OrderedDict(x=[1])
        self.dd = defaultdict(list, {"k": [1]})
        self.child = Child(1)
        self.money = [Money(1), Money(2)]
        self.made = MyInt(5)
        self.mine = MyList([1])
        self.point = PT(1, [2])
        self.errors = []


# -- 12: equality of what holds shared containers


def nested_lists_are_compared_by_what_is_in_them(box):
    box.out = (box.m == [[1], [2]], box.m == [[1], [3]], box.m != [[1], [2]], [[1], [2]] == box.m, box.m == [[1]])


def a_tuple_with_a_list(box):
    box.out = (box.t == (1, [2]), box.t == (1, [3]), (1, [2]) in [box.t], (1, [3]) in [box.t], box.t < (1, [3]))


def a_dict_of_lists(box):
    box.out = (box.d == {"k": [1]}, box.d == {"k": [2]}, box.d != {"k": [1]}, {"k": [1]} == box.d, box.d == {"j": [1]})


def shared_lists_in_a_list_of_its_own(box):
    box.out = ([box.xs] == [[1, 2, 3]], [box.xs] == [box.xs], [box.xs, 1] < [[1, 2, 4]], (box.xs,) != ([1, 2, 3],))


def lists_are_counted_and_found(box):
    box.out = (box.m.count([1]), box.m.index([2]), [box.xs].count([1, 2, 3]), [0, box.xs].index([1, 2, 3]))


def a_list_that_is_not_there(box):
    box.out = box.m.index([3])


def a_list_is_removed(box):
    box.m.remove([1])
    box.out = [1] in box.m, [2] in box.m


def a_list_of_its_own_whose_part_is_shared(box):
    inner = [1, 2]
    outer = {"i": inner}
    box.rec = inner
    inner.append(3)
    box.out = (outer == {"i": [1, 2, 3]}, [outer] == [{"i": [1, 2, 3]}])


def ordered_dicts_have_an_order(box):
    one, other = OrderedDict(x=box.xs, y=1), OrderedDict(y=1, x=[1, 2, 3])
    box.out = (one == other, dict(one) == other, one == OrderedDict(x=[1, 2, 3], y=1), box.od == {"x": [1]})


def equality_in_python_code_inside(box):
    box.out = (
        box.money == [1, 2],
        box.money == [1, 3],
        [Money(1)] == [Money(1)],
        (Money(1), 2) == (1, 2),
        2 in box.money,
    )
    box.rec = (box.money.index(2), box.money.count(1), {"a": Money(1)} == {"a": 1})


def a_deque_of_lists(box):
    box.q.append(box.xs)
    box.out = box.q == deque([1, 2, [1, 2, 3]]), box.q == deque([1, 2]), [1, 2, 3] in box.q


# -- 13: subclasses of builtins


def named_tuples(box):
    box.out = (PT(1, 2) == PT(1, 2), PT(1, 2) == (1, 2), PT(1, 2) != (1, 2), PT(1, 2) < (1, 3), (1, 2) == PT(1, 2))
    box.rec = (box.point == (1, [2]), box.point.b == [2], PT(1, 2) in {PT(1, 2): 1}, {PT(1, 2)} == {(1, 2)})


def lists_and_dicts_of_ones_own(box):
    box.out = (MyList([1]) == [1], [1] == MyList([1]), MyDict(a=1) == {"a": 1}, MyList([1]) != [1], MyList([1]) < [2])
    box.rec = (box.mine == [1], box.mine == MyList([1]), MyList([box.xs]) == [[1, 2, 3]])


def values_of_ones_own(box):
    box.out = (MyInt(1) == 1, MyInt("7") + 1, MyStr("a") == "a", MyStr(5) + "b", MyTuple([1, 2]) == (1, 2), MyTuple())
    box.rec = (box.made == 5, box.made == MyInt(5), box.made != 5, MyInt(3).twice(), MyTuple(box.xs), len(MyStr(box.n)))


def they_keep_their_types(box):
    box.out = (type(box.made).__name__, type(box.point).__name__, type(MyTuple([1])).__name__)
    box.rec = [MyInt(4), MyTuple([1, 2]), PT(1, box.xs), MyTuple([box.xs])]
    box.n = [type(each).__name__ for each in box.rec]


# -- 14: a defaultdict that a thread made


def a_factory_stays(box):
    groups = defaultdict(list)
    box.rec = groups
    groups["a"].append(1)
    box.rec["a"].append(2)
    numbers = defaultdict(int)
    box.err = numbers
    box.err["x"] += 1
    box.out = (groups["a"], box.err["x"], box.rec["b"], len(box.rec))


def three():
    return Child(3)


def a_factory_in_python(box):
    box.rec = defaultdict(three)
    box.rec["a"].value += 1
    box.out = box.rec["a"].value


def no_factory(box):
    box.rec = defaultdict(None, {"a": 1})
    box.out = box.rec["b"]


# -- 15: the larger of several lists


def the_larger_of_two_lists(box):
    max(box.xs, box.ys).append(9)
    min(box.xs, box.ys, [9]).append(0)
    max(box.xs, box.ys, key=len).append(7)
    box.out = (max([1], box.ys), max(box.m, key=len))


# -- metaclasses, subclasses, what @dataclass writes


class Meta(type):
    """What it says is for its class, not for instances."""

    def __len__(cls):
        return 3

    def __iter__(cls):
        return iter([1, 2, 3])

    def __contains__(cls, item):
        return True

    def __call__(cls):
        return super().__call__()


class Measured:
    """An instance is true, and has no length."""


class Colour(enum.Enum):
    """Its class can be gone through, its members cannot."""

    RED = 1


def tried(function, *arguments):
    try:
        return function(*arguments)
    except TypeError as e:
        return str(e)


def a_metaclass_is_for_the_class(box):
    box.out = (callable(box.child), callable(box.xs), callable(Child), callable(Colour.RED), len(Colour))
    box.rec = (tried(len, Colour.RED), tried(list, Colour.RED), [each.name for each in Colour])


class Low:
    """Ordered by Python code."""

    def __init__(self, log):
        self.log = log

    def __lt__(self, other):
        self.log.append("lt")
        return True

    def __gt__(self, other):
        self.log.append("gt")
        return False

    def __eq__(self, other):
        self.log.append(type(self).__name__)
        return True

    __hash__ = None


class Lower(Low):
    """It inherits the order, and is asked first all the same."""


def the_right_one_is_asked_first(box):
    low, lower = Low(box.ys), Lower(box.ys)
    box.out = (low < lower, lower < low, low == lower, lower == low, low < Low(box.ys))


@dataclass
class Watched:
    """A dataclass that looks at what is set."""

    x: int
    y: int = 2

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value * 10)


@dataclass(frozen=True)
class Fixed:
    """A frozen one."""

    x: int


def fields_are_set_by_its_own_setattr(box):
    watched = Watched(1)
    watched.x += 1
    box.out = (watched.x, watched.y, Fixed(3).x)
