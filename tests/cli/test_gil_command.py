"""`simulator gil`: what the model says, exactly; of what was measured only that it is there."""

from __future__ import annotations

import signal
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from scenarios.gil import measure, memory
from scenarios.gil.ask import ask
from simulator.real.interpreters import Interpreter
from tests.cli.command_line import ROOT, ended, process, simulator


def test_predict_has_a_line_for_each_experiment() -> None:
    ran = simulator("gil", "predict", "--workload", "cpu", "--executor", "threads", "--executor", "fork")
    assert (ran.code, ran.err) == (0, "")
    rows = [line.split() for line in ran.lines if line.startswith("cpu")]
    assert [row[1:3] for row in rows] == [[by, k] for by in ("threads", "fork") for k in "124"]
    assert [row[-2] for row in rows] == ["1.00x", "1.00x", "1.00x", "0.97x", "1.92x", "1.92x"]


def test_predict_without_the_gil_gives_threads_all_cores() -> None:
    ran = simulator("gil", "predict", "--no-gil", "--cores", "4", "-k", "4", "--workload", "cpu", "--json")
    by = {each["executor"]: each for each in ran.json["predictions"]}
    assert by["threads"]["speedup"] > 3.9
    assert ran.json["costs"]["capacity"] == "4"


def test_one_core_gains_nothing_by_processes() -> None:
    ran = simulator("gil", "predict", "--cores", "1", "--workload", "cpu", "--json")
    assert all(each["speedup"] < 1 for each in ran.json["predictions"])


def test_timeline_shows_who_held_the_gil() -> None:
    ran = simulator("gil", "timeline", "cpu", "--work", "10ms")
    assert ran.lines[1].startswith("GIL")
    assert {line.split()[0] for line in ran.lines if "█" in line} == {"t0", "t1", "█"}


def test_timeline_as_events_and_as_json_is_the_same_history() -> None:
    words = ("gil", "timeline", "io", "-k", "3")
    events = simulator(*words, "--events").lines
    document = simulator(*words, "--json").json
    assert len(events) == len(document["events"])
    assert events[-1] == f"{document['end']} µs: main ends"


@pytest.mark.parametrize("words", [("timeline", "cpu", "fork", "-k", "3"), ("timeline", "io"), ("convoy",)])
def test_pictures_are_xml_and_the_same_each_time(words: tuple[str, ...], tmp_path: Path) -> None:
    texts = []
    for name in ("a.svg", "b.svg"):
        path = tmp_path / name
        ran = simulator("gil", *words, "-o", str(path))
        assert (ran.code, ran.out) == (0, f"wrote {path}\n")
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
    assert ET.fromstring(texts[0]).tag.endswith("svg")


@pytest.mark.parametrize(
    "words",
    [("timeline", "cpu", "threads", "-k", "2", "--work", "20ms"), ("convoy", "--threads", "1")],
    ids=lambda words: words[0],
)
def test_the_pictures_of_the_documents_are_those_that_are_drawn(words: tuple[str, ...], tmp_path: Path) -> None:
    name = {"timeline": "gil-cpu-threads.svg", "convoy": "gil-convoy.svg"}[words[0]]
    assert simulator("gil", *words, "-o", str(tmp_path / name)).code == 0
    assert (tmp_path / name).read_bytes() == (ROOT / "docs" / "pictures" / name).read_bytes()


def test_until_cuts_events_too() -> None:
    lines = simulator("gil", "timeline", "cpu", "--events", "--until", "101us").lines
    assert lines[-1].startswith("100 µs: ")


