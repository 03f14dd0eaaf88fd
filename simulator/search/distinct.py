"""Which runs are one Mazurkiewicz trace: a small key for each run, equal for two of them when they are.

The key is made of the trace's Foata normal form (Cartier and Foata 1969): layers of steps, each step in the first layer
after all that it depends on. The steps of a layer are independent, so the threads of each layer tell, from the
initial state on, what all steps were; operations and answers are not needed. `clocks.canonical_form` is the same form
spelt out, slowly.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from simulator.machine import Machine, State
from simulator.search.tables import REMEMBERED, Touches

__all__ = ["TraceKeys"]


class TraceKeys:
    """Keys of the runs of one machine.

    >>> from simulator.ops import Read, Write
    >>> from simulator.program import Program
    >>> def reader():
    ...     yield Read("x")
    >>> def writer():
    ...     yield Write("x", 1)
    >>> keys = TraceKeys(Machine(Program({"a": reader, "b": reader, "c": writer}, memory={"x": 0})))
    >>> keys.layers([0, 1, 2]), keys.layers([1, 0, 2]), keys.layers([1, 2, 0])
    ([3, 4], [3, 4], [2, 4, 1])
    >>> keys.key([0, 1, 2]) == keys.key([1, 0, 2]), keys.key([0, 1, 2]) == keys.key([1, 2, 0])
    (True, False)
    """

    def __init__(self, machine: Machine) -> None:
        self._initial = machine.initial
        self._threads = len(machine.threads)
        self._width = (self._threads + 7) // 8
        self._touches = Touches(machine)
        self._steps = _Steps(machine)

    def layers(self, schedule: Iterable[int]) -> list[int]:
        """The threads that move in each layer, one bit for each. The schedule has to fit (KeyError if it does not)."""
        touches, steps = self._touches, self._steps
        state = self._initial
        of_thread = [0] * self._threads
        """The number of the layer that each thread moved in last, from 1 on."""
        written: dict[int, int] = {}
        read: dict[int, int] = {}
        """The last layers in which a thing was written and read; a read before the last write is in an earlier layer."""
        layers: list[int] = []
        for thread in schedule:
            state, event = steps[state][thread]
            layer = of_thread[thread]
            touched = touches[event]
            if touched >= 0:
                thing = touched >> 1
                after = written.get(thing, 0)
                if after > layer:
                    layer = after
                if touched & 1:
                    after = read.get(thing, 0)
                    if after > layer:
                        layer = after
                    written[thing] = layer + 1
                elif layer >= read.get(thing, 0):
                    read[thing] = layer + 1
            of_thread[thread] = layer + 1
            if layer == len(layers):
                layers.append(1 << thread)
            else:
                layers[layer] |= 1 << thread
        return layers

    def key(self, schedule: Iterable[int]) -> bytes:
        """16 bytes, equal for two schedules exactly when they are one trace.

        A BLAKE2b digest of `layers`: that two traces share one is, among n of them, less likely than n² / 2**129. It does
        not depend on what else the machine has run, so it can be saved.
        """
        layers = self.layers(schedule)
        if self._width == 1:
            return blake2b(bytes(layers), digest_size=16).digest()
        width = self._width
        return blake2b(b"".join([layer.to_bytes(width, "little") for layer in layers]), digest_size=16).digest()


class _Steps(dict[State, dict[int, tuple[State, int]]]):
    """`steps[state][thread]` is the state after the thread's step, and the event's number."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._moves = machine.moves

    def __missing__(self, state: State) -> dict[int, tuple[State, int]]:
        found = {thread: (reached, event) for thread, reached, event in self._moves(state)}
        if len(self) < REMEMBERED:
            self[state] = found
        return found
