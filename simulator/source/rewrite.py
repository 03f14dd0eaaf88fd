"""From the syntax tree of an ordinary function to that of a generator function with the same meaning.

Everything in which a shared object may take part becomes a call of the walker (`walk.py`), which yields operations: loads
and stores of attributes, items and globals, calls, `with`, loops, comparisons. Everything else stays as it is, and so do all
line numbers. This file knows syntax only; what is shared is found out when the code runs.

Names that begin with `_sim_` are ours. Comprehensions and lambdas become functions of their own, as they are in Python.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from types import CodeType
from typing import Protocol, TypeVar

from simulator.errors import ProgramError
from simulator.source.find import Scope, nested_code
from simulator.source.granularity import Granularity
from simulator.source.sites import Site

__all__ = ["FACTORY", "Names", "rewritten"]

FACTORY = "_sim_factory"
WALKER = "_sim_walker"

N = TypeVar("N", bound=ast.AST)
_COMPREHENSIONS = {
    ast.ListComp: "<listcomp>",
    ast.SetComp: "<setcomp>",
    ast.DictComp: "<dictcomp>",
    ast.GeneratorExp: "<genexpr>",
}
_NO_TASKS = "the model runs threads, not tasks"
_LOOKS_AT_FRAMES = {"locals", "vars", "eval", "exec", "dir", "globals"}
_SIGNS: dict[type[ast.AST], str] = {ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert"}
_PLACED = (ast.expr, ast.stmt, ast.ExceptHandler, ast.arg, ast.keyword)
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.MatMult: "matmul", ast.Div: "truediv", ast.Mod: "mod",
    ast.Pow: "pow", ast.LShift: "lshift", ast.RShift: "rshift", ast.BitOr: "or", ast.BitXor: "xor", ast.BitAnd: "and",
    ast.FloorDiv: "floordiv", ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}  # fmt: skip


class Names(Protocol):
    """What the rewriter has to be told of names and to tell of places."""

    def is_written(self, name: str) -> bool:
        """Whether some function may assign this global."""

    def is_builtin(self, name: str) -> bool:
        """Whether a global name is Python's own."""

    def constant(self, name: str) -> None:
        """Take note that a global which nobody assigns is used."""

    def is_shared_cell(self, name: str) -> bool:
        """Whether a variable of an enclosing function may be assigned by one of the threads."""

    def site(self, code: CodeType, site: Site) -> int:
        """A number for a place."""

    @property
    def granularity(self) -> Granularity:
        """Where the interpreter may switch threads."""


def rewritten(node: Scope, code: CodeType, names: Names, file: str) -> ast.Module:
    """A module with a factory: given the values of the free variables, it makes the generator function.

    Raises ProgramError, with file and line, for syntax that cannot be followed.
    """
    writer = _Function(node, code, names, file, frozenset(code.co_freevars))
    function = writer.definition("_sim_function")
    factory = _define(FACTORY, _arguments(code.co_freevars), [function, ast.Return(_name("_sim_function"))])
    module = ast.Module([ast.copy_location(factory, node)], [])
    return ast.fix_missing_locations(module)


def _arguments(names: Sequence[str]) -> ast.arguments:
    return ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])


def _define(name: str, arguments: ast.arguments, body: list[ast.stmt]) -> ast.FunctionDef:
    definition = ast.FunctionDef(name, arguments, body, [], None, None)
    definition.type_params = []  # type: ignore[attr-defined]  # from Python 3.12 on, they have to be said
    return definition


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def _ask(method: str, *arguments: ast.expr) -> ast.expr:
    """What the walker has to do, step by step."""
    return ast.YieldFrom(_tell(method, *arguments))


def _tell(method: str, *arguments: ast.expr) -> ast.expr:
    """What the walker does at once."""
    return ast.Call(ast.Attribute(_name(WALKER), method, ast.Load()), list(arguments), [])


