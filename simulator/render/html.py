"""Text as a notebook shows it. Knows nothing of what the text says."""

from __future__ import annotations

from html import escape

__all__ = ["preformatted"]


def preformatted(text: str) -> str:
    """The text as an HTML block that keeps its columns; nothing in it can become markup.

    >>> preformatted("a < b")
    '<pre style="line-height:1.25;white-space:pre;overflow-x:auto">a &lt; b</pre>'
    """
    return f'<pre style="line-height:1.25;white-space:pre;overflow-x:auto">{escape(text)}</pre>'
