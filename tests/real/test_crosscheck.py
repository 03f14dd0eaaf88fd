"""The three facts beside each other. Natural frequency is never asserted: only what every run guarantees."""

from __future__ import annotations

import json
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulator.analysis.finding import Kind, Status
from simulator.errors import UsageError
from simulator.explore import check
from simulator.loading import load
from simulator.ops import Read, Write
from simulator.program import Program
from simulator.real.baton import force
from simulator.real.crosscheck import (
    CrossCheck,
    ForcedRun,
    beyond,
    crosscheck,
    force_bodies,
    schedules_by_outcome,
    wilson,
)
from simulator.real.interpreters import Interpreter, find
from simulator.real.natural import Batch
from simulator.search.budget import Budget
from simulator.source.granularity import granularity_for
from simulator.trace import Outcome, Schedule

pytestmark = pytest.mark.real

FILE = """
from simulator.ops import Add, Read, Write
from simulator.program import Program
from simulator.scenario import Plain, scenario

class Counter:
    count = 0
    other = "not in the model"

def increment():
    value = yield Read("count")
    value = yield Add(value, 1)
    yield Write("count", value)

@scenario(summary="Two increments.")
def right(by: int = 1) -> Program:
    return Program({"a": increment, "b": increment}, memory={"count": 0, "unobserved": 7})

@scenario(summary="The plain version does something else.")
def wrong(by: int = 1) -> Program:
    return Program({"a": increment, "b": increment}, memory={"count": 0})

def of(step):
    def plain(by):
        def work(counter):
            counter.count += step
        return Plain(
            Counter,
            lambda counter: {"a": lambda: work(counter), "b": lambda: work(counter)},
            lambda counter: {"count": counter.count, "other": counter.other},
            globals(),
        )
    return plain

right.as_plain(of(1))
wrong.as_plain(of(5))
program = Program({"a": increment, "b": increment}, memory={"count": 0})
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(FILE)
    return str(tmp_path / "mine.py")


def finished(count: int, **others: int) -> Outcome:
    return Outcome("finished", (("count", count), *others.items()))


def test_the_three_facts_about_two_increments(path: str) -> None:
    progress: list[tuple[str, int, int]] = []
    found = crosscheck(load(f"{path}:right"), {}, runs=10, progress=lambda *told: progress.append(told))
    assert found.ok
    # Possible: of the twenty interleavings, eighteen lose one of the two increments.
    assert found.possible == {finished(1, unobserved=7): 18, finished(2, unobserved=7): 2}
    assert (found.interleavings, found.complete) == (20, True)
    # Forced: every finding and every outcome, each as the model says.
    shown = [what for run in found.forced for what in run.shows]
    assert "lost update on count" in shown
    assert {"outcome count=1 unobserved=7", "outcome count=2 unobserved=7"} <= set(shown)
    assert all(run.agrees for run in found.forced)
    # Observed: ten runs, each with an outcome that was predicted; compared on what both know.
    (batch,) = found.natural
    assert sum(row.times for row in found.observed(batch)) == 10
    assert all(row.predicted for row in found.observed(batch))
    assert len(found.not_seen) + len(found.observed(batch)) == 2
    # One table: each outcome with the three facts about it.
    assert [row.interleavings for row in found.rows] == [18, 2]
    assert all(row.possible and row.forced for row in found.rows)
    assert sum(seen.times for row in found.rows for seen in row.observed) == 10
    assert [told for told in progress if told[0] == "observed"][-1] == ("observed", 10, 10)


def test_an_outcome_that_the_model_does_not_have_is_a_bug_in_the_model(path: str) -> None:
    found = crosscheck(load(f"{path}:wrong"), {}, runs=3)
    assert not found.ok
    assert {dict(seen.outcome.memory)["count"] for seen in found.not_predicted} <= {5, 10}
    assert "The model is WRONG: it does not have count=" in str(found)
    assert "NOT POSSIBLE" in str(found)
    assert found.to_dict()["ok"] is False


def test_an_outcome_that_the_model_does_not_have_comes_with_the_log_of_a_run(path: str) -> None:
    found = crosscheck(load(f"{path}:wrong"), {}, runs=3)
    first = found.not_predicted[0]
    assert first.log.number == 1
    assert {thread: end.how for thread, end in first.log.run.ends.items()} == {"a": "finished", "b": "finished"}
    assert f"Run 1 on {found.interpreter} ended as {first.outcome}:\n  a finished\n  b finished" in str(found)
    assert found.to_dict()["not_predicted"][0]["log"]["threads"]["a"]["ended"] == "finished"


class ForgetfulMemory(dict[Hashable, Any]):
    """Memory that keeps only even numbers."""

    def __setitem__(self, location: Hashable, value: Any) -> None:
        super().__setitem__(location, value - value % 2)


def test_real_memory_that_does_something_else_is_noticed(path: str) -> None:
    loaded = load(f"{path}:program")
    found = crosscheck(loaded, {}, runs=1, forcing=force_bodies(loaded.program(), ForgetfulMemory))
    assert not found.ok
    assert found.disagreements
    assert "DIFFER at step" in str(found)


def test_a_program_without_a_plain_version_is_only_forced(path: str) -> None:
    found = crosscheck(load(f"{path}:program"), {}, runs=5)
    assert found.ok
    assert found.natural == found.not_seen == ()
    assert any("no plain Python version" in note for note in found.notes)
    assert "with the GIL" not in str(found).split("Forced on")[0]


def test_the_unsafe_bank_ends_by_itself_and_its_deadlock_is_forced() -> None:
    found = crosscheck(load("scenarios.bank:bank"), {}, runs=20)
    assert found.ok
    (batch,) = found.natural
    assert batch.done == 20
    deadlocks = [run for run in found.forced if any(what.startswith("deadlock on") for what in run.shows)]
    assert [run.outcome.how for run in deadlocks if run.outcome is not None] == ["deadlocked"]


def test_both_orders_of_the_unsafe_bank_s_locks_are_reported_whether_or_not_a_run_deadlocked() -> None:
    found = crosscheck(load("scenarios.bank:bank"), {"pause": 0.0}, runs=20)
    (cycle,) = found.cycles
    assert cycle.finding.objects == ("bank.accounts[1].lock", "bank.accounts[2].lock")
    assert cycle.finding.threads == ("t0", "t1")
    assert 0 <= cycle.deadlocked <= cycle.runs <= 20
    assert (cycle.status is Status.REALISED) == (cycle.deadlocked > 0)
    assert f"in {cycle.runs} of 20 natural runs" in " ".join(str(found).split())


NESTED = """
import threading
from simulator.ops import Acquire, Release
from simulator.program import Program
from simulator.scenario import Plain, scenario

