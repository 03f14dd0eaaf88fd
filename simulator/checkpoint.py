"""A search kept in a file, to be taken up again: written whole, and refused when it is not what it should be.

It knows what makes a saved search fit: the same program, the same options, the same versions. What is saved it does
not look into. The file is one line of JSON and one with a digest of it, which finds out a file that was cut short or
edited; it is no protection against somebody who means it.
"""

from __future__ import annotations

import enum
import hashlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from simulator.errors import UsageError
from simulator.program import Program
from simulator.render.files import write_whole
from simulator.schedulers import Options, Scheduler
from simulator.search.budget import Budget
from simulator.values import stable_repr

__all__ = ["CheckpointFile", "fingerprint"]

FORMAT = 2
EVERY = 2.0
"""Seconds between two savings, at least; and twenty times as long as the last one took."""
_DIGEST = "sha256 "


class CheckpointFile:
    """One search's file. `settings` are what was asked of the search: scheduler, seed, bound, depth, max_steps.

    What was not said counts as its default. Limits of time or number are no settings: with a larger one the same search
    goes on.
    What a search did since it was saved last is done again: two seconds of it, or a twentieth of the time so far where
    there is much to save.

    Raises UsageError, of one line, for settings that do not go together.
    """

    def __init__(self, path: str, program: Program, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._about = {
            "format": FORMAT,
            "simulator": _version(),
            "python": ".".join(map(str, sys.version_info[:2])),
            "program": {"name": program.name, "threads": list(program.threads), "fingerprint": fingerprint(program)},
            "settings": _filled_in(settings),
        }
        self._asked = 0.0
        self._next = 0.0

    def load(self) -> Mapping[str, Any] | None:
        """What was saved last, None when nothing was. The file is written at once, so that a search does not run in vain.

        Raises UsageError, of one line, for a file that cannot be read or written, that is not whole, was edited, or was
        made for another program, other options or another version.
        """
        text = self._text()
        found: Mapping[str, Any] | None = None
        if text is not None:
            found = self._checked(text)
            write_whole(self.path, text)
        else:
            self._write(None)
        return found

    def due(self) -> bool:
        """Whether some time has passed since the last saving; so at the first asking."""
        self._asked = time.monotonic()
        return self._asked >= self._next

    def save(self, saved: Mapping[str, Any]) -> None:
        """Write the file anew, whole or not at all."""
        self._write(saved)
        # From the asking on: to gather what is saved takes its time too.
        now = time.monotonic()
        self._next = now + max(EVERY, 20 * (now - max(self._asked, self._next)))

    def _write(self, saved: Mapping[str, Any] | None) -> None:
        line = json.dumps({"about": self._about, "saved": saved}) + "\n"
        write_whole(self.path, f"{line}{_DIGEST}{_digest(line)}\n")

    def _text(self) -> str | None:
        """The file's content, None when there is no file."""
        path = Path(self.path)
        try:
            if not path.exists():
                return None
            if not path.is_file():
                raise UsageError(f"cannot read {self.path!r}: it is not a file")
            return path.read_bytes().decode("ascii")
        except (OSError, ValueError) as error:
            reason = "it is not text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None)
            raise UsageError(f"cannot read {self.path!r}: {reason or error}") from None

    def _checked(self, text: str) -> Mapping[str, Any] | None:
        line, ended, digest = text.partition("\n")
        if not text.startswith('{"about": '):
            raise UsageError(f"{self.path!r} is not a checkpoint; give another file")
        if not ended or len(digest) != len(_DIGEST) + 65:
            raise UsageError(
                f"{self.path!r} is not a whole checkpoint (cut short?); delete it to start from the beginning"
            )
        if digest != f"{_DIGEST}{_digest(line + ended)}\n":
            raise UsageError(f"{self.path!r} was edited or damaged; delete it to start from the beginning")
        kept = json.loads(line)
        for name, mine in self._about.items():
            theirs = kept["about"].get(name)
            if theirs != mine:
                raise UsageError(f"{self.path!r} {_differs(name, theirs, mine)}; give another file, or delete it")
        found: Mapping[str, Any] | None = kept["saved"]
        return found


def fingerprint(program: Program) -> str:
    """A digest of all that can be seen of a program without running it.

    That is names, values, and the code of its bodies and properties, with that of the functions that they call by name
    and the plain values that they use. What else they reach (an object's attribute, say) is not seen.

    >>> def body():
    ...     yield
    >>> one, other = Program({"a": body}), Program({"b": body})
    >>> fingerprint(one) == fingerprint(Program({"a": body})), fingerprint(one) == fingerprint(other)
    (True, False)
    """
    said = _Said()
    parts = [
        *((name, said.of(body)) for name, body in program.bodies.items()),
        *((said.of(name), said.of(value)) for name, value in program.memory.items()),
        ("locks", said.of(tuple(program.locks))),
        ("rlocks", said.of(tuple(program.rlocks))),
        *((name, said.of(condition)) for name, condition in program.final_properties.items()),
        *((name, said.of(condition)) for name, condition in program.step_properties.items()),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class _Said:
    """Values and functions as text that is the same in every process. Each function is spelt out where it comes first."""

    def __init__(self) -> None:
        self._functions: dict[int, int] = {}
        self._inside: dict[int, int] = {}
        """What is being spelt out, by its identity: it may hold itself."""

    def of(self, value: object) -> str:
        """A value; of one that cannot be told by its parts, only the type."""
        if id(value) in self._inside:
            return f"itself {self._inside[id(value)]}"
        self._inside[id(value)] = len(self._inside)
        said = self._spelt(value)
        del self._inside[id(value)]
        return said

    def _spelt(self, value: object) -> str:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        if isinstance(value, enum.Enum):
            return f"{kind} {value.name}"
        if value is None or isinstance(value, int | float | complex | str | bytes):
            return f"{kind} {value!r}"
        if isinstance(value, tuple | list):
            return f"{kind} [{', '.join(map(self.of, value))}]"
        if isinstance(value, set | frozenset):
            return f"{kind} {{{', '.join(sorted(map(stable_repr, value)))}}}"
        if isinstance(value, Mapping):
            return f"{kind} {{{', '.join(f'{self.of(key)}: {self.of(held)}' for key, held in value.items())}}}"
        if isinstance(value, partial):
            return f"{self.of(value.func)}({self.of(value.args)}, {self.of(value.keywords)})"
        if isinstance(value, CodeType):
            return f"{value.co_code.hex()} {self.of(value.co_consts)} {value.co_names} {value.co_varnames}"
        if isinstance(value, type):
            return f"class {value.__module__}.{value.__qualname__}"
        if isinstance(getattr(value, "__code__", None), CodeType):
            return self._function(value)
        if is_dataclass(value):
            return f"{kind} {[(field.name, self.of(getattr(value, field.name))) for field in fields(value)]}"
        return kind

    def _function(self, function: Any) -> str:
        # A method is made anew each time that it is asked for; its function, and what it is a method of, stay.
        plain = getattr(function, "__func__", function)
        of = self.of(getattr(function, "__self__", None))
        if id(plain) in self._functions:
            return f"function {self._functions[id(plain)]} of {of}"
        self._functions[id(plain)] = len(self._functions)
        code: CodeType = plain.__code__
        held = [self.of(_content(cell)) for cell in plain.__closure__ or ()]
        given = [self.of(plain.__defaults__), self.of(plain.__kwdefaults__)]
        return f"function of {of} {self.of(code)} {given} {held} {self._used(code, plain.__globals__)}"

    def _used(self, code: CodeType, names: Mapping[str, Any]) -> list[str]:
        """What the code means by the names that it uses: of its own module, and of modules that it names."""
        found = []
        for name in code.co_names:
            value = names.get(name)
            if isinstance(value, ModuleType):
                if not _is_told_by_version(value.__name__):
                    found += [
                        f"{name}.{each} {self.of(vars(value)[each])}" for each in code.co_names if each in vars(value)
                    ]
            elif name in names and not _is_told_by_version(getattr(value, "__module__", None) or ""):
                found.append(f"{name} {self.of(value)}")
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                found += self._used(inner, names)
        return found


def _is_told_by_version(module: str) -> bool:
    """Whether a module is the simulator's or Python's own."""
    package = module.partition(".")[0]
    return package == "simulator" or package in sys.stdlib_module_names


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _filled_in(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the defaults of the scheduler, so that it is the same to say one and to leave it out."""
    given = dict(settings)
    if given.get("scheduler") is None:
        return given
    options = Options(
        Scheduler.named(given["scheduler"]),
        Budget(max_steps=given.get("max_steps")),
        **{name: given.get(name) for name in ("seed", "bound", "depth")},
    ).filled_in()
    return {
        "scheduler": str(options.scheduler),
        "seed": options.seed,
        "bound": options.bound,
        "depth": options.depth,
        "max_steps": options.budget.max_steps,
    }


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _version() -> str:
    from importlib.metadata import version

    return version("interleaving-simulator")


def _differs(name: str, theirs: Any, mine: Any) -> str:
    match name:
        case "program":
            if theirs["name"] != mine["name"]:
                return f"was made for another program: {theirs['name']}, not {mine['name']}"
            return f"was made for another program: {theirs['name']} with other parameters or other code"
        case "settings":
            key = next(key for key in mine if theirs.get(key) != mine[key])
            return f"was made with {key} {_or_none(theirs.get(key))}, not {_or_none(mine[key])}"
        case _:
            return f"was made by another version ({name} {theirs}, not {mine})"


def _or_none(setting: Any) -> str:
    return "none" if setting is None else str(setting)
