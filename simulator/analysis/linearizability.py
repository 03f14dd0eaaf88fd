"""Linearizability of one history, and of all of them at once: does some order of the operations explain the answers?

A *history* is the calls and returns of operations on an object. It is linearizable (Herlihy & Wing, 1990) when its
operations can be put in one order that keeps apart in order those that do not overlap, and in which the sequential
specification gives each the result that it returned. An operation that never returned may have had its effect or not.

Two ways to decide that stand here. `explain_history` is the search of Wing & Gong (1993) with Lowe's caching (2017):
one order after the other, no pair of (operations done, state) twice; it takes one history and can say why no order works.
`Linearizability` is a detector: its memo is the set of all configurations (state, results given in advance to pending
operations) that the history so far allows. It needs no backtracking, and two pasts with one memo have one future, so it
rides in a state graph and decides all histories of a program in one search.

This file knows what was called and returned, and in what order. It does not know how the object works, nor who chose the
threads. It must not ride in a search that leaves out orders of independent steps: a `Return` and another thread's `Call` touch
nothing, and yet their order is what linearizability is about.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulator.analysis.detector import Detector, Memo, Sightings
from simulator.analysis.finding import Finding, Kind, Sighting, Step
from simulator.errors import NondeterminismError, ProgramError, nearest
from simulator.ops import Call, Return, show_value
from simulator.trace import Event, Notice, Run
from simulator.values import Key, stable_repr, value_key

__all__ = [
    "WAITS",
    "DeadEnd",
    "Explanation",
    "Interval",
    "Linearizability",
    "Sequential",
    "explain_history",
    "history_of",
]


class _Waits:
    def __repr__(self) -> str:
        return "WAITS"


WAITS = _Waits()
"""What a specification's function returns for an operation that cannot happen in a state: it waits until it can."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One operation of a history: when it was called, by whom, and when it returned what.

    `called` and `returned` are step numbers of the run; `returned` is None while the operation is pending.
    """

    thread: str
    name: str
    arguments: tuple[object, ...]
    called: int
    returned: int | None = None
    result: object = None

    @property
    def text(self) -> str:
        """The operation with its result.

        >>> Interval("a", "push", (1,), called=1, returned=4).text, Interval("a", "pop", (), called=5).text
        ('push(1) → None', 'pop() pending')
        """
        ending = "pending" if self.returned is None else f"→ {show_value(self.result)}"
        return f"{call_text(self.name, self.arguments)} {ending}"

    def __str__(self) -> str:
        return f"{self.thread}: {self.text}"


def call_text(name: str, arguments: Iterable[object]) -> str:
    """A call as it is written."""
    return f"{name}({', '.join(map(show_value, arguments))})"


def history_of(events: Iterable[Event]) -> tuple[Interval, ...]:
    """The operations that a run called and returned, in the order of their calls.

    Raises ProgramError where a thread returns without a call, or calls inside a call.
    """
    found: list[Interval] = []
    open_: dict[str, int] = {}
    for step, event in enumerate(events, start=1):
        match event.operation:
            case Call(name, arguments):
                if event.thread in open_:
                    raise _nested(event, found[open_[event.thread]].name)
                open_[event.thread] = len(found)
                found.append(Interval(event.thread, name, arguments, step))
            case Return(value):
                if event.thread not in open_:
                    raise _without_call(event)
                place = open_.pop(event.thread)
                begun = found[place]
                found[place] = Interval(event.thread, begun.name, begun.arguments, begun.called, step, value)
            case _:
                pass
    return tuple(found)


def _nested(event: Event, inside: str) -> ProgramError:
    return ProgramError(
        f"{event.where}: thread {event.thread!r} calls {event.operation!r} inside its operation {inside!r}; a thread "
        "returns from one operation before it calls the next"
    )


def _without_call(event: Event) -> ProgramError:
    return ProgramError(
        f"{event.where}: thread {event.thread!r} yields {event.operation!r} without a call; yield Call(...) first"
    )


class _Operation(NamedTuple):
    """One operation as it is asked for, whoever asks."""

    name: str
    arguments: tuple[object, ...]


class Sequential:
    """A sequential specification, asked: states and results as small numbers, each answer worked out once.

    `specification` is a class, an instance or a module that has `initial`, and for each operation a function from the state and
    the operation's arguments to the next state and the result; or to `WAITS`. States are immutable values.

    Raises ProgramError for a specification that is none: without `initial`, without a function for an operation,
    with a state or result that cannot be hashed, one that raises; and NondeterminismError for one whose second answer
    is not its first.

    >>> class Counter:
    ...     initial = 0
    ...     @staticmethod
    ...     def inc(state):
    ...         return state + 1, state
    >>> counter = Sequential(Counter)
    >>> counter.name, counter.apply(counter.initial, counter.operation("inc", ()))
    ('Counter', (1, 0))
    """

    def __init__(self, specification: object) -> None:
        self.specification = specification
        named = specification if hasattr(specification, "__name__") else type(specification)
        self.name = str(getattr(named, "__name__", "the specification")).rpartition(".")[2]
        if not hasattr(specification, "initial"):
            raise ProgramError(f"specification {self.name} has no initial state; give it one: initial = ()")
        self._values: list[Any] = []
        self._numbers: dict[Key, int] = {}
        self._operations: dict[Key, int] = {}
        self._asked: list[_Operation] = []
        self._answers: dict[tuple[int, int], tuple[int, int] | None] = {}
        initial = specification.initial
        try:
            self.initial = self.number(initial)
        except TypeError as error:
            raise ProgramError(f"specification {self.name} starts as {initial!r}: {error}; {_IMMUTABLE}") from None

    def number(self, value: object) -> int:
        """The number of a state or a result. Raises TypeError for what cannot be hashed."""
        key = value_key(value)
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self._values)
            self._values.append(value)
        return known

    def value(self, number: int) -> Any:
        """The state or the result that has a number."""
        return self._values[number]

    def operation(self, name: str, arguments: tuple[object, ...]) -> int:
        """The number of an operation with its arguments."""
        key = (name, value_key(arguments))
        known = self._operations.get(key)
        if known is None:
            self.function(name)
            known = self._operations[key] = len(self._asked)
            self._asked.append(_Operation(name, arguments))
        return known

    def name_of(self, operation: int) -> str:
        """The name of the operation that has a number."""
        return self._asked[operation].name

    def function(self, name: str) -> Callable[..., object]:
        """The specification's function for an operation. Raises ProgramError, with the nearest name, if there is none."""
        found = getattr(self.specification, name, None)
        if name.startswith("_") or name == "initial" or not callable(found):
            known = [
                each
                for each in dir(self.specification)
                if not each.startswith("_") and each != "initial" and callable(getattr(self.specification, each))
            ]
            raise ProgramError(f"specification {self.name} has no operation {name!r}{nearest(name, known)}")
        function: Callable[..., object] = found
        return function

    def apply(self, state: int, operation: int) -> tuple[int, int] | None:
        """The next state and the result, by number; None where the operation has to wait."""
        if (state, operation) not in self._answers:
            first, second = self._ask(state, operation), self._ask(state, operation)
            if first != second:
                raise NondeterminismError(
                    f"{self._told(state, operation)} returned {self._said(first)} and then {self._said(second)}; a "
                    "specification gives one answer to one question"
                )
            self._answers[state, operation] = first
        return self._answers[state, operation]

    def _ask(self, state: int, operation: int) -> tuple[int, int] | None:
        asked = self._asked[operation]
        try:
            answer = self.function(asked.name)(self._values[state], *asked.arguments)
        except Exception as error:
            raise ProgramError(
                f"{self._told(state, operation)} raised {type(error).__name__}: {error}; a specification says what an "
                "operation results in in every state, or WAITS"
            ) from error
        if answer is WAITS:
            return None
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise ProgramError(
                f"{self._told(state, operation)} returned {answer!r}, expected the next state and the result: "
                "return state, result"
            )
        try:
            return self.number(answer[0]), self.number(answer[1])
        except TypeError as error:
            raise ProgramError(f"{self._told(state, operation)} returned {answer!r}: {error}; {_IMMUTABLE}") from None

    def _told(self, state: int, operation: int) -> str:
        """Which answer an error is about, and where it is written."""
        asked = self._asked[operation]
        code = getattr(self.function(asked.name), "__code__", None)
        place = "" if code is None else f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}: "
        call = call_text(asked.name, asked.arguments)
        return f"{place}specification {self.name}: {call} in state {stable_repr(self._values[state])}"

    def _said(self, answer: tuple[int, int] | None) -> str:
        return "WAITS" if answer is None else stable_repr(tuple(map(self.value, answer)))


