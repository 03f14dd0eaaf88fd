"""Threads of plain Python, as a program of the model: `setup` makes what they share, `workers` says what each of them does.

The workers' functions are rewritten when a thread first comes to them (`rewrite.py`) and run step by step (`walk.py`). What
is shared, and which of it some thread writes, is found out by looking around: the program is run through as far as `LOOK`
states allow, and begun again with what was found, until nothing new turns up.
"""

from __future__ import annotations

import ast
import builtins
import operator
import os
import sys
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial, wraps
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple, cast

from simulator.bodies import Answer, Raised, close_quietly
from simulator.errors import InternalError, LimitError, ProgramError, SimulatorError, UsageError, nearest
from simulator.machine import Machine
from simulator.ops import Acquire, Add, Operation, Read, Release, TryAcquire, Update, Write, operation_key
from simulator.program import Program
from simulator.scenario import Plain
from simulator.source.find import declared, syntax_of
from simulator.source.granularity import GRANULARITIES, Granularity
from simulator.source.here import is_library, place_of, raised_at
from simulator.source.mirror import Mirror
from simulator.source.rewrite import FACTORY, rewritten
from simulator.source.shared import Bound, Inner, Item, Shared
from simulator.source.sites import Site, Visit
from simulator.source.walk import GIL, Steps, TooDeep, Walker
from simulator.trace import Event, Outcome, Run, Threw

__all__ = ["Threads"]

LOOK: Final = 50_000
"""States that are looked at to find out what is shared, at most."""
SCOUT: Final = 5_000
"""Steps that each thread takes alone before that, at most."""
ROUNDS: Final = 1_000
TURNS: Final = 5_000
"""Turns of a loop without a step after which a thread that runs alone is left where it is."""


