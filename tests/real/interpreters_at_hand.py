"""The CPythons from 3.11 on that are at hand, one of each version, beginning with the one that runs the tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.11", "3.12", "3.13", "3.13t")


def interpreters() -> dict[str, str]:
    """Version -> path: this one, then those of pyenv and those on PATH. Nothing is run to find out."""
    running = f"{sys.version_info[0]}.{sys.version_info[1]}{sys.abiflags}"
    found = {running: sys.executable}
    for path in sorted((Path.home() / ".pyenv" / "versions").glob("*/bin/python")):
        named = re.fullmatch(r"(3\.\d+)\.\d+(t?)", path.parts[-3])
        if named is not None:
            found.setdefault("".join(named.groups()), str(path))
    for version in VERSIONS:
        on_path = shutil.which(f"python{version}")
        # What pyenv puts on PATH runs only where its own settings say so.
        if on_path is not None and "shims" not in on_path:
            found.setdefault(version, on_path)
    return {version: found[version] for version in (running, *VERSIONS) if version in found}


def run(interpreter: str, script: str, *arguments: str) -> str:
    """What a script of this directory prints on an interpreter; its complaint, when it fails, is the test's."""
    done = subprocess.run(
        [interpreter, str(Path(__file__).parent / script), *arguments],
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
