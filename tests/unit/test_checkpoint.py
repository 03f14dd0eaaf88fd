"""The checkpoint file: what it keeps, and everything that it refuses, in one line each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from simulator import checkpoint
from simulator.checkpoint import CheckpointFile, fingerprint
from simulator.errors import UsageError
from simulator.explore import check
from simulator.machine import Machine
from simulator.ops import Operation, Read, Write
from simulator.program import Program
from simulator.search.budget import Budget

DPOR = {"scheduler": "dpor"}
SAVED = {"runs": 3, "sightings": [[0, 1], []], "text": "→ ‖"}


def body(times: int = 1) -> Iterator[Operation]:
    for _ in range(times):
        yield Write("x", 1)


def program(times: int = 1, name: str = "program") -> Program:
    return Program({"a": partial(body, times), "b": body}, memory={"x": 0}, name=name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept.json"


def file(path: Path, made_for: Program | None = None, **settings: Any) -> CheckpointFile:
    return CheckpointFile(str(path), made_for or program(), settings or DPOR)


def kept(path: Path, made_for: Program | None = None, **settings: Any) -> Path:
    file(path, made_for, **settings).save(SAVED)
    return path


def refusal(path: Path, made_for: Program | None = None, **settings: Any) -> str:
    """The line with which the file is refused, without the path."""
    with pytest.raises(UsageError) as refused:
        file(path, made_for, **settings).load()
    line = str(refused.value)
    assert "\n" not in line
    assert repr(str(path)) in line
    return line.replace(repr(str(path)), "FILE")


def test_what_is_saved_is_loaded_by_another(path: Path) -> None:
    assert file(kept(path)).load() == SAVED


def test_the_last_saving_counts(path: Path) -> None:
    one = file(path)
    one.save({"runs": 1})
    one.save({"runs": 2})
    assert file(path).load() == {"runs": 2}


def test_without_a_file_there_is_nothing_to_load_and_the_file_is_made(path: Path) -> None:
    assert file(path).load() is None
    assert path.exists()
    assert file(path).load() is None


def test_to_load_leaves_the_file_as_it_was(path: Path) -> None:
    before = kept(path).read_bytes()
    file(path).load()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_it_is_due_at_first_and_then_not_for_a_while(path: Path) -> None:
    one = file(path)
    assert one.due()
    one.save(SAVED)
    assert not one.due()


def test_the_longer_saving_takes_the_rarer_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    one = file(path)
    assert one.due()
    now += 3  # to gather and to write
    one.save(SAVED)
    now += 59
    assert not one.due()
    now += 1
    assert one.due()


# -- files that are none


@pytest.mark.parametrize("length", [1, 20, 200, -1, -10, -66, -72, -80])
def test_a_file_that_is_cut_short_is_refused(path: Path, length: int) -> None:
    text = kept(path).read_text()
    path.write_text(text[:length])
    line = refusal(path)
    assert "delete it to start from the beginning" in line or line == "FILE is not a checkpoint; give another file"


def test_a_file_with_any_sign_changed_is_refused(path: Path) -> None:
    data = kept(path).read_bytes()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        refusal(path)


def test_an_edited_file_is_refused(path: Path) -> None:
    path.write_text(kept(path).read_text().replace('"runs": 3', '"runs": 4'))
    assert refusal(path) == "FILE was edited or damaged; delete it to start from the beginning"


def test_a_file_with_something_after_it_is_refused(path: Path) -> None:
    path.write_text(kept(path).read_text() + "\n")
    refusal(path)


@pytest.mark.parametrize("text", ["", "\n", "hello", "{}", "[" * 100_000, '{"about": 3}', '{"about": ', "null"])
def test_other_files_are_refused(path: Path, text: str) -> None:
    path.write_text(text)
    refusal(path)


def test_a_file_that_is_not_text_is_refused(path: Path) -> None:
    path.write_bytes(bytes(range(256)))
    assert refusal(path) == "cannot read FILE: it is not text"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "cannot read FILE: it is not a file"


def test_a_pipe_is_refused_and_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    assert refusal(path) == "cannot read FILE: it is not a file"


def test_a_place_that_cannot_be_written_is_refused_before_the_search(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no folder" / "kept.json") == "cannot write FILE: No such file or directory"
    (tmp_path / "a file").write_text("")
    assert refusal(tmp_path / "a file" / "kept.json").startswith("cannot ")


@pytest.mark.parametrize("name", ["", "a\0b", "a" * 5000])
def test_a_path_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"^cannot "):
        CheckpointFile(name, program(), DPOR).load()


def test_a_file_that_may_not_be_read_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    kept(path)
    # Not by its mode: root may read everything.
    monkeypatch.setattr(Path, "read_bytes", denied)
    assert refusal(path) == "cannot read FILE: Permission denied"


# -- files of another search


def test_another_program_is_refused(path: Path) -> None:
    line = refusal(kept(path), program(name="other"))
    assert line == "FILE was made for another program: program, not other; give another file, or delete it"


def test_another_parameter_is_refused(path: Path) -> None:
    line = refusal(kept(path), program(times=2))
    assert "was made for another program: program with other parameters or other code" in line


@pytest.mark.parametrize(
    ("made", "asked", "said"),
    [
        (DPOR, {"scheduler": "naive"}, "scheduler dpor, not naive"),
        ({"scheduler": "random"}, {"scheduler": "random", "seed": 1}, "seed 0, not 1"),
        ({"scheduler": "pct", "depth": 2}, {"scheduler": "pct"}, "depth 2, not 3"),
        ({"scheduler": "preemptions"}, {"scheduler": "preemptions", "bound": 1}, "bound 2, not 1"),
        ({"scheduler": "naive", "max_steps": 5}, {"scheduler": "naive"}, "max_steps 5, not none"),
        (DPOR, {"scheduler": "dpor", "max_steps": 5}, "max_steps none, not 5"),
    ],
)
def test_other_settings_are_refused(path: Path, made: dict[str, Any], asked: dict[str, Any], said: str) -> None:
    assert refusal(kept(path, **made), **asked) == f"FILE was made with {said}; give another file, or delete it"


@pytest.mark.parametrize(
    ("said", "left_out"),
    [
        ({"scheduler": "random", "seed": 0}, {"scheduler": "random"}),
        ({"scheduler": "pct", "depth": 3}, {"scheduler": "pct", "seed": None}),
        ({"scheduler": "delays", "bound": 2}, {"scheduler": "delays"}),
        ({"scheduler": "preemptions", "max_steps": 10_000}, {"scheduler": "preemptions"}),
    ],
)
def test_a_default_that_is_said_is_the_same_as_one_left_out(
    path: Path, said: dict[str, Any], left_out: dict[str, Any]
) -> None:
    assert file(kept(path, **said), **left_out).load() == SAVED


def test_another_version_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(path)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "_version", lambda: "99.0")
        assert "was made by another version (simulator 0." in refusal(path)
    monkeypatch.setattr(checkpoint.sys, "version_info", (3, 99, 0))
    assert ", not 3.99)" in refusal(path)


# -- the fingerprint


def of(function: Callable[..., Any]) -> str:
    return fingerprint(Program({"a": function}))


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    code = (
        "from simulator.checkpoint import fingerprint; from scenarios.bank import bank; from scenarios.counter import counter;"
        "from tests.unit.test_checkpoint import uses; from simulator.program import Program;"
        "print(*map(fingerprint, (bank.program(), counter.program(), Program({'a': uses()}))))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1
    assert len(said.pop().split()) == 3


@dataclass(frozen=True)
class Pair:
    one: object
    two: object


class Bare:
    """Its repr has an address."""


def uses() -> Callable[..., Any]:
    held = (frozenset({"a", "b", "c"}), Pair(1, Bare()), {"k": {1, 2, 3}, "l": {"x", "y", "z"}})

    def inner(given: object = frozenset({"p", "q", "r"})) -> Iterator[Operation]:
        if given in {"s", "t", "u"}:
            yield Read(held)

    return inner


def made(source: str) -> Callable[..., Any]:
    """The `body` of a module of this source."""
    names: dict[str, Any] = {"__name__": "mine", "Read": Read, "Write": Write}
    exec(compile(source, "mine.py", "exec"), names)
    found: FunctionType = names["body"]
    return found


BODY = """
def body():
    yield Write("x", helper())
