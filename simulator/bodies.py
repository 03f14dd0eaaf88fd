"""A body as an automaton: nodes are the places where it waits for an answer, edges are the answers.

A body is a deterministic generator, so where it stands is determined by the answers that it has received. This file runs
the real generator only to grow the automaton, each node once, ever; everything else walks the nodes. It knows what a body
*asks* for and nothing of what operations do, of memory or of other threads.

A node reached by a live generator keeps it parked there. The first answer out of the node takes the generator along; a second,
different answer needs another one, made by running the body again along the answers that lead here. That second run is also
the nondeterminism detector: it has to ask for the same operations.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import os
import sys
import types
from collections.abc import Generator
from dataclasses import dataclass
from types import BuiltinFunctionType, FrameType, FunctionType, GeneratorType, TracebackType
from typing import Any, NamedTuple

from simulator.errors import InternalError, NondeterminismError, ProgramError, SimulatorError, by_interrupt
from simulator.merging import future_key
from simulator.ops import Check, Operation, Update, describe, has_key, is_operation, operation_key, show_value
from simulator.program import Body
from simulator.values import Key, value_key

__all__ = ["Answer", "Automaton", "End", "Raised", "SourceLine", "close_quietly"]

_OURS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_FOLLOWING = os.path.join(_OURS, "source", "")
"""Where plain code is followed: operations are yielded there on behalf of the user's line further out."""
PATHS_TO_VERIFY = 8
"""How many complete paths of a body are run a second time."""
FIRST_TIMES = 6
"""How often the first of them is: a coin that is tossed falls on the same side only so often."""
CHECKS_WITHOUT_STEP = 1_000_000
"""How many checks in a row a body may yield before it is taken for one that never takes a step."""


