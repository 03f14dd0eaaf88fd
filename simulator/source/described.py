"""The short ways to say which plain code is to be explored: some workers, one function, one method.

Each becomes a `Plain`, which says the same in full: how fresh state is made, what each thread does with it.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import CellType, CodeType, FunctionType, MethodType, ModuleType, NoneType
from typing import Any

from simulator.errors import UsageError
from simulator.explore import check
from simulator.program import Program
from simulator.report import Report
from simulator.scenario import Plain, Scenario
from simulator.schedulers import Scheduler
from simulator.search.budget import Budget
from simulator.source.here import place_of
from simulator.source.threads import Threads

__all__ = ["Workers", "check_threads", "makes", "many", "plain_of"]

Workers = Sequence[Callable[..., object]] | Mapping[str, Callable[..., object]]


def check_threads(
    setup: Callable[[], Any] | None,
    workers: Workers,
    invariant: Callable[[Any], bool] | None = None,
    *,
    granularity: str = "operations",
    strict: bool = False,
    scheduler: Scheduler | str | None = None,
    seed: int | None = None,
    bound: int | None = None,
    depth: int | None = None,
    budget: Budget | None = None,
) -> Report:
    """Explore ordinary Python, as it stands: everything that can go wrong when these workers run at the same time.

    `setup` makes fresh shared state, and each worker is called with it in a thread of its own (without it where `setup`
    is None); a list of workers names its threads t0, t1, …. `invariant` is asked about the state when all have finished.
    The functions run in the model, line by line; no real thread is started. `granularity` says where the interpreter may
    switch threads (see `Threads`), `strict` refuses whatever would otherwise be taken as one step. The rest is as for
    `check`.

    Raises UsageError for a setup or workers that cannot be used, ProgramError for code that cannot be followed.

    >>> class Counter:
    ...     def __init__(self):
    ...         self.count = 0
    ...     def increment(self):
    ...         self.count += 1
    >>> report = check_threads(Counter, [Counter.increment] * 2, lambda counter: counter.count == 2)
    >>> [finding.title for finding in report.findings]
    ['lost update on counter.count', 'data race on counter.count', 'failed invariant counter.count == 2']
    """
    plain = plain_of(setup, workers, invariant)
    program = Threads(plain, granularity=granularity, strict=strict).program
    return check(program, scheduler=scheduler, seed=seed, bound=bound, depth=depth, budget=budget)


def plain_of(
    setup: Callable[[], Any] | None, workers: Workers, invariant: Callable[[Any], bool] | None = None
) -> Plain:
    """Workers that take the shared state, as a description of threads.

    >>> plain_of(list, [len, len]).workers([1, 2])["t1"]()
    2
    """
    named = dict(workers) if isinstance(workers, Mapping) else {f"t{n}": worker for n, worker in enumerate(workers)}
    for name, worker in named.items():
        if not callable(worker):
            raise UsageError(f"the worker of thread {name!r} is {worker!r}, expected a function of the shared state")
    if setup is None:
        return Plain(lambda: None, lambda _: named, invariant=invariant)
    return Plain(
        setup,
        lambda state: {name: partial(worker, state) for name, worker in named.items()},
        invariant=invariant,
    )


def many(worker: Callable[..., object], owner: type | None, threads: int) -> Plain:
    """The same function in so many threads: on what it knows by itself, or as a method of one object of its class.

    Raises UsageError when either needs arguments that nobody can know.
    """
    name = str(getattr(worker, "__qualname__", None) or type(worker).__qualname__)
    _no_arguments(worker, name, skip=0 if owner is None else 1)
    if owner is None:
        inside = worker.func if isinstance(worker, partial) else worker
        of = inside.__self__ if isinstance(inside, MethodType) else None
        return Plain(lambda: of, lambda _: {f"t{number}": worker for number in range(threads)})

    def setup() -> Any:
        try:
            return owner()
        except TypeError as error:
            raise UsageError(
                f"{place_of(owner)}{owner.__name__}() cannot be made without arguments ({error}); describe it with a "
                "Plain"
            ) from None

    return Plain(setup, lambda state: {f"t{number}": partial(worker, state) for number in range(threads)})


def _no_arguments(function: Callable[..., object], name: str, *, skip: int) -> None:
    try:
        parameters = list(inspect.signature(function).parameters.values())[skip:]
    except (TypeError, ValueError):
        raise UsageError(f"{name} is C code, which cannot be followed; give a Python function") from None
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise UsageError(
                f"{place_of(function)}{name} needs an argument {parameter.name!r}, and nobody says which: describe the "
                "threads with a Plain"
            )


# -- what makes a program, and what is code to be explored


def makes(function: Any) -> frozenset[type]:
    """Which of Program and Plain a function is there to make: none, where it is code to be explored.

    It says so in its annotation; or else it names one of them, or calls a function that does. Nothing is called to find out.

    >>> def bank() -> Program: ...
    >>> def bench():
    ...     return Plain(list, lambda state: {"a": state.clear})
    >>> def work(): ...
    >>> [[each.__name__ for each in makes(function)] for function in (bank, bench, work)]
    [['Program'], ['Plain'], []]
    """
    said = getattr(function, "__annotations__", {}).get("return")
    for kind in (Program, Plain):
        if said is kind or (isinstance(said, str) and said.rpartition(".")[2] == kind.__name__):
            return frozenset({kind})
    found: set[type] = set()
    seen: set[int] = set()
    waiting = [function]
    while waiting and len(seen) < _LOOKED_AT:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if thing is Program or thing is Plain or isinstance(thing, Program | Plain):
            found.add(thing if isinstance(thing, type) else type(thing))
        elif isinstance(thing, Scenario):
            found.add(Program)
        else:
            waiting += _named_by(thing)
    return frozenset(found)


_LOOKED_AT = 300
"""Functions, classes and objects that are looked at to find out whether one makes a program, at most."""


def _named_by(thing: Any) -> list[Any]:
    """What a function may call, as far as its names say; what a class, an object or a container of functions may."""
    if isinstance(thing, partial):
        return [thing.func, *thing.args]
    if isinstance(thing, MethodType):
        return [thing.__func__]
    if isinstance(thing, staticmethod | classmethod):
        return [thing.__func__]
    if isinstance(thing, tuple | list):
        return list(thing)
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, FunctionType):
        if thing.__module__ is None or thing.__module__.partition(".")[0] in sys.stdlib_module_names:
            return []
        cells = [cell.cell_contents for cell in thing.__closure__ or () if _is_full(cell)]
        return [*cells, *_globals_of(thing.__code__, thing.__globals__)]
    kind = thing if isinstance(thing, type) else type(thing)
    if kind.__module__.partition(".")[0] in sys.stdlib_module_names:
        return []
    return [each for each in vars(kind).values() if isinstance(each, FunctionType | staticmethod | classmethod)]


def _globals_of(code: CodeType, known: dict[str, Any]) -> Iterator[Any]:
    """The globals that a code uses, and what it takes from modules."""
    module: Any = None
    for instruction in dis.get_instructions(code):
        name = instruction.argval
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            module = known.get(name)
        elif instruction.opname == "IMPORT_NAME":
            module = sys.modules.get(name)
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM") and isinstance(module, ModuleType):
            # Our own package fetches what it is asked for; of another, nothing that it does is to happen here.
            taken = getattr(module, name, None) if module.__name__ == "simulator" else vars(module).get(name)
            if instruction.opname != "IMPORT_FROM":
                module = taken
            yield taken
            continue
        else:
            continue
        if not isinstance(module, ModuleType | NoneType):
            yield module
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant, known)


def _is_full(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
