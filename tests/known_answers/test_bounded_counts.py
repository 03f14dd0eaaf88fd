"""Interleavings by preemptions and by delays, from published suites and from an independent brute force.

The convention that gives all of the golden numbers (for one program see GATED_CYCLE_ORDER): before the first step
nobody can be preempted, and round robin starts with the first thread; where the last thread is blocked or has ended,
its turn goes to the next enabled one after it, in a circle. Each number comes out twice, from the exact count and, where
that is short, from bounded search.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from simulator.census_by import count_by
from simulator.clocks import canonical_form
from simulator.machine import Machine
from simulator.ops import Write
from simulator.program import Program
from simulator.search.bounded import BoundedSearch, Cost
from simulator.search.replay import run_of
from tests.known_answers import programs
from tests.known_answers.test_known_answers import BOUNDED, FAMILIES, HOWS, SCTBENCH, corpus, golden

WALKED = 5_000
"""Interleavings that a search goes through one by one, at most."""

FIGURES = {
    (section, name, cost): golden[section][name][cost.value]
    for section, known in (("families", FAMILIES), ("sctbench_models", SCTBENCH))
    for name in known
    for cost in Cost
    if cost.value in golden[section][name]
}

# Delays depend on the order of the threads, and the golden file does not say that of GATED-CYCLE3. Of the six orders this
# one alone has its numbers; preemptions are the same in each.
GATED_CYCLE_ORDER = ["L g; L b; L c; U c; U b; U g", "L c; L a; U a; U c", "L g; L a; L b; U b; U a; U g"]


def program_of(section: str, name: str, cost: Cost) -> Program:
    if name == "GATED-CYCLE3" and cost is Cost.DELAYS:
        return programs.straight_line(GATED_CYCLE_ORDER)
    return (FAMILIES if section == "families" else SCTBENCH)[name]


def counted(program: Program, cost: Cost) -> dict[str, dict[str, int]]:
    """The exact count as the golden files keep it."""
    found: dict[str, Counter[str]] = {}
    for outcome, numbers in count_by(program, cost).by_outcome.items():
        found.setdefault(HOWS[outcome.how], Counter()).update({str(price): ways for price, ways in numbers.items()})
    return {how: dict(numbers) for how, numbers in found.items()}


def searched(program: Program, cost: Cost) -> dict[str, dict[str, int]]:
    """The same from the search, one interleaving after the other. A level is noted when its last one was given."""
    machine = Machine(program)
    search = BoundedSearch(machine, cost=cost)
    found: dict[str, Counter[str]] = {}
    for each in search:
        found.setdefault(HOWS[machine.outcome(each.state).how], Counter())[str(len(search.levels))] += 1
    assert search.complete
    return {how: dict(numbers) for how, numbers in found.items()}


@pytest.mark.parametrize(("section", "name", "cost"), FIGURES)
def test_interleavings_by_cost(section: str, name: str, cost: Cost) -> None:
    program, expected = program_of(section, name, cost), FIGURES[section, name, cost]
    assert counted(program, cost) == expected
    if sum(sum(numbers.values()) for numbers in expected.values()) <= WALKED:
        assert searched(program, cost) == expected


def test_the_golden_file_has_both_costs_of_many_programs() -> None:
    for cost in Cost:
        assert sum(each is cost for _, _, each in FIGURES) >= 27


@pytest.mark.parametrize("name", SCTBENCH)
@pytest.mark.parametrize("cost", Cost)
def test_the_first_bug_that_the_search_comes_to_has_the_lowest_cost_there_is(name: str, cost: Cost) -> None:
    fewest = golden["sctbench_models"][name][f"min_{cost}"]
    assert fewest
    machine = Machine(SCTBENCH[name])
    for how, lowest in fewest.items():
        search = BoundedSearch(machine, cost=cost)
        first = next(each for each in search if HOWS[machine.outcome(each.state).how] == how)
        assert len(search.levels) == lowest
        if cost is Cost.PREEMPTIONS:
            assert run_of(machine, first.schedule).preemptions == lowest


@pytest.mark.parametrize("entry", corpus, ids=lambda entry: str(entry["id"]))
def test_random_straight_line_programs_by_preemptions(entry: dict[str, object]) -> None:
    program = programs.straight_line(entry["threads"])  # type: ignore[arg-type]
    assert counted(program, Cost.PREEMPTIONS) == entry["by_preemptions"]
    if entry["interleavings"] <= 500:  # type: ignore[operator]
        assert searched(program, Cost.PREEMPTIONS) == entry["by_preemptions"]


@pytest.mark.parametrize("name", BOUNDED)
def test_schedules_and_traces_within_a_bound_on_preemptions(name: str) -> None:
    entry = golden["bounded_preemption_coverage"][name]
    machine = Machine(BOUNDED[name])
    for within in entry["bounds"]:
        search = BoundedSearch(machine, within["c"])
        traces: dict[object, str] = {}
        schedules = 0
        for each in search:
            schedules += 1
            traces[canonical_form(run_of(machine, each.schedule).events)] = HOWS[machine.outcome(each.state).how]
        assert schedules == within["schedules"] == sum(level.interleavings for level in search.levels)
        assert len(traces) == within["traces"]
        assert Counter(traces.values()) == within["by"]
    # The last bound of each entry is the first that meets every trace.
    assert len(traces) == entry["total_traces"]


def test_six_writers_within_each_number_of_delays() -> None:
    """Published: Concuerror's bounding_tests/writers."""
    published = golden["delay_bounded"]["6 single-write threads, cumulative delays 0..7"][
        "published Concuerror bounding_tests/writers"
    ]

    def write(value: int):  # type: ignore[no-untyped-def]
        yield Write("x", value)

    program = Program({f"t{number}": partial(write, number) for number in range(6)}, memory={"x": 0})
    by_delays = count_by(program, Cost.DELAYS)
    assert [by_delays.within(bound) for bound in range(8)] == published
    assert [sum(1 for _ in BoundedSearch(Machine(program), bound, cost=Cost.DELAYS)) for bound in range(8)] == published
