"""Programs: what can be one, and what each mistake is told."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from simulator.census import count
from simulator.errors import ProgramError
from simulator.explore import check
from simulator.ops import Check, Read, Write
from simulator.program import Program, holds

Body = Generator[Any, Any, None]


def body() -> Body:
    yield Read("x")


@pytest.mark.parametrize("name", ["", "a b", "a*2", "a|b", "a,b", "a\n", 3, None])
def test_thread_names_that_schedules_cannot_be_written_with(name: Any) -> None:
    with pytest.raises(ProgramError, match="cannot be used"):
        Program({name: body})


def test_a_program_has_threads() -> None:
    with pytest.raises(ProgramError, match="has no threads"):
        Program({})


@pytest.mark.parametrize("wrong", [3, None, "body"])
def test_a_body_can_be_called(wrong: Any) -> None:
    with pytest.raises(ProgramError, match="cannot be called"):
        Program({"a": wrong})


@pytest.mark.parametrize("value", [[], {}, set(), ([],)], ids=repr)
def test_values_in_memory_can_be_hashed(value: object) -> None:
    with pytest.raises(ProgramError, match=r"memory location 'x' starts as .*, which cannot be hashed"):
        Program({"a": body}, memory={"x": value})


def test_a_lock_is_of_one_kind() -> None:
    with pytest.raises(ProgramError, match="in both locks and rlocks"):
        Program({"a": body}, locks=["m"], rlocks=["m"])


def test_a_property_is_a_function() -> None:
    with pytest.raises(ProgramError, match="expected a function from the memory to bool"):
        Program({"a": body}, always=3)  # type: ignore[arg-type]


def test_properties_are_named() -> None:
    def positive(memory: Any) -> bool:
        return bool(memory["x"] > 0)

    program = Program({"a": body}, memory={"x": 1}, finally_=positive, always=lambda memory: True)
    assert list(program.final_properties) == ["positive"]
    assert list(program.step_properties) == ["always"]
    assert list(Program({"a": body}, finally_={"one": positive, "two": positive}).final_properties) == ["one", "two"]


def test_a_program_does_not_change_when_what_it_was_made_from_does() -> None:
    memory, locks, bodies = {"x": 0}, ["m"], {"a": body}
    program = Program(bodies, memory=memory, locks=locks)
    memory["x"], bodies["b"] = 5, body
    locks.append("n")
    assert (dict(program.memory), program.all_locks, program.threads) == ({"x": 0}, ("m",), ("a",))
    with pytest.raises(TypeError):
        program.memory["x"] = 1  # type: ignore[index]


def test_how_a_property_holds() -> None:
    def asserts(memory: Any) -> bool:
        assert memory["x"]
        return True

    assert holds("p", asserts, {"x": 1})
    assert not holds("p", asserts, {"x": 0})


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (lambda memory: memory["z"], "property 'p' raised KeyError: 'z' on memory {'x': 0}"),
        (lambda memory: None, "property 'p' returned None; return True or False"),
    ],
)
def test_a_property_that_does_not_answer(condition: Any, said: str) -> None:
    with pytest.raises(ProgramError) as caught:
        holds("p", condition, {"x": 0})
    assert said in str(caught.value)


def test_bodies_over_different_cells_are_not_interchangeable() -> None:
    def make(value: int) -> Any:
        def inner() -> Body:
            yield Read(value)

        return inner

    assert Program({"a": make(1), "b": make(1), "c": make(2)}).interchangeable() == ((0, 1), (2,))


class Entity:
    """Equal by its name, as entities of a database are; what it does depends on more."""

    def __init__(self, name: str, amount: int) -> None:
        self.name = name
        self.amount = amount

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entity) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


def test_bodies_over_entities_that_are_equal_and_differ_are_not_interchangeable() -> None:
    def write(entity: Entity) -> Generator[Any, Any, None]:
        yield Write("x", entity.amount)

    differing = Program({"a": partial(write, Entity("e", 1)), "b": partial(write, Entity("e", 2))}, memory={"x": 0})
    assert {str(outcome) for outcome in count(differing).outcomes} == {"x=1", "x=2"}
    alike = Program({"a": partial(write, Entity("e", 1)), "b": partial(write, Entity("e", 1))})
    assert alike.interchangeable() == ((0, 1),)


@pytest.mark.parametrize(
    "answer",
    [(value == 99 for value in [1]), (False, "x is 99"), "x must be 99", lambda: False, 1, []],
    ids=["all forgotten", "with its message", "text", "not called", "number", "list"],
)
def test_a_property_that_answers_neither_true_nor_false_is_refused(answer: object) -> None:
    def body() -> Generator[Any, Any, None]:
        yield Write("x", 1)

    with pytest.raises(ProgramError, match=r"property 'finally_' returned .*, expected True or False"):
        check(Program({"a": body}, memory={"x": 0}, finally_=lambda memory: answer))  # type: ignore[arg-type, return-value]


def test_a_property_cannot_change_what_the_next_one_sees() -> None:
    def body() -> Generator[Any, Any, None]:
        yield Write("x", 1)

    def changes(memory: Any) -> bool:
        memory["x"] = 2
        return True

    with pytest.raises(ProgramError, match="'changes' raised TypeError: 'mappingproxy' object does not support"):
        check(Program({"a": body}, memory={"x": 0}, finally_=changes))


@pytest.mark.parametrize("condition", [(False, "message"), (value for value in [0]), lambda: False])
def test_a_check_that_could_never_fail_is_refused(condition: object) -> None:
    def body() -> Generator[Any, Any, None]:
        yield Check(condition)  # type: ignore[arg-type]
        yield Write("x", 1)

    with pytest.raises(ProgramError, match=r"thread 'a' yielded a Check of .*, which counts as true"):
        check(Program({"a": body}))