_IMMUTABLE = "use a tuple, a frozenset or another immutable value"


@dataclass(frozen=True, slots=True)
class DeadEnd:
    """Why an order cannot go on: after `before`, `operation` has to result in `expected`, or to wait."""

    before: tuple[Interval, ...]
    operation: Interval
    expected: object

    def __str__(self) -> str:
        returned = show_value(self.operation.result)
        said = f"would return {show_value(self.expected)}, not {returned}"
        if self.expected is WAITS:
            said = f"would have to wait, not return {returned}"
        ending = f"{self.operation.thread} {call_text(self.operation.name, self.operation.arguments)} {said}"
        done = ", then ".join(f"{each.thread} {each.text}" for each in self.before)
        return f"{done}, then {ending}" if done else ending


@dataclass(frozen=True, slots=True)
class Explanation:
    """An order that explains a history, or every way in which orders fail.

    `order` leaves out pending operations that had no effect.
    """

    order: tuple[Interval, ...] | None
    dead_ends: tuple[DeadEnd, ...]

    @property
    def linearizable(self) -> bool:
        """Whether an order was found."""
        return self.order is not None


def explain_history(specification: object, history: Iterable[Interval]) -> Explanation:
    """Look for an order of a history's operations that the sequential specification allows.

    Depth first, the earliest call first, so the order that is found is the same every time. An operation can come next if
    none that is still to come returned before it was called. Of several ways to the same operations done and the same state
    the first is gone on with, and stands for the others in the dead ends.

    >>> class Register:
    ...     initial = 0
    ...     read = staticmethod(lambda state: (state, state))
    ...     write = staticmethod(lambda state, value: (value, None))
    >>> write, read = Interval("a", "write", (1,), 1, 4), Interval("b", "read", (), 2, 3, 1)
    >>> [str(each) for each in explain_history(Register, [write, read]).order]
    ['a: write(1) → None', 'b: read() → 1']
    """
    sequential = specification if isinstance(specification, Sequential) else Sequential(specification)
    operations = sorted(history, key=lambda each: each.called)
    asked = [sequential.operation(each.name, each.arguments) for each in operations]
    answers = [None if each.returned is None else sequential.number(each.result) for each in operations]
    completed = frozenset(place for place, each in enumerate(operations) if each.returned is not None)
    dead_ends: list[DeadEnd] = []
    seen: set[tuple[frozenset[int], int]] = set()
    # Each entry: what was done in which order, and the state after it.
    stack: list[tuple[tuple[int, ...], int]] = [((), sequential.initial)]
    while stack:
        order, state = stack.pop()
        done = frozenset(order)
        if completed <= done:
            return Explanation(tuple(operations[place] for place in order), ())
        if (done, state) in seen:
            continue
        seen.add((done, state))
        # Whatever was called after the first return of those still to come has to come after it.
        first_return = min(operations[place].returned or 0 for place in completed - done)
        following = []
        for place, each in enumerate(operations):
            if place in done or each.called > first_return:
                continue
            answer = sequential.apply(state, asked[place])
            if answer is not None and answers[place] in (None, answer[1]):
                following.append(((*order, place), answer[0]))
            elif answers[place] is not None:
                expected = WAITS if answer is None else sequential.value(answer[1])
                dead_ends.append(DeadEnd(tuple(operations[at] for at in order), each, expected))
        stack.extend(reversed(following))
    return Explanation(None, tuple(dead_ends))


