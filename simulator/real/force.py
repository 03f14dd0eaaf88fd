"""Force one schedule on real threads that run plain code, stopping each just before the bytecodes that the schedule names.

A script says what the model has each thread do, in the thread's own order: visits of sites, lock operations, pauses.
A real thread runs until the next of them that is a step, waits there for the baton, goes on to the next, and hands the
baton over there; so a step's effect is over before anybody else moves, and exactly one thread moves at any moment.
Nothing is known here of what a step means: whether memory is what it should be is asked of the caller after each step.

A thread that comes to a watched instruction, a lock operation or an end that the script has not leaves the schedule
there. Locks are real ones behind stand-ins. Nothing hangs: every wait has a limit, threads that are still going when
the run is over are unwound, and one that cannot be is named.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Hashable, Mapping, MutableMapping, Sequence
from queue import Empty, SimpleQueue
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple, NoReturn, TypeVar

from simulator.bodies import End, SourceLine
from simulator.errors import InternalError, UsageError
from simulator.ops import Acquire, Operation, Pause, Release, TryAcquire, describe, show_name
from simulator.real.bytecodes import offsets
from simulator.real.forced import Blocked, Divergence, Forced, Step
from simulator.real.hooks import Hooks
from simulator.real.stand_ins import StandInLock, StandIns
from simulator.real.unwinding import LEAVE_WITHIN, Unwound, end_threads
from simulator.source.sites import Site, Visit
from simulator.trace import Outcome, Schedule

__all__ = ["Instrumented"]

BLOCKED_AFTER = 0.005
"""Seconds that a thread really waits for a lock before it counts as blocked: nobody runs who could free it."""

A = TypeVar("A")

Names = Callable[[StandInLock, Hashable], Hashable]
Check = Callable[[int], str]
Observe = Callable[[], Mapping[Hashable, Any]]


class _Spot:
    """A site of one code object; there is one object for each, so that spots are compared by identity."""

    __slots__ = ("code", "site", "where")

    def __init__(self, code: CodeType, site: Site) -> None:
        self.code = code
        self.site = site
        self.where = SourceLine(code.co_filename, site.line)

    def __str__(self) -> str:
        return f"'{self.site.kind}' at {self.where}, column {self.site.column + 1}, in {self.code.co_qualname}"


class _Due(NamedTuple):
    """A visit as a thread meets it."""

    visit: Visit
    spot: _Spot | None
    made_up: bool
    """Whether it is a step that real threads do not take: one of the model alone, which passes by itself."""

    def __str__(self) -> str:
        operation = self.visit.operation
        step = "" if self.visit.step is None else f"step {self.visit.step}: "
        does = "" if operation is None else describe(operation)
        return f"{step}{does}{', ' if does and self.spot else ''}{self.spot or ''}"


class Instrumented:
    """Plain code that can be forced: while entered, its code objects are hooked and its locks stood in for.

    `sites` has, for each code object that may run, all sites at which its threads touch something: also those that a
    script does not expect, or nothing would notice a thread that comes there. `namespaces` are the globals of
    the modules under test. Locks must be made while entered: set up the shared state inside the `with`, freshly for each run.

    >>> class Counter:
    ...     count = 0
    ...     def increment(self):
    ...         self.count += 1
    >>> code = Counter.increment.__code__
    >>> at = (code.co_firstlineno + 1,) * 2 + (8, 18)
    >>> load, store = Site(*at, "load attribute"), Site(*at, "store attribute")
    >>> from simulator.ops import Read, Write
    >>> lost_update = [
    ...     Visit("a", code, load, 1, Read("count")), Visit("b", code, load, 2, Read("count")),
    ...     Visit("a", code, store, 3, Write("count", 1)), Visit("b", code, store, 4, Write("count", 1)),
    ... ]
    >>> with Instrumented({code: [load, store]}) as plain:
    ...     counter = Counter()
    ...     forced = plain.force(
    ...         {"a": counter.increment, "b": counter.increment},
    ...         lost_update,
    ...         observe=lambda: {"count": counter.count},
    ...     )
    >>> str(forced.outcome), forced.followed
    ('count=1', True)
    """

    def __init__(
        self, sites: Mapping[CodeType, Collection[Site]], namespaces: Sequence[MutableMapping[str, Any]] = ()
    ) -> None:
        self.spots = {(id(code), site): _Spot(code, site) for code, known in sites.items() for site in known}
        places = {
            code: {offset: self.spots[id(code), site] for offset, site in offsets(code, known).items()}
            for code, known in sites.items()
        }
        with_instruction = {spot for spots in places.values() for spot in spots.values()}
        self.without_instruction = {spot for spot in self.spots.values() if spot not in with_instruction}
        """Sites that have no instruction on this Python."""
        self.hooks: Hooks[_Spot] = Hooks(places)
        self.stand_ins = StandIns(namespaces)

    def __enter__(self) -> Instrumented:
        self.stand_ins.__enter__()
        try:
            self.hooks.__enter__()
        except BaseException:
            self.stand_ins.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.hooks.__exit__()
        self.stand_ins.__exit__()

    def force(
        self,
        threads: Mapping[str, Callable[[], object]],
        visits: Sequence[Visit],
        *,
        names: Names = lambda lock, expected: lock.name,
        model_only: Collection[Hashable] = (),
        check: Check | None = None,
        observe: Observe | None = None,
        partial: bool = False,
        timeout: float = 10.0,
    ) -> Forced:
        """Run these threads in the order of the visits' steps, and say what happened.

        `names` says what the script calls a lock, given what it has here, if it has an operation on a lock here.
        `check(step)` is called after each step, before anybody else moves, and says in a line how memory differs from
        what the model says, or "". `observe` reads the final memory, before anything is unwound. A visit without a
        step is passed without waiting, in its order. A step without a site that is no operation on a lock and no
        pause is the model's alone, and passes by itself; so does one on a lock in `model_only`.

        When the schedule is over, threads that wait for a lock really try to take it, all at once: that shows a
        deadlock. `partial` says that the schedule stops before the program does: then threads may stand anywhere at its
        end. A run that is not over after `timeout` seconds is ended there.

        Raises UsageError for a script that does not fit: steps that are not 1 to n, a thread or a site that is unknown, a
        step at a site that has no instruction on this Python. What `check` and `observe` raise comes out here.
        """
        if timeout <= 0:
            raise UsageError(f"timeout is {timeout}, expected seconds above 0")
        run = _Run(self, threads, self._due(threads, visits, model_only), names, check, observe, partial, timeout)
        return run.run()

    def _due(
        self, threads: Mapping[str, Callable[[], object]], visits: Sequence[Visit], model_only: Collection[Hashable]
    ) -> dict[str, list[_Due]]:
        due: dict[str, list[_Due]] = {name: [] for name in threads}
        for visit in visits:
            if visit.thread not in due:
                raise UsageError(f"a visit names thread {visit.thread!r}; known: {', '.join(threads)}")
            if visit.step is not None and visit.operation is None:
                raise UsageError(f"step {visit.step} has no operation")
            if visit.site is None:
                match visit.operation:
                    case Acquire(lock) | TryAcquire(lock) | Release(lock):
                        lock_or_pause = lock not in model_only
                    case operation:
                        lock_or_pause = isinstance(operation, Pause)
                if visit.step is not None or lock_or_pause:
                    due[visit.thread].append(_Due(visit, None, not lock_or_pause))
                continue
            spot = self.spots.get((id(visit.code), visit.site))
            if spot is None:
                raise UsageError(f"a visit is at a site that is not watched: {visit.site}")
            if spot not in self.without_instruction:
                due[visit.thread].append(_Due(visit, spot, False))
            elif visit.step is not None:
                raise UsageError(self.cannot(visit))
        return due

    def cannot(self, visit: Visit) -> str:
        """Why no thread can be stopped for a step, as a line; empty where one can."""
        spot = None if visit.site is None else self.spots.get((id(visit.code), visit.site))
        if spot is None or spot not in self.without_instruction:
            return ""
        return (
            f"step {visit.step} is {spot}, for which this Python has no instruction: a thread cannot be stopped there"
        )


class _Run:
    """One forced run. What changes is changed by whoever holds the baton."""

    def __init__(
        self,
        instrumented: Instrumented,
        threads: Mapping[str, Callable[[], object]],
        due: Mapping[str, list[_Due]],
        names: Names,
        check: Check | None,
        observe: Observe | None,
        partial: bool,
        timeout: float,
    ) -> None:
        self.hooks = instrumented.hooks
        self.stand_ins = instrumented.stand_ins
        self.files = {spot.where.file for spot in instrumented.spots.values()}
        self.names = names
        self.check = check
        self.observe = observe
        self.partial = partial
        self.timeout = timeout
        self.deadline = time.monotonic() + timeout
        self.workers = {name: _Worker(self, name, target, due[name]) for name, target in threads.items()}
        self.plan = self._plan(due)
        self.position = 0
        self.log: list[Step] = []
        self.diverged: Divergence | None = None
        self.failure: BaseException | None = None
        self.arriving = True
        self.over = False
        self.inbox: SimpleQueue[None] = SimpleQueue()

    def _plan(self, due: Mapping[str, list[_Due]]) -> list[tuple[_Worker, _Due]]:
        steps: dict[int, tuple[_Worker, _Due]] = {}
        for name, visits in due.items():
            before = 0
            for visit in visits:
                step = visit.visit.step
                if step is None:
                    continue
                if step <= before or step in steps:
                    raise UsageError(f"step {step} of thread {name!r} is out of order, or there are two of it")
                steps[step] = (self.workers[name], visit)
                before = step
        missing = set(range(1, len(steps) + 1)) - set(steps)
        if missing:
            raise UsageError(f"step {min(missing)} is missing: steps must be 1 to n")
        return [steps[number] for number in range(1, len(steps) + 1)]

    # -- the caller's thread

    def run(self) -> Forced:
        outcome: Outcome | None = None
        blocked: tuple[Blocked, ...] = ()
        memory: tuple[tuple[Hashable, Any], ...] = ()
        running: tuple[str, ...] = ()
        try:
            heard = self._arrive() and self._follow()
            if not heard:
                self._too_late()
            elif self.failure is None:
                how, blocked = self._settle()
                if self.observe is not None:
                    memory = tuple(self.observe().items())
                outcome = None if how is None else Outcome(how, memory)
        finally:
            running = self._unwind()
        if self.failure is not None:
            raise self.failure
        return Forced(
            schedule=Schedule([worker.name for worker, _ in self.plan]),
            log=tuple(self.log),
            outcome=outcome,
            memory=memory,
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

    def _arrive(self) -> bool:
        """Start the threads, one after the other: each runs to where it first has to wait."""
        for worker in self.workers.values():
            worker.thread.start()
            if not self._hear():
                return False
            if self.diverged is not None or self.failure is not None:
                break
        return True

    def _follow(self) -> bool:
        """Give the baton to whoever is first, and hear that the schedule is over or was left."""
        self.arriving = False
        if self.diverged is not None or self.failure is not None:
            return True
        self.pass_made_up()
        first = self.turn_of()
        if first is None:
            return True
        first.baton.release()
        return self._hear()

    def _too_late(self) -> None:
        if self.diverged is not None:
            return
        moving = next((worker for worker in self.workers.values() if worker.is_moving()), None)
        name, at = ("nobody", "") if moving is None else (moving.name, self._stuck_at(moving))
        if self.arriving:
            why = f"{name} did not reach its first step within {self.timeout:g} s{at}"
        else:
            doing = f" from {self.plan[self.position][1]}" if self.position < len(self.plan) else ""
            why = f"{name} did not come back{doing} within {self.timeout:g} s{at}"
        self.diverged = Divergence(self.position + 1, why)

    def _stuck_at(self, worker: _Worker) -> str:
        """Where a thread is right now, in the code under test if that is on its stack."""
        innermost = frame = sys._current_frames().get(worker.thread.ident or 0)
        while frame is not None and frame.f_code.co_filename not in self.files:
            frame = frame.f_back
        frame = frame or innermost
        return "" if frame is None else f"; it is at {SourceLine(frame.f_code.co_filename, frame.f_lineno)}"

    def _settle(self) -> tuple[str | None, tuple[Blocked, ...]]:
        """How it ended, when it has: everybody has ended, or is really blocked."""
        waiting = [worker for worker in self.workers.values() if worker.end is None]
        if any(worker.wants is None for worker in waiting):
            return None, ()
        blocked = tuple(
            Blocked(worker.name, worker.wants_name, worker.wants.holder)
            for worker in waiting
            if worker.wants is not None
        )
        for worker in waiting:
            worker.probing = True
        for worker in waiting:
            worker.baton.release()
        for _ in waiting:
            if not self._hear():
                self._too_late()
                return None, ()
        free = [worker for worker in waiting if worker.got_it]
        if free:
            if self.diverged is None and not self.partial:
                names = " and ".join(f"{worker.name} can take {show_name(worker.wants_name)}" for worker in free)
                self.diverged = Divergence(self.position + 1, f"{names}, where the model has nothing more")
            return None, ()
        hows = {worker.end.how for worker in self.workers.values() if worker.end is not None}
        how = next((how for how in ("crashed", "failed check") if how in hows), "deadlocked" if blocked else "finished")
        return how, blocked

    def _unwind(self) -> tuple[str, ...]:
        """End every thread; those that cannot be ended are named."""
        self.over = True
        for worker in self.workers.values():
            if worker.baton.locked():
                worker.baton.release()
        return end_threads([worker.thread for worker in self.workers.values()])

    # -- whoever holds the baton

    def turn_of(self) -> _Worker | None:
        """Whose turn it is; None when the schedule is over."""
        return self.plan[self.position][0] if self.position < len(self.plan) else None

    def finished(self, step: Step) -> None:
        """A step is over; so are those after it that only the model takes."""
        self._take_down(step)
        self.pass_made_up()

    def pass_made_up(self) -> None:
        while self.diverged is None and self.position < len(self.plan) and self.plan[self.position][1].made_up:
            worker, due = self.plan[self.position]
            operation = due.visit.operation
            if operation is None:
                raise InternalError("a step of a script has no operation")
            self._take_down(Step(worker.name, operation, None, worker.where))

    def _take_down(self, step: Step) -> None:
        self.log.append(step)
        self.position += 1
        if self.check is not None:
            difference = self.check(self.position)
            if difference:
                self.diverged = Divergence(self.position, difference)


class _Worker:
    """One real thread: where it is in its script, and what it does when it comes to something watched."""

    def __init__(self, run: _Run, name: str, target: Callable[[], object], due: list[_Due]) -> None:
        self.run = run
        self.name = name
        self.target = target
        self.due = due
        self.at = 0
        self.baton = threading.Lock()
        self.baton.acquire()
        self.thread = threading.Thread(target=self._live, name=name, daemon=True)
        self.doing: Operation | None = None
        self.answer: object = None
        self.where = SourceLine("?", 0)
        self.wants: StandInLock | None = None
        self.wants_name: Hashable = None
        self.probing = False
        self.got_it = False
        self.deaf = False
        self.waiting = False
        self.end: End | None = None

    def is_moving(self) -> bool:
        return self.thread.ident is not None and not self.waiting and self.end is None

    def _live(self) -> None:
        run, ident = self.run, threading.get_ident()
        try:
            run.stand_ins.asked[ident] = self
            run.hooks.follow(self.arrive)
            end = self._work()
            self.deaf = True
            run.hooks.leave()
            if end is not None and not run.over:
                self._ended(end)
        except Unwound:
            pass
        except BaseException as error:
            self._fail(error)
        finally:
            self.deaf = True
            run.hooks.leave()
            run.stand_ins.asked.pop(ident, None)

    def _work(self) -> End | None:
        try:
            self.target()
        except Unwound:
            return None
        except AssertionError as error:
            return End("failed check", str(error) or "assertion failed", _raised_at(error.__traceback__))
        except BaseException as error:
            return End("crashed", f"{type(error).__name__}: {error}", _raised_at(error.__traceback__))
        return End("finished")

    def _ended(self, end: End) -> None:
        self._done()
        due = self._next()
        self.end = end
        run = self.run
        if due is not None and run.diverged is None:
            said = f" ({end.message})" if end.message else ""
            self._diverge(f"{self.name} has ended: {end.how}{said}; the model goes on with {due}")
        if run.arriving or run.diverged is not None:
            run.inbox.put(None)
            return
        following = run.turn_of()
        if following is None:
            run.inbox.put(None)
        else:
            following.baton.release()

    def _fail(self, error: BaseException) -> None:
        """Something of ours, or of the caller's, went wrong in this thread: it is to come out in the caller's."""
        self.run.failure = error
        self.run.inbox.put(None)

    # -- what this thread comes to

    def arrive(self, spot: _Spot) -> None:
        """The thread stands just before a watched instruction."""
        if self.deaf:
            return
        if self.run.over:
            raise Unwound
        due = self._next()
        if due is None or due.spot is not spot:
            self._unforeseen(str(spot), due)
        self.where = spot.where
        self._go(due)

    def acquire(self, lock: StandInLock, blocking: bool, timeout: float) -> bool:
        """The thread asks for a lock."""
        if self.deaf:
            return bool(lock.inner.acquire(blocking, timeout if timeout >= 0 or not blocking else self.run.timeout))
        if self.run.over:
            raise Unwound
        waits = blocking and timeout < 0
        name = self._name(lock, self._next())
        while True:
            due = self._next()
            operation = None if due is None or due.spot is not None else due.visit.operation
            if due is None and waits:
                self._stand(lock, name)
            if due is None or not (isinstance(operation, Acquire | TryAcquire) and operation.lock == name):
                self._unforeseen(f"{'acquire' if waits else 'try'} {show_name(name)}{self._here()}", due)
            if isinstance(operation, Acquire) and not blocking:
                self._unforeseen(f"try {show_name(name)}{self._here()}", due)
            self.where = _caller()
            self._go(due)
            taken = lock.take(self.name)
            if isinstance(operation, TryAcquire):
                self.answer = taken
                # A model may have a thread that has to wait look first: it is still asking.
                if taken or not waits:
                    return taken
            elif taken:
                return True
            else:
                self.doing = None
                self._leave_schedule(f"{self.name} is blocked: {Blocked(self.name, name, lock.holder)}")

    def release(self, lock: StandInLock) -> None:
        """The thread gives a lock back."""
        if self.deaf or self.run.over:
            if lock.can_be_released():
                lock.give_back()
            return
        due = self._next()
        operation = None if due is None or due.spot is not None else due.visit.operation
        if due is not None and isinstance(operation, Release) and operation.lock == self._name(lock, due):
            self.where = _caller()
            self._go(due)
        elif lock.can_be_released():
            held = f", which {lock.holder} holds" if lock.holder != self.name else ""
            self._unforeseen(f"release {show_name(self._name(lock, due))}{held}{self._here()}", due)
        # Where nobody holds it, this raises what Python raises; the model takes no step for that either.
        lock.give_back()

    def sleep(self, seconds: float) -> None:
        """The thread pauses. Nobody waits: the schedule says how long it takes."""
        if self.deaf:
            return
        if self.run.over:
            raise Unwound
        due = self._next()
        if due is None or due.spot is not None or not isinstance(due.visit.operation, Pause):
            self._unforeseen(f"sleep {seconds:g} s{self._here()}", due)
        self.where = _caller()
        self._go(due)

    # -- how it waits and goes on

    def _next(self) -> _Due | None:
        """What the script has next for this thread, of what real threads do."""
        due = self.due
        while self.at < len(due) and due[self.at].made_up:
            self.at += 1
        return due[self.at] if self.at < len(due) else None

    def _go(self, due: _Due) -> None:
        """Go on to `due`: at once, if it is no step, else when it is its turn."""
        if due.visit.step is not None:
            self._done()
            self._pass_on()
            self.doing = due.visit.operation
            self.answer = None
        self.at += 1

    def _done(self) -> None:
        """The step that this thread was at is over."""
        if self.doing is not None:
            step, self.doing = Step(self.name, self.doing, self.answer, self.where), None
            self._ask(lambda: self.run.finished(step))

    def _name(self, lock: StandInLock, due: _Due | None) -> Hashable:
        operation = None if due is None else due.visit.operation
        expected = operation.lock if isinstance(operation, Acquire | TryAcquire | Release) else None
        return self._ask(lambda: self.run.names(lock, expected))

    def _ask(self, call: Callable[[], A]) -> A:
        """Ask the caller something: this thread is his meanwhile, and what goes wrong comes out in his own."""
        was_deaf, self.deaf = self.deaf, True
        try:
            return call()
        except Unwound:
            raise
        except BaseException as error:
            self._fail(error)
            self._wait()
            raise Unwound from None
        finally:
            self.deaf = was_deaf

    def _pass_on(self) -> None:
        """Hand the baton to whose turn it is; come back when that is this thread."""
        run = self.run
        if run.arriving or run.diverged is not None:
            run.inbox.put(None)
        else:
            following = run.turn_of()
            if following is self:
                return
            if following is None:
                run.inbox.put(None)
            else:
                following.baton.release()
        self._wait()

    def _wait(self) -> None:
        self.waiting = True
        # The limit is longer than the run's own, which the caller's thread watches.
        got = self.baton.acquire(timeout=self.run.timeout + LEAVE_WITHIN)
        if not got or self.run.over:
            raise Unwound
        self.waiting = False

    def _stand(self, lock: StandInLock, name: Hashable) -> NoReturn:
        """Wait for a lock with nothing more in the script: to the end of the schedule, then really."""
        self._done()
        self.wants, self.wants_name = lock, name
        self._pass_on()
        if self.probing:
            self.got_it = lock.take(self.name, BLOCKED_AFTER)
            if self.got_it:
                lock.give_back()
            self.run.inbox.put(None)
            self._wait()
        raise Unwound

    def _unforeseen(self, what: str, due: _Due | None) -> NoReturn:
        """Something that the script has not here. With a script that stops early, that is where the thread stands."""
        self._done()
        if due is None and self.run.partial:
            self._pass_on()
            raise Unwound
        expected = f"the model goes on with {due}" if due is not None else "the model has nothing more"
        self._leave_schedule(f"{self.name} comes to {what}; {expected}")

    def _leave_schedule(self, why: str) -> NoReturn:
        """Say why, and stand still until everything is unwound, so that memory is seen as it is now."""
        self._diverge(why)
        self.run.inbox.put(None)
        self._wait()
        raise Unwound

    def _diverge(self, why: str) -> None:
        if self.run.diverged is None:
            self.run.diverged = Divergence(self.run.position + 1, why)

    def _here(self) -> str:
        return f" at {_caller()}"


_OURS = (__file__, StandInLock.acquire.__code__.co_filename)


def _caller() -> SourceLine:
    """The line of the code under test that led here."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename in _OURS:
        frame = frame.f_back
    return SourceLine("?", 0) if frame is None else SourceLine(frame.f_code.co_filename, frame.f_lineno)


def _raised_at(traceback: TracebackType | None) -> SourceLine | None:
    """The innermost line of the code under test that an exception came through."""
    found = None
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if file not in _OURS and os.path.dirname(file) != os.path.dirname(__file__):
            found = SourceLine(file, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found
