"""Small functions in ordinary Python, one for each thing that is followed: statements, expressions, classes, containers.

Each takes a box that others can see and leaves what it found out in `box.out`. They are run as they are and as programs of the
model; so some are crooked on purpose.
"""

# ruff: noqa

from __future__ import annotations

import enum
import functools
import heapq
import operator
import threading
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from typing import NamedTuple

total = 0
names = ["x", "y"]
LIMIT = 3


class Child:
    """A plain object."""

    kind = "child"
    made = 0

    def __init__(self, value=0):
        self.value = value

    def get(self):
        return self.value

    def add(self, by=1, *, times=1):
        self.value += by * times
        return self


class Box:
    """What the threads share."""

    def __init__(self):
        self.n = 1
        self.f = 0.5
        self.name = "box"
        self.out = None
        self.t = (1, 2, 3)
        self.xs = [3, 1, 2]
        self.ys = []
        self.d = {"a": 1, "b": 2}
        self.e = {}
        self.s = {1, 2, 3}
        self.q = deque([1, 2, 3])
        self.short = deque([1, 2], maxlen=2)
        self.dd = defaultdict(int, {"k": 1})
        self.groups = defaultdict(list)
        self.c = Counter("abca")
        self.od = OrderedDict([("x", 1), ("y", 2)])
        self.ba = bytearray(b"abc")
        self.heap = [1, 5, 3]
        self.child = Child(10)
        self.children = [Child(3), Child(1), Child(2)]
        self.matrix = [[1, 2], [3, 4]]
        self.lock = threading.Lock()
        self.rlock = threading.RLock()
        self.p = Point(1, 2)
        self.log = []


@dataclass
class Point:
    """A dataclass."""

    x: int
    y: int = 0
    tags: list = field(default_factory=list)


@dataclass(frozen=True, order=True)
class Version:
    """A frozen one with an order."""

    major: int
    minor: int = 0


@dataclass
class Checked:
    """One that looks at itself when it is made."""

    low: int
    high: int

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError("low > high")
        self.size = self.high - self.low


class Slotted:
    """Slots instead of a dict."""

    __slots__ = ("a", "b")

    def __init__(self):
        self.a = 1


class Private:
    """Names of its own."""

    def __init__(self):
        self.__hidden = 1

    def grow(self):
        self.__hidden += 1
        return self.__get()

    def __get(self):
        return self.__hidden


class Money:
    """Operators."""

    def __init__(self, amount):
        self.amount = amount

    def __eq__(self, other):
        if not isinstance(other, Money):
            return NotImplemented
        return self.amount == other.amount

    def __lt__(self, other):
        return self.amount < other.amount

    def __add__(self, other):
        if isinstance(other, Money):
            return Money(self.amount + other.amount)
        return NotImplemented

    def __radd__(self, other):
        return Money(self.amount + other)

    def __iadd__(self, other):
        self.amount += other.amount
        return self

    def __neg__(self):
        return Money(-self.amount)

    def __bool__(self):
        return self.amount != 0

    def __call__(self, by):
        return self.amount * by

    def __repr__(self):
        return f"Money({self.amount})"

    def __hash__(self):
        return hash(self.amount)


class Bag:
    """A container of its own."""

    def __init__(self, *items):
        self.items = list(items)

    def __len__(self):
        return len(self.items)

    def __contains__(self, item):
        return item in self.items

    def __getitem__(self, key):
        return self.items[key]

    def __setitem__(self, key, value):
        self.items[key] = value

    def __delitem__(self, key):
        del self.items[key]

    def __iter__(self):
        return BagIterator(self)


class BagIterator:
    """An iterator of its own."""

    def __init__(self, bag):
        self.bag = bag
        self.at = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.at >= len(self.bag.items):
            raise StopIteration
        self.at += 1
        return self.bag.items[self.at - 1]


class OldStyle:
    """Gone through by numbers."""

    def __init__(self):
        self.items = [1, 2, 3]

    def __getitem__(self, number):
        return self.items[number]


class Managed:
    """A context manager that may swallow."""

    def __init__(self, log, swallows=False):
        self.log = log
        self.swallows = swallows

    def __enter__(self):
        self.log.append("enter")
        return self

    def __exit__(self, kind, error, traceback):
        self.log.append(None if kind is None else kind.__name__)
        return self.swallows


class Celsius:
    """A property with all three."""

    def __init__(self):
        self._degrees = 20

    @property
    def degrees(self):
        return self._degrees

    @degrees.setter
    def degrees(self, value):
        if value < -273:
            raise ValueError("too cold")
        self._degrees = value

    @degrees.deleter
    def degrees(self):
        self._degrees = None

    @property
    def fixed(self):
        return 1


