"""Mistakes in a user's file: each one clear line with file and line where there is one, or a finding of the program itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.loading import registered
from tests.cli.command_line import simulator

COMMANDS = [
    ("explore",),
    ("count",),
    ("enumerate",),
    ("replay", "alice"),
    ("graph",),
    ("crosscheck", "--runs", "1"),
]

BODIES = """
import itertools
import random
from simulator import Acquire, Program, Read, Release, Write

def of(body, **settings):
    return Program({"alice": body, "bob": body}, **{"memory": {"x": 0}, "locks": ["lock"], **settings})

numbers = itertools.count()

def plain_function():
    return 3

def forgetful():
    pass

def three():
    yield Read("x")
    yield 3

def a_class():
    yield Read

def reads_unknown():
    yield Read("y")

def writes_unknown():
    yield Write("y", 1)

def unknown_lock():
    yield Acquire("lokc")

def writes_a_list():
    yield Write("x", [1])

def random_write():
    yield Write("x", random.random())

def shared_outside():
    yield Write("x", next(numbers))

def increment():
    value = yield Read("x")
    yield Write("x", value + 1)
"""

REFUSED = {
    "plain_function": r"mine\.py:11: the body of thread 'alice' is not a generator function: calling it returned 3; .*",
    "forgetful": r"mine\.py:14: the body of thread 'alice' is not a generator function: calling it returned None; .*",
    "three": r"mine\.py:19: thread 'alice' yielded 3, expected an operation",
    "a_class": r"mine\.py:22: thread 'alice' yielded <class '.*Read'>, expected an operation; write Read\(\.\.\.\)",
    "reads_unknown": r"mine\.py:25: thread 'alice' wants to 'read y', but the program has no memory location 'y'; known: x",
    "writes_unknown": r"mine\.py:28: thread 'alice' wants to 'write y = 1', but the program has no memory location 'y'; .*",
    "unknown_lock": r"mine\.py:31: thread 'alice' wants to 'acquire lokc', but .* no lock 'lokc'; did you mean 'lock'\?",
    "writes_a_list": r"mine\.py:34: thread 'alice' yielded Write\(.*\), whose operand cannot be hashed .*; use a tuple, .*",
    "random_write": r"mine\.py:37: body 'random_write' of thread 'alice' is not deterministic: .* it first did .* and then .*",
    "shared_outside": r"mine\.py:40: body 'shared_outside' of thread 'alice' is not deterministic: .*",
}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_body_that_is_none_is_refused_by_every_command(command: tuple[str, ...], write: Callable[..., str]) -> None:
    programs = "\n".join(f"{body}_program = of({body})" for body in REFUSED)
    path = write(BODIES + programs)
    for body, said in REFUSED.items():
        ran = simulator(command[0], f"{path}:{body}_program", *command[1:])
        assert re.fullmatch(said, ran.refused()), ran


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        (
            "finally_=lambda memory: 1 / 0",
            r"property 'finally_' raised ZeroDivisionError: division by zero on memory .*",
        ),
        ("finally_=lambda memory: None", r"property 'finally_' returned None; return True or False .*"),
        ("always=lambda memory: memory['nope']", r"property 'always' raised KeyError: 'nope' on memory \{'x': 0\}"),
    ],
)
def test_a_property_that_raises_or_returns_nothing_is_refused(
    properties: str, said: str, write: Callable[..., str]
) -> None:
    path = write(f"{BODIES}\nprogram = of(increment, {properties})")
    for command in ("explore", "graph"):
        ran = simulator(command, f"{path}:program")
        assert re.search(said, ran.refused()), ran


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            "def made():\n    return of(increment, memory={'x': []})",
            r"mine\.py:\d+: memory location 'x' starts as \[\], which .*",
        ),
        (
            "def made() -> Program:\n    raise RuntimeError('not\\ntoday')",
            r"mine\.py:\d+: mine\.py:made\(\) raised RuntimeError: not today",
        ),
        ("def made():\n    of(increment)", r"mine\.py:made returned None, expected a Program; is a 'return' missing\?"),
        (
            "def made(size):\n    return of(increment)",
            r"mine\.py:\d+: parameter 'size' of scenario 'made' has no default; .*",
        ),
        ("def made():\n    return Program({'a b': increment})", r"mine\.py:\d+: thread name 'a b' cannot be used: .*"),
        ("def made():\n    return Program({})", r"mine\.py:\d+: program 'program' has no threads: .*"),
        (
            "def made():\n    return Program({'a': increment()})",
            r"mine\.py:\d+: the body of thread 'a' is a generator of 'increment', which can run only once; .*",
        ),
        (
            "def made():\n    yield",
            r"mine\.py:made returned a generator, expected a Program; this is a thread's body: .*",
        ),
        (
            "def made(json: int = 3):\n    return of(increment)",
            r"parameter 'json' of made has the name of one of the simulator's own options; .*",
        ),
        (
            "def made(sizes: list = ()):\n    return of(increment)",
            r"mine\.py:\d+: parameter 'sizes' of scenario 'made' is .*; it can be int, .*",
        ),
        ("made = 3", r"mine\.py:made is 3, expected a Scenario, a Program, a Plain or a function that returns one"),
        (
            "made = of(increment, memory={'x': []})",
            r"mine\.py:\d+: cannot be imported: memory location 'x' starts as \[\], .*",
        ),
    ],
)
def test_something_that_makes_no_program_is_refused(function: str, said: str, write: Callable[..., str]) -> None:
    path = write(f"{BODIES}\n{function}\n")
    ran = simulator("explore", f"{path}:made")
    assert re.fullmatch(said, ran.refused()), ran


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"mine\.py has no attribute 'program'"),
        ("prgram = 3", r"mine\.py has no attribute 'program'; did you mean 'prgram'\?"),
        ("x = 1\ndef f(:\n", r"mine\.py:2: does not compile: .*"),
        ("x = 1\n\nraise KeyError('k')", r"mine\.py:3: cannot be imported: KeyError: 'k'"),
        (
            "import no_such_module",
            r"mine\.py:1: cannot be imported: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("raise SystemExit(0)", r"mine\.py:1: cannot be imported: SystemExit: 0"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_why(text: str, said: str, write: Callable[..., str]) -> None:
    ran = simulator("explore", f"{write(text)}:program")
    assert re.fullmatch(said, ran.refused()), ran


def test_a_reference_that_leads_nowhere_is_told_why(write: Callable[..., str], tmp_path: Path) -> None:
    path = write(f"{BODIES}\nprogram = of(increment)")
    (tmp_path / "folder.py").mkdir()

    def said(reference: str) -> str:
        return simulator("explore", reference).refused()

    assert said("conter") == "there is no scenario 'conter'; did you mean 'counter' or 'counter-rw'?"
    assert said("") == f"there is no scenario ''; 'simulator list' names all {len(registered())}"
    assert said("R x; W x") == "there is no scenario 'R x; W x'; litmus text has '||' between its threads"
    assert said("none.py:program") == "none.py: no such file"
    assert said(path) == "mine.py: say what of the file, as mine.py:NAME; it has program"
    assert said("folder.py:program") == "folder.py: is a directory, expected a Python file"
    assert said("no_such_module:program") == (
        "there is no module 'no_such_module' (looked for 'no_such_module' along sys.path)"
    )
    assert said("json:program") == "json has no attribute 'program'"
    assert said(":program").startswith("':program' cannot be read; write a scenario's name, module:attribute or")


FINDINGS = """
from simulator import Acquire, Program, Read, Release, Write

