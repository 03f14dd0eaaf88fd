"""A diagram as DOT, the language of Graphviz. This file alone decides on colours, lines and outlines there.

The palette is Okabe and Ito's, which stays apart for colour-blind readers, and no meaning rests on colour alone: each
has its own line (heavy, dashed, dotted), outline or word. The background is white, on a dark page too: what stands on it
in grey could not be read there.

Labels are plain text: the WebAssembly build of Graphviz has no HTML-like labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from simulator.render.diagram import Diagram, Layout, Node, Shape, Stroke, Tone, printable

if TYPE_CHECKING:
    import graphviz

__all__ = ["LINES", "OUTLINES", "dot_source"]

INK = "#1b1f24"
GREY = "#7a7a7a"
FONT = "Helvetica,Arial,sans-serif"

Attributes = Mapping[str, str]

OUTLINES: Mapping[Tone, Attributes] = {
    Tone.NEUTRAL: {"fillcolor": "#eceff1", "color": "#7a7a7a"},
    Tone.LOCK: {"fillcolor": "#d4ecf9", "color": "#3a8fc0"},
    Tone.START: {"fillcolor": "#cfe3f1", "color": "#0072b2", "penwidth": "2.5"},
    Tone.FINE: {"fillcolor": "#cdeee3", "color": "#009e73", "penwidth": "1.5"},
    Tone.WRONG: {"fillcolor": "#f5dfeb", "color": "#cc79a7", "penwidth": "3"},
    Tone.CYCLE: {"fillcolor": "#fbdcc8", "color": "#d55e00", "penwidth": "3"},
    Tone.STUCK: {"fillcolor": "#fdf0cf", "color": "#c98500", "penwidth": "2", "style": "dashed"},
    Tone.ENDED: {"fillcolor": "#dcdcdc", "color": "#7a7a7a", "penwidth": "1.5", "style": "dotted"},
    Tone.RACE: {"fillcolor": "#fbdcc8", "color": "#d55e00", "penwidth": "2.5"},
}
"""How each meaning of a node looks: fill, border, and the border's line."""

LINES: Mapping[Stroke, Attributes] = {
    Stroke.STEP: {"color": "#7a7a7a"},
    Stroke.HELD: {"color": "#3a8fc0", "penwidth": "1.5"},
    Stroke.WAITS: {"color": "#c98500", "penwidth": "1.5", "style": "dashed"},
    Stroke.CYCLE: {"color": "#d55e00", "penwidth": "3.5"},
    Stroke.GATED: {"color": "#3a8fc0", "penwidth": "1.5", "style": "dashed"},
    Stroke.LOCK_ORDER: {"color": "#3a8fc0", "penwidth": "2"},
    Stroke.CONFLICT: {"color": "#009e73", "penwidth": "1.5", "style": "dotted"},
    Stroke.RACE: {"color": "#d55e00", "penwidth": "3", "style": "dashed"},
}
"""How each meaning of an edge looks."""

_SHAPES: Mapping[Shape, Attributes] = {
    Shape.BOX: {"shape": "box", "style": "rounded"},
    Shape.OVAL: {"shape": "ellipse", "margin": "0.06,0.02"},
    Shape.DOUBLE: {"shape": "box", "peripheries": "2"},
    Shape.OCTAGON: {"shape": "octagon", "margin": "0.02,0"},
    Shape.HEXAGON: {"shape": "hexagon", "margin": "0.02,0"},
}

_HEAD: Attributes = {"shape": "plaintext", "fontcolor": GREY, "fontsize": "15"}

_LAYOUTS: Mapping[Layout, Attributes] = {
    Layout.ACROSS: {"layout": "dot", "rankdir": "LR", "nodesep": "0.35", "ranksep": "0.6"},
    Layout.DOWN: {"layout": "dot", "rankdir": "TB", "nodesep": "0.4", "ranksep": "0.45"},
    Layout.RING: {"layout": "circo", "mindist": "0.8", "overlap": "scalexy", "sep": "+18"},
}

_PINNED: Attributes = {"layout": "neato", "splines": "true"}


