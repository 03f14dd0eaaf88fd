"""A diagram as Mermaid text, which GitHub and many note-taking tools draw. The palette is that of `dot`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from simulator.render.diagram import Diagram, Layout, Node, Shape, Stroke, Tone, printable
from simulator.render.dot import INK, LINES, OUTLINES

__all__ = ["mermaid_text"]

_BRACKETS: Mapping[Shape, tuple[str, str]] = {
    Shape.BOX: ("(", ")"),
    Shape.OVAL: ("([", "])"),
    Shape.DOUBLE: ("[[", "]]"),
    Shape.OCTAGON: ("[/", "\\]"),
    Shape.HEXAGON: ("{{", "}}"),
}

_ARROWS: Mapping[Stroke, str] = {
    Stroke.STEP: "-->",
    Stroke.HELD: "-->",
    Stroke.WAITS: "-.->",
    Stroke.CYCLE: "==>",
    Stroke.GATED: "-.->",
    Stroke.LOCK_ORDER: "==>",
    Stroke.CONFLICT: "-.->",
    Stroke.RACE: "==>",
}

_DASHES = {"dashed": "6 4", "dotted": "2 3"}


def mermaid_text(diagram: Diagram) -> str:
    """The diagram as a Mermaid flowchart; the same diagram always gives the same text.

    >>> print(mermaid_text(Diagram("wait-for", "nobody waits", (Node(("a", 'says "hi"')),), ())).splitlines()[4])
        n0("a<br/>says #quot;hi#quot;"):::neutral
    """
    across = diagram.layout in (Layout.ACROSS, Layout.RING)
    lines = ["---", f"title: {json.dumps(printable(diagram.caption), ensure_ascii=False)}", "---"]
    lines.append(f"flowchart {'LR' if across else 'TB'}")
    lines += [_node(number, node) for number, node in enumerate(diagram.nodes) if node.column is None]
    for place, column in enumerate(diagram.columns):
        lines.append(f'    subgraph column{place}["{_escaped(column)}"]')
        lines += [f"    {_node(number, node)}" for number, node in enumerate(diagram.nodes) if node.column == column]
        lines.append("    end")
    for edge in diagram.edges:
        label = f'|"{_text(edge.lines)}"|' if edge.lines else ""
        lines.append(f"    n{edge.source} {_ARROWS[edge.stroke]}{label} n{edge.target}")
    for tone in Tone:
        if any(node.tone == tone for node in diagram.nodes):
            lines.append(f"    classDef {tone.value} {_look(OUTLINES[tone])},color:{INK}")
    for stroke in Stroke:
        drawn = [str(number) for number, edge in enumerate(diagram.edges) if edge.stroke == stroke]
        if drawn:
            lines.append(f"    linkStyle {','.join(drawn)} {_look(LINES[stroke])}")
    lines += [f"    %% {printable(note)}" for note in diagram.notes]
    return "\n".join(lines) + "\n"


def _node(number: int, node: Node) -> str:
    opening, closing = _BRACKETS[node.shape]
    return f'    n{number}{opening}"{_text(node.lines)}"{closing}:::{node.tone.value}'


def _look(attributes: Mapping[str, str]) -> str:
    look = [f"fill:{attributes['fillcolor']}"] if "fillcolor" in attributes else []
    look += [f"stroke:{attributes['color']}", f"stroke-width:{attributes.get('penwidth', '1')}px"]
    if "style" in attributes:
        look.append(f"stroke-dasharray:{_DASHES[attributes['style']]}")
    return ",".join(look)


def _text(lines: Iterable[str]) -> str:
    return "<br/>".join(map(_escaped, lines))


_NAMED = {'"': "#quot;", "&": "#amp;", "<": "#lt;", ">": "#gt;"}
_PLAIN = frozenset(" .,:;=+-/()[]'→·…?!")
_LIST = re.compile(r"^(\d*)([-+.])")


def _escaped(text: str) -> str:
    """Text that Mermaid shows as it is: all that its grammar or its Markdown could read otherwise becomes a number."""
    text = "".join(
        _NAMED.get(char) or (char if char.isalnum() or char in _PLAIN else f"#{ord(char)};") for char in printable(text)
    )
    return _LIST.sub(lambda start: f"{start[1]}#{ord(start[2])};", text)
