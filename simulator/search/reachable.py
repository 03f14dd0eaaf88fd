"""Every state that can be reached, with the steps between them, for questions about where interleavings go in the end.

It keeps what `graph.py` lets go of: for each state what comes after it, so that cycles are found and the way back from
ends is gone. It knows nothing of what a state shows, and gives each a number in place of itself: the fewer steps it takes
to come there the lower, 0 for the initial state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simulator.machine import Machine, State
from simulator.search.budget import Budget, Stop

__all__ = ["Reachable", "places_before"]

LOOK_AT_CLOCK = 4096


class Reachable:
    """Every reachable state of a machine, breadth first; `stop` says whether these are all.

    `states` are those met, `after` the numbers of the states that follow each, in thread order, and `enabled` the threads
    whose steps these are, a bit for each. Looks at no more than `limit` states.

    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> graph = Reachable(Machine(Program({"a": body, "b": body})), Budget(), limit=10)
    >>> graph.after, graph.enabled, graph.path(3)
    ([(1, 2), (3,), (3,), ()], [3, 2, 1, 0], [0, 1])
    """

    def __init__(self, machine: Machine, budget: Budget, *, limit: int) -> None:
        self.stop = Stop.COMPLETE
        self.states: list[State] = [machine.initial]
        self.after: list[tuple[int, ...]] = []
        self.enabled: list[int] = []
        self._threads: dict[int, tuple[int, ...]] = {}
        # The state that each was first met from.
        self._parents = [0]
        numbers = {machine.initial: 0}
        states, parents = self.states, self._parents
        deadline = budget.deadline()
        for here, state in enumerate(states):
            enabled = 0
            following = []
            for thread, reached in machine.successors(state):
                enabled |= 1 << thread
                number = numbers.get(reached)
                if number is None:
                    number = numbers[reached] = len(states)
                    states.append(reached)
                    parents.append(here)
                following.append(number)
            self.after.append(tuple(following))
            self.enabled.append(enabled)
            if len(states) > limit:
                self.stop = Stop.STATES
                return
            if (here + 1) % LOOK_AT_CLOCK == 0 and budget.late(deadline, here + 1):
                self.stop = Stop.TIMEOUT
                return

    def moves(self, number: int) -> Iterator[tuple[int, int]]:
        """Each enabled thread with the number of the state after its step, in thread order."""
        enabled = self.enabled[number]
        threads = self._threads.get(enabled)
        if threads is None:
            threads = tuple(thread for thread in range(enabled.bit_length()) if enabled >> thread & 1)
            self._threads[enabled] = threads
        return zip(threads, self.after[number], strict=True)

    def before(self) -> list[list[int]]:
        """For each state the numbers of those one step before it."""
        before: list[list[int]] = [[] for _ in self.states]
        for number, following in enumerate(self.after):
            for reached in following:
                before[reached].append(number)
        return before

    def path(self, number: int) -> list[int]:
        """The way with the fewest steps from the initial state, by thread numbers."""
        path = []
        while number:
            parent = self._parents[number]
            path.append(next(thread for thread, reached in self.moves(parent) if reached == number))
            number = parent
        path.reverse()
        return path


def places_before(machine: Machine, members: Sequence[int]) -> dict[int, list[int]]:
    """For each local state of interchangeable threads those one step before it, as far as the machine knows their steps.

    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def turns():
    ...     while True:
    ...         yield Pause()
    >>> machine = Machine(Program({"a": turns}))
    >>> _ = Reachable(machine, Budget(), limit=10)
    >>> places_before(machine, [0])
    {0: [0]}
    """
    before: dict[int, list[int]] = {}
    threads_mask = (1 << machine.shared_shift) - 1
    for thread in members:
        shift = machine.fields[thread][0]
        for local, (_, _, moves) in enumerate(machine.rows[thread]):
            for move in moves.values():
                if move is not None:
                    # A step's change of the thread's own field, apart from the shared ones above.
                    reached = ((local << shift) + move[0] & threads_mask) >> shift
                    before.setdefault(reached, []).append(local)
    return before
