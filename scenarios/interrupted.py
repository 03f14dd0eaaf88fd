"""Ctrl-C while a program is still importing: one line and exit code 130, as later on. Imports next to nothing."""

import os
import sys
from types import TracebackType

__all__ = ["hook"]


def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """For `sys.excepthook`: everything but Ctrl-C is told as ever."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    print("interrupted; there is nothing to show yet", file=sys.stderr, flush=True)
    # Python would end itself by the signal instead, and then there is no exit code.
    os._exit(130)
