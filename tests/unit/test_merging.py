"""Merging: each body below is one that a careless merge key takes for something it is not.

Every one is run beside a copy of itself and beside a writer, with merging and without: the interleavings and their
outcomes have to be the same one by one. Some also say how many places there should be, so that merging does merge.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections import Counter, deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from simulator.bodies import Automaton
from simulator.census import count
from simulator.machine import Machine
from simulator.merging import SUPPORTED, future_key
from simulator.ops import Acquire, Add, Pause, Read, Release, Update, Write
from simulator.program import Program
from simulator.search.naive import interleavings

Body = Generator[Any, Any, None]

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="merging is off on this interpreter")


# -- the value stack: loop iterators and half-evaluated expressions


def position_of_a_for_iterator() -> Body:
    for value in (1, 2, 2, 3):
        yield Write("x", value)


def position_without_a_variable() -> Body:
    for _ in range(3):
        yield Update("x", lambda value: value + 1)


def nested_loops() -> Body:
    for _ in range(2):
        for _ in range(3):
            yield Pause()
        yield Update("x", lambda value: value + 1)


def half_evaluated_sum() -> Body:
    total = (yield Read("x")) + (yield Read("y"))
    yield Write("y", total)


def half_evaluated_call() -> Body:
    yield Write("y", max((yield Read("x")), (yield Read("y")), 1))


def half_built_list() -> Body:
    values = [(yield Read("x")), (yield Read("y")), (yield Read("x"))]
    yield Write("y", tuple(values))


def half_built_dict() -> Body:
    values = {(yield Read("x")): "first", (yield Read("y")): "second"}
    yield Write("y", tuple(values.items()))


def half_built_text() -> Body:
    yield Write("y", f"{(yield Read('x'))}-{(yield Read('y'))}")


def method_of_a_temporary() -> Body:
    yield Write("y", "{}{}".format((yield Read("x")), (yield Read("y"))))


def chained_comparison() -> Body:
    if (yield Read("x")) < (yield Read("y")) < 3:
        yield Write("x", 9)


def conditional_on_the_stack() -> Body:
    yield Write("y", ((yield Read("x")) or 5, (yield Read("y")) and 6))


def subscript_target_on_the_stack() -> Body:
    values = [0, 0, 0]
    values[(yield Read("x")) % 3] = yield Read("y")
    yield Write("y", tuple(values))


# -- locals: bound, unbound, alive, dead


def unbound_or_bound() -> Body:
    if (yield Read("x")):
        first = 1
    else:
        second = 1
    yield Pause()
    try:
        yield Write("y", ("first", first))
    except UnboundLocalError:
        yield Write("y", ("second", second))


def deleted_variable() -> Body:
    value = 1
    if (yield Read("x")):
        del value
    yield Pause()
    try:
        yield Write("y", value)
    except UnboundLocalError:
        yield Write("y", "deleted")


def deleted_later() -> Body:
    if (yield Read("x")):
        value = 1
    yield Pause()
    try:
        del value
    except UnboundLocalError:
        yield Write("y", "was not bound")


def dead_variable_differs() -> Body:
    for _ in range(3):
        value = yield Read("x")
        yield Write("y", value)


def looks_at_its_locals() -> Body:
    value = yield Read("x")
    yield Pause()
    yield Write("y", tuple(sorted((name, repr(held)) for name, held in locals().items() if name == "value")))


def looks_at_its_locals_by_exec() -> Body:
    value = yield Read("x")
    yield Pause()
    seen: dict[str, Any] = {}
    exec("seen['value'] = value", globals(), {"seen": seen, **locals()})
    yield Write("y", seen["value"])


def walrus() -> Body:
    while (value := (yield Read("x"))) < 2:
        yield Write("x", value + 1)
    yield Write("y", value)


def default_argument(log: tuple[int, ...] = (), *, more: int = 2) -> Body:
    log = (*log, (yield Read("x")))
    yield Write("y", (log, more))


# -- mutable locals: content, aliasing, order


def list_grows() -> Body:
    seen: list[Any] = []
    for _ in range(2):
        seen.append((yield Read("x")))
        yield Pause()
    yield Write("y", tuple(seen))


def two_lists_or_one() -> Body:
    first: list[int] = []
    second = first if (yield Read("x")) else []
    yield Pause()
    first.append(1)
    yield Write("y", len(second))


def alias_inside_a_list() -> Body:
    row: list[int] = [0]
    rows = [row, row] if (yield Read("x")) else [[0], [0]]
    yield Pause()
    rows[0][0] = 7
    yield Write("y", rows[1][0])


def list_refers_to_itself() -> Body:
    values: list[Any] = [1]
    if (yield Read("x")):
        values.append(values)
    else:
        values.append([1])
    yield Pause()
    yield Write("y", values[1] is values)


def list_mutated_while_iterated() -> Body:
    values = [1, 2]
    for value in values:
        if value == 1 and (yield Read("x")):
            values.append(3)
        yield Write("y", value)


def iterator_of_which_list() -> Body:
    first, second = [1, 2], [1, 2]
    chosen = iter(first) if (yield Read("x")) else iter(second)
    yield Pause()
    first.append(3)
    yield Write("y", tuple(chosen))


def dict_order() -> Body:
    if (yield Read("x")):
        values = {"a": 1, "b": 1}
    else:
        values = {"b": 1, "a": 1}
    yield Pause()
    yield Write("y", next(iter(values)))


def dict_mutated() -> Body:
    values: dict[str, int] = {}
    if (yield Read("x")):
        values["a"] = 1
    yield Pause()
    values.setdefault("b", 2)
    yield Write("y", tuple(values))


def set_of_values() -> Body:
    values = {8, 16} if (yield Read("x")) else {16, 8}
    yield Pause()
    yield Write("y", tuple(values))


# -- iterators of every kind


def enumerated() -> Body:
    for number, value in enumerate(("a", "a", "a"), start=(yield Read("x"))):
        yield Write("y", (number, value))


def zipped() -> Body:
    for first, second in zip((0, 0, 1), "aab", strict=True):
        yield Write("y", (first, second))


def mapped() -> Body:
    for value in map(abs, (1, -1, 1, -1)):
        yield Update("x", lambda old, new: old + new, value)


def filtered() -> Body:
    for value in filter(None, (1, 0, 1, 0, 1)):
        yield Update("x", lambda old, new: old + new, value)


def turned_round() -> Body:
    for value in reversed([1, 1, 2]):
        yield Write("y", value)


def counted_without_end() -> Body:
    for number in itertools.count():
        if number == 3:
            return
        yield Pause()


def iterator_shared_by_two_names() -> Body:
    numbers = iter(range(4))
    other = numbers if (yield Read("x")) else iter(range(4))
    yield Pause()
    next(numbers)
    yield Write("y", next(other))


def letters() -> Body:
    for letter in "aaé":
        yield Write("y", letter)


# -- generators, closures, context managers, exceptions


def _numbers(most: int) -> Iterator[int]:
    yield from range(most)


def generator_in_a_local() -> Body:
    numbers = _numbers(4)
    if (yield Read("x")):
        next(numbers)
    yield Pause()
    yield Write("y", next(numbers))


def generator_expression_in_a_local() -> Body:
    numbers = (number * number for number in (1, 2, 3))
    if (yield Read("x")):
        next(numbers)
    yield Pause()
    yield Write("y", next(numbers))


def _twice(times: int) -> Generator[Any, Any, int]:
    total = 0
    for _ in range(times):
        total += yield Read("x")
        yield Pause()
    return total


def delegating() -> Body:
    total = yield from _twice(2)
    yield Write("y", total)


def _deeper(depth: int) -> Generator[Any, Any, int]:
    if depth == 0:
        return (yield Read("x"))
    return 1 + (yield from _deeper(depth - 1))


def delegating_to_itself() -> Body:
    yield Write("y", (yield from _deeper((yield Read("x")) + 1)))


def closure_over_a_changing_cell() -> Body:
    total = 0

    def add(value: int) -> None:
        nonlocal total
        total += value

    add((yield Read("x")))
    yield Pause()
    add(1)
    yield Write("y", total)


def closure_chosen_by_an_answer() -> Body:
    def constant(value: int) -> Any:
        return lambda: value

    chosen = constant((yield Read("x")))
    yield Pause()
    yield Write("y", chosen())


def lambda_with_a_default() -> Body:
    value = yield Read("x")
    chosen = lambda value=value: value  # noqa: E731
    del value
    yield Pause()
    yield Write("y", chosen())


def finally_in_progress() -> Body:
    try:
        if (yield Read("x")):
            return
        yield Pause()
    finally:
        yield Update("y", lambda value: value + 1)
    yield Write("y", 9)


def leaves_a_loop_through_finally() -> Body:
    for number in range(3):
        try:
            if (yield Read("x")) == number:
                break
        finally:
            yield Update("y", lambda value: value + 1)


def except_in_progress() -> Body:
    try:
        raise ValueError((yield Read("x")))
    except ValueError as error:
        yield Pause()
        yield Write("y", error.args[0])


def raises_again_after_a_yield() -> Body:
    try:
        try:
            if (yield Read("x")):
                raise KeyError("a")
            raise IndexError("b")
        except LookupError:
            yield Pause()
            raise
    except KeyError:
        yield Write("y", "key")
    except IndexError:
        yield Write("y", "index")


class _Manager:
    def __init__(self, value: object) -> None:
        self.value = value

    def __enter__(self) -> object:
        return self.value

    def __exit__(self, *error: object) -> bool:
        return bool(self.value)


def with_block() -> Body:
    with _Manager((yield Read("x"))):
        yield Pause()
        assert False  # noqa: B011, PT015
    yield Write("y", 1)


def with_block_of_a_generator() -> Body:
    @contextlib.contextmanager
    def doubled(value: int) -> Iterator[int]:
        yield 2 * value

    with doubled((yield Read("x"))) as value:
        yield Pause()
        yield Write("y", value)


def matched() -> Body:
    match (yield Read("x")):
        case 0:
            kind = "none"
        case 1 | 2 as few:
            kind = f"few {few}"
        case _:
            kind = "many"
    yield Pause()
    yield Write("y", kind)


# -- comprehensions


def comprehension_variable() -> Body:
    value = yield Read("x")
    squares = [value * value for value in (1, 2)]
    yield Pause()
    yield Write("y", (value, *squares))


def nested_comprehension() -> Body:
    size = yield Read("x")
    grid = [[row * size + column for column in range(2)] for row in range(2)]
    yield Pause()
    yield Write("y", tuple(map(tuple, grid)))


# -- values that are equal and not the same


def minus_zero() -> Body:
    value = 0.0 if (yield Read("x")) else -0.0
    yield Pause()
    yield Write("y", str(value))


def true_or_one() -> Body:
    value = True if (yield Read("x")) else 1
    yield Pause()
    yield Write("y", str(value))


def one_or_one_point_zero() -> Body:
    values = (1,) if (yield Read("x")) else (1.0,)
    yield Pause()
    yield Write("y", str(values))


def not_a_number() -> Body:
    value = float("nan") if (yield Read("x")) else 0.5
    yield Pause()
    yield Write("y", value == value)


def tuple_of_a_list() -> Body:
    values = ([],)  # type: tuple[list[int]]
    if (yield Read("x")):
        values[0].append(1)
    yield Pause()
    yield Write("y", len(values[0]))


def bytes_and_ranges() -> Body:
    value: Any = b"ab" if (yield Read("x")) else range(2)
    yield Pause()
    yield Write("y", len(tuple(value)) + sum(value))


# -- what has an identity, or hides its content, is not merged


def random_generator() -> Body:
    draw = random.Random(1)
    if (yield Read("x")):
        draw.random()
    yield Pause()
    yield Write("y", draw.randrange(1000))


def real_lock() -> Body:
    lock = threading.Lock()
    if (yield Read("x")):
        lock.acquire()
    yield Pause()
    yield Write("y", lock.locked())


class _Box:
    def __init__(self) -> None:
        self.value = 0


def object_with_attributes() -> Body:
    box = _Box()
    box.value = yield Read("x")
    yield Pause()
    yield Write("y", box.value)


@dataclass
class _Point:
    x: int

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def object_that_is_equal_to_everything() -> Body:
    point = _Point((yield Read("x")))
    yield Pause()
    yield Write("y", point.x)


def queue_of_values() -> Body:
    queue = deque([0])
    if (yield Read("x")):
        queue.append(1)
    yield Pause()
    yield Write("y", len(queue))


def list_of_a_subclass() -> Body:
    class Numbers(list):  # type: ignore[type-arg]
        extra = 0

    numbers = Numbers()
    numbers.extra = yield Read("x")
    yield Pause()
    yield Write("y", numbers.extra)


def bound_builtin_method() -> Body:
    log: list[Any] = []
    note = log.append
    note((yield Read("x")))
    yield Pause()
    yield Write("y", len(log) + log[0])


def bound_method_of_an_object() -> Body:
    box = _Box()
    read = box.__getattribute__
    box.value = yield Read("x")
    del box
    yield Pause()
    yield Write("y", read("value"))


def partial_of_a_list() -> Body:
    log: list[int] = []
    note = partial(log.append, 1)
    if (yield Read("x")):
        note()
    yield Pause()
    yield Write("y", len(log))


def function_with_an_attribute() -> Body:
    def helper() -> None: ...

    helper.value = yield Read("x")  # type: ignore[attr-defined]
    yield Pause()
    yield Write("y", helper.value)  # type: ignore[attr-defined]


def class_made_in_the_body() -> Body:
    class Settings:
        value = 0

    Settings.value = yield Read("x")
    yield Pause()
    yield Write("y", Settings.value)


class _Reader:
    def value(self) -> object:
        return self.read  # type: ignore[attr-defined]


class _Delegating(_Reader):
    def run(self) -> Body:
        self.read = yield Read("x")
        yield Pause()
        yield Write("y", super().value())


def super_without_arguments() -> Body:
    """It finds `self` in the frame, and no instruction reads it (up to 3.11)."""
    yield from _Delegating().run()


def partial_with_an_attribute() -> Body:
    helper = partial(int)
    helper.turns = 0  # type: ignore[attr-defined]
    while helper.turns < 3:  # type: ignore[attr-defined]
        yield Pause()
        helper.turns += 1  # type: ignore[attr-defined]
    yield Write("y", helper.turns)  # type: ignore[attr-defined]


def operation_in_a_local() -> Body:
    later = Write("y", (yield Read("x")))
    yield Pause()
    yield later


def holds_a_lock_in_a_loop() -> Body:
    for _ in range(2):
        yield Acquire("m")
        value = yield Read("x")
        value = yield Add(value, 1)
        yield Write("x", value)
        yield Release("m")


BODIES = [
    body
    for name, body in list(globals().items())
    if callable(body) and getattr(body, "__module__", None) == __name__ and not name.startswith("_") and name != "Body"
]
SMALL_VALUES = {"x": 0, "y": 0}


def writer() -> Body:
    yield Write("x", 1)


def _walked(machine: Machine) -> list[tuple[tuple[int, ...], str, str]]:
    found = []
    for interleaving in interleavings(machine, max_steps=14):
        outcome = machine.outcome(interleaving.state, cut=interleaving.cut)
        found.append((interleaving.schedule, outcome.how, repr(outcome.memory)))
        if len(found) == 3000:
            break
    return found


def test_there_are_more_than_twenty_three_of_them() -> None:
    assert len(BODIES) > 23


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_merged_and_unmerged_walk_the_same_interleavings(body: Any) -> None:
    program = Program({"a": body, "w": writer, "b": body}, memory=SMALL_VALUES, locks=["m"])
    beside_a_writer = Program({"a": body, "w": writer}, memory=SMALL_VALUES, locks=["m"])
    for each in (program, beside_a_writer):
        assert _walked(Machine(each, merge=True)) == _walked(Machine(each, merge=False))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_merged_and_unmerged_count_the_same(body: Any) -> None:
    program = Program({"a": body, "w": writer}, memory=SMALL_VALUES, locks=["m"])
    merged, apart = count(Machine(program, merge=True)), count(Machine(program, merge=False))
    assert _by_repr(merged.outcomes) == _by_repr(apart.outcomes)
    assert _by_repr(merged.odds) == _by_repr(apart.odds)


def _by_repr(numbers: Any) -> Any:
    return Counter({(outcome.how, repr(outcome.memory)): number for outcome, number in numbers.items()})


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_places_that_are_one_place_have_one_future(body: Any) -> None:
    """From each place of the unmerged automaton, the merged one goes on in the same way for every answer tried."""
    merged = Automaton(body, thread="a", merge=True)
    apart = Automaton(body, thread="a", merge=False)
    pairs = [(0, 0, 0)]
    while pairs:
        one, other, depth = pairs.pop()
        assert repr(merged.operations[one]) == repr(apart.operations[other])
        assert merged.ends[one] == apart.ends[other]
        assert merged.wheres[one] == apart.wheres[other]
        if apart.operations[other] is None or depth == 6:
            continue
        for answer in _answers(apart.operations[other]):
            pairs.append((merged.after(one, answer), apart.after(other, answer), depth + 1))


def _answers(operation: Any) -> list[Any]:
    return [0, 1, 2] if isinstance(operation, Read | Update | Add) else [None]


# -- what merging is for


def _places(body: Any, answers: list[Any]) -> int:
    automaton = Automaton(body, thread="a", merge=True)
    node = 0
    for answer in answers:
        node = automaton.after(node, answer)
    return len(automaton)


def test_a_loop_without_end_is_a_cycle() -> None:
    def body() -> Body:
        while True:
            value = yield Read("x")
            yield Write("y", value)

    # read, and one write for each value.
    assert _places(body, [0, None, 1, None, 0, None, 1, None]) == 3


def test_an_answer_that_is_not_kept_is_forgotten() -> None:
    def body() -> Body:
        yield Read("x")
        yield Pause()

    automaton = Automaton(body, thread="a", merge=True)
    assert automaton.after(0, 1) == automaton.after(0, 2)


def test_an_answer_that_is_kept_is_not_forgotten() -> None:
    def body() -> Body:
        value = yield Read("x")
        yield Pause()
        yield Write("x", value)

    automaton = Automaton(body, thread="a", merge=True)
    assert automaton.after(0, 1) != automaton.after(0, 2)


def test_ends_are_merged() -> None:
    def body() -> Body:
        yield Read("x")

    automaton = Automaton(body, thread="a", merge=True)
    assert automaton.after(0, 1) == automaton.after(0, 2)
    assert len(automaton) == 2


@pytest.mark.parametrize(
    "value",
    [random.Random(0), threading.Lock(), _Box(), {1}, deque(), object()],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_compared_is_not(value: object) -> None:
    def body() -> Iterator[object]:
        held = value
        yield None
        yield held

    generator = body()
    next(generator)
    assert future_key(generator) is None


def test_a_generator_has_the_future_of_another_that_stands_where_it_stands() -> None:
    def body() -> Iterator[int]:
        for number in range(3):  # noqa: UP028
            yield number

    first, second = body(), body()
    for _ in range(3):
        next(first)
        assert future_key(first) != future_key(second)
        next(second)
        assert future_key(first) == future_key(second)
