"""Every site of a source file, found in its syntax tree, held against where `bytecodes.offsets` says that it is.

As a program (`python sites_of_source.py 40`) it does so for that many files of the standard library of the interpreter
that runs it, and prints as JSON how many sites there were, which have no instruction though the source gives no reason, which
have the wrong one, and which instructions belong to no site. Each source is looked at as it is and with a line break after each
opening bracket and before every dot inside brackets, for the compiler says something else of what spans lines.
"""

from __future__ import annotations

import ast
import dis
import io
import json
import os
import random
import sys
import tokenize
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

from simulator.real.bytecodes import INSTRUCTIONS, offsets
from simulator.source.sites import Site

COVERED = (
    "load attribute",
    "store attribute",
    "delete attribute",
    "load item",
    "store item",
    "delete item",
    "contains",
)
"""Kinds whose instructions the compiler makes for nothing but sites of that kind."""


class Found(NamedTuple):
    sites: int
    missing: list[str]
    wrong: list[str]
    without_site: list[str]


LOOPED = {"all", "any", "tuple"} if sys.version_info >= (3, 14) else set()
LOOPED |= {"list", "set"} if sys.version_info >= (3, 15) else set()


def is_looped(node: ast.expr) -> bool:
    """Whether the compiler writes out a call as a loop over its generator expression."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp()], keywords=[]):
            return name in LOOPED
    return False


def sites_of(tree: ast.AST) -> dict[Site, str]:
    """Every site of a tree, each with the attribute's name where it has one."""
    found: dict[Site, str] = {}

    def add(node: ast.expr | ast.stmt, kind: str, name: str = "") -> None:
        found[Site(node.lineno, node.end_lineno or 0, node.col_offset, node.end_col_offset or 0, kind)] = name

    def truth(node: ast.expr) -> None:
        # Constants are decided by the compiler; comparisons and `not` are booleans already.
        if isinstance(node, ast.Attribute | ast.Subscript | ast.Call) and not is_looped(node):
            add(node, "truth")

    context = {ast.Load: "load", ast.Store: "store", ast.Del: "delete"}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute():
                add(node, f"{context[type(node.ctx)]} attribute", node.attr)
            case ast.Subscript():
                add(node, f"{context[type(node.ctx)]} item")
            case ast.Call() if is_looped(node):
                pass
            case ast.Call(func=ast.Attribute(attr=name)):
                add(node, "call", name)
            case ast.Call():
                add(node, "call")
            case ast.For():
                add(node.iter, "iterate")
                add(node.iter, "next")
            case ast.ImportFrom(names=[ast.alias(name), *_]) if name != "*":
                add(node, "load attribute")
            case ast.Import(names) if any(each.asname and "." in each.name for each in names):
                add(node, "load attribute")
            case ast.Compare():
                if any(isinstance(operator, ast.In | ast.NotIn) for operator in node.ops):
                    add(node, "contains")
                if any(
                    isinstance(operator, ast.Eq | ast.NotEq | ast.Lt | ast.LtE | ast.Gt | ast.GtE)
                    for operator in node.ops
                ):
                    add(node, "compare")
            case ast.AugAssign():
                add(node, "add")
                if isinstance(node.target, ast.Attribute):
                    add(node.target, "load attribute", node.target.attr)
                elif isinstance(node.target, ast.Subscript):
                    add(node.target, "load item")
            case ast.UnaryOp(op=ast.Not()):
                truth(node.operand)
            case ast.If() | ast.While() | ast.IfExp() | ast.Assert():
                truth(node.test)
            case ast.BoolOp():
                for value in node.values[:-1]:
                    truth(value)
    return found


