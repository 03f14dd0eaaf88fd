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
        self.broken = ValueError("x")
        self.failed = Failed(3)
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


# -- 16: globals


def imported_globally(box):
    global G
    import math as G

    box.out = reads_g()[0] is math


def bound_by_with(box):
    global G
    with contextlib.nullcontext(5) as G:
        pass
    for G in [6, 7]:
        box.n += reads_g()[0]
    box.out = reads_g()


def reads_g():
    return [G]


# -- 18: exceptions that others know


def an_exception_of_the_state(box):
    try:
        raise box.broken
    except ValueError as e:
        box.out = (
            str(e),
            e is box.broken,
            e.args,
            isinstance(box.broken, ValueError),
            str(box.broken),
            repr(box.broken),
        )


def one_of_its_own_class(box):
    try:
        raise box.failed from None
    except Failed as e:
        box.out = (e.code, str(e), box.failed.code, box.failed.args)


def it_escapes(box):
    raise box.broken from None


def a_global_exception(box):
    try:
        raise ERR
    except ValueError as e:
        box.out = (e is ERR, str(ERR))
    raise ERR


def a_caught_one_is_kept(box):
    try:
        int("x")
    except Exception as e:
        box.err = e
        box.out = (box.err is e, str(box.err), isinstance(box.err, ValueError), box.err.args)
    box.rec = type(box.err).__name__


def kept_and_raised_again(box):
    try:
        {}["k"]
    except KeyError as e:
        box.err = e
    raise box.err


def in_a_list_of_errors(box):
    for number in (1, 2):
        try:
            raise Failed(number)
        except Failed as e:
            box.errors.append(e)
    box.out = ([each.code for each in box.errors], len(box.errors), str(box.errors[0]), box.errors[1] in box.errors)
    raise box.errors[0]


def made_and_not_raised(box):
    box.err = ValueError("a", [box.n])
    box.err = (1, Failed(2), KeyError())
    box.out = (box.err[1].code, isinstance(box.err[2], LookupError))
    box.rec = {"e": Failed(4)}
    box.n = box.rec["e"].code


def kept_by_another_object(box):
    child = Child()
    try:
        raise Failed(1)
    except Failed as e:
        child.value = e
    box.child = child
    box.out = box.child.value.code, box.child.value is child.value


def an_exception_with_a_cause(box):
    try:
        try:
            raise box.broken
        except ValueError as e:
            raise KeyError("k") from e
    except KeyError as e:
        box.out = (e.__cause__ is box.broken, str(e))


# -- metaclasses, subclasses, what @dataclass writes


class Meta(type):
    """What it says is for its class, not for instances."""

    def __len__(cls):
        return 3

    def __iter__(cls):
        return iter([1, 2, 3])

    def __contains__(cls, item):
        return True


class Measured(metaclass=Meta):
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
    box.err = (bool(Measured()), tried(len, Measured()), tried(list, Measured()), tried(lambda: 1 in Measured()))


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


# -- 21: a property that raises AttributeError


class Dynamic:
    """It is asked for what a property could not find."""

    def __init__(self):
        self.n = 1

    @property
    def broken(self):
        return self.missing_too.x

    def __getattr__(self, name):
        if name == "missing_too":
            raise AttributeError(name)
        return name


class Strict:
    """Nobody else is asked."""

    @property
    def broken(self):
        raise AttributeError("no")


def a_property_falls_back(box):
    box.rec = Dynamic()
    box.out = (box.rec.broken, Dynamic().broken, box.rec.n, getattr(Strict(), "broken", 5))
    box.rec = Strict()
    box.rec.broken


# -- 26: types of ours do not show


def types_are_pythons(box):
    def inner():
        return 1

    box.out = (
        isinstance(lambda: 0, types.FunctionType),
        isinstance(inner, tuple),
        isinstance(box.child.get, types.MethodType),
        isinstance(box.child.get, tuple),
        isinstance(box.d.keys(), tuple),
        isinstance(box.xs, (tuple, list)),
        isinstance(box.xs.append, types.BuiltinFunctionType),
        type(inner).__name__,
        inner.__name__,
        inner.__qualname__,
        inner.__class__.__name__,
        type(box.child.get).__name__,
        type(box.d.items()).__name__,
        type(box.od.keys()).__name__,
        isinstance(iter(box.xs), (list, tuple)),
        isinstance(map(str, box.xs), collections.abc.Iterator),
    )


