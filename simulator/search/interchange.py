"""Interchangeable threads put in one order: of the states that differ only in which of them is where, one stands for all.

Exchanging threads that have the same body and arguments maps runs to runs, so what is counted from one such state holds
for all. It does not know what is counted.
"""

from __future__ import annotations

from simulator.machine import Machine, State

__all__ = ["Interchange"]


class Interchange:
    """The order of a machine's interchangeable threads: by local state, then by mark.

    >>> from simulator.ops import Pause
    >>> from simulator.program import Program
    >>> def body():
    ...     yield Pause()
    >>> machine = Machine(Program({"a": body, "b": body}))
    >>> (_, first), (_, second) = machine.successors(machine.initial)
    >>> order = Interchange(machine)
    >>> first == second, order.ordered(first)[0] == order.ordered(second)[0], order.ordered(first, 0b01)
    (False, True, (4294967296, 2, (1, 0)))
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._classes = [members for members in machine.classes if len(members) > 1]
        self._threads = (1 << machine.shared_shift) - 1
        self._known: dict[tuple[int, int], tuple[int, int, tuple[int, ...]]] = {}

    def ordered(self, state: State, marks: int = 0) -> tuple[State, int, tuple[int, ...]]:
        """The state that stands for this one, and its marks (a set of threads, one bit for each).

        The last is where each thread of that state comes from: a thread's number here, by its number there; an
        empty tuple when all stay where they are.
        """
        if not self._classes:
            return state, marks, ()
        threads = state & self._threads
        known = self._known.get((threads, marks))
        if known is None:
            known = self._known[threads, marks] = self._work_out(threads, marks)
        return state + known[0], known[1], known[2]

    def _work_out(self, threads: int, marks: int) -> tuple[int, int, tuple[int, ...]]:
        """As `ordered`, for the threads' part of a state, and with what to add to it instead of the state."""
        origin = list(range(len(self._machine.threads)))
        for members in self._classes:
            local = dict(zip(members, self._machine.locals_of(threads, members), strict=True))
            in_order = sorted(members, key=lambda thread: (local[thread], marks >> thread & 1))
            for place, thread in zip(members, in_order, strict=True):
                origin[place] = thread
        if origin == sorted(origin):
            return 0, marks, ()
        moved_marks = sum(1 << place for place, thread in enumerate(origin) if marks >> thread & 1)
        return self.renamed(threads, origin) - threads, moved_marks, tuple(origin)

    def renamed(self, state: State, origin: list[int]) -> State:
        """The state whose thread p stands where the thread `origin[p]` stands in `state`."""
        everyone = tuple(range(len(self._machine.threads)))
        local = self._machine.locals_of(state, everyone)
        return self._machine.state_of(state & ~self._threads, {place: local[origin[place]] for place in everyone})
