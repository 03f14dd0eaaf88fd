"""Serial orders: what a program does when its threads run one after the other, each from its first step to its last.

The outcomes of the serial orders are an oracle that nobody has to write: a program whose every outcome is that of some
serial order behaves as if its threads took turns (serialisability; Papadimitriou 1979, with the final memory for what a reader
sees). It knows no interleaving that is not serial.
"""

from __future__ import annotations

from collections.abc import Mapping

from simulator.errors import LimitError
from simulator.machine import Machine, State
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.trace import Outcome

__all__ = ["LONGEST", "MOST", "serial_outcomes", "serial_states"]

LONGEST = 10_000
"""Steps of one thread, alone and without coming back to a state, after which it is not known whether it ends."""
MOST = 1_000_000
"""Sets of threads with a state they lead to that are looked at, unless the budget's `max_states` is larger."""
LOOK_AT_CLOCK = 1_024
"""Steps and sets between two looks at the clock."""


def serial_outcomes(program: Program | Machine, *, budget: Budget | None = None) -> Mapping[Outcome, tuple[str, ...]]:
    """Each outcome of a serial order, with the order that leads to it: the first one in thread order.

    A thread that is blocked when its turn comes stays behind (nobody will give back the lock that it waits for), and the
    outcome is a deadlock. An order in which some thread runs for ever has no outcome.

    Of interchangeable threads, only one order among themselves is looked at, for the others end alike; and threads in different
    orders that lead to one state are followed once: 2ⁿ sets of threads, not n! orders. Raises LimitError when those, each
    with a state it leads to, are more than 1,000,000 and than the budget's `max_states`; when the budget's time is up; and
    when a thread runs for more than 10,000 steps and never comes back to a state.

    >>> from simulator.ops import Read, Write
    >>> def doubles():
    ...     yield Write("x", 2 * (yield Read("x")))
    >>> def adds():
    ...     yield Write("x", (yield Read("x")) + 1)
    >>> program = Program({"a": doubles, "b": adds}, memory={"x": 1})
    >>> {str(outcome): order for outcome, order in serial_outcomes(program).items()}
    {'x=3': ('a', 'b'), 'x=4': ('b', 'a')}
    """
    machine = program if isinstance(program, Machine) else Machine(program)
    found: dict[Outcome, tuple[str, ...]] = {}
    for state, order in serial_states(machine, budget=budget).items():
        found.setdefault(machine.outcome(state), order)
    return found


def serial_states(machine: Machine, *, budget: Budget | None = None) -> Mapping[State, tuple[str, ...]]:
    """The states that serial orders end in, each with the first order in thread order: `serial_outcomes` in full."""
    work = _Work(budget or Budget())
    threads = range(len(machine.threads))
    first: dict[tuple[frozenset[int], State], tuple[int, ...]] = {(frozenset(), machine.initial): ()}
    alone: dict[tuple[State, int], State | None] = {}
    for _ in threads:
        following: dict[tuple[frozenset[int], State], tuple[int, ...]] = {}
        # In the order of the orders, so that the first way to a state is the first in thread order.
        for (done, state), order in sorted(first.items(), key=lambda item: item[1]):
            for members in machine.classes:
                thread = next((thread for thread in members if thread not in done), None)
                if thread is None:
                    continue
                if (state, thread) not in alone:
                    alone[state, thread] = _alone(machine, state, thread, work)
                reached = alone[state, thread]
                if reached is not None:
                    key = (done | {thread}, reached)
                    way = (*order, thread)
                    if key not in following:
                        work.another_set()
                    following[key] = min(following.get(key, way), way)
        first = following
    found: dict[State, tuple[str, ...]] = {}
    for (_, state), order in sorted(first.items(), key=lambda item: item[1]):
        found.setdefault(state, tuple(machine.threads[thread] for thread in order))
    return found


class _Work:
    """What was done so far. Raises LimitError as soon as it is too much."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._deadline = budget.deadline()
        self._limit = max(MOST, budget.max_states or 0)
        self._sets = 0
        self._done = 0

    def another_set(self) -> None:
        self._sets += 1
        if self._sets > self._limit:
            raise LimitError(f"more than {self._limit:,} sets of threads and states (a larger max_states allows more)")
        self.another_step()

    def another_step(self) -> None:
        self._done += 1
        if self._done % LOOK_AT_CLOCK == 0 and self._budget.late(self._deadline, self._sets):
            raise LimitError("the time was up (timeout)")


def _alone(machine: Machine, state: State, thread: int, work: _Work) -> State | None:
    """The state once a thread has gone on as far as it can; None when it never stops."""
    seen = {state}
    while thread in machine.enabled(state):
        work.another_step()
        state, _ = machine.move(state, thread)
        if state in seen:
            return None
        seen.add(state)
        if len(seen) > LONGEST:
            raise LimitError(f"{machine.threads[thread]} alone takes more than {LONGEST:,} steps and may never end")
    return state
