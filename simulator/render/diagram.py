"""A diagram as a value: what is drawn and what each part means, not how it looks.

Nodes and edges say their role in the domain (`Tone.CYCLE`, `Stroke.RACE`); `dot` and `mermaid` alone decide on
colours and lines.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

__all__ = ["Diagram", "Edge", "Layout", "Node", "Shape", "Stroke", "Tone", "printable"]


class Layout(enum.Enum):
    """How a diagram likes to lie on the page."""

    ACROSS = "across"
    DOWN = "down"
    RING = "ring"


class Shape(enum.Enum):
    """The outline of a node: one kind of thing, one outline."""

    BOX = "box"
    OVAL = "oval"
    DOUBLE = "double"
    OCTAGON = "octagon"
    HEXAGON = "hexagon"


class Tone(enum.Enum):
    """What there is to say about a node; shown by its colour and by its border."""

    NEUTRAL = "neutral"
    LOCK = "lock"
    START = "start"
    FINE = "fine"
    WRONG = "wrong"
    CYCLE = "cycle"
    STUCK = "stuck"
    ENDED = "ended"
    RACE = "race"


class Stroke(enum.Enum):
    """What an edge says; shown by its colour and by its line."""

    STEP = "step"
    HELD = "held"
    WAITS = "waits"
    CYCLE = "cycle"
    GATED = "gated"
    LOCK_ORDER = "lock order"
    CONFLICT = "conflict"
    RACE = "race"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing, with its text in lines; `column` puts it among its likes."""

    lines: tuple[str, ...]
    shape: Shape = Shape.BOX
    tone: Tone = Tone.NEUTRAL
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow between two nodes, by their numbers."""

    source: int
    target: int
    lines: tuple[str, ...] = ()
    stroke: Stroke = Stroke.STEP


@dataclass(frozen=True, slots=True)
class Diagram:
    """Nodes, edges, and the sentence that says what they show.

    The order of nodes and edges is part of the value: equal diagrams render to equal bytes. `notes` are lines under
    the picture that explain what its own words do not.

    >>> Diagram("wait-for", "nobody waits", (Node(("a", "next: read x")),), ()).to_dict()["nodes"]
    [{'text': ['a', 'next: read x'], 'shape': 'box', 'means': 'neutral'}]
    """

    kind: str
    caption: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    notes: tuple[str, ...] = ()
    layout: Layout = Layout.ACROSS
    columns: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The diagram in plain types; edges name nodes by their position in `nodes`."""
        return {
            "kind": self.kind,
            "caption": self.caption,
            "notes": list(self.notes),
            "nodes": [
                {"text": list(node.lines), "shape": node.shape.value, "means": node.tone.value}
                | ({"column": node.column} if node.column is not None else {})
                for node in self.nodes
            ],
            "edges": [
                {"from": edge.source, "to": edge.target, "text": list(edge.lines), "means": edge.stroke.value}
                for edge in self.edges
            ],
        }

    def __str__(self) -> str:
        from simulator.render.mermaid import mermaid_text

        return mermaid_text(self)

    def _repr_svg_(self) -> str:
        from simulator.render.picture import svg

        return svg(self)


def printable(text: str) -> str:
    """The text, with a replacement for each character that no format can show: a control character, half a surrogate.

    >>> printable("a\\x00b")
    'a�b'
    """
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