def dot_source(diagram: Diagram) -> str:
    """The diagram as DOT text; the same diagram always gives the same text.

    >>> print(dot_source(Diagram("state graph", "one state", (Node(("x=0",)),), ())).splitlines()[0])
    digraph "state graph" {
    """
    import graphviz

    graph = graphviz.Digraph(
        diagram.kind,
        graph_attr={
            "bgcolor": "white",
            "fontcolor": GREY,
            "fontname": FONT,
            "fontsize": "12",
            "label": _label([diagram.caption, *diagram.notes]),
            "labelloc": "b",
            "pad": "0.2",
            **_LAYOUTS[diagram.layout],
            **(_PINNED if diagram.columns else {}),
        },
        node_attr={"fontcolor": INK, "fontname": FONT, "fontsize": "12", "margin": "0.16,0.07", "height": "0.3"},
        edge_attr={"fontcolor": GREY, "fontname": FONT, "fontsize": "11", "arrowsize": "0.8"},
    )
    for number, node in enumerate(diagram.nodes):
        if node.column is None:
            _draw(graph, number, node)
    for number, pinned in _grid(diagram).items():
        _draw(graph, number, diagram.nodes[number], pos=pinned)
    for place, (column, middle) in enumerate(_middles(diagram).items()):
        graph.node(f"head{place}", _attributes={"label": _label([column]), "pos": _pinned(middle, 0), **_HEAD})
    for edge in diagram.edges:
        # Blanks on both sides keep the text off the line.
        label = {"label": _label([f"  {line}  " for line in edge.lines])} if edge.lines else {}
        graph.edge(f"n{edge.source}", f"n{edge.target}", _attributes={**label, **LINES[edge.stroke]})
    source: str = graph.source
    return source


def _grid(diagram: Diagram) -> dict[int, str]:
    """Where the nodes of columns are pinned: below everything that leads to them, columns in their order.

    Graphviz's own layouts swap columns to save crossings, and a thread would not be found where it is expected.
    """
    rows: dict[int, int] = {}
    for number, node in enumerate(diagram.nodes):
        if node.column is not None:
            before = [rows[edge.source] for edge in diagram.edges if edge.target == number and edge.source in rows]
            rows[number] = max(before, default=0) + 1
    middles = _middles(diagram)
    return {number: _pinned(middles[diagram.nodes[number].column or ""], row) for number, row in rows.items()}


def _middles(diagram: Diagram) -> dict[str, float]:
    """The middle of each column, in inches: wide enough for the longest line in it."""
    middles, edge = {}, 0.0
    for column in diagram.columns:
        inside = [line for node in diagram.nodes if node.column == column for line in node.lines]
        width = 1.0 + 0.08 * max(map(len, [column, *inside]))
        middles[column] = edge + width / 2
        edge += width
    return middles


def _pinned(middle: float, row: int) -> str:
    return f"{middle:.2f},{-0.6 * row:.2f}!"


def _draw(graph: graphviz.Digraph, number: int, node: Node, **more: str) -> None:
    shape, outline = dict(_SHAPES[node.shape]), dict(OUTLINES[node.tone])
    styles = [style for style in (shape.pop("style", ""), "filled", outline.pop("style", "")) if style]
    look = {**shape, **outline, "style": ",".join(styles), **more}
    graph.node(f"n{number}", _attributes={"label": _label(node.lines), **look})


def _label(lines: list[str] | tuple[str, ...]) -> str:
    import graphviz

    # A name could look like an escape of Graphviz (\N), an entity (&lt;) or markup; each is turned off in its own way.
    if len(lines) > 1:
        # SVG shows the first line in bold, which Graphviz does not know of: about a blank wider in eight characters.
        blanks = " " * (len(lines[0]) // 16)
        lines = [f"{blanks}{lines[0]}{blanks}", *lines[1:]]
    plain = [_fitted(line).replace("\\", "\\\\").replace("&", "&amp;") for line in lines]
    label: str = graphviz.nohtml("\\n".join(plain))
    return label


def _fitted(line: str) -> str:
    # Where no font is at hand, Graphviz takes arrows and ideographs for narrower than they are, by about a blank each.
    wide = sum(east_asian_width(char) in "AWF" for char in line if not char.isascii())
    blanks = " " * (-(-wide // 2))
    return f"{blanks}{printable(line)}{blanks}"
