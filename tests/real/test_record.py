"""One run on real threads, written down: true to the order of things, ended at its limit, analysed like any other run."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scenarios.plain_variants import VARIANTS, plain
from simulator.analysis.finding import Kind
from simulator.errors import UsageError
from simulator.explore import check
from simulator.loading import load
from simulator.ops import Access
from simulator.real.analyze import analyze
from simulator.real.interpreters import Interpreter, installed
from simulator.real.record import record
from simulator.real.recorded import Recorded, read
from simulator.scenario import Plain

pytestmark = pytest.mark.real


@pytest.fixture(params=installed(), ids=str)
def python(request: pytest.FixtureRequest) -> Interpreter:
    found: Interpreter = request.param
    return found


def recorded(what: Any, values: dict[str, Any] | None = None, **options: Any) -> Recorded:
    return read(io.StringIO(record(what, values, **options)), "record")


def test_every_read_sees_what_was_written_last(python: Interpreter) -> None:
    """The order in the record is the order in which it happened, or some value would come out of nowhere."""
    for name in VARIANTS:
        found = recorded(plain(name, threads=3, increments=50), interpreter=python, switch_interval=1e-5)
        memory = dict(found.run.situations[0].memory)
        for event in found.run:
            touched = event.footprint
            if touched.access != Access.NONE and not touched.on_lock:
                assert event.before == memory[touched.name], (name, event)
                memory[touched.name] = event.after
        assert found.run.outcome is not None
        assert found.run.outcome.how == "finished"


def test_what_is_recorded_is_every_access_of_what_is_written(python: Interpreter) -> None:
    found = recorded("counter", {"threads": 2, "increments": 2}, interpreter=python)
    for thread in ("t0", "t1"):
        mine = [event.operation for event in found.run if event.thread == thread]
        assert [type(operation).__name__ for operation in mine] == ["Read", "Write"] * 2
    assert found.traced
    assert found.source == "real threads"
    assert found.interpreter.startswith(f"CPython {'.'.join(map(str, python.version))}")
    assert {event.where.file.rpartition("/")[2] for event in found.run} == {"plain_counter.py"}


def test_the_locked_counter_has_nothing_wrong_and_the_unlocked_one_a_race(python: Interpreter) -> None:
    assert analyze(recorded("counter", {"lock": True, "increments": 20}, interpreter=python)) == ()
    kinds = {finding.kind for finding in analyze(recorded("counter", {"increments": 20}, interpreter=python))}
    assert Kind.DATA_RACE in kinds
    assert kinds <= {Kind.DATA_RACE, Kind.LOST_UPDATE}


def test_a_lost_update_in_the_record_is_one_in_the_count_and_the_other_way_round(python: Interpreter) -> None:
    """Between a read and the write of the same thread nobody else wrote: then every increment has left its effect."""
    for _ in range(5):
        found = recorded(plain("plain", increments=300), interpreter=python, switch_interval=1e-6)
        assert found.run.outcome is not None
        ((_, count),) = found.run.outcome.memory
        assert (count < 600) == (Kind.LOST_UPDATE in {finding.kind for finding in analyze(found)})


def test_both_orders_of_the_unsafe_bank_are_found_whether_or_not_it_deadlocked(python: Interpreter) -> None:
    found = recorded("bank", {}, interpreter=python)
    assert found.run.outcome is not None
    deadlocked = found.run.outcome.how == "deadlocked"
    kinds = [finding.kind for finding in analyze(found)]
    assert kinds == ([Kind.DEADLOCK] if deadlocked else []) + [Kind.LOCK_ORDER_CYCLE]
    assert not analyze(recorded("bank", {"strategy": "ordered"}, interpreter=python))


def test_what_is_found_in_a_record_the_model_knows() -> None:
    for reference, values in (("counter", {"increments": 1}), ("bank", {}), ("bank", {"strategy": "none"})):
        possible = {finding.kind for finding in check(load(reference).program(**values)).findings}
        assert {finding.kind for finding in analyze(recorded(reference, values))} <= possible


# -- code of all kinds

FILE = """
import threading, time
from simulator.program import Program
from simulator.ops import Pause
from simulator.scenario import Plain, scenario

def body():
    yield Pause()

class Slotted:
    __slots__ = ("count", "lock", "plain")
    def __init__(self):
        self.count = 0
        self.lock = threading.RLock()
        self.plain = threading.Lock()

class Shared:
    def __init__(self):
        self.slotted = Slotted()
        self.strange = Strange()
        self._hidden = 0
        self.flag = False
        self.turn = 0

    @property
    def hidden(self):
        return self._hidden

    @hidden.setter
    def hidden(self, value):
        self._hidden = value

class Strange:
    value = 0
    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)

def scenario_of(**workers):
    @scenario(summary="Something.")
    def one() -> Program:
        return Program({name: body for name in workers})
    @one.as_plain
    def plain():
        return Plain(
            Shared,
            lambda shared: {name: lambda work=work: work(shared) for name, work in workers.items()},
            lambda shared: {},
            globals(),
        )
    return one

def slots(shared):
    with shared.slotted.lock, shared.slotted.lock:
        shared.slotted.count += 1
    shared.hidden += 1
    del shared.flag
    shared.strange.value = 5

def spin(shared):
    shared.turn = 1
    while not shared.slotted.count:
        time.sleep(0.01)

def chatter(shared):
    while True:
        shared.turn += 1

def asserts(shared):
    shared.turn = 1
    assert not shared.turn, "turn is set"

def raises(shared):
    with shared.slotted.lock:
        raise ValueError("no")

