"""Random walks: each enabled thread equally likely, and the caller's randomness."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import islice

from scenarios.counter import counter
from simulator.machine import Machine
from simulator.search.random_walk import random_walks
from tests.laws.chances import distribution

MACHINE = Machine(counter.program(threads=2))


def test_two_threads_of_three_steps_each_choice_is_one_half() -> None:
    odds = distribution(lambda draw: next(random_walks(MACHINE, draw=draw)).schedule)
    # No choice is left once a thread has ended: t0*3 t1*3 takes three choices, t0*2 t1*2 t0 t1 five.
    assert len(odds) == 20
    assert odds[0, 0, 0, 1, 1, 1] == Fraction(1, 8)
    assert odds[0, 0, 1, 1, 0, 1] == Fraction(1, 32)


def test_the_caller_owns_the_generator_and_can_go_on_where_it_was() -> None:
    straight = [run.schedule for run in islice(random_walks(MACHINE, draw=random.Random(7).random), 10)]
    chance = random.Random(7)
    first = [run.schedule for run in islice(random_walks(MACHINE, draw=chance.random), 4)]
    then = [run.schedule for run in islice(random_walks(MACHINE, draw=chance.random), 6)]
    assert first + then == straight