class Threads:
    """Plain code made ready to be explored.

    `program` is the program; `notes` say what was not looked into; `state(memory)` makes the shared state that a memory
    of the program stands for; `visits(run)` says where in the source each step of a run was.

    `granularity` is one of GRANULARITIES: where the interpreter may switch threads. With `strict`, whatever would be a
    note is an error.

    Raises UsageError when setup or workers is at fault, ProgramError for code that cannot be followed.

    >>> class Hits:
    ...     def __init__(self):
    ...         self.count = 0
    >>> Threads(Plain(Hits, lambda hits: {}), granularity="often")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    simulator.errors.UsageError: granularity is 'often'; known: cpython-3.10, cpython-3.11, cpython-3.12, ...
    """

    def __init__(
        self, plain: Plain, *, granularity: str = "operations", strict: bool = False, name: str = "threads"
    ) -> None:
        if granularity not in GRANULARITIES:
            raise UsageError(f"granularity is {granularity!r}{nearest(granularity, GRANULARITIES)}")
        self.plain = plain
        self.name = name
        self.granularity = GRANULARITIES[granularity]
        self.strict = strict
        self.named = False
        self.patience = sys.maxsize
        self._notes: dict[str, None] = {}
        self._functions: dict[int, tuple[FunctionType, Callable[..., Steps]]] = {}
        self._sites: list[tuple[CodeType, Site]] = []
        self._site_numbers: dict[tuple[CodeType, Site], int] = {}
        self._written: set[tuple[int, str]] = set()
        self._modules: dict[CodeType, ModuleType] = {}
        state = _asked("setup", plain.setup, plain.setup)
        try:
            self.shared = Shared(state)
        except UsageError as error:
            raise UsageError(f"{place_of(plain.setup)}{error}") from None
        workers: Mapping[str, Callable[[], object]] = _asked("workers", plain.workers, lambda: plain.named(state))
        if not workers:
            raise UsageError("there are no workers: name at least one thread and what it does")
        self._workers = {thread: self._work(thread, worker) for thread, worker in workers.items()}
        self.program = self._found()

    # -- the program

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not looked into, each with the line where it stands."""
        return tuple(self._notes)

    def _work(self, thread: str, worker: Any) -> _Work:
        """A worker, with its arguments as threads see them."""
        if isinstance(worker, partial):
            inside = self._work(thread, worker.func)
            arguments = tuple(
                self.shared.value(each, f"{thread}.argument{number}")
                for number, each in enumerate(worker.args, start=1)
            )
            keywords = tuple(
                (name, self.shared.value(each, f"{thread}.{name}")) for name, each in worker.keywords.items()
            )
            return _Work(inside.function, (*inside.arguments, *arguments), (*inside.keywords, *keywords))
        if not callable(worker):
            raise UsageError(f"the worker of thread {thread!r} is {worker!r}, which cannot be called")
        return _Work(self.shared.value(worker, thread), (), ())

    def _found(self) -> Program:
        """The program, once nothing new is found any more."""
        for _ in range(ROUNDS):
            self.shared.changed = self.shared.reshaped = False
            was_named = self.named
            program = self._program()
            try:
                self.patience = TURNS
                self._scout()
                self.patience = sys.maxsize
                if not self.shared.changed:
                    self._look_around(program)
            except ProgramError:
                if not self.shared.changed:
                    raise
            if not self.shared.changed:
                self.shared.looked_at = LOOK
                return replace(program, notes=self.notes)
            if self.named and not was_named:
                self.shared.forget_made()
            self._functions.clear()
        raise ProgramError(
            f"{self.name}: after {ROUNDS:,} rounds there is still something new that threads share; do they make "
            "objects without end?"
        )

    def _program(self) -> Program:
        invariant, used = self.plain.invariant, self.shared.used
        memory: dict[Hashable, Any] = {}
        # In order of their names: which of them was found first says nothing to anybody.
        memory.update(sorted(self.shared.memory.items()))
        return Program(
            {thread: self._named_body(thread, work) for thread, work in self._workers.items()},
            memory=memory,
            locks=[*filter(used.__contains__, self.shared.locks), *([GIL] if self.granularity.has_gil else [])],
            rlocks=list(filter(used.__contains__, self.shared.rlocks)),
            finally_=None if invariant is None else {_say_invariant(invariant): self._asks(invariant)},
            name=self.name,
            lines=True,
        )

    def _named_body(self, thread: str, work: _Work) -> Callable[[], Steps]:
        """A thread's body, which is called what the function is called that it follows, and stands where that does."""
        made: Any = partial(self._body, work, thread if self.named else "")
        function = work.function.function if isinstance(work.function, Bound) else work.function
        made.__name__ = str(getattr(function, "__name__", None) or thread)
        made.__code__ = getattr(function, "__code__", None)
        return cast("Callable[[], Steps]", made)

    def _scout(self) -> None:
        """Run the threads one after the other without any machine: most of what they write turns up in one go.

        Raises ProgramError for a first thread that calls without end: it may well run alone, and to come there beside all
        others takes long.
        """
        memory = dict[Hashable, Any](self.shared.memory.items())
        first = next(iter(self._workers))
        for thread, work in self._workers.items():
            body = self._body(work, thread if self.named else "")
            try:
                answer = None
                for _ in range(SCOUT):
                    operation = _next(body, answer)
                    if operation is None or self.shared.reshaped:
                        break
                    answer = self._answered(operation, memory)
            except TooDeep:
                if thread == first:
                    raise
            finally:
                close_quietly(body)

    def _answered(self, operation: Operation, memory: dict[Hashable, Any]) -> Answer:
        """What a thread that is alone gets for an operation."""
        location = getattr(operation, "location", None)
        before = memory.setdefault(location, self.shared.memory.get(location)) if location is not None else None
        match operation:
            case Add(left, right):
                try:
                    return left + right
                except Exception as error:
                    return Raised(error)
            case Write(location, value):
                memory[location] = value
                return None
            case Update(location, function, arguments):
                try:
                    memory[location] = function(before, *arguments)
                except Exception as error:
                    return Raised(error)
                return before
            case TryAcquire():
                return True
            case _:
                return before

    def _look_around(self, program: Program) -> None:
        machine = Machine(program)
        try:
            seen = {machine.initial}
            waiting = deque(seen)
            while waiting and len(seen) < LOOK and not self.shared.changed:
                for _, reached, _ in machine.moves(waiting.popleft()):
                    if reached not in seen:
                        seen.add(reached)
                        waiting.append(reached)
        finally:
            machine.close()

    def _body(self, work: _Work, thread: str) -> Steps:
        """What a thread does, as a generator."""
        walker = Walker(self, thread, called=self._called(work))
        try:
            yield from walker.invoke(None, work.function, *work.arguments, **dict(work.keywords))
        except GeneratorExit:
            walker.holds_gil(False)
            raise
        except LimitError as error:
            raise LimitError(f"{error} ({walker.called})") from None
        except ProgramError as error:
            raise error if walker.called in str(error) else ProgramError(f"{error} ({walker.called})") from None
        finally:
            yield from walker.let_go()

    def _called(self, work: _Work) -> str:
        """The thread's name, which a body does not show that several threads have."""
        return next(thread for thread, each in self._workers.items() if each is work)

    def future_state(self) -> tuple[object, ...]:
        """For merging: there is only one."""
        return ()

    # -- back to real objects

    def state(self, memory: Mapping[Hashable, Any]) -> Any:
        """A fresh real state that holds what a memory of the program says; what is outside it is left alone."""
        return Mirror(self.shared, self.plain.setup()).put(memory)

    @contextmanager
    def _held(self, memory: Mapping[Hashable, Any]) -> Iterator[Any]:
        """A fresh state that holds what a memory says; so do globals, class attributes and enclosing functions meanwhile."""
        mirror = self.mirror(self.plain.setup())
        with mirror.outside(memory):
            yield mirror.put(memory)

    def _asks(self, invariant: Callable[[Any], bool]) -> Callable[[Mapping[Hashable, Any]], bool]:
        """The invariant of the state as a property of the memory; errors are told where the user wrote it."""

        @wraps(invariant)
        def holds(memory: Mapping[Hashable, Any]) -> bool:
            with self._held(memory) as state:
                return invariant(state)

        return holds

    def observed(self, outcome: Outcome) -> Outcome:
        """An outcome as `observe` sees it, where the plain code says what is to be observed."""
        if self.plain.observe is None:
            return outcome
        with self._held(dict(outcome.memory)) as state:
            seen = self.plain.observe(state)
        return Outcome(outcome.how, tuple(seen.items()))

    def mirror(self, state: object) -> Mirror:
        """The shared objects as they are in another state made by `setup`."""
        return Mirror(self.shared, state)

    # -- where it happened

    def visits(self, run: Run) -> tuple[Visit, ...]:
        """Everything that each thread does in a run, thread by thread, in the words of the source.

        What a lock or a pause does, and what only the model does (steps on the GIL, and what a thread writes while an object
        becomes shared), has no site.
        """
        found: list[Visit] = []
        for thread, work in self._workers.items():
            log: list[Visit] = []
            walker = Walker(self, thread, log)
            generator = walker.invoke(None, work.function, *work.arguments, **dict(work.keywords))
            steps = [(number, event) for number, event in enumerate(run.events, start=1) if event.thread == thread]
            try:
                self._retrace(walker, generator, steps, log)
            finally:
                close_quietly(generator)
            found += log
        return tuple(found)

    def _retrace(self, walker: Walker, generator: Steps, steps: list[tuple[int, Event]], log: list[Visit]) -> None:
        """Run a body along the answers that it got; the log grows as it goes."""
        answer: Answer = None
        for number, event in steps:
            operation = _next(generator, answer)
            # A release of a lock that is not held raises at once, and is no step.
            while operation is not None and operation_key(operation) != operation_key(event.operation):
                operation = _next(generator, Raised(RuntimeError("release of a lock that is not held")))
            if operation is None:
                if self.granularity.has_gil and event.operation == Release(GIL):
                    log.append(Visit(event.thread, None, None, number, event.operation))
                    return
                raise InternalError(f"thread {event.thread!r} ended before its step {number}")
            log.append(self._visit(walker, number, event, log))
            answer = _answer(event)
        operation = _next(generator, answer)
        if operation == Acquire(GIL):
            operation = _next(generator, None)
        passed = _passed_in(walker, operation, log)
        if passed is not None:
            # The run stops before it: so must a real thread, which would be through with it once it had passed there.
            del log[passed]

    def _visit(self, walker: Walker, number: int, event: Event, log: list[Visit]) -> Visit:
        if walker.at is None or event.operation in (Acquire(GIL), Release(GIL)):
            passed = _passed_in(walker, event.operation, log)
            if passed is not None:
                return log.pop(passed)._replace(step=number, operation=event.operation)
            return Visit(event.thread, None, None, number, event.operation)
        code, site = self._sites[walker.at]
        return Visit(event.thread, code, site, number, event.operation)

    def sites(self) -> dict[CodeType, tuple[Site, ...]]:
        """All places where something shared may be touched, by the code that they are in."""
        found: dict[CodeType, list[Site]] = {}
        for code, site in self._sites:
            found.setdefault(code, []).append(site)
        return {code: tuple(sites) for code, sites in found.items()}

    def namespaces(self) -> tuple[dict[str, Any], ...]:
        """The globals of all modules that the threads run code of."""
        found = {id(vars(module)): vars(module) for module in self._modules.values()}
        return tuple(found.values())

    # -- what a walker asks

    def rewritten(self, function: FunctionType) -> Callable[..., Steps] | None:
        """The generator function that does what a function does; None where it has no source."""
        known = self._functions.get(id(function))
        if known is not None:
            return known[1]
        node, module = syntax_of(function)
        names = _Names(self, function, module)
        file = function.__code__.co_filename
        tree = rewritten(node, function.__code__, names, os.path.basename(file))
        scope: dict[str, Any] = {
            "__builtins__": builtins, "__name__": function.__module__, "_sim_Inner": Inner, "_sim_range": range,
            "_sim_slice": slice, "_sim_default": None,
            "_sim_AssertionError": AssertionError, "_sim_Through": (SimulatorError, GeneratorExit),
        }  # fmt: skip
        scope.update(names.constants())
        with warnings.catch_warnings():
            # Python has said when it compiled the function itself what it has to say of it.
            warnings.simplefilter("ignore", SyntaxWarning)
            compiled = compile(tree, file, "exec")
        exec(compiled, scope)
        made: FunctionType = scope[FACTORY](*names.cells())
        defaults = function.__defaults__
        if defaults is not None:
            made.__defaults__ = tuple(
                self.shared.value(each, f"{function.__name__}.default{number}") for number, each in enumerate(defaults)
            )
        if function.__kwdefaults__:
            made.__kwdefaults__ = {
                name: self.shared.value(each, f"{function.__name__}.{name}")
                for name, each in function.__kwdefaults__.items()
            }
        self._functions[id(function)] = function, made
        return made

    def is_library(self, function: FunctionType) -> bool:
        """Whether a function belongs to Python's own library, or to us."""
        return is_library(function.__code__.co_filename)

    def note(self, what: str, site: int | None) -> None:
        """Take note of what is not looked into. Raises ProgramError where we are to be strict."""
        said = f"{self.place(site)}{what}"
        if self.strict:
            raise ProgramError(f"{said} (strict)")
        self._notes[said] = None

    def place(self, site: int | None) -> str:
        """The beginning of a line that says where."""
        if site is None:
            return ""
        code, place = self._sites[site]
        return f"{os.path.basename(code.co_filename)}:{place.line}: "

    def site(self, number: int) -> tuple[CodeType, Site]:
        """A place by its number."""
        return self._sites[number]

    def number_of(self, code: CodeType, site: Site) -> int:
        """The number of a place."""
        number = self._site_numbers.get((code, site))
        if number is None:
            number = self._site_numbers[code, site] = len(self._sites)
            self._sites.append((code, site))
        return number

    def ask_for_names(self) -> None:
        """Say that threads have to be told from each other."""
        if not self.named:
            self.shared.grows("that threads have to be told apart")
            self.named = True

    def module_of(self, code: CodeType) -> ModuleType:
        """The module whose globals a code's are."""
        return self._modules[code]

    def knows_module(self, code: CodeType, module: ModuleType) -> None:
        """Take note of it."""
        self._modules[code] = module

    def is_written(self, module: ModuleType, name: str, tree: ast.Module) -> bool:
        """Whether some function assigns a global."""
        return (
            name in declared(tree).globals
            or self.shared.location(module, Item("attribute", name)) in self.shared.memory
        )