def of(body):
    return Program({"alice": body, "bob": body}, memory={"x": 0}, locks=["lock"])

def raises():
    yield Read("x")
    raise ValueError("boom")

def asserts():
    value = yield Read("x")
    assert value == 1, "not one"

def releases_what_it_has_not():
    yield Release("lock")

def waits_for_itself():
    yield Acquire("lock")
    yield Acquire("lock")

def ends_holding():
    yield Acquire("lock")

def recursion():
    yield Read("x")
    def deeper():
        return deeper()
    deeper()

def leaves():
    yield Read("x")
    raise SystemExit(3)

def adds_text():
    value = yield Read("x")
    yield Write("x", value + "1")
"""


@pytest.mark.parametrize(
    ("body", "title", "said"),
    [
        ("raises", "crash at mine.py:9", "ValueError: boom"),
        ("asserts", "failed check at mine.py:13", "not one"),
        ("releases_what_it_has_not", "lock misuse on lock", "release of lock not held at mine.py:16"),
        ("waits_for_itself", "deadlock on lock", "alice waits for lock, which it holds itself"),
        ("ends_holding", "deadlock on lock", "alice"),
        ("recursion", "crash at mine.py:28", "RecursionError: maximum recursion depth exceeded"),
        ("leaves", "crash at mine.py:33", "SystemExit: 3"),
        ("adds_text", "crash at mine.py:37", "TypeError: unsupported operand"),
    ],
)
def test_what_the_program_under_test_does_wrong_is_a_finding(
    body: str, title: str, said: str, write: Callable[..., str]
) -> None:
    path = write(f"{FINDINGS}\nprogram = of({body})")
    ran = simulator("explore", f"{path}:program")
    assert ran.code == 1, ran
    assert ran.err == ""
    assert "Traceback" not in ran.out
    found = {
        finding["title"]: finding for finding in simulator("explore", f"{path}:program", "--json").json["findings"]
    }
    assert title in found
    assert said in found[title]["why"]


ENDLESS = """
from simulator import Program, Read, Write

def reads():
    while True:
        yield Read("x")

def grows():
    while True:
        value = yield Read("x")
        yield Write("x", value + 1)

reading = Program({"alice": reads, "bob": reads}, memory={"x": 0})
growing = Program({"alice": grows, "bob": grows}, memory={"x": 0})
"""


def test_a_program_that_never_ends_in_few_states_is_explored_completely(write: Callable[..., str]) -> None:
    path = write(ENDLESS)
    ran = simulator("explore", f"{path}:reading")
    assert ran.code == 0
    assert ran.lines[1] == "graph: no finding; all 4 states covered (complete)"
    assert ran.lines[3].startswith("interleavings not counted: the program can run for ever")
    assert "give --max-steps to cut each one there" in simulator("count", f"{path}:reading").refused()
    # Reads only: what differs is how many of the three steps are alice's.
    cut = simulator("count", f"{path}:reading", "--max-steps", "3")
    assert cut.lines[0] == "program: 8 interleavings, 4 of them different, cut at 3 steps"


def test_a_program_that_never_ends_and_grows_is_cut_by_the_budget_that_is_named(write: Callable[..., str]) -> None:
    path = f"{write(ENDLESS)}:growing"
    said = simulator("count", path, "--max-states", "2000").refused()
    assert "needs more than 2,000 states" in said
    cut = simulator("count", path, "--max-steps", "4", "--json").json
    assert (cut["interleavings"], cut["complete"]) == (16, False)
    listed = simulator("enumerate", path, "--limit", "2", "--max-steps", "6")
    assert listed.code == 0
    assert listed.lines[0].split() == ["1", "out", "of", "steps:", "x=3", "alice*6"]
    ran = simulator("explore", path, "--timeout", "0.2", "--no-steps")
    assert "incomplete: " in ran.lines[1]
    assert "(timeout): not a proof" in ran.lines[1]
