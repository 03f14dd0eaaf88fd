"""Counts from published test suites and papers, and from an independent brute force over every interleaving.

`golden/programs.md` says what each program is and what is counted. Here the same numbers come out three ways: from
the census, from naive enumeration where that is short, and from `histogram`, a count by preemptions that walks
`Machine.successors` and shares nothing else with either.

Where our states differ in number from the golden ones, it says why beside the name.
"""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from functools import cache
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

FAMILIES = {
    **{f"BANK({n})": programs.bank(n, ordered=False) for n in (2, 3, 4)},
    **{f"BANK({n})-ordered": programs.bank(n, ordered=True) for n in (2, 3, 4)},
    **{f"PHIL({n})": programs.philosophers(n, ordered=False) for n in (2, 3, 4)},
    **{f"PHIL({n})-ordered": programs.philosophers(n, ordered=True) for n in (2, 3, 4)},
    **{f"LOCKED_COUNTER(2,{k})": programs.locked_counter(2, k) for k in (1, 2, 3)},
    **{f"WRITERS({n})": programs.writers(n) for n in (2, 3, 4, 5, 6)},
    "GATELOCK": programs.gate_lock(),
    "GATED-CYCLE3": programs.gated_cycle(),
}
SCTBENCH = {
    "account": programs.account(),
    "bluetooth_driver": programs.bluetooth_driver(),
    "carter01": programs.carter01(),
    "deadlock01": programs.deadlock01(),
    "lazy01": programs.lazy01(),
    "reorder(2,1)": programs.reorder(2, 1),
    "twostage(1,1)": programs.two_stage(),
    "token_ring": programs.token_ring(),
}
SYNTHETIC = {
    **{f"CoA({n})": programs.coherence_of_a(n) for n in (1, 2)},
    # GenMC's N-writers(4) has six writers in all: 6! traces.
    "N-writers(4)": programs.writers(6),
    **{f"ainc({n})": programs.atomic_increments(n, "x") for n in (2, 3, 4)},
    **{f"binc({n})": programs.atomic_increments(n, "x", "y") for n in (2, 3)},
    **{f"rw/inc({n})": programs.counter(n, 1, add=False) for n in (2, 3)},
    **{f"cas({n})": programs.swaps(n) for n in (2, 3)},
    **{f"casrot({n})": programs.rotating_swaps(n) for n in (2, 3, 4)},
    **{f"casw({n})": programs.swaps_then_writes(n) for n in (2, 3)},
    **{f"wcas({n})": programs.write_and_swaps(n) for n in (2, 3, 4)},
    **{f"lockinc({n})": programs.locked_updates(n) for n in (2, 3, 4)},
    "readers(2)": programs.readers(2),
    **{f"wrw({n})": programs.write_read_write(n) for n in (2, 3)},
    "publish": programs.publish(),
}
OTHERS = {
    "POPL_optimal_example": programs.popl_optimal_example(),
    "sleeping_races_6": programs.sleeping_races(),
    "mutex_deadlock_2 (acquire, never release)": programs.acquire_and_never_release(2),
}


def by_how(numbers: dict[Any, Any]) -> dict[str, Any]:
    """Counts per outcome as the golden files keep them: "ok", "deadlock", "bug"."""
    summed: dict[str, Any] = {}
    for outcome, number in numbers.items():
        how = HOWS[outcome.how]
        summed[how] = summed.get(how, 0) + number
    return summed


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


def traces(program: Program) -> int:
    """How many Mazurkiewicz traces, by the canonical form of one interleaving after the other."""
    machine = Machine(program)
    return len({canonical_form(run_of(machine, found.schedule).events) for found in interleavings(machine)})


def total(numbers: Any) -> Any:
    return sum(numbers.values()) if isinstance(numbers, dict) else numbers


# -- the counter


def short(programs: dict[str, Program]) -> list[str]:
    """The names of those that can be gone through interleaving by interleaving."""
    return [name for name, program in programs.items() if count(program).interleavings <= TRACED]


