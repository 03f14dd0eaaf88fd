"""`simulator record` and `simulator analyze`: a run written down, and what is wrong in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import simulator

pytestmark = pytest.mark.real


@pytest.fixture
def run(tmp_path: Path) -> str:
    return str(tmp_path / "run.jsonl")


def test_a_schedule_of_the_model_is_recorded_and_analysed_as_replay_shows_it(run: str) -> None:
    assert simulator("record", "counter", "--schedule", "t0*2 t1*3 t0", "-o", run).code == 0
    ran = simulator("analyze", run)
    assert ran.code == 1
    assert ran.lines[0] == "counter: one run of the model, 6 events, ended count=1"
    shown = simulator("replay", "counter", "t0*2 t1*3 t0")
    assert shown.lines[0] in ran.lines
    assert "2. data race on count" in ran.out
    assert "1. lost update on count" in ran.out
    assert "changed the timing" not in ran.out


def test_the_findings_are_those_of_replay(run: str) -> None:
    for reference, schedule in (
        ("counter", "t0*2 t1*3 t0"),
        ("bank", "t0*2 t1*2"),
        ("counter", "t0*3 t1*3"),
        ("bank", "t0*2"),
    ):
        simulator("record", reference, "--schedule", schedule, "-o", run)
        ran, replayed = simulator("analyze", run, "--json"), simulator("replay", reference, schedule, "--json")
        promised = ("failed invariant",)
        assert ran.json["findings"] == [one for one in replayed.json["findings"] if one["kind"] not in promised]
        assert ran.code == (1 if ran.json["findings"] else 0)
        assert ran.json["outcome"] == replayed.json["outcome"]


def test_a_run_on_real_threads_is_recorded_and_called_traced(run: str) -> None:
    assert simulator("record", "counter", "--lock", "--increments", "3", "-o", run).code == 0
    ran = simulator("analyze", run)
    assert ran.code == 0
    assert ran.lines[0].startswith("counter: one run of real threads (CPython ")
    assert ran.lines[0].endswith("24 events, ended lockedcounter.count=6")
    assert ran.lines[-2] == "Recording changed the timing: how often this happens naturally is another question."
    assert ran.lines[-1] == "Nothing is wrong in this one run. That says nothing of others."
    found = simulator("analyze", run, "--json").json
    assert (found["source"], found["traced"], found["events"], found["findings"]) == ("real threads", True, 24, [])


def test_nothing_is_called_right_that_was_not_watched(run: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("n = 0\ndef work():\n    global n\n    n += 1\n")
    ran = simulator("record", f"{tmp_path / 'mine.py'}:work", "-o", run)
    assert ran.code == 0
    assert ran.lines[-1].startswith(f"wrote {run}: one run of work by real threads (CPython ")
    assert ran.lines[-1].endswith("0 events; not watched: the global n")
    ran = simulator("analyze", run)
    assert ran.code == 0
    assert "Not watched: the global n." in ran.out
    assert "Nothing is wrong in what was watched of this one run." in ran.out
    assert "Nothing is wrong in this one run" not in ran.out


def test_a_long_run_is_told_by_its_findings_alone(run: str) -> None:
    simulator("record", "counter", "--increments", "40", "--schedule", "t0*2 t1*120 t0", "-o", run)
    ran = simulator("analyze", run)
    assert "schedule:" not in ran.out
    assert "123 events, without an end" in ran.lines[0]
    assert "   step 1, t0: read count → 0 (counter.py:" in ran.out


def test_the_model_s_record_has_the_same_bytes_every_time(run: str) -> None:
    words = ("record", "bank", "--schedule", "t0*2 t1*2", "-o", run)
    simulator(*words)
    first = Path(run).read_bytes()
    simulator(*words)
    assert Path(run).read_bytes() == first


def test_bad_input_is_one_line(run: str, write: Callable[..., str]) -> None:
    assert simulator("analyze", run).refused() == f"{run}: no such file"
    assert simulator("analyze").refused() == "Missing argument 'FILE'."
    empty = write("", "empty.jsonl")
    assert simulator("analyze", empty).refused() == "empty.jsonl:1: the file is empty, expected a recorded run"
    foreign = write('{"version": "2.1.0"}\n', "results.sarif")
    assert simulator("analyze", foreign, "--json").refused().startswith("results.sarif:1: is not a recorded run")
    assert simulator("record", "counter").refused() == "Missing option '-o' / '--output'."
    assert simulator("record", "readers", "-o", run).refused() == "readers has no plain Python version to run"
    assert simulator("record", "counter", "--python", "no-such", "-o", run).refused() == (
        "python 'no-such': there is no such program, neither as a path nor on PATH"
    )
    assert simulator("record", "counter", "--schedule", "t0", "--python", "python3", "-o", run).refused() == (
        "--python and --switch-interval are for real threads: leave them out, or --schedule"
    )
    assert simulator("record", "counter", "--schedule", "t9", "-o", run).refused().startswith("schedule word 1 names")
    assert simulator("record", "counter", "-o", "/no/such/run").refused().startswith("cannot write '/no/such/run'")
    assert not Path(run).exists()


def test_a_line_of_the_file_is_named_that_cannot_be_read(run: str) -> None:
    simulator("record", "counter", "--schedule", "t0*2 t1*3 t0", "-o", run)
    lines = Path(run).read_text().splitlines()
    lines[3] = json.dumps({**json.loads(lines[3]), "does": "riet"})
    Path(run).write_text("\n".join(lines) + "\n")
    assert simulator("analyze", run).refused() == f"{run}:4: 'does' is 'riet'; did you mean 'write'?"
