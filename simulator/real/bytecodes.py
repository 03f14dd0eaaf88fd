"""At which instruction of a code object a thread has to be stopped, so that what happens at a site has not happened yet.

A site is a span of source (`simulator.source.sites`); an instruction of CPython knows the span that it was made for
(`co_positions()`). Where these are the same and the instruction is of the site's kind, that is the place. Where the
compiler puts another span, the rules below say how it is found all the same, and hold on CPython 3.11 to 3.15.
A site may have several places, for the compiler copies `finally` blocks and the tests of `while`. A site without one,
because it was optimised away or cannot be told from another, is left out of the answer and never guessed.
"""

from __future__ import annotations

import opcode
from collections.abc import Collection, Iterator
from itertools import pairwise
from opcode import opname
from types import CodeType
from typing import NamedTuple

from simulator.source.sites import Site

__all__ = ["offsets"]

_TRUTH = frozenset(
    {
        # 3.13 asks for the truth in an instruction of its own; the jump after it only looks.
        "TO_BOOL",
        "UNARY_NOT",
        "POP_JUMP_IF_TRUE",
        "POP_JUMP_IF_FALSE",
        "POP_JUMP_FORWARD_IF_TRUE",
        "POP_JUMP_FORWARD_IF_FALSE",
        "POP_JUMP_BACKWARD_IF_TRUE",
        "POP_JUMP_BACKWARD_IF_FALSE",
        "JUMP_IF_TRUE_OR_POP",
        "JUMP_IF_FALSE_OR_POP",
    }
)

INSTRUCTIONS = {
    # The special forms of 3.12 (one instruction for `super().name`, for x[a:b]) stand beside the general ones.
    "load attribute": frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"}),
    "store attribute": frozenset({"STORE_ATTR"}),
    "delete attribute": frozenset({"DELETE_ATTR"}),
    "load item": frozenset({"BINARY_SUBSCR", "BINARY_SLICE"}),
    "store item": frozenset({"STORE_SUBSCR", "STORE_SLICE"}),
    "delete item": frozenset({"DELETE_SUBSCR"}),
    "load global": frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}),
    "store global": frozenset({"STORE_GLOBAL", "STORE_NAME"}),
    "load nonlocal": frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}),
    "store nonlocal": frozenset({"STORE_DEREF"}),
    "add": frozenset({"BINARY_OP"}),
    # On 3.11 the call itself happens in PRECALL where the callee is a known builtin: CALL may never be reached.
    "call": frozenset(
        {"PRECALL", "CALL_FUNCTION_EX"} if "PRECALL" in opname else {"CALL", "CALL_KW", "CALL_FUNCTION_EX"}
    ),
    "iterate": frozenset({"GET_ITER"}),
    "next": frozenset({"FOR_ITER"}),
    "contains": frozenset({"CONTAINS_OP"}),
    "truth": _TRUTH,
    "compare": frozenset({"COMPARE_OP", "IS_OP"}),
    "operator": frozenset({"BINARY_OP", "UNARY_NEGATIVE", "UNARY_INVERT", "UNARY_POSITIVE"}),
}
"""The names of the instructions that do what each kind of site says."""

_SUBSCRIPT = next(
    (number for number, (name, _) in enumerate(getattr(opcode, "_nb_ops", ())) if name == "NB_SUBSCR"), None
)
"""From 3.14 on, `x[y]` is one of the operators, with this argument."""

Span = tuple[int | None, int | None, int | None, int | None]


class _Instruction(NamedTuple):
    offset: int
    """Where the interpreter stops before it: at its first EXTENDED_ARG, if it has any."""
    name: str
    span: Span


def offsets(code: CodeType, sites: Collection[Site]) -> dict[int, Site]:
    """The offsets at which a thread in `code` stands before one of `sites`, each with its site.

    Sites that have no instruction in `code` are missing among the answer's values.

    >>> def increment(self):
    ...     self.count += 1
    >>> line = increment.__code__.co_firstlineno + 1
    >>> found = offsets(increment.__code__, [Site(line, line, 4, 14, "load attribute"), Site(line, line, 4, 14, "call")])
    >>> [site.kind for site in found.values()]
    ['load attribute']
    """
    instructions = list(_instructions(code))
    found: dict[int, Site] = {}
    for kind in {site.kind for site in sites}:
        wanted = [site for site in sites if site.kind == kind]
        places = [number for number, each in enumerate(instructions) if each.name in INSTRUCTIONS[kind]]
        if kind == "iterate":
            pairs = _beginnings(instructions, places, wanted)
        elif kind == "next":
            pairs = _turns(instructions, places, wanted)
        elif kind == "truth":
            pairs = _truths(instructions, places, wanted)
        else:
            pairs = _same_span(instructions, places, wanted)
        found.update({instructions[number].offset: site for number, site in pairs})
    return dict(sorted(found.items()))


def _instructions(code: CodeType) -> Iterator[_Instruction]:
    raw, start = code.co_code, 0
    for number, span in enumerate(code.co_positions()):
        name = opname[raw[2 * number]]
        if name == "CACHE":
            start += 2
        elif name != "EXTENDED_ARG":
            if name == "BINARY_OP" and raw[2 * number + 1] == _SUBSCRIPT:
                name = "BINARY_SUBSCR"
            yield _Instruction(start, name, span)
            start = 2 * number + 2


