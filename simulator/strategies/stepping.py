"""A run in the making: the state reached, who took each step, and who may take the next, the simplest choice first.

Knows in which order Hypothesis is to be offered its choices, and not who chooses.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from simulator.machine import Machine, State
from simulator.program import Program
from simulator.trace import Schedule

__all__ = ["Stepping", "machine_of"]


@lru_cache(maxsize=16)
def machine_of(program: Program) -> Machine:
    """The machine of a program, kept for as long as few others are asked for: what it has grown is there the next time."""
    return Machine(program)


class Stepping:
    """A run from the first state on, a step at a time.

    First comes the thread that took the last step, for to go on with it is no preemption; then the others, in thread
    order. But a thread whose step leads back to where the run has been stands behind those whose step does not, the more
    so the more often it was there: so whoever always takes the first choice comes to the end of any program that has finitely
    many states and can end from each of them, those that wait in a loop too.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.state: State = machine.initial
        self.taken: list[int] = []
        self._visits = Counter([self.state])
        self._choices = self._ordered()

    @property
    def choices(self) -> list[int]:
        """The enabled threads, by number, the simplest choice first; empty at the end."""
        return [thread for thread, _ in self._choices]

    @property
    def schedule(self) -> Schedule:
        """Who took each step so far."""
        return Schedule(self.machine.threads[thread] for thread in self.taken)

    def take(self, choice: int) -> None:
        """Take the step of one of the choices, by its place among them."""
        thread, self.state = self._choices[choice]
        self.taken.append(thread)
        self._visits[self.state] += 1
        self._choices = self._ordered()

    def _ordered(self) -> list[tuple[int, State]]:
        able = self.machine.successors(self.state)
        if len(able) > 1:
            visits, last = self._visits, self.taken[-1] if self.taken else 0
            able.sort(key=lambda choice: (visits[choice[1]], choice[0] != last))
        return able
