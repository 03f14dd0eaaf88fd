"""Force one schedule on real threads: a baton goes from thread to thread in the schedule's order.

Every thread is a real `threading.Thread` that resumes its own generator and really performs its operations: it reads
and writes one shared dict, and acquires and releases real `threading.Lock` and `threading.RLock` objects. Only the
thread with the baton (a raw lock that each thread waits on) may go on. What operations mean is written down a second
time here, on purpose and without `machine.py`, so that the model has something to be held against.

One rule is the model's and not Python's: a plain lock is given back only by the thread that took it. Python lets any
thread release a `threading.Lock`; here that raises RuntimeError in the body, as an RLock's release does.

Nothing hangs: every wait has a limit, and threads that are still going when the run is over are unwound.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable, Hashable, Mapping, MutableMapping
from queue import Empty, SimpleQueue
from typing import Any, assert_never

from simulator.bodies import Answer, Automaton, End, Raised, SourceLine
from simulator.errors import ProgramError, ScheduleError, UsageError, nearest
from simulator.ops import (
    Acquire,
    Add,
    Call,
    CompareAndSwap,
    Operation,
    Pause,
    Read,
    Release,
    Return,
    TryAcquire,
    Update,
    Write,
    describe,
    operation_key,
    show_name,
    show_value,
)
from simulator.program import Program
from simulator.real.forced import Blocked, Difference, Divergence, Forced, Step
from simulator.real.unwinding import LEAVE_WITHIN, Unwound, end_threads
from simulator.trace import Event, Outcome, Run, Schedule, Threw
from simulator.values import value_key

__all__ = ["Blocked", "Difference", "Divergence", "Forced", "Step", "first_difference", "force"]

BLOCKED_AFTER = 0.02
"""Seconds that a thread really waits for a lock before it counts as blocked: nobody runs who could free it."""
RELEASES_WITHOUT_STEP = 1000

Memory = Callable[[Mapping[Hashable, Any]], MutableMapping[Hashable, Any]]


def force(program: Program, schedule: Schedule, *, timeout: float = 10.0, memory: Memory = dict) -> Forced:
    """Run a program on real threads in the order of `schedule`, and say what happened.

    When the schedule is over, threads that have not ended and wait for a lock really try to take it, all at once:
    that shows a deadlock. Then everything is unwound and no thread is left. A run that is not over after `timeout`
    seconds is ended there. `memory` makes the shared memory from the initial one; anything but `dict` is there to see
    the comparison fail.

    Raises ScheduleError when the schedule names a thread that the program has not, ProgramError when a body is at
    fault.

    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> forced = force(Program({"a": body, "b": body}, memory={"x": 0}), Schedule(["a", "b", "b", "a"]))
    >>> str(forced.outcome), forced.followed
    ('x=1', True)
    """
    for number, thread in enumerate(schedule, start=1):
        if thread not in program.bodies:
            raise ScheduleError(f"step {number} names thread {thread!r}{nearest(thread, program.threads)}")
    if timeout <= 0:
        raise UsageError(f"timeout is {timeout}, expected seconds above 0")
    return _Forcing(program, schedule, timeout, memory).run()


def first_difference(forced: Forced, run: Run) -> Difference | None:
    """The first step at which a forced run and the model's run of the same schedule differ, None when they agree.

    They agree when every step is the same operation of the same thread with the same answer, and the outcome and the
    final memory are the same. A run that left the schedule differs where it left it.
    """
    for number, (step, event) in enumerate(zip(forced.log, run.events, strict=False), start=1):
        why = _how_different(step, event)
        if why:
            return Difference(number, why)
    done = min(len(forced.log), len(run.events))
    if forced.diverged is not None:
        return Difference(forced.diverged.step, forced.diverged.why)
    if len(forced.log) != len(run.events):
        longer = "real threads" if len(forced.log) > len(run.events) else "the model"
        return Difference(done + 1, f"only {longer} took another step")
    if forced.outcome != run.outcome:
        return Difference(done, f"real threads ended as {forced.outcome}, the model as {run.outcome}")
    for location, value in forced.memory:
        if value_key(value) != value_key(run.final.memory[location]):
            return Difference(
                done,
                f"{show_name(location)} is {show_value(value)} on real threads and "
                f"{show_value(run.final.memory[location])} in the model",
            )
    return None


def _how_different(step: Step, event: Event) -> str:
    if step.thread != event.thread or operation_key(step.operation) != operation_key(event.operation):
        return (
            f"real threads did {step.thread}: {describe(step.operation)}, "
            f"the model {event.thread}: {describe(event.operation)}"
        )
    threw = next((notice.message for notice in event.notices if isinstance(notice, Threw)), "")
    if step.raised != threw:
        raised = f"{step.thread}: {describe(step.operation)} raised {step.raised or 'nothing'}"
        return f"{raised} on real threads, {threw or 'nothing'} in the model"
    if value_key(step.answer) != value_key(event.answer):
        return (
            f"{step.thread}: {describe(step.operation)} gave {show_value(step.answer)} on real threads, "
            f"{show_value(event.answer)} in the model"
        )
    return ""


class _Task(enum.Enum):
    """What a thread does with the baton."""

    ARRIVE = enum.auto()
    """Run to the first operation."""
    STEP = enum.auto()
    """Perform the operation that it stands at, and run to the next."""


class _Worker:
    """What belongs to one thread. Whoever has the baton may look at it; only its own thread changes it."""

    def __init__(self, thread: threading.Thread) -> None:
        self.thread = thread
        self.baton = threading.Lock()
        self.baton.acquire()
        self.automaton: Automaton | None = None
        self.node = 0
        self.held: dict[Hashable, int] = {}
        self.probe: Hashable = None
        self.probing = False
        self.got_it = False

    @property
    def pending(self) -> Operation | None:
        return None if self.automaton is None else self.automaton.operations[self.node]

    @property
    def end(self) -> End | None:
        return None if self.automaton is None else self.automaton.ends[self.node]


class _Forcing:
    def __init__(self, program: Program, schedule: Schedule, timeout: float, memory: Memory) -> None:
        self.program = program
        self.schedule = schedule
        self.deadline = time.monotonic() + timeout
        self.timeout = timeout
        self.memory = memory(program.memory)
        self.locks: dict[Hashable, Any] = {name: threading.Lock() for name in program.locks}
        self.locks.update({name: threading.RLock() for name in program.rlocks})
        self.plan = [(thread, _Task.ARRIVE) for thread in program.threads] + [
            (thread, _Task.STEP) for thread in schedule
        ]
        self.position = 0
        self.log: list[Step] = []
        self.diverged: Divergence | None = None
        self.failure: BaseException | None = None
        self.over = False
        self.inbox: SimpleQueue[str] = SimpleQueue()
        self.workers = {
            name: _Worker(threading.Thread(target=self._live, args=(name,), name=name, daemon=True))
            for name in program.threads
        }

    # -- the caller's thread

    def run(self) -> Forced:
        outcome: Outcome | None = None
        blocked: tuple[Blocked, ...] = ()
        running: tuple[str, ...] = ()
        try:
            for worker in self.workers.values():
                worker.thread.start()
            self.workers[self.plan[0][0]].baton.release()
            if not self._hear():
                self._too_late()
            elif self.failure is None:
                outcome, blocked = self._settle()
        finally:
            running = self._unwind()
        if self.failure is not None:
            raise self.failure
        return Forced(
            schedule=self.schedule,
            log=tuple(self.log),
            outcome=outcome,
            memory=self._final_memory(),
            ends=tuple((name, worker.end) for name, worker in self.workers.items()),
            blocked=blocked,
            diverged=self.diverged,
            running=running,
        )

    def _hear(self) -> bool:
        try:
            self.inbox.get(timeout=max(0.001, self.deadline - time.monotonic()))
        except Empty:
            return False
        return True

    def _too_late(self) -> None:
        thread, task = self.plan[min(self.position, len(self.plan) - 1)]
        step = max(1, self.position - len(self.workers) + 1)
        doing = "reach its first operation" if task is _Task.ARRIVE else "come back from it"
        self.diverged = Divergence(step, f"{thread} did not {doing} within {self.timeout:g} s")

    def _settle(self) -> tuple[Outcome | None, tuple[Blocked, ...]]:
        """How it ended, when it has: everybody has ended, or is really blocked."""
        waiting = {name: worker for name, worker in self.workers.items() if worker.end is None}
        wanted = {name: worker.pending.lock for name, worker in waiting.items() if isinstance(worker.pending, Acquire)}
        if len(wanted) < len(waiting):
            return None, ()
        blocked = tuple(Blocked(name, lock, self._holder(lock)) for name, lock in wanted.items())
        for name, lock in wanted.items():
            self._known(self.locks, lock, "lock", name)
            self.workers[name].probe = lock
            self.workers[name].probing = True
        for name in wanted:
            self.workers[name].baton.release()
        for _ in wanted:
            if not self._hear():
                self._too_late()
                return None, ()
        if any(self.workers[name].got_it for name in wanted):
            return None, ()
        hows = {worker.end.how for worker in self.workers.values() if worker.end is not None}
        if "crashed" in hows:
            how = "crashed"
        elif "failed check" in hows:
            how = "failed check"
        else:
            how = "deadlocked" if wanted else "finished"
        return Outcome(how, self._final_memory()), blocked

    def _final_memory(self) -> tuple[tuple[Hashable, Any], ...]:
        return tuple((location, self.memory.get(location)) for location in self.program.memory)

    def _unwind(self) -> tuple[str, ...]:
        """End every thread; those that cannot be ended are named."""
        self.over = True
        for worker in self.workers.values():
            if worker.baton.locked():
                worker.baton.release()
        return end_threads([worker.thread for worker in self.workers.values()])

    # -- the threads of the program

    def _live(self, name: str) -> None:
        worker = self.workers[name]
        try:
            # The limit is longer than the run's own, which the caller's thread watches.
            while worker.baton.acquire(timeout=self.timeout + LEAVE_WITHIN) and not self.over:
                if worker.probing:
                    self._probe(worker)
                else:
                    self._carry_on(name, worker)
        except Unwound:
            pass
        except BaseException as error:
            self.failure = error
            self.inbox.put(name)
        finally:
            if worker.automaton is not None:
                worker.automaton.close()
            for lock, times in worker.held.items():
                for _ in range(times):
                    self.locks[lock].release()

    def _carry_on(self, name: str, worker: _Worker) -> None:
        """Work off the plan for as long as it names this thread, then hand the baton to whom it names next."""
        while not self.over:
            if self.plan[self.position][1] is _Task.ARRIVE:
                worker.automaton = Automaton(self.program.bodies[name], thread=name, merge=False)
                self._settle_releases(name, worker)
            else:
                self.diverged = self._step(name, worker)
            if self.diverged is not None or self.over:
                self.inbox.put(name)
                return
            self.position += 1
            if self.position == len(self.plan):
                self.inbox.put(name)
                return
            successor = self.plan[self.position][0]
            if successor != name:
                self.workers[successor].baton.release()
                return

    def _step(self, name: str, worker: _Worker) -> Divergence | None:
        automaton, number = worker.automaton, len(self.log) + 1
        operation = worker.pending
        if automaton is None or operation is None:
            how = worker.end.how if worker.end is not None else "not started"
            return Divergence(number, f"{name} has no step left: it has ended ({how})")
        if isinstance(operation, Acquire) and not self._take(name, worker, operation.lock):
            waits = Blocked(name, operation.lock, self._holder(operation.lock))
            return Divergence(number, f"{name} is blocked: {waits}")
        where = automaton.wheres[worker.node] or SourceLine("?", 0)
        answer = self._perform(name, worker, operation)
        raised = f"{type(answer.error).__name__}: {answer.error}" if isinstance(answer, Raised) else ""
        self.log.append(Step(name, operation, None if isinstance(answer, Raised) else answer, where, raised))
        worker.node = automaton.after(worker.node, answer)
        self._settle_releases(name, worker)
        return None

    def _perform(self, name: str, worker: _Worker, operation: Operation) -> Answer:
        match operation:
            case Read(location):
                self._known(self.memory, location, "memory location", name)
                return self.memory[location]
            case Write(location, value):
                self._known(self.memory, location, "memory location", name)
                self.memory[location] = value
                return None
            case Add(left, right):
                return _attempt(lambda: left + right)
            case Update(location, function, arguments):
                self._known(self.memory, location, "memory location", name)
                old = self.memory[location]
                updated = _attempt(lambda: function(old, *arguments))
                if isinstance(updated, Raised):
                    return updated
                self.memory[location] = updated
                return old
            case CompareAndSwap(location, expected, new):
                self._known(self.memory, location, "memory location", name)
                swapped = bool(self.memory[location] == expected)
                if swapped:
                    self.memory[location] = new
                return swapped
            case Acquire():
                return None  # taken already: only then is it a step
            case TryAcquire(lock):
                self._known(self.locks, lock, "lock", name)
                taken = bool(self.locks[lock].acquire(blocking=False))
                if taken:
                    worker.held[lock] = worker.held.get(lock, 0) + 1
                return taken
            case Release(lock):
                self.locks[lock].release()
                worker.held[lock] -= 1
                return None
            case Pause() | Call() | Return():
                return None
            case _:
                assert_never(operation)

    def _take(self, name: str, worker: _Worker, lock: Hashable) -> bool:
        self._known(self.locks, lock, "lock", name)
        if not self.locks[lock].acquire(blocking=False) and not self.locks[lock].acquire(timeout=BLOCKED_AFTER):
            return False
        worker.held[lock] = worker.held.get(lock, 0) + 1
        return True

    def _settle_releases(self, name: str, worker: _Worker) -> None:
        """A release of a lock that the thread does not hold raises in the body at once, without a step."""
        automaton = worker.automaton
        for _ in range(RELEASES_WITHOUT_STEP):
            operation = worker.pending
            if automaton is None or not isinstance(operation, Release):
                return
            self._known(self.locks, operation.lock, "lock", name)
            if worker.held.get(operation.lock):
                return
            worker.node = automaton.after(worker.node, Raised(RuntimeError("release of a lock that is not held")))
        raise ProgramError(f"thread {name!r} releases a lock that it does not hold, over and over without a step")

    def _probe(self, worker: _Worker) -> None:
        """Really wait for a lock, together with all the others; give it back at once if it came."""
        worker.probing = False
        lock = self.locks[worker.probe]
        worker.got_it = lock.acquire(timeout=BLOCKED_AFTER)
        if worker.got_it:
            lock.release()
        self.inbox.put(worker.thread.name)

    def _holder(self, lock: Hashable) -> str | None:
        return next((name for name, worker in self.workers.items() if worker.held.get(lock)), None)

    def _known(self, known: Mapping[Hashable, object], name: Hashable, what: str, thread: str) -> None:
        if name not in known:
            worker = self.workers[thread]
            where = worker.automaton.wheres[worker.node] if worker.automaton is not None else None
            raise ProgramError(
                f"{where}: thread {thread!r} uses {what} {show_name(name)!r}, which the program does not have"
                f"{nearest(show_name(name), map(show_name, known))}"
            )


def _attempt(compute: Callable[[], object]) -> Answer:
    try:
        return compute()
    except Exception as error:
        return Raised(error)