class _Function:
    """One function, lambda or comprehension on its way to a generator function."""

    def __init__(self, node: ast.AST, code: CodeType, names: Names, file: str, outer: frozenset[str]) -> None:
        self.node = node
        self.code = code
        self.names = names
        self.file = file
        self.outer = outer
        self.globals, self.nonlocals, self.bound = _bound(node)
        self.before: list[ast.stmt] = []
        self.count = 0
        self.before_continue: list[ast.stmt] = []
        self.assigned_outside: set[str] = set()
        self.assigned_inside: set[str] = set()

    # -- definitions

    def definition(self, name: str) -> ast.FunctionDef:
        """The generator function, whose first parameter is the walker."""
        node = self.node
        assert isinstance(node, Scope)
        if isinstance(node, ast.AsyncFunctionDef):
            raise self._refused(node, "an async function", _NO_TASKS)
        arguments = copy.deepcopy(node.args)
        arguments.posonlyargs = [ast.arg(WALKER), *arguments.posonlyargs]
        for each in [
            *arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg
        ]:  # fmt: skip
            if each is not None:
                each.annotation = None
        # Defaults are given by whoever calls: they were worked out when the function was defined.
        arguments.defaults = [_name("_sim_default") for _ in arguments.defaults]
        arguments.kw_defaults = [None if each is None else _name("_sim_default") for each in arguments.kw_defaults]
        if isinstance(node, ast.Lambda):
            body: list[ast.stmt] = self._with_hoisted(lambda: [ast.Return(self.expr(node.body))], node.body)
        else:
            body = self.block(node.body)
        # A generator function even where nothing is yielded.
        # What a comprehension assigns (`:=`) is a variable of this function.
        bound: list[ast.stmt] = [
            ast.Assign([_store(each)], ast.Constant(None)) for each in sorted(self.assigned_inside)
        ]
        never = ast.copy_location(ast.If(ast.Constant(False), [ast.Expr(ast.Yield(None)), *bound], []), node)
        declared: list[ast.stmt] = [ast.Nonlocal(sorted(self.nonlocals))] if self.nonlocals else []
        return ast.copy_location(_define(name, arguments, [*declared, never, *body]), node)

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Statements, rewritten."""
        made = []
        for statement in statements:
            made += self._with_hoisted(partial(self.stmt, statement), statement)
        return made

    def _with_hoisted(self, make: Callable[[], list[ast.stmt]], place: ast.AST) -> list[ast.stmt]:
        outer, self.before = self.before, []
        made = make()
        hoisted, self.before = self.before, outer
        return [_located(each, place) for each in [*hoisted, *made]]

    def temporary(self) -> str:
        """A new variable of ours."""
        self.count += 1
        return f"_sim_{self.count}"

    def site(self, node: ast.AST, kind: str) -> ast.expr:
        """The number of a place, as an expression."""
        place = Site(node.lineno, node.end_lineno, node.col_offset, node.end_col_offset, kind)  # type: ignore[attr-defined]
        return ast.Constant(self.names.site(self.code, place))

    def _instead_of_generator(self) -> str:
        decorators = map(ast.unparse, getattr(self.node, "decorator_list", ()))
        if any(each.rpartition(".")[2] == "contextmanager" for each in decorators):
            return "write a class with __enter__ and __exit__"
        return "collect the items in a list, or write a class with __next__"

    def _refused(self, node: ast.AST, what: str, instead: str) -> ProgramError:
        return ProgramError(f"{self.file}:{getattr(node, 'lineno', '?')}: {what} cannot be followed; {instead}")

    # -- statements

    def stmt(self, node: ast.stmt) -> list[ast.stmt]:
        """One statement, rewritten."""
        match node:
            case ast.Expr(value):
                return [ast.Expr(self.expr(value))]
            case ast.Assign(targets, value):
                made: list[ast.stmt] = []
                if len(targets) == 1:
                    return self.assign(targets[0], self.expr(value))
                held = self.temporary()
                made.append(ast.Assign([_store(held)], self.expr(value)))
                for target in targets:
                    made += self.assign(target, _name(held))
                return made
            case ast.AnnAssign(target, _, value):
                return [] if value is None else self.assign(target, self.expr(value))
            case ast.AugAssign():
                return self.augmented(node)
            case ast.Return(value):
                return [ast.Return(None if value is None else self.expr(value))]
            case ast.Delete(targets):
                return [each for target in targets for each in self.delete(target)]
            case ast.If(test, body, orelse):
                return [ast.If(self.test(test), self.block(body), self.block(orelse))]
            case ast.While():
                return self.while_(node)
            case ast.For():
                return self.for_(node)
            case ast.With():
                return self.with_(node)
            case ast.Try(body, handlers, orelse, finalbody):
                made = self.block(body)
                if handlers:
                    made = [ast.Try(made, [self._through(node), *map(self.handler, handlers)], self.block(orelse), [])]
                return self._finally(node, made, finalbody) if finalbody else made
            case ast.Raise(exc, cause):
                return [
                    ast.Raise(None if exc is None else self.raised(exc), None if cause is None else self.expr(cause))
                ]
            case ast.Assert(test, msg):
                said = [] if msg is None else [_ask("said", self.expr(msg))]
                error: ast.expr = ast.Call(_name("_sim_AssertionError"), said, [])
                if msg is not None and self.names.granularity.has_gil:
                    error = _ask("after", error)
                raised = ast.Raise(error, None)
                return [ast.If(ast.UnaryOp(ast.Not(), self.test(test)), [_located(raised, node)], [])]
            case ast.Continue():
                return [*copy.deepcopy(self.before_continue), node]
            case ast.Pass() | ast.Break():
                return [node]
            case ast.Import(names):
                return [each for alias in names for each in self.import_(node, alias)]
            case ast.ImportFrom(module, names, level):
                return self.import_from(node, module or "", level, names)
            case ast.Global() | ast.Nonlocal():
                return []
            case ast.FunctionDef():
                return self.function(node)
            case ast.Match():
                return self.match(node)
            case ast.ClassDef():
                raise self._refused(node, f"the class {node.name!r} inside a function", "define it outside")
            case ast.AsyncFor() | ast.AsyncWith() | ast.AsyncFunctionDef():
                raise self._refused(node, "async code", _NO_TASKS)
            case _:
                raise self._refused(node, type(node).__name__, "say it in other words")

    def handler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        """`except`."""
        kind = None if node.type is None else _tell("caught", self.expr(node.type))
        if node.name is not None and self.is_shared_name(node.name):
            raise self._refused(node, f"an exception caught as {node.name!r}, which is shared,", "give it another name")
        return _located(ast.ExceptHandler(kind, node.name, self.block(node.body)), node)

    def match(self, node: ast.Match) -> list[ast.stmt]:
        """`match`: one case after the other, until one has been found."""
        subject, found = self.temporary(), self.temporary()
        made: list[ast.stmt] = [
            ast.Assign([_store(subject)], self.expr(node.subject)),
            ast.Assign([_store(found)], ast.Constant(False)),
        ]
        for each in node.cases:
            names: dict[str, str] = {}
            fits = ast.BoolOp(
                ast.And(), [ast.UnaryOp(ast.Not(), _name(found)), self.pattern(each.pattern, _name(subject), names)]
            )
            body: list[ast.stmt] = [ast.Assign([_store(found)], ast.Constant(True)), *self.block(each.body)]
            if each.guard is not None:
                body = [ast.If(self.test(each.guard), body, [])]
            for name, held in names.items():
                body = [*self.assign(ast.copy_location(_store(name), each.pattern), _name(held)), *body]
            made.append(_located(ast.If(fits, body, []), each.pattern))
        return made

    def pattern(self, node: ast.pattern, at: ast.expr, names: dict[str, str]) -> ast.expr:
        """Whether what stands at a place fits. What names of the pattern are bound to is kept in variables of ours."""
        return _located(self._pattern(node, at, names), node)

    def _pattern(self, node: ast.pattern, at: ast.expr, names: dict[str, str]) -> ast.expr:
        match node:
            case ast.MatchValue(value):
                same = _ask("binary", ast.Constant("eq"), at, self.expr(value), self.site(node, "compare"))
                return _ask("truth", same)
            case ast.MatchSingleton(value):
                return ast.Compare(at, [ast.Is()], [ast.Constant(value)])
            case ast.MatchAs(pattern, name):
                fits = [] if pattern is None else [self.pattern(pattern, at, names)]
                return _all([*fits, *self._kept(name, at, names)])
            case ast.MatchStar(name):
                return _all(self._kept(name, at, names))
            case ast.MatchOr(patterns):
                return ast.BoolOp(ast.Or(), [self.pattern(each, at, names) for each in patterns])
            case ast.MatchSequence(patterns):
                stars = [number for number, each in enumerate(patterns) if isinstance(each, ast.MatchStar)]
                star = stars[0] if stars else -1
                wanted = [number for number, each in enumerate(patterns) if not _is_wildcard(each)]
                is_whole = bool(wanted) and (star < 0 or star in wanted)
                size = len(patterns) - len(stars)
                asked = [ast.Constant(size), ast.Constant(star), _constants(wanted), ast.Constant(is_whole)]
                return self._parts(_ask("matched_in_order", at, *asked), patterns, names)
            case ast.MatchMapping(keys, patterns, rest):
                parts = [*patterns, *([] if rest is None else [ast.MatchAs(None, rest)])]
                key_tuple = ast.Tuple(self.exprs(keys), ast.Load())
                return self._parts(_ask("matched_by_key", at, key_tuple, ast.Constant(rest is not None)), parts, names)
            case ast.MatchClass(kind, patterns, attributes, by_name):
                asked = [ast.Constant(len(patterns)), _constants(attributes)]
                return self._parts(_ask("matched_by_class", at, self.expr(kind), *asked), [*patterns, *by_name], names)
            case _:
                raise self._refused(node, type(node).__name__, "say it in other words")

    def _kept(self, name: str | None, at: ast.expr, names: dict[str, str]) -> list[ast.expr]:
        """A name of a pattern that is bound when all of it fits: a tuple, which is true."""
        if name is None:
            return []
        held = names.setdefault(name, self.temporary())
        return [ast.Tuple([ast.NamedExpr(_store(held), at)], ast.Load())]

    def _parts(self, taken: ast.expr, patterns: Sequence[ast.pattern], names: dict[str, str]) -> ast.expr:
        """Whether the subject can be taken apart so, and its parts fit."""
        held = self.temporary()
        fits: list[ast.expr] = [ast.Compare(ast.NamedExpr(_store(held), taken), [ast.IsNot()], [ast.Constant(None)])]
        for number, each in enumerate(patterns):
            if not _is_wildcard(each):
                part = ast.Subscript(_name(held), ast.Constant(number), ast.Load())
                fits.append(self._pattern(each, part, names))
        return _all(fits)

    def _finally(self, node: ast.stmt, body: list[ast.stmt], final: Sequence[ast.stmt]) -> list[ast.stmt]:
        """`finally`, which is left out where it is not the program's own exception that goes through it."""
        closing = self.temporary()
        through = self._through(node)
        through.body = [ast.Assign([_store(closing)], ast.Constant(True)), *through.body]
        guarded = ast.If(ast.UnaryOp(ast.Not(), _name(closing)), self.block(final), [])
        made = [_located(each, node) for each in body]
        return [ast.Assign([_store(closing)], ast.Constant(False)), ast.Try(made, [through], [], [guarded])]

    def _through(self, node: ast.stmt) -> ast.ExceptHandler:
        """What is no exception of the program's goes through all its handlers: our own errors, and a body's being closed."""
        return _located(ast.ExceptHandler(_name("_sim_Through"), None, [ast.Raise(None, None)]), node)

    def raised(self, exc: ast.expr) -> ast.expr:
        """`raise ValueError(...)`: an exception is made as Python makes it."""
        return _tell("raised", self.expr(exc))

    def function(self, node: ast.FunctionDef) -> list[ast.stmt]:
        """A function inside a function."""
        if node.decorator_list:
            raise self._refused(node, f"the decorator of the inner function {node.name!r}", "define it outside")
        target = ast.copy_location(_store(node.name), node)
        return [*self._inner(node, node.name), *self.assign(target, self._made(node, node.name))]

    def publish(self, name: str, node: ast.stmt) -> list[ast.stmt]:
        """What a statement of Python's has bound to a name that others can see."""
        return self.assign(ast.copy_location(_store(name), node), _name(name))

    def _inner(self, node: ast.FunctionDef | ast.Lambda, name: str) -> list[ast.stmt]:
        code = nested_code(self.code, node, "<lambda>" if isinstance(node, ast.Lambda) else name)
        inside = _Function(node, code, self.names, self.file, self.outer | self.bound)
        inside.count = self.count + 1000
        return [_located(inside.definition(f"_sim_{name.strip('<>')}_{node.lineno}_{node.col_offset}"), node)]

    def _made(self, node: ast.FunctionDef | ast.Lambda, name: str) -> ast.expr:
        """The function as a value. Its defaults are worked out here and now, whatever was defined before."""
        made = f"_sim_{name.strip('<>')}_{node.lineno}_{node.col_offset}"
        defaults = ast.Tuple(self.exprs(node.args.defaults), ast.Load())
        named = [
            (argument.arg, self.expr(each))
            for argument, each in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if each is not None
        ]
        keywords = ast.Dict([ast.Constant(each) for each, _ in named], [value for _, value in named])
        code = nested_code(self.code, node, name)
        return ast.Call(_name("_sim_Inner"), [_name(made), ast.Constant(code.co_qualname), defaults, keywords], [])

    def import_(self, node: ast.stmt, alias: ast.alias) -> list[ast.stmt]:
        """`import a.b` binds `a`, `import a.b as c` the module itself."""
        top = alias.name.partition(".")[0]
        found = _tell(
            "imported", ast.Constant(alias.name), ast.Constant(0), self.site(node, "load global"),
            ast.Constant(top if alias.asname is None else ""),
        )  # fmt: skip
        return self.assign(ast.copy_location(_store(alias.asname or top), node), found)

    def import_from(self, node: ast.stmt, module: str, level: int, names: Sequence[ast.alias]) -> list[ast.stmt]:
        """`from a import b` loads b from what the module holds now."""
        held, site = self.temporary(), self.site(node, "load attribute")
        made: list[ast.stmt] = [
            ast.Assign([_store(held)], _tell("imported", ast.Constant(module), ast.Constant(level), site))
        ]
        for each in names:
            loaded = _ask("load_from", _name(held), ast.Constant(each.name), site)
            made += self.assign(ast.copy_location(_store(each.asname or each.name), node), loaded)
        return made

    def assign(self, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        """`target = value`, whose value is rewritten already."""
        match target:
            case ast.Name(name):
                if self.is_written_global(name):
                    return [
                        ast.Expr(_ask("store_global", ast.Constant(name), value, self.site(target, "store global")))
                    ]
                if self.is_cell(name):
                    return [ast.Expr(_ask("store_cell", _name(name), value, self.site(target, "store nonlocal")))]
                return [ast.Assign([_store(name)], value)]
            case ast.Attribute(owner, attribute):
                held = self.temporary()
                return [
                    ast.Assign([_store(held)], value),
                    ast.Expr(
                        _ask(
                            "store", self.expr(owner), ast.Constant(_mangled(attribute, self.code)), _name(held),
                            self.site(target, "store attribute"),
                        )
                    ),
                ]  # fmt: skip
            case ast.Subscript(owner, key):
                held = self.temporary()
                return [
                    ast.Assign([_store(held)], value),
                    ast.Expr(
                        _ask(
                            "store_item", self.expr(owner), self.expr(key), _name(held), self.site(target, "store item")
                        )
                    ),
                ]
            case ast.Tuple(parts) | ast.List(parts):
                temporaries = [self.temporary() for _ in parts]
                stores: list[ast.expr] = [
                    ast.Starred(_store(each), ast.Store()) if isinstance(part, ast.Starred) else _store(each)
                    for part, each in zip(parts, temporaries, strict=True)
                ]
                # One more than there are names for is asked for, and no further.
                is_open = any(isinstance(part, ast.Starred) for part in parts)
                most = [] if is_open else [ast.Constant(len(parts) + 1)]
                made: list[ast.stmt] = [ast.Assign([ast.Tuple(stores, ast.Store())], _ask("taken_apart", value, *most))]
                for part, each in zip(parts, temporaries, strict=True):
                    made += self.assign(part.value if isinstance(part, ast.Starred) else part, _name(each))
                return made
            case _:
                raise self._refused(target, "this assignment", "say it in other words")

    def augmented(self, node: ast.AugAssign) -> list[ast.stmt]:
        """`target += value`: a load, the arithmetic, a store."""
        operator = ast.Constant(_OPERATORS[type(node.op)])
        target = node.target
        made: list[ast.stmt] = []
        old, new = self.temporary(), self.temporary()

        def arithmetic(owner: ast.expr) -> ast.stmt:
            return ast.Assign(
                [_store(new)],
                _ask("augment", operator, _name(old), self.expr(node.value), self.site(node, "add"), owner),
            )

        match target:
            case ast.Name(name):
                if not (self.is_written_global(name) or self.is_cell(name)):
                    made.append(ast.Assign([_store(old)], _name(name)))
                    return [*made, arithmetic(ast.Constant(False)), ast.Assign([_store(name)], _name(new))]
                made.append(ast.Assign([_store(old)], self.expr(ast.copy_location(ast.Name(name, ast.Load()), target))))
                return [*made, arithmetic(ast.Constant(True)), *self.assign(target, _name(new))]
            case ast.Attribute(owner, attribute):
                held = self.temporary()
                asked = ast.Constant(_mangled(attribute, self.code))
                return [
                    ast.Assign([_store(held)], self.expr(owner)),
                    ast.Assign([_store(old)], _ask("load", _name(held), asked, self.site(target, "load attribute"))),
                    arithmetic(_name(held)),
                    ast.Expr(_ask("store", _name(held), asked, _name(new), self.site(target, "store attribute"))),
                ]
            case ast.Subscript(owner, key):
                held, at = self.temporary(), self.temporary()
                return [
                    ast.Assign([_store(held)], self.expr(owner)),
                    ast.Assign([_store(at)], self.expr(key)),
                    ast.Assign(
                        [_store(old)], _ask("load_item", _name(held), _name(at), self.site(target, "load item"))
                    ),
                    arithmetic(_name(held)),
                    ast.Expr(_ask("store_item", _name(held), _name(at), _name(new), self.site(target, "store item"))),
                ]

    def delete(self, target: ast.expr) -> list[ast.stmt]:
        """`del target`."""
        match target:
            case ast.Name(name):
                if self.is_written_global(name) or self.is_cell(name):
                    raise self._refused(target, f"deleting {name!r}, which is shared,", "set it to None")
                return [ast.Delete([ast.Name(name, ast.Del())])]
            case ast.Attribute(owner, attribute):
                return [
                    ast.Expr(
                        _ask(
                            "delete",
                            self.expr(owner),
                            ast.Constant(_mangled(attribute, self.code)),
                            self.site(target, "delete attribute"),
                        )
                    )
                ]
            case ast.Subscript(owner, key):
                return [
                    ast.Expr(_ask("delete_item", self.expr(owner), self.expr(key), self.site(target, "delete item")))
                ]
            case ast.Tuple(parts) | ast.List(parts):
                return [each for part in parts for each in self.delete(part)]
            case _:
                raise self._refused(target, "this deletion", "say it in other words")

    def turn(self) -> list[ast.stmt]:
        """A place where the interpreter may switch threads."""
        return [ast.Expr(_ask("switch"))] if self.names.granularity.has_gil else []

    def while_(self, node: ast.While) -> list[ast.stmt]:
        """The jump back is where the interpreter may switch threads.

        Up to 3.13 the test stands twice in the bytecode: at the end of the body it comes before the jump back, and a
        `continue` jumps back to the one at the top.
        """
        back = self.turn()
        before: list[ast.stmt] = []
        first: list[ast.stmt] = [ast.Expr(_tell("again"))]
        last = before_continue = back
        if back and not self.names.granularity.jumps_to_tests:
            is_due = self.temporary()
            no = ast.Assign([_store(is_due)], ast.Constant(False))
            before = [no]
            first += [ast.If(_name(is_due), back, []), ast.Assign([_store(is_due)], ast.Constant(True))]
            last, before_continue = [], [*back, no]
        body = [*first, *self.turns(node.body, before_continue), *copy.deepcopy(last)]
        return [*before, ast.While(self.test(node.test), body, self.block(node.orelse))]

    def turns(self, body: Sequence[ast.stmt], before_continue: list[ast.stmt]) -> list[ast.stmt]:
        """The body of a loop, and what comes before a `continue` in it."""
        before, self.before_continue = self.before_continue, before_continue
        made = self.block(body)
        self.before_continue = before
        return made

    def for_(self, node: ast.For) -> list[ast.stmt]:
        """A loop over a range stays one; any other goes on step by step."""
        back = self.turn()
        if self.is_range(node.iter) and isinstance(node.target, ast.Name) and not self.is_shared_name(node.target.id):
            call = node.iter
            assert isinstance(call, ast.Call)
            iterated = _tell("in_c", _name("_sim_range"), *map(self.expr, call.args))
            if self.names.granularity.has_gil:
                iterated = _ask("after", iterated)
            return [
                ast.For(
                    _store(node.target.id),
                    iterated,
                    [*self.turns(node.body, back), *copy.deepcopy(back)],
                    self.block(node.orelse),
                    None,
                )
            ]
        cursor = self.temporary()
        value = ast.Attribute(_name(cursor), "value", ast.Load())
        return [
            ast.Assign([_store(cursor)], _ask("iterate", self.expr(node.iter), self.site(node.iter, "iterate"))),
            ast.While(
                _ask("advance", _name(cursor), self.site(node.iter, "next")),
                [*self.assign(node.target, value), *self.turns(node.body, back), *copy.deepcopy(back)],
                self.block(node.orelse),
            ),
        ]

    def is_range(self, node: ast.expr) -> bool:
        """Whether an expression is a call of the builtin `range`."""
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "range"
            and not node.keywords
            and not any(isinstance(each, ast.Starred) for each in node.args)
            and not self.is_local("range")
            and self.names.is_builtin("range")
        )

    def with_(self, node: ast.With) -> list[ast.stmt]:
        """`with`: entered, and left whatever happens, with the exception if there is one."""
        if len(node.items) > 1:
            inner = _located(ast.With(node.items[1:], node.body), node)
            node = _located(ast.With(node.items[:1], [inner]), node)
        (item,) = node.items
        manager, entered, left = self.temporary(), self.temporary(), self.temporary()
        error = self.temporary()
        made: list[ast.stmt] = [
            ast.Assign([_store(manager)], self.expr(item.context_expr)),
            ast.Assign([_store(entered)], _ask("enter", _name(manager))),
            ast.Assign([_store(left)], ast.Constant(False)),
        ]
        body = self.block(node.body)
        if item.optional_vars is not None:
            body = [*self.assign(item.optional_vars, _name(entered)), *body]
        handler = ast.ExceptHandler(
            _name("BaseException"),
            error,
            [
                ast.Assign([_store(left)], ast.Constant(True)),
                ast.If(
                    ast.UnaryOp(ast.Not(), _ask("leave", _name(manager), _name(error))), [ast.Raise(None, None)], []
                ),
            ],
        )
        final = ast.If(
            ast.UnaryOp(ast.Not(), _name(left)), [ast.Expr(_ask("leave", _name(manager), ast.Constant(None)))], []
        )
        through = self._through(node)
        through.body = [ast.Assign([_store(left)], ast.Constant(True)), *through.body]
        made.append(ast.Try(body, [_located(through, node), handler], [], [final]))
        return made

    # -- names

    def is_local(self, name: str) -> bool:
        """Whether a name is a variable of this function or one around it."""
        return (name in self.bound or name in self.outer) and name not in self.globals

    def is_written_global(self, name: str) -> bool:
        """Whether a name is a global that some function assigns."""
        return not self.is_local(name) and self.names.is_written(name)

    def is_cell(self, name: str) -> bool:
        """Whether a name is a variable around the outermost function that some function assigns."""
        return name not in (self.bound - self.nonlocals) and name in self.outer and self.names.is_shared_cell(name)

    def is_shared_name(self, name: str) -> bool:
        """Whether others can see what a name is bound to."""
        return self.is_written_global(name) or self.is_cell(name)

    # -- expressions

    def test(self, node: ast.expr) -> ast.expr:
        """An expression that is asked whether it is true."""
        tested = self.expr(node) if _is_boolean(node) else _ask("truth", self.expr(node), self.site(node, "truth"))
        return _ask("after", tested) if self.names.granularity.at_branches else tested

    def exprs(self, nodes: Sequence[ast.expr]) -> list[ast.expr]:
        """Several expressions."""
        return [self.expr(each) for each in nodes]

    def expr(self, node: ast.expr) -> ast.expr:
        """An expression, rewritten; its place in the source stays."""
        return _located(self._expr(node), node)

    def _expr(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Constant():
                return node
            case ast.Name(name):
                return self.name(node, name)
            case ast.Attribute(owner, attribute):
                inlined = self.names.granularity.inlines and self.is_super(owner)
                return _ask(
                    "load",
                    _located(self.super_(owner), owner) if inlined else self.expr(owner),
                    ast.Constant(_mangled(attribute, self.code)),
                    self.site(node, "load attribute"),
                )
            case ast.Subscript(owner, key):
                return _ask("load_item", self.expr(owner), self.expr(key), self.site(node, "load item"))
            case ast.Slice(lower, upper, step):
                parts = [ast.Constant(None) if each is None else self.expr(each) for each in (lower, upper, step)]
                return ast.Call(_name("_sim_slice"), parts, [])
            case ast.Call():
                return self.call(node)
            case ast.BinOp(left, operator, right):
                return _ask(
                    "binary",
                    ast.Constant(_OPERATORS[type(operator)]),
                    self.expr(left),
                    self.expr(right),
                    self.site(node, "operator"),
                )
            case ast.UnaryOp(operator, operand):
                if isinstance(operator, ast.Not):
                    return ast.UnaryOp(operator, self.test(operand))
                if isinstance(operand, ast.Constant):
                    return node
                return _ask("unary", ast.Constant(_SIGNS[type(operator)]), self.expr(operand))
            case ast.BoolOp(operator, values):
                return self.bool_op(operator, values)
            case ast.Compare():
                return self.compare(node)
            case ast.IfExp(test, body, orelse):
                return ast.IfExp(self.test(test), self.expr(body), self.expr(orelse))
            case ast.Tuple(parts):
                return ast.Tuple([self.part(each) for each in parts], ast.Load())
            case ast.List(parts):
                return ast.List([self.part(each) for each in parts], ast.Load())
            case ast.Set(parts):
                if all(isinstance(each, ast.Constant) for each in parts):
                    return ast.Set(self.exprs(parts))
                return _tell("set_of", *(self.part(each) for each in parts))
            case ast.Dict(keys, values):
                return self.dict(keys, values)
            case ast.Starred():
                return self.part(node)
            case ast.JoinedStr(values):
                return ast.JoinedStr([self.expr(each) for each in values])
            case ast.FormattedValue(value, conversion, spec):
                shown = _ask("shown", self.expr(value), ast.Constant(conversion))
                return ast.FormattedValue(shown, -1, None if spec is None else self.expr(spec))
            case ast.NamedExpr(target, value):
                if self.is_shared_name(target.id):
                    raise self._refused(node, f"':=' to {target.id!r}, which is shared,", "assign it first")
                if not isinstance(self.node, Scope):
                    self.assigned_outside.add(target.id)
                return ast.NamedExpr(_store(target.id), self.expr(value))
            case ast.Lambda():
                self.before += self._inner(node, "<lambda>")
                return self._made(node, "<lambda>")
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self.comprehension(node)
            case ast.Yield() | ast.YieldFrom():
                raise self._refused(node, "a generator", self._instead_of_generator())
            case ast.Await():
                raise self._refused(node, "async code", _NO_TASKS)
            case _:
                raise self._refused(node, type(node).__name__, "say it in other words")

    def part(self, node: ast.expr) -> ast.expr:
        """An item of a display, or an argument."""
        if isinstance(node, ast.Starred):
            return ast.Starred(_ask("unpack", self.expr(node.value)), ast.Load())
        return self.expr(node)

    def dict(self, keys: Sequence[ast.expr | None], values: Sequence[ast.expr]) -> ast.expr:
        """`{a: b, **c}`: what stands between two `**` is worked out before any of it is hashed."""
        if all(key is None or isinstance(key, ast.Constant) for key in keys):
            made = [
                self.expr(each) if key is not None else _ask("unpack", self.expr(each))
                for key, each in zip(keys, values, strict=True)
            ]
            return ast.Dict(list(keys), made)
        parts: list[ast.expr] = []
        between: list[ast.expr] = []
        for key, each in zip(keys, values, strict=True):
            if key is not None:
                between += [self.expr(key), self.expr(each)]
                continue
            parts += [_tell("dict_of", *between), _ask("unpack", self.expr(each))]
            between = []
        parts.append(_tell("dict_of", *between))
        return parts[0] if len(parts) == 1 else ast.Dict([None] * len(parts), parts)

    def name(self, node: ast.Name, name: str) -> ast.expr:
        """A variable, or a global."""
        if self.is_cell(name):
            return _ask("load_cell", _name(name), ast.Constant(name), self.site(node, "load nonlocal"))
        if self.is_local(name):
            return _name(name)
        if self.names.is_written(name):
            return _ask("load_global", ast.Constant(name), self.site(node, "load global"))
        self.names.constant(name)
        return _name(name)

    def is_super(self, node: ast.expr) -> bool:
        """Whether an expression is a call of `super`."""
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "super"
            and not self.is_local("super")
        )

    def super_(self, node: ast.expr) -> ast.expr:
        """`super()`, which is told what it would have found out by itself."""
        assert isinstance(node, ast.Call)
        first = self.code.co_varnames[0] if self.code.co_argcount else "self"
        return _tell("super", *(self.exprs(node.args) or [_name("__class__"), _name(first)]))

    def call(self, node: ast.Call) -> ast.expr:
        """A call."""
        if self.is_super(node):
            made = self.super_(node)
            return _ask("after", made) if self.names.granularity.has_gil else made
        if (
            isinstance(node.func, ast.Name)
            and node.func.id in _LOOKS_AT_FRAMES
            and not self.is_local(node.func.id)
            and self.names.is_builtin(node.func.id)
        ):
            raise self._refused(node, f"{node.func.id}()", "name what is meant")
        function = self.expr(node.func)
        arguments = [self.part(each) for each in node.args]
        keywords = [
            ast.keyword(
                each.arg, self.expr(each.value) if each.arg is not None else _ask("mapping", self.expr(each.value))
            )
            for each in node.keywords
        ]
        if keywords and len(node.args) == 1 and isinstance(node.args[0], ast.Starred):
            return self._unpacked_last(node, function, node.args[0].value, keywords)
        return self._called(node, function, arguments, keywords)

    def _unpacked_last(
        self, node: ast.Call, function: ast.expr, starred: ast.expr, keywords: list[ast.keyword]
    ) -> ast.expr:
        """`f(*items, key=value)`: a single iterable is gone through when all else has been worked out."""
        first, items = self.temporary(), self.temporary()
        held = [self.temporary() for _ in keywords]
        worked_out: list[ast.expr] = [
            ast.NamedExpr(_store(first), function),
            ast.NamedExpr(_store(items), self.expr(starred)),
            *(ast.NamedExpr(_store(name), each.value) for name, each in zip(held, keywords, strict=True)),
        ]
        called = self._called(
            node,
            _name(first),
            [ast.Starred(_ask("unpack", _name(items)), ast.Load())],
            [ast.keyword(each.arg, _name(name)) for name, each in zip(held, keywords, strict=True)],
        )
        return ast.Subscript(ast.Tuple([*worked_out, called], ast.Load()), ast.Constant(-1), ast.Load())

    def _called(
        self, node: ast.Call, function: ast.expr, arguments: list[ast.expr], keywords: list[ast.keyword]
    ) -> ast.expr:
        method = "call" if self.names.granularity.has_gil else "invoke"
        if any(each.arg is None for each in keywords):
            held = self.temporary()
            function = ast.NamedExpr(_store(held), function)
            parts = [
                each.value if each.arg is None else ast.Dict([ast.Constant(each.arg)], [each.value])
                for each in keywords
            ]
            keywords = [ast.keyword(None, _tell("keywords", _name(held), *parts))]
        called: ast.expr = ast.YieldFrom(
            ast.Call(
                ast.Attribute(_name(WALKER), method, ast.Load()),
                [self.site(node, "call"), function, *arguments],
                keywords,
            )
        )
        is_unpacked = any(isinstance(each, ast.Starred) for each in node.args) or any(
            each.arg is None for each in node.keywords
        )
        return _ask("after", called) if is_unpacked and self.names.granularity.has_gil else called

    def bool_op(self, operator: ast.boolop, values: Sequence[ast.expr]) -> ast.expr:
        """`a and b`, `a or b`: the value of the first that settles it."""
        *first, last = values
        made = self.expr(last)
        for each in reversed(first):
            held = self.temporary()
            value = ast.NamedExpr(_store(held), self.expr(each))
            tested: ast.expr = value if _is_boolean(each) else _ask("truth", value, self.site(each, "truth"))
            if self.names.granularity.at_branches:
                tested = _ask("after", tested)
            made = (
                ast.IfExp(tested, made, _name(held))
                if isinstance(operator, ast.And)
                else ast.IfExp(tested, _name(held), made)
            )
        return made

    def compare(self, node: ast.Compare) -> ast.expr:
        """`a < b < c`: one comparison after the other."""
        if len(node.ops) == 1:
            return self._compare(node, node.ops[0], self.expr(node.left), self.expr(node.comparators[0]))
        operands = [node.left, *node.comparators]
        held = [self.temporary() for _ in operands]
        made: ast.expr | None = None
        for number in reversed(range(len(node.ops))):
            left: ast.expr = _name(held[number])
            if number == 0:
                left = ast.NamedExpr(_store(held[0]), self.expr(operands[0]))
            right = ast.NamedExpr(_store(held[number + 1]), self.expr(operands[number + 1]))
            one = self._compare(node, node.ops[number], left, right)
            if made is None:
                made = one
            else:
                said = self.temporary()
                made = ast.IfExp(
                    _ask("truth", ast.NamedExpr(_store(said), one), self.site(node, "truth")), made, _name(said)
                )
        assert made is not None
        return made

    def _compare(self, node: ast.Compare, operator: ast.cmpop, left: ast.expr, right: ast.expr) -> ast.expr:
        match operator:
            case ast.Is() | ast.IsNot():
                if isinstance(left, ast.Constant) or isinstance(right, ast.Constant):
                    return ast.Compare(left, [operator], [right])
                same = _tell("is_the_same", left, right)
                return same if isinstance(operator, ast.Is) else ast.UnaryOp(ast.Not(), same)
            case ast.In():
                return _ask("contains", left, right, self.site(node, "contains"))
            case ast.NotIn():
                return ast.UnaryOp(ast.Not(), _ask("contains", left, right, self.site(node, "contains")))
            case _:
                return _ask("binary", ast.Constant(_OPERATORS[type(operator)]), left, right, self.site(node, "compare"))

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> ast.expr:
        """A function of its own, called at once; a generator expression goes on when somebody asks for the next item."""
        code = nested_code(self.code, node, _COMPREHENSIONS[type(node)])
        inside = _Function(node, code, self.names, self.file, self.outer | self.bound)
        inside.count = self.count + 1000
        name = f"_sim_comprehension_{node.lineno}_{node.col_offset}"
        result = inside.temporary()
        if isinstance(node, ast.DictComp):
            empty: ast.expr = ast.Dict([], [])
            key, value = _tell("key", inside.expr(node.key)), inside.expr(node.value)
            held = inside.temporary()
            innermost: list[ast.stmt] = [
                ast.Assign([_store(held)], key),
                ast.Assign([ast.Subscript(_name(result), _name(held), ast.Store())], value),
            ]
        elif isinstance(node, ast.GeneratorExp):
            empty = ast.Constant(None)
            innermost = [ast.Expr(ast.Yield(_tell("given", inside.expr(node.elt))))]
        else:
            method = "add" if isinstance(node, ast.SetComp) else "append"
            nothing = ast.Starred(ast.Tuple([], ast.Load()), ast.Load())
            empty = ast.Set([nothing]) if isinstance(node, ast.SetComp) else ast.List([], ast.Load())
            made = inside.expr(node.elt)
            item = _tell("key", made) if isinstance(node, ast.SetComp) else made
            innermost = [ast.Expr(ast.Call(ast.Attribute(_name(result), method, ast.Load()), [item], []))]
        body = innermost
        for number, each in reversed(list(enumerate(node.generators))):
            if each.is_async:
                raise self._refused(node, "async code", _NO_TASKS)
            for test in reversed(each.ifs):
                body = [ast.If(inside.test(test), body, [])]
            cursor = inside.temporary()
            iterated: list[ast.expr] = [_name("_sim_iterated")]
            if number:
                iterated = [inside.expr(each.iter), inside.site(each.iter, "iterate")]
            value = ast.Attribute(_name(cursor), "value", ast.Load())
            body = [
                ast.Assign([_store(cursor)], _ask("iterate", *iterated)),
                ast.While(
                    _ask("advance", _name(cursor), inside.site(each.iter, "next")),
                    [*inside.assign(each.target, value), *body, *inside.turn()],
                    [],
                ),
            ]
        assigned = sorted(inside.assigned_outside)
        self.assigned_inside.update(assigned)
        if not isinstance(self.node, Scope):
            self.assigned_outside.update(assigned)
        declared: list[ast.stmt] = [ast.Nonlocal(assigned)] if assigned else []
        body = [*declared, *inside.before, ast.Assign([_store(result)], empty), *body, ast.Return(_name(result))]
        definition = _define(name, _arguments([WALKER, "_sim_iterated"]), body)
        self.before.append(_located(definition, node))
        iterable = self.expr(node.generators[0].iter)
        called = ast.Call(
            ast.Attribute(_name(WALKER), "inline", ast.Load()),
            [
                _name(name),
                iterable,
                ast.Constant(isinstance(node, ast.GeneratorExp)),
                self.site(node.generators[0].iter, "iterate"),
            ],
            [],
        )
        return ast.YieldFrom(called)


