"""The alphabet: what a thread can do in one step, what each operation touches, and which pairs depend on each other.

Operations are frozen values. A body yields one and gets its answer back from the `yield`. This file knows what an operation
*is*; only `machine.py` knows what it *does*.

| operation | answer of the `yield` | touches |
|---|---|---|
| `Read(x)` | the value of x | reads x |
| `Write(x, v)` | None | writes x |
| `Add(a, b)` | a + b | nothing shared: the thread's own register |
| `Update(x, f, *args)` | the old value; x becomes f(old, *args), atomically | reads and writes x |
| `CompareAndSwap(x, expected, new)` | True and x becomes new, or False | writes x, or only reads it when it fails |
| `Acquire(m)` | None, once the lock is free | the lock |
| `TryAcquire(m)` | True and the lock is held, or False at once | the lock (a failure only reads it) |
| `Release(m)` | None | the lock |
| `Pause(seconds)` | None | nothing: a place where the scheduler may switch; time is virtual, nothing waits |
| `Call(name, *args)` | None | nothing: from here on the thread is inside an operation of an object under test |
| `Return(v)` | None | nothing: the operation that was called ends here, with v |

`Check(condition, message)` is yielded like an operation but takes no step: a false one ends the thread there, as the body's
own `assert` does.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, assert_never

from simulator.values import Key, stable_repr, value_key

__all__ = [
    "Access",
    "Acquire",
    "Add",
    "Call",
    "Check",
    "CompareAndSwap",
    "Footprint",
    "Operation",
    "Pause",
    "Read",
    "Release",
    "Return",
    "TryAcquire",
    "Update",
    "Write",
    "dependent",
    "describe",
    "footprint",
    "function_key",
    "has_key",
    "is_operation",
    "operation_key",
    "show_name",
    "show_value",
]


@dataclass(frozen=True, slots=True)
class Read:
    """Read a memory location; the answer is its value. An `atomic` one races with no atomic update.

    `part` is the name of what it looks at in there, where the location holds a whole container.
    """

    location: Hashable
    atomic: bool = field(default=False, repr=False)
    part: Hashable = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Write:
    """Write a value (any hashable one) to a memory location."""

    location: Hashable
    value: object


@dataclass(frozen=True, slots=True)
class Add:
    """Add two values in the thread's own register; the answer is `left + right`. A step that touches nothing shared."""

    left: Any
    right: Any


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Update:
    """Atomic read-modify-write: the location becomes `function(old, *arguments)`; the answer is the old value.

    `part` is the name of what it changes in there, where the location holds a whole container, and `blind` says that it does
    so without looking at what it overwrites.

    >>> import operator
    >>> Update("hits", operator.add, 1)
    Update('hits', add, 1)
    """

    location: Hashable
    function: Callable[..., object]
    arguments: tuple[object, ...]
    part: Hashable
    blind: bool

    def __init__(
        self,
        location: Hashable,
        function: Callable[..., object],
        *arguments: object,
        part: Hashable = None,
        blind: bool = False,
    ) -> None:
        object.__setattr__(self, "location", location)
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "arguments", arguments)
        object.__setattr__(self, "part", part)
        object.__setattr__(self, "blind", blind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Update) and operation_key(self) == operation_key(other)

    def __hash__(self) -> int:
        return hash(operation_key(self))

    def __repr__(self) -> str:
        shown = [repr(self.location), _function_name(self.function), *map(repr, self.arguments)]
        return f"Update({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class CompareAndSwap:
    """Atomically: if the location equals `expected`, make it `new` and answer True; otherwise answer False."""

    location: Hashable
    expected: object
    new: object


@dataclass(frozen=True, slots=True)
class Acquire:
    """Take a lock; not enabled while another thread holds it (or this one does, unless the lock is re-entrant)."""

    lock: Hashable


@dataclass(frozen=True, slots=True)
class TryAcquire:
    """Take a lock if that is possible at once; the answer says whether it was."""

    lock: Hashable


@dataclass(frozen=True, slots=True)
class Release:
    """Give a lock back. Releasing a lock that the thread does not hold raises RuntimeError in the body, as Python does."""

    lock: Hashable


@dataclass(frozen=True, slots=True)
class Pause:
    """A scheduling point that touches nothing. `seconds` is shown, never waited for: time is virtual."""

    seconds: float = 0


