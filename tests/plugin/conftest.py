"""Small projects with tests of their own, run by a pytest of their own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from textwrap import dedent

import pytest

# What a run in this process imports is forgotten after it. Loaded here, it is not loaded again in each of them.
for name in ("simulator.interleave", "networkx", "rich.box", "rich.console", "rich.table"):
    importlib.import_module(name)

HEAD = """
import pytest
from simulator import Acquire, Add, Pause, Program, Read, Release, TryAcquire, Write

def increment():
    value = yield Read("count")
    value = yield Add(value, 1)
    yield Write("count", value)

def locked():
    yield Acquire("m")
    yield from increment()
    yield Release("m")

def take(first, second):
    yield Acquire(first)
    yield Acquire(second)
    yield Release(second)
    yield Release(first)

def is_two(memory):
    return memory["count"] == 2
"""

Tests = Callable[[str], None]
"""Writes `test_it.py`: these tests below some bodies to use."""


@pytest.fixture
def tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Tests:
    # A file that is changed twice in a second could otherwise meet the compiled form of what it was.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    def write(text: str) -> None:
        pytester.path.joinpath("test_it.py").write_text(HEAD + dedent(text), encoding="utf-8")

    return write
