"""When two values are the same."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.values import value_key

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text(max_size=2) | st.binary(max_size=2),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=2),
    max_leaves=5,
)


class Point(NamedTuple):
    x: int


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, True),
        (0, False),
        (1, 1.0),
        (0.0, -0.0),
        (1.0, 1 + 0j),
        (0j, -0j),
        ((1,), (True,)),
        ((1, (0.0,)), (1, (-0.0,))),
        (frozenset({1}), frozenset({True})),
        (Point(1), (1,)),
        ("1", 1),
        ("a", b"a"),
        (None, 0),
        ((), frozenset()),
    ],
    ids=repr,
)
def test_values_that_a_program_can_tell_apart(first: object, second: object) -> None:
    assert value_key(first) != value_key(second)


@given(plain)
def test_a_value_is_the_same_as_itself(value: object) -> None:
    assert value_key(value) == value_key(value)
    assert hash(value_key(value)) == hash(value_key(value))


@given(plain, plain)
def test_one_key_means_one_repr(first: object, second: object) -> None:
    if value_key(first) == value_key(second) and not isinstance(first, frozenset | tuple):
        assert repr(first) == repr(second)


def test_not_a_number_is_one_value() -> None:
    assert value_key(float("nan")) == value_key(float("nan"))


@pytest.mark.parametrize("value", [[], {}, set(), ([],), (1, {})], ids=repr)
def test_what_cannot_be_hashed_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        value_key(value)
