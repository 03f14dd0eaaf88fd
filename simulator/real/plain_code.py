"""Schedules of plain code on real threads: every step where the model has it, memory held against the model's after each.

The model says what each thread does and where (`source/threads.py`); real threads are stopped there (`force.py`); real
objects are compared with the model's memory (`source/mirror.py`). This file brings the three together, and knows how none of
them works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from simulator.errors import UsageError
from simulator.machine import Machine
from simulator.ops import Acquire, Pause, Read, Release, TryAcquire, Update, Write
from simulator.real.force import Instrumented
from simulator.real.forced import Difference, Forced
from simulator.scenario import Plain
from simulator.search.replay import replay, run_of
from simulator.source.sites import Visit
from simulator.source.threads import Threads
from simulator.source.walk import GIL
from simulator.trace import Run, Schedule

__all__ = ["PlainForcing", "force_threads"]


def force_threads(
    threads: Threads, schedule: Schedule | str, *, timeout: float = 10.0
) -> tuple[Forced, Difference | None]:
    """Make real threads walk one schedule through the unmodified code, and say where they differ from the model, if they do.

    Raises ScheduleError for a schedule that does not fit the program, UsageError for one that cannot be forced.
    """
    run = replay(threads.program, schedule)
    with PlainForcing(threads, timeout=timeout) as forcing:
        if why := forcing.cannot(run):
            raise UsageError(why)
        return forcing.force(run)


class PlainForcing:
    """While entered, the code that `threads` is made of can be forced, as often as one likes.

    `implementation` is run instead of the code that was explored: it is there to see the comparison fail.
    """

    def __init__(self, threads: Threads, *, timeout: float = 10.0, implementation: Plain | None = None) -> None:
        self._threads = threads
        self._plain = implementation or threads.plain
        self._timeout = timeout
        self._instrumented = Instrumented(threads.sites(), threads.namespaces())

    def __enter__(self) -> PlainForcing:
        self._instrumented.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._instrumented.__exit__(*error)

    def cannot(self, run: Run) -> str:
        """Why a run cannot be forced, as a line; empty where it can.

        C code that looks at several shared things does so in one go: a real thread cannot be stopped in its midst to let
        another one move, though in a build without the GIL that may well happen.
        """
        begun: dict[str, int] = {}
        for visit in sorted(self._threads.visits(run), key=lambda visit: visit.step or 0):
            if visit.step is None or visit.operation in (Acquire(GIL), Release(GIL)):
                continue
            where = run.events[visit.step - 1].where
            if why := self._instrumented.cannot(visit):
                return f"{where}: {why}"
            if visit.site is None and isinstance(visit.operation, Write):
                # What a thread made becomes shared: real threads do not see it.
                continue
            since = begun.get(visit.thread, 0)
            others = {event.thread for event in run.events[since : visit.step - 1]} - {visit.thread}
            if others and _is_in_c_code(visit):
                return f"{where}: step {visit.step} is in the midst of C code, where {visit.thread} cannot be stopped"
            if _is_stopped_at(visit):
                begun[visit.thread] = visit.step
        return "" if run.outcome is not None else self._cannot_stop(run)

    def _cannot_stop(self, run: Run) -> str:
        """Why threads cannot stand where a run stops: one of them would have to change something in the midst of C code."""
        machine = Machine(self._threads.program)
        taken = [machine.threads.index(event.thread) for event in run.events]
        for thread in {*taken}:
            further = list(taken)
            while further_run := self._made_up_step(machine, further, thread):
                event = further_run.events[-1]
                if isinstance(event.operation, Update):
                    return f"{event.where}: the end is in the midst of C code, where {event.thread} cannot be stopped"
                further.append(thread)
        return ""

    def force(self, run: Run) -> tuple[Forced, Difference | None]:
        """Real threads on the schedule of one run of the model, on fresh state; and the first difference, if there is one.

        They agree when each step was taken where the model takes it, memory was the same after every step, and the run
        ended in the same way. Raises UsageError when setup or workers are at fault.
        """
        visits = self._threads.visits(run)
        with ExitStack() as stack:
            state = self._plain.setup()
            mirror = self._threads.mirror(state)
            stack.enter_context(mirror.from_the_start())
            stand_ins = self._instrumented.stand_ins
            stack.enter_context(mirror.with_locks({"lock": stand_ins.lock, "rlock": stand_ins.rlock}))
            workers = self._plain.named(state)
            locks = mirror.locks()
            underway = _underway(visits)

            def check(step: int) -> str:
                return "" if step in underway else mirror.difference(run.situations[step].memory)

            forced = self._instrumented.force(
                workers,
                visits,
                names=lambda lock, expected: locks.get(id(lock)) or mirror.lock_name(lock, expected) or lock.name,
                model_only=[GIL],
                check=check,
                observe=mirror.memory,
                partial=run.outcome is None,
                timeout=self._timeout,
            )
        return forced, self._difference(forced, run)

    def completed(self, run: Run) -> Run:
        """The run with its end, where all that it lacks is steps that real threads do not take; else the run as it is.

        A thread that has done everything still gives the GIL back in the model. On real threads that is nothing, and they have
        ended.
        """
        if run.outcome is not None:
            return run
        machine = Machine(self._threads.program)
        taken = [machine.threads.index(event.thread) for event in run.events]
        found = run
        while found.outcome is None:
            for thread in range(len(machine.threads)):
                further = self._made_up_step(machine, taken, thread)
                if further is not None:
                    break
            else:
                return run
            found = further
            taken.append(thread)
        return found

    def _made_up_step(self, machine: Machine, taken: list[int], thread: int) -> Run | None:
        """The run with one more step of a thread, if that is one of the model alone; None if it is not, or there is none."""
        name = machine.threads[thread]
        situation = run_of(machine, taken).situations[-1]
        pending = situation.pending[name]
        if pending is None or name not in situation.enabled:
            return None
        match pending.operation:
            case Acquire(lock) | TryAcquire(lock) | Release(lock) if lock != GIL:
                return None
            case Pause():
                return None
            case operation:
                run = run_of(machine, [*taken, thread])
                if operation in (Acquire(GIL), Release(GIL)):
                    return run
        last = next(visit for visit in self._threads.visits(run) if visit.step == len(run))
        return run if last.site is None else None

    def all(self, runs: Iterable[Run]) -> Iterator[tuple[Forced, Difference | None]]:
        """The same for many runs."""
        for run in runs:
            yield self.force(run)

    def _difference(self, forced: Forced, run: Run) -> Difference | None:
        if forced.diverged is not None:
            return Difference(forced.diverged.step, forced.diverged.why)
        done = len(forced.log)
        if forced.running:
            return Difference(done, f"{', '.join(forced.running)} could not be stopped")
        how = None if forced.outcome is None else forced.outcome.how
        model = run.outcome if how is None else self.completed(run).outcome
        expected = None if model is None else model.how
        if how != expected:
            return Difference(
                done, f"real threads ended as {how or 'not at all'}, the model as {expected or 'not at all'}"
            )
        return None


def _is_in_c_code(visit: Visit) -> bool:
    """Whether a step happens in what C code does at once, after another one."""
    return visit.site is None and isinstance(visit.operation, Read | Update)


def _is_stopped_at(visit: Visit) -> bool:
    """Whether a real thread is stopped before a step."""
    return visit.site is not None or isinstance(visit.operation, Acquire | TryAcquire | Release | Pause)


def _underway(visits: Iterable[Visit]) -> set[int]:
    """Steps after which real threads are further than the model, for C code is not over before it has done several."""
    found: set[int] = set()
    begun: dict[str, int] = {}
    for visit in visits:
        if visit.step is None or visit.operation in (Acquire(GIL), Release(GIL)):
            continue
        if _is_in_c_code(visit):
            found.update(range(begun.get(visit.thread, visit.step), visit.step))
        elif _is_stopped_at(visit):
            begun[visit.thread] = visit.step
    return found