def _constants(values: Sequence[int | str]) -> ast.expr:
    return ast.Tuple([ast.Constant(each) for each in values], ast.Load())


def _all(tests: list[ast.expr]) -> ast.expr:
    """Whether all of these are true."""
    return ast.BoolOp(ast.And(), tests) if len(tests) > 1 else tests[0] if tests else ast.Constant(True)


def _is_wildcard(pattern: ast.pattern) -> bool:
    """Whether a pattern is `_` or `*_`."""
    match pattern:
        case ast.MatchAs(None, None) | ast.MatchStar(None):
            return True
        case _:
            return False


def _is_boolean(node: ast.expr) -> bool:
    """Whether an expression is True or False whatever happens."""
    match node:
        case ast.Compare(_, operators):
            return all(isinstance(each, ast.Is | ast.IsNot | ast.In | ast.NotIn) for each in operators)
        case ast.UnaryOp(ast.Not()):
            return True
        case ast.Constant(value):
            return isinstance(value, bool | int | str)
        case ast.BoolOp(_, values):
            return all(map(_is_boolean, values))
        case _:
            return False


def _mangled(name: str, code: CodeType) -> str:
    """A private name inside a class carries the class's name."""
    parts = code.co_qualname.split(".")
    owners = [part for part, after in pairwise(parts) if part != "<locals>" and after != "<locals>"]
    if not name.startswith("__") or name.endswith("__") or not owners:
        return name
    owner = owners[-1].lstrip("_")
    return f"_{owner}{name}" if owner else name


