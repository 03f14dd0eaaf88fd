"""Laws of linearizability: the search over all histories at once against brute force over each of them.

The brute force is the definition: an order of the completed operations and of some pending ones, which keeps apart in
order what does not overlap, and in which the specification, run plainly, gives each completed one its result. Histories
come from naive enumeration. Specifications are counters, stacks, queues and random tables; implementations take a
discipline for each operation, so that right and wrong ones come out.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulator.analysis.linearizability import WAITS, Interval, explain_history, history_of
from simulator.census import count
from simulator.explore import explore
from simulator.linearizability import Calls, check_histories, object_program
from simulator.ops import Acquire, CompareAndSwap, Read, Release, Update, Write
from simulator.program import Program
from simulator.trace import Run
from tests.conftest import PROFILE

many = settings(max_examples=2000 if PROFILE == "thorough" else 100)
MOST = 1_000
"""Interleavings that brute force goes through."""


# -- specifications


class Counting:
    initial = 0

    @staticmethod
    def inc(state: int) -> Any:
        return state + 1, state

    @staticmethod
    def get(state: int) -> Any:
        return state, state


class Stacking:
    initial = ()

    @staticmethod
    def put(state: tuple[int, ...], item: int) -> Any:
        return (*state, item), None

    @staticmethod
    def take(state: tuple[int, ...]) -> Any:
        return (state[:-1], state[-1]) if state else (state, None)


class Queueing(Stacking):
    @staticmethod
    def take(state: tuple[int, ...]) -> Any:
        return (state[1:], state[0]) if state else (state, None)


class Waiting(Queueing):
    @staticmethod
    def take(state: tuple[int, ...]) -> Any:
        return (state[1:], state[0]) if state else WAITS


@dataclass(frozen=True)
class Table:
    """A specification at random: for each operation and state the next state and the result, or None to wait."""

    rows: tuple[tuple[tuple[int, int] | None, ...], ...]
    initial: int = 0

    def p(self, state: int) -> Any:
        return self.rows[0][state] or WAITS

    def q(self, state: int) -> Any:
        return self.rows[1][state] or WAITS


OPERATIONS: dict[object, list[str | tuple[Any, ...]]] = {
    Counting: ["inc", "get"],
    Stacking: [("put", 1), ("put", 2), "take"],
    Queueing: [("put", 1), ("put", 2), "take"],
    Waiting: [("put", 1), ("put", 2), "take"],
}
NAMES = {Counting: ("inc", "get"), Stacking: ("put", "take"), Queueing: ("put", "take"), Waiting: ("put", "take")}


def tables(*, waiting: bool) -> st.SearchStrategy[Table]:
    answer = st.tuples(st.integers(0, 2), st.integers(0, 1))
    row = st.tuples(*[st.one_of(st.none(), answer, answer, answer) if waiting else answer] * 3)
    return st.builds(Table, st.tuples(row, row))


# -- implementations: ways to take a specification's function to the location `state`


def plainly(function: Any, state: Any, *arguments: Any) -> Any:
    """The function's answer; an operation that would have to wait does nothing here, and is wrong."""
    answer = function(state, *arguments)
    return (state, None) if answer is WAITS else answer


def next_state(state: Any, function: Any, *arguments: Any) -> Any:
    return plainly(function, state, *arguments)[0]


def racy(function: Any, *arguments: Any) -> Any:
    state, result = plainly(function, (yield Read("state")), *arguments)
    yield Write("state", state)
    return result


def locked(function: Any, *arguments: Any) -> Any:
    yield Acquire("lock")
    result = yield from racy(function, *arguments)
    yield Release("lock")
    return result


def atomic(function: Any, *arguments: Any) -> Any:
    return plainly(function, (yield Update("state", next_state, function, *arguments)), *arguments)[1]


def retrying(function: Any, *arguments: Any) -> Any:
    while True:
        old = yield Read("state")
        state, result = plainly(function, old, *arguments)
        if (yield CompareAndSwap("state", old, state)):
            return result


