"""Liveness: which locals may still be read after each yield."""

from __future__ import annotations

import dis
from collections.abc import Callable, Generator
from typing import Any

import pytest

from simulator.liveness import live_after

Body = Generator[Any, Any, None]


def live(body: Callable[..., Body]) -> list[str]:
    """The names alive after each yield of a body, in the order of the bytecode."""
    yields = [each.offset for each in dis.get_instructions(body) if each.opname == "YIELD_VALUE"]
    return [" ".join(sorted(live_after(body.__code__, offset))) for offset in yields]


def use(*values: object) -> None: ...


def read_later() -> Body:
    value = 1
    yield
    use(value)
    yield


def overwritten_before_it_is_read() -> Body:
    value = 1
    yield
    value = 2
    yield
    use(value)


def read_in_one_branch(flag: bool) -> Body:
    value = 1
    yield
    if flag:
        use(value)


def overwritten_in_one_branch(flag: bool) -> Body:
    value = 1
    yield
    if flag:
        value = 2
    use(value)


def round_a_loop() -> Body:
    last = None
    for number in range(3):
        yield
        use(last)
        last = number


def deleted() -> Body:
    value = 1
    yield
    del value


def read_by_a_handler() -> Body:
    value = 1
    try:
        yield
    except ValueError:
        use(value)


def read_by_a_handler_after_a_change() -> Body:
    value = 1
    try:
        yield
        value = 2
        use()
    except ValueError:
        use(value)


def read_by_a_finally() -> Body:
    value = 1
    try:
        yield
    finally:
        use(value)


def read_after_a_with(manager: Any) -> Body:
    value = 1
    with manager:
        yield
    use(value)


def read_by_a_comprehension() -> Body:
    values = [1]
    value = 2  # noqa: F841
    yield
    use([value for value in values])  # noqa: C416
    yield


def changed_in_place() -> Body:
    value = 1
    yield
    value += 1


def unpacked() -> Body:
    first, second = 1, 2
    yield
    first, second = second, first
    yield
    use(first)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (read_later, ["value", ""]),
        (overwritten_before_it_is_read, ["", "value"]),
        (read_in_one_branch, ["flag value"]),
        (overwritten_in_one_branch, ["flag value"]),
        (round_a_loop, ["last number"]),
        (deleted, ["value"]),
        (read_by_a_handler, ["value"]),
        (read_by_a_handler_after_a_change, ["value"]),
        (read_by_a_finally, ["value"]),
        (read_after_a_with, ["value"]),
        (changed_in_place, ["value"]),
        (unpacked, ["first second", "first"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_live_names(body: Callable[..., Body], expected: list[str]) -> None:
    assert live(body) == expected


def test_a_comprehension_reads_what_it_goes_through() -> None:
    """From 3.12 on it is a part of the function, and its variable counts as read: that is careful, not wrong."""
    first, second = live(read_by_a_comprehension)
    assert "values" in first.split()
    assert second == ""


def looks_by_locals() -> Body:
    value = 1
    yield
    use(locals())
    del value


def looks_by_eval() -> Body:
    value = 1
    yield
    use(eval("value"))
    value = 2
    yield
    use(value)


@pytest.mark.parametrize("body", [looks_by_locals, looks_by_eval])
def test_everything_lives_where_the_code_may_look_at_its_own_variables(body: Callable[..., Body]) -> None:
    assert set(live(body)) == {"value"}


def test_an_offset_that_is_none_of_the_codes_leaves_everything_alive() -> None:
    assert live_after(read_later.__code__, 1) == frozenset({"value"})
