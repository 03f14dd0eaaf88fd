"""Runs gone through one after another, with the detectors folded over each.

It knows what all runs so far have shown, and how to save that as schedules from which it can be seen again. It does not
know where the runs come from, nor when to stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.analysis.data_race import RacingNow
from simulator.analysis.detector import Sightings
from simulator.analysis.riders import Riders
from simulator.clocks import HappensBefore
from simulator.errors import InternalError, UsageError
from simulator.machine import Machine, State
from simulator.search.endings import Endings
from simulator.search.graph import Explored
from simulator.search.naive import Interleaving
from simulator.trace import Event, Outcome

__all__ = ["GoneThrough"]

_OTHER_PROGRAM = "the checkpoint does not fit: its schedules lead elsewhere now, so the program has changed since"


class GoneThrough:
    """Runs gone through one after another, with detectors folded over each from where it parts from the one before."""

    def __init__(self, machine: Machine, riders: Riders, explored: Explored) -> None:
        self.machine = machine
        self.riders = riders
        self.explored = explored
        self.taken: dict[int, None] = {}
        """Each event that was taken, in the order in which they were first; `covering` has the runs that took them."""
        self.covering: list[tuple[int, ...]] = []
        self.example: dict[Outcome, tuple[tuple[int, ...], bool]] = {}
        self._schedule: tuple[int, ...] = ()
        self._states = [machine.initial]
        memo, seen = riders.start
        self._memos = [memo]
        # Races are reversible pairs: cheaper to read off the order of cause than to carry along as a memo.
        self._order = HappensBefore()
        self._happened: list[Event] = []
        self._racing = RacingNow()
        self._outcomes: dict[tuple[State, bool], Outcome] = {}
        self._at_end: dict[State, Sightings] = {}
        self._endings = explored.endings = Endings(machine)
        self._note((*seen, *riders.in_state(machine.initial)), ())

    def go(self, found: Interleaving) -> None:
        """One more run: what it shows, and how it ended."""
        self.fold(found.schedule)
        outcome = self._outcomes.get((found.state, found.cut))
        if outcome is None:
            outcome = self.machine.outcome(found.state, cut=found.cut)
            self._outcomes[found.state, found.cut] = outcome
            self.example.setdefault(outcome, (found.schedule, found.cut))
        self.explored.outcomes[outcome] = (self.explored.outcomes.get(outcome) or 0) + 1
        if not found.cut:
            self.end(found.schedule, found.state)

    def fold(self, schedule: tuple[int, ...]) -> None:
        """The detectors over a run's steps."""
        states, memos, riders, taken = self._states, self._memos, self.riders, self.taken
        events, happened = self.machine.events, self._happened
        shared = 0
        for mine, other in zip(schedule, self._schedule, strict=False):
            if mine != other:
                break
            shared += 1
        for _ in range(len(states) - 1 - shared):
            self._order.pop()
        del states[shared + 1 :], memos[shared + 1 :], happened[shared:]
        state, memo = states[-1], memos[-1]
        covers = False
        for length in range(shared, len(schedule)):
            state, event = self.machine.move(state, schedule[length])
            memo, seen = riders.after(memo, event)
            if event not in taken:
                taken[event] = None
                covers = True
            happened.append(events[event])
            for first in self._order.push(events[event]):
                seen += self._racing.together(happened[first], events[event])
            if seen or riders.watches_memory:
                self._note((*seen, *riders.in_state(state)), schedule[: length + 1])
            states.append(state)
            memos.append(memo)
        self._schedule = schedule
        if covers:
            self.covering.append(schedule)

    def end(self, schedule: tuple[int, ...], state: State) -> None:
        """What the state shows in which a run ended."""
        seen = self._at_end.get(state)
        if seen is None:
            seen = self._at_end[state] = self.riders.at_end(state)
            self._endings.add(state, seen)
            self._note(seen, schedule)

    def _note(self, seen: Sightings, schedule: tuple[int, ...]) -> None:
        for sighting in seen:
            self.explored.sightings.setdefault(sighting, schedule)

    def saved(self) -> dict[str, Any]:
        """What was seen so far, as schedules from which it can be seen again."""
        return {
            "runs": self.explored.runs,
            "outcomes": [
                [list(schedule), cut, self.explored.outcomes[outcome]]
                for outcome, (schedule, cut) in self.example.items()
            ],
            "sightings": [list(schedule) for schedule in dict.fromkeys(self.explored.sightings.values())],
            "covering": [list(schedule) for schedule in self.covering],
            "steps": self._steps(),
        }

    def _steps(self) -> list[str]:
        """What each step that was taken did: what the same program has to do again."""
        events = self.machine.events
        return [f"{events[event]} ({events[event].where})" for event in self.taken]

    def put_back(self, saved: Mapping[str, Any]) -> None:
        """See again what was saved. Raises UsageError when the program does not do the same again."""
        try:
            for schedule in map(tuple, saved["covering"]):
                self.fold(schedule)
        except InternalError:
            raise UsageError(_OTHER_PROGRAM) from None
        if self._steps() != saved["steps"]:
            raise UsageError(_OTHER_PROGRAM)
        # In the order in which they were seen, each on the run that showed it first.
        self.explored.sightings.clear()
        self._note((*self.riders.start[1], *self.riders.in_state(self.machine.initial)), ())
        for schedule in map(tuple, saved["sightings"]):
            self._schedule = ()
            self.fold(schedule)
            state = self._states[-1]
            if not self.machine.enabled(state):
                self.end(schedule, state)
        for schedule, cut, times in saved["outcomes"]:
            self.fold(tuple(schedule))
            outcome = self.machine.outcome(self._states[-1], cut=cut)
            self.example[outcome] = (tuple(schedule), cut)
            self.explored.outcomes[outcome] = times
        self.explored.runs = saved["runs"]