class _Work(NamedTuple):
    """What a thread does: a function and its arguments, as threads see them."""

    function: Any
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]


def _next(generator: Steps, answer: Answer) -> Operation | None:
    """The next operation of a body; None where it ends, however it does. Raises TooDeep."""
    try:
        return generator.throw(answer.error) if isinstance(answer, Raised) else generator.send(answer)
    except TooDeep:
        raise
    except (Exception, SystemExit):
        return None


def _passed_in(walker: Walker, operation: Operation | None, log: list[Visit]) -> int | None:
    """The place of the visit in which an operation without a bytecode of its own happens: what was passed last, if
    nothing has happened there yet. None for any other operation."""
    if walker.at is not None or walker.inside or not isinstance(operation, Read | Write | Update):
        return None
    last = _last_real(log)
    return last if last is not None and log[last].step is None else None


def _last_real(log: list[Visit]) -> int | None:
    """The place of the last visit that real threads make, too."""
    places = (place for place in reversed(range(len(log))) if log[place].operation not in (Acquire(GIL), Release(GIL)))
    return next(places, None)


def _answer(event: Event) -> Answer:
    """What the body got: an answer, or what the operation raised in it."""
    if not any(isinstance(notice, Threw) for notice in event.notices):
        return event.answer
    operation = event.operation
    try:
        if isinstance(operation, Update):
            operation.function(event.before, *operation.arguments)
        elif isinstance(operation, Add):
            operator.add(operation.left, operation.right)
    except Exception as error:
        return Raised(error)
    raise InternalError(f"{operation!r} raised in a run, and does not when it is done again")


