"""Natural runs on other Pythons: on every one that can be found here, and one clear line for what is none."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import simulator.real
from scenarios import plain_counter
from simulator.errors import UsageError
from simulator.loading import load
from simulator.real.crosscheck import crosscheck
from simulator.real.interpreters import OLDEST, Interpreter, find, installed
from simulator.real.natural import run_batch
from simulator.scenario import Plain
from simulator.trace import Outcome

pytestmark = pytest.mark.real

FOUND = installed()
HERE = Path(simulator.real.__file__).parent
ON_ANY_PYTHON = ["reach", "watched", "outside", "free_run", "stub", "accesses", "unwatched", "child"]


@pytest.fixture(params=FOUND, ids=str)
def python(request: pytest.FixtureRequest) -> Interpreter:
    found: Interpreter = request.param
    return found


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    path = list(sys.path)

    def write(text: str) -> str:
        (tmp_path / "mine.py").write_text(text)
        return str(tmp_path / "mine.py")

    yield write
    sys.path[:] = path
    sys.modules.pop("mine", None)


@pytest.mark.parametrize("name", ON_ANY_PYTHON)
def test_what_runs_on_any_python_keeps_to_the_oldest_syntax_and_the_standard_library(name: str) -> None:
    tree = ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"), feature_version=OLDEST)
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    ours = {f"simulator.real.{each}" for each in ON_ANY_PYTHON}
    assert [each for each in imported if each not in ours and each.split(".")[0] not in sys.stdlib_module_names] == []


def test_the_python_that_runs_this_is_always_found_and_they_come_oldest_first() -> None:
    assert Interpreter.current() in FOUND
    assert [each.version for each in FOUND] == sorted(each.version for each in FOUND)
    assert all(each.version >= OLDEST for each in FOUND)


def test_an_interpreter_is_asked_who_it_is(python: Interpreter) -> None:
    asked = find(python.executable)
    assert (asked.version, asked.gil, asked.implementation) == (python.version, python.gil, python.implementation)
    assert asked.path == os.path.abspath(python.executable)


@pytest.mark.parametrize("reference", ["counter", "scenarios.counter:counter", "scenarios/counter.py:counter"])
def test_the_locked_counter_never_loses_an_update_on_any_python(python: Interpreter, reference: str) -> None:
    batch = run_batch(reference, {"lock": True, "increments": 100, "threads": 3}, runs=5, interpreter=python)
    assert batch.outcomes == {Outcome("finished", (("count", 300),)): 5}
    assert (batch.interpreter.version, batch.interpreter.gil) == (python.version, python.gil)


def test_the_ordered_bank_conserves_money_on_any_python(python: Interpreter) -> None:
    batch = run_batch("bank", {"strategy": "ordered"}, runs=5, interpreter=python)
    assert batch.outcomes == {Outcome("finished", ((("balance", 1), 800), (("balance", 2), 1200))): 5}


def test_the_unsafe_bank_ends_by_itself_on_any_python_and_both_orders_are_seen(python: Interpreter) -> None:
    batch = run_batch("bank", {}, runs=5, interpreter=python)
    assert (batch.done, batch.stopped) == (5, "")
    (cycle,) = batch.cycles
    assert cycle.finding.objects == ("bank.accounts[1].lock", "bank.accounts[2].lock")
    assert set(batch.logs) == set(batch.outcomes)


def test_the_switch_interval_is_set_on_any_python(python: Interpreter) -> None:
    batch = run_batch("counter", {}, runs=1, interpreter=python, switch_interval=1e-4)
    assert batch.interpreter.switch_interval == pytest.approx(1e-4)


OWN = """
import threading
from simulator import Acquire, Read, Release, Write, Program
from simulator.errors import UsageError
from simulator.scenario import Plain, scenario

class Shared:
    def __init__(self):
        self.lock = threading.RLock()
        self.log = []

    def add(self, what):
        with self.lock, self.lock:
            self.log.append(what)

