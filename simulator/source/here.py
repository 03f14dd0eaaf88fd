"""The line of the user's source that is being followed right now: where an error says that it happened.

Rewritten functions keep their file and their lines, so the frames under way say it.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import sysconfig
import traceback
from types import CodeType, FrameType
from typing import Any

__all__ = ["here", "is_library", "place_of", "raised_at"]

_LIBRARY = os.path.join(sysconfig.get_path("stdlib"), "")
_PACKAGES = tuple(os.path.join(sysconfig.get_path(name), "") for name in ("purelib", "platlib"))
_OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


def is_library(file: str) -> bool:
    """Whether a file belongs to Python's own library, or to us."""
    if file.startswith(("<frozen", _OURS)):
        return True
    return file.startswith(_LIBRARY) and not file.startswith(_PACKAGES)


def here() -> str:
    """The beginning of an error line, `file.py:12: `; nothing where no code of the user's is under way.

    What the library's code does on the user's behalf happens at the user's line.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not is_library(code.co_filename) and code.co_name.startswith("_sim_"):
            return f"{os.path.basename(code.co_filename)}:{frame.f_lineno}: "
        frame = frame.f_back
    return ""


def place_of(function: Any) -> str:
    """The beginning of an error line about a function or class, `file.py:12: `; nothing where it has no Python code."""
    while isinstance(function, functools.partial):
        function = function.func
    inside = inspect.unwrap(vars(function).get("__init__", function) if isinstance(function, type) else function)
    code = getattr(getattr(inside, "__func__", inside), "__code__", None)
    return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}: " if isinstance(code, CodeType) else ""


def raised_at(error: BaseException) -> str:
    """The beginning of an error line about an exception: the innermost line of the user's that it came through."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not is_library(each.filename)]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}: " if frames else ""