class _Names:
    """What the rewriter asks about one function's names."""

    def __init__(self, threads: Threads, function: FunctionType, tree: ast.Module) -> None:
        self._threads = threads
        self._function = function
        self._tree = tree
        self._module = _module_of(function)
        self._constants: dict[str, None] = {}
        code = function.__code__
        self._cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        self._nonlocals = declared(tree).nonlocals & frozenset(code.co_freevars)

    @property
    def granularity(self) -> Granularity:
        return self._threads.granularity

    def is_written(self, name: str) -> bool:
        return self._threads.is_written(self._module, name, self._tree)

    def is_builtin(self, name: str) -> bool:
        return name not in self._function.__globals__ and hasattr(builtins, name)

    def constant(self, name: str) -> None:
        self._constants[name] = None

    def is_shared_cell(self, name: str) -> bool:
        return name in self._nonlocals

    def site(self, code: CodeType, site: Site) -> int:
        self._threads.knows_module(code, self._module)
        return self._threads.number_of(code, site)

    def constants(self) -> dict[str, Any]:
        """The globals that nobody assigns."""
        known = self._function.__globals__
        shared = self._threads.shared
        root = Item("root", self._module)
        return {
            name: shared.value(known[name], name, (root, Item("attribute", name)))
            for name in self._constants
            if name in known
        }

    def cells(self) -> list[Any]:
        """The variables of enclosing functions: those that nobody assigns by their value."""
        made = []
        for name, cell in self._cells.items():
            made.append(self._threads.shared.cell(cell, name) if name in self._nonlocals else self._value(name, cell))
        return made

    def _value(self, name: str, cell: CellType) -> Any:
        try:
            held = cell.cell_contents
        except ValueError:
            raise ProgramError(
                f"the variable {name!r} that {self._function.__qualname__!r} uses has no value yet"
            ) from None
        return held if name == "__class__" else self._threads.shared.value(held, name)


