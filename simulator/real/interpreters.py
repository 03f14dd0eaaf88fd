"""Other Pythons: which one a name means, what it says of itself, and which there are on this machine.

Knows how to ask an interpreter who it is; what is done with it is `natural.py`'s affair.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import UsageError

__all__ = ["OLDEST", "Interpreter", "find", "installed"]

OLDEST = (3, 8)
"""The oldest Python that natural runs can be made on."""
_ASK_SECONDS = 20.0
_MARK = "simulator asked: "
# Read by every Python there is, Python 2 too.
_QUESTION = f"""
import json, platform, sys, sysconfig
asked = getattr(sys, '_is_gil_enabled', None)
print({_MARK!r} + json.dumps({{
    'implementation': platform.python_implementation(),
    'version': list(sys.version_info[:3]),
    'gil': bool(asked()) if asked else not sysconfig.get_config_var('Py_GIL_DISABLED'),
    'switch_interval': getattr(sys, 'getswitchinterval', float)(),
}}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Which Python ran the threads: that decides which outcomes are to be expected naturally.

    `switch_interval` is in seconds; `path` is what to start it by, empty for the one that runs this.

    >>> str(Interpreter("CPython", (3, 13, 1), False, 0.005))
    'CPython 3.13.1, free-threaded'
    """

    implementation: str
    version: tuple[int, int, int]
    gil: bool
    switch_interval: float
    path: str = ""

    @classmethod
    def current(cls) -> Interpreter:
        """The one that runs this."""
        asked = getattr(sys, "_is_gil_enabled", None)
        gil = bool(asked()) if asked is not None else not sysconfig.get_config_var("Py_GIL_DISABLED")
        return cls(platform.python_implementation(), sys.version_info[:3], gil, sys.getswitchinterval())

    @classmethod
    def of(cls, said: Mapping[str, Any], path: str) -> Interpreter:
        """As it said of itself."""
        major, minor, micro = said["version"]
        return cls(said["implementation"], (major, minor, micro), said["gil"], said["switch_interval"], path)

    @property
    def executable(self) -> str:
        """What to start it by."""
        return self.path or sys.executable

    def to_dict(self) -> dict[str, Any]:
        """The interpreter in plain types. Its path is left out: the same Python lies elsewhere on another machine."""
        return {
            "implementation": self.implementation,
            "version": ".".join(map(str, self.version)),
            "gil": self.gil,
            "switch_interval": self.switch_interval,
        }

    def __str__(self) -> str:
        version = ".".join(map(str, self.version))
        return f"{self.implementation} {version}, {'with the GIL' if self.gil else 'free-threaded'}"


def find(name: str) -> Interpreter:
    """The interpreter that a path, or a name on PATH, means. Raises UsageError, of one line, when that cannot be used.

    >>> find("no-such-python")
    Traceback (most recent call last):
    simulator.errors.UsageError: python 'no-such-python': there is no such program, neither as a path nor on PATH
    """
    path = shutil.which(name)
    if path is None:
        there = os.path.exists(name)
        what = (
            "is not a program that can be run" if there else "there is no such program, neither as a path nor on PATH"
        )
        raise UsageError(f"python {name!r}: {what}")
    # Not resolved: where a symbolic link stands decides which environment it is.
    path = os.path.abspath(path)
    try:
        done = subprocess.run(
            [path, "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"python {name!r}: did not say within {_ASK_SECONDS:g} s who it is") from None
    except OSError as error:
        raise UsageError(f"python {name!r}: cannot be started: {error.strerror or error}") from None
    said: Any = None
    for line in done.stdout.decode(errors="replace").splitlines():
        if line.startswith(_MARK):
            with contextlib.suppress(ValueError):
                said = json.loads(line.removeprefix(_MARK))
    if said is None:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        # A program that takes our question for a file's name says it back; that explains nothing.
        hint = f" ({last[0][:100]})" if last and _MARK not in done.stderr.decode(errors="replace") else ""
        raise UsageError(
            f"python {name!r}: is not a Python: asked who it is, it ended with code {done.returncode}{hint}"
        )
    found = Interpreter.of(said, path)
    if found.version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        version = ".".join(map(str, found.version))
        raise UsageError(f"python {name!r}: is {found.implementation} {version}; natural runs need {oldest} or newer")
    return found


_NAME = re.compile(r"python3\.(\d+)(t?)(\.exe)?")


def installed(*more: str) -> tuple[Interpreter, ...]:
    """The Pythons that can be found and used: on PATH, of pyenv, and `more` paths; one of each version, oldest first.

    The one that runs this is always among them. What cannot be used is left out.
    """
    found: dict[tuple[tuple[int, int, int], bool, str], Interpreter] = {}
    current = Interpreter.current()
    found[_kind(current)] = current
    for path in (*more, *_candidates()):
        with contextlib.suppress(UsageError):
            interpreter = find(path)
            found.setdefault(_kind(interpreter), interpreter)
    return tuple(found[kind] for kind in sorted(found))


def _kind(interpreter: Interpreter) -> tuple[tuple[int, int, int], bool, str]:
    return (interpreter.version, not interpreter.gil, interpreter.implementation)


def _candidates() -> Iterable[str]:
    for folder in dict.fromkeys(os.environ.get("PATH", "").split(os.pathsep)):
        with contextlib.suppress(OSError):
            yield from sorted(
                os.path.join(folder, name)
                for name in os.listdir(folder or ".")
                if (match := _NAME.fullmatch(name)) and int(match[1]) >= OLDEST[1]
            )
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    with contextlib.suppress(OSError):
        yield from sorted(str(version / "bin" / "python") for version in pyenv.iterdir())