class Base:
    """The bottom of a family."""

    count = 0

    def __init__(self):
        self.seen = []

    def visit(self, item):
        self.seen.append(item)
        return self.describe()

    def describe(self):
        return "base"

    @classmethod
    def make(cls):
        made = cls()
        cls.count += 1
        return made

    @staticmethod
    def double(x):
        return 2 * x


class Left(Base):
    """One side."""

    def describe(self):
        return "left " + super().describe()

    def visit(self, item):
        self.seen.append("left")
        return super().visit(item)


class Right(Base):
    """The other."""

    def describe(self):
        return "right " + super().describe()

    @classmethod
    def make(cls):
        made = super().make()
        made.seen.append("made")
        return made


class Both(Left, Right):
    """A diamond."""

    def __init__(self):
        super().__init__()
        self.own = 1


class Dynamic:
    """Attributes made up when they are asked for."""

    def __init__(self):
        self.real = 1

    def __getattr__(self, name):
        if name.startswith("x"):
            return name * 2
        raise AttributeError(name)


class Guarded:
    """Attributes that are looked at when they are set."""

    def __init__(self):
        self.sets = 0
        self.value = 0

    def __setattr__(self, name, value):
        if name == "value" and value < 0:
            raise ValueError("negative")
        super().__setattr__(name, value)


class Only:
    """There is one at most."""

    instance = None

    def __new__(cls):
        if cls.instance is None:
            cls.instance = super().__new__(cls)
        return cls.instance


class Default(dict):
    """A dict that knows what to say."""

    def __missing__(self, key):
        return f"no {key}"


class Upper(dict):
    """A dict that changes what is put in."""

    def __setitem__(self, key, value):
        super().__setitem__(key.upper(), value)


class Stack(list):
    """A list with a name for things."""

    def push(self, item):
        self.append(item)
        return len(self)


class Problem(Exception):
    """An exception with something in it."""

    def __init__(self, code, *args):
        super().__init__(f"problem {code}", *args)
        self.code = code


class Color(enum.Enum):
    """Values with names."""

    RED = 1
    BLUE = 2

    def other(self):
        return Color.BLUE if self is Color.RED else Color.RED


Pair = namedtuple("Pair", "a b")


class Named(NamedTuple):
    """A tuple with a method."""

    a: int
    b: int = 2

    def sum(self):
        return self.a + self.b


# -- statements


def assignments(box):
    box.n = box.f = 7
    a, (b, *c), d = 1, (2, 3, 4), 5
    [e, f] = box.xs[:2]
    box.out, box.name = [a, b, c, d, e, f], "new"
    first, *box.ys = box.xs
    box.xs[0], box.xs[1] = box.xs[1], box.xs[0]
    note: int = 3
    unused: str
    box.log.append((first, note))


def augmented(box):
    box.n += 1
    box.n -= 3
    box.n *= 5
    box.n **= 2
    box.n //= 7
    box.n %= 5
    box.n <<= 3
    box.n >>= 1
    box.n |= 8
    box.n &= 12
    box.n ^= 5
    box.f /= 2
    box.xs += [4]
    box.xs[0] += 10
    box.d["a"] += 1
    box.name += "!"
    box.t += (4,)
    box.s |= {9}
    box.s -= {1}
    box.s &= {2, 3, 9}
    box.s ^= {2, 7}
    box.xs *= 2
    local = 1
    local += box.n
    box.d |= {"z": local}
    box.q += [4]
    box.c += Counter("zz")


def augmented_index_once(box):
    calls = []

    def key():
        calls.append(1)
        return 0

    box.xs[key()] += 5
    box.out = len(calls)


def deletions(box):
    local = 1
    del local
    del box.f
    del box.xs[0], box.d["a"]
    del box.xs[:1]
    try:
        local
    except UnboundLocalError:
        box.out = "gone"
    box.log.append(hasattr(box, "f"))


def branches(box):
    if box.n > 5:
        box.out = "large"
    elif box.n == 1 and box.name:
        box.out = "one"
    else:
        box.out = "other"


def while_else(box):
    while box.n < 10:
        box.n += 3
        if box.n == 4:
            continue
        box.log.append(box.n)
    else:
        box.log.append("else")
    while True:
        box.n -= 1
        if box.n < 5:
            break
    else:
        box.log.append("never")


