"""The line of the user's source that is being followed right now: where an error says that it happened.

Rewritten functions keep their file and their lines, so the frames under way say it.
"""

from __future__ import annotations

import os
import sys
from types import FrameType

__all__ = ["here"]

_OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


def here() -> str:
    """The beginning of an error line, `file.py:12: `; nothing where no code of the user's is under way."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_OURS) and code.co_name.startswith("_sim_"):
            return f"{os.path.basename(code.co_filename)}:{frame.f_lineno}: "
        frame = frame.f_back
    return ""
