"""Rewritten code means what Python means.

One thread in the model ends as the same function does when Python runs it on a fresh state: the same state, object for
object, and the same exception with the same text. Two threads, one after the other, end as Python does in that order. Merging
places with the same future changes nothing.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import event, given, note, settings

from simulator.census import count
from simulator.errors import LimitError, ProgramError
from simulator.machine import Machine
from simulator.source.granularity import GRANULARITIES
from simulator.trace import Outcome
from tests.conftest import FACTOR, PROFILE
from tests.laws import plain_grammar, plain_programs
from tests.laws.plain_grammar import functions
from tests.laws.plain_runs import Ended, in_the_model, natively, of

CASES = [
    each
    for name, each in vars(plain_programs).items()
    if isinstance(each, types.FunctionType) and each.__module__ == plain_programs.__name__ and not name.startswith("_")
]
Case = Callable[[Any], object]


class Holder:
    """Where a box is put that a thread has made for itself."""

    def __init__(self) -> None:
        self.box: Any = None


def privately(case: Case) -> Case:
    """The same on a box that nobody else knows before the end."""

    def worker(holder: Any) -> None:
        box = plain_programs.Box()
        try:
            case(box)
        finally:
            holder.box = box

    return worker


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_function_does_in_the_model_what_it_does_in_python(case: Case) -> None:
    assert in_the_model(plain_programs.Box, [case]) == natively(plain_programs.Box, [case], plain_programs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_does_so_on_objects_that_it_made_itself(case: Case) -> None:
    worker = privately(case)
    assert in_the_model(Holder, [worker]) == natively(Holder, [worker], plain_programs)


# -- drawn functions

Function = Callable[[Any], object]


def followed(workers: Sequence[Function], **options: Any) -> Ended | None:
    """How the workers end in the model; None for what it refuses, in one line."""
    try:
        ended = in_the_model(plain_grammar.Box, workers, **options)
    except ProgramError as refusal:
        event("refused")
        is_told = "\n" not in str(refusal) and "cannot be followed" in str(refusal)
        if not is_told:
            raise
        return None
    event(ended.how.split(":")[0] if "Error" in ended.how else ended.how[:8])
    return ended


def same(workers: Sequence[Function], **options: Any) -> None:
    """The workers end in the model as they do natively, one after the other."""
    for each in workers:
        note(str(each.__doc__))
    ended = followed(workers, **options)
    assert ended is None or ended == natively(plain_grammar.Box, workers, plain_grammar)


@settings(max_examples=80 * FACTOR[PROFILE])
@given(functions())
def test_a_drawn_function_does_in_the_model_what_it_does_in_python(function: Function) -> None:
    same([function])


@settings(max_examples=15 * FACTOR[PROFILE])
@given(functions(), functions())
def test_two_threads_one_after_the_other_do_what_python_does_in_that_order(first: Function, second: Function) -> None:
    same([first, second])
    same([second, first])


@settings(max_examples=8 * FACTOR[PROFILE])
@given(functions())
def test_the_granularity_does_not_change_what_a_thread_alone_does(function: Function) -> None:
    for granularity in GRANULARITIES:
        same([function], granularity=granularity)


Ways = dict[tuple[str, str], int]


def outcomes(workers: Sequence[Function], granularity: str, *, merge: bool = True) -> Ways | None:
    """How many interleavings end in each way, in words; None where the code is refused, or there are too many."""
    try:
        threads = of(plain_grammar.Box, workers, granularity)
        found = count(Machine(threads.program, merge=merge), max_states=2_000).outcomes
    except (ProgramError, LimitError):
        event("refused or too large")
        return None
    return {in_words(outcome): number for outcome, number in found.items()}


def in_words(outcome: Outcome) -> tuple[str, str]:
    """Objects have no equal in another machine; their names have."""
    return outcome.how, repr(outcome.memory)


@settings(max_examples=20 * FACTOR[PROFILE])
@given(functions(small=True), functions(small=True))
def test_merging_places_changes_no_count(first: Function, second: Function) -> None:
    merged = outcomes([first, second], "operations")
    if merged is not None:
        assert merged == outcomes([first, second], "operations", merge=False)


@settings(max_examples=15 * FACTOR[PROFILE])
@given(functions(small=True), functions(small=True))
def test_what_can_happen_where_threads_are_switched_seldom_can_happen_where_they_are_often(
    first: Function, second: Function
) -> None:
    found = [
        outcomes([first, second], each)
        for each in ("cpython-3.14", "cpython-3.12", "cpython-3.11", "cpython-3.10", "free-threaded", "operations")
    ]
    known = [set(each) for each in found if each is not None]
    if len(known) == len(found):
        jumping_first, least, seldom, more, often, always = known
        assert least <= seldom <= more <= often
        assert jumping_first <= often
        assert often == always


@settings(max_examples=15 * FACTOR[PROFILE])
@given(functions(small=True), functions(small=True))
def test_both_serial_orders_are_among_what_can_happen(first: Function, second: Function) -> None:
    for granularity in ("operations", "cpython-3.11"):
        found = outcomes([first, second], granularity)
        if found is not None:
            threads = of(plain_grammar.Box, [first, second], granularity)
            machine = Machine(threads.program)
            for order in ((0, 1), (1, 0)):
                at = machine.initial
                for thread in order:
                    while thread in machine.enabled(at):
                        at, _ = machine.step(at, thread)
                assert in_words(machine.outcome(at)) in found
