"""Plain code run as it is, and as a program of the model: how each ended, and what it left behind."""

from __future__ import annotations

import collections
import contextlib
import enum
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from simulator.machine import Machine
from simulator.scenario import Plain
from simulator.source.threads import Threads

LOCKS = ("lock", "RLock")


class Ended(NamedTuple):
    """How a run ended: "finished", or the exception's type and text; and the state, in a form that can be compared."""

    how: str
    state: object


def natively(setup: Callable[[], Any], workers: Sequence[Callable[[Any], object]], module: object) -> Ended:
    """The workers one after the other, as Python runs them."""
    with kept(module):
        state = setup()
        how = "finished"
        for worker in workers:
            try:
                worker(state)
            except (Exception, SystemExit) as error:
                how = said(error)
        return Ended(how, shape(state))


def in_the_model(
    setup: Callable[[], Any],
    workers: Sequence[Callable[[Any], object]],
    *,
    granularity: str = "operations",
    merge: bool = True,
) -> Ended:
    """The same in the model: each thread runs to its end before the next one begins."""
    threads = of(setup, workers, granularity)
    machine = Machine(threads.program, merge=merge)
    at = machine.initial
    how = "finished"
    for thread in range(len(workers)):
        while thread in machine.enabled(at):
            at, _ = machine.step(at, thread)
        end = machine.ended(at, thread)
        assert end is not None, "the thread waits for ever"
        if end.how != "finished":
            how = end.message
    machine.close()
    return Ended(how, shape(threads.state(machine.memory(at))))


def of(setup: Callable[[], Any], workers: Sequence[Callable[[Any], object]], granularity: str) -> Threads:
    """Threads that run these workers on one state."""
    return Threads(
        Plain(setup, lambda state: {f"t{number}": partial(each, state) for number, each in enumerate(workers)}),
        granularity=granularity,
    )


def said(error: BaseException) -> str:
    """What the model says of an exception that escaped."""
    if isinstance(error, AssertionError):
        return str(error) or "assertion failed"
    return f"{type(error).__name__}: {error}"


def shape(thing: Any) -> object:
    """A state as nested tuples; an object met before is its number, so that cycles and aliases are compared, too."""
    numbers: dict[int, int] = {}
    kept_alive: list[object] = []

    def of_one(thing: Any) -> object:
        if thing is None or isinstance(thing, bool | int | float | complex | str | bytes | enum.Enum | type | range):
            return (type(thing).__name__, repr(thing))
        if isinstance(thing, tuple):
            return (type(thing).__name__, *map(of_one, thing))
        if id(thing) in numbers:
            return ("met", numbers[id(thing)])
        numbers[id(thing)] = len(numbers)
        kept_alive.append(thing)
        return (type(thing).__name__, *inside(thing))

    def inside(thing: Any) -> Iterator[object]:
        if type(thing).__name__ in LOCKS:
            return
        if isinstance(thing, frozenset | set):
            yield frozenset(map(of_one, thing))
        elif isinstance(thing, dict):
            if isinstance(thing, collections.defaultdict):
                yield getattr(thing.default_factory, "__name__", None)
            yield frozenset((of_one(key), of_one(value)) for key, value in sorted(thing.items(), key=repr))
            if isinstance(thing, collections.OrderedDict):
                yield tuple(map(of_one, thing))
        elif isinstance(thing, list | collections.deque | bytearray):
            yield tuple(map(of_one, thing))
        elif isinstance(thing, BaseException):
            yield of_one(thing.args)
        elif isinstance(thing, types.FunctionType | types.MethodType | types.BuiltinFunctionType):
            yield thing.__qualname__
            return
        held: Mapping[str, Any] = getattr(thing, "__dict__", {})
        yield tuple((name, of_one(held[name])) for name in sorted(held))
        for name in getattr(type(thing), "__slots__", ()):
            if hasattr(thing, name):
                yield (name, of_one(getattr(thing, name)))

    return of_one(thing)


@contextlib.contextmanager
def kept(module: object) -> Iterator[None]:
    """Let a module's globals and its classes' attributes be afterwards as they were before."""
    owners = [module, *(each for each in vars(module).values() if isinstance(each, type))]
    before = [(owner, name, value) for owner in owners for name, value in vars(owner).items() if _is_data(value)]
    lists = [(value, list(value)) for _, _, value in before if isinstance(value, list)]
    known = {(id(owner), name) for owner, name, _ in before}
    try:
        yield
    finally:
        for owner, name, value in before:
            if vars(owner).get(name) is not value:
                setattr(owner, name, value)
        for value, items in lists:
            value[:] = items
        for owner in owners:
            for name, value in list(vars(owner).items()):
                if _is_data(value) and (id(owner), name) not in known:
                    delattr(owner, name)


def _is_data(value: object) -> bool:
    return isinstance(value, bool | int | str | list | dict | type(None))
