"""Numbers of Mazurkiewicz traces, gone through by optimal DPOR: as many runs as published, no two of them the same trace.

`test_trace_counts` counts the same programs without going through them; `golden/programs.md` says what each one is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator
from math import factorial
from pathlib import Path
from typing import Any

import pytest

from simulator.machine import Machine
from simulator.ops import Operation, Update
from simulator.program import Program
from simulator.search.budget import Stop
from simulator.search.distinct import TraceKeys
from simulator.search.dpor import Dpor
from simulator.trace import Outcome
from simulator.traces import count_traces
from tests.known_answers import programs

GOLDEN = Path(__file__).parent / "golden"
golden: dict[str, Any] = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
corpus: list[dict[str, Any]] = json.loads((GOLDEN / "corpus.json").read_text(encoding="utf-8"))

HOWS = {"finished": "ok", "deadlocked": "deadlock", "failed check": "bug"}


def told(*sections: str) -> list[tuple[str, str]]:
    return [(section, name) for section in sections for name in golden[section] if name not in programs.UNTOLD]


def gone_through(program: Program) -> Counter[Outcome]:
    """Runs by outcome. Each is another trace, and they are all."""
    machine = Machine(program)
    keys = TraceKeys(machine)
    search = Dpor(machine)
    seen: set[bytes] = set()
    ends: Counter[int] = Counter()
    for run in search.runs():
        seen.add(keys.key(run.schedule))
        ends[run.state] += 1
    assert search.stop is Stop.COMPLETE
    assert len(seen) == ends.total()
    outcomes: Counter[Outcome] = Counter()
    for state, number in ends.items():
        outcomes[machine.outcome(state)] += number
    return outcomes


def by_how(program: Program) -> dict[str, int]:
    numbers: Counter[str] = Counter()
    for outcome, number in gone_through(program).items():
        numbers[HOWS[outcome.how]] += number
    return dict(numbers)


def by_value(program: Program) -> dict[str, int]:
    """Runs per final value of a counter, the one location there is."""
    return {str(outcome.memory[0][1]): number for outcome, number in gone_through(program).items()}


# -- the golden files


@pytest.mark.parametrize("name", golden["litmus_genmc"])
def test_litmus(name: str) -> None:
    entry = golden["litmus_genmc"][name]
    assert by_how(programs.straight_line(entry["threads"].split(" || "))) == {"ok": entry["traces"]}


@pytest.mark.parametrize(("section", "name"), told("synthetic_genmc", "traps"))
def test_synthetic(section: str, name: str) -> None:
    assert by_how(programs.named(name)) == {"ok": golden[section][name]["traces"]}


@pytest.mark.parametrize(("section", "name"), told("concuerror_nidhugg_mutex_dpu"))
def test_others_by_ending(section: str, name: str) -> None:
    assert by_how(programs.named(name)) == golden[section][name]["by"]


@pytest.mark.parametrize(("section", "name"), told("families", "sctbench_models"))
def test_families_and_models_by_ending(section: str, name: str) -> None:
    found = (by_value if name.startswith("LOCKED_COUNTER") else by_how)(programs.named(name))
    assert found == golden[section][name]["traces"]


@pytest.mark.parametrize("name", golden["counter"])
def test_counter_by_final_value(name: str) -> None:
    for same in (name, name.replace("COUNTER", "counter3")):  # The addition is a step that no trace depends on.
        assert by_value(programs.named(same)) == golden["counter"][name]["traces_by_final"]


@pytest.mark.parametrize("name", golden["bounded_preemption_coverage"])
def test_programs_of_the_bounded_table(name: str) -> None:
    total = golden["bounded_preemption_coverage"][name]["total_traces"]
    assert gone_through(programs.named(name)).total() == total


@pytest.mark.parametrize("name", golden["dpor_runs"])
def test_programs_that_another_dpor_went_through(name: str) -> None:
    program = programs.named(name.removesuffix(":optimal").replace(",locked=True", ""))
    assert by_how(program) == golden["dpor_runs"][name]["outcomes"]


@pytest.mark.parametrize("number", range(len(corpus)), ids=[f"corpus {entry['id']}" for entry in corpus])
def test_corpus(number: int) -> None:
    entry = corpus[number]
    found = by_how(programs.straight_line(entry["threads"]))
    assert sum(found.values()) == entry["traces"]
    assert found.get("deadlock", 0) == entry["deadlock_traces"]


# -- closed forms


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_counter_traces_are_a_square_of_a_factorial(n: int) -> None:
    assert gone_through(programs.named(f"COUNTER({n},1)")).total() == factorial(n) ** 2


@pytest.mark.parametrize("n", [2, 5, 10])
@pytest.mark.parametrize("name", ["PHIL", "BANK"])
def test_a_ring_of_locks_has_all_orientations_but_two_and_one_deadlock(name: str, n: int) -> None:
    assert by_how(programs.named(f"{name}({n})")) == {"ok": 2**n - 2, "deadlock": 1}
    assert by_how(programs.named(f"{name}({n})-ordered")) == {"ok": 2**n - 2}


@pytest.mark.parametrize("n", [1, 4, 8, 11])
def test_readers_each_see_the_write_or_not(n: int) -> None:
    assert by_how(programs.named(f"readers({n})")) == {"ok": 2**n}


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_last_zero(n: int) -> None:
    assert by_how(programs.named(f"lastzero({n})")) == {"ok": (n + 3) * 2 ** (n - 2)}


@pytest.mark.parametrize("n", [1, 3, 6, 7])
def test_writers_and_updates_come_in_every_order(n: int) -> None:
    assert by_how(programs.named(f"WRITERS({n})")) == {"ok": factorial(n)}
    assert by_how(programs.named(f"ainc({n})")) == {"ok": factorial(n)}
    assert by_how(programs.named(f"lockinc({n})")) == {"ok": factorial(n)}


@pytest.mark.parametrize(("n", "k"), [(2, 3), (3, 2), (2, 5), (6, 1)])
def test_increments_under_a_lock_come_in_every_order(n: int, k: int) -> None:
    assert by_value(programs.named(f"LOCKED_COUNTER({n},{k})")) == {str(n * k): factorial(n * k) // factorial(k) ** n}


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_steps_that_fail_only_read_and_come_in_no_order(n: int) -> None:
    # Any thread may be the first to try the lock, or to swap; the others fail, in no order.
    assert by_how(programs.straight_line(["T m"] * n)) == {"ok": n}
    assert by_how(programs.straight_line(["CAS x 0 1"] * n)) == {"ok": n}
    assert by_how(programs.straight_line(["CAS x 5 1"] * n)) == {"ok": 1}

    def divide() -> Generator[Operation, Any, None]:
        yield Update("x", lambda value: 1 // value)

    raising = Program({f"t{number}": divide for number in range(n)}, memory={"x": 0})
    assert [(outcome.how, number) for outcome, number in gone_through(raising).items()] == [("crashed", 1)]


@pytest.mark.parametrize(
    "name", ["COUNTER(3,2)", "CoA(4)", "casrot(5)", "wcas(5)", "publish", "mpat(4)", "account", "twostage"]
)
def test_each_outcome_has_as_many_runs_as_are_counted(name: str) -> None:
    program = programs.named(name)
    assert gone_through(program) == count_traces(program).outcomes
