"""From a function to its syntax tree: the file is read and parsed once, and the function found in it by name and line.

Knows files and positions; does not know what the code means. Lambdas are found by the columns of their instructions, so two
on one line are told apart.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import sysconfig
from functools import lru_cache
from types import CodeType, FunctionType
from typing import NamedTuple

from simulator.errors import ProgramError

__all__ = ["Declared", "Scope", "declared", "nested_code", "source_file", "syntax_of"]

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Declared(NamedTuple):
    """Names that functions of a file declare as not their own."""

    globals: frozenset[str]
    nonlocals: frozenset[str]


def syntax_of(function: FunctionType) -> tuple[Scope, ast.Module]:
    """The tree of a function, and of the file that it stands in.

    Raises ProgramError when there is no source, or the function is not where its code says that it stands.

    >>> syntax_of(source_file)[0].name
    'source_file'
    """
    code = function.__code__
    file = source_file(function)
    if file is None:
        raise ProgramError(
            f"{code.co_filename}: the source of {function.__qualname__!r} cannot be read, so it cannot be followed; "
            "write it in a file"
        )
    module = _tree(file)
    nodes = [node for node in _scopes(file).get(_first_line(code), ()) if _name(node) == code.co_name]
    if len(nodes) > 1:
        # Of lambdas inside one another, the innermost that the instructions fit into.
        nodes = sorted((node for node in nodes if _spans(node, code)), key=_size) or nodes
    if not nodes:
        raise ProgramError(
            f"{file}:{code.co_firstlineno}: {function.__qualname__!r} does not stand here; was the file changed after it was "
            "imported?"
        )
    return nodes[0], module


def source_file(function: FunctionType) -> str | None:
    """The file that a function was written in; None where its source cannot be read."""
    file = function.__code__.co_filename
    if file == "<string>":
        # Made by `exec`. Python 3.13 may know some text by that name, of another place.
        return None
    if file.startswith("<frozen "):
        # A part of the interpreter, whose source lies in the library all the same.
        file = os.path.join(sysconfig.get_path("stdlib"), *file[len("<frozen ") : -1].split(".")) + ".py"
    try:
        module = inspect.getmodule(function)
        lines = linecache.getlines(file, None if module is None else vars(module))
    except OSError:
        return None
    return file if lines else None


def nested_code(code: CodeType, node: ast.AST, name: str) -> CodeType:
    """The code of a function, lambda or comprehension written inside another; the outer one where it has none of its own.

    From Python 3.12 on, most comprehensions are a part of the code around them.
    """
    line = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])  # type: ignore[attr-defined]
    found = [
        constant
        for constant in code.co_consts
        if isinstance(constant, CodeType) and constant.co_name == name and constant.co_firstlineno == line
    ]
    if len(found) > 1:
        found = [constant for constant in found if _spans(node, constant)] or found
    return found[0] if found else code


@lru_cache(maxsize=256)
def declared(module: ast.Module) -> Declared:
    """The names that some function of a file says are global, or nonlocal: it may assign them."""
    globals_: set[str] = set()
    nonlocals: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Global):
            globals_.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            nonlocals.update(node.names)
    return Declared(frozenset(globals_), frozenset(nonlocals))


@lru_cache(maxsize=256)
def _tree(file: str) -> ast.Module:
    try:
        return ast.parse("".join(linecache.getlines(file)), file)
    except SyntaxError as error:
        raise ProgramError(f"{file}:{error.lineno}: does not compile: {error.msg}") from None


@lru_cache(maxsize=256)
def _scopes(file: str) -> dict[int, list[Scope]]:
    """All functions and lambdas of a file by the line that their code starts at."""
    found: dict[int, list[Scope]] = {}
    for node in ast.walk(_tree(file)):
        if isinstance(node, Scope):
            lines = [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]
            found.setdefault(min(lines), []).append(node)
    return found


def _name(node: Scope) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _first_line(code: CodeType) -> int:
    return code.co_firstlineno


def _size(node: Scope) -> tuple[int, int]:
    """How much source a node takes."""
    return (node.end_lineno or node.lineno) - node.lineno, (node.end_col_offset or 0) - node.col_offset


def _spans(node: ast.AST, code: CodeType) -> bool:
    """Whether the instructions of a code lie within a node."""
    start = (node.lineno, node.col_offset)  # type: ignore[attr-defined]
    end = (node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
    places = [
        (line, column)
        for line, _, column, end_column in code.co_positions()
        if line is not None and column is not None and end_column
    ]
    return all(start <= place <= end for place in places)
