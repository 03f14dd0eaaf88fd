"""An invariant is asked when all threads have finished, wherever what it looks at is kept."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from simulator import Plain, check, check_threads, count
from simulator.analysis.finding import Kind
from simulator.source.threads import Threads


class Ticket:
    sold = 0
    lock = threading.Lock()

    def sell(self) -> None:
        with Ticket.lock:
            Ticket.sold += 1


number = 0
numbers = [0]
table: dict[str, int] = {"n": 0}
lock = threading.Lock()


class Held:
    def __init__(self) -> None:
        self.n = 0


held = Held()


def in_a_global() -> None:
    global number
    with lock:
        number += 1


def in_a_list() -> None:
    with lock:
        numbers.append(1)


def in_an_item() -> None:
    with lock:
        table["n"] += 1


def in_an_object() -> None:
    with lock:
        held.n += 1


def enclosed() -> tuple[Callable[[], None], Callable[[], int]]:
    n = 0

    def add() -> None:
        nonlocal n
        with lock:
            n += 1

    def seen() -> int:
        return n

    return add, seen


def the_class(_: Any) -> int:
    return Ticket.sold


PLACES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], int]]] = {
    "a class": (Ticket, lambda ticket: ticket.sell, the_class),
    "a class, by an object": (Ticket, lambda ticket: ticket.sell, lambda ticket: int(ticket.sold)),
    "a global": (object, lambda _: in_a_global, lambda _: number),
    "a global list": (object, lambda _: in_a_list, lambda _: len(numbers) - 1),
    "a global list that is the state": (lambda: numbers, lambda _: in_a_list, lambda shared: len(shared) - 1),
    "an item of a global": (object, lambda _: in_an_item, lambda _: table["n"]),
    "an attribute of a global": (object, lambda _: in_an_object, lambda _: held.n),
    "an enclosing function": (enclosed, lambda both: both[0], lambda both: int(both[1]())),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_is_kept_outside_the_state_is_asked_for_as_it_is_in_the_end(place: str) -> None:
    setup, worker, seen = PLACES[place]

    def program(expected: int) -> Any:
        return Threads(
            Plain(
                setup,
                lambda state: dict.fromkeys(("a", "b"), worker(state)),
                invariant=lambda state: seen(state) == expected,
            )
        ).program

    assert not check(program(2)).findings
    assert [each.kind for each in check(program(0)).findings] == [Kind.FAILED_INVARIANT]
    # Nothing is left behind.
    assert (Ticket.sold, number, numbers, table, held.n) == (0, 0, [0], {"n": 0}, 0)


def test_so_is_what_is_observed() -> None:
    plain = Plain(object, lambda _: {"a": in_a_global, "b": in_a_global}, observe=lambda _: {"number": number})
    threads = Threads(plain)
    assert {str(threads.observed(outcome)) for outcome in count(threads.program).outcomes} == {"number=2"}


def test_without_any_state() -> None:
    assert not check_threads(None, [in_a_global] * 2, lambda _: number == 2).findings


class Queue:
    def __init__(self) -> None:
        self.deque = deque([0])
        self.bytes = bytearray([0])


def add_to_deque(queue: Queue) -> None:
    queue.deque[0] += 1


def add_to_bytes(queue: Queue) -> None:
    queue.bytes[0] += 1


@pytest.mark.parametrize("worker", [add_to_deque, add_to_bytes])
def test_an_item_of_any_sequence_can_be_a_lost_update(worker: Callable[[Queue], None]) -> None:
    plain = Plain(Queue, lambda queue: dict.fromkeys(("a", "b"), partial(worker, queue)))
    assert Kind.LOST_UPDATE in {each.kind for each in check(Threads(plain).program).findings}