class SourceLine(NamedTuple):
    """Where in the user's source something stands."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"


class Raised(NamedTuple):
    """An answer that is thrown into the body instead of sent: what the operation raised."""

    error: Exception


Answer = object
"""What an operation gives back: any value, or a `Raised`."""


@dataclass(frozen=True, slots=True)
class End:
    """How a body ended by itself: "finished", "failed check" or "crashed", with what it said and where."""

    how: str
    message: str = ""
    where: SourceLine | None = None


class Automaton:
    """A body's places and the answers between them, grown when first asked for.

    `operations[node]` is what the body asks for there (None where it has ended: then `ends[node]` says how);
    `wheres[node]` is the source line of the `yield`. Node 0 is the start. With `merge`, places with the same future are one
    node, so that loops become cycles.
    """

    def __init__(self, body: Body, *, thread: str, merge: bool) -> None:
        self.operations: list[Operation | None] = []
        self.ends: list[End | None] = []
        self.wheres: list[SourceLine | None] = []
        self._body = body
        self._thread = thread
        self._merge = merge
        self._asked: list[Key | None] = []
        self._edges: list[dict[Key, int]] = []
        self._reached: list[tuple[int, Answer] | None] = []
        self._parked: dict[int, Generator[Any, Any, Any]] = {}
        self._merged: dict[Key, int] = {}
        self._to_verify = PATHS_TO_VERIFY
        self._arrive(self._start(), None, reached=None)

    def __len__(self) -> int:
        return len(self.operations)

    def after(self, node: int, answer: Answer) -> int:
        """The node that the body reaches when it is at `node` and receives `answer`.

        Raises ProgramError when the body yields something that is not an operation, and NondeterminismError when it does
        something else than it did before.
        """
        key = _answer_key(answer)
        known = self._edges[node].get(key)
        if known is not None:
            return known
        # The function of an update may read the body's own variables whenever it is called: let those stand as they are.
        parked = None if _shares_its_frame(self.operations[node]) else self._parked.pop(node, None)
        generator = parked if parked is not None else self._run_again(node)
        reached = self._arrive(generator, answer, reached=(node, answer))
        self._edges[node][key] = reached
        if self._to_verify and self.ends[reached] is not None:
            # A body whose operations never branch on an answer would never be run twice; run the first complete paths
            # once more, so that a clock or a random number is noticed in them too.
            for _ in range(FIRST_TIMES if self._to_verify == PATHS_TO_VERIFY else 1):
                self._verify(node, answer, reached)
            self._to_verify -= 1
        return reached

    def close(self) -> None:
        """Let go of the generators that are still parked. The automaton can go on growing afterwards."""
        while self._parked:
            close_quietly(self._parked.popitem()[1])

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def _start(self) -> Generator[Any, Any, Any]:
        try:
            generator = self._body()
        except TypeError as error:
            raise ProgramError(
                f"the body of thread {self._thread!r} cannot be started: {error}; a body takes no arguments "
                "(give it some with functools.partial)"
            ) from error
        except Exception as error:
            raise ProgramError(
                f"the body of thread {self._thread!r} raised {type(error).__name__} before its first step: {error}"
            ) from error
        if not (hasattr(generator, "send") and hasattr(generator, "throw")):
            code = getattr(self._body, "__code__", None) or getattr(getattr(self._body, "func", None), "__code__", None)
            where = f"{SourceLine(code.co_filename, code.co_firstlineno)}: " if code is not None else ""
            raise ProgramError(
                f"{where}the body of thread {self._thread!r} is not a generator function: calling it returned "
                f"{generator!r}; write its operations as 'yield Read(...)'"
            )
        return generator

    def _arrive(
        self, generator: Generator[Any, Any, Any], answer: Answer, *, reached: tuple[int, Answer] | None
    ) -> int:
        outcome = self._advance(generator, answer)
        if isinstance(outcome, End):
            return self._node(("end", outcome), None, outcome, None, outcome.where, reached)
        where = _where(generator) or self._last_line(reached)
        try:
            asked = operation_key(outcome)
        except TypeError as error:
            raise ProgramError(
                f"{where}: thread {self._thread!r} yielded {outcome!r}, whose operand cannot be hashed ({error}); "
                "use a tuple, a frozenset or another immutable value"
            ) from None
        comparable = not isinstance(outcome, Update) or has_key(outcome.function)
        future = future_key(generator) if self._merge and comparable else None
        # The operation just yielded is no longer in the frame, so it is a part of the key beside the future.
        key = None if future is None else (asked, future)
        before = len(self.operations)
        node = self._node(key, outcome, None, asked, where, reached)
        if node == before:
            self._parked[node] = generator
        else:
            close_quietly(generator)
        return node

    def _last_line(self, reached: tuple[int, Answer] | None) -> SourceLine:
        """Where a body was before it left the user's code; where that begins, if it has not come there yet."""
        last = self.wheres[reached[0]] if reached is not None else None
        code = getattr(self._body, "__code__", None)
        return last or (SourceLine("?", 0) if code is None else SourceLine(code.co_filename, code.co_firstlineno))

    def _node(
        self,
        key: Key | None,
        operation: Operation | None,
        end: End | None,
        asked: Key | None,
        where: SourceLine | None,
        reached: tuple[int, Answer] | None,
    ) -> int:
        node = len(self.operations)
        if key is not None:
            known = self._merged.setdefault(key, node)
            if known != node:
                return known
        self.operations.append(operation)
        self.ends.append(end)
        self.wheres.append(where)
        self._asked.append(asked)
        self._edges.append({})
        self._reached.append(reached)
        return node

    def _advance(self, generator: Generator[Any, Any, Any], answer: Answer) -> Operation | End:
        """Run the body to its next operation, or to its end. Checks are settled on the way: they take no step."""
        try:
            if isinstance(answer, Raised):
                yielded = generator.throw(_fresh(answer.error))
            else:
                yielded = generator.send(answer)
            for _ in range(CHECKS_WITHOUT_STEP):
                if not isinstance(yielded, Check):
                    break
                if _is_always_true(yielded.condition):
                    raise ProgramError(
                        f"{_where(generator)}: thread {self._thread!r} yielded a Check of {show_value(yielded.condition)}, "
                        "which counts as true whatever is in it; compare, or say all(…) or any(…)"
                    )
                if yielded.condition:
                    yielded = generator.send(None)
                else:
                    yielded = generator.throw(AssertionError(yielded.message))
            else:
                raise ProgramError(
                    f"{_where(generator)}: thread {self._thread!r} yielded {CHECKS_WITHOUT_STEP:,} checks without a step"
                )
        except StopIteration:
            return End("finished")
        except (Exception, SystemExit, GeneratorExit) as error:
            if by_interrupt(error):
                raise KeyboardInterrupt from None
            if isinstance(error, SimulatorError):
                raise
            if isinstance(error, AssertionError):
                return End("failed check", str(error) or "assertion failed", _raised_at(error))
            return End("crashed", f"{type(error).__name__}: {error}", _raised_at(error))
        if _is_interrupted(generator):
            # The body asks for what it does on its way out (to release a lock), not for what it does after this answer.
            raise KeyboardInterrupt
        if not is_operation(yielded):
            where = _where(generator)
            close_quietly(generator)
            hint = ""
            if isinstance(yielded, type) and is_operation_class(yielded):
                hint = f"; write {yielded.__name__}(...)"
            elif hasattr(yielded, "gi_frame"):
                hint = "; use 'yield from' for a helper that yields operations itself"
            raise ProgramError(f"{where}: thread {self._thread!r} yielded {yielded!r}, expected an operation{hint}")
        operation: Operation = yielded
        return operation

    def _path(self, node: int) -> list[tuple[int, Answer]]:
        """The nodes and answers that first led here, in order."""
        path = []
        at = self._reached[node]
        while at is not None:
            path.append(at)
            at = self._reached[at[0]]
        path.reverse()
        return path

    def _run_again(self, node: int) -> Generator[Any, Any, Any]:
        generator = self._start()
        answer: Answer = None
        for passed, next_answer in [*self._path(node), (node, None)]:
            outcome = self._advance(generator, answer)
            if isinstance(outcome, End):
                if "RecursionError" in outcome.message:
                    # How deep Python lets a body go depends on who calls it, so this is no answer of the body's.
                    raise ProgramError(
                        f"{outcome.where}: thread {self._thread!r} recurses too deeply for Python; a 'yield from' of "
                        "itself without end?"
                    )
                raise self._nondeterministic(passed, _say_end(outcome), self.wheres[passed])
            if operation_key(outcome) != self._asked[passed]:
                raise self._nondeterministic(passed, repr(outcome), _where(generator))
            answer = next_answer
        return generator

    def _verify(self, node: int, answer: Answer, reached: int) -> None:
        generator = self._run_again(node)
        outcome = self._advance(generator, answer)
        if isinstance(outcome, End):
            if outcome != self.ends[reached]:
                raise self._nondeterministic(reached, _say_end(outcome), outcome.where or self.wheres[node])
            return
        where = _where(generator)
        close_quietly(generator)
        raise self._nondeterministic(reached, repr(outcome), where)

    def _nondeterministic(self, node: int, now: str, where: SourceLine | None) -> NondeterminismError:
        before = self.operations[node]
        end = self.ends[node]
        if before is not None:
            first = repr(before)
        elif end is not None:
            first = _say_end(end)
        else:
            raise InternalError("a node of an automaton has neither an operation nor an end")
        name = getattr(self._body, "__name__", None) or getattr(getattr(self._body, "func", None), "__name__", "body")
        return NondeterminismError(
            f"{where}: body {name!r} of thread {self._thread!r} is not deterministic: after the same answers it first "
            f"did {first} and then {now}; take clocks, random numbers and shared Python objects out of it"
        )