def for_else(box):
    for x in box.xs:
        if x == 9:
            break
    else:
        box.log.append("none")
    for x in box.xs:
        if x == 1:
            box.log.append("found")
            break
        box.log.append(x)
    else:
        box.log.append("never")
    for i in range(5, 0, -2):
        if i == 3:
            continue
        box.log.append(i)
    box.out = i, x


def nested_loops(box):
    while box.n < 4:
        for row in box.matrix:
            for number, cell in enumerate(row):
                if cell == 2:
                    continue
                if cell == 4:
                    break
                box.log.append((box.n, number, cell))
        box.n += 1


def for_targets(box):
    for box.n in range(3):
        pass
    for box.xs[0] in "ab":
        pass
    for key, (a, b) in {"k": (1, 2)}.items():
        box.log.append((key, a, b))


def growing_list(box):
    for x in box.xs:
        if len(box.xs) < 6:
            box.xs.append(x + 10)
    box.out = len(box.xs)


def shrinking_list(box):
    for x in box.xs:
        box.xs.remove(x)


def private_list_becomes_shared(box):
    local = [1, 2]
    for x in local:
        box.ys = local
        if x < 3:
            local.append(x + 2)
    box.out = len(box.ys)
    push = local.append
    push(99)


def changed_dict(box):
    for key in box.d:
        box.d[key + "x"] = 1


def changed_set(box):
    for x in box.s:
        box.s.add(x + 10)


def changed_deque(box):
    for x in box.q:
        box.q.append(x)


def changed_values(box):
    for key, value in box.d.items():
        box.d[key] = value * 2
    box.out = list(box.d.values())


def tries(box):
    try:
        box.n = 1 // 0
    except (KeyError, ZeroDivisionError) as error:
        box.out = str(error)
    else:
        box.out = "else"
    finally:
        box.log.append("finally")
    try:
        box.log.append("fine")
    except ValueError:
        box.log.append("never")
    else:
        box.log.append("else")
    finally:
        box.log.append("last")


def _returns_from_try(box):
    for x in box.xs:
        try:
            if x == 1:
                return "returned"
            box.log.append(x)
        finally:
            box.log.append("finally")
    return "end"


def _return_in_finally():
    try:
        raise ValueError("lost")
    finally:
        return "kept"  # noqa: B012


def _breaks(box):
    for x in range(3):
        try:
            if x == 1:
                continue
            if x == 2:
                break
            box.log.append(x)
        finally:
            box.log.append("f")
    return x


def try_and_jumps(box):
    box.out = [_returns_from_try(box), _return_in_finally(), _breaks(box)]


def nested_tries(box):
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error
        finally:
            box.log.append("finally")
    except ValueError as error:
        box.out = [str(error), type(error.__cause__).__name__, repr(error.__context__)]
    try:
        raise Problem(3, "more")
    except Problem as problem:
        box.log += [problem.code, problem.args, str(problem)]
    try:
        error
    except UnboundLocalError:
        box.log.append("unbound")


def reraised(box):
    try:
        try:
            box.d["nothing"]
        except KeyError:
            box.log.append("seen")
            raise
    except Exception as error:
        box.out = repr(error)


def escapes(box):
    box.n = 5
    raise Problem(7)


def escapes_plain(box):
    box.log.append("before")
    raise ValueError


def escapes_from_finally(box):
    try:
        box.xs[10]
    finally:
        box.log.append("cleaned")


def failed_assertion(box):
    assert box.n == 1
    assert box.n > 5, f"n is {box.n}"


def failed_bare_assertion(box):
    assert box.xs == []


def raises_what_is_no_exception(box):
    raise box.name


def withs(box):
    with Managed(box.log) as one, Managed(box.log, True) as two:
        box.out = one is not two
        raise KeyError("swallowed")
    box.log.append("after")
    with box.lock:
        box.n += 1
    with box.rlock, box.rlock:
        box.n += 1


def _returns_from_with(box):
    with Managed(box.log):
        return "returned"


def with_and_jumps(box):
    box.out = _returns_from_with(box)
    for x in range(3):
        with Managed(box.log, True):
            if x == 0:
                continue
            if x == 1:
                raise ValueError
            break


def with_escapes(box):
    with box.lock:
        with Managed(box.log):
            box.d["missing"]


def locks(box):
    box.log.append(box.lock.acquire())
    box.log.append(box.lock.acquire(False))
    box.lock.release()
    box.log.append(box.rlock.acquire(timeout=1))
    box.rlock.release()
    box.lock.release()


def not_a_context_manager(box):
    with box.child:
        pass


def imports(box):
    import math
    from functools import reduce

    box.out = [math.floor(2.5), reduce(lambda a, b: a * b, box.xs)]


def passes(box):
    pass