Configuration = tuple[int, tuple[int | None, ...]]
"""A state and, for each pending operation, the result that it was given in advance; None where it had no effect so far."""


class _Possible(NamedTuple):
    """A detector's memo: the pending operations by thread, and every configuration that the history so far allows."""

    pending: tuple[tuple[str, int], ...]
    configurations: frozenset[Configuration]


class Linearizability(Detector):
    """Histories that no order of the operations explains, seen at the return that leaves no configuration over.

    The set of configurations is closed under giving a pending operation its effect now. A return keeps those in which
    the operation was given the result that it returns. So after each step the set is exactly what all orders so far can
    lead to, and it is empty exactly when there is none. Exchanging threads with the same calls exchanges them in the memo,
    and changes nothing else about it.
    """

    kind = Kind.FAILED_INVARIANT

    def __init__(self, specification: object) -> None:
        self.sequential = specification if isinstance(specification, Sequential) else Sequential(specification)
        self.sighting = Sighting(self.kind, (), f"linearizable as {self.sequential.name}")

    def start(self, notices: Mapping[str, tuple[Notice, ...]]) -> tuple[Memo, Sightings]:
        return _Possible((), frozenset({(self.sequential.initial, ())})), ()

    def after(self, memo: Memo, event: Event) -> tuple[Memo, Sightings]:
        if not isinstance(memo, _Possible):
            return memo, ()  # A history that failed before.
        match event.operation:
            case Call(name, arguments):
                for thread, inside in memo.pending:
                    if thread == event.thread:
                        raise _nested(event, self.sequential.name_of(inside))
                return self._called(memo, event.thread, self._operation(event, name, arguments)), ()
            case Return(value):
                left = self._returned(memo, event, value)
                return (left, ()) if left.configurations else (None, (self.sighting,))
            case _:
                return memo, ()

    def _operation(self, event: Event, name: str, arguments: tuple[object, ...]) -> int:
        try:
            return self.sequential.operation(name, arguments)
        except ProgramError as error:
            raise ProgramError(f"{event.where}: thread {event.thread!r} calls {name!r}: {error}") from None

    def _called(self, memo: _Possible, thread: str, operation: int) -> _Possible:
        # In thread order, so that two orders of calls are one memo.
        pending = tuple(sorted((*memo.pending, (thread, operation))))
        place = pending.index((thread, operation))
        found: set[Configuration] = set()
        waiting = [(state, (*given[:place], None, *given[place:])) for state, given in memo.configurations]
        while waiting:
            configuration = waiting.pop()
            if configuration in found:
                continue
            found.add(configuration)
            state, given = configuration
            for at, (_, asked) in enumerate(pending):
                if given[at] is None:
                    answer = self.sequential.apply(state, asked)
                    if answer is not None:
                        waiting.append((answer[0], (*given[:at], answer[1], *given[at + 1 :])))
        return _Possible(pending, frozenset(found))

    def _returned(self, memo: _Possible, event: Event, value: object) -> _Possible:
        threads = [thread for thread, _ in memo.pending]
        if event.thread not in threads:
            raise _without_call(event)
        place = threads.index(event.thread)
        result = self.sequential.number(value)
        # What is left is still closed: from each configuration that stays, its steps without this operation stay, too.
        return _Possible(
            (*memo.pending[:place], *memo.pending[place + 1 :]),
            frozenset(
                (state, (*given[:place], *given[place + 1 :]))
                for state, given in memo.configurations
                if given[place] == result
            ),
        )

    def explain(self, sighting: Sighting, run: Run) -> Finding:
        history = history_of(run.events)
        last = next(each for each in history if each.returned == len(run))
        memo, _ = self.start(run.start)
        for event in run.events[:-1]:
            memo, _ = self.after(memo, event)
        assert isinstance(memo, _Possible)
        place = [thread for thread, _ in memo.pending].index(last.thread)
        possible = {given[place] for _, given in memo.configurations} - {None}
        results = sorted(stable_repr(self.sequential.value(result)) for result in possible if result is not None)
        told = f"only {' or '.join(results)} could be explained" if results else "it would have to wait still"
        return Finding(
            kind=self.kind,
            objects=(),
            threads=tuple(dict.fromkeys(each.thread for each in history)),
            why=f"{last.thread}'s {call_text(last.name, last.arguments)} returned {show_value(last.result)}, and no order of "
            f"the operations explains that: {told}",
            steps=(
                Step.of(last.called, run.events[last.called - 1]),
                Step.of(len(run), run.events[-1]),
            ),
            detail=sighting.detail,
        )
