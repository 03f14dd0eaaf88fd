"""Linearizability: known objects, known histories, what is said of them, and what cannot be asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from scenarios.objects import EXAMPLES, Counter, Queue, RacyCounter, Stack, object_under_test
from simulator.analysis.finding import Kind
from simulator.analysis.linearizability import WAITS, Interval, Sequential, explain_history, history_of
from simulator.assertions import IncompleteFailure, InterleavingFailure
from simulator.errors import NondeterminismError, ProgramError, UsageError
from simulator.linearizability import assert_linearizable, check_histories, check_linearizable, object_program
from simulator.ops import Acquire, Call, Pause, Read, Release, Return, Update, Write
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.replay import replay

RACE: dict[str, list[Any]] = {"a": ["inc"], "b": ["inc"]}


# -- known objects


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_what_it_says(name: str) -> None:
    example = EXAMPLES[name]
    report = example.check()
    assert report.complete
    assert report.linearizable == example.linearizable
    assert (report.counterexample is None) == example.linearizable


@pytest.mark.parametrize("name", [name for name, example in EXAMPLES.items() if not example.linearizable])
def test_one_preemption_is_enough_for_each_wrong_example(name: str) -> None:
    found = EXAMPLES[name].check().counterexample
    assert found is not None
    assert (found.run.preemptions, found.shortest) == (1, True)


def test_a_racy_counter_gives_one_number_twice() -> None:
    report = check_linearizable(Counter, RacyCounter, RACE, memory={"count": 0})
    found = report.counterexample
    assert found is not None
    assert str(found.schedule) == "a*2 b*4 a*2"
    assert [(each.called, each.returned, each.text) for each in found.history] == [
        (1, 8, "inc() → 0"),
        (3, 6, "inc() → 0"),
    ]
    assert found.why == "a's inc() returned 0, and no order of the operations explains that: only 1 could be explained"
    assert list(map(str, found.dead_ends)) == [
        "a inc() → 0, then b inc() would return 1, not 0",
        "b inc() → 0, then a inc() would return 1, not 0",
    ]


def test_the_reused_node_is_popped_twice() -> None:
    found = EXAMPLES["reusing-stack"].check().counterexample
    assert found is not None
    assert [each.text for each in found.history if each.thread == "a"] == ["pop() → 'A'", "pop() → 'B'"]
    assert [each.text for each in found.history if each.thread == "b"] == [
        "pop() → 'A'",
        "pop() → 'B'",
        "push('A') → None",
    ]


def test_the_schedule_replays_to_the_same_history() -> None:
    report = EXAMPLES["lossy-queue"].check()
    found = report.counterexample
    assert found is not None
    run = replay(report.program, str(found.schedule))
    assert history_of(run.events) == found.history
    assert run.outcome is None or run.events[-1].operation == found.run.events[-1].operation


def test_a_scenario_can_be_explored_and_held_against_its_specification() -> None:
    program = object_under_test(example="racy-counter")
    assert isinstance(program, Program)
    assert not check_histories(Counter, program).linearizable
    with pytest.raises(UsageError, match="did you mean 'racy-counter'"):
        object_under_test(example="racy-conter")


def test_reads_that_go_back_in_time_are_not_linearizable() -> None:
    """Two readers see the two halves of one write the other way round: right alone, wrong across threads."""

    class Halves:
        initial = 0

        @staticmethod
        def write(_: int) -> Any:
            return 1, None

        @staticmethod
        def read(state: int) -> Any:
            return state, state

    def write() -> Any:
        yield Write("old", 1)
        yield Write("new", 1)

    def read() -> Any:
        new = yield Read("new")
        return new or (yield Read("old"))

    def second_read() -> Any:
        return (yield Read("new"))

    whole = {"write": write, "read": second_read}
    assert check_linearizable(
        Halves, whole, {"w": ["write"], "a": ["read", "read"], "b": ["read"]}, memory={"old": 0, "new": 0}
    ).linearizable

    class Mixed(Halves):
        peek = Halves.read

    report = check_linearizable(
        Mixed,
        {"write": write, "read": read, "peek": second_read},
        {"w": ["write"], "a": ["read", "peek"]},
        memory={"old": 0, "new": 0},
    )
    found = report.counterexample
    assert found is not None
    assert [each.text for each in found.history if each.thread == "a"] == ["read() → 1", "peek() → 0"]
    assert [each.text for each in found.history if each.thread == "w"] == ["write() pending"]


def test_a_waiting_loop_ends_the_search_nevertheless() -> None:
    report = EXAMPLES["herlihy-wing-queue"].check()
    assert report.linearizable


# -- single histories: those of Herlihy & Wing (1990), figure 1, on a first-in-first-out queue


def interval(thread: str, call: tuple[Any, ...], called: int, returned: int | None, result: object = None) -> Interval:
    return Interval(thread, call[0], call[1:], called, returned, result)


@pytest.mark.parametrize(
    ("history", "linearizable"),
    [
        (  # put(x) and put(y) overlap: either may be first
            [
                interval("a", ("put", "x"), 1, 3),
                interval("b", ("put", "y"), 2, 4),
                interval("b", ("get",), 5, 6, "x"),
                interval("a", ("get",), 7, 8, "y"),
            ],
            True,
        ),
        (  # and so it may be the one that is called later
            [
                interval("a", ("put", "x"), 1, 3),
                interval("b", ("put", "y"), 2, 4),
                interval("b", ("get",), 5, 6, "y"),
                interval("a", ("get",), 7, 8, "x"),
            ],
            True,
        ),
        (  # put(x) is over before put(y) begins, and y comes out first
            [
                interval("a", ("put", "x"), 1, 2),
                interval("b", ("put", "y"), 3, 5),
                interval("a", ("get",), 4, 6, "y"),
            ],
            False,
        ),
        (  # a pending put whose item is taken already has had its effect
            [interval("a", ("put", "x"), 1, None), interval("b", ("get",), 2, 3, "x")],
            True,
        ),
        (  # one item is taken twice
            [
                interval("a", ("put", "x"), 1, 2),
                interval("a", ("get",), 3, 5, "x"),
                interval("b", ("get",), 4, 6, "x"),
            ],
            False,
        ),
        ([], True),
    ],
)
def test_histories_of_a_queue(history: list[Interval], linearizable: bool) -> None:
    for order in itertools.permutations(history):
        assert explain_history(Queue, order).linearizable == linearizable


def test_a_pending_operation_without_effect_is_left_out_of_the_order() -> None:
    history = [interval("a", ("put", "x"), 1, None), interval("b", ("get",), 2, 3, None)]
    order = explain_history(Queue, history).order
    assert order is not None
    assert [each.thread for each in order] == ["b"]


def test_results_are_told_apart_as_programs_tell_them() -> None:
    class Flag:
        initial = False
        get = staticmethod(lambda state: (state, state))

    assert explain_history(Flag, [interval("a", ("get",), 1, 2, False)]).linearizable
    assert not explain_history(Flag, [interval("a", ("get",), 1, 2, 0)]).linearizable


def test_a_dead_end_says_that_an_operation_would_have_to_wait() -> None:
    explanation = explain_history(
        type("Waiting", (Queue,), {"get": staticmethod(lambda items: WAITS)}), [interval("a", ("get",), 1, 2, 5)]
    )
    assert list(map(str, explanation.dead_ends)) == ["a get() would have to wait, not return 5"]


# -- what is found besides


def test_an_operation_that_crashes_is_found_and_is_pending() -> None:
    def inc() -> Any:
        yield Update("count", lambda count: count + 1)
        raise ValueError("no")

    report = check_linearizable(
        Counter, {"inc": inc, "get": RacyCounter.get}, {"a": ["inc"], "b": ["get"]}, memory={"count": 0}
    )
    assert report.linearizable
    assert [finding.kind for finding in report.findings] == [Kind.CRASH]
    with pytest.raises(InterleavingFailure, match=r"crash at test_linearizability\.py"):
        assert_linearizable(Counter, {"inc": inc}, {"a": ["inc"]}, memory={"count": 0})


def test_operations_that_wait_for_each_other_are_found() -> None:
    def inc(first: str, second: str) -> Any:
        yield Acquire(first)
        yield Acquire(second)
        count = yield from RacyCounter.inc()
        yield Release(second)
        yield Release(first)
        return count

    class Spec:
        initial = 0
        inc = staticmethod(lambda state, first, second: (state + 1, state))

    threads: Any = {"a": [("inc", "m", "n")], "b": [("inc", "n", "m")]}
    report = check_linearizable(Spec, {"inc": inc}, threads, memory={"count": 0}, locks=["m", "n"])
    assert report.linearizable
    assert [finding.title for finding in report.findings] == ["deadlock on m, n"]
    assert "1. deadlock on m, n" in str(report)


# -- the assertion


def test_a_failure_shows_the_history_the_reasons_and_the_steps() -> None:
    with pytest.raises(InterleavingFailure) as failure:
        assert_linearizable(Counter, RacyCounter, RACE, memory={"count": 0})
    assert failure.value.schedule == "a*2 b*4 a*2"
    assert failure.value.finding is not None
    assert failure.value.finding.run is not None
    text = str(failure.value)
    for expected in (
        "assert_linearizable: RacyCounter as Counter is not linearizable",
        "   3   │         ┌ inc()",
        "   6   │         └ 0",
        "a inc() → 0, then b inc() would return 1, not 0",
        "shortest schedule: a*2 b*4 a*2   (8 steps, 1 preemption)",
        "read count → 0",
        'print(replay(check_linearizable(...).program, "a*2 b*4 a*2"))',
    ):
        assert expected in text


def test_a_budget_that_ran_out_is_no_pass() -> None:
    arguments: Any = (Stack, EXAMPLES["treiber-stack"].implementation, EXAMPLES["treiber-stack"].threads)
    small = {"memory": {"top": None}, "budget": Budget(max_states=50)}
    with pytest.raises(IncompleteFailure, match=r"max_states reached\): not a proof"):
        assert_linearizable(*arguments, **small)
    report = assert_linearizable(*arguments, **small, incomplete_ok=True)
    assert not report.complete
    assert not report.linearizable
    assert "no history yet that is not linearizable" in str(report)
    cut = check_linearizable(*arguments, memory={"top": None}, budget=Budget(max_steps=3))
    assert not cut.complete


def test_what_was_found_before_the_budget_ran_out_is_kept() -> None:
    longer: dict[str, list[Any]] = {"a": ["inc", "get"], "b": ["inc"]}
    whole = check_linearizable(Counter, RacyCounter, longer, memory={"count": 0})
    budget = Budget(max_states=whole.states - 1)
    report = check_linearizable(Counter, RacyCounter, longer, memory={"count": 0}, budget=budget)
    assert not report.complete
    assert report.counterexample is not None
    with pytest.raises(InterleavingFailure):
        assert_linearizable(Counter, RacyCounter, longer, memory={"count": 0}, budget=budget)


def test_more_values_than_the_state_has_room_for() -> None:
    threads: Any = {"a": ["inc"] * 70, "b": ["inc"]}
    report = check_linearizable(Counter, EXAMPLES["atomic-counter"].implementation, threads, memory={"count": 0})
    assert report.linearizable


def test_the_report_in_plain_types() -> None:
    told = check_linearizable(Counter, RacyCounter, RACE, memory={"count": 0}).to_dict()
    assert (told["specification"], told["linearizable"], told["complete"]) == ("Counter", False, True)
    assert told["counterexample"]["schedule"] == "a*2 b*4 a*2"
    assert told["counterexample"]["history"][0] == {
        "thread": "a",
        "operation": "inc()",
        "called": 1,
        "returned": 8,
        "result": 0,
    }
    assert (
        check_linearizable(Counter, RacyCounter, {"a": ["inc"]}, memory={"count": 0}).to_dict()["counterexample"]
        is None
    )


# -- what cannot be asked


def specified(**functions: Callable[..., object]) -> Any:
    return type("Spec", (), {"initial": 0, **{name: staticmethod(each) for name, each in functions.items()}})


TOSSES = itertools.count()


def tossed(_: int) -> Any:
    return 0, next(TOSSES)


@pytest.mark.parametrize(
    ("specification", "error", "said"),
    [
        (object(), ProgramError, "specification object has no initial state; give it one"),
        (specified(ink=lambda state: (state, state)), ProgramError, "has no operation 'inc'; did you mean 'ink'"),
        (
            specified(inc=lambda state: state),
            ProgramError,
            r"inc\(\) in state 0 returned 0, expected the next state and",
        ),
        (specified(inc=lambda state: None), ProgramError, "returned None, expected the next state and the result"),
        (specified(inc=lambda state: ([state], 0)), ProgramError, r"unhashable type: 'list'; use a tuple"),
        (specified(inc=lambda state: 1 // state), ProgramError, "raised ZeroDivisionError.*in every state, or WAITS"),
        (specified(inc=lambda: None), ProgramError, "raised TypeError.*takes 0 positional arguments"),
        (specified(inc=tossed), NondeterminismError, r"returned \(0, 0\) and then \(0, 1\); a specification gives one"),
        (type("Spec", (), {"initial": []}), ProgramError, r"starts as \[\]: unhashable"),
    ],
)
def test_a_specification_that_is_none(specification: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        check_linearizable(specification, RacyCounter, RACE, memory={"count": 0})


def test_an_error_in_a_specification_names_its_line() -> None:
    with pytest.raises(ProgramError, match=r"test_linearizability\.py:\d+: specification Spec: inc\(\) in state 0 "):
        check_linearizable(specified(inc=lambda state: state), RacyCounter, RACE, memory={"count": 0})


@pytest.mark.parametrize(
    ("threads", "said"),
    [
        ({"a": ["ink"]}, "thread 'a' is to call 'ink', which RacyCounter does not have; did you mean 'inc'"),
        ({"a": "inc"}, "the calls of thread 'a' are 'inc', expected a list of them"),
        ({"a": [3]}, "thread 'a' is to call 3, expected a name or a tuple"),
        ({"a": [()]}, "expected a name or a tuple"),
        ({"a": [("inc", [])]}, "unhashable type: 'list'; use a tuple"),
        ({}, "has no threads"),
    ],
)
def test_calls_that_cannot_be_made(threads: Any, said: str) -> None:
    with pytest.raises(ProgramError, match=said):
        check_linearizable(Counter, RacyCounter, threads, memory={"count": 0})


def test_an_implementation_that_is_no_generator_function() -> None:
    with pytest.raises(ProgramError, match=r"operation 'inc' of object is .*, which is no generator function"):
        object_program({"inc": lambda: 3}, {"a": ["inc"]})


def test_threads_that_are_no_mapping() -> None:
    with pytest.raises(UsageError, match="expected a mapping from names to calls"):
        object_program(RacyCounter, [["inc"]])  # type: ignore[arg-type]


def test_a_result_that_cannot_be_hashed_names_the_operation() -> None:
    def inc() -> Any:
        yield Pause()
        return []

    with pytest.raises(ProgramError, match=r"^inc\(\) returned \[\]: .*; use a tuple"):
        check_linearizable(Counter, {"inc": inc}, {"a": ["inc"]})


def test_an_argument_too_many_is_a_crash_of_the_operation() -> None:
    report = check_linearizable(
        specified(inc=lambda state, more: (state, more)), RacyCounter, {"a": [("inc", 1)]}, memory={"count": 0}
    )
    assert [finding.kind for finding in report.findings] == [Kind.CRASH]


def test_interleavings_are_no_budget_here() -> None:
    with pytest.raises(UsageError, match="max_states is the limit"):
        check_linearizable(Counter, RacyCounter, RACE, memory={"count": 0}, budget=Budget(max_interleavings=3))


def bare(*operations: Any) -> Any:
    yield from operations


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        ((Return(1),), r"thread 'a' yields Return\(value=1\) without a call; yield Call\(...\) first"),
        ((Call("inc"), Call("get")), r"thread 'a' calls Call\('get'\) inside its operation 'inc'; a thread returns"),
        ((Call("ink"),), "thread 'a' calls 'ink': specification Counter has no operation 'ink'; did you mean 'inc'"),
    ],
)
def test_calls_and_returns_that_do_not_match(operations: Any, said: str) -> None:
    program = Program({"a": partial(bare, *operations)})
    with pytest.raises(ProgramError, match=said):
        check_histories(Counter, program)


def test_a_specification_may_be_an_instance_or_a_module() -> None:
    import scenarios.objects as module

    class Instance:
        initial = 0

        def inc(self, state: int) -> Any:
            return state + 1, state

    assert check_linearizable(Instance(), RacyCounter, {"a": ["inc", "inc"]}, memory={"count": 0}).linearizable
    assert Sequential(Instance()).name == "Instance"
    with pytest.raises(ProgramError, match="specification objects has no initial state"):
        Sequential(module)