class Pair:
    def __init__(self):
        self.first = threading.Lock()
        self.second = threading.Lock()
        self.gate = threading.Lock()

def nested(*locks):
    for lock in locks:
        yield Acquire(lock)
    for lock in reversed(locks):
        yield Release(lock)

@scenario(summary="Two locks in two orders.")
def pair(gated: bool = False, knows: bool = True) -> Program:
    outer = ("gate",) if gated else ()
    second = ("second", "first") if knows else ("first", "second")
    return Program(
        {"a": lambda: nested(*outer, "first", "second"), "b": lambda: nested(*outer, *second)},
        locks=["first", "second", "gate"],
    )

def take(first, second):
    with first, second:
        pass

def take_gated(gate, first, second):
    with gate, first, second:
        pass

def one_after_the_other(pair, gated):
    # The second thread waits for the first to end, so that no run ever deadlocks.
    over = threading.Event()
    def a():
        take_gated(pair.gate, pair.first, pair.second) if gated else take(pair.first, pair.second)
        over.set()
    def b():
        over.wait(20)
        take_gated(pair.gate, pair.second, pair.first) if gated else take(pair.second, pair.first)
    return {"a": a, "b": b}

@pair.as_plain
def plain_pair(gated, knows):
    return Plain(Pair, lambda pair: one_after_the_other(pair, gated), lambda pair: {}, globals())