@dataclass(frozen=True, slots=True, init=False)
class Call:
    """An operation of an object under test begins here. A step that touches nothing: it is there for the history.

    >>> Call("push", 1)
    Call('push', 1)
    """

    name: str
    arguments: tuple[object, ...]

    def __init__(self, name: str, *arguments: object) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", arguments)

    def __repr__(self) -> str:
        return f"Call({', '.join(map(repr, (self.name, *self.arguments)))})"


@dataclass(frozen=True, slots=True)
class Return:
    """The operation that this thread called last ends here, with this result (any hashable value)."""

    value: object = None


@dataclass(frozen=True, slots=True)
class Check:
    """A condition that must hold here. Takes no step; a false one ends the thread with a failed check."""

    condition: object
    message: str = "check failed"


Operation = Read | Write | Add | Update | CompareAndSwap | Acquire | TryAcquire | Release | Pause | Call | Return

_OPERATIONS = frozenset({Read, Write, Add, Update, CompareAndSwap, Acquire, TryAcquire, Release, Pause, Call, Return})


def is_operation(value: object) -> bool:
    """Whether a yielded value is one of the operations above (`Check` is not: it takes no step)."""
    return type(value) in _OPERATIONS


class Access(enum.IntEnum):
    """How a step touches the one thing it touches."""

    NONE = 0
    READ = 1
    WRITE = 2


class Footprint(NamedTuple):
    """What one step touches: at most one memory location or one lock.

    Where the location holds a container, `part` may be the name of the one item that is touched in there.
    """

    access: Access
    on_lock: bool
    name: Hashable
    atomic: bool
    part: Hashable = None
    blind: bool = False

    @property
    def updated(self) -> Hashable:
        """What a lost update would be of: the location, or the one item."""
        return self.name if self.part is None else self.part

    @property
    def looks(self) -> bool:
        """Whether what is there now is known from here on: by reading it, or by an atomic update of it."""
        return self.access == Access.READ or (self.atomic and not self.blind)


_NOTHING = Footprint(Access.NONE, on_lock=False, name=None, atomic=False)


def footprint(operation: Operation, answer: object) -> Footprint:
    """What a step touched, given its answer: a failed compare-and-swap or try-lock only reads.

    >>> footprint(CompareAndSwap("x", 0, 1), False).access.name
    'READ'
    """
    match operation:
        case Read(location, atomic, part):
            return Footprint(Access.READ, on_lock=False, name=location, atomic=atomic, part=part)
        case Write(location):
            return Footprint(Access.WRITE, on_lock=False, name=location, atomic=False)
        case Update(location):
            return Footprint(
                Access.WRITE, on_lock=False, name=location, atomic=True, part=operation.part, blind=operation.blind
            )
        case CompareAndSwap(location):
            return Footprint(Access.WRITE if answer else Access.READ, on_lock=False, name=location, atomic=True)
        case Acquire(lock) | Release(lock):
            return Footprint(Access.WRITE, on_lock=True, name=lock, atomic=True)
        case TryAcquire(lock):
            return Footprint(Access.WRITE if answer else Access.READ, on_lock=True, name=lock, atomic=True)
        case Add() | Pause() | Call() | Return():
            return _NOTHING
        case _:
            assert_never(operation)


def dependent(first: Footprint, second: Footprint) -> bool:
    """Whether the order of two steps *of different threads* can matter: one thing, touched by both, written by one.

    >>> dependent(footprint(Read("x"), 0), footprint(Write("x", 1), None))
    True
    >>> dependent(footprint(Read("x"), 0), footprint(Read("x"), 0))
    False
    """
    return (
        first.access != Access.NONE
        and second.access != Access.NONE
        and (first.access == Access.WRITE or second.access == Access.WRITE)
        and first.on_lock == second.on_lock
        and first.name == second.name
    )


def operation_key(operation: Operation | Check) -> Key:
    """A key that is equal for two operations exactly when they are the same request.

    An `Update`'s function is compared by its code and what it closes over, so that a lambda written in the body is the
    same function each time the body runs. Raises TypeError when an operand cannot be hashed.
    """
    # Attributes are read by name: patterns with operands take twice as long, and each place of a body comes here.
    match operation:
        case Read():
            return (Read, operation.atomic, value_key(operation.location), value_key(operation.part))
        case Write():
            return (Write, value_key(operation.location), value_key(operation.value))
        case Add():
            return (Add, value_key(operation.left), value_key(operation.right))
        case Acquire() | TryAcquire() | Release():
            return (type(operation), value_key(operation.lock))
        case Update(location, function, arguments):
            return (
                Update, value_key(location), _update_key(function), value_key(operation.part), *map(value_key, arguments)
            )  # fmt: skip
        case CompareAndSwap(location, expected, new):
            return (CompareAndSwap, value_key(location), value_key(expected), value_key(new))
        case Pause():
            return (Pause, value_key(operation.seconds))
        case Call():
            return (Call, operation.name, value_key(operation.arguments))
        case Return():
            return (Return, value_key(operation.value))
        case Check(condition, message):
            return (Check, bool(condition), message)
        case _:
            assert_never(operation)