def globals_(box):
    global total
    total += box.n
    total = total * 2
    box.out = total
    names.append(box.name)
    box.log.append(len(names))


def unknown_name(box):
    box.n = 2
    undefined_thing  # noqa: B018, F821


def matches(box):
    for thing in (1, "two", (1, 2), [1, 2, 3], {"k": 5, "l": 6}, None, 2.5, Point(1, 2), Color.RED):
        match thing:
            case 1 | 2:
                box.log.append("small")
            case str() as text if len(text) > 2:
                box.log.append(text)
            case (a, b):
                box.log.append(a + b)
            case [first, *rest]:
                box.log.append((first, len(rest)))
            case {"k": value, **others}:
                box.log.append((value, len(others)))
            case None:
                box.log.append("none")
            case Point(x=1, y=y):
                box.log.append(("point", y))
            case Color.RED:
                box.log.append("red")
            case _:
                box.log.append("other")


# -- expressions


def arithmetic(box):
    a, b = box.n + 4, 3
    box.out = [a + b, a - b, a * b, a / b, a // b, a % b, a**b, a << b, a >> b, a & b, a | b, a ^ b, -a, +a, ~a, not a]


def comparisons(box):
    a = box.n
    box.out = [a < 2, a <= 1, a > 1, a >= 1, a == 1, a != 1, a is None, a is not None, 1 in box.xs, 5 not in box.xs]


def chained(box):
    calls = []

    def say(x):
        calls.append(x)
        return x

    box.out = [say(1) < say(2) < say(3), say(3) < say(1) < say(9), 0 < box.n <= 1 != 5]
    box.log.extend(calls)


def short_circuit(box):
    box.out = [
        box.e or "empty", box.d and "full", box.n and box.name and box.ys, None or 0 or box.xs[0], box.n == 1 or 1 // 0,
        box.n == 2 and 1 // 0, not (box.e or box.ys), "yes" if box.s else "no",
    ]  # fmt: skip


def displays(box):
    box.out = [
        [1, *box.xs, *range(2)],
        (*box.t, 9),
        {*box.s, 7},
        {"z": 0, **box.d, "a": 5},
        [*box.d],
        [*"ab"],
        {**box.e},
    ]


def f_strings(box):
    box.out = [
        f"{box.n} {box.name!r:>6} {box.f:.2f} {{}}", f"{box.n:{box.n}d}|{box.xs}|{box.d!r}|{box.t}", f"{box.n=}",
        f"{'nested ' + f'{box.name}'!s}", f"{box.name!a}", f"{Money(3)} {Color.RED}", f"{box.xs[0]:>5}", f"{box.e}{None}",
    ]  # fmt: skip


def walrus(box):
    if (n := box.n + 1) > 1:
        box.out = n
    box.log += [y for x in box.xs if (y := x * 2) > 2]
    box.log.append(y)
    while (top := box.xs.pop()) != 3:
        box.log.append(top)


def slices(box):
    box.out = [box.xs[:2], box.xs[-1], box.xs[::-1], box.t[1:], box.name[1], box.xs[1:1], "abc"[-2:], box.ba[:2]]
    box.xs[1:2] = [7, 8]
    box.xs[::2] = (0, 0)
    box.ys[:] = box.xs
    del box.ys[-1]


def slices_of_wrong_size(box):
    box.xs[::2] = [1]


def subscripts(box):
    box.matrix[1][0] = 9
    box.matrix[0][1] += 1
    box.out = [box.matrix[1][0], box.matrix[-2][-1], box.d["a"], {1: 2}[1], (1, 2)[0], [1, 2][True]]
    box.children[1].value = 7
    box.d[(1, 2)] = 3
    box.d[None] = 4
    box.d[1] = "int"
    box.d[True] = "bool"
    box.log.append(len(box.d))


def comprehensions(box):
    box.out = [
        [x * 2 for x in box.xs if x > 1],
        {x % 2 for x in box.xs},
        {str(k): v for k, v in box.d.items() if v},
        [(x, y) for x in box.xs for y in range(x) if y != x],
        [[y for y in row if y > 1] for row in box.matrix],
        sum(x for x in box.xs),
        [x for row in box.matrix for x in row if x % 2 if x > 1],
        {k: [v for v in range(k)] for k in box.xs},
    ]


def lazily(box):
    def said(x):
        box.log.append(x)
        return x

    box.out = [
        any(said(x) > 2 for x in box.xs), all(said(x) > 2 for x in box.xs), next(said(x) for x in box.xs),
        next((x for x in box.xs if said(x) > 5), "none"),
    ]  # fmt: skip
    waiting = (said(x) for x in box.xs)
    box.log.append("made")
    box.log.append(next(waiting))
    box.xs.append(50)
    for x in waiting:
        box.log.append(("turn", x))
    first = map(said, box.xs)
    box.log.append(next(first))
    for number, x in enumerate(filter(said, box.ys or [0, 1]), 5):
        box.log.append((number, x))
    for pair in zip(box.xs, "ab"):
        box.log.append(pair)
        box.xs.pop()


def comprehension_that_fails(box):
    box.out = [1 // (x - 1) for x in box.xs]


def lambdas(box):
    add = lambda x, y=box.n, *rest, k=2, **more: (x, y, rest, k, sorted(more))  # noqa: E731
    box.out = [add(1), add(1, 2, 3, k=4, z=5), (lambda: box.name)(), sorted(box.xs, key=lambda x: -x)]
    box.log += [f() for f in [lambda x=x: x for x in box.xs]]
    box.log += [f() for f in [lambda: x for x in box.xs]]
    box.log.append(max(box.children, key=lambda child: child.value).value)
    box.children.sort(key=lambda child: child.value)
    box.log.append(min(box.d, key=lambda key: box.d[key]))


def closures(box):
    count = 0

    def up(by=1):
        nonlocal count
        count += by

        def inner():
            nonlocal count
            count += 100
            return count

        return inner

    up()
    step = up(5)
    box.out = [step(), count]

    def recursive(n):
        return 1 if n == 0 else n * recursive(n - 1)

    box.log.append(recursive(5))


def arguments(box):
    def take(a, b=2, /, c=3, *args, d, e=5, **kwargs):
        return [a, b, c, args, d, e, kwargs]

    box.out = [
        take(1, d=4), take(1, 9, 8, 7, 6, d=0, e=1, z=2), take(*box.xs, **{"d": 1}), take(*(1, 2), *[3], d=box.n, **{"y": 1})
    ]  # fmt: skip


def wrong_arguments(box):
    def take(a, b):
        return a + b

    box.log.append("before")
    take(1)


def wrong_method_arguments(box):
    box.child.add(1, 2, 3)


def many_arguments_by_name(box):
    box.child.add(by=2, times=3).add(1)
    box.out = box.child.value


# -- classes


def objects(box):
    made = Child(5)
    made.value += 1
    made.extra = "more"
    box.child.other = made
    made.value += 1
    box.out = [box.child.other is made, made.get(), Child.kind, box.child.kind, made.kind, box.child.get()]
    box.child.other.value += 1
    box.log.append(made.value)
    get = made.get
    made.value = 50
    box.log.append(get())
    unbound = Child.get
    box.log.append(unbound(box.child))


def class_attributes(box):
    Child.made += 1
    box.child.made += 5
    box.out = [Child.made, box.child.made, Child(1).made]
    Base.count = 7
    box.log += [Left.count, type(box.child).__name__, box.child.__class__.kind]


def properties(box):
    box.cel = Celsius()
    box.cel.degrees += 5
    box.out = [box.cel.degrees]
    try:
        box.cel.degrees = -300
    except ValueError as error:
        box.log.append(str(error))
    del box.cel.degrees
    box.log.append(box.cel.degrees)
    box.cel.fixed = 2


def property_without_deleter(box):
    box.cel = Celsius()
    del box.cel.fixed


def inheritance(box):
    box.both = Both.make()
    box.out = [box.both.visit(1), box.both.seen, Both.count, Base.count, Both.double(4), box.both.double(5)]
    box.log += [
        isinstance(box.both, Right),
        issubclass(Both, Left),
        Right.describe(box.both),
        super(Both, box.both).describe(),
    ]


def slotted(box):
    box.slots = Slotted()
    box.slots.a += 1
    box.out = [box.slots.a, hasattr(box.slots, "b")]
    box.slots.b = 5
    del box.slots.a
    box.slots.c = 1


def mangled(box):
    box.private = Private()
    box.out = [box.private.grow(), box.private._Private__hidden]


def dataclasses_(box):
    box.p.x += 1
    other = Point(2, 2)
    box.out = [box.p == other, box.p != Point(0), other, Point(1, tags=[5]), repr(box.p), f"{other}"]
    other.tags.append(1)
    box.p.tags.append(2)
    box.log += [box.p == other, Version(1, 2) < Version(1, 3), Version(2) >= Version(1, 9), box.p == 5]
    box.log.append(Checked(1, 5).size)
    box.point = other
    box.log.append(box.point == other)
    Checked(5, 1)


def frozen_dataclass(box):
    box.version = Version(1)
    box.out = box.version.major
    box.version.major = 2


def dataclass_without_argument(box):
    Point()


def operators(box):
    a, b = Money(1), Money(2)
    box.money = a
    box.out = [a == b, a != b, a < b, b > a, (a + b).amount, (5 + a).amount, -a, bool(a), a(10), a == 1, 1 == a, a != 1]
    a += b
    box.money += b
    box.log += [a.amount, box.money is a, box.money == Money(5), not Money(0), str(a), repr(box.money)]
    box.log += [sum([Money(1), Money(2)], Money(0)), max(Money(1), Money(3)), sorted([Money(3), Money(1)])]
    box.log += [Money(5) in [Money(4), Money(5)], [a, b] == [a, b]]


def unsupported_operator(box):
    box.money = Money(1)
    box.money - 1


def unsupported_add(box):
    box.money = Money(1)
    box.money + "x"


def unsupported_order(box):
    box.child < box.child


def unsupported_minus(box):
    -box.child


def bags(box):
    box.bag = Bag(1, 2, 3)
    box.bag[0] = 9
    box.bag[1] += 5
    del box.bag[2]
    box.out = [len(box.bag), 9 in box.bag, 5 in box.bag, box.bag[-1], list(box.bag), [x for x in box.bag], bool(Bag())]
    first, second = box.bag
    box.log += [first, second, *box.bag, sum(box.bag), sorted(box.bag), tuple(box.bag), max(box.bag)]
    for a in box.bag:
        for b in box.bag:
            box.log.append((a, b))
    box.log.append(dict(zip(box.bag, box.xs)))


def by_numbers(box):
    box.old = OldStyle()
    box.out = [x for x in box.old] + list(OldStyle())
    box.log.append(2 in box.old)


def iterators(box):
    it = iter(box.xs)
    box.log.append(next(it))
    box.log.append(next(it, "default"))
    for x in it:
        box.log.append(x)
    box.log.append(next(it, "over"))
    bag = iter(Bag(1))
    box.log.append(next(bag))
    box.log.append(next(bag, None))
    queue = [1, 2, 0, 3]
    box.log += list(iter(lambda: queue.pop(), 0))
    next(iter([]))


def dynamic_attributes(box):
    box.dyn = Dynamic()
    box.out = [box.dyn.real, box.dyn.xy, getattr(box.dyn, "y", "none"), hasattr(box.dyn, "xz"), getattr(box, "n")]
    setattr(box.dyn, "z", 5)
    delattr(box.dyn, "z")
    getattr(box.dyn, "q")


def guarded(box):
    box.guard = Guarded()
    box.guard.value = 5
    box.guard.value = -1


def only_one(box):
    box.out = Only() is Only()
    box.only = Only()


def missing_attribute(box):
    box.n = 3
    box.nothing


def missing_on_none(box):
    box.out.value


def delete_missing_attribute(box):
    del box.nothing


def enums(box):
    box.color = Color.RED
    box.out = [
        box.color.name,
        box.color.value,
        box.color.other().name,
        Color(2) is Color.BLUE,
        Color["RED"] == box.color,
    ]
    box.log += [each.name for each in Color]
    Color(9)


def named_tuples(box):
    box.pair = Pair(1, b=box.child)
    box.named = Named(3)
    box.pair.b.value += 1
    a, _ = box.pair
    box.out = [a, box.pair.a, box.named.sum(), box.named._replace(a=9), box.pair[1] is box.child, box.named]


def subclassed_containers(box):
    box.default = Default(a=1)
    box.upper = Upper()
    box.upper["k"] = 1
    box.stack = Stack([1])
    box.out = [box.default["a"], box.default["q"], box.stack.push(2), box.stack[-1], len(box.stack), box.upper]
    box.upper["z"] = 2
    box.stack.push(3)
    box.log += [Default()["r"], *box.stack, sorted(box.upper)]


# -- containers


def lists(box):
    xs = box.xs
    xs.append(4)
    xs.extend([5, 6])
    xs.extend(x for x in range(2))
    xs.insert(0, 9)
    box.log += [xs.pop(), xs.pop(0), xs.index(4), xs.count(1), xs.copy(), len(xs), xs == [3], xs + [1], xs * 2]
    xs.remove(4)
    xs.sort()
    box.log += [list(xs)]
    xs.reverse()
    xs.sort(key=lambda x: -x, reverse=True)
    box.log += [
        list(xs),
        min(xs),
        max(xs),
        sum(xs),
        sorted(xs, reverse=True),
        xs < [9],
        [0] < xs,
        3 in xs,
        list(reversed(xs)),
    ]
    box.log.append(xs is box.xs)
    box.ys.append(xs[0])
    xs.clear()


def list_errors(box):
    for act in (lambda: box.xs.remove(99), lambda: box.ys.pop(), lambda: box.xs.index(99), lambda: box.xs.insert(1)):
        try:
            act()
        except (ValueError, IndexError, TypeError) as error:
            box.log.append(repr(error))
    box.xs[7] = 1


def index_error(box):
    box.out = box.xs[5]


def index_type(box):
    box.out = box.xs["a"]


def dicts(box):
    d = box.d
    d["c"] = 3
    box.log += [
        d.get("a"),
        d.get("q"),
        d.get("q", 5),
        d.setdefault("a", 9),
        d.setdefault("n", 9),
        d.pop("b"),
        d.pop("b", None),
    ]
    d.update({"u": 1}, v=2)
    d.update([("w", 3)])
    box.log += [
        list(d),
        list(d.keys()),
        list(d.values()),
        list(d.items()),
        len(d),
        "a" in d,
        "zz" in d,
        sorted(d),
        d.copy(),
    ]
    box.log += [
        d.popitem(),
        d == {"a": 1},
        d | {"x": 1},
        {k: v for k, v in d.items()},
        "a" in d.keys(),
        1 in d.values(),
    ]
    box.e.update(d)
    box.e.pop("a")
    del d["u"]
    box.log += [dict(d), list(reversed(d)), dict(d, a=2), bool(box.e), min(d), {**d}]
    d.clear()
    d.pop("gone")


def dict_item_by_item(box):
    box.d["a"] += 1
    box.e["x"] = box.d["a"]
    if "y" not in box.e:
        box.e["y"] = box.e.get("x", 0) + 1
    box.out = box.e["y"], box.d.get("b"), box.d.pop("b"), box.d.setdefault("k", 4)
    del box.e["x"]
    box.log.append("x" in box.e)
    box.e["x"]


def delete_missing_key(box):
    del box.d["nope"]


def unhashable_key(box):
    box.d[[1]] = 2


def sets(box):
    s = box.s
    s.add(4)
    s.discard(9)
    s.remove(1)
    box.log += [
        sorted(s),
        len(s),
        2 in s,
        s | {8},
        s & {2},
        s - {2},
        s ^ {2},
        s == {2, 3, 4},
        s <= {2, 3, 4, 5},
        s > {2},
    ]
    s.update([5], (6,))
    s.difference_update({5})
    s.intersection_update({2, 3, 6})
    box.log += [sorted(s.union([1])), s.isdisjoint({9}), s.issubset({2, 3, 6}), frozenset(s), sorted(x for x in s)]
    copy = set(s)
    copy.add(100)
    box.out = sorted(copy)
    s.clear()
    s.remove(1)


def deques(box):
    q = box.q
    q.append(4)
    q.appendleft(0)
    q.rotate(1)
    box.log += [q.pop(), q.popleft(), list(q), q[0], q[-1], len(q), 2 in q, q.index(2), q.count(2)]
    q.extend("ab")
    q.extendleft("cd")
    q[0] = "first"
    q.remove(2)
    del q[1]
    q.reverse()
    box.short.append(3)
    box.log += [list(box.short), box.short.maxlen, [x for x in q], bool(q)]
    q.clear()
    q.popleft()


def default_dicts(box):
    box.dd["k"] += 1
    box.dd["new"] += 5
    box.groups["a"].append(1)
    box.groups["a"].append(2)
    box.groups["b"].append(3)
    mine = defaultdict(list)
    mine["x"].append(box.n)
    box.out = [box.dd["zero"], sorted(box.dd), box.groups["a"], len(box.groups), mine, "q" in box.dd, box.dd.get("q")]
    made = defaultdict(lambda: [box.n])
    made["p"].append(2)
    box.log.append(made["p"])


def counters(box):
    box.c["a"] += 1
    box.c.update("bb")
    box.out = [
        box.c["a"],
        box.c["zz"],
        box.c.most_common(1),
        sum(box.c.values()),
        sorted(box.c.elements()),
        box.c.total(),
    ]
    box.c.subtract({"a": 1})
    box.log += [Counter(box.xs)[1], Counter("aab")["a"], len(box.c)]


def ordered_dicts(box):
    box.od.move_to_end("x")
    box.od["z"] = 3
    box.out = [list(box.od), box.od.popitem(last=False), list(box.od.items())]


def byte_arrays(box):
    box.ba[0] = 65
    box.ba.append(66)
    box.ba += b"z"
    box.out = [bytes(box.ba), len(box.ba), box.ba[1], box.ba.decode()]


def heaps(box):
    heapq.heapify(box.heap)
    heapq.heappush(box.heap, 2)
    box.out = [heapq.heappop(box.heap), heapq.heappushpop(box.heap, 0), box.heap[0]]


def builtins_(box):
    box.out = [
        abs(-box.n), int("5"), float(box.n), str(box.f), bool(box.xs), len(box.name), round(2.567, 1), divmod(7, 3), pow(2, 5),
        chr(97), ord("a"), list(map(str, box.xs)), list(filter(None, [0, *box.xs])), list(zip(box.xs, box.name)), repr(box.name),
        list(enumerate(box.xs)), isinstance(box.xs, list), callable(box.child.get), type(box.n) is int, tuple(box.xs), set(box.xs),
        ",".join(box.d), "a b".split(), box.name.upper(), "{}-{}".format(box.n, 2), "%s" % box.n, any(box.xs), all([]),
        sum([[1], [2]], []), sorted("bca"), min(3, box.n), max([1, 5], default=0), max([], default=7), iter([]) is None,
        dict(a=1), list("ab"), hash(5), bin(5), range(3)[1], slice(1, 2).start, type(box.child) is Child, callable(5),
        functools.reduce(lambda a, b: a + b, box.xs, 100), isinstance(box.child, (Child, int)), str(box.xs), repr(box.d),
    ]  # fmt: skip


def getters(box):
    by_value = operator.attrgetter("value")
    box.out = [
        [child.value for child in sorted(box.children, key=by_value)], by_value(box.child), operator.itemgetter(1)(box.xs),
        operator.itemgetter("a", "b")(box.d), operator.methodcaller("get")(box.child),
    ]  # fmt: skip


def partials(box):
    add = functools.partial(box.child.add, 5)
    add(times=2)
    box.out = [functools.partial(lambda a, b: a - b, 10)(3), box.child.value]


def identities(box):
    node = Child(1)
    box.child = node
    box.out = [box.child is node, node is box.child, box.child is not Child(1), box.xs is box.xs, None is box.e]
    kept = [node]
    kept[0].value = 77
    box.log += [box.child.value, node in kept, kept[0] == box.child, kept.index(node)]


def cycles(box):
    box.child.parent = box
    box.child.me = box.child
    ring = []
    ring.append(ring)
    box.ring = ring
    box.out = [box.child.parent.child.me is box.child, box.ring[0] is box.ring]


def linked_list(box):
    head = None
    for x in box.xs:
        node = Child(x)
        node.next = head
        head = node
    box.head = head
    while head is not None:
        box.log.append(head.value)
        head = head.next


def objects_change_places(box):
    box.children[0], box.child = box.child, box.children[1]
    box.children.append(Child(8))
    box.children[0].value += 1
    box.xs, box.ys = box.ys, box.xs
    box.ys.append(5)


def adds_what_cannot_be_added_in_place(box):
    box.d += 1


def made_and_shared(box):
    inner = {"list": [1, 2], "child": Child(3)}
    box.out = inner
    inner["list"].append(3)
    inner["child"].value += 1
    box.out["list"].append(4)
    box.log.append(len(inner["list"]))
    box.tuple = ([1], {"k": {1}})
    box.tuple[0].append(2)
    box.tuple[1]["k"].add(2)


def bubble_sort(box):
    xs = box.xs
    for i in range(len(xs)):
        for j in range(len(xs) - 1 - i):
            if xs[j] > xs[j + 1]:
                xs[j], xs[j + 1] = xs[j + 1], xs[j]
    box.out = xs == sorted(xs)


def word_count(box):
    for word in "a b a c a".split():
        box.e[word] = box.e.get(word, 0) + 1
    box.out = max(box.e.items(), key=lambda pair: pair[1])


def calls_what_is_no_function(box):
    box.child()


def subscripts_what_has_no_items(box):
    box.child[0]


def sets_items_of_what_has_none(box):
    box.child[0] = 1


def loops_over_what_cannot_be(box):
    for x in box.child:
        box.n = x


def looks_into_what_cannot_be(box):
    box.out = 1 in box.child


def unpacks_too_few(box):
    a, b = box.xs
    box.out = a, b


def unpacks_too_many(box):
    a, b, c, d = box.xs
    box.out = a, b, c, d


def length_of_what_has_none(box):
    len(box.child)


def stops_in_the_middle(box):
    for x in box.xs:
        box.log.append(x)
        if x == 1:
            raise StopIteration("strange")


def exits(box):
    box.n = 9
    raise SystemExit(3)