"""


@pytest.mark.parametrize(
    ("values", "status", "said"),
    [
        ({}, Status.REALISED, "which the model calls realised"),
        ({"knows": False}, None, "which the model does NOT have"),
        ({"gated": True}, "no cycle", ""),
    ],
)
def test_a_natural_lock_order_cycle_without_a_deadlock_is_classified_by_the_model(
    tmp_path: Path, values: dict[str, Any], status: object, said: str
) -> None:
    (tmp_path / "nested.py").write_text(NESTED)
    found = crosscheck(load(f"{tmp_path}/nested.py:pair"), values, runs=3)
    assert found.natural[0].deadlocks == {}
    cycles = [(cycle.status, cycle.said, cycle.runs, cycle.deadlocked) for cycle in found.cycles]
    assert cycles == ([] if status == "no cycle" else [(status, said, 3, 0)])


def test_the_ordered_bank_never_deadlocks() -> None:
    found = crosscheck(load("scenarios.bank:bank"), {"strategy": "ordered"}, runs=20)
    assert found.ok
    assert [str(outcome) for outcome in found.natural[0].outcomes] == ["balance[1]=800 balance[2]=1200"]
    assert not found.not_seen
    assert not found.cycles


def test_a_search_that_was_cut_calls_nothing_unpredicted(path: str) -> None:
    loaded = load(f"{path}:wrong")
    program = loaded.program()
    report = check(program, budget=Budget(max_steps=2))
    found = crosscheck(loaded, {}, runs=2, report=report)
    if not found.complete:
        assert found.ok
        assert any("not all known" in note for note in found.notes)


def test_ctrl_c_while_forcing_keeps_what_there_is(path: str) -> None:
    def interrupt(what: str, done: int, _: int) -> None:
        if (what, done) == ("forced", 1):
            raise KeyboardInterrupt

    found = crosscheck(load(f"{path}:right"), {}, runs=5, progress=interrupt)
    assert found.interrupted
    assert len(found.forced) == 1
    assert found.natural == ()
    assert any("Interrupted" in note for note in found.notes)


def test_the_json_form_is_plain(path: str) -> None:
    found = crosscheck(load(f"{path}:right"), {"by": 2}, runs=2)
    there_and_back = json.loads(json.dumps(found.to_dict()))
    assert there_and_back["values"] == {"by": 2}
    assert there_and_back["possible"]["interleavings"] == 20
    assert [batch["runs"] for batch in there_and_back["observed"]] == [2]


def test_what_forces_is_a_parameter_and_may_force_what_it_likes(path: str) -> None:
    wanted: list[Schedule] = []

    def forcing(schedules: Mapping[Schedule, Sequence[str]], timeout: float) -> Iterator[ForcedRun]:
        wanted.extend(schedules)
        yield ForcedRun(("interleaving 1",), Schedule("aaabbb"), finished(2, unobserved=7), None, of="plain code")
        yield ForcedRun(
            ("interleaving 2",), Schedule("ababab"), finished(1, unobserved=7), "step 4, b: nothing", "plain code"
        )

    found = crosscheck(load(f"{path}:right"), {}, runs=1, forcing=forcing)
    assert wanted
    assert [len(row.forced) for row in found.rows] == [1, 1]
    assert [run.agrees for run in found.forced] == [True, False]
    assert not found.ok
    assert "DIFFER at step 4, b: nothing" in str(found)
    assert "1 of 1 DIFFER" in str(found)


def test_many_forced_runs_are_counted_and_those_that_differ_come_first(path: str) -> None:
    def forcing(schedules: Mapping[Schedule, Sequence[str]], timeout: float) -> Iterator[ForcedRun]:
        for number in range(1, 101):
            yield ForcedRun((f"outcome {number}",), Schedule("ab"), None, "step 1" if number == 77 else None)

    text = str(crosscheck(load(f"{path}:program"), {}, forcing=forcing))
    assert "… and 80 more, all of which agree" in text
    assert text.index("outcome 77") < text.index("outcome 1 ")


def test_each_python_has_its_column(path: str) -> None:
    pythons = (Interpreter.current(), find(sys.executable))
    progress: list[tuple[str, int, int]] = []
    found = crosscheck(
        load(f"{path}:right"), {}, runs=4, interpreters=pythons, progress=lambda *told: progress.append(told)
    )
    assert [batch.done for batch in found.natural] == [4, 4]
    assert all(len(row.observed) == 2 for row in found.rows)
    assert str(found).count(str(found.interpreter)) >= 2
    assert progress[-1] == ("observed", 8, 8)


def test_the_knobs_reach_the_natural_runs(path: str) -> None:
    found = crosscheck(load(f"{path}:right"), {}, runs=2, switch_interval=1e-5, barrier=False)
    (batch,) = found.natural
    assert batch.interpreter.switch_interval == pytest.approx(1e-5)
    assert not batch.barrier
    assert found.to_dict()["observed"][0]["interpreter"]["switch_interval"] == pytest.approx(1e-5)
    for wrong in (0.0, -1.0, 1e9, float("nan")):
        with pytest.raises(UsageError, match=r"^switch_interval is"):
            crosscheck(load(f"{path}:right"), {}, runs=2, switch_interval=wrong)


def test_every_outcome_has_a_schedule_that_forces_it() -> None:
    def body() -> Any:
        value = yield Read("x")
        yield Write("x", value * 2 + 1)

    program = Program(dict.fromkeys("abc", body), memory={"x": 1})
    wanted = check(program).outcomes
    found = schedules_by_outcome(program, wanted)
    assert set(found) == set(wanted)
    for outcome, schedule in found.items():
        assert force(program, schedule).outcome == outcome
    assert schedules_by_outcome(program, wanted, max_states=1) == {}


def test_the_wilson_interval_is_the_published_one() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for times, runs, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
                                   (1, 29, 0.0061, 0.1718)]:  # fmt: skip
        assert wilson(times, runs) == pytest.approx((low, high), abs=5e-5)
    assert wilson(20, 20)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("implementation", "gil", "said"),
    [("CPython 3.13", True, "not expected"), ("CPython 3.9", True, "almost any bytecode"),
     ("CPython 3.13", False, "truly at the same time"), ("PyPy 3.10", True, "own affair")],
)  # fmt: skip
def test_the_note_says_what_to_expect_of_the_interpreter(implementation: str, gil: bool, said: str) -> None:
    from simulator.real.crosscheck import _notes

    name, version = implementation.split()
    interpreter = Interpreter(name, (3, int(version.removeprefix("3.")), 0), gil, 0.005)
    natural = (Batch(asked=1, interpreter=interpreter, outcomes={finished(2): 1}),)
    possible: dict[Outcome, int | None] = {finished(1): 18, finished(2): 2}
    found = CrossCheck("counter", {}, interpreter, possible, 20, True, (), natural)
    report = check(load("scenarios.counter:counter").program())
    assert Kind.LOST_UPDATE in {finding.kind for finding in report.findings}
    assert any(said in note for note in _notes(found, report, True))


def test_no_runs_are_refused(path: str) -> None:
    with pytest.raises(UsageError, match="runs is 0"):
        crosscheck(load(f"{path}:right"), {}, runs=0)


STORES = """
from collections import defaultdict
from dataclasses import dataclass, replace

