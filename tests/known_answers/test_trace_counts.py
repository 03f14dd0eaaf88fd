"""Numbers of Mazurkiewicz traces from published test suites, from an independent brute force, and from closed forms.

`golden/programs.md` says what each program is. Here every number of traces in the golden files is counted without going
through the traces; the closed forms reach sizes that no search can go through.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from math import factorial
from pathlib import Path
from typing import Any

import pytest

from simulator.program import Program
from simulator.trace import Outcome
from simulator.traces import count_traces
from tests.known_answers import programs

GOLDEN = Path(__file__).parent / "golden"
golden: dict[str, Any] = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
corpus: list[dict[str, Any]] = json.loads((GOLDEN / "corpus.json").read_text(encoding="utf-8"))

HOWS = {"finished": "ok", "deadlocked": "deadlock", "failed check": "bug"}


def told(*sections: str) -> list[tuple[str, str]]:
    return [(section, name) for section in sections for name in golden[section] if name not in programs.UNTOLD]


def by_how(program: Program) -> dict[str, int]:
    numbers: Counter[str] = Counter()
    for outcome, number in count_traces(program).outcomes.items():
        numbers[HOWS[outcome.how]] += number
    return dict(numbers)


def by_value(outcomes: Mapping[Outcome, int]) -> dict[int, int]:
    """Traces per final value of a counter, the one location there is."""
    return {outcome.memory[0][1]: number for outcome, number in outcomes.items()}


def stirling(n: int, k: int) -> int:
    """Unsigned, of the first kind: permutations of n with k cycles."""
    if n == k == 0:
        return 1
    return 0 if not n or not k else stirling(n - 1, k - 1) + (n - 1) * stirling(n - 1, k)


# -- the golden files


@pytest.mark.parametrize("name", golden["litmus_genmc"])
def test_litmus(name: str) -> None:
    entry = golden["litmus_genmc"][name]
    assert count_traces(programs.straight_line(entry["threads"].split(" || "))).traces == entry["traces"]


@pytest.mark.parametrize(("section", "name"), told("synthetic_genmc", "traps"))
def test_synthetic(section: str, name: str) -> None:
    assert count_traces(programs.named(name)).traces == golden[section][name]["traces"]


@pytest.mark.parametrize(("section", "name"), told("concuerror_nidhugg_mutex_dpu"))
def test_others_by_ending(section: str, name: str) -> None:
    assert by_how(programs.named(name)) == golden[section][name]["by"]


@pytest.mark.parametrize(("section", "name"), told("families", "sctbench_models"))
def test_families_and_models_by_ending(section: str, name: str) -> None:
    program, traces = programs.named(name), golden[section][name]["traces"]
    if name.startswith("LOCKED_COUNTER"):
        found = {str(value): number for value, number in by_value(count_traces(program).outcomes).items()}
    else:
        found = by_how(program)
    assert found == traces


@pytest.mark.parametrize("name", golden["counter"])
def test_counter_by_final_value(name: str) -> None:
    entry = golden["counter"][name]
    for same in (name, name.replace("COUNTER", "counter3")):  # The addition is a step that no trace depends on.
        census = count_traces(programs.named(same))
        assert census.traces == entry["traces"]
        assert {str(value): number for value, number in by_value(census.outcomes).items()} == entry["traces_by_final"]


@pytest.mark.parametrize("name", list(golden["bounded_preemption_coverage"]))
def test_programs_of_the_bounded_table(name: str) -> None:
    assert count_traces(programs.named(name)).traces == golden["bounded_preemption_coverage"][name]["total_traces"]


@pytest.mark.parametrize("name", list(golden["dpor_runs"]))
def test_programs_that_dpor_went_through(name: str) -> None:
    program = programs.named(name.removesuffix(":optimal").replace(",locked=True", ""))
    assert by_how(program) == golden["dpor_runs"][name]["outcomes"]


@pytest.mark.parametrize("number", range(len(corpus)), ids=[f"corpus {entry['id']}" for entry in corpus])
def test_corpus(number: int) -> None:
    entry = corpus[number]
    found = by_how(programs.straight_line(entry["threads"]))
    assert sum(found.values()) == entry["traces"]
    assert found.get("deadlock", 0) == entry["deadlock_traces"]


# -- closed forms, far beyond what can be gone through


@pytest.mark.parametrize("n", [2, 3, 7, 10])
def test_counter_traces_are_a_square_of_a_factorial_and_its_values_stirling_numbers(n: int) -> None:
    census = count_traces(programs.named(f"COUNTER({n},1)"))
    assert census.traces == factorial(n) ** 2
    assert by_value(census.outcomes) == {value: factorial(n) * stirling(n, value) for value in range(1, n + 1)}


def test_five_threads_that_increment_twice() -> None:
    assert count_traces(programs.named("COUNTER(5,2)")).traces == 9_727_708_920


@pytest.mark.parametrize(("name", "n"), [("PHIL", 10), ("PHIL", 20), ("BANK", 8), ("BANK", 16)])
def test_a_ring_of_locks_has_all_orientations_but_two_and_one_deadlock(name: str, n: int) -> None:
    assert by_how(programs.named(f"{name}({n})")) == {"ok": 2**n - 2, "deadlock": 1}
    assert by_how(programs.named(f"{name}({n})-ordered")) == {"ok": 2**n - 2}


@pytest.mark.parametrize("n", [4, 9, 12])
def test_readers_each_see_the_write_or_not(n: int) -> None:
    assert count_traces(programs.named(f"readers({n})")).traces == 2**n


@pytest.mark.parametrize("n", [2, 7, 13])
def test_last_zero(n: int) -> None:
    assert count_traces(programs.named(f"lastzero({n})")).traces == (n + 3) * 2 ** (n - 2)


@pytest.mark.parametrize("n", [5, 9])
def test_writers_and_updates_come_in_every_order(n: int) -> None:
    assert count_traces(programs.named(f"WRITERS({n})")).traces == factorial(n)
    assert count_traces(programs.named(f"ainc({n})")).traces == factorial(n)
    assert count_traces(programs.named(f"binc({n})")).traces == factorial(n) ** 2
    assert count_traces(programs.named(f"lockinc({n})")).traces == factorial(n)


@pytest.mark.parametrize(("n", "k"), [(3, 4), (6, 3), (20, 1)])
def test_increments_under_a_lock_come_in_every_order(n: int, k: int) -> None:
    census = count_traces(programs.named(f"LOCKED_COUNTER({n},{k})"))
    assert by_value(census.outcomes) == {n * k: factorial(n * k) // factorial(k) ** n}