def function_key(function: Callable[..., object]) -> Key:
    """A function by its code, its defaults and what it closes over; a partial by its parts; any other callable by itself.

    So is a function that closes over what cannot be hashed, or that carries attributes.
    """
    if isinstance(function, partial):
        try:
            arguments = tuple(map(value_key, function.args))
            keywords = tuple((name, value_key(value)) for name, value in sorted(function.keywords.items()))
        except TypeError:
            return (type(function), function)
        return (partial, function_key(function.func), arguments, keywords)
    code = getattr(function, "__code__", None)
    if code is None or getattr(function, "__self__", None) is not None or function.__dict__:
        return (type(function), function)
    try:
        return (code, id(getattr(function, "__globals__", None)), *_captured(function))
    except (TypeError, ValueError):
        return (type(function), function)


def has_key(function: Callable[..., object]) -> bool:
    """Whether a function written in a body can be told from another by more than its code."""
    try:
        _captured(function)
    except (TypeError, ValueError):
        return False
    return True


def _captured(function: Callable[..., object]) -> tuple[Key, ...]:
    """What a function brings along. Raises TypeError for what cannot be hashed, ValueError for an empty cell."""
    cells = getattr(function, "__closure__", None) or ()
    keyword_defaults: dict[str, object] = getattr(function, "__kwdefaults__", None) or {}
    return (
        tuple(value_key(cell.cell_contents) for cell in cells),
        value_key(getattr(function, "__defaults__", None)),
        tuple((name, value_key(value)) for name, value in sorted(keyword_defaults.items())),
    )


def _update_key(function: Callable[..., object]) -> Key:
    """The function of an update: one that closes over what cannot be hashed is known by its code, each time it is made."""
    code = getattr(function, "__code__", None)
    return (code,) if code is not None and not has_key(function) else function_key(function)


def show_name(name: Hashable) -> str:
    """A location or lock as people write it.

    >>> show_name("count"), show_name(("balance", 1)), show_name(3)
    ('count', 'balance[1]', '3')
    """
    if isinstance(name, str):
        return name
    if isinstance(name, tuple) and len(name) > 1 and isinstance(name[0], str):
        return f"{name[0]}[{', '.join(show_name(part) for part in name[1:])}]"
    return stable_repr(name)


def show_value(value: object) -> str:
    """A value in a table cell: its repr, cut in the middle when very long."""
    shown = stable_repr(value)
    return shown if len(shown) <= 40 else f"{shown[:24]}…{shown[-12:]}"


def _function_name(function: Callable[..., object]) -> str:
    if isinstance(function, partial):
        return _function_name(function.func)
    name: str = getattr(function, "__name__", None) or stable_repr(function)
    return name


def describe(operation: Operation) -> str:
    """The operation as a person says it, before it has happened.

    >>> describe(Write(("balance", 1), 500))
    'write balance[1] = 500'
    """
    match operation:
        case Read(location):
            return f"read {show_name(location)}"
        case Write(location, value):
            return f"write {show_name(location)} = {show_value(value)}"
        case Add(left, right):
            return f"add {show_value(left)} + {show_value(right)}"
        case Update(location, function, arguments):
            shown = ", ".join([_function_name(function), *map(show_value, arguments)])
            return f"update {show_name(location)} by {shown}"
        case CompareAndSwap(location, expected, new):
            return f"swap {show_name(location)} {show_value(expected)} → {show_value(new)}"
        case Acquire(lock):
            return f"acquire {show_name(lock)}"
        case TryAcquire(lock):
            return f"try {show_name(lock)}"
        case Release(lock):
            return f"release {show_name(lock)}"
        case Pause(seconds):
            return f"sleep {seconds:g} s" if seconds else "pause"
        case Call(name, arguments):
            return f"call {name}({', '.join(map(show_value, arguments))})"
        case Return(value):
            return f"return {show_value(value)}"
        case _:
            assert_never(operation)
