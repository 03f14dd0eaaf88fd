"""Counts from published test suites and papers, and from an independent brute force over every interleaving.

`golden/programs.md` says what each program is and what is counted. Here the same numbers come out three ways: from
the census, from naive enumeration where that is short, and from `histogram`, a count by preemptions that walks
`Machine.successors` and shares nothing else with either.

Where our states differ in number from the golden ones, it says why beside the name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from simulator.analysis.riders import Riders
from simulator.census import count
from simulator.clocks import canonical_form
from simulator.explore import check
from simulator.machine import Machine
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.graph import StateGraph
from simulator.search.naive import interleavings
from simulator.search.replay import run_of
from simulator.trace import Outcome
from tests.conftest import PROFILE
from tests.known_answers import programs

GOLDEN = Path(__file__).parent / "golden"
golden: dict[str, Any] = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
corpus: list[dict[str, Any]] = json.loads((GOLDEN / "corpus.json").read_text(encoding="utf-8"))

ENUMERATED = 150_000
"""Interleavings that a test goes through one by one, at most."""
TRACED = 5_000 if PROFILE == "thorough" else 1_000
"""Interleavings that are brought to their canonical form one by one, at most. The thorough profile has the 5,000."""

HOWS = {"finished": "ok", "deadlocked": "deadlock", "failed check": "bug"}


def told(section: str) -> dict[str, Program]:
    """The programs of a section of the golden file, by name."""
    return {name: programs.named(name) for name in golden[section] if name not in programs.UNTOLD}


FAMILIES = told("families")
SCTBENCH = told("sctbench_models")
SYNTHETIC = told("synthetic_genmc")
OTHERS = told("concuerror_nidhugg_mutex_dpu")
BOUNDED = told("bounded_preemption_coverage")


def by_how(numbers: Mapping[Any, Any]) -> dict[str, Any]:
    """Counts per outcome as the golden files keep them: "ok", "deadlock", "bug"."""
    summed: dict[str, Any] = {}
    for outcome, number in numbers.items():
        how = HOWS[outcome.how]
        summed[how] = summed.get(how, 0) + number
    return summed


def by_value(numbers: Mapping[Any, Any]) -> dict[str, Any]:
    """Counts per final value of a counter, the one location there is."""
    return {str(outcome.memory[0][1]): number for outcome, number in numbers.items()}


def histogram(program: Program) -> dict[str, dict[str, int]]:
    """Interleavings per kind of ending and number of preemptions, from how many ways lead to (state, last thread)."""
    machine = Machine(program)
    layer: Counter[tuple[int, int, int]] = Counter({(machine.initial, -1, 0): 1})
    found: dict[str, dict[str, int]] = {}
    while layer:
        following: Counter[tuple[int, int, int]] = Counter()
        for (state, last, preemptions), ways in layer.items():
            choices = machine.successors(state)
            if not choices:
                of_ending = found.setdefault(HOWS[machine.outcome(state).how], {})
                of_ending[str(preemptions)] = of_ending.get(str(preemptions), 0) + ways
                continue
            still_enabled = any(thread == last for thread, _ in choices)
            for thread, reached in choices:
                following[reached, thread, preemptions + (still_enabled and thread != last)] += ways
        layer = following
    return found


def graph_size(program: Program, *, merge: bool) -> tuple[int, int]:
    """States and edges of the plain state graph: no detector rides."""
    machine = Machine(program, merge=merge)
    explored = StateGraph(machine, Riders(machine, ()), Budget()).run()
    return explored.states, explored.transitions


def endings(program: Program, *, most_preemptions: int | None = None) -> list[Outcome]:
    """How each Mazurkiewicz trace ends, by the canonical form of one interleaving after the other."""
    machine = Machine(program)
    found = {}
    for run in (run_of(machine, interleaving.schedule) for interleaving in interleavings(machine)):
        if most_preemptions is None or run.preemptions <= most_preemptions:
            assert run.outcome is not None
            found[canonical_form(run.events)] = run.outcome
    return list(found.values())


def traces(program: Program) -> int:
    return len(endings(program))


def traces_by_how(program: Program) -> dict[str, int]:
    return dict(Counter(HOWS[outcome.how] for outcome in endings(program)))


def traces_by_value(program: Program) -> dict[str, int]:
    return dict(Counter(str(outcome.memory[0][1]) for outcome in endings(program)))


# -- the counter


def short(programs: dict[str, Program]) -> list[str]:
    """The names of those that can be gone through interleaving by interleaving."""

    def more(program: Program) -> bool:
        return any(True for _ in islice(interleavings(Machine(program)), TRACED, None))

    return [name for name, program in programs.items() if not more(program)]


def counters() -> list[tuple[int, int]]:
    return [tuple(map(int, name.removeprefix("COUNTER(")[:-1].split(","))) for name in golden["counter"]]  # type: ignore[misc]


@pytest.mark.parametrize(("n", "k"), counters())
@pytest.mark.parametrize("add", [True, False], ids=["three steps", "two steps"])
def test_counter_interleavings_per_final_value(n: int, k: int, add: bool) -> None:
    entry = golden["counter"][f"COUNTER({n},{k})"]
    census = count(programs.named(f"counter3({n},{k})" if add else f"COUNTER({n},{k})"))
    assert census.interleavings == entry["il3" if add else "il2"]
    finals = by_value(census.outcomes)
    assert finals == entry["dist3" if add else "dist2"]
    if add:
        assert by_value(census.odds) == {value: Fraction(chance) for value, chance in entry["rw3"].items()}


@pytest.mark.parametrize(("n", "k"), counters())
def test_counter_states(n: int, k: int) -> None:
    entry = golden["counter"][f"COUNTER({n},{k})"]
    assert graph_size(programs.named(f"counter3({n},{k})"), merge=True) == (entry["states3"], entry["edges3"])


@pytest.mark.parametrize(("n", "k"), [(2, 1), (2, 2), (2, 3), (3, 1)])
def test_counter_traces(n: int, k: int) -> None:
    name = f"COUNTER({n},{k})"
    found = traces_by_value(programs.named(name))
    assert found == golden["counter"][name]["traces_by_final"]
    assert sum(found.values()) == golden["counter"][name]["traces"]


def test_the_twenty_interleavings_of_the_articles_counter() -> None:
    program = programs.named("counter3(2,1)")
    machine = Machine(program)
    found = [
        f"{run.schedule} -> {run.final.memory['count']}"
        for run in (run_of(machine, interleaving.schedule) for interleaving in interleavings(machine))
    ]
    assert found == [
        "t0*3 t1*3 -> 2",
        "t0*2 t1 t0 t1*2 -> 1",
        "t0*2 t1*2 t0 t1 -> 1",
        "t0*2 t1*3 t0 -> 1",
        "t0 t1 t0*2 t1*2 -> 1",
        "t0 t1 t0 t1 t0 t1 -> 1",
        "t0 t1 t0 t1*2 t0 -> 1",
        "t0 t1*2 t0*2 t1 -> 1",
        "t0 t1*2 t0 t1 t0 -> 1",
        "t0 t1*3 t0*2 -> 1",
        "t1 t0*3 t1*2 -> 1",
        "t1 t0*2 t1 t0 t1 -> 1",
        "t1 t0*2 t1*2 t0 -> 1",
        "t1 t0 t1 t0*2 t1 -> 1",
        "t1 t0 t1 t0 t1 t0 -> 1",
        "t1 t0 t1*2 t0*2 -> 1",
        "t1*2 t0*3 t1 -> 1",
        "t1*2 t0*2 t1 t0 -> 1",
        "t1*2 t0 t1 t0*2 -> 1",
        "t1*3 t0*3 -> 2",
    ]


# -- families


@pytest.mark.parametrize("name", FAMILIES)
def test_family_counts(name: str) -> None:
    entry, program = golden["families"][name], FAMILIES[name]
    census = count(program)
    if name.startswith("LOCKED_COUNTER"):
        numbers, odds = by_value(census.outcomes), by_value(census.odds)
    else:
        numbers, odds = by_how(census.outcomes), by_how(census.odds)
    assert numbers == entry["interleavings"]
    assert odds == {how: Fraction(chance) for how, chance in entry["rw"].items()}


@pytest.mark.parametrize("name", FAMILIES)
def test_family_states(name: str) -> None:
    entry = golden["families"][name]
    assert graph_size(FAMILIES[name], merge=True) == (entry["states"], entry["edges"])


@pytest.mark.parametrize("name", [name for name in FAMILIES if "preemptions" in golden["families"][name]])
def test_family_preemptions(name: str) -> None:
    assert histogram(FAMILIES[name]) == golden["families"][name]["preemptions"]


@pytest.mark.parametrize("name", short(FAMILIES))
def test_family_traces(name: str) -> None:
    found = traces_by_value(FAMILIES[name]) if name.startswith("LOCKED_COUNTER") else traces_by_how(FAMILIES[name])
    assert found == golden["families"][name]["traces"]


@pytest.mark.parametrize("name", FAMILIES)
def test_family_findings(name: str) -> None:
    report = check(FAMILIES[name])
    assert report.complete
    titles = {finding.title for finding in report.findings}
    if name.startswith(("BANK", "PHIL")) and not name.endswith("-ordered"):
        letter = "l" if name.startswith("BANK") else "f"
        locks = ", ".join(f"{letter}[{i}]" for i in range(int(name[5])))
        assert titles == {f"deadlock on {locks}", f"lock-order cycle on {locks} (realised)"}
    elif name.startswith("WRITERS"):
        assert titles == {"data race on x"}
    else:
        # The gate lock keeps both cycles apart, and every other program here is free of findings too.
        assert titles == set()


# -- litmus tests


@pytest.mark.parametrize("name", golden["litmus_genmc"])
def test_litmus(name: str) -> None:
    entry = golden["litmus_genmc"][name]
    program = programs.straight_line(entry["threads"].split(" || "))
    assert count(program).interleavings == entry["interleavings"]
    if entry["interleavings"] <= TRACED:
        assert traces(program) == entry["traces"]


# -- synthetic benchmarks and others, whose traces are known


@pytest.mark.parametrize("name", short(SYNTHETIC))
def test_synthetic_traces(name: str) -> None:
    assert traces(SYNTHETIC[name]) == golden["synthetic_genmc"][name]["traces"]


@pytest.mark.parametrize("name", short(OTHERS))
def test_other_traces(name: str) -> None:
    assert traces_by_how(OTHERS[name]) == golden["concuerror_nidhugg_mutex_dpu"][name]["by"]


@pytest.mark.parametrize("name", OTHERS)
def test_others_end_as_they_are_known_to(name: str) -> None:
    assert set(by_how(count(OTHERS[name]).outcomes)) == set(golden["concuerror_nidhugg_mutex_dpu"][name]["by"])


def test_only_programs_that_are_told_nowhere_are_left_out() -> None:
    assert set(golden["concuerror_nidhugg_mutex_dpu"]) >= programs.UNTOLD


@pytest.mark.parametrize("name", BOUNDED)
def test_traces_within_a_number_of_preemptions(name: str) -> None:
    entry = golden["bounded_preemption_coverage"][name]
    ways: Counter[int] = Counter()
    for by_preemptions in histogram(BOUNDED[name]).values():
        ways.update({int(preemptions): number for preemptions, number in by_preemptions.items()})
    for bound in entry["bounds"]:
        outcomes = endings(BOUNDED[name], most_preemptions=bound["c"])
        assert sum(number for preemptions, number in ways.items() if preemptions <= bound["c"]) == bound["schedules"]
        assert dict(Counter(HOWS[outcome.how] for outcome in outcomes)) == bound["by"]
        assert len(outcomes) == bound["traces"]
    assert traces(BOUNDED[name]) == entry["total_traces"]


def test_the_trap_program_has_thirty_six_traces() -> None:
    assert traces(programs.named("optimal_notdep_trap")) == golden["traps"]["optimal_notdep_trap"]["traces"]


# -- models of SCTBench


@pytest.mark.parametrize("name", SCTBENCH)
def test_model_counts(name: str) -> None:
    entry, program = golden["sctbench_models"][name], SCTBENCH[name]
    census = count(program)
    assert by_how(census.outcomes) == entry["interleavings"]
    assert by_how(census.odds) == {how: Fraction(chance) for how, (chance, _) in entry["random_walk"].items()}
    assert histogram(program) == entry["preemptions"]


# The golden models keep a thread's registers until it ends; we merge places that differ only in a register that is
# never read again.
FEWER_STATES = {"bluetooth_driver": 57, "reorder(2,1)": 51}


@pytest.mark.parametrize("name", SCTBENCH)
def test_model_states(name: str) -> None:
    states, _ = graph_size(SCTBENCH[name], merge=True)
    assert states == FEWER_STATES.get(name, golden["sctbench_models"][name]["states"])


@pytest.mark.parametrize("name", SCTBENCH)
def test_model_witness_has_the_fewest_preemptions(name: str) -> None:
    fewest = golden["sctbench_models"][name]["min_preemptions"]
    kinds = {"bug": "failed check", "deadlock": "deadlock"}
    report = check(SCTBENCH[name])
    for how, preemptions in fewest.items():
        witnesses = [finding for finding in report.findings if finding.kind == kinds[how]]
        assert min(finding.preemptions for finding in witnesses if finding.preemptions is not None) == preemptions
        assert all(finding.shortest for finding in witnesses)


@pytest.mark.parametrize("name", SCTBENCH)
def test_model_traces(name: str) -> None:
    assert traces_by_how(SCTBENCH[name]) == golden["sctbench_models"][name]["traces"]


# -- moments that the alphabet can express: Knuth's estimator over the tree of the counter


def test_second_moment_of_knuths_estimator() -> None:
    """X is the product of the choices along a random walk; E[X] = interleavings, E[X²] = the sum of X over them."""
    entry = golden["knuth"]["counter3(2,1)"]
    machine = Machine(programs.named("counter3(2,1)"))
    products = []
    for found in interleavings(machine):
        state, product = machine.initial, 1
        for thread in found.schedule:
            product *= len(machine.enabled(state))
            state, _ = machine.step(state, thread)
        products.append(product)
    assert sum(Fraction(1, product) for product in products) == 1
    assert len(products) == entry["N"]
    assert sum(products) == entry["E_X2"]


# -- the corpus


@cache
def corpus_program(number: int) -> Program:
    return programs.straight_line(corpus[number]["threads"])


def outcome_name(outcome: Any) -> str:
    return ",".join([HOWS[outcome.how], *(str(value) for _, value in sorted(outcome.memory))])


def of_corpus(most: int) -> pytest.MarkDecorator:
    """The corpus programs with at most that many interleavings."""
    chosen = [number for number, entry in enumerate(corpus) if entry["interleavings"] <= most]
    return pytest.mark.parametrize("number", chosen, ids=[f"corpus {corpus[number]['id']}" for number in chosen])


CORPUS = of_corpus(ENUMERATED)


@CORPUS
def test_corpus_census(number: int) -> None:
    entry = corpus[number]
    census = count(corpus_program(number))
    assert census.interleavings == entry["interleavings"]
    assert by_how(census.outcomes).get("deadlock", 0) == entry["deadlock_interleavings"]
    assert {outcome_name(outcome): ways for outcome, ways in census.outcomes.items()} == entry["finals"]
    assert histogram(corpus_program(number)) == entry["by_preemptions"]


@CORPUS
def test_corpus_enumeration_counts_what_the_census_counts(number: int) -> None:
    entry = corpus[number]
    machine = Machine(corpus_program(number))
    ended = Counter(found.state for found in interleavings(machine))
    finals: Counter[str] = Counter()
    for state, ways in ended.items():
        finals[outcome_name(machine.outcome(state))] += ways
    assert finals == entry["finals"]
    assert finals.total() == count(corpus_program(number)).interleavings


def test_the_whole_corpus_is_here() -> None:
    assert len(corpus) == 150
    assert all(entry["interleavings"] <= ENUMERATED for entry in corpus)


@of_corpus(TRACED)
def test_corpus_traces(number: int) -> None:
    assert traces(corpus_program(number)) == corpus[number]["traces"]


@CORPUS
def test_corpus_deadlocks_are_found_exactly_where_there_are_some(number: int) -> None:
    report = check(corpus_program(number))
    assert report.complete
    found = any(finding.kind == "deadlock" for finding in report.findings)
    assert found == bool(corpus[number]["deadlock_interleavings"])


def test_run_preemptions_agree_with_the_histogram() -> None:
    """`Run.preemptions`, one run at a time, against the count that walks states."""
    for number, entry in enumerate(corpus):
        if entry["interleavings"] > 60:
            continue
        machine = Machine(corpus_program(number))
        found: dict[str, Counter[str]] = {}
        for interleaving in interleavings(machine):
            run = run_of(machine, interleaving.schedule)
            assert run.outcome is not None
            found.setdefault(HOWS[run.outcome.how], Counter())[str(run.preemptions)] += 1
        assert found == entry["by_preemptions"]
