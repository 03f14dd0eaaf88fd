"""The layers of the simulator, held by reading its imports.

What is promised:

- each module imports, at its top, only from modules above it in `ORDER` (analysis and search stand for all their
files);
- imports inside functions are for what is heavy or for rendering: the core reaches for `render` only from `__str__` and
  `_repr_html_`, so that computing never needs it;
- `simulator` never imports `scenarios`, and nothing imports `cli` but the command line itself;
- only `search/budget.py` has a clock and only `explore.py` makes random numbers; nothing in the core looks at
  the environment, reads files, or starts threads;
- `import simulator` loads none of networkx, graphviz, rich, click and hypothesis.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "simulator"

ORDER = [
    "errors",
    "values",
    "ops",
    "program",
    "liveness",
    "merging",
    "bodies",
    "trace",
    "machine",
    "fusion",
    "clocks",
    # A budget is asked by everything that counts or searches.
    "search.budget",
    "analysis",
    "search",
    "serial",
    "census",
    "traces",
    "census_by",
    "shares",
    "schedulers",
    "report",
    "explore",
    "scenario",
    "litmus",
    "loading",
    "strategies",
    "source",
    "real",
    "render",
    "failures",
    "linearizability",
    "proof",
    "outcome_assertions",
    "assertions",
    "interleave",
    "pytest_plugin",
    "checkpoint",
    "cli",
]
"""From the one that knows nothing to the one that knows all."""

CORE = ORDER[: ORDER.index("explore") + 1]


class Import(NamedTuple):
    """An import of a module of the package, or of anything else."""

    importer: str
    imported: str
    line: int
    inside: str | None
    """The function that it stands in, None at the top of the module."""


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imports(name: str, path: Path) -> Iterator[Import]:
    def walk(node: ast.AST, inside: str | None) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            within = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else inside
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(name, alias.name, child.lineno, inside)
            elif isinstance(child, ast.ImportFrom):
                assert not child.level, f"{path}:{child.lineno}: imports are written in full"
                assert child.module is not None
                for alias in child.names:
                    whole = f"{child.module}.{alias.name}"
                    known = whole.removeprefix("simulator.") in modules()
                    yield Import(name, whole if known else child.module, child.lineno, inside)
            yield from walk(child, within)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), None)


ALL = [each for name, path in modules().items() for each in imports(name, path)]
OURS = [each for each in ALL if each.imported.split(".")[0] == "simulator"]


def layer(name: str) -> str | None:
    """The entry of `ORDER` that a module belongs to; None for the package itself and `__main__`."""
    name = name.removeprefix("simulator").removeprefix(".")
    for known in sorted(ORDER, key=len, reverse=True):
        if name == known or name.startswith(f"{known}."):
            return known
    return None


def test_every_module_has_a_layer() -> None:
    assert [name for name in modules() if layer(name) is None and name not in ("__init__", "__main__")] == []


def test_each_layer_imports_only_from_those_above_it() -> None:
    wrong = []
    for each in OURS:
        importer, imported = layer(each.importer), layer(each.imported)
        if importer is None or each.inside is not None:
            continue
        if imported is None or ORDER.index(imported) > ORDER.index(importer):
            wrong.append(each)
    assert wrong == []


def test_the_core_renders_only_when_it_is_shown() -> None:
    late = [each for each in OURS if each.inside is not None and layer(each.importer) in CORE]
    assert [each for each in late if layer(each.imported) != "render"] == []
    assert {each.inside for each in late} <= {"__str__", "_repr_html_"}


def test_modules_of_one_layer_do_not_import_in_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    for each in OURS:
        if each.inside is None:
            edges.setdefault(each.importer, set()).add(each.imported.removeprefix("simulator."))
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"{' -> '.join(path)} -> {name}"
        if name not in done:
            for following in sorted(edges.get(name, ())):
                visit(following, (*path, name))
            done.add(name)

    for name in modules():
        visit(name, ())


def test_nothing_but_the_command_line_imports_the_command_line() -> None:
    assert [each for each in OURS if layer(each.imported) == "cli" and layer(each.importer) not in ("cli", None)] == []


def test_the_simulator_never_imports_scenarios() -> None:
    assert [each for each in ALL if each.imported.split(".")[0] == "scenarios"] == []


@pytest.mark.parametrize(
    ("library", "where"),
    [
        ("time", {"search.budget"}),
        ("datetime", set()),
        ("random", {"schedulers"}),
        ("secrets", set()),
        ("threading", set()),
        ("subprocess", set()),
        ("pathlib", set()),
        ("click", set()),
        ("rich", set()),
        ("graphviz", set()),
        ("hypothesis", set()),
    ],
)
def test_libraries_that_the_core_does_without(library: str, where: set[str]) -> None:
    found = {each.importer for each in ALL if each.imported.split(".")[0] == library and layer(each.importer) in CORE}
    assert found <= where


def test_the_core_does_not_look_at_its_environment_and_prints_nothing() -> None:
    wrong = []
    for name, path in modules().items():
        if layer(name) not in CORE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "stdout", "stderr"):
                wrong.append(f"{name}:{node.lineno} {node.attr}")
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "open", "input"):
                wrong.append(f"{name}:{node.lineno} {ast.unparse(node.func)}")
    assert wrong == []


def test_importing_the_simulator_is_light() -> None:
    heavy = ("networkx", "graphviz", "wasmtime", "rich", "click", "hypothesis", "pytest")
    code = f"import sys, simulator; print([name for name in {heavy!r} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