def a_caught_stop_iteration(box):
    try:
        next(iter([]))
    except Exception as e:
        box.out = (
            isinstance(e, StopIteration),
            isinstance(e, ValueError),
            type(e).__name__,
            type(e) is StopIteration,
            str(e),
        )
        box.err = e
    with contextlib.suppress(StopIteration):
        next(iter([]))
    box.rec = isinstance(box.err, StopIteration)


# -- 27: nothing of ours fails


def a_walrus_two_comprehensions_deep(box):
    box.out = [[(y := x) for x in row] for row in box.m]
    box.rec = y


def texts_of_bytes(box):
    box.out = (str(b"a", encoding="ascii"), str(object=5), str(b"a", "ascii"), str())


def names_that_python_has_too(box):
    set = [1, 2, 2]
    box.out = len({x for x in set})
    AssertionError = KeyError
    assert box.n == 2, AssertionError


# -- 28


class Unleavable:
    """It can only be entered."""

    def __enter__(self):
        self.entered = True


def a_manager_that_cannot_be_left(box):
    box.rec = Unleavable()
    with box.rec:
        box.n = 5


def a_private_manager_that_cannot_be_left(box):
    with Unleavable():
        box.n = 5


def a_lock_with_a_wrong_limit(box):
    import threading

    threading.Lock().acquire(True, -2)


# -- 24: views


def views_are_sets(box):
    box.out = (box.flat.items() == {("a", 1), ("b", 2)}, box.flat.items() & {("a", 1)}, box.flat.keys() | {"c"})
    box.rec = (str(box.flat.values()), str(box.d.items()), repr(box.flat.keys()), ("a", 1) in box.flat.items())
    box.n = ([1] in box.d.values(), ("k", [1]) in box.d.items(), 2 in box.flat.values(), len(box.d.items()))


def a_view_of_what_is_shared_later(box):
    made = {}
    keys, values = made.keys(), made.values()
    box.rec = made
    made["k"] = 1
    box.out = (len(keys), list(values), "k" in keys, keys == {"k"}, bool(values))


# -- 25: texts


class Shown:
    """Its text is Python code's."""

    def __repr__(self):
        return "shown"


def texts_of_containers(box):
    box.q.append(box.xs)
    box.dd["x"].append(2)
    box.od["y"] = [box.xs, (box.xs,)]
    box.rec = [str(box.q), str(box.dd), str(box.od), str(box.point), str(box.mine), str(box.m), f"{box.t}"]
    box.rec += [
        str(deque([box.xs], maxlen=2)),
        str([Shown()]),
        str({Shown()}),
        repr(PT(box.xs, Shown())),
        str(MyList([box.xs])),
    ]
    box.out = [str(Counter([1, 1])), str(frozenset([Shown()])), str({"a": Shown()}), str((box.xs,)), str({1: box.xs})]


# -- 27, 28


def next_by_its_name(box):
    each = iter(box.xs)
    box.out = (each.__next__(), next(each), list(each.__iter__()))


def a_named_tuple_is_replaced(box):
    box.rec = PT(1, box.child)._replace(a=2)
    box.out = (PT(1, box.xs)._replace(b=3), PT(1, box.xs)._asdict()["a"], PT._make([1, 2]), box.rec.a, PT._fields)


def noted(box, value):
    box.n += 1
    return value * 2


def taken_apart_no_further_than_needed(box):
    a, b = map(lambda each: noted(box, each), [1, 2])
    try:
        c, d = map(lambda each: noted(box, each), [1, 2, 3, 4])
    except ValueError as e:
        box.rec = str(e)
    box.out = (a, b, box.n)


def endless(box):
    def numbers():
        box.n += 1
        return box.n

    a, b = iter(numbers, 0)


def a_generator_that_raises_stop_iteration(box):
    box.out = list(map(next, [iter([1]), iter([])]))
    list(next(iter([])) for _ in [1])


