"""Hypothesis as the scheduler: a state machine whose rule lets one thread take one step.

Knows Hypothesis's stateful tests, how a run is made, and what the program itself promises. What must hold besides is said
by whoever derives from it.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from simulator.analysis.detector import Detector, Sightings
from simulator.analysis.finding import Kind
from simulator.analysis.properties import FailedCheck, FailedInvariant
from simulator.errors import UsageError
from simulator.program import Program
from simulator.search.replay import run_of
from simulator.strategies.stepping import Stepping, machine_of
from simulator.trace import Outcome, Run, Schedule, Situation

__all__ = ["SchedulerStateMachine"]

LONGEST = 2_000
"""Steps of a run that is finished after the last rule, at most."""


class SchedulerStateMachine(RuleBasedStateMachine):
    """Derive from this one, say which `program`, and write invariants: they are looked at after each step.

    They see `memory` and `situation` (locks, what each thread holds and is about to do, who is enabled), `schedule` and
    `run` (what happened so far) and `outcome` (None before the end). Rules of your own may stand beside `step`. A program
    that is drawn is handed to `start` in an `@initialize` rule.

    What the program promises itself is looked at, too: its `always` and `finally_`, its checks, and that no thread crashes. A
    deadlock is an `outcome`, for `at_end` to judge.

    Hypothesis stops after at most `settings.stateful_step_count` steps, 50 unless told otherwise. Where something is to be
    looked at when the run ends (`at_end`, or `finally_`), `teardown` takes the rest of the steps, without preemption as far
    as that leads to an end, and fails if it leads to none; so whoever overrides `teardown` calls this one. A failure prints
    its steps, shrunk toward few preemptions, and the whole schedule to replay.

    >>> from hypothesis.stateful import invariant, run_state_machine_as_test
    >>> from simulator import Program, Write
    >>> def body():
    ...     yield Write("x", 1)
    >>> class OneWriter(SchedulerStateMachine):
    ...     program = Program({"a": body}, memory={"x": 0})
    ...     @invariant()
    ...     def x_is_small(self):
    ...         assert self.memory["x"] <= 1
    >>> run_state_machine_as_test(OneWriter)
    """

    program: ClassVar[Program | None] = None

    def __init__(self) -> None:
        super().__init__()
        self._before = sys.exc_info()[1]
        self._stepping: Stepping | None = None
        self._situation: Situation | None = None
        if self.program is not None:
            self.start(self.program)

    def start(self, program: Program) -> None:
        """Begin a run of this program. What was run before is forgotten."""
        self._stepping = Stepping(machine_of(program))
        self._situation = None
        self._promised: list[Detector] = [FailedCheck(), FailedCheck(Kind.CRASH)]
        if program.step_properties or program.final_properties:
            self._promised.append(FailedInvariant(program.step_properties, program.final_properties))
        self._looked_at_start = False

    def at_end(self) -> None:
        """Called once when no thread is enabled: what has to hold of a complete interleaving. Nothing unless overridden."""

    @property
    def situation(self) -> Situation:
        """The state reached, spelt out."""
        if self._situation is None:
            self._situation = self._run.machine.situation(self._run.state)
        return self._situation

    @property
    def memory(self) -> Mapping[Hashable, Any]:
        """The memory as it is now."""
        return self._run.machine.memory(self._run.state)

    @property
    def enabled(self) -> tuple[str, ...]:
        """The threads that can take a step, the simplest choice first; empty at the end."""
        return tuple(self._run.machine.threads[thread] for thread in self._run.choices)

    @property
    def schedule(self) -> Schedule:
        """Who took each step so far."""
        return self._run.schedule

    @property
    def run(self) -> Run:
        """What happened so far, step by step."""
        return run_of(self._run.machine, self._run.taken)

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended; None before it has."""
        return None if self._run.choices else self._run.machine.outcome(self._run.state)

    @precondition(lambda self: self.enabled)
    @rule(thread=st.runner().flatmap(lambda machine: st.sampled_from(machine.enabled)))
    def step(self, thread: str) -> None:
        """One step of an enabled thread."""
        self._look_at_start()
        self._take(self.enabled.index(thread))

    @precondition(lambda self: not self.enabled)
    @rule()
    def nothing_to_do(self) -> None:
        """Where no thread is enabled: Hypothesis wants a rule at every place."""

    def teardown(self) -> None:
        """Finish the run where its end is looked at, and tell the schedule, where a failure is shown."""
        if self._stepping is None:
            return
        try:
            # What failed already is not to be hidden by what the rest of the run would show.
            if sys.exc_info()[1] is self._before:
                self._look_at_start()
                self._finish()
        finally:
            note(f"schedule: {self.schedule}")

    def _finish(self) -> None:
        """Take the simplest choice until there is none, if something is looked at in the end."""
        ends_matter = type(self).at_end is not SchedulerStateMachine.at_end
        if not ends_matter and not self._run.machine.program.final_properties:
            return
        for _ in range(LONGEST):
            if not self._run.choices:
                return
            self._take(0)
        raise AssertionError(
            f"the run has not ended {LONGEST:,} steps after the last rule, so what has to hold at its end was never looked at; "
            "let the bodies come to an end, or to it in fewer steps"
        )

    def _take(self, choice: int) -> None:
        """One step, and what the program promised of it."""
        run = self._run
        before = run.state
        run.take(choice)
        self._situation = None
        _, event = run.machine.step(before, run.taken[-1])
        for detector in self._promised:
            self._refuse(detector, detector.after(None, event)[1])
        self._look()
        if not run.choices:
            self.at_end()

    def _look_at_start(self) -> None:
        """What the program promised of its first state, once; not in `__init__`, where Hypothesis tells no schedule."""
        if self._looked_at_start:
            return
        self._looked_at_start = True
        machine = self._run.machine
        notices = {name: machine.initial_notices(number) for number, name in enumerate(machine.threads)}
        for detector in self._promised:
            self._refuse(detector, detector.start(notices)[1])
        self._look()
        if not self._run.choices:
            self.at_end()

    def _look(self) -> None:
        """What the program promised of the state reached."""
        for detector in self._promised:
            self._refuse(detector, detector.in_memory(self.memory))
            if not self._run.choices:
                self._refuse(detector, detector.at_end(self.situation))

    def _refuse(self, detector: Detector, sightings: Sightings) -> None:
        for sighting in sightings:
            finding = detector.explain(sighting, self.run)
            raise AssertionError(f"{finding.title}\n{finding.why}\nschedule: {self.schedule}")

    @property
    def _run(self) -> Stepping:
        if self._stepping is None:
            raise UsageError(
                f"{type(self).__name__} has no program to run: give the class a program, or call start in an @initialize rule"
            )
        return self._stepping
