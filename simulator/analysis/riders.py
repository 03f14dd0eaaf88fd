"""Detectors riding beside states: their memos as one small number, and each step's effect on it worked out once.

A search keeps (state, memo number) instead of the state. Two paths to one state are then merged only when every riding
detector would say the same of both from there on.
"""

from __future__ import annotations

from simulator.analysis.detector import Detector, Memo, Sightings
from simulator.machine import Machine, State

__all__ = ["Riders"]


class Riders:
    """Several detectors over one machine.

    `start` is the first memo and what is seen before the first step; `after(memo, event number)` gives the next memo and what
    the step shows; `in_state` and `at_end` say what a state shows by its memory, and as the end of an interleaving.
    """

    def __init__(self, machine: Machine, detectors: tuple[Detector, ...]) -> None:
        self._machine = machine
        self._detectors = detectors
        self._memos: list[tuple[Memo, ...]] = []
        self._numbers: dict[tuple[Memo, ...], int] = {}
        self._after: list[dict[int, tuple[int, Sightings]]] = []
        self._in_memory: dict[int, Sightings] = {}
        self._together: dict[tuple[int, int], Sightings] = {}
        self.watches_memory = any(type(d).in_memory is not Detector.in_memory for d in detectors)
        self.watches_pairs = any(type(d).together is not Detector.together for d in detectors)
        notices = {name: machine.initial_notices(number) for number, name in enumerate(machine.threads)}
        memos = []
        seen: list[Sightings] = []
        for detector in detectors:
            memo, first = detector.start(notices)
            memos.append(memo)
            seen.append(first)
        self.start: tuple[int, Sightings] = (self._number(tuple(memos)), sum(seen, ()))

    def after(self, memo: int, event: int) -> tuple[int, Sightings]:
        """The memo after a step, and what the step shows."""
        known = self._after[memo].get(event)
        if known is None:
            happened = self._machine.events[event]
            memos = []
            seen: Sightings = ()
            for detector, old in zip(self._detectors, self._memos[memo], strict=True):
                new, shown = detector.after(old, happened)
                memos.append(new)
                seen += shown
            known = (self._number(tuple(memos)), seen)
            self._after[memo][event] = known
        return known

    def in_state(self, state: State) -> Sightings:
        """What a state's memory shows."""
        if not self.watches_memory:
            return ()
        part = self._machine.memory_part(state)
        seen = self._in_memory.get(part)
        if seen is None:
            memory = self._machine.memory(state)
            seen = sum((detector.in_memory(memory) for detector in self._detectors), ())
            self._in_memory[part] = seen
        return seen

    def together(self, events: list[int]) -> Sightings:
        """What it shows that all these steps are possible in one state, pair by pair."""
        seen: Sightings = ()
        for place, first in enumerate(events):
            for second in events[place + 1 :]:
                known = self._together.get((first, second))
                if known is None:
                    one, other = self._machine.events[first], self._machine.events[second]
                    known = sum((detector.together(one, other) for detector in self._detectors), ())
                    self._together[first, second] = known
                seen += known
        return seen

    def at_end(self, state: State) -> Sightings:
        """What a state shows as the end of an interleaving."""
        situation = self._machine.situation(state)
        return sum((detector.at_end(situation) for detector in self._detectors), ())

    def __len__(self) -> int:
        return len(self._memos)

    def _number(self, memos: tuple[Memo, ...]) -> int:
        number = self._numbers.get(memos)
        if number is None:
            number = len(self._memos)
            self._numbers[memos] = number
            self._memos.append(memos)
            self._after.append({})
        return number