def counters() -> list[tuple[int, int]]:
    return [tuple(map(int, name.removeprefix("COUNTER(")[:-1].split(","))) for name in golden["counter"]]  # type: ignore[misc]


@pytest.mark.parametrize(("n", "k"), counters())
@pytest.mark.parametrize("add", [True, False], ids=["three steps", "two steps"])
def test_counter_interleavings_per_final_value(n: int, k: int, add: bool) -> None:
    entry = golden["counter"][f"COUNTER({n},{k})"]
    census = count(programs.counter(n, k, add=add))
    assert census.interleavings == entry["il3" if add else "il2"]
    finals = {str(dict(outcome.memory)["c"]): number for outcome, number in census.outcomes.items()}
    assert finals == entry["dist3" if add else "dist2"]
    if add:
        odds = {str(dict(outcome.memory)["c"]): chance for outcome, chance in census.odds.items()}
        assert odds == {value: Fraction(chance) for value, chance in entry["rw3"].items()}


@pytest.mark.parametrize(("n", "k"), counters())
def test_counter_states(n: int, k: int) -> None:
    entry = golden["counter"][f"COUNTER({n},{k})"]
    assert graph_size(programs.counter(n, k, add=True), merge=True) == (entry["states3"], entry["edges3"])


@pytest.mark.parametrize(("n", "k"), [(2, 1), (2, 2), (2, 3), (3, 1)])
def test_counter_traces(n: int, k: int) -> None:
    assert traces(programs.counter(n, k, add=False)) == golden["counter"][f"COUNTER({n},{k})"]["traces"]


def test_the_twenty_interleavings_of_the_articles_counter() -> None:
    program = programs.counter(2, 1, add=True)
    machine = Machine(program)
    found = [
        f"{run.schedule} -> {run.final.memory['c']}"
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


def test_every_family_is_here() -> None:
    assert set(FAMILIES) == set(golden["families"])


@pytest.mark.parametrize("name", FAMILIES)
def test_family_counts(name: str) -> None:
    entry, program = golden["families"][name], FAMILIES[name]
    census = count(program)
    if name.startswith("LOCKED_COUNTER"):
        numbers = {str(dict(outcome.memory)["c"]): number for outcome, number in census.outcomes.items()}
        odds = {str(dict(outcome.memory)["c"]): chance for outcome, chance in census.odds.items()}
    else:
        numbers, odds = by_how(dict(census.outcomes)), by_how(dict(census.odds))
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
    assert traces(FAMILIES[name]) == total(golden["families"][name]["traces"])


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


@pytest.mark.parametrize("name", OTHERS)
def test_other_traces(name: str) -> None:
    entry = golden["concuerror_nidhugg_mutex_dpu"][name]
    assert traces(OTHERS[name]) == entry["traces"]
    assert set(by_how(dict(count(OTHERS[name]).outcomes))) == set(entry["by"])


def test_the_trap_program_has_thirty_six_traces() -> None:
    assert traces(programs.optimal_notdep_trap()) == golden["traps"]["optimal_notdep_trap"]["traces"]


# -- models of SCTBench


def test_every_model_is_here() -> None:
    assert set(SCTBENCH) == set(golden["sctbench_models"])


@pytest.mark.parametrize("name", SCTBENCH)
def test_model_counts(name: str) -> None:
    entry, program = golden["sctbench_models"][name], SCTBENCH[name]
    census = count(program)
    assert by_how(dict(census.outcomes)) == entry["interleavings"]
    assert by_how(dict(census.odds)) == {how: Fraction(chance) for how, (chance, _) in entry["random_walk"].items()}
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
    assert traces(SCTBENCH[name]) == total(golden["sctbench_models"][name]["traces"])


# -- moments that the alphabet can express: Knuth's estimator over the tree of the counter


def test_second_moment_of_knuths_estimator() -> None:
    """X is the product of the choices along a random walk; E[X] = interleavings, E[X²] = the sum of X over them."""
    entry = golden["knuth"]["counter3(2,1)"]
    machine = Machine(programs.counter(2, 1, add=True))
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
    assert by_how(dict(census.outcomes)).get("deadlock", 0) == entry["deadlock_interleavings"]
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