def body(what):
    yield Acquire("lock")
    yield Write("log", (yield Read("log")) + (what,))
    yield Release("lock")

@scenario(summary="Two threads write a log.")
def mine(greeting: str = "hi") -> Program:
    if not greeting:
        raise UsageError("greet")
    return Program({"a": lambda: body("a"), "b": lambda: body("b")}, memory={"log": ()}, rlocks=["lock"])

@mine.as_plain
def plain(greeting):
    return Plain(
        Shared,
        lambda shared: {"a": lambda: shared.add("a"), "b": lambda: shared.add("b")},
        observe=lambda shared: {"log": tuple(shared.log)},
        namespace=globals(),
    )
"""


def test_a_file_that_imports_the_simulator_runs_where_that_cannot_be_imported(
    python: Interpreter, write: Callable[[str], str]
) -> None:
    found = crosscheck(load(f"{write(OWN)}:mine"), {"greeting": "ho"}, runs=5, interpreters=[python])
    assert found.ok
    assert {str(outcome) for outcome in found.natural[0].outcomes} <= {"log=('a', 'b')", "log=('b', 'a')"}
    assert found.natural[0].done == 5


def test_a_plain_version_alone_can_be_run_too(python: Interpreter) -> None:
    plain = plain_counter.plain(threads=2, increments=10, lock=True, start=0)
    assert run_batch(plain, runs=2, interpreter=python).outcomes == {Outcome("finished", (("count", 20),)): 2}


def test_a_plain_version_of_lambdas_alone_cannot_be_sent_and_says_so() -> None:
    plain = Plain(dict, lambda _: {}, lambda _: {}, namespace={})
    with pytest.raises(UsageError, match=r"^this plain version cannot be sent to another process: its setup, workers"):
        run_batch(plain, runs=1)


# -- one clear line


def program(tmp_path: Path, text: str) -> str:
    path = tmp_path / "program"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_what_is_no_python_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"^python 'no-such': there is no such program, neither as a path nor on PATH$"
    ):
        find("no-such")
    with pytest.raises(UsageError, match=r"is not a program that can be run$"):
        find(str(tmp_path))
    with pytest.raises(UsageError, match=r"is not a Python: asked who it is, it ended with code 3 \(what\?\)$"):
        find(program(tmp_path, "#!/bin/sh\necho what? >&2\nexit 3\n"))
    with pytest.raises(UsageError, match=r"is not a Python: asked who it is, it ended with code 0$"):
        find("true")
    with pytest.raises(UsageError, match=r"cannot be started: "):
        find(program(tmp_path, "#!/no/such/interpreter\n"))


def test_a_python_that_is_too_old_is_told_in_one_line(tmp_path: Path) -> None:
    old = program(
        tmp_path,
        f"""#!{sys.executable}
import sys
sys.version_info = (2, 7, 18)
exec(sys.argv[2])
""",
    )
    with pytest.raises(UsageError, match=r"is CPython 2\.7\.18; natural runs need 3\.8 or newer$"):
        find(old)


def test_a_file_that_this_python_cannot_import_is_told_with_its_line(
    python: Interpreter, write: Callable[[str], str]
) -> None:
    text = OWN.replace("import threading\n", "import threading, no_such_module_there\n")
    path = write(OWN)
    loaded: Any = load(f"{path}:mine")
    write(text)
    with pytest.raises(UsageError) as refused:
        run_batch(loaded, {}, runs=1, interpreter=python)
    version = ".".join(map(str, python.version))
    assert str(refused.value) == (
        f"{path}:2: cannot be run by Python {version}: ModuleNotFoundError: No module named 'no_such_module_there'"
    )
    write(OWN.replace("import threading\n", "import threading\nif :\n"))
    with pytest.raises(UsageError, match=rf"mine.py:3: cannot be run by Python {version}: SyntaxError: invalid syntax"):
        run_batch(loaded, {}, runs=1, interpreter=python)
