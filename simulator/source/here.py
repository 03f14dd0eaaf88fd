"""The line of the user's source that is being followed right now: where an error says that it happened.

Rewritten functions keep their file and their lines, so the frames under way say it.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from types import FrameType

__all__ = ["here", "is_library"]

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