"""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def body():\n yield Write('x', 1)", "def body():\n yield Write('x', 2)"),
        ("def body():\n yield Write('x', 1)", "def body():\n yield Write('x', True)"),
        ("def body():\n yield Write('x', 0.0)", "def body():\n yield Write('x', -0.0)"),
        ("def body(a=1):\n yield Write('x', a)", "def body(a=2):\n yield Write('x', a)"),
        ("def body(*, a=1):\n yield Write('x', a)", "def body(*, a=2):\n yield Write('x', a)"),
        ("TIMES = 1\ndef body():\n yield Write('x', TIMES)", "TIMES = 2\ndef body():\n yield Write('x', TIMES)"),
        (f"def helper(): return 1\n{BODY}", f"def helper(): return 2\n{BODY}"),
        (
            f"def far(): return 1\ndef helper(): return far()\n{BODY}",
            f"def far(): return 2\ndef helper(): return far()\n{BODY}",
        ),
        (
            "def helper(): return 1\ndef body():\n yield Write('x', [helper() for _ in 'a'][0])",
            "def helper(): return 2\ndef body():\n yield Write('x', [helper() for _ in 'a'][0])",
        ),
    ],
)
def test_the_fingerprint_sees_what_a_body_does_and_calls(one: str, other: str) -> None:
    assert of(made(one)) == of(made(one))
    assert of(made(one)) != of(made(other))


def test_the_fingerprint_ends_where_functions_and_values_hold_themselves() -> None:
    loop: list[object] = []
    loop.append(loop)

    def helper(times: int) -> int:
        return helper(times - 1) if times else len(loop)

    def inner() -> Iterator[Operation]:
        yield Write("x", helper(2))

    assert of(inner) == of(inner)


def test_the_fingerprint_sees_whose_method_a_body_is() -> None:
    @dataclass(frozen=True)
    class Thread:
        value: int

        def run(self) -> Iterator[Operation]:
            yield Write("x", self.value)

    assert of(Thread(1).run) == of(Thread(1).run)
    assert of(Thread(1).run) != of(Thread(2).run)


def test_the_fingerprint_sees_properties_memory_and_locks() -> None:
    base = {"bodies": {"a": body}, "memory": {"x": 0}}
    programs = [
        Program(**base),
        Program(**{**base, "memory": {"x": 1}}),
        Program(**{**base, "memory": {"y": 0}}),
        Program(**base, locks=["l"]),
        Program(**base, rlocks=["l"]),
        Program(**base, finally_=lambda memory: memory["x"] == 1),
        Program(**base, finally_=lambda memory: memory["x"] == 2),
        Program(**base, always=lambda memory: memory["x"] == 1),
    ]
    assert len({fingerprint(each) for each in programs}) == len(programs)


# -- what the fingerprint cannot see is found when the schedules are followed again


def hidden(values: dict[str, int]) -> Program:
    """Two threads whose steps hang on something that the fingerprint does not look into."""

    class Box:
        def value(self) -> int:
            return values["x"]

    box = Box()

    def inner() -> Iterator[Operation]:
        yield Write("x", box.value())
        yield Read("x")

    return Program({"a": inner, "b": inner}, memory={"x": 0})


def test_a_program_that_does_something_else_now_is_refused_by_its_steps(path: Path) -> None:
    one, other = hidden({"x": 1}), hidden({"x": 2})
    assert fingerprint(one) == fingerprint(other)
    check(one, scheduler="naive", budget=Budget(max_interleavings=2), checkpoint=file(path, one, scheduler="naive"))
    with pytest.raises(UsageError, match="the program has changed since"):
        check(other, scheduler="naive", checkpoint=file(path, other, scheduler="naive"))


def test_a_value_that_does_not_fit_the_narrow_layout_loses_no_work(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is widened in the middle of the search, which then goes on from what was saved."""
    size = 300
    widened: list[int] = []
    saved: list[int] = []
    widen = Machine.widened

    def counted(machine: Machine) -> Machine:
        widened.append(len(saved))
        return widen(machine)

    def first() -> Iterator[Operation]:
        yield Write("x", 0)

    def second() -> Iterator[Operation]:
        # Many values, but not in the runs that come first.
        if (yield Read("x")) == -1:
            for number in range(size):
                yield Write("x", number)

    class Watched(CheckpointFile):
        def due(self) -> bool:
            super().due()
            return True

        def save(self, found: Any) -> None:
            saved.append(found["runs"])
            super().save(found)

    wide = Program({"a": first, "b": second}, memory={"x": -1})
    monkeypatch.setattr(Machine, "widened", counted)
    report = check(wide, scheduler="naive", checkpoint=Watched(str(path), wide, {"scheduler": "naive"}))
    assert min(widened) >= 1
    assert report.runs == size + 2
    assert saved == [*range(1, size + 3), size + 2]
    assert report.to_dict() == check(wide, scheduler="naive").to_dict()
    assert json.loads(path.read_text().splitlines()[0])["saved"]["runs"] == size + 2
