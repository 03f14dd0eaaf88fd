"""Happens-before and canonical forms on hand-made runs; the laws are in tests/laws/test_traces.py."""

from __future__ import annotations

from simulator.bodies import SourceLine
from simulator.clocks import HappensBefore, canonical_form
from simulator.ops import Acquire, CompareAndSwap, Operation, Pause, Read, Release, TryAcquire, Write
from simulator.trace import Event

HERE = SourceLine("f.py", 1)


def events(*steps: tuple[str, Operation, object]) -> list[Event]:
    return [Event(thread, operation, answer, None, None, HERE) for thread, operation, answer in steps]


def test_two_reads_are_not_ordered() -> None:
    order = HappensBefore(events(("a", Read("x"), 0), ("b", Read("x"), 0)))
    assert not order.before(0, 1)
    assert order.races() == []


def test_a_write_is_ordered_after_all_reads_since_the_last_write() -> None:
    order = HappensBefore(
        events(("a", Read("x"), 0), ("b", Read("x"), 0), ("c", Write("x", 1), None), ("a", Read("x"), 1))
    )
    assert order.races() == [(0, 2), (1, 2), (2, 3)]
    assert order.clock(2) == {"a": 1, "b": 1, "c": 1}
    assert order.clock(3) == {"a": 2, "b": 1, "c": 1}


def test_locks_order_what_they_protect() -> None:
    order = HappensBefore(
        events(
            ("a", Acquire("m"), None),
            ("a", Write("x", 1), None),
            ("a", Release("m"), None),
            ("b", Acquire("m"), None),
            ("b", Write("x", 2), None),
        )
    )
    assert order.before(1, 4)
    # Only the release and the acquire are side by side in some equivalent run.
    assert order.races() == [(2, 3)]


def test_failed_attempts_only_read() -> None:
    order = HappensBefore(
        events(
            ("a", TryAcquire("m"), False),
            ("b", TryAcquire("m"), False),
            ("a", CompareAndSwap("x", 1, 2), False),
            ("b", CompareAndSwap("x", 1, 2), False),
        )
    )
    assert order.races() == []


def test_an_event_is_not_before_itself() -> None:
    order = HappensBefore(events(("a", Pause(), None)))
    assert not order.before(0, 0)


def test_the_canonical_form_has_one_layer_for_each_step_of_the_longest_chain() -> None:
    first = events(("a", Read("x"), 0), ("b", Read("y"), 0), ("a", Write("x", 1), None))
    second = events(("b", Read("y"), 0), ("a", Read("x"), 0), ("a", Write("x", 1), None))
    assert canonical_form(first) == canonical_form(second)
    assert [len(layer) for layer in canonical_form(first)] == [2, 1]
    assert canonical_form([]) == ()


def test_the_same_steps_in_another_order_of_dependence_are_another_trace() -> None:
    one = events(("a", Write("x", 1), None), ("b", Write("x", 1), None))
    other = events(("b", Write("x", 1), None), ("a", Write("x", 1), None))
    assert canonical_form(one) != canonical_form(other)
