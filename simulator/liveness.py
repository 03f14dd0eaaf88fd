"""Which local variables can still be read after a suspended `yield`: classic backward dataflow over a function's bytecode.

A loop's second turn differs from its first in variables that it will overwrite before it reads them. Leaving those out makes
the two turns one place. This file reads code objects and nothing else; whatever it does not recognise, it calls alive.
"""

from __future__ import annotations

import dis
from collections.abc import Iterable
from functools import lru_cache
from types import CodeType

__all__ = ["live_after"]

_ENDS = frozenset({"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"})
_JUMPS_ALWAYS = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"})
_OBSERVERS = frozenset({"locals", "vars", "dir", "eval", "exec", "super", "_getframe", "currentframe", "stack"})
_READS = frozenset({"LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW"})
_KILLS = frozenset({"STORE_FAST"})


@lru_cache(maxsize=4096)
def live_after(code: CodeType, offset: int) -> frozenset[str]:
    """Names of the fast locals of `code` that may be read after the instruction at byte `offset` has finished.

    >>> def body():
    ...     for _ in range(2):
    ...         value = yield
    ...         yield value
    >>> yields = [i.offset for i in dis.get_instructions(body) if i.opname == "YIELD_VALUE"]
    >>> [sorted(live_after(body.__code__, offset)) for offset in yields]
    [[], []]
    """
    everything = frozenset(code.co_varnames)
    table = _table(code)
    return everything if table is None else table.get(offset, everything)


@lru_cache(maxsize=1024)
def _table(code: CodeType) -> dict[int, frozenset[str]] | None:
    """Live names after each instruction; None where the code may look at its own variables."""
    if _OBSERVERS.intersection(code.co_names):
        return None
    bytecode = dis.Bytecode(code)
    instructions = list(bytecode)
    place = {instruction.offset: number for number, instruction in enumerate(instructions)}
    reads: list[frozenset[str]] = []
    kills: list[frozenset[str]] = []
    follows: list[list[int]] = []
    for number, instruction in enumerate(instructions):
        effect = _effect(instruction)
        if effect is None:
            return None
        reads.append(effect[0])
        kills.append(effect[1])
        after = []
        if (
            instruction.opname not in _ENDS
            and instruction.opname not in _JUMPS_ALWAYS
            and number + 1 < len(instructions)
        ):
            after.append(number + 1)
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            if instruction.argval not in place:
                return None
            after.append(place[instruction.argval])
        follows.append(after)
    entries: Iterable[tuple[int, int, int]] = (
        (entry.start, entry.end, entry.target)
        for entry in bytecode.exception_entries  # type: ignore[attr-defined]
    )
    for start, end, target in entries:
        if target not in place:
            return None
        for number, instruction in enumerate(instructions):
            if start <= instruction.offset < end:
                follows[number].append(place[target])
    live_in: list[frozenset[str]] = [frozenset()] * len(instructions)
    live_out = list(live_in)
    changed = True
    while changed:
        changed = False
        for number in reversed(range(len(instructions))):
            out = frozenset().union(*(live_in[after] for after in follows[number]))
            before = reads[number] | (out - kills[number])
            # A handler may run after the instruction was half done, so what it kills is not yet dead there.
            if out != live_out[number] or before != live_in[number]:
                live_out[number], live_in[number] = out, before
                changed = True
    return {instruction.offset: live for instruction, live in zip(instructions, live_out, strict=True)}


def _effect(instruction: dis.Instruction) -> tuple[frozenset[str], frozenset[str]] | None:
    """The fast locals that an instruction reads, and those it overwrites; None for one that we do not know."""
    name = instruction.opname
    nothing: frozenset[str] = frozenset()
    if "FAST" not in name:
        return nothing, nothing
    if name in _READS:
        return frozenset({instruction.argval}), nothing
    if name in _KILLS:
        return nothing, frozenset({instruction.argval})
    if name == "DELETE_FAST":
        # Deleting an unbound variable raises: whether it is bound can be told.
        return frozenset({instruction.argval}), nothing
    if name == "LOAD_FAST_AND_CLEAR":
        return frozenset({instruction.argval}), nothing
    pair = instruction.argval
    if not (isinstance(pair, tuple) and len(pair) == 2):
        return None
    if name in ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"):
        return frozenset(pair), nothing
    if name == "STORE_FAST_STORE_FAST":
        return nothing, frozenset(pair)
    if name == "STORE_FAST_LOAD_FAST":
        stored, loaded = pair
        return frozenset({loaded} - {stored}), frozenset({stored})
    return None
