"""Program: initial memory, locks, named bodies, and the properties to hold them to.

A `Program` is a plain value that says what *could* run. It runs nothing and knows nothing of schedules.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from simulator.errors import ProgramError
from simulator.ops import Check, Operation, function_key, show_name, show_value
from simulator.values import Key, value_key

__all__ = ["Body", "Program", "Property", "body_key"]

Body = Callable[[], Generator[Operation | Check, Any, object]]
Property = Callable[[Mapping[Hashable, Any]], bool]


@dataclass(frozen=True, eq=False)
class Program:
    """Threads, the memory and locks they share, and what must hold.

    `bodies` maps each thread's name to a callable without arguments that returns a fresh generator (a generator
    function, or a `functools.partial` of one). `memory` maps locations (any hashable name) to initial values (any
    hashable value). `locks` names the plain locks and `rlocks` the re-entrant ones. `finally_` must hold of the memory
    when every thread has finished, `always` after every step; each is one function from the memory to bool, or a
    mapping from names to such functions.

    Threads whose bodies are the same function with the same arguments are interchangeable; counting uses that. `notes` are
    what has to be known to read a report on it; `lines` says that its steps are best told with their lines in the source.

    Raises ProgramError when a name or a value cannot be used.

    >>> def body():
    ...     yield Write("x", 1)
    >>> Program({"a": body}, memory={"x": 0}).threads
    ('a',)
    """

    bodies: Mapping[str, Body]
    memory: Mapping[Hashable, Any] = field(default_factory=dict)
    locks: Iterable[Hashable] = ()
    rlocks: Iterable[Hashable] = ()
    finally_: Property | Mapping[str, Property] | None = None
    always: Property | Mapping[str, Property] | None = None
    name: str = "program"
    notes: Iterable[str] = ()
    lines: bool = False

    def __post_init__(self) -> None:
        for thread, body in self.bodies.items():
            _check_thread(thread, body)
        if not self.bodies:
            raise ProgramError(f"program {self.name!r} has no threads: give it at least one body")
        for location, value in self.memory.items():
            try:
                value_key(value)
            except TypeError:
                raise ProgramError(
                    f"memory location {show_name(location)!r} starts as {value!r}, which cannot be hashed; "
                    "use a tuple, a frozenset or another immutable value"
                ) from None
        frozen = {
            "bodies": MappingProxyType(dict(self.bodies)),
            "memory": MappingProxyType(dict(self.memory)),
            "locks": tuple(dict.fromkeys(self.locks)),
            "rlocks": tuple(dict.fromkeys(self.rlocks)),
            "finally_": _named(self.finally_, "finally_"),
            "always": _named(self.always, "always"),
            "notes": tuple(self.notes),
        }
        for attribute, value in frozen.items():
            object.__setattr__(self, attribute, value)
        for lock in self.rlocks:
            if lock in self.locks:
                raise ProgramError(f"lock {show_name(lock)!r} is in both locks and rlocks; it can be only one")

    @property
    def threads(self) -> tuple[str, ...]:
        """Thread names, in the order in which everything lists them."""
        return tuple(self.bodies)

    @property
    def final_properties(self) -> Mapping[str, Property]:
        """The properties of the final memory, by name."""
        return self.finally_  # type: ignore[return-value]

    @property
    def step_properties(self) -> Mapping[str, Property]:
        """The properties that must hold after every step, by name."""
        return self.always  # type: ignore[return-value]

    @property
    def all_locks(self) -> tuple[Hashable, ...]:
        """Plain locks, then re-entrant ones."""
        return (*self.locks, *self.rlocks)

    def interchangeable(self) -> tuple[tuple[int, ...], ...]:
        """Thread numbers grouped into classes with the same body and arguments, in thread order."""
        classes: dict[Key, list[int]] = {}
        for number, body in enumerate(self.bodies.values()):
            classes.setdefault(body_key(body), []).append(number)
        return tuple(tuple(members) for members in classes.values())


def holds(name: str, condition: Property, memory: Mapping[Hashable, Any]) -> bool:
    """Whether a property holds of a memory, which it cannot change; an `assert` inside it that fails counts as not holding.

    Raises ProgramError when the property raises anything else, or returns neither True nor False.
    """
    try:
        answer: object = condition(MappingProxyType(memory) if isinstance(memory, dict) else memory)
    except AssertionError:
        return False
    except Exception as error:
        raise ProgramError(
            f"{_place(condition)}property {name!r} raised {type(error).__name__}: {error} on memory {dict(memory)!r}"
        ) from error
    if answer is None:
        raise ProgramError(
            f"{_place(condition)}property {name!r} returned None; return True or False (a forgotten 'return'?)"
        )
    if not (
        isinstance(answer, bool) or (type(answer).__module__ == "numpy" and type(answer).__name__.startswith("bool"))
    ):
        if inspect.iscoroutine(answer):
            answer.close()
        raise ProgramError(
            f"{_place(condition)}property {name!r} returned {show_value(answer)}, expected True or False; most things count as "
            "true, so compare, or say bool(…), all(…) or any(…)"
        )
    return bool(answer)


def _place(condition: Property) -> str:
    """Where a property is written, as the beginning of an error line."""
    code = getattr(inspect.unwrap(condition), "__code__", None)
    return "" if code is None else f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}: "


def body_key(body: Body) -> Key:
    """Equal for two bodies exactly when they are the same code over the same arguments."""
    try:
        key = function_key(body)
        hash(key)
    except TypeError:
        return ("one of a kind", id(body))
    return key


def _check_thread(thread: object, body: object) -> None:
    if not isinstance(thread, str) or not thread or any(c.isspace() or c in "*‖|," for c in thread):
        raise ProgramError(
            f"thread name {thread!r} cannot be used: it must be text without spaces, '*', '|' and ',' "
            "(schedules are written with it)"
        )
    if not callable(body):
        if inspect.isgenerator(body):
            raise ProgramError(
                f"the body of thread {thread!r} is a generator of {body.__name__!r}, which can run only once; pass the "
                "generator function itself, not a call of it"
            )
        raise ProgramError(f"the body of thread {thread!r} is {body!r}, which cannot be called")


def _named(properties: Property | Mapping[str, Property] | None, where: str) -> Mapping[str, Property]:
    if properties is None:
        return MappingProxyType({})
    if isinstance(properties, Mapping):
        named = dict(properties)
    else:
        name = getattr(properties, "__name__", where)
        named = {where if name == "<lambda>" else name: properties}
    for name, condition in named.items():
        if not callable(condition):
            raise ProgramError(
                f"{where} property {name!r} is {condition!r}, expected a function from the memory to bool"
            )
    return MappingProxyType(named)
