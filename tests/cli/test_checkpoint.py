"""`explore --checkpoint`: however a search was stopped, started again until done it prints what one that was not prints."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import ROOT, ended, process, simulator

SEARCHES = {
    "dpor": ["readers", "--n", "6", "--scheduler", "dpor"],
    "naive": ["R x; W x || R x; W x || R y; W x || R x; R y", "--scheduler", "naive"],
    "preemptions": ["R x; W x || R x; W x || R y; W x", "--scheduler", "preemptions", "--bound", "3"],
    "delays": ["counter", "--threads", "3", "--scheduler", "delays", "--bound", "3"],
    "random": ["counter", "--increments", "4", "--scheduler", "random", "--max-interleavings", "2000"],
    "uniform": ["counter", "--increments", "3", "--scheduler", "uniform"],
    "uniform-traces": ["counter", "--increments", "3", "--scheduler", "uniform-traces"],
    "pct": ["bank", "--scheduler", "pct", "--depth", "2", "--seed", "7"],
    "pos": ["bank", "--scheduler", "pos"],
    "surw": ["counter", "--increments", "3", "--scheduler", "surw"],
}
each_search = pytest.mark.parametrize("search", SEARCHES.values(), ids=list(SEARCHES))


@each_search
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_search_that_a_limit_stopped_goes_on_to_the_same_output(
    search: list[str], form: list[str], tmp_path: Path
) -> None:
    command = ["explore", *search, *form]
    whole = simulator(*command)
    kept = ["--checkpoint", str(tmp_path / "kept")]
    for limit in (1, 2, 200):
        simulator(*command, *kept, "--max-interleavings", str(limit))
    assert simulator(*command, *kept) == whole
    assert simulator(*command, *kept) == whole


def test_a_search_that_time_stopped_goes_on_to_the_same_output(tmp_path: Path) -> None:
    command = ["explore", *SEARCHES["naive"], "--json"]
    kept = ["--checkpoint", str(tmp_path / "kept")]
    stopped = [simulator(*command, *kept, "--timeout", "0.001").json for _ in range(3)]
    assert [report["stopped"] for report in stopped] == ["timeout"] * 3
    assert [report["complete"] for report in stopped] == [False] * 3
    runs = [report["runs"] for report in stopped]
    assert 0 < runs[0] < runs[1] < runs[2]
    assert simulator(*command, *kept) == simulator(*command)


def runs_kept(path: Path) -> int:
    """How many runs a file knows of. It is whole whenever one looks."""
    if not path.exists():
        return 0
    saved = json.loads(path.read_text().splitlines()[0])["saved"]
    return saved["runs"] if saved else 0


# Saves so often that a search of a second is saved many times.
OFTEN = (
    "import sys, simulator.checkpoint as kept; kept.EVERY = 0.02; from simulator.cli import main; main(sys.argv[1:])"
)


def often(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OFTEN, *words], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def stop_once_it_went_on(path: Path, stop: Callable[[subprocess.Popen[str]], None], words: list[str]) -> int | None:
    """Start a search, and stop it a moment after it has saved more than was saved before. Its exit code."""
    before = runs_kept(path)
    with often(*words) as running:
        give_up = time.monotonic() + 30
        while running.poll() is None and runs_kept(path) <= before:
            assert time.monotonic() < give_up, "nothing was saved"
            time.sleep(0.005)
        time.sleep(random.Random(before).random() / 10)
        stop(running)
        running.communicate(timeout=30)
        return running.returncode


LONG = {
    "dpor": ["lastzero", "--n", "9", "--scheduler", "dpor"],
    "naive": ["R x; W x || R x; W x || R y; W x || R x; W y || R y", "--scheduler", "naive"],
    "pos": ["bank", "--scheduler", "pos", "--max-interleavings", "10000"],
}


@pytest.mark.parametrize("search", LONG.values(), ids=list(LONG))
def test_a_search_that_was_killed_goes_on_to_the_same_output(search: list[str], tmp_path: Path) -> None:
    path = tmp_path / "kept"
    command = ["explore", *search, "--checkpoint", str(path)]
    codes = [stop_once_it_went_on(path, subprocess.Popen.kill, command) for _ in range(3)]
    assert codes[0] == -signal.SIGKILL
    assert runs_kept(path) > 0
    assert simulator(*command) == simulator("explore", *search)


def test_a_search_that_was_interrupted_goes_on_to_the_same_output(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    command = ["explore", *LONG["naive"], "--checkpoint", str(path)]
    codes = [stop_once_it_went_on(path, lambda running: running.send_signal(signal.SIGINT), command) for _ in range(2)]
    assert codes == [130, 130]
    assert simulator(*command) == simulator("explore", *LONG["naive"])


def test_what_is_done_is_printed_again_without_a_search(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    command = ["explore", *SEARCHES["dpor"], "--checkpoint", str(path)]
    first = simulator(*command)
    done = path.read_bytes()
    assert simulator(*command, "--timeout", "1000") == first
    assert path.read_bytes() == done


def test_it_says_in_one_line_what_does_not_fit(tmp_path: Path) -> None:
    path = str(tmp_path / "kept")
    simulator("explore", "counter", "--scheduler", "random", "--checkpoint", path)

    def refused(*words: str) -> str:
        return simulator("explore", *words, "--checkpoint", path).refused().replace(repr(path), "FILE")

    end = "; give another file, or delete it"
    assert refused("counter", "--scheduler", "pos") == f"FILE was made with scheduler random, not pos{end}"
    assert refused("counter", "--scheduler", "random", "--seed", "1") == f"FILE was made with seed 0, not 1{end}"
    assert refused("bank", "--scheduler", "random").startswith("FILE was made for another program: counter, not bank")
    assert "with other parameters" in refused("counter", "--threads", "3", "--scheduler", "random")
    fewer = refused("counter", "--scheduler", "random", "--max-interleavings", "10")
    assert fewer == "the checkpoint holds 1,000 runs, more than --max-interleavings 10"
    assert refused("counter", "--scheduler", "graph") == (
        "graph cannot be saved and resumed: it goes through states; what goes through runs can"
    )
    assert "a checkpoint needs a scheduler to be chosen" in refused("counter")


def test_a_file_that_cannot_be_written_is_refused_before_the_search(tmp_path: Path) -> None:
    path = tmp_path / "no such folder" / "kept"
    began = process("explore", *LONG["naive"], "--checkpoint", str(path))
    assert ended(began).refused() == f"cannot write {str(path)!r}: No such file or directory"


MINE = """
from simulator import Program, Read, Write

def helper():
    return {}

class Value:
    def get(self):
        return {}

VALUE = Value()

def body():
    yield Write("x", helper())
    yield Write("x", VALUE.get())
    yield Read("x")

program = Program({{"a": body, "b": body}}, memory={{"x": 0}})
"""


@pytest.mark.parametrize(
    ("values", "said"), [((2, 1), "with other parameters or other code"), ((1, 2), "the program has changed since")]
)
def test_a_program_that_was_edited_is_refused(values: tuple[int, int], said: str, write: Callable[..., str]) -> None:
    write(MINE.format(1, 1))
    command = ["explore", "mine.py:program", "--scheduler", "naive", "--checkpoint", "kept"]
    assert simulator(*command, "--max-interleavings", "3").code == 1
    write(MINE.format(*values))
    sys.modules.pop("mine", None)
    assert said in simulator(*command).refused()
