"""Drawn programs are what they print, keep to what was asked for, and do not misuse their locks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from simulator import Program, UsageError, check, count, replay
from simulator.analysis.finding import Kind
from simulator.strategies import programs, schedules
from simulator.strategies.source import Simple, SourceProgram, source_of

every_kind = programs(rlocks=("k",), checks=True)


@given(every_kind)
def test_a_program_is_what_it_prints(program: Program) -> None:
    names: dict[str, Any] = {}
    exec(repr(program), names)
    typed_in: Program = names["program"]
    assert (typed_in.threads, typed_in.all_locks) == (program.threads, program.all_locks)
    assert typed_in.interchangeable() == program.interchangeable()
    assert count(typed_in).outcomes == count(program).outcomes


@given(st.data(), st.integers(1, 3), st.integers(0, 2), st.integers(1, 6))
def test_a_program_has_as_many_threads_and_operations_as_it_may(
    data: st.DataObject, low: int, more: int, operations: int
) -> None:
    program = data.draw(programs(threads=(low, low + more), operations=operations, rlocks=("k",), checks=True))
    assert low <= len(program.threads) <= low + more
    schedule = data.draw(schedules(program))
    assert max(map(schedule.count, program.threads)) <= operations


@given(programs(rlocks=("k",)))
def test_locks_are_given_back_and_not_misused(program: Program) -> None:
    assert check(program, kinds=[Kind.LOCK_MISUSE, Kind.CRASH], counted=False).findings == ()


@given(programs(threads=1, rlocks=("k",)))
def test_no_thread_waits_for_itself(program: Program) -> None:
    assert {outcome.how for outcome in count(program).outcomes} == {"finished"}


@settings(max_examples=30)
@given(st.data())
def test_what_is_switched_off_is_not_drawn(data: st.DataObject) -> None:
    words = {
        "atomics": "Update|CompareAndSwap",
        "try_locks": "TryAcquire",
        "branches": "if r",
        "loops": "for ",
        "checks": "Check",
        "endless": "while",
    }
    off = data.draw(st.sampled_from(sorted(words)))
    program = data.draw(programs(**{**dict.fromkeys(words, True), off: False}))
    assert not re.search(words[off], repr(program))


@pytest.mark.parametrize(
    "word",
    [
        *(
            "Read",
            "Write",
            r"\('x', r \+ 1",
            "Acquire",
            "Release",
            "TryAcquire",
            "Add",
            "Pause",
            "Update",
            "CompareAndSwap",
        ),
        *("if r ==", "else", "for _ in range", "Check", "finally", "while", "'t1': t0", "'t2': t1", "'k'.*'k'"),
    ],
)
def test_every_kind_of_statement_is_drawn(word: str) -> None:
    drawn = programs(rlocks=("k",), checks=True, endless=True)
    drawing = settings(max_examples=1000, phases=[Phase.generate])
    assert find(drawn, lambda program: re.search(word, repr(program), re.DOTALL) is not None, settings=drawing)


@given(st.data())
def test_a_program_of_no_locations_or_no_locks_is_one_all_the_same(data: st.DataObject) -> None:
    locations = data.draw(st.sampled_from([(), ("x",), (("balance", 1), ("balance", 2))]))
    locks = data.draw(st.sampled_from([(), ("l",), (("lock", 1), ("lock", 2), ("lock", 3))]))
    program = data.draw(programs(locations=locations, locks=locks, checks=True))
    assert (tuple(program.memory), program.all_locks) == (locations, locks)
    assert count(program).interleavings > 0


def test_a_failing_property_prints_the_program_it_failed_for() -> None:
    @settings(max_examples=200, database=None, derandomize=True)
    @given(programs())
    def nothing_is_ever_lost(program: Program) -> None:
        assert check(program, kinds=[Kind.LOST_UPDATE], counted=False).findings == ()

    with pytest.raises(AssertionError) as failure:
        nothing_is_ever_lost()
    shown = "\n".join(failure.value.__notes__)
    assert "    program=\n        from simulator import Program, Read, Write\n        \n        def t" in shown
    assert "r = yield Read('x')\n" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"threads": 0}, "threads is 0, expected a number from 1, or (least, most)"),
        ({"threads": (3, 2)}, "threads is (3, 2), expected a number from 1, or (least, most)"),
        ({"operations": 0}, "operations is 0, expected a number from 1"),
        ({"locks": (object,)}, "cannot be the name of a location or a lock here: programs are drawn as Python source"),
    ],
)
def test_arguments_that_no_program_can_be_made_of(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        programs(**arguments)


def test_like_blocks_are_one_function_unless_kept_apart() -> None:
    block = (Simple("yield Write('x', 1)"),)
    together = SourceProgram.of([block, block], memory={"x": 0})
    apart = SourceProgram.of([block, block], memory={"x": 0}, apart=True)
    assert together.interchangeable() == ((0, 1),)
    assert apart.interchangeable() == ((0,), (1,))
    assert count(together).outcomes == count(apart).outcomes


def test_lines_of_findings_are_lines_of_what_is_printed() -> None:
    program = SourceProgram.of([(Simple("yield Write('x', 1)"),)], memory={"x": 0})
    where = replay(program, "t0").events[0].where
    assert repr(program).splitlines()[where.line - 1].strip() == "yield Write('x', 1)"


def test_a_thread_that_yields_nothing_is_a_generator_all_the_same() -> None:
    assert source_of("t0", (Simple("return", 0),)) == "def t0():\n    return\n    yield from ()"
