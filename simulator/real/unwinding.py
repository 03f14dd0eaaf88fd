"""How threads that do not come back by themselves are ended: asked, then interrupted, then named."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Sequence

__all__ = ["LEAVE_WITHIN", "Unwound", "end_threads"]

LEAVE_WITHIN = 1.0
"""Seconds that threads get to leave once a run is over."""
ASKED_FOR = 0.1
"""Seconds of those in which they are only asked; after that they are interrupted, again and again."""


class Unwound(BaseException):
    """Ends a thread that does not come back by itself. No `except Exception` of the code under test may eat it."""


def end_threads(threads: Sequence[threading.Thread]) -> tuple[str, ...]:
    """Wait for threads that have been told to leave, interrupt those that do not, and name those that cannot be ended.

    A thread is interrupted where it runs Python code; one inside a call that does not return cannot be.
    """
    started = [thread for thread in threads if thread.ident is not None]
    over = time.monotonic() + LEAVE_WITHIN
    _join(started, time.monotonic() + ASKED_FOR)
    while (left := [thread for thread in started if thread.is_alive()]) and time.monotonic() < over:
        for thread in left:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Unwound))
        _join(left, time.monotonic() + ASKED_FOR)
    return tuple(thread.name for thread in left)


def _join(threads: Sequence[threading.Thread], deadline: float) -> None:
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
