"""References: what can be loaded, and what each wrong one is told."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator import loading
from simulator.errors import UsageError
from simulator.loading import load

GOOD = '''
from typing import Annotated
from simulator.ops import Pause
from simulator.program import Program
from simulator.scenario import Plain, Range, scenario

def body():
    yield Pause()

program = Program({"a": body}, name="just-one")

def build():
    """Two of them.

    At once.
    """
    return Program({"a": body, "b": body})

def many(threads: Annotated[int, Range(1, 9), "how many"] = 2):
    "As many as you like."
    return Program({f"t{n}": body for n in range(threads)})

@scenario(summary="A scenario.")
def some(threads: Annotated[int, Range(1, 9), "how many"] = 2) -> Program:
    return many(threads)

@some.as_plain
def plain_some(threads):
    return Plain(setup=list, workers=lambda state: {}, observe=lambda state: {}, namespace=globals())

def needs(threads):
    return program

def fails():
    raise ValueError("not\\ntoday")

def misquoted(threads: "Nonsense" = 2):
    return program

def forgot():
    program

class Holder:
    inner = program

number = 3
'''


@pytest.fixture(autouse=True)
def import_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(text: str, name: str = "mine.py") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_a_file_gives_a_program_a_scenario_or_a_function_that_returns_one(write: Callable[..., str]) -> None:
    path = write(GOOD)
    assert load(f"{path}:program").program().threads == ("a",)
    assert load(f"{path}:program").name == "just-one"
    assert load(f"{path}:build").program().threads == ("a", "b")
    assert load(f"{path}:build").summary == "Two of them."
    assert load(f"{path}:Holder.inner").program().threads == ("a",)
    some = load(f"{path}:some")
    assert some.program(threads=3).threads == ("t0", "t1", "t2")
    assert some.parameters[0].help == "how many"
    assert some.plain(threads=3) is not None
    assert load(f"{path}:program").plain() is None


def test_a_function_s_annotated_parameters_are_parameters(write: Callable[..., str]) -> None:
    many = load(f"{write(GOOD)}:many")
    assert [(parameter.name, parameter.default) for parameter in many.parameters] == [("threads", 2)]
    assert many.summary == "As many as you like."
    assert len(many.program().threads) == 2
    assert len(many.program(threads=5).threads) == 5
    with pytest.raises(UsageError, match="1 to 9"):
        many.program(threads=10)


def test_a_module_of_the_working_directory_can_be_named(
    write: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(GOOD, "my_module_of_programs.py")
    monkeypatch.chdir(tmp_path)
    assert load("my_module_of_programs:program").program().threads == ("a",)


def test_a_file_may_import_what_lies_beside_it_and_hides_no_module(write: Callable[..., str]) -> None:
    write("from simulator.ops import Pause\ndef body():\n    yield Pause()\n", "beside_it.py")
    path = write(
        "import json, beside_it\nfrom simulator.program import Program\n"
        "p = Program({'a': beside_it.body})\nassert json.dumps([1])",
        "json.py",
    )
    assert load(f"{path}:p").program().threads == ("a",)


def test_a_registered_name_is_found_by_entry_point(write: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    write(GOOD, "registered_here.py")
    sys.path.insert(0, str(Path(write(GOOD)).parent))
    entries = [
        importlib.metadata.EntryPoint(name, value, loading.GROUP)
        for name, value in [("some", "registered_here:some"), ("broken", "registered_here:nothing")]
    ]
    monkeypatch.setattr(loading, "entry_points", lambda *, group: [e for e in entries if e.group == group])
    assert loading.registered() == ("broken", "some")
    assert load("some").program(threads=1).threads == ("t0",)
    with pytest.raises(UsageError, match=r"^there is no scenario 'soem'; did you mean 'some'\?$"):
        load("soem")
    with pytest.raises(UsageError, match=r"scenario 'broken' .* cannot be loaded: AttributeError"):
        load("broken")


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("prgram", r"mine\.py has no attribute 'prgram'; did you mean 'program'\?$"),
        ("zzzz", r"mine\.py has no attribute 'zzzz'$"),
        ("number", r"mine\.py:number is 3, expected a Scenario, a Program, a Plain or a function that returns one$"),
        ("needs", r"mine\.py:\d+: parameter 'threads' of scenario 'needs' has no default; give it one$"),
        ("misquoted", r"mine\.py:\d+: the annotations of .* cannot be read: NameError"),
    ],
)
def test_a_wrong_attribute_is_told_in_one_line(write: Callable[..., str], attribute: str, message: str) -> None:
    path = write(GOOD)
    with pytest.raises(UsageError, match=message) as caught:
        load(f"{path}:{attribute}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("fails", r"^.*mine\.py:\d+: .*:fails\(\) raised ValueError: not today$"),
        ("forgot", r"returned None, expected a Program; is a 'return' missing\?$"),
        ("body", r"returned a generator, expected a Program; this is a thread's body"),
        ("Holder", r"returned a Holder, expected a Program$"),
    ],
)
def test_a_function_that_gives_no_program_is_told_in_one_line(
    write: Callable[..., str], attribute: str, message: str
) -> None:
    loaded = load(f"{write(GOOD)}:{attribute}")
    with pytest.raises(UsageError, match=message) as caught:
        loaded.program()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef f(:\n", r"mine\.py:2: does not compile: "),
        ("x = 1\n\nraise KeyError('k')", r"mine\.py:3: cannot be imported: KeyError: 'k'$"),
        ("import sys\nsys.exit(3)", r"mine\.py:2: cannot be imported: SystemExit: 3$"),
        (
            "import no_such_thing",
            r"mine\.py:1: cannot be imported: ModuleNotFoundError: No module named 'no_such_thing'$",
        ),
        ("import json\njson.loads('{')", r"mine\.py:2: cannot be imported: JSONDecodeError"),
        ("x = '\0'", r"mine\.py"),
    ],
)
def test_a_file_that_cannot_be_imported_names_its_line(write: Callable[..., str], text: str, message: str) -> None:
    path = write(text)
    with pytest.raises(UsageError, match=message) as caught:
        load(f"{path}:x")
    assert "\n" not in str(caught.value)
    assert "simulator_file_mine" not in sys.modules


def test_a_missing_file_a_directory_and_a_file_without_a_name_are_told(
    write: Callable[..., str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"none\.py: no such file$"):
        load(f"{tmp_path}/none.py:x")
    with pytest.raises(UsageError, match=r"is a directory, expected a Python file$"):
        load(f"{tmp_path}:x")
    with pytest.raises(UsageError, match=r"as .*mine\.py:NAME; it has program, some$"):
        load(write(GOOD))
    with pytest.raises(UsageError, match=r"mine\.txt: is not a Python file$"):
        load(write(GOOD, "mine.txt") + ":program")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no_such_module_at_all:x", r"^there is no module 'no_such_module_at_all' "),
        ("json.no_such:x", r"^there is no module 'json\.no_such' "),
        ("json:dmups", r"^json has no attribute 'dmups'; did you mean 'dumps'\?$"),
        (":x", "cannot be read"),
        ("x:", "cannot be read"),
        ("", "there is no scenario ''"),
    ],
)
def test_a_wrong_module_or_reference_is_told_in_one_line(reference: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load(reference)
    assert "\n" not in str(caught.value)


def test_a_module_with_a_mistake_in_it_names_its_line(
    write: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("x = 1\ndef f(:\n", "does_not_compile.py")
    write("import no_such_thing", "needs_another.py")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"does_not_compile\.py:2: module 'does_not_compile' cannot be imported"):
        load("does_not_compile:x")
    with pytest.raises(
        UsageError, match=r"needs_another\.py:1: module 'needs_another' cannot be imported: ModuleNotFound"
    ):
        load("needs_another:x")


def test_an_unknown_parameter_is_told_with_the_nearest(write: Callable[..., str]) -> None:
    path = write(GOOD)
    with pytest.raises(UsageError, match=r"no parameter 'thread'; did you mean 'threads'\?"):
        load(f"{path}:many").program(thread=2)
    with pytest.raises(UsageError, match="no parameter 'thread'"):
        load(f"{path}:program").program(thread=2)


def test_a_method_and_its_class_come_from_one_reading_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "counts.py"
    file.write_text(
        "import threading\n"
        "class Counter:\n"
        "    def __init__(self):\n"
        "        self.count, self.lock = 0, threading.Lock()\n"
        "    def add(self):\n"
        "        with self.lock:\n"
        "            self.count += 1\n"
    )
    plain = load(f"{file}:Counter.add").plain(threads=2)
    assert plain is not None
    state = plain.setup()
    (worker, _) = plain.workers(state).values()
    assert type(state).add.__globals__ is worker.func.__globals__  # type: ignore[attr-defined]