def test_convoy_is_a_switch_interval_for_each_computing_thread() -> None:
    found = simulator("gil", "convoy", "--json").json
    assert [each["beside"] for each in found] == [0, 1, 2, 4]
    assert [set(each["microseconds"]) for each in found] == [{1_100}, {6_100}, {11_100}, {21_100}]
    free = simulator("gil", "convoy", "--no-gil", "--threads", "1", "--json").json
    assert [set(each["microseconds"]) for each in free] == [{1_100}, {1_100}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("predict", "--work", "3"),
            "Invalid value for '--work': '3' is no time with a unit, such as 5ms, 300us or 0.5s",
        ),
        (("predict", "--work", "0.5us"), "Invalid value for '--work': 0.5us is not between 1us and 10000s, in whole "),
        (("predict", "-k", "1,x"), "Invalid value for '-k' / '--units': '1,x' is not a list of numbers such as 1,2,4"),
        (("predict", "-k", "0"), "Invalid value for '-k' / '--units': 0 is not within 1 and 256"),
        (("predict", "--request", "100us"), "request_cpu is 500, expected less than the request's 100"),
        (("predict", "--costs", "no-such-file"), "cannot read 'no-such-file': No such file or directory"),
        (("predict", "--work", "10000s", "--switch-interval", "1us"), "more than 1,000,000 events by "),
        (("predcit",), "No such command 'predcit'."),
    ],
)
def test_bad_input_is_one_clear_line(words: tuple[str, ...], said: str) -> None:
    assert simulator("gil", *words).refused().startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", ": this is not JSON; 'simulator gil calibrate -o FILE' writes such a file"),
        ("[]", ": these are no saved costs"),
        ("{}", ": these are no saved costs: expected a 'form' of 'simulator gil costs 1'"),
        ('{"form": "simulator gil costs 1", "work": 1}', ": these are no saved costs: capacity, cores, "),
    ],
)
def test_a_file_of_something_else_is_one_clear_line(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text(content)
    assert simulator("gil", "predict", "--costs", str(path)).refused().startswith(f"{path}{said}")


# -- on the real machine: tiny workloads, and nothing is said of their times

TINY = ("--work", "1ms", "--request", "1ms", "--repeats", "2")


@pytest.mark.real
def test_costs_are_calibrated_saved_and_predicted_from(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    ran = simulator("gil", "calibrate", *TINY, "-o", str(path))
    assert (ran.code, ran.err) == (0, "")
    names = {line.split("  ")[0] for line in ran.lines[3:]}
    assert {"work", "request", "thread start", "spawn boot"} <= names
    predicted = simulator("gil", "predict", "--costs", str(path), "-k", "2", "--json")
    assert predicted.code == 0
    assert predicted.json["costs"]["python"].startswith("CPython ")


@pytest.mark.real
def test_measure_has_a_spread_for_each_experiment() -> None:
    ran = simulator("gil", "measure", *TINY, "-k", "1,2", "--executor", "threads", "--executor", "spawn", "--json")
    assert (ran.code, ran.err) == (0, "")
    (document,) = ran.json
    assert [(each["workload"], each["executor"], each["units"]) for each in document["measured"]] == [
        (workload, by, k) for workload in ("cpu", "io") for by in ("threads", "spawn") for k in (1, 2)
    ]
    for each in document["measured"]:
        assert each["speedup"]["number"] == 2
        assert each["speedup"]["low"] <= each["speedup"]["median"] <= each["speedup"]["high"]


@pytest.mark.real
def test_compare_has_predicted_measured_error_and_the_article() -> None:
    ran = simulator("gil", "compare", *TINY, "-k", "4", "--executor", "threads")
    assert (ran.code, ran.err) == (0, "")
    head = next(line for line in ran.lines if line.startswith("work"))
    assert head.split() == ["work", "by", "k", "predicted", "measured", "spread", "error", "article"]
    rows = [line for line in ran.lines if line.startswith(("cpu", "io"))]
    assert [line.rstrip(" (!)").split()[-1] for line in rows] == ["1.06x", "5.56x"]
    assert any(line.startswith("mean error ") for line in ran.lines)
    assert "0.09 s for four processes is impossible" in ran.out


@pytest.mark.real
def test_compare_with_saved_costs_measures_none(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    assert simulator("gil", "calibrate", *TINY, "-o", str(path)).code == 0
    words = ("--costs", str(path), "-k", "1", "--executor", "threads", "--workload", "io", "--repeats", "1", "--json")
    (comparison,) = simulator("gil", "compare", *words).json["comparisons"]
    assert comparison["calibration"] is None
    assert len(comparison["rows"]) == 1


@pytest.mark.real
def test_a_convoy_of_real_threads_stands_beside_the_model_s() -> None:
    ran = simulator("gil", "convoy", "--real", "--requests", "3", "--threads", "1", "--json")
    assert ran.code == 0
    assert [each["measured_seconds"]["number"] for each in ran.json] == [3, 3]


@pytest.mark.real
def test_ctrl_c_keeps_what_was_measured_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []

    def interrupted(
        interpreter: Interpreter, order: Mapping[str, Any], take: Callable[..., None], **limit: float
    ) -> str:
        def count(one: dict[str, Any]) -> None:
            told.append(one)
            take(one)
            if sum("repeat" in each for each in told) == 5:
                raise KeyboardInterrupt

        return ask(interpreter, order, count, **limit)

    monkeypatch.setattr(measure, "ask", interrupted)
    words = ("measure", *TINY, "--executor", "threads", "--workload", "cpu", "-k", "1,2", "--repeats", "100", "--json")
    ran = simulator("gil", *words)
    assert (ran.code, ran.err) == (130, "simulator: interrupted: this is only what was measured so far\n")
    (document,) = ran.json
    assert document["stopped"] == "interrupted"
    # Each round is four experiments: the second one was cut off after its first.
    assert [each["seconds"]["number"] for each in document["measured"]] == [1, 1]


@pytest.mark.real
def test_ctrl_c_before_anything_was_measured_says_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "ask", lambda *_, **__: "interrupted")
    ran = simulator("gil", "compare", *TINY)
    assert (ran.code, ran.out) == (130, "")
    assert ran.err == "simulator: interrupted; there is nothing to show yet\n"


@pytest.mark.real
def test_ctrl_c_ends_the_command_and_all_that_it_started() -> None:
    with process("gil", "measure", "--repeats", "100", start_new_session=True) as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        if not children.exists():
            running.kill()
            pytest.skip("there is no /proc to see children in")
        while not (started := children.read_text().split()):
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        ran = ended(running)
    assert ran.code == 130
    # One that was being started at that very moment ends because nobody gives it an order.
    limit = time.monotonic() + 20
    while any(Path("/proc", pid).exists() for pid in started):
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.real
def test_a_time_limit_keeps_what_was_measured_and_says_so() -> None:
    ran = simulator("gil", "measure", "--workload", "cpu", "-k", "1", "--executor", "threads", "--timeout", "0.2")
    assert ran.code == 0
    assert ran.err == "simulator: stopped after 0.2 s: this is only what was measured so far\n"
    assert simulator("gil", "calibrate", "--timeout", "0.2").refused().endswith("allow more time")


@pytest.mark.parametrize("command", ["calibrate", "measure", "compare"])
def test_an_interpreter_that_is_no_python_is_one_clear_line(command: str, tmp_path: Path) -> None:
    liar = tmp_path / "liar"
    liar.write_text("#!/bin/sh\nexit 3\n")
    liar.chmod(0o755)
    refused = simulator("gil", command, "--python", str(liar)).refused()
    assert refused == f"python '{liar}': is not a Python: asked who it is, it ended with code 3"
    refused = simulator("gil", command, "--python", "no-such-python").refused()
    assert refused == "python 'no-such-python': there is no such program, neither as a path nor on PATH"


def test_more_processes_than_memory_allows_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 50 * 2**20)
    refused = simulator("gil", "measure", "-k", "200", "--executor", "spawn").refused()
    assert refused == "200 processes need about 4,000 MB, and 50 MB are free: ask for at most 2 at once"
