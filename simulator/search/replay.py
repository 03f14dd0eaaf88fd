"""Replay: one interleaving, as a schedule says, step by step."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence

from simulator.errors import ScheduleError
from simulator.machine import Machine
from simulator.ops import describe
from simulator.program import Program
from simulator.trace import Event, Run, Schedule

__all__ = ["Misfit", "replay", "run_of"]


class Misfit(enum.Enum):
    """What to do where a schedule does not fit: raise, stop there, or skip that step and go on."""

    RAISE = "raise"
    STOP = "stop"
    SKIP = "skip"


def run_of(machine: Machine, schedule: Iterable[int], *, cut: bool = False) -> Run:
    """The run of a schedule that fits, by thread numbers, with every situation on the way."""
    state = machine.initial
    events: list[Event] = []
    situations = [machine.situation(state)]
    for thread in schedule:
        state, event = machine.step(state, thread)
        events.append(event)
        situations.append(machine.situation(state))
    done = not situations[-1].enabled
    return Run(
        threads=machine.threads,
        events=tuple(events),
        situations=tuple(situations),
        start={name: machine.initial_notices(number) for number, name in enumerate(machine.threads)},
        outcome=machine.outcome(state, cut=cut and not done) if done or cut else None,
        lines=machine.program.lines,
    )


def replay(
    program: Program | Machine,
    schedule: str | Sequence[str],
    *,
    misfit: Misfit = Misfit.RAISE,
    finish: bool = False,
) -> Run:
    """Run a program as a schedule says.

    A schedule that is shorter than the program leaves the run unfinished (`outcome` is None), or with `finish` the run
    goes on without preemption. Where the schedule does not fit, `misfit` decides; ScheduleError says at which step,
    why, and what was enabled.

    >>> from simulator.ops import Read, Write
    >>> def body():
    ...     value = yield Read("x")
    ...     yield Write("x", value + 1)
    >>> str(replay(Program({"a": body, "b": body}, memory={"x": 0}), "a b*2 a").outcome)
    'x=1'
    """
    machine = program if isinstance(program, Machine) else Machine(program)
    wanted = Schedule.parse(schedule, machine.threads) if isinstance(schedule, str) else Schedule(schedule)
    state = machine.initial
    taken: list[int] = []
    for number, name in enumerate(wanted, start=1):
        if name not in machine.threads:
            raise ScheduleError(f"the schedule names thread {name!r} at step {number}, which the program does not have")
        thread = machine.threads.index(name)
        if thread not in machine.enabled(state):
            if misfit is Misfit.SKIP:
                continue
            if misfit is Misfit.STOP:
                break
            raise ScheduleError(_misfit(machine, state, thread, number, len(wanted)))
        state, _ = machine.step(state, thread)
        taken.append(thread)
    if finish:
        taken.extend(_rest(machine, state, taken[-1] if taken else 0))
    return run_of(machine, taken)


def _rest(machine: Machine, state: int, last: int, limit: int = 100_000) -> list[int]:
    """The steps to the end without preemption: the same thread while it can, then the next in thread order."""
    rest: list[int] = []
    enabled = machine.enabled(state)
    while enabled:
        if last not in enabled:
            last = min(enabled, key=lambda thread: (thread < last, thread))
        state, _ = machine.step(state, last)
        rest.append(last)
        if len(rest) >= limit:
            raise ScheduleError(f"the program has not ended {limit:,} steps after the schedule")
        enabled = machine.enabled(state)
    return rest


def _misfit(machine: Machine, state: int, thread: int, number: int, steps: int) -> str:
    situation = machine.situation(state)
    name = machine.threads[thread]
    pending = situation.pending[name]
    if pending is None:
        end = situation.ends[name]
        reason = f"has ended ({end.how})" if end is not None else "has ended"
    else:
        reason = f"is blocked: it wants to {describe(pending.operation)} ({pending.where})"
    enabled = f"enabled there: {', '.join(situation.enabled)}" if situation.enabled else "nothing is enabled there"
    return f"the schedule stops fitting at step {number} of {steps}: {name} {reason}; {enabled}"