@dataclass(frozen=True)
class Settings:
    number: int = 0

class Cache:
    def __init__(self):
        self.data = {}
        self.items = None
        self.row = []
        self.groups = defaultdict(list)
        self.settings = Settings()

    def reload(self):
        self.data = {"a": 2}

    def lazily(self):
        if self.items is None:
            self.items = []

    def longer(self):
        self.row = self.row + [1]

    def put(self):
        self.groups["a"].append(1)

    def set(self):
        self.settings = replace(self.settings, number=self.settings.number + 1)
"""


@pytest.mark.parametrize("method", ["reload", "lazily", "longer", "put", "set"])
def test_outcomes_that_differ_in_whose_object_is_stored_are_told(tmp_path: Path, method: str) -> None:
    (tmp_path / "stores.py").write_text(STORES)
    found = crosscheck(load(f"{tmp_path / 'stores.py'}:Cache.{method}"), {}, runs=2)
    assert found.ok, str(found)
    assert len(found.rows) == len(found.possible)
    assert str(found).endswith("Nothing contradicts the model.")


def test_what_depends_on_id_is_not_held_against_the_model(path: str) -> None:
    found = crosscheck(load(f"{path}:wrong"), {}, runs=2)
    assert not found.ok
    excused = replace(found, by_id="mine.py:7: id() is taken to be larger for objects that were made later")
    assert excused.ok
    assert "it does not have count=10" in " ".join(str(excused).split())
    assert "cannot be held against it: mine.py:7" in " ".join(str(excused).split())
    assert "WRONG" not in str(excused)


def test_locks_in_the_order_of_their_ids_are_no_bug_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "ids.py").write_text(
        "import threading\n"
        "class Pair:\n"
        "    def __init__(self):\n"
        "        self.pair = [threading.Lock(), threading.Lock()]\n"
        "        self.n = 0\n"
        "    def go(self):\n"
        "        for lock in sorted(self.pair, key=id):\n"
        "            lock.acquire()\n"
        "        self.n += 1\n"
        "        for lock in self.pair:\n"
        "            lock.release()\n"
    )
    found = crosscheck(load(f"{tmp_path / 'ids.py'}:Pair.go"), {}, runs=2, everything=True)
    assert found.ok, str(found)
    assert found.by_id.startswith("ids.py:7: id()")


LATE = """
import threading

class Late:
    def __init__(self):
        self.count = 0
        self.lock = threading.Lock()

    def add(self):
        value = self.count
        with self.lock:
            self.count = value + 1

    def add_without(self):
        self.count += 1
"""


@pytest.mark.parametrize(("method", "is_explained"), [("add", True), ("add_without", False)])
def test_what_only_stand_ins_for_locks_let_happen_does_not_contradict_a_granularity(
    method: str, is_explained: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "late.py"
    file.write_text(LATE)
    loaded = load(f"{file}:Late.{method}")
    current = Interpreter.current()
    granularity = granularity_for(current.version, gil=current.gil)
    if granularity in ("cpython-3.14", "free-threaded"):
        # There the model has it: a thread may be switched when it has taken the lock, or anywhere.
        granularity = "cpython-3.12"
    seen = Outcome("finished", (("late.count", 1),))
    threads = replace(loaded, granularity=granularity).threads()
    found = beyond(threads, {Outcome("finished", (("late.count", 2),)): 2}, [Batch(asked=1, outcomes={seen: 1})])
    same = granularity == granularity_for(current.version, gil=current.gil)
    assert found == (((current, seen),) if is_explained or not same else ())
