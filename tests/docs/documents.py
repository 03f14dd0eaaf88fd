"""The documents' commands, run: every `$ simulator …` in a console block, against the output printed below it.

A `python` block that begins with a comment naming a file (`# hits.py`) is that file, there for the commands after it. A
line of `...` in an output stands for any lines. `python tests/docs/documents.py --write` puts the real outputs in place.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# (?P<name>[\w/]+\.py)\n")


@dataclass(frozen=True)
class Command:
    """One command with the output that the document promises."""

    document: Path
    line: int
    command: str
    promised: str


@dataclass(frozen=True)
class File:
    """A file that a document shows."""

    name: str
    content: str


def parts(document: Path) -> Iterator[Command | File]:
    """Files and commands, in the order of the document."""
    text = document.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        body = block["body"]
        named = _FILE.match(body)
        if block["kind"] == "python" and named:
            yield File(named["name"], body)
        if block["kind"] != "console":
            continue
        line = text.count("\n", 0, block.start("body")) + 1
        for chunk in re.split(r"^(?=\$ )", body, flags=re.MULTILINE):
            if chunk.startswith("$ "):
                command, _, promised = chunk.partition("\n")
                yield Command(document, line, command[2:], promised.rstrip("\n"))
            line += chunk.count("\n")


SETTLED = """\
from hypothesis import settings
settings.register_profile("documents", derandomize=True, database=None, deadline=None)
settings.load_profile("documents")
"""
"""Hypothesis draws the same every time: an output that a document shows is no matter of luck."""


def run(command: str, folder: Path) -> str:
    """What a command prints, in a folder, with this interpreter's `simulator`."""
    words = shlex.split(command)
    if words[0] not in ("simulator", "python"):
        raise ValueError(f"a document may run simulator and python, not {words[0]!r}")
    if words[0] == "simulator":
        started = [sys.executable, "-m", "simulator", *words[1:]]
    elif words[1] == "-m":
        started = [sys.executable, *words[1:]]
        (folder / "conftest.py").write_text(SETTLED, encoding="utf-8")
    else:
        script = f"{SETTLED}import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
        started = [sys.executable, "-c", script, *words[1:]]
    done = subprocess.run(
        started,
        cwd=folder,
        capture_output=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    return (done.stdout + done.stderr).decode().rstrip("\n")


def fits(promised: str, printed: str) -> bool:
    """Whether an output is what was promised, where a line of `...` stands for any lines."""
    pieces = [re.escape(piece) for piece in re.split(r"^\.\.\.$", promised, flags=re.MULTILINE)]
    return re.fullmatch("(?:.*)".join(pieces), printed, re.DOTALL) is not None


def check(document: Path) -> list[str]:
    """What does not fit, one text for each command."""
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for part in parts(document):
            if isinstance(part, File):
                Path(folder, part.name).write_text(part.content, encoding="utf-8")
                continue
            printed = run(part.command, Path(folder))
            if not fits(part.promised, printed):
                wrong.append(
                    f"{document.name}:{part.line}: $ {part.command}\npromised:\n{part.promised}\nprinted:\n{printed}"
                )
    return wrong


def write(document: Path) -> None:
    """Put real outputs in place of those that do not fit."""
    text = document.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for part in parts(document):
            if isinstance(part, File):
                Path(folder, part.name).write_text(part.content, encoding="utf-8")
                continue
            printed = run(part.command, Path(folder))
            if not fits(part.promised, printed):
                before = f"$ {part.command}\n{part.promised}" + ("\n" if part.promised else "")
                text = text.replace(before, f"$ {part.command}\n{printed}\n", 1)
    document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/docs/documents.py --write")
    for one in DOCUMENTS:
        write(one)
