"""Calls the command line as a person would, and gives what came of it: in this process, or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.cli import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command ended with: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """Standard output, line by line."""
        return self.out.splitlines()

    def refused(self) -> str:
        """The one line that a refused command says: nothing on standard output, no traceback, exit code 2."""
        assert self.code == 2, self
        assert self.out == "", self
        assert self.err.startswith("simulator: "), self
        assert self.err.endswith("\n"), self
        assert self.err.count("\n") == 1, self
        return self.err.removeprefix("simulator: ").rstrip("\n")


def simulator(*words: str) -> Ran:
    """Run `simulator WORDS…` in this process."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(words))
        except SystemExit as error:
            code = error.code
    assert isinstance(code, int)
    return Ran(code, out.getvalue(), err.getvalue())


def process(*words: str, environment: dict[str, str] | None = None, **settings: Any) -> subprocess.Popen[str]:
    """Start `simulator WORDS…` as a process; standard error is kept, standard output too unless said otherwise."""
    return subprocess.Popen(
        [sys.executable, "-m", "simulator", *words],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        text=True,
        encoding="utf-8",
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings},
    )


def ended(running: subprocess.Popen[str], *, timeout: float = 30) -> Ran:
    """Wait for a process; one that takes longer than `timeout` seconds is ended, and fails the test."""
    try:
        out, err = running.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        raise
    return Ran(running.returncode, out or "", err or "")