def _span(site: Site) -> Span:
    return site.line, site.end_line, site.column, site.end_column


Pairs = Iterator[tuple[int, Site]]


def _same_span(instructions: list[_Instruction], places: list[int], sites: list[Site]) -> Pairs:
    """The rule: the instruction's span is the site's.

    Attributes on a later line than what they are attributes of, and calls of such, begin at the attribute's name, as the
    compiler says for the sake of tracebacks; but they end where their site ends.
    """
    for site in sites:
        numbers = [
            number
            for number in places
            if instructions[number].span == _span(site) and not _is_passed_by(instructions, number)
        ]
        if not numbers and site.line != site.end_line:
            moved = {number: instructions[number].span for number in places if _moved(instructions[number].span, site)}
            # A generator expression that is a call's only argument ends with it, and is called itself, in brackets.
            first = min(((line or 0, column or 0) for line, _, column, _ in moved.values()), default=None)
            numbers = [number for number, (line, _, column, _) in moved.items() if (line, column) == first]
        yield from ((number, site) for number in numbers)


def _is_passed_by(instructions: list[_Instruction], number: int) -> bool:
    """Whether an instruction that looks like a call of the source's is none, or is seldom reached."""
    return instructions[number].name == "CALL" and (
        _enters_a_with(instructions, number)
        or _leaves_a_with(instructions, number)
        or _is_looped_instead(instructions, number)
    )


def _enters_a_with(instructions: list[_Instruction], number: int) -> bool:
    """From 3.14 on, a `with` begins by a call that has the span of the manager's expression."""
    return number > 0 and instructions[number - 1].name == "LOAD_SPECIAL"


def _leaves_a_with(instructions: list[_Instruction], number: int) -> bool:
    """So has the call at the end of a `with`, from 3.13 on: and so have the Nones that it is given, where those of any
    other call stand for themselves."""
    before = instructions[max(0, number - 3) : number]
    span = instructions[number].span
    return len(before) == 3 and all(each.name in _CONSTANTS and each.span == span for each in before)


def _is_looped_instead(instructions: list[_Instruction], number: int) -> bool:
    """From 3.14 on, `all(… for …)`, `any` and `tuple` are a loop where the name means what Python means by it."""
    line, end_line, column, end_column = instructions[number].span
    if (
        number == 0
        or instructions[number - 1].name != "CALL"
        or instructions[number - 1].span[1::2] != (end_line, end_column)
    ):
        return False
    return any(
        one.name == "LOAD_COMMON_CONSTANT" and other.name == "IS_OP" and one.span[::2] == (line, column)
        for one, other in pairwise(instructions[:number])
    )


def _moved(span: Span, site: Site) -> bool:
    """Whether the compiler may have said `span` of a site that spans lines."""
    line, end_line, _, end_column = span
    return line is not None and site.line < line and (end_line, end_column) == (site.end_line, site.end_column)


_CONSTANTS = frozenset({"LOAD_CONST", "LOAD_COMMON_CONSTANT"})

# What stands between GET_ITER and FOR_ITER where a comprehension is a part of the code around it (3.12).
_INLINED = frozenset({"LOAD_FAST_AND_CLEAR", "SWAP", "BUILD_LIST", "BUILD_SET", "BUILD_MAP", "COPY"})


def _beginnings(instructions: list[_Instruction], places: list[int], sites: list[Site]) -> Pairs:
    """GET_ITER follows the end of the iterable's own expression. Up to 3.12 it has the span of the whole loop; so the one
    thing that is the same in all versions is what stands before it. Of loops in one another it is the innermost's."""
    for number in places:
        around = [site for site in sites if number and _within(instructions[number - 1].span, site)]
        if around:
            yield number, max(around, key=lambda site: (site.line, site.column, -site.end_line, -site.end_column))


def _turns(instructions: list[_Instruction], places: list[int], sites: list[Site]) -> Pairs:
    """FOR_ITER follows GET_ITER. The first one of a comprehension with code of its own does not, or follows one that asks what
    was given to it once more (3.13.1): its site is the one that no other belongs to."""
    left = set(sites)
    given = []
    for number in places:
        at = number - 1
        while at > 0 and instructions[at].name in _INLINED:
            at -= 1
        if instructions[at].name in ("CALL", "PUSH_NULL"):
            # The loop that stands for a call, over a generator expression that has sites of its own.
            continue
        made = list(_beginnings(instructions, [at], sites)) if instructions[at].name == "GET_ITER" else []
        if not made:
            given.append(number)
        for _, site in made:
            left.discard(site)
            yield number, site
    if len(given) == len(left) == 1:
        yield given[0], left.pop()


def _within(span: Span, site: Site) -> bool:
    line, end_line, column, end_column = span
    if line is None or end_line is None or column is None or end_column is None:
        return False
    return (site.line, site.column) <= (line, column) and (end_line, end_column) <= (site.end_line, site.end_column)


def _truths(instructions: list[_Instruction], places: list[int], sites: list[Site]) -> Pairs:
    """What asks for the truth has, in one version or another, the span of the statement, of the value or of `not`; but it
    directly follows the instruction that made the value (or a copy of it)."""
    for number in places:
        before = number - 1
        while before >= 0 and instructions[before].name == "COPY":
            before -= 1
        if before >= 0 and instructions[before].name not in _TRUTH:
            yield from ((number, site) for _, site in _same_span(instructions, [before], sites))