def frees(shared):
    try:
        shared.slotted.lock.release()
    except RuntimeError:
        pass

def keeps(shared):
    shared.slotted.plain.acquire()

def twice(shared):
    with shared.slotted.plain:
        with shared.slotted.plain:
            shared.turn = 1

def tries(shared):
    if shared.slotted.plain.acquire(timeout=0.01):
        shared.slotted.plain.release()
    if shared.slotted.plain.acquire(blocking=False):
        shared.slotted.plain.release()

def starts_another(shared):
    def inside():
        shared.turn += 1
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()

def dies(shared):
    import os
    os._exit(7)

everything, spins, chats = scenario_of(a=slots), scenario_of(a=spin), scenario_of(a=chatter)
fails, crashes, free = scenario_of(a=asserts), scenario_of(a=raises), scenario_of(a=frees)
holds, itself, trying = scenario_of(a=keeps), scenario_of(a=twice), scenario_of(a=tries)
another, dead = scenario_of(a=starts_another), scenario_of(a=dies)
"""


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    before = list(sys.path)
    (tmp_path / "mine.py").write_text(FILE)
    yield str(tmp_path / "mine.py")
    sys.path[:] = before


def titles(found: Recorded) -> list[str]:
    return [finding.title for finding in analyze(found)]


def test_slots_properties_and_deletions_are_seen_and_what_is_not_is_named(path: str, python: Interpreter) -> None:
    found = recorded(f"{path}:everything", interpreter=python)
    assert [event.text for event in found.run] == [
        "acquire shared.slotted.lock",
        "acquire shared.slotted.lock",
        "read shared.slotted.count → 0",
        "write shared.slotted.count = 1",
        "release shared.slotted.lock",
        "release shared.slotted.lock",
        "read shared._hidden → 0",
        "write shared._hidden = 1",
        "write shared.flag = <no such attribute>",
    ]
    assert found.unseen == ("Strange has a __setattr__ of its own",)
    assert titles(found) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fails", ["failed check at mine.py:"]),
        ("crashes", ["crash at mine.py:"]),
        ("free", ["lock misuse on shared.slotted.lock"]),
        ("holds", ["lock misuse on shared.slotted.plain"]),
        ("itself", ["deadlock on shared.slotted.plain", "lock misuse on shared.slotted.plain"]),
        ("trying", []),
        ("another", []),
    ],
)
def test_ends_and_misuse_are_found_as_in_the_model(path: str, name: str, expected: list[str]) -> None:
    found = titles(recorded(f"{path}:{name}"))
    assert [title[: len(start)] for title, start in zip(found, expected, strict=True)] == expected


def test_a_run_that_does_not_end_is_recorded_up_to_its_limit(path: str) -> None:
    found = recorded(f"{path}:spins", timeout=1.0)
    assert found.run.outcome is None
    assert found.stopped == "a had not ended after 1 s"
    assert [event.text for event in found.run][:1] == ["write shared.turn = 1"]


def test_a_run_that_writes_for_ever_is_cut_at_so_many_events(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.real.record.MOST_EVENTS", 500)
    found = recorded(f"{path}:chats")
    assert len(found.run) == 500
    assert (found.run.outcome, found.stopped) == (None, "there were more than 500 events")
    assert titles(found) == []


OUTSIDE = """
n = 0
table = {"a": 0}

class Hits:
    total = 0

    def __init__(self):
        self.count = 0

hits = Hits()

class Table(dict):
    def __init__(self):
        self.size = 0

    def put(self):
        self.size += 1
        self["a"] = self.size

def counter():
    count = 0

    def more():
        nonlocal count
        count += 1

    return more

more = counter()

def work():
    global n
    n += 1
    table["a"] += 1
    Hits.total += 1
    hits.count += 1
"""


def test_objects_of_the_module_are_watched_and_what_is_not_is_named(tmp_path: Path, python: Interpreter) -> None:
    (tmp_path / "outside.py").write_text(OUTSIDE)
    found = recorded(f"{tmp_path / 'outside.py'}:work", interpreter=python)
    assert sorted(event.text for event in found.run if event.thread == "t0")[0].startswith("read hits.count")
    assert {event.footprint.name for event in found.run} == {"hits.count"}
    assert set(found.unseen) == {
        "the global n",
        "the class attribute Hits.total",
        "the variable count of the function around more",
        "the items of table",
    }


def test_the_attributes_of_a_dict_of_one_s_own_are_watched(tmp_path: Path, python: Interpreter) -> None:
    (tmp_path / "outside.py").write_text(OUTSIDE)
    found = recorded(f"{tmp_path / 'outside.py'}:Table.put", interpreter=python)
    assert {event.footprint.name for event in found.run} == {"state.size"}
    assert "the items of state" in found.unseen


def test_what_cannot_be_recorded_is_told_in_one_line(path: str) -> None:
    with pytest.raises(UsageError, match=r"^nothing was recorded: the process died \(exit code 7\)$"):
        record(f"{path}:dead")
    with pytest.raises(UsageError, match="no plain Python version"):
        record("readers")
    with pytest.raises(UsageError, match=r"^timeout is 0"):
        record(f"{path}:spins", timeout=0)
    with pytest.raises(UsageError, match="cannot be sent to another process"):
        record(Plain(dict, lambda _: {}, lambda _: {}, namespace={}))


def test_the_text_is_json_lines(path: str) -> None:
    lines = [json.loads(line) for line in record(f"{path}:trying").splitlines()]
    assert [line.get("does") for line in lines[1:-2]] == ["try", "release", "try", "release"]
    assert [line["answer"] for line in lines[1:-2] if line["does"] == "try"] == [True, True]
