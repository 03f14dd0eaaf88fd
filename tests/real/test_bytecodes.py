"""Where in bytecode a site is, on every Python at hand."""

from __future__ import annotations

import dis
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from simulator.real.bytecodes import INSTRUCTIONS, offsets
from simulator.source.sites import KINDS, Site
from tests.real.interpreters_at_hand import interpreters, run
from tests.real.plain_code import code_of, site

pytestmark = pytest.mark.real


def instructions(function: Callable[..., Any], *sites: Site) -> list[str]:
    """The instructions at which a thread stops in `function` for these sites, in bytecode order."""
    code = code_of(function)
    names = {each.offset: each.opname for each in dis.get_instructions(code)}
    return [names[offset] for offset in offsets(code, sites)]


@pytest.mark.parametrize("version", interpreters())
def test_every_site_of_the_standard_library_is_found_and_is_the_right_one(version: str) -> None:
    found = json.loads(run(interpreters()[version], "sites_of_source.py", "15"))
    assert found["sites"] > 5000
    assert (found["missing"], found["wrong"], found["without_site"]) == ([], [], [])


def test_every_kind_has_its_instructions() -> None:
    assert set(INSTRUCTIONS) == set(KINDS)


def test_an_augmented_assignment_is_a_load_an_add_and_a_store_at_two_spans() -> None:
    def increment(self: Any) -> None:
        self.count += 1

    found = instructions(
        increment,
        site(increment, "self.count", "load attribute"),
        site(increment, "self.count", "store attribute"),
        site(increment, "self.count += 1", "add"),
    )
    assert found == ["LOAD_ATTR", "BINARY_OP", "STORE_ATTR"]


def test_columns_count_bytes_not_characters() -> None:
    def increment(größe: Any) -> None:
        größe.count += 1

    (line,) = {site(increment, "größe.count +=", "add").line}
    at = Site(line, line, 8, 8 + len("größe.count".encode()), "store attribute")
    assert instructions(increment, at) == ["STORE_ATTR"]


def test_a_finally_block_is_compiled_twice_and_has_two_places() -> None:
    def tidy(self: Any) -> None:
        try:
            self.work()
        finally:
            self.done = True

    assert instructions(tidy, site(tidy, "self.done", "store attribute")) == ["STORE_ATTR", "STORE_ATTR"]


def test_the_test_of_a_while_is_compiled_twice_up_to_3_13() -> None:
    def wait(self: Any) -> None:
        while not self.ready:
            pass

    times = 1 if sys.version_info >= (3, 14) else 2
    assert instructions(wait, site(wait, "self.ready", "load attribute")) == ["LOAD_ATTR"] * times
    assert len(instructions(wait, site(wait, "self.ready", "truth"))) == times


def test_a_loop_inside_a_loop_takes_its_own_turns() -> None:
    def both(self: Any) -> None:
        for row in self.rows:
            for _ in row.cells:
                pass

    outer, inner = site(both, "self.rows", "next"), site(both, "row.cells", "next")
    found = offsets(code_of(both), [outer, inner])
    assert list(found.values()) == [outer, inner]
    assert instructions(both, outer, inner) == ["FOR_ITER", "FOR_ITER"]


def test_a_call_stops_where_its_effect_begins() -> None:
    def append(self: Any) -> None:
        self.items.append(1)

    found = instructions(append, site(append, "self.items.append(1)", "call"))
    assert found == (["PRECALL"] if sys.version_info < (3, 12) else ["CALL"])


def test_globals_and_variables_of_an_enclosing_function_have_places() -> None:
    number = 0

    def add() -> int:
        nonlocal number
        number += len(KINDS)
        return number

    assert instructions(add, site(add, "number", "load nonlocal", 1)) == ["LOAD_DEREF"]
    assert instructions(add, site(add, "number", "store nonlocal", 1)) == ["STORE_DEREF"]
    assert instructions(add, site(add, "KINDS", "load global")) == ["LOAD_GLOBAL"]
    add()


def test_what_the_compiler_left_out_is_left_out_of_the_answer() -> None:
    def folded(self: Any) -> int:
        if 0:
            self.never = 1
        return 2 + 3

    assert instructions(folded, site(folded, "self.never", "store attribute"), site(folded, "2 + 3", "operator")) == []


def test_a_site_of_another_function_is_not_in_this_one() -> None:
    def first(self: Any) -> None:
        self.count = 1

    def second(self: Any) -> None:
        self.count = 1

    assert instructions(second, site(first, "self.count", "store attribute")) == []
