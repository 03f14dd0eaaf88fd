"""A search kept in a file, to be taken up again: written whole, and refused when it is not what it should be.

It knows what makes a saved search fit: the same program, the same options, the same versions. What is saved it does
not look into. The file is JSON; a digest over all of it finds out one that was cut short or edited.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

from simulator.errors import UsageError
from simulator.program import Program
from simulator.render.files import write_whole
from simulator.values import stable_repr

__all__ = ["CheckpointFile", "fingerprint"]

FORMAT = 1
EVERY = 2.0
"""Seconds between two savings, at least; and twenty times as long as the last one took."""


class CheckpointFile:
    """One search's file. `settings` are all that decides what the search does; limits of time or number are not among them.

    `load` gives None when there is no file yet. It raises UsageError, of one line, for a file that is not whole, was
    edited, or was made by another program, other options or another version.
    """

    def __init__(self, path: str, program: Program, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._about = {
            "format": FORMAT,
            "simulator": _version(),
            "python": ".".join(map(str, sys.version_info[:2])),
            "program": {"name": program.name, "threads": len(program.threads), "fingerprint": fingerprint(program)},
            "settings": dict(settings),
        }
        self._next = 0.0

    def load(self) -> Mapping[str, Any] | None:
        """What was saved last."""
        try:
            text = Path(self.path).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{self.path}: cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from None
        try:
            kept = json.loads(text)
            digest = kept.pop("digest")
            about, saved = kept["about"], kept["saved"]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(
                f"{self.path}: is not a whole checkpoint (cut short?); delete it to start from the beginning"
            ) from None
        if digest != _digest(kept):
            raise UsageError(f"{self.path}: was edited or damaged; delete it to start from the beginning")
        for name, mine in self._about.items():
            if about.get(name) != mine:
                raise UsageError(
                    f"{self.path}: {_differs(name, about.get(name), mine)}; give another file, or delete it"
                )
        found: Mapping[str, Any] = saved
        return found

    def due(self) -> bool:
        """Whether some time has passed since the last saving; so at the first asking."""
        return time.monotonic() >= self._next

    def save(self, saved: Mapping[str, Any]) -> None:
        """Write the file anew, whole or not at all."""
        began = time.monotonic()
        kept = {"about": self._about, "saved": saved}
        write_whole(self.path, json.dumps({**kept, "digest": _digest(kept)}))
        now = time.monotonic()
        self._next = now + max(EVERY, 20 * (now - began))


def fingerprint(program: Program) -> str:
    """A digest of all that can be seen of a program without running it: names, values, and the code of its bodies.

    >>> def body():
    ...     yield
    >>> one, other = Program({"a": body}), Program({"b": body})
    >>> fingerprint(one) == fingerprint(Program({"a": body})), fingerprint(one) == fingerprint(other)
    (True, False)
    """
    parts = [
        *((name, _said(body)) for name, body in program.bodies.items()),
        *((stable_repr(name), stable_repr(value)) for name, value in program.memory.items()),
        ("locks", stable_repr(tuple(program.locks))),
        ("rlocks", stable_repr(tuple(program.rlocks))),
        *((name, _said(condition)) for name, condition in program.final_properties.items()),
        *((name, _said(condition)) for name, condition in program.step_properties.items()),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _said(function: Callable[..., object]) -> str:
    """A function by its code and what it closes over, as text that is the same in every process."""
    if isinstance(function, partial):
        return f"{_said(function.func)}({stable_repr(function.args)}, {stable_repr(function.keywords)})"
    code = getattr(function, "__code__", None)
    if code is None:
        return stable_repr(function)
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    held = [_said(value) if callable(value) else stable_repr(value) for value in cells]
    return f"{_code(code)} {stable_repr(getattr(function, '__defaults__', None))} {held}"


def _code(code: CodeType) -> str:
    constants = [_code(value) if isinstance(value, CodeType) else stable_repr(value) for value in code.co_consts]
    return f"{code.co_code.hex()} {constants} {code.co_names} {code.co_varnames}"


def _digest(kept: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _version() -> str:
    from importlib.metadata import version

    return version("interleaving-simulator")


def _differs(name: str, theirs: Any, mine: Any) -> str:
    match name:
        case "program":
            their_name = theirs.get("name") if isinstance(theirs, dict) else theirs
            if their_name != mine["name"]:
                return f"was made for another program: {their_name}, not {mine['name']}"
            return f"was made for another program: {their_name} with other parameters or other code"
        case "settings":
            changed = [key for key in mine if not isinstance(theirs, dict) or theirs.get(key) != mine[key]]
            key = changed[0] if changed else "settings"
            was = theirs.get(key) if isinstance(theirs, dict) else theirs
            return f"was made with {key} {was}, not {mine.get(key)}"
        case _:
            return f"was made by another version ({name} {theirs}, not {mine})"
