"""How every `python -m scenarios.…` ends: 0 or 1 as it says itself, 2 for bad input, 130 after Ctrl-C, in one line each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from simulator.errors import SimulatorError, UsageError

__all__ = ["Parser", "Partial", "ended"]


class Parser(argparse.ArgumentParser):
    """What it cannot read is a UsageError, of one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class Partial(Exception):
    """Ctrl-C, when a part was there and has been printed; the text says how much that is."""


def ended(run: Callable[[], int]) -> int:
    """The exit code of a command, with a line on standard error where it did not come to its end.

    >>> ended(lambda: 1)
    1
    """
    try:
        return run()
    except SimulatorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Partial as part:
        print(f"interrupted: {part}", file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        print("interrupted; there is nothing to show yet", file=sys.stderr)
        return 130