def is_operation_class(kind: type) -> bool:
    """Whether a class, yielded instead of an instance, is one of ours."""
    return kind.__module__ == describe.__module__


def _shares_its_frame(operation: Operation | None) -> bool:
    """Whether an operation's function may look into the suspended body when it is called."""
    return isinstance(operation, Update) and not (
        isinstance(operation.function, BuiltinFunctionType)
        or (isinstance(operation.function, FunctionType) and not operation.function.__closure__)
        # Whoever makes functions that close over values of their own alone may say so.
        or getattr(operation.function, "self_contained", False)
    )


def _say_end(end: End) -> str:
    return f"{end.how} ({end.message})" if end.message else end.how


def _answer_key(answer: Answer) -> Key:
    if isinstance(answer, Raised):
        error = answer.error
        try:
            return (Raised, type(error), value_key(error.args), value_key(tuple(sorted(error.__dict__.items()))))
        except TypeError:
            return (Raised, type(error), id(error))
    return value_key(answer)


def _fresh(error: Exception) -> Exception:
    """A new exception like this one: throwing one object many times would grow its traceback without end."""
    try:
        return copy.copy(error).with_traceback(None)
    except Exception:
        return error.with_traceback(None)


def _where(generator: Generator[Any, Any, Any]) -> SourceLine | None:
    """The line of the innermost `yield` that a suspended generator waits at, in the user's own code; None outside of it."""
    inner: Any = generator
    frame: FrameType | None = getattr(inner, "gi_frame", None)
    if frame is not None and frame.f_code.co_filename.startswith(_FOLLOWING):
        # Plain code that is followed: a thread has not come to its first line yet, or is past its last.
        frame = None
    while getattr(inner, "gi_yieldfrom", None) is not None and hasattr(inner.gi_yieldfrom, "gi_frame"):
        inner = inner.gi_yieldfrom
        if not inner.gi_code.co_filename.startswith(_FOLLOWING):
            frame = inner.gi_frame
    return None if frame is None else SourceLine(frame.f_code.co_filename, frame.f_lineno)


def _is_interrupted(generator: Any) -> bool:
    """Whether a suspended body, or one that it waits for, is in the middle of handling Ctrl-C."""
    while isinstance(generator, GeneratorType):
        # No attribute has the exception that a generator is handling; the collector knows it.
        if any(isinstance(held, KeyboardInterrupt) for held in gc.get_referents(generator)):
            return True
        generator = generator.gi_yieldfrom
    return False


def _raised_at(error: BaseException) -> SourceLine | None:
    """The innermost line of the user's own code that an exception passed through."""
    traceback: TracebackType | None = error.__traceback__
    place = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        generated = code.co_filename == "<string>" and code.co_name.startswith("__")
        if not generated and not code.co_filename.startswith(_OURS):
            place = SourceLine(code.co_filename, traceback.tb_lineno)
        traceback = traceback.tb_next
    return place


def close_quietly(generator: Generator[Any, Any, Any]) -> None:
    """Close a generator that nobody will resume, even one whose `finally` yields (the release of a lock, say)."""
    if sys.is_finalizing():
        return
    for _ in range(1000):
        try:
            generator.close()
        except RuntimeError:
            continue
        except Exception:
            return
        return


def _is_always_true(condition: object) -> bool:
    """Whether a condition is one by mistake: a tuple of a condition and its message, `all` forgotten, a function not called."""
    return (isinstance(condition, tuple) and condition != ()) or isinstance(
        condition, types.GeneratorType | types.CoroutineType | types.FunctionType | types.MethodType
    )