def hopeful(function: Any, *arguments: Any) -> Any:
    old = yield Read("state")
    state, result = plainly(function, old, *arguments)
    yield CompareAndSwap("state", old, state)
    return result


def idle(function: Any, *arguments: Any) -> Any:
    return plainly(function, (yield Read("state")), *arguments)[1]


def crashing(function: Any, *arguments: Any) -> Any:
    """The operation takes effect and never returns."""
    yield Update("state", next_state, function, *arguments)
    raise ValueError("crashed")


def keeping(function: Any, *arguments: Any) -> Any:
    """The lock is never given back."""
    yield Acquire("lock")
    return (yield from racy(function, *arguments))


DISCIPLINES = [racy, racy, locked, locked, atomic, atomic, retrying, hopeful, idle, crashing, keeping]
SHAPES = [(1, 1), (2, 1), (2, 2), (1, 1, 1), (2, 1, 1)]


@dataclass(frozen=True)
class Drawn:
    """A specification, a discipline for each of its operations, and who calls what."""

    specification: Any
    disciplines: tuple[tuple[str, Any], ...]
    threads: tuple[tuple[Any, ...], ...]

    def program(self) -> Program:
        implementation = {
            name: partial(discipline, getattr(self.specification, name)) for name, discipline in self.disciplines
        }
        threads: dict[str, Calls] = {f"t{number}": list(calls) for number, calls in enumerate(self.threads)}
        memory = {"state": self.specification.initial}
        return object_program(implementation, threads, memory=memory, locks=["lock"])


@st.composite
def objects(draw: st.DrawFn, disciplines: list[Any] = DISCIPLINES, *, waiting: bool = True) -> Drawn:
    kinds: list[Any] = [Counting, Stacking, Queueing, *([Waiting] if waiting else []), Table]
    kind = draw(st.sampled_from(kinds))
    specification = draw(tables(waiting=waiting)) if kind is Table else kind
    names = NAMES.get(kind, ("p", "q"))
    calls = st.sampled_from(OPERATIONS.get(kind, ["p", "q"]))
    return Drawn(
        specification,
        tuple((name, draw(st.sampled_from(disciplines))) for name in names),
        tuple(tuple(draw(calls) for _ in range(length)) for length in draw(st.sampled_from(SHAPES))),
    )


# -- brute force


def precedes(first: Interval, second: Interval) -> bool:
    return first.returned is not None and first.returned < second.called


def explains(specification: Any, order: tuple[Interval, ...]) -> bool:
    """Whether an order keeps apart in order what does not overlap, and the specification gives what was returned."""
    if any(precedes(later, earlier) for earlier, later in itertools.combinations(order, 2)):
        return False
    state = specification.initial
    for each in order:
        answer = getattr(specification, each.name)(state, *each.arguments)
        if answer is WAITS or (each.returned is not None and answer[1] != each.result):
            return False
        state = answer[0]
    return True


def brute_force(specification: Any, history: tuple[Interval, ...]) -> bool:
    completed = [each for each in history if each.returned is not None]
    pending = [each for each in history if each.returned is None]
    return any(
        explains(specification, order)
        for size in range(len(pending) + 1)
        for some in itertools.combinations(pending, size)
        for order in itertools.permutations([*completed, *some])
    )


def shape(history: tuple[Interval, ...]) -> tuple[Any, ...]:
    """A history by the order of its calls and returns alone."""
    steps = sorted(step for each in history for step in (each.called, each.returned) if step is not None)
    at = {step: place for place, step in enumerate(steps)}
    return tuple(
        (each.thread, each.name, each.arguments, at[each.called], each.returned and at[each.returned], each.result)
        for each in history
    )


def preemptions(run: Run, steps: int) -> int:
    return sum(
        now.thread != before.thread and before.thread in situation.enabled
        for before, now, situation in zip(run.events[:steps], run.events[1:steps], run.situations[1:], strict=False)
    )


def runs_of(program: Program) -> Iterator[Run]:
    return explore(program, scheduler="naive")


