"""A user's own file, written as the README shows it."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.command_line import simulator

# A class of theirs with a race, and its steps as a body.
MINE = '''
from functools import partial
from typing import Annotated, Literal

from simulator import Acquire, Add, Program, Range, Read, Release, Write, scenario


class Stock:
    """Sells what it has; two customers can buy the last one."""

    def __init__(self, pieces):
        self.pieces = pieces

    def buy(self):
        if self.pieces > 0:
            self.pieces -= 1


def buy():
    pieces = yield Read("pieces")
    if pieces > 0:
        pieces = yield Read("pieces")
        pieces = yield Add(pieces, -1)
        yield Write("pieces", pieces)


def never_negative(memory):
    return memory["pieces"] >= 0


program = Program({"ann": buy, "bob": buy}, memory={"pieces": 1}, always=never_negative, name="stock")


def shop(
    customers: Annotated[int, Range(1, 5), "how many buy"] = 2,
    pieces: int = 1,
    till: Literal["open", "locked"] = "open",
    price: float = 1.5,
):
    """A shop of any size."""

    def locked():
        yield Acquire("till")
        yield from buy()
        yield Release("till")

    body = locked if till == "locked" else buy
    return Program(
        {f"c{number}": body for number in range(customers)},
        memory={"pieces": pieces},
        locks=["till"],
        always=never_negative,
        name="shop",
    )


@scenario(summary="The same, as a scenario.")
def stock(customers: Annotated[int, Range(1, 5), "how many buy"] = 2) -> Program:
    return shop(customers)
'''


def test_a_program_of_a_module_is_explored(write: Callable[..., str]) -> None:
    ran = simulator("explore", f"{write(MINE)}:program")
    assert ran.code == 1
    assert ran.lines[0] == "stock: 2 threads (ann, bob)"
    assert "failed invariant never_negative" in ran.out
    assert "pieces=-1" in ran.out


def test_a_function_s_annotated_parameters_become_options(write: Callable[..., str]) -> None:
    path = f"{write(MINE)}:shop"
    help_ = " ".join(simulator("explore", path, "--help").out.split())
    assert "shop: A shop of any size." in help_
    assert "--customers NUMBER how many buy [1 to 5; default: 2]" in help_
    assert "--pieces NUMBER [default: 1]" in help_
    assert "--till [open|locked] [default: open]" in help_
    assert simulator("explore", path, "--till", "locked", "--customers", "3").code == 0
    assert simulator("explore", path, "--customers", "3", "--json").json["threads"] == ["c0", "c1", "c2"]
    assert simulator("explore", path, "--customers", "9").refused() == (
        "Invalid value for '--customers': 9, expected a whole number, 1 to 5"
    )
    assert simulator("explore", path, "--till", "ajar").refused() == (
        "Invalid value for '--till': 'ajar' is not one of 'open', 'locked'."
    )


def test_a_scenario_of_a_file_and_of_a_module_is_explored(write: Callable[..., str]) -> None:
    name = write(MINE, "my_own_scenarios.py")
    assert simulator("count", f"{name}:stock", "--customers", "1").code == 0
    assert simulator("count", "my_own_scenarios:stock", "--customers", "1").code == 0


def test_every_command_takes_it(write: Callable[..., str]) -> None:
    path = f"{write(MINE)}:program"
    assert simulator("enumerate", path, "--limit", "1").lines[0].split() == ["1", "pieces=0", "ann*4", "bob"]
    assert simulator("replay", path, "ann bob", "--finish").code in (0, 1)
    assert simulator("graph", path, "-o", "mine.mmd").code == 0
    assert simulator("crosscheck", path, "--runs", "2", "--json").json["observed"] == []


STRATEGY = """
from scenarios.bank import LockStrategy, lock_of
from simulator.ops import Acquire, Release

class Backwards(LockStrategy):
    name = "backwards"
    promise = "no lost update, no deadlock"

    def enter(self, source, target):
        yield from self.both(max(source, target), min(source, target))

    def leave(self, source, target):
        yield Release(lock_of(source))
        yield Release(lock_of(target))

class Unfinished(LockStrategy):
    name = "unfinished"
    promise = "nothing"

class Other:
    pass

number = 3
"""


def test_a_lock_strategy_of_one_s_own_is_named_by_file_and_class(write: Callable[..., str]) -> None:
    path = write(STRATEGY)
    assert simulator("explore", "bank", "--strategy", f"{path}:Backwards").code == 0
    assert simulator("explore", "--strategy", f"{path}:Backwards", "bank").code == 0


def test_a_lock_strategy_that_is_none_is_refused(write: Callable[..., str]) -> None:
    path = write(STRATEGY)

    def said(strategy: str) -> str:
        return simulator("explore", "bank", "--strategy", strategy).refused()

    assert (
        said(f"{path}:Other")
        == "mine.py:Other is the class Other, expected a class derived from scenarios.bank.LockStrategy"
    )
    assert said(f"{path}:number") == "mine.py:number is 3, expected a class derived from scenarios.bank.LockStrategy"
    assert said(f"{path}:Backward") == "mine.py has no attribute 'Backward'; did you mean 'Backwards'?"
    assert said("none.py:Backwards") == "none.py: no such file"
    assert simulator("explore", "bank", "--strategy", f"{path}:Unfinished").code in (1, 2)