class _Plainer(ast.NodeTransformer):
    """Leaves out what no code is made for, or only in some places: annotations, and branches on constants."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        plain = ast.Pass() if node.value is None else ast.Assign([node.target], node.value)
        return self.generic_visit(ast.copy_location(plain, node))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self.visit_FunctionDef(node)  # type: ignore[arg-type]

    def visit_If(self, node: ast.If) -> ast.AST:
        tests = [node.test, *(node.test.values if isinstance(node.test, ast.BoolOp) else ())]
        if any(isinstance(test, ast.Constant) or ast.unparse(test) == "__debug__" for test in tests):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def look_at(source: str, file: str) -> Found:
    tree = _Plainer().visit(ast.parse(source))
    sites = sites_of(tree)
    lines = source.splitlines()
    met: set[Site] = set()
    wrong, without_site = [], []
    for code in codes(compile(tree, file, "exec", dont_inherit=True)):
        spans = [(line, end) for line, end, _, _ in code.co_positions() if line is not None and end is not None]
        first, last = min((line for line, _ in spans), default=0), max((end for _, end in spans), default=0)
        mine = [site for site in sites if site.line <= last and site.end_line >= first]
        places = offsets(code, mine)
        met |= set(places.values())
        prefixed = None
        for instruction in dis.get_instructions(code):
            if instruction.opname == "EXTENDED_ARG":
                prefixed = instruction.offset if prefixed is None else prefixed
                continue
            offset, prefixed = (instruction.offset if prefixed is None else prefixed), None
            site, positions = places.get(offset), instruction.positions
            where = f"{file}:{positions.lineno if positions else 0}: {instruction.opname} {instruction.argrepr}"
            if site is None:
                if any(instruction.opname in INSTRUCTIONS[kind] for kind in COVERED):
                    without_site.append(where)
            elif "attribute" in site.kind and not instruction.argval.endswith(sites[site]):
                wrong.append(f"{where} is no {sites[site]}")
            elif site.kind == "call" and positions is not None and positions.lineno != site.line:
                # The compiler says that the call of a method begins at the method's name.
                called = lines[(positions.lineno or 0) - 1].encode()[positions.col_offset :].decode()
                if not sites[site] or not called.startswith(sites[site]):
                    wrong.append(f"{where} calls {called}, not {sites[site]}")
    missing = [f"{file}:{site.line}: {site.kind}: {lines[site.line - 1].strip()}" for site in sites if site not in met]
    return Found(len(sites), missing, wrong, without_site)


def broken_into_lines(source: str) -> str:
    """The same with line breaks wherever brackets allow some: after each opening one, and before each dot inside."""
    breaks, depth, inside_string = [], 0, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        # From 3.12 on the brackets of an f-string are tokens, too.
        inside_string += (kind == "FSTRING_START") - (kind == "FSTRING_END")
        if kind != "OP" or inside_string:
            continue
        if token.string in "([{":
            depth += 1
            breaks.append(token.end)
        elif token.string in ")]}":
            depth -= 1
        elif token.string == "." and depth:
            breaks.append(token.start)
    lines = source.splitlines(keepends=True)
    for line, column in reversed(breaks):
        lines[line - 1] = lines[line - 1][:column] + "\n" + lines[line - 1][column:]
    return "".join(lines)


def no_instruction_is_right(line: str) -> bool:
    """Calls of `super()` are a part of the load after them (3.12), items of constants are looked up by the compiler."""
    return "super(" in line or "b'" in line or 'b"' in line


def standard_library() -> list[str]:
    root = os.path.dirname(os.__file__)
    names = sorted(name for name in os.listdir(root) if name.endswith(".py"))
    return [os.path.join(root, name) for name in names]


def look_at_some(number: int) -> Found:
    files = standard_library()
    random.Random(number).shuffle(files)
    whole = Found(0, [], [], [])
    for file in files[:number]:
        with open(file, encoding="utf-8") as opened:
            source = opened.read()
        for variant in (source, broken_into_lines(source)):
            found = look_at(variant, os.path.basename(file))
            whole = Found(whole.sites + found.sites, *(a + b for a, b in zip(whole[1:], found[1:], strict=True)))
    return whole._replace(missing=[each for each in whole.missing if not no_instruction_is_right(each)])


if __name__ == "__main__":
    print(json.dumps(look_at_some(int(sys.argv[1]))._asdict()))
