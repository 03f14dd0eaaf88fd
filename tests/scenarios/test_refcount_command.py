"""`python -m scenarios.refcount`: its tables, and what real Pythons say of two names."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import pytest

from scenarios.refcount.__main__ import main
from scenarios.refcount.real import Counted, counted
from scenarios.refcount.sharing import Sharing
from simulator.errors import UsageError
from simulator.explore import check
from simulator.real.interpreters import Interpreter
from simulator.search.budget import Stop


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_the_tables_say_what_is_lost_and_what_is_proved(capsys: pytest.CaptureFixture[str]) -> None:
    shares, proofs = printed(capsys).split("\n\n")
    assert re.search(r"^drop ‖ drop +20 +10 % +90 % +0 % +0 %$", shares, re.MULTILINE)
    assert re.search(r"^drop ‖ drop +90 % leaked( +proved){5}$", proofs, re.MULTILINE)
    assert re.search(r"^assign ‖ assign, 2 objects .* 33\.3 % deadlocked( +proved){5}$", proofs, re.MULTILINE)


def test_one_work_is_told_under_each_protection(capsys: pytest.CaptureFixture[str]) -> None:
    table = printed(capsys, "--work", "assign, assign", "--objects", "2")
    assert re.search(r"^per-object +6 +66.7 % +33.3 %", table, re.MULTILINE)
    assert re.search(r"^per-object, sorted +3 +100 % +0 %", table, re.MULTILINE)


def test_every_mistake_is_told_with_its_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    table, _ = printed(capsys, "--bugs").split("\n\n")
    rows = table.splitlines()[2:]
    assert len(rows) == 7
    assert all(re.search(r"(leak|freed early|use after free|count too low) +\d+ +t\d", row) for row in rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--work", "dorp,drop"], "there is no work 'dorp'; did you mean 'drop'?"),
        (["--work", "foo"], "there is no work 'foo'; known: assign, borrow, collect"),
        (["--work", ""], "there is no work ''; known: assign, borrow, collect"),
        (["--objects", "x"], "argument --objects: invalid int value: 'x'"),
        (["--work", "drop"], "--work names 1, expected one for each of 2 to 4 threads, with commas"),
        (["--work", "drop,drop", "--objects", "9"], "objects is 9, expected a whole number, 1 to 4"),
        (["--objects", "2"], "--objects goes with --work"),
        (["--bugs", "--real"], "--bugs and --real are two questions; ask one at a time"),
        (["--python", "python3"], "--python is about real counts: add --real"),
        (["--real", "--python", "no-such-python"], "python 'no-such-python': there is no such program"),
    ],
)
def test_bad_input_is_one_clear_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"error: {said}")
    assert shown.err.count("\n") == 1


@pytest.mark.real
def test_this_python_counts_two_names_and_what_the_call_adds() -> None:
    module, function = counted(Interpreter.current())
    # A module's names are looked up in a dict, so the reference is always counted; a function's may be lent, as from 3.14 on.
    assert (module.two_names, module.one_name, module.load) == (3, 2, "LOAD_NAME")
    lent = "BORROW" in function.load
    assert function.of_the_call == (0 if lent else 1)
    assert lent == (sys.version_info >= (3, 14))


@pytest.mark.real
def test_what_a_python_says_is_printed_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--real", "--python", sys.executable)
    assert "in a module: sys.getrefcount says 3, then 2" in text
    assert "LOAD_NAME counts the reference that it passes to the call" in text


def test_a_reference_that_is_lent_is_told_from_one_that_is_counted() -> None:
    assert "lends" in Counted("a function", 2, 1, "LOAD_FAST_BORROW").why
    assert "one more" in Counted("a function", 3, 2, "LOAD_FAST").why
    assert "counts otherwise" in Counted("a function", 3, 3, "LOAD_FAST").why


def test_only_cpython_counts_references() -> None:
    with pytest.raises(UsageError, match="only CPython counts references"):
        counted(Interpreter("PyPy", (3, 10, 0), True, 0.005))


def test_ctrl_c_leaves_whole_tables_and_says_how_many(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    part = replace(check(Sharing(("drop", "drop")).program()), stop=Stop.INTERRUPTED, findings=())
    monkeypatch.setattr("scenarios.refcount.__main__.unprotected", lambda _: "the first table")
    monkeypatch.setattr("scenarios.refcount.compare.check", lambda *_, **__: part)
    assert main([]) == 130
    assert capsys.readouterr() == ("the first table\n", "interrupted: 1 of 2 tables\n")
    assert main(["--bugs"]) == 130
    assert capsys.readouterr() == ("", "interrupted; there is nothing to show yet\n")