class Modulo:
    """The right side of a formatting."""

    def __rmod__(self, other):
        return "rmod"

    def __bytes__(self):
        return b"bytes"

    def __iter__(self):
        return iter([1])


class Text(str):
    """A text that formats."""

    def __rmod__(self, other):
        return "rmod"


def a_text_formats(box):
    box.out = ("%s" % Text("a"), "%d-%s" % (box.n, MyInt(3)), 5 % Modulo(), bytes(Modulo()), bytes(box.xs), bytes(2))


def keys_are_hashed_at_the_end(box):
    try:
        {box.xs, noted(box, 1)}
    except TypeError:
        box.out = "unhashable"
    try:
        {box.xs: noted(box, 1), **{}}
    except TypeError:
        box.rec = "unhashable"
    box.err = ({box.n: 1, "a": 2}, {box.n, 3, *box.xs}, {1, 2})
    try:
        {1: noted(box, 1), box.d: noted(box, 1)}
    except TypeError:
        box.n += 1


# -- 17: match


@dataclass
class Event:
    """What is matched by position and by name."""

    kind: str
    payload: object = None


def classes_are_known(box):
    match box.child:
        case Event():
            box.out = "event"
        case Child(value=2):
            box.out = "two"
        case Child(value=v) if v > 5:
            box.out = "large"
        case Child(value=v):
            box.out = ("child", v)
    box.rec = [
        matched(box, each) for each in (box.xs, box.d, box.t, (1, box.child), {"k": box.xs}, [box.m], 5, "x", None)
    ]


def matched(box, subject):
    match subject:
        case {"k": [a, *_], **rest}:
            return ("key", a, rest)
        case [[[first], *others], *_]:
            return ("nested", first, len(others))
        case (1, Child(value=v)):
            return ("one", v)
        case [1, [2]] | [2, [1]]:
            return "either"
        case [a, *_, b] as all_of:
            return ("ends", a, b, all_of is subject)
        case int(n) | str(n):
            return n
        case None:
            return "none"
        case _:
            return "other"


def events(box):
    found = []
    for each in (
        Event("put", 1),
        Event("get"),
        Event("put", [2, 3]),
        ("put", 4),
        {"a": 1, "b": 2},
        {},
        "text",
        (),
        [1],
        2.5,
    ):
        match each:
            case Event("put", [a, *rest]):
                found.append((a, rest))
            case Event("put", payload):
                found.append(payload)
            case Event(kind="get" as kind):
                found.append(kind)
            case ("put" | "get", x) if x > 3:
                found.append(x)
            case {"a": 1, **rest}:
                found.append(rest)
            case {}:
                found.append("empty")
            case str():
                found.append("text")
            case []:
                found.append("nothing")
            case [*some]:
                found.append(some)
            case float(f):
                found.append(f)
    box.out = found


def a_global_is_bound_by_match(box):
    global G
    match box.xs:
        case [G, *_]:
            box.out = reads_g()
    match 2:
        case math.tau:
            box.rec = "tau"
        case Colour.RED:
            box.rec = "red"
        case -1 | 2:
            box.rec = "two"


def too_many_positions(box):
    match box.child:
        case Child(1):
            pass


def a_match_in_a_loop(box):
    for each in box.xs:
        match each:
            case 1:
                continue
            case 3:
                break
        box.n += each


def what_cannot_be_taken_apart(box):
    for each in (box.child, Child(), 5, None):
        try:
            a, b = each
        except TypeError as e:
            box.errors.append(str(e))
    box.out = dict(a=1, **{"b": 2}, **box.flat) if box.n == 7 else dict(c=1, **box.flat)


def what_it_shared_is_given_to_c_code_as_it_is_now(box):
    mine = [1]
    box.out = [mine]
    box.out[-1].append(2)
    box.out = (max([mine, [1, 1]]), max([[1, 1]], [mine]))


def a_list_that_holds_itself(box):
    inside = []
    inside.append(inside)
    box.out = len(inside)


def a_default_for_several(box):
    try:
        max(Child(1), Child(2), default=3)
    except TypeError as error:
        box.out = str(error)
