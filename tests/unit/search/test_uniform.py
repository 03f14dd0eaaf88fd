"""Uniform interleavings: the ways to the end, counted and numbered."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from scenarios.counter import counter
from simulator.errors import EndlessError, LimitError
from simulator.machine import COMPACT, Machine
from simulator.ops import Pause, Read
from simulator.program import Program
from simulator.search.uniform import RankedInterleavings, uniform
from simulator.search.ways import END, ways_to_an_end


def wait():
    while (yield Read("x")) == 0:
        yield Pause()


def test_the_twenty_interleavings_of_two_incrementing_threads_by_number() -> None:
    # aaabbb aababb aabbab aabbba abaabb ababab ababba abbaab abbaba abbbaa, and as many that begin with b
    ranked = RankedInterleavings(Machine(counter.program(threads=2)))
    names = ["".join("ab"[thread] for thread in ranked.at(number).schedule) for number in range(ranked.total)]
    assert names[:4] == ["aaabbb", "aababb", "aabbab", "aabbba"]
    assert names[-1] == "bbbaaa"
    assert names == sorted(set(names))
    assert len(names) == 20


@pytest.mark.parametrize(
    ("threads", "increments", "total"),
    [(3, 1, 1680), (5, 1, 168_168_000), (3, 3, 227_873_431_500), (10, 1, 4_386_797_336_285_844_480_000_000)],
)
def test_totals_are_multinomials(threads: int, increments: int, total: int) -> None:
    ranked = RankedInterleavings(Machine(counter.program(threads=threads, increments=increments), bits=COMPACT))
    assert ranked.total == total
    last = ranked.at(total - 1)
    assert last.schedule == tuple(sorted(last.schedule, reverse=True))


def test_a_program_that_can_run_for_ever_needs_a_limit() -> None:
    machine = Machine(Program({"a": wait, "b": wait}, memory={"x": 0}))
    with pytest.raises(EndlessError, match="give max_steps"):
        uniform(machine, draw=random.Random(1).random)
    ranked = RankedInterleavings(machine, max_steps=5)
    assert ranked.total == 2**5
    assert all(ranked.at(number).cut for number in range(32))


def test_too_many_states_are_refused_and_not_guessed() -> None:
    machine = Machine(counter.program(threads=3))
    with pytest.raises(LimitError, match=r"more than 30 states \(max_states\)"):
        uniform(machine, draw=random.Random(1).random, max_states=30)
    assert RankedInterleavings(machine, max_states=60).total == 1680


def test_a_program_without_a_step_has_one_interleaving() -> None:
    def body():
        yield from ()

    (run,) = islice(uniform(Machine(Program({"a": body})), draw=random.Random(1).random), 1)
    assert (run.schedule, run.cut) == ((), False)


def test_ways_are_counted_once_for_each_node_and_dead_ends_have_none() -> None:
    # 0 -> 1, 1, 2;  1 -> 3, END;  2 -> nothing;  3 -> END
    graph = {0: [1, 1, 2], 1: [3, END], 2: [], 3: [END]}
    asked = []

    def expand(node: int) -> list[int]:
        asked.append(node)
        return graph[node]

    assert ways_to_an_end(0, expand, max_states=10) == {END: 1, 0: 4, 1: 2, 2: 0, 3: 1}
    assert sorted(asked) == [0, 1, 2, 3]


def test_a_cycle_is_found_wherever_it_is() -> None:
    graph = {0: [1, 2], 1: [END], 2: [3], 3: [1, 2]}
    with pytest.raises(EndlessError):
        ways_to_an_end(0, graph.__getitem__, max_states=10)
