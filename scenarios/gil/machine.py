"""The virtual-time machine: this file alone decides what happens next. It does not know what its tasks stand for.

A discrete-event simulation in whole numbers: nothing is rounded but that a burst which would end within a microsecond
ends with it. All that is due at one instant happens in a fixed order, so the same world gives the same history:

1. those whose I/O is over come back, and want the GIL;
2. bursts that are done: the task goes on to what it does next;
3. those who have waited for the GIL for the switch interval ask for it, unless it changed hands meanwhile: then they wait anew;
4. a holder who was asked, runs, and is at a place where it looks, drops the GIL; who has waited longest gets it;
5. a thread whose time slice is over leaves its core, if more wait for one than are free;
6. free cores take who has waited longest.

Tasks come in the order of the world. All this is repeated until nothing more happens at that instant.

This is the GIL of CPython since 3.2 (Python/ceval_gil.c), with three simplifications. Who is signalled gets the GIL, in
the order of waiting; in CPython a thread that comes by while the signalled one wakes up may be faster. Handing over
takes no time. And C code either keeps the GIL or blocks without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import lcm
from typing import assert_never

from scenarios.gil.history import Event, History, What
from scenarios.gil.tasks import Cpu, Io, Join, Start, Task, World
from simulator.errors import LimitError, UsageError

__all__ = ["simulate"]

MAX_EVENTS = 1_000_000


def simulate(world: World, *, max_events: int = MAX_EVENTS) -> History:
    """All that happens in a world, until every task has ended.

    Raises UsageError when tasks wait for each other for ever, LimitError after `max_events` events.

    >>> print(simulate(World((Task("t0", (Cpu(7),)),))).events[-1])
    7 µs: t0 ends
    """
    return _Simulation(world, max_events).run()


@dataclass(slots=True, eq=False)
class _Gil:
    """The lock of one process, and who waits for it, longest first."""

    holder: _Thread | None = None
    last: _Thread | None = None
    asked: bool = False
    switches: int = 0
    waiting: list[_Thread] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Thread:
    """Where a task is. `left` and `done` are of its burst, in units of work; `drop_at` is what `done` has to be to drop
    the GIL."""

    task: Task
    gil: _Gil | None
    next: int = 0
    left: int = 0
    done: int = 0
    check: int | None = None
    drop_at: int | None = None
    core: int | None = None
    slice_ends: int = 0
    returns: int | None = None
    timer: int = 0
    """Until when it waits for the GIL before it looks whether to ask for it."""
    switches: int = 0
    """How often the GIL had changed hands when that wait began."""
    ran: bool = False
    ended: bool = False
    starter: _Thread | None = None
    joiners: list[_Thread] = field(default_factory=list)


class _Simulation:
    def __init__(self, world: World, max_events: int) -> None:
        self._world = world
        self._max_events = max_events
        self._now = 0
        self._events: list[Event] = []
        gils = {task.process: _Gil() for task in world.tasks}
        self._threads = {task.name: _Thread(task, gils[task.process] if world.gil else None) for task in world.tasks}
        self._gils = tuple(gils.values())
        self._queue: list[_Thread] = []
        self._cores: list[_Thread | None] = [None] * world.cores
        # Units of work are so small that every speed is a whole number of them in a microsecond.
        parts = lcm(*range(1, world.cores + 1))
        capacity = world.total_capacity
        self._full = capacity.denominator * parts
        self._speeds = [self._full] + [
            min(self._full, capacity.numerator * parts // busy) for busy in range(1, world.cores + 1)
        ]

    def run(self) -> History:
        started = {op.task for task in self._world.tasks for op in task.ops if isinstance(op, Start)}
        for thread in self._threads.values():
            if thread.task.name not in started:
                self._begin(thread)
        while True:
            while self._settle():
                pass
            then = self._next_time()
            if then is None:
                break
            speed = self._speed()
            for thread in self._running():
                worked = min(thread.left, speed * (then - self._now))
                thread.left -= worked
                thread.done += worked
            self._now = then
        stuck = [name for name, thread in self._threads.items() if not thread.ended]
        if stuck:
            raise UsageError(f"these tasks wait for ever: {', '.join(stuck)}")
        return History(self._world, tuple(self._events))

    # -- what is due now

    def _settle(self) -> bool:
        """Let everything happen that is due now, once; False when nothing was."""
        before = len(self._events)
        for thread in self._threads.values():
            if thread.returns == self._now:
                thread.returns = None
                self._note(thread, What.RETURNS)
                self._want_gil(thread)
        for thread in self._running():
            if not thread.left:
                self._go_on(thread)
        for gil in self._gils:
            for thread in gil.waiting:
                if thread.timer == self._now:
                    if thread.switches == gil.switches:
                        self._ask(thread, gil)
                    self._wait_anew(thread, gil)
        for thread in self._running():
            if (
                thread.gil is not None
                and thread.gil.asked
                and thread.drop_at is not None
                and thread.done >= thread.drop_at
            ):
                self._drop(thread, thread.gil)
        for thread in self._running():
            # Who finds a core that is free takes none away.
            if len(self._queue) > self._cores.count(None) and thread.slice_ends <= self._now:
                self._leave_core(thread)
                self._note(thread, What.PREEMPTED)
                self._queue.append(thread)
        while self._queue and None in self._cores:
            self._dispatch(self._queue.pop(0), self._cores.index(None))
        return len(self._events) > before

    def _next_time(self) -> int | None:
        times: list[int] = []
        speed = self._speed()
        for thread in self._threads.values():
            if thread.returns is not None:
                times.append(thread.returns)
        for thread in self._running():
            times.append(self._now + -(-thread.left // speed))
            if thread.gil is not None and thread.gil.asked and thread.drop_at is not None:
                times.append(self._now + -(-(thread.drop_at - thread.done) // speed))
            if self._queue:
                times.append(thread.slice_ends)
        times += [thread.timer for gil in self._gils for thread in gil.waiting]
        return min(times, default=None)

    # -- what a task does

    def _begin(self, thread: _Thread) -> None:
        self._note(thread, What.BEGINS)
        self._want_gil(thread)

    def _go_on(self, thread: _Thread) -> None:
        """Let a running thread, whose burst is done, do what comes next, until that takes time or it has to wait."""
        while thread.core is not None and not thread.left:
            if thread.next == len(thread.task.ops):
                self._leave(thread)
                thread.ended = True
                self._note(thread, What.ENDS)
                for joiner in thread.joiners:
                    self._want_gil(joiner)
                return
            op = thread.task.ops[thread.next]
            thread.next += 1
            match op:
                case Cpu():
                    thread.left, thread.done = op.time * self._full, 0
                    thread.check = None if op.check is None else op.check * self._full
                    thread.drop_at = self._next_look(thread) if thread.gil is not None and thread.gil.asked else None
                case Io():
                    self._leave(thread)
                    thread.returns = self._now + op.time
                    self._note(thread, What.BLOCKS)
                case Start():
                    other = self._threads[op.task]
                    self._begin(other)
                    if other.task.process == thread.task.process:
                        other.starter = thread
                        self._leave(thread)
                        self._note(thread, What.WAITS_FOR, op.task)
                case Join():
                    other = self._threads[op.task]
                    if not other.ended:
                        other.joiners.append(thread)
                        self._leave(thread)
                        self._note(thread, What.WAITS_FOR, op.task)
                case _:
                    assert_never(op)

    def _leave(self, thread: _Thread) -> None:
        """Give the core and the GIL back."""
        self._leave_core(thread)
        if thread.gil is not None:
            self._note(thread, What.RELEASES)
            self._pass_on(thread.gil)

    # -- the GIL

    def _want_gil(self, thread: _Thread) -> None:
        gil = thread.gil
        if gil is None:
            self._enqueue(thread)
        elif gil.holder is None:
            self._take(thread, gil)
        else:
            self._note(thread, What.WAITS)
            gil.waiting.append(thread)
            self._wait_anew(thread, gil)

    def _wait_anew(self, thread: _Thread, gil: _Gil) -> None:
        thread.timer = self._now + self._world.switch_interval
        thread.switches = gil.switches

    def _ask(self, thread: _Thread, gil: _Gil) -> None:
        if not gil.asked and gil.holder is not None:
            self._note(thread, What.ASKS)
            gil.asked = True
            gil.holder.drop_at = self._next_look(gil.holder)

    def _next_look(self, thread: _Thread) -> int | None:
        return None if thread.check is None else -(-thread.done // thread.check) * thread.check

    def _drop(self, thread: _Thread, gil: _Gil) -> None:
        self._leave_core(thread)
        self._note(thread, What.DROPS)
        self._pass_on(gil)
        self._want_gil(thread)

    def _pass_on(self, gil: _Gil) -> None:
        gil.holder = None
        if gil.waiting:
            self._take(gil.waiting.pop(0), gil)

    def _take(self, thread: _Thread, gil: _Gil) -> None:
        if gil.last is not thread:
            gil.switches += 1
        gil.holder = gil.last = thread
        gil.asked = False
        self._note(thread, What.TAKES)
        self._enqueue(thread)

    # -- cores

    def _enqueue(self, thread: _Thread) -> None:
        self._note(thread, What.QUEUES)
        self._queue.append(thread)

    def _dispatch(self, thread: _Thread, core: int) -> None:
        self._cores[core] = thread
        thread.core = core
        thread.slice_ends = self._now + self._world.time_slice
        self._note(thread, What.RUNS, core)
        if not thread.ran:
            thread.ran = True
            if thread.starter is not None:
                self._want_gil(thread.starter)
        if not thread.left:
            self._go_on(thread)

    def _leave_core(self, thread: _Thread) -> None:
        assert thread.core is not None
        self._cores[thread.core] = None
        thread.core = None

    def _running(self) -> list[_Thread]:
        return [thread for thread in self._threads.values() if thread.core is not None]

    def _speed(self) -> int:
        return self._speeds[sum(thread is not None for thread in self._cores)]

    def _note(self, thread: _Thread, what: What, on: int | str | None = None) -> None:
        if len(self._events) >= self._max_events:
            raise LimitError(
                f"more than {self._max_events:,} events by {self._now:,} µs: shorten the tasks or lengthen the switch interval"
            )
        self._events.append(Event(self._now, thread.task.name, what, on))
