"""Where in the user's source a thread does something that a schedule can name, and in which order it did.

Values only: what the model says of plain code, in words that real threads understand as well. This file knows nothing of
syntax trees and nothing of bytecode; both speak of the same span of source, and a `Site` is that span.
"""

from __future__ import annotations

from types import CodeType
from typing import NamedTuple

from simulator.ops import Operation

__all__ = ["KINDS", "Site", "Visit"]

KINDS = (
    "load attribute",
    "store attribute",
    "delete attribute",
    "load item",
    "store item",
    "delete item",
    "load global",
    "store global",
    "load nonlocal",
    "store nonlocal",
    "add",
    "call",
    "iterate",
    "next",
    "contains",
    "truth",
    "compare",
    "operator",
)
"""What can happen at a site. "add" is the arithmetic of an augmented assignment, "iterate" the beginning of a `for`, "next" a
turn of it."""


class Site(NamedTuple):
    """A place in a function's source: lines from 1, columns in UTF-8 bytes, as `ast` nodes and `co_positions()` have them.

    The span is the syntax node's: `self.count` for the load and the store of `self.count += 1`, the whole statement for
    its "add", the iterable's expression for "iterate" and "next".
    """

    line: int
    end_line: int
    column: int
    end_column: int
    kind: str


class Visit(NamedTuple):
    """One thing that the model says a thread does. A thread's visits stand in its own order.

    `code` is the code object of the user's function. `site` is None where the thing has no bytecode of its own: what a
    lock or a pause does. `step` is its number in the whole schedule, from 1; None where the bytecode is run but touches
    nothing shared.
    """

    thread: str
    code: CodeType | None
    site: Site | None
    step: int | None
    operation: Operation | None
