"""A run as JSON lines: how one is written, whether it comes from the model or from real threads.

The first line says what ran, then comes a line for each event in the order in which it took effect, and the last line says how
it ended; docs/json.md has the keys. `recorded.py` reads them back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, assert_never

from simulator.bodies import SourceLine
from simulator.ops import (
    Access,
    Acquire,
    Add,
    Call,
    CompareAndSwap,
    Operation,
    Pause,
    Read,
    Release,
    Return,
    TryAcquire,
    Update,
    Write,
    describe,
    show_name,
)
from simulator.program import Program
from simulator.trace import Ended, Misuse, Notice, Run, Threw
from simulator.values import stable_repr

__all__ = ["FORMAT", "MOST_EVENTS", "VERSION", "first_line", "last_line", "write"]

FORMAT = "simulator run"
VERSION = 1
MOST_EVENTS = 20_000
"""What detectors remember of a run grows with its square."""


def write(
    run: Run,
    program: Program,
    *,
    name: str,
    source: str = "model",
    interpreter: str = "",
    traced: bool = False,
    unseen: Sequence[str] = (),
    stopped: str = "",
) -> str:
    """A run of a program as text: see `recorded.Recorded` for what is said about it.

    >>> from simulator.search.replay import replay
    >>> def body():
    ...     yield Write("x", 1)
    >>> program = Program({"a": body}, memory={"x": 0})
    >>> print(write(replay(program, "a"), program, name="one").splitlines()[-1])
    {"how": "finished", "memory": [["x", 1]], "pending": {}, "stopped": null}
    """
    lines = [
        first_line(
            name=name,
            source=source,
            interpreter=interpreter,
            traced=traced,
            unseen=unseen,
            threads=run.threads,
            memory=_pairs(run.situations[0].memory),
            locks=list(map(_out, program.locks)),
            rlocks=list(map(_out, program.rlocks)),
        )
    ]
    for thread, notices in run.start.items():
        lines += (_notice_out(thread, notice) for notice in notices)
    for event in run.events:
        touched = event.footprint.access != Access.NONE and not event.footprint.on_lock
        lines.append(
            {
                "thread": event.thread,
                **_operation_out(event.operation),
                "answer": _out(event.answer),
                **({"before": _out(event.before), "after": _out(event.after)} if touched else {}),
                "where": _where_out(event.where),
            }
        )
        lines += (_notice_out(event.thread, notice) for notice in event.notices)
    final = run.final
    pending = {
        thread: {**_operation_out(wanted.operation), "where": _where_out(wanted.where)}
        for thread, wanted in final.pending.items()
        if wanted is not None
    }
    how = None if run.outcome is None else run.outcome.how
    lines.append(last_line(how, _pairs(final.memory), pending, stopped))
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def first_line(
    *,
    name: str,
    source: str,
    interpreter: str,
    traced: bool,
    unseen: Sequence[str],
    threads: Sequence[str],
    memory: list[list[Any]],
    locks: list[Any],
    rlocks: list[Any],
) -> dict[str, Any]:
    """What ran: see `recorded.Recorded`. `memory` is before the first event."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "program": name,
        "source": source,
        "interpreter": interpreter or None,
        "traced": traced,
        "unseen": list(unseen),
        "threads": list(threads),
        "memory": memory,
        "locks": locks,
        "rlocks": rlocks,
    }


def last_line(how: str | None, memory: list[list[Any]], pending: Mapping[str, Any], stopped: str) -> dict[str, Any]:
    """How it ended (None: it has not), the memory then, and what threads were about to do that could not go on."""
    return {"how": how, "memory": memory, "pending": dict(pending), "stopped": stopped or None}


def _pairs(memory: Mapping[Hashable, Any]) -> list[list[Any]]:
    return [[_out(location), _out(value)] for location, value in memory.items()]


def _out(value: object) -> object:
    """A value as JSON keeps it: tuples as arrays, what JSON cannot hold by its repr."""
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if isinstance(value, float) and kind is float and math.isfinite(value):
        return value
    if isinstance(value, tuple) and kind is tuple:
        return [_out(each) for each in value]
    return {"repr": stable_repr(value)}


def _where_out(where: SourceLine | None) -> str | None:
    return None if where is None else f"{where.file}:{where.line}"


def _notice_out(thread: str, notice: Notice) -> dict[str, Any]:
    match notice:
        case Ended(how, message, where):
            return {"thread": thread, "ended": how, "message": message, "where": _where_out(where)}
        case Misuse(what, lock, where):
            return {"thread": thread, "misuse": what, "lock": _out(lock), "where": _where_out(where)}
        case Threw(message):
            return {"thread": thread, "threw": message}
        case _:
            assert_never(notice)


def _operation_out(operation: Operation) -> dict[str, Any]:
    match operation:
        case Read(location, atomic):
            return {"does": "read", "location": _out(location), **({"atomic": True} if atomic else {})}
        case Write(location, value):
            return {"does": "write", "location": _out(location), "value": _out(value)}
        case Add(left, right):
            return {"does": "add", "left": _out(left), "right": _out(right)}
        case Update(location):
            by = describe(operation).removeprefix(f"update {show_name(location)} by ")
            return {"does": "update", "location": _out(location), "by": by}
        case CompareAndSwap(location, expected, new):
            return {"does": "swap", "location": _out(location), "expected": _out(expected), "new": _out(new)}
        case Acquire(lock):
            return {"does": "acquire", "lock": _out(lock)}
        case TryAcquire(lock):
            return {"does": "try", "lock": _out(lock)}
        case Release(lock):
            return {"does": "release", "lock": _out(lock)}
        case Pause(seconds):
            return {"does": "pause", "seconds": _out(seconds)}
        case Call(called, arguments):
            return {"does": "call", "name": called, "arguments": _out(arguments)}
        case Return(value):
            return {"does": "return", "value": _out(value)}
        case _:
            assert_never(operation)
