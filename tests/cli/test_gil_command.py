"""`simulator gil`: what the model says, exactly; of what was measured only that it is there."""

from __future__ import annotations

import json
import signal
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from scenarios.gil import measure, memory
from scenarios.gil.article import PRINTED
from scenarios.gil.ask import ask
from scenarios.gil.calibrate import Calibration
from scenarios.gil.costs import Costs
from scenarios.gil.machine import simulate
from scenarios.gil.tasks import Cpu, Task, World
from scenarios.gil.timeline import svg
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


def test_names_have_room_in_text_and_picture() -> None:
    long = "a-thread-with-a-long-name"
    drawn = svg(simulate(World((Task(long, (Cpu(5_000),)), Task("b", (Cpu(5_000),))))))
    assert f">a-thread-…<title>{long}</title></text>" in drawn
    assert max(map(len, simulator("gil", "timeline", "cpu", "-k", "16", "--work", "1ms").lines)) <= 80


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
        (
            ("predict", "--request", "100us"),
            "a --request of 100 µs is too short: the 500 µs that it computes have to fit in",
        ),
        (("predict", "--costs", "no-such-file"), "cannot read 'no-such-file': No such file or directory"),
        (("predict", "--work", "10000s", "--switch-interval", "1us"), "more than 1,000,000 events: 2 by threads with "),
        (
            ("predict", "--work", "1000s"),
            "more than 1,000,000 events: 2 by threads with 1000 s of work each are switched too",
        ),
        (
            ("predict", "--work", "1000s", "--executor", "fork"),
            "more than 1,000,000 events: 4 by fork with 1000 s of work ",
        ),
        (("timeline", "cpu", "--work", "1000s"), "more than 1,000,000 events: 2 by threads with 1000 s of work each "),
        (("predict", "--work", "0"), "Invalid value for '--work': 0 is zero, expected a time above that, such as 5ms"),
        (
            ("predict", "--switch-interval", "0.0ms"),
            "Invalid value for '--switch-interval': 0.0ms is zero, expected a ",
        ),
        (("measure", "--timeout", "nan"), "Invalid value for '--timeout': nan is not a number of seconds"),
        (("timeline", "cpu", "-o", "q.png"), "cannot draw 'q.png': this picture is SVG; end the name in .svg"),
        (("timeline", "cpu", "-o", "q.svg", "--json"), "-o draws a picture: --json does not go with it"),
        (("timeline", "cpu", "-o", "q.svg", "--events"), "-o draws a picture: --events does not go with it"),
        (("convoy", "-o", "q.svg", "--real"), "-o draws a picture: --real does not go with it"),
        (
            ("timeline", "cpu", "-o", "no-such-folder/q.svg"),
            "cannot write 'no-such-folder/q.svg': No such file or directory",
        ),
        (
            ("calibrate", "-o", "no-such-folder/q.json"),
            "cannot write 'no-such-folder/q.json': No such file or directory",
        ),
        (("convoy", "--real", "--python", ""), "python '': there is no such program, neither as a path nor on PATH"),
        (("predcit",), "No such command 'predcit'."),
    ],
)
def test_bad_input_is_one_clear_line(words: tuple[str, ...], said: str) -> None:
    assert simulator("gil", *words).refused().startswith(said)


def test_costs_of_less_than_one_core_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text(json.dumps({**Costs().to_dict(), "capacity": "1/2"}))
    refused = simulator("gil", "predict", "--costs", str(path)).refused()
    assert refused == f"{path}: capacity is 0.5, expected at least 1 core, for whoever works has that"


def test_single_is_one_by_definition_and_processes_are_both_ways_to_start_them() -> None:
    ran = simulator("gil", "predict", "--executor", "single", "--executor", "processes", "-k", "4", "--json")
    found = [(each["workload"], each["executor"]) for each in ran.json["predictions"]]
    assert found == [(workload, by) for workload in ("cpu", "io") for by in ("single", "fork", "spawn")]
    assert {each["speedup"] for each in ran.json["predictions"] if each["executor"] == "single"} == {1.0}


def test_tiny_speed_ups_keep_two_digits() -> None:
    ran = simulator("gil", "predict", "--work", "1ms", "--executor", "spawn", "--workload", "cpu", "-k", "1")
    assert ran.lines[-1].split()[-2:] == ["0.016x", "0.016x"]


def test_the_article_s_figures_are_its_own() -> None:
    said = {each.executor.value + each.workload.value: str(printed) for each, printed in PRINTED.items()}
    assert said == {"threadscpu": "1.06x", "spawncpu": "19x", "threadsio": "5.24x"}


@pytest.mark.parametrize("why", ["interrupted", "stopped after 9 s"])
def test_costs_of_fewer_rounds_are_not_saved(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Calibration(Costs(), {}, 1, stopped=why)
    monkeypatch.setattr("scenarios.gil.calibrate.calibrate", lambda *_, **__: part)
    path = tmp_path / "costs.json"
    ran = simulator("gil", "calibrate", "-o", str(path))
    assert ran.code == (130 if why == "interrupted" else 2)
    assert ran.err.splitlines() == [
        f"simulator: {why}: this is only what was measured so far",
        f"simulator: {path} was not written",
    ]
    assert not path.exists()


def test_what_was_measured_on_one_python_is_kept_when_the_next_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Interpreter.current()
    answers = iter([Calibration(Costs(), {}, 1)])

    def calibrate(*_: object, **__: object) -> Calibration:
        for each in answers:
            return each
        raise KeyboardInterrupt

    monkeypatch.setattr("scenarios.gil.calibrate.calibrate", calibrate)
    ran = simulator("gil", "calibrate", "--python", here.executable, "--python", here.executable, "--json")
    assert (ran.code, len(ran.json)) == (130, 1)


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
    assert [line.rstrip(" (!)").split()[-1] for line in rows] == ["1.06x", "5.24x"]
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
    if ran.code == 0:
        assert ran.err == "simulator: stopped after 0.2 s: this is only what was measured so far\n"
    else:
        assert ran.refused().endswith("stopped after 0.2 s, before anything was measured; allow more time")
    assert simulator("gil", "calibrate", "--timeout", "0.2").refused().endswith("allow more time")


@pytest.mark.parametrize("command", ["calibrate", "measure", "compare"])
def test_an_interpreter_that_is_no_python_is_one_clear_line(command: str, tmp_path: Path) -> None:
    liar = tmp_path / "liar"
    liar.write_text("#!/bin/sh\nexit 3\n")
    liar.chmod(0o755)
    refused = simulator("gil", command, "--python", str(liar)).refused()
    assert refused == f"python '{liar}': is not a Python: asked who it is, it ended with code 3"
    liar.write_text('#!/bin/sh\nprintf "no such file: %s" "$2" >&2\nexit 2\n')
    refused = simulator("gil", command, "--python", str(liar)).refused()
    assert refused == f"python '{liar}': is not a Python: asked who it is, it ended with code 2"
    refused = simulator("gil", command, "--python", "no-such-python").refused()
    assert refused == "python 'no-such-python': there is no such program, neither as a path nor on PATH"


def test_more_processes_than_memory_allows_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 50 * 2**20)
    refused = simulator("gil", "measure", "-k", "200", "--executor", "spawn").refused()
    assert refused == "200 processes need about 4,000 MB, and 50 MB are free: ask for at most 2 at once"
