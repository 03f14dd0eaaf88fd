"""A scenario: a program with typed, bounded parameters, and the same thing as plain Python with real threads.

The signature of the function under `@scenario` is the one place that says which parameters there are: its annotations become
checks, defaults and command-line options. `simulator` knows no scenario by itself; they are found by entry point, by
`module:attribute` or by `path/to/file.py:attribute`.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from simulator.errors import UsageError, nearest
from simulator.program import Program

__all__ = ["Parameter", "Plain", "Range", "Scenario", "scenario"]

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a whole number, both included; None where there is none."""

    low: int | None = None
    high: int | None = None

    def __str__(self) -> str:
        if self.high is None:
            return f"at least {self.low}"
        return f"at most {self.high}" if self.low is None else f"{self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a scenario: what it is called, what it may be, what it means.

    `kind` is int, float, bool or str; `choices` are the values that a str may take (empty: any text).
    """

    name: str
    kind: type
    default: Any
    help: str
    bounds: Range = field(default_factory=Range)
    choices: tuple[str, ...] = ()

    def checked(self, value: Any) -> Any:
        """`value` if the parameter may be that. Raises UsageError that says what it may be."""
        fits = isinstance(value, self.kind) and (self.kind is bool or not isinstance(value, bool))
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value, fits = float(value), True
        if not fits or value != value:  # NaN is within no bounds
            raise UsageError(f"{self.name} is {value!r}, expected {self._expected()}")
        low, high = self.bounds.low, self.bounds.high
        if self.kind in (int, float) and ((low is not None and value < low) or (high is not None and value > high)):
            raise UsageError(f"{self.name} is {value}, expected {self._expected()}")
        if self.choices and value not in self.choices:
            raise UsageError(f"{self.name} is {value!r}{nearest(value, self.choices)}")
        return value

    def _expected(self) -> str:
        kind = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}[self.kind]
        bounded = self.bounds.low is not None or self.bounds.high is not None
        return f"{kind}, {self.bounds}" if bounded else kind


@dataclass(frozen=True)
class Plain:
    """The same system as ordinary Python, to be run on real threads.

    `setup` makes fresh shared state (None: all that is shared is global), `workers` gives each thread's name its callable
    over that state, `observe` reads the
    final memory off it, by the same location names as the program's memory. `namespace` is the globals of the module that the
    code under test lives in: there, and nowhere else, its name `threading` is stood in for while it runs. `invariant` must
    hold of the shared state when every thread has finished.
    """

    setup: Callable[[], Any]
    workers: Callable[[Any], Mapping[str, Callable[[], object]]]
    observe: Callable[[Any], Mapping[Hashable, Any]] | None = None
    namespace: dict[str, Any] | None = None
    source: str = ""
    """What the reader should look at: file and line, or the statement that matters."""
    invariant: Callable[[Any], bool] | None = None

    def __post_init__(self) -> None:
        given: object = self.setup
        if given is None:
            object.__setattr__(self, "setup", _nothing)

    def named(self, state: Any) -> dict[str, Callable[[], object]]:
        """The workers by the names of their threads: a list names them t0, t1, …, in its order.

        >>> list(Plain(list, lambda state: [state.clear, state.sort]).named([]))
        ['t0', 't1']
        """
        workers: Any = self.workers(state)
        if isinstance(workers, list | tuple):
            return {f"t{number}": worker for number, worker in enumerate(workers)}
        return dict(workers)


def _nothing() -> None:
    """The state of threads that share only globals."""


class Scenario:
    """A named program with parameters. Call it, or `program(**values)`, for the Program.

    >>> @scenario(summary="Nothing happens.")
    ... def idle(threads: Annotated[int, Range(1, 9), "how many"] = 2) -> Program:
    ...     from simulator.ops import Pause
    ...     def body():
    ...         yield Pause()
    ...     return Program({f"t{n}": body for n in range(threads)})
    >>> idle.parameters[0].bounds, len(idle(threads=3).threads)
    (Range(low=1, high=9), 3)
    """

    def __init__(self, build: Callable[..., Program], summary: str) -> None:
        self.name = build.__name__.replace("_", "-")
        self.summary = summary
        self.parameters = _parameters(build)
        self.description = inspect.getdoc(build) or summary
        self._build = build
        self._plain: Callable[..., Plain | None] | None = None

    def program(self, **values: Any) -> Program:
        """The program for these parameters; what is not given has its default. Raises UsageError for one it cannot have."""
        return self._build(**self.checked(values))

    __call__ = program

    def checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters with these values or their defaults. Raises UsageError for an unknown or unfitting one."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in values:
            if name not in known:
                raise UsageError(f"scenario {self.name!r} has no parameter {name!r}{nearest(name, known)}")
        return {name: parameter.checked(values.get(name, parameter.default)) for name, parameter in known.items()}

    def as_plain(self, build: Callable[..., Plain | None]) -> Callable[..., Plain | None]:
        """Decorator: the function, with the same parameters, that gives the plain Python version."""
        self._plain = build
        return build

    @property
    def has_plain(self) -> bool:
        """Whether the scenario has a plain Python version."""
        return self._plain is not None

    def plain(self, **values: Any) -> Plain | None:
        """The plain Python version for these parameters, or None if the scenario has none."""
        return None if self._plain is None else self._plain(**self.checked(values))


def scenario(*, summary: str) -> Callable[[Callable[..., Program]], Scenario]:
    """Make a Scenario of a function from annotated parameters to a Program."""
    return lambda build: Scenario(build, summary)


def _parameters(build: Callable[..., Program]) -> tuple[Parameter, ...]:
    hints = typing.get_type_hints(build, include_extras=True)
    found = []
    for name, parameter in inspect.signature(build).parameters.items():
        if parameter.default is inspect.Parameter.empty:
            raise UsageError(f"parameter {name!r} of scenario {build.__name__!r} has no default; give it one")
        hint = hints.get(name, type(parameter.default))
        bounds, text = Range(), ""
        if typing.get_origin(hint) is Annotated:
            hint, *extras = typing.get_args(hint)
            for extra in extras:
                if isinstance(extra, Range):
                    bounds = extra
                elif isinstance(extra, str):
                    text = extra
        choices: tuple[str, ...] = ()
        if typing.get_origin(hint) is Literal:
            choices, hint = typing.get_args(hint), str
        if hint not in (int, float, bool, str) or isinstance(hint, types.UnionType):
            raise UsageError(
                f"parameter {name!r} of scenario {build.__name__!r} is {hint}; it can be int, float, bool, str or a Literal"
            )
        found.append(Parameter(name, hint, parameter.default, text, bounds, choices))
    return tuple(found)
