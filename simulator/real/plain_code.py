"""Schedules of plain code on real threads: every step where the model has it, memory held against the model's after each.

The model says what each thread does and where (`source/threads.py`); real threads are stopped there (`force.py`); real
objects are compared with the model's memory (`source/mirror.py`). This file brings the three together, and knows how none of
them works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from simulator.errors import UsageError
from simulator.ops import Acquire, Read, Release, Update
from simulator.real.force import Instrumented
from simulator.real.forced import Difference, Forced
from simulator.scenario import Plain
from simulator.search.replay import replay
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
        on_its_way: dict[str, int] = {}
        for visit in sorted(self._threads.visits(run), key=lambda visit: visit.step or 0):
            if visit.step is None or visit.operation in (Acquire(GIL), Release(GIL)):
                continue
            if why := self._instrumented.cannot(visit):
                return f"{run.events[visit.step - 1].where}: {why}"
            inside = visit.site is None and isinstance(visit.operation, Read | Update)
            since = on_its_way.get(visit.thread, 0)
            others = {event.thread for event in run.events[since : visit.step - 1]} - {visit.thread}
            if inside and others:
                where = run.events[visit.step - 1].where
                return f"{where}: step {visit.step} is in the midst of C code, where {visit.thread} cannot be stopped"
            on_its_way[visit.thread] = visit.step
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

            def check(step: int) -> str:
                return mirror.difference(run.situations[step].memory)

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
        expected = None if run.outcome is None else run.outcome.how
        if how != expected:
            return Difference(
                done, f"real threads ended as {how or 'not at all'}, the model as {expected or 'not at all'}"
            )
        return None