@many
@given(objects())
def test_all_histories_at_once_are_each_of_them_by_brute_force(drawn: Drawn) -> None:
    program = drawn.program()
    assume(count(program).interleavings <= MOST)
    specification = drawn.specification
    known: dict[tuple[Any, ...], bool] = {}
    failing: list[tuple[int, int, tuple[int, ...]]] = []
    for run in runs_of(program):
        whole = history_of(run.events)
        if shape(whole) not in known:
            known[shape(whole)] = brute_force(specification, whole)
        if known[shape(whole)]:
            continue
        # The history fails at its first prefix that does.
        for interval in sorted((each for each in whole if each.returned), key=lambda each: each.returned or 0):
            steps = interval.returned or 0
            beginning = history_of(run.events[:steps])
            if shape(beginning) not in known:
                known[shape(beginning)] = brute_force(specification, beginning)
            if not known[shape(beginning)]:
                numbers = tuple(program.threads.index(event.thread) for event in run.events[:steps])
                failing.append((preemptions(run, steps), steps, numbers))
                break
    checked = check_histories(specification, program)
    assert checked.complete
    assert checked.linearizable == (not failing)
    found = checked.counterexample
    if found is not None:
        assert found.shortest
        assert found.run.preemptions == preemptions(found.run, len(found.run))
        numbers = tuple(program.threads.index(name) for name in found.schedule)
        assert (found.run.preemptions, len(found.run), numbers) == min(failing)
        assert not brute_force(specification, found.history)
        assert found.dead_ends


@many
@given(objects())
def test_one_history_is_explained_exactly_when_brute_force_finds_an_order(drawn: Drawn) -> None:
    program = drawn.program()
    assume(count(program).interleavings <= MOST)
    seen = set()
    for run in runs_of(program):
        history = history_of(run.events)
        if shape(history) in seen:
            continue
        seen.add(shape(history))
        explanation = explain_history(drawn.specification, history)
        assert explanation.linearizable == brute_force(drawn.specification, history)
        if explanation.order is not None:
            assert explains(drawn.specification, explanation.order)
            assert {each for each in history if each.returned} <= set(explanation.order)
        for dead_end in explanation.dead_ends:
            assert dead_end.operation.returned
            assert explains(drawn.specification, dead_end.before)
            assert not explains(drawn.specification, (*dead_end.before, dead_end.operation))


@many
@given(objects())
def test_a_single_thread_is_linearizable_exactly_when_it_is_sequentially_right(drawn: Drawn) -> None:
    calls = tuple(itertools.chain(*drawn.threads))
    program = Drawn(drawn.specification, drawn.disciplines, (calls,)).program()
    (run,) = runs_of(program)
    right, state = True, drawn.specification.initial
    for each in history_of(run.events):
        answer = getattr(drawn.specification, each.name)(state, *each.arguments)
        if each.returned is None:
            break
        if answer is WAITS or answer[1] != each.result:
            right = False
            break
        state = answer[0]
    assert check_histories(drawn.specification, program).linearizable == right


@many
@given(objects([locked], waiting=False))
def test_an_object_under_one_lock_is_linearizable(drawn: Drawn) -> None:
    checked = check_histories(drawn.specification, drawn.program())
    assert checked.linearizable
    assert checked.findings == ()


@many
@given(objects([atomic, retrying], waiting=False))
def test_an_object_of_atomic_steps_is_linearizable(drawn: Drawn) -> None:
    assert check_histories(drawn.specification, drawn.program()).linearizable


def test_what_is_drawn_is_right_and_wrong_in_every_way() -> None:
    told: Counter[object] = Counter()

    @settings(max_examples=200, database=None)
    @given(objects())
    def draw(drawn: Drawn) -> None:
        checked = check_histories(drawn.specification, drawn.program())
        told[type(drawn.specification) if isinstance(drawn.specification, Table) else drawn.specification] += 1
        told[checked.linearizable] += 1
        told.update(finding.kind for finding in checked.findings)

    draw()
    for what in (Counting, Stacking, Queueing, Waiting, Table, True, False, "crash", "deadlock"):
        assert told[what] >= 5, (what, told)
