"""A run as a file: detectors find in it what they find in the run itself, and a file that is none is told in one line."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analysis.data_race import DataRace
from simulator.analysis.detector import sightings_in
from simulator.analysis.finding import Kind
from simulator.errors import UsageError
from simulator.machine import Machine
from simulator.ops import Acquire, Add, Call, CompareAndSwap, Pause, Read, Release, Return, TryAcquire, Update, Write
from simulator.program import Program
from simulator.real.analyze import analyze, races_in
from simulator.real.recorded import Recorded, open_and_read, read
from simulator.real.recording import MOST_EVENTS, write
from simulator.search.one_run import findings_in
from simulator.search.replay import replay, run_of
from simulator.trace import Run
from tests.conftest import FACTOR, PROFILE
from tests.laws.programs import Small, any_programs, lock_programs

IN_A_RECORD = [kind for kind in Kind if kind is not Kind.FAILED_INVARIANT]
"""A record has no properties to hold the run to."""


def there_and_back(run: Run, program: Program) -> Recorded:
    return read(io.StringIO(write(run, program, name=program.name)), "run.jsonl")


def some_run(machine: Machine, seed: int, longest: int) -> Run:
    chosen = random.Random(seed)
    state, taken = machine.initial, []
    while (enabled := machine.enabled(state)) and len(taken) < longest:
        thread = chosen.choice(enabled)
        state, _ = machine.step(state, thread)
        taken.append(thread)
    return run_of(machine, taken)


@settings(max_examples=200 * FACTOR[PROFILE])
@given(st.one_of(any_programs, lock_programs), st.integers(0, 10**6), st.sampled_from([40, 40, 3]))
def test_a_file_shows_what_its_run_shows(small: Small, seed: int, longest: int) -> None:
    program = small.program()
    machine = Machine(program)
    run = some_run(machine, seed, longest)
    recorded = there_and_back(run, program)
    in_the_run = [finding.to_dict() for finding, _ in findings_in(machine, run, IN_A_RECORD)]
    assert [finding.to_dict() for finding in analyze(recorded)] == in_the_run


@settings(max_examples=100 * FACTOR[PROFILE])
@given(any_programs, st.integers(0, 10**6), st.sampled_from([40, 3]))
def test_a_run_comes_back_as_it_was_with_every_situation(small: Small, seed: int, longest: int) -> None:
    program = small.program()
    run = some_run(Machine(program), seed, longest)
    back = there_and_back(run, program).run
    assert back.to_dict() == run.to_dict()
    assert back.start == run.start
    for mine, other in zip(run.situations, back.situations, strict=True):
        assert other.enabled == mine.enabled
        assert dict(other.owners) == dict(mine.owners)
        assert dict(other.held) == dict(mine.held)
        assert dict(other.ends) == dict(mine.ends)
        assert str(dict(other.memory)) == str(dict(mine.memory))
    assert write(back, program, name=program.name) == write(run, program, name=program.name)


@settings(max_examples=200 * FACTOR[PROFILE])
@given(any_programs, st.integers(0, 10**6))
def test_races_over_a_finished_run_are_those_that_the_detector_sees_step_by_step(small: Small, seed: int) -> None:
    run = some_run(Machine(small.program()), seed, 40)
    assert races_in(run) == sightings_in(DataRace(), run)


def every_operation() -> Any:
    yield Call("visit", 1, ("a", 2.5))
    value = yield Read(("balance", 1))
    yield Read("x", atomic=True)
    value = yield Add(value, 1)
    yield Write(("balance", 1), (value, frozenset({1, 2}), float("inf"), None, True, "ü\n"))
    yield Update("x", divmod, 2)
    yield CompareAndSwap("x", (0, 0), "new")
    yield Acquire("again")
    yield Acquire("again")
    yield TryAcquire("lock")
    yield Release("again")
    yield Release("again")
    yield Pause(0.25)
    yield Return(("done", 1))


EVERYTHING = Program(
    {"a": every_operation}, memory={("balance", 1): 0, "x": 1}, locks=["lock"], rlocks=["again"], name="everything"
)


def test_every_operation_is_written_and_read_as_a_person_says_it() -> None:
    run = replay(EVERYTHING, "a*14")
    back = there_and_back(run, EVERYTHING)
    assert [event.text for event in back.run] == [event.text for event in run]
    assert [event.footprint for event in back.run] == [event.footprint for event in run]
    # The re-entrant lock that the thread holds does not keep it from going on.
    assert [situation.enabled for situation in back.run.situations] == [("a",)] * 14 + [()]
    assert back.run.outcome is not None
    assert str(back.run.outcome) == str(run.outcome)
    assert [finding.title for finding in analyze(back)] == ["lock misuse on lock"]


def test_the_first_line_says_what_ran_and_the_last_how_it_ended() -> None:
    text = write(replay(EVERYTHING, "a*14"), EVERYTHING, name="everything", source="real threads", traced=True)
    first, *events, last = map(json.loads, text.splitlines())
    assert (first["format"], first["version"], first["program"]) == ("simulator run", 1, "everything")
    assert (first["threads"], first["locks"], first["rlocks"]) == (["a"], ["lock"], ["again"])
    assert first["memory"] == [[["balance", 1], 0], ["x", 1]]
    assert events[1].items() >= {"thread": "a", "does": "read", "location": ["balance", 1], "answer": 0}.items()
    assert events[-1] == {"thread": "a", "ended": "finished", "message": "", "where": None}
    assert (last["how"], last["pending"]) == ("finished", {})
    recorded = read(io.StringIO(text), "run.jsonl")
    assert (recorded.source, recorded.traced, recorded.name) == ("real threads", True, "everything")


def increment() -> Any:
    value = yield Read("count")
    yield Write("count", value + 1)


COUNTER = Program({"a": increment, "b": increment}, memory={"count": 0})


def lost() -> list[str]:
    return write(replay(COUNTER, "a b*2 a"), COUNTER, name="counter").splitlines()


def test_a_lost_update_is_found_in_a_file_that_somebody_else_wrote() -> None:
    """The least that a file has to say."""
    lines = [
        {"format": "simulator run", "version": 1, "program": "mine", "source": "my tracer", "traced": False,
         "unseen": [], "threads": ["a", "b"], "memory": [], "locks": [], "rlocks": []},
        {"thread": "a", "does": "read", "location": "x", "answer": 0, "after": 0, "where": "mine.py:3"},
        {"thread": "b", "does": "read", "location": "x", "answer": 0, "after": 0, "where": "mine.py:3"},
        {"thread": "b", "does": "write", "location": "x", "value": 1, "after": 1, "where": "mine.py:3"},
        {"thread": "a", "does": "write", "location": "x", "value": 1, "after": 1, "where": "mine.py:3", "else": 1},
        {"how": "finished", "memory": [["x", 1]], "pending": {}},
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    assert [found.title for found in analyze(read(io.StringIO(text), "x"))] == ["lost update on x", "data race on x"]


def test_a_thread_has_ended_after_its_last_step_wherever_the_file_says_so() -> None:
    """A recorder may come to write it down only when other threads have gone on."""
    head, *events, last = lost()
    ends = [line for line in events if "ended" in json.loads(line)]
    steps = [line for line in events if line not in ends]
    assert [json.loads(line)["thread"] for line in ends] == ["b", "a"]
    recorded = read(io.StringIO("\n".join([head, *steps, *ends, last]) + "\n"), "x")
    at_once = read(io.StringIO("\n".join(lost()) + "\n"), "x")
    for one, other in zip(recorded.run.situations, at_once.run.situations, strict=True):
        assert dict(one.ends) == dict(other.ends)
    assert [situation.ends["b"] is not None for situation in recorded.run.situations] == [False] * 3 + [True] * 2


# -- one clear line


def changed(number: int, change: Callable[[Any], Any]) -> list[str]:
    """The lines with one of them changed, counted from 1."""
    lines = lost()
    lines[number - 1] = json.dumps(change(json.loads(lines[number - 1])))
    return lines


def with_(key: str, value: object, line: Any) -> Any:
    return {**line, key: value}


def without(key: str, line: Any) -> Any:
    return {name: value for name, value in line.items() if name != key}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "1: the file is empty, expected a recorded run"),
        (["hello"], "1: is not JSON, expected a recorded run (JSON lines)"),
        (["[1]"], "1: is not a JSON object, expected a recorded run (JSON lines)"),
        (["{}"], '1: is not a recorded run: its first line has "format": "simulator run"'),
        (changed(1, partial(with_, "version", 2)), "1: is in version 2 of the format; this reads version 1"),
        (changed(1, partial(without, "threads")), "1: has no 'threads'"),
        (changed(1, partial(with_, "threads", "ab")), "1: 'threads' is \"ab\", expected an array"),
        (changed(1, partial(with_, "threads", ["a", "b", "a"])), "1: a thread is named twice"),
        (changed(1, partial(with_, "threads", ["a b"])), "1: thread name 'a b' cannot be used"),
        (changed(1, partial(with_, "threads", [["a"]])), "1: a thread is named ['a'], expected text"),
        (changed(1, partial(with_, "memory", ["count"])), "1: 'memory' has to be an array of pairs [location, value]"),
        (changed(2, partial(with_, "thread", "c")), "2: thread 'c' is not among those of the first line; known: a, b"),
        (changed(2, partial(without, "thread")), "2: has no 'thread'"),
        (changed(2, partial(with_, "does", "reed")), "2: 'does' is 'reed'; did you mean 'read'?"),
        (changed(2, partial(without, "does")), "2: says neither what a thread does nor how one ended, nor how the run did"),
        (changed(2, partial(without, "location")), "2: has no name of a location or lock where one is expected"),
        (changed(2, partial(without, "where")), "2: has no 'where'"),
        (changed(2, partial(with_, "where", "mine.py")), "2: 'where' is 'mine.py', expected file:line"),
        (changed(2, partial(with_, "answer", {"x": 1})), "2: the value {\"x\": 1} cannot be read"),
        (changed(2, lambda line: {**line, "does": "acquire", "lock": "m"}), "2: lock 'm' is not among those of the first line"),
        (lost()[:-1], "8: the file breaks off: there is no line that says how the run ended"),
        ([*lost()[:-1], lost()[-1][:20]], "8: is not JSON: the file breaks off here"),
        ([*lost(), lost()[2]], "9: comes after the line that says how the run ended"),
        ([*lost()[:-1], lost()[1], lost()[-1]], "8: thread 'a' has ended before"),
        (changed(8, partial(with_, "how", "well")), "8: the run ended 'well'; known: finished, failed check"),
        (changed(8, partial(with_, "pending", {"c": {}})), "8: thread 'c' is not among those of the first line"),
        (changed(8, partial(with_, "pending", {"a": json.loads(lost()[1])})), "8: thread 'a' has ended, and is about"),
        (["[" * 100_000], "1: is not JSON, expected a recorded run (JSON lines)"),
        (['"' + "x" * 2_000_000 + '"'], "1: is longer than 1,000,000 characters, expected a recorded run (JSON lines)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_told_in_one_line(lines: list[str], said: str) -> None:
    text = "\n".join(lines)
    if lines and not said.endswith("breaks off here"):
        text += "\n"
    with pytest.raises(UsageError) as refused:
        read(io.StringIO(text), "run.jsonl")
    assert str(refused.value).startswith(f"run.jsonl:{said}")
    assert "\n" not in str(refused.value)


def test_locks_that_no_run_can_take_or_give_back_so_are_told() -> None:
    head = {**json.loads(lost()[0]), "locks": ["m"], "memory": []}
    take = {"does": "acquire", "lock": "m", "where": "f.py:1"}
    for events, said in (
        ([("a", take), ("b", take)], "3: b takes m, which a holds: no run can do that"),
        ([("a", take), ("a", take)], "3: a takes m, which a holds: no run can do that"),
        ([("a", {**take, "does": "release"})], "2: a releases m, which nobody holds: no run can do that"),
    ):
        lines = [head, *({"thread": thread, **event} for thread, event in events)]
        with pytest.raises(UsageError) as refused:
            read(io.StringIO("".join(json.dumps(line) + "\n" for line in lines)), "run.jsonl")
        assert str(refused.value) == f"run.jsonl:{said}"


def test_a_lock_given_back_by_another_thread_is_free_again() -> None:
    head = {**json.loads(lost()[0]), "locks": ["m"], "memory": []}
    lines = [
        head,
        {"thread": "a", "does": "acquire", "lock": "m", "where": "f.py:1"},
        {"thread": "b", "misuse": "release of a lock not held", "lock": "m", "where": "f.py:2"},
        {"thread": "b", "does": "release", "lock": "m", "where": "f.py:2"},
        {"thread": "b", "does": "acquire", "lock": "m", "where": "f.py:3"},
        {"how": None, "memory": [], "pending": {}},
    ]
    recorded = read(io.StringIO("".join(json.dumps(line) + "\n" for line in lines)), "x")
    assert [situation.owners["m"] for situation in recorded.run.situations] == [None, "a", None, "b"]
    assert [found.title for found in analyze(recorded)] == ["lock misuse on m"]


def test_a_file_that_is_too_long_is_told_before_it_is_read_to_its_end() -> None:
    head, event = lost()[0], lost()[1]

    def endless() -> Any:
        yield head + "\n"
        while True:
            yield event + "\n"

    lines = endless()

    class Endless(io.StringIO):
        def readline(self, size: int | None = -1, /) -> str:
            line: str = next(lines)
            return line

    with pytest.raises(
        UsageError, match=rf"^x:{MOST_EVENTS + 2}: there are more than {MOST_EVENTS:,} events: record a"
    ):
        read(Endless(), "x")


def test_a_file_that_is_no_text_or_not_there_is_told(tmp_path: Path) -> None:
    picture = tmp_path / "picture.jsonl"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff\xfe")
    with pytest.raises(UsageError, match=r"picture.jsonl:1: is not UTF-8 text, expected a recorded run"):
        open_and_read(str(picture))
    with pytest.raises(UsageError, match=r"none.jsonl: no such file$"):
        open_and_read(str(tmp_path / "none.jsonl"))
    with pytest.raises(UsageError, match=r": is a directory, expected a recorded run$"):
        open_and_read(str(tmp_path))


@settings(max_examples=150 * FACTOR[PROFILE])
@given(st.data())
def test_a_file_with_anything_in_it_is_read_or_refused_in_one_line(data: st.DataObject) -> None:
    """Whatever stands where another thing was expected."""
    scalars = st.one_of(st.none(), st.booleans(), st.integers(-2, 10**6), st.text(max_size=3), st.floats())
    anything = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    )
    lines = [json.loads(line) for line in lost()]
    place = data.draw(st.integers(0, len(lines) - 1))
    key = data.draw(st.sampled_from(sorted(lines[place])))
    lines[place][key] = data.draw(anything)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    refused = ""
    try:
        analyze(read(io.StringIO(text), "run.jsonl"))
    except UsageError as error:
        refused = str(error)
    assert refused == "" or refused.startswith("run.jsonl:")
    assert "\n" not in refused
