"""`simulator gil`: what the model says, exactly; of what was measured only that it is there."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.cli.command_line import simulator


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