def _located(node: N, place: ast.AST) -> N:
    """A node with the beginning of a place, unless it has one. A call that spans lines would be said to be at the last."""
    for each in ast.walk(node):
        if isinstance(each, _PLACED) and not hasattr(each, "lineno") and hasattr(place, "lineno"):
            each.lineno = each.end_lineno = place.lineno
            each.col_offset = each.end_col_offset = place.col_offset  # type: ignore[attr-defined]
    return node


def _bound(node: ast.AST) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Names that a scope declares global, declares nonlocal, and binds (what is declared nonlocal is among those)."""
    globals_: set[str] = set()
    nonlocals: set[str] = set()
    bound: set[str] = set()

    def visit(at: ast.AST) -> None:
        match at:
            case ast.Global(names):
                globals_.update(names)
            case ast.Nonlocal(names):
                nonlocals.update(names)
                bound.update(names)
            case ast.Name(name, ast.Store() | ast.Del()):
                bound.add(name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                bound.add(at.name)
                return
            case ast.Lambda():
                return
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                for each in ast.walk(at):
                    if isinstance(each, ast.NamedExpr):
                        bound.add(each.target.id)
                return
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound.add(name)
            case ast.MatchMapping(rest=str(name)):
                bound.add(name)
            case ast.Import(names) | ast.ImportFrom(names=names):
                bound.update((each.asname or each.name.split(".")[0]) for each in names)
        for child in ast.iter_child_nodes(at):
            visit(child)

    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        arguments = node.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        bound.update(each.arg for each in given if each is not None)
        for part in node.body if isinstance(node.body, list) else [node.body]:
            visit(part)
    else:
        for generator in node.generators:  # type: ignore[attr-defined]
            for each in ast.walk(generator.target):
                if isinstance(each, ast.Name):
                    bound.add(each.id)
    return frozenset(globals_), frozenset(nonlocals), frozenset(bound - globals_)
