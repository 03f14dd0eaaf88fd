"""What docs/testing.md shows of the plugin, in a project of its own: a new environment, the built wheel, its own pytest."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import documents

DOCUMENT = documents.ROOT / "docs" / "testing.md"


def ran(*words: str | Path, cwd: Path, passes: bool = True) -> str:
    """What a command prints. Nothing of this project's own environment reaches it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    environment |= {"PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, capture_output=True, env=environment, timeout=300, check=False
    )
    printed = (done.stdout + done.stderr).decode().rstrip("\n")
    assert (done.returncode == 0) == passes, printed
    return printed


@pytest.fixture
def fresh_python(tmp_path: Path) -> Path:
    """An interpreter that has pytest and this project, as a wheel and nothing else."""
    source = tmp_path / "source"
    for package in ("simulator", "scenarios"):
        shutil.copytree(documents.ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(documents.ROOT / file, source)
    pip = (sys.executable, "-m", "pip")
    ran(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path / "wheels", source, cwd=tmp_path)
    (wheel,) = (tmp_path / "wheels").iterdir()
    ran(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    (python,) = [*tmp_path.glob("venv/bin/python"), *tmp_path.glob("venv/Scripts/python.exe")]
    ran(*pip, "--python", python, "install", "--quiet", wheel, "pytest", cwd=tmp_path)
    return python


def test_a_lock_scheme_of_one_s_own_fails_is_replayed_and_passes_once_it_is_fixed(
    fresh_python: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    where = ran(fresh_python, "-c", "import simulator; print(simulator.__file__)", cwd=project)
    assert Path(where).is_relative_to(tmp_path / "venv")
    versions: list[str] = []
    verdicts = []
    for part in documents.parts(DOCUMENT):
        if isinstance(part, documents.File):
            if part.name in ("my_lock.py", "test_my_lock.py"):
                (project / part.name).write_text(part.content, encoding="utf-8")
                versions += [part.content] if part.name == "my_lock.py" else []
        elif "test_my_lock.py" in part.command:
            python, *words = shlex.split(part.command)
            assert python == "python"
            # As long as the lock is broken, and for a schedule of when it was.
            passes = len(versions) == 2 and "alice bob" not in part.command
            printed = ran(fresh_python, *words, cwd=project, passes=passes)
            assert documents.fits(part.promised, printed), printed
            verdicts.append((len(versions), "--interleavings-replay" in part.command, passes))
    assert verdicts == [(1, False, False), (1, True, False), (2, False, True), (2, True, False), (2, True, True)]
