"""The short ways to say which plain code is to be explored: some workers, one function, one method.

Each becomes a `Plain`, which says the same in full: how fresh state is made, what each thread does with it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FunctionType
from typing import Any

from simulator.errors import SimulatorError, UsageError
from simulator.explore import check
from simulator.program import Program
from simulator.report import Report
from simulator.scenario import Plain
from simulator.schedulers import Scheduler
from simulator.search.budget import Budget
from simulator.source.find import syntax_of
from simulator.source.threads import Threads

__all__ = ["Workers", "check_threads", "is_worker", "many", "plain_of"]

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
    """The same function in so many threads: on globals, or as a method of one object of its class.

    Raises UsageError when either needs arguments that nobody can know.
    """
    name = getattr(worker, "__qualname__", repr(worker))
    if owner is None:
        _no_arguments(worker, name, skip=0)
        return Plain(lambda: None, lambda _: {f"t{number}": worker for number in range(threads)})
    _no_arguments(worker, name, skip=1)

    def setup() -> Any:
        try:
            return owner()
        except TypeError as error:
            raise UsageError(
                f"{owner.__name__}() cannot be made without arguments ({error}); describe it with a Plain"
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
                f"{name} needs an argument {parameter.name!r}, and nobody says which: describe the threads with a Plain"
            )


def is_worker(function: FunctionType) -> bool:
    """Whether a function is meant as what a thread does, rather than as one that makes a program.

    It is when it returns nothing, and its file knows of no Program that it could have forgotten to return.
    """
    if any(value is Program for value in function.__globals__.values()) or _models(function):
        return False
    if inspect.isgeneratorfunction(function) or function.__annotations__.get("return") in (
        Program,
        "Program",
        Plain,
        "Plain",
    ):
        return False
    try:
        node, _ = syntax_of(function)
    except SimulatorError:
        return False
    if isinstance(node, ast.Lambda):
        return False
    return not any(_returns(each) for each in node.body)


def _models(function: FunctionType) -> bool:
    """Whether the whole of the simulator is at hand where a function stands."""
    return getattr(function.__globals__.get("simulator"), "__name__", "") == "simulator"


def _returns(node: ast.AST) -> bool:
    """Whether a statement may return something, not counting functions inside it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
        return False
    if isinstance(node, ast.Return):
        return node.value is not None
    return any(_returns(child) for child in ast.iter_child_nodes(node))