def _module_of(function: FunctionType) -> ModuleType:
    """The module that a function's globals belong to; one of our own making where Python does not know it."""
    module = sys.modules.get(function.__module__)
    if module is not None and vars(module) is function.__globals__:
        return module
    known = _UNKNOWN.get(id(function.__globals__))
    if known is None:
        known = _UNKNOWN[id(function.__globals__)] = _Module(function.__module__, function.__globals__)
    return known


class _Module(ModuleType):
    """Globals that are no module that can be imported."""

    def __init__(self, name: str, namespace: dict[str, Any]) -> None:
        super().__init__(name or "__main__")
        self._namespace = namespace

    def __getattribute__(self, name: str) -> Any:
        if name == "__dict__":
            return super().__getattribute__("_namespace")
        return super().__getattribute__(name)


_UNKNOWN: dict[int, _Module] = {}


def _asked(what: str, function: Any, ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"{raised_at(error) or place_of(function)}{what} raised {type(error).__name__}: {error}"
        ) from error


def _say_invariant(invariant: Callable[..., object]) -> str:
    """What to call an invariant: a lambda by what it says."""
    if getattr(invariant, "__name__", "") != "<lambda>" or not isinstance(invariant, FunctionType):
        return getattr(invariant, "__name__", "invariant")
    try:
        node, _ = syntax_of(invariant)
    except ProgramError:
        return "invariant"
    said = ast.unparse(node.body) if isinstance(node, ast.Lambda) else "invariant"
    return said if len(said) <= 60 else "invariant"
