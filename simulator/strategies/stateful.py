"""Hypothesis as the scheduler: a state machine whose rule lets one thread take one step.

Knows Hypothesis's stateful tests, and how a run is made. What must hold is said by whoever derives from it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from simulator.errors import UsageError
from simulator.program import Program
from simulator.search.replay import run_of
from simulator.strategies.stepping import Stepping, machine_of
from simulator.trace import Outcome, Run, Schedule, Situation

__all__ = ["SchedulerStateMachine"]


class SchedulerStateMachine(RuleBasedStateMachine):
    """Derive from this one, say which `program`, and write invariants: they are looked at after each step.

    They see `memory` and `situation` (locks, what each thread holds and is about to do, who is enabled), `schedule` and
    `run` (what happened so far) and `outcome` (None before the end). Rules of your own may stand beside `step`. A program
    that is drawn is handed to `start` in an `@initialize` rule.

    Hypothesis takes at most `settings.stateful_step_count` steps, 50 unless told otherwise; a longer program is not run to
    its end. A failure prints its steps, shrunk toward few preemptions, and the schedule to replay.

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
        self._stepping: Stepping | None = None
        self._situation: Situation | None = None
        if self.program is not None:
            self.start(self.program)

    def start(self, program: Program) -> None:
        """Begin a run of this program. What was run before is forgotten."""
        self._stepping = Stepping(machine_of(program))
        self._situation = None

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
        self._run.take(self.enabled.index(thread))
        self._situation = None
        if not self._run.choices:
            self.at_end()

    @precondition(lambda self: not self.enabled)
    @rule()
    def nothing_to_do(self) -> None:
        """Where no thread is enabled: Hypothesis wants a rule at every place."""

    def teardown(self) -> None:
        """Tell the schedule, where a failure is shown."""
        if self._stepping is not None:
            note(f"schedule: {self.schedule}")

    @property
    def _run(self) -> Stepping:
        if self._stepping is None:
            raise UsageError(
                f"{type(self).__name__} has no program to run: give the class a program, or call start in an @initialize rule"
            )
        return self._stepping
