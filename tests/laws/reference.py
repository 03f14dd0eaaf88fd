"""What a program does, written once more from the design and as plainly as possible.

No automaton, no packed states, no merging: the memory is a dict, a lock is a name in a table, and each interleaving
runs the bodies' generators from scratch. Of the simulator it takes the operations and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from simulator import ops
from simulator.program import Program


class World:
    """One run, as far as it has come."""

    def __init__(self, program: Program) -> None:
        self.reentrant = set(program.rlocks)
        self.memory: dict[Hashable, Any] = dict(program.memory)
        self.owner: dict[Hashable, str | None] = dict.fromkeys((*program.locks, *program.rlocks))
        self.depth: dict[Hashable, int] = dict.fromkeys(self.owner, 0)
        self.threads = {name: body() for name, body in program.bodies.items()}
        self.wants: dict[str, Any] = {}
        self.ended: dict[str, str] = {}
        self.touched: list[tuple[str, str, Hashable, bool]] = []
        """Each access of memory: thread, "R" or "W", location, whether it is atomic."""
        for name, generator in self.threads.items():
            self._run(name, generator.__next__)

    def _run(self, name: str, resume: Callable[[], Any]) -> None:
        """Let a thread go on to its next operation or its end. Checks, and releases of locks not held, take no step."""
        generator = self.threads[name]
        self.wants[name] = None
        while True:
            try:
                wanted = resume()
            except StopIteration:
                self.ended[name] = "finished"
                return
            except AssertionError:
                self.ended[name] = "failed check"
                return
            except Exception:
                self.ended[name] = "crashed"
                return
            if isinstance(wanted, ops.Check):
                if wanted.condition:
                    resume = lambda: generator.send(None)  # noqa: E731
                else:
                    failed = AssertionError(wanted.message)
                    resume = lambda: generator.throw(failed)  # noqa: B023, E731
            elif isinstance(wanted, ops.Release) and self.owner[wanted.lock] != name:
                resume = lambda: generator.throw(RuntimeError("not held"))  # noqa: E731
            else:
                self.wants[name] = wanted
                return

    def enabled(self) -> list[str]:
        return [name for name in self.threads if self._can(name)]

    def _can(self, name: str) -> bool:
        wanted = self.wants[name]
        if wanted is None:
            return False
        if isinstance(wanted, ops.Acquire):
            owner = self.owner[wanted.lock]
            return owner is None or (owner == name and wanted.lock in self.reentrant)
        return True

    def step(self, name: str) -> None:
        wanted = self.wants[name]
        generator = self.threads[name]
        answer: Any = None
        raised: Exception | None = None
        if isinstance(wanted, ops.Read):
            answer = self.memory[wanted.location]
            self.touched.append((name, "R", wanted.location, False))
        elif isinstance(wanted, ops.Write):
            self.memory[wanted.location] = wanted.value
            self.touched.append((name, "W", wanted.location, False))
        elif isinstance(wanted, ops.Add):
            answer = wanted.left + wanted.right
        elif isinstance(wanted, ops.Update):
            answer = self.memory[wanted.location]
            try:
                self.memory[wanted.location] = wanted.function(answer, *wanted.arguments)
            except Exception as error:
                raised = error
            self.touched.append((name, "R" if raised else "W", wanted.location, True))
        elif isinstance(wanted, ops.CompareAndSwap):
            answer = self.memory[wanted.location] == wanted.expected
            self.touched.append((name, "W" if answer else "R", wanted.location, True))
            if answer:
                self.memory[wanted.location] = wanted.new
        elif isinstance(wanted, ops.Acquire):
            self._take(name, wanted.lock)
        elif isinstance(wanted, ops.TryAcquire):
            owner = self.owner[wanted.lock]
            answer = owner is None or (owner == name and wanted.lock in self.reentrant)
            if answer:
                self._take(name, wanted.lock)
        elif isinstance(wanted, ops.Release):
            self.depth[wanted.lock] -= 1
            if not self.depth[wanted.lock]:
                self.owner[wanted.lock] = None
        if raised is not None:
            self._run(name, lambda: generator.throw(raised))
        else:
            self._run(name, lambda: generator.send(answer))

    def _take(self, name: str, lock: Hashable) -> None:
        self.owner[lock] = name
        self.depth[lock] += 1

    def how(self) -> str:
        ways = set(self.ended.values())
        if "crashed" in ways:
            return "crashed"
        if "failed check" in ways:
            return "failed check"
        return "finished" if len(self.ended) == len(self.threads) else "deadlocked"

    def racing(self) -> set[Hashable]:
        """Locations that two enabled threads are about to access, one to write, not both atomically."""
        coming = []
        for name in self.enabled():
            match self.wants[name]:
                case ops.Read(location):
                    coming.append(("R", location, False))
                case ops.Write(location):
                    coming.append(("W", location, False))
                case ops.Update(location, function, arguments):
                    try:
                        function(self.memory[location], *arguments)
                        coming.append(("W", location, True))
                    except Exception:
                        coming.append(("R", location, True))
                case ops.CompareAndSwap(location, expected):
                    coming.append(("W" if self.memory[location] == expected else "R", location, True))
        return {
            location
            for number, (what, location, atomic) in enumerate(coming)
            for other_what, other_location, other_atomic in coming[number + 1 :]
            if location == other_location and "W" in (what, other_what) and not (atomic and other_atomic)
        }

    def lost_updates(self) -> set[Hashable]:
        """Locations that a thread wrote from a read that another's write had made stale meanwhile."""
        found = set()
        for last, (writer, what, location, atomic) in enumerate(self.touched):
            if what != "W" or atomic:
                continue
            mine = [
                number
                for number, (thread, did, name, whole) in enumerate(self.touched[:last])
                if thread == writer and name == location and (did == "R" or whole)
            ]
            if mine and any(
                thread != writer and did == "W" and name == location and not self._written_since(number, last, writer)
                for number, (thread, did, name, _) in enumerate(self.touched[:last])
                if number > mine[-1]
            ):
                found.add(location)
        return found

    def _written_since(self, first: int, last: int, writer: str) -> bool:
        """Whether the writer itself wrote the same location in between: then that write was the one that lost it."""
        location = self.touched[first][2]
        return any(
            (thread, did, name) == (writer, "W", location) for thread, did, name, _ in self.touched[first + 1 : last]
        )

    def close(self) -> None:
        """End the generators, those too whose `finally` yields."""
        for generator in self.threads.values():
            while True:
                try:
                    generator.close()
                except RuntimeError:
                    continue
                except Exception:
                    pass
                break


@dataclass(frozen=True)
class Interleaving:
    """One interleaving: who moved, how many could have moved each time, how it ended."""

    schedule: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]
    """The threads enabled before each step."""
    how: str
    memory: tuple[tuple[Hashable, Any], ...]
    racing: frozenset[Hashable]
    lost: frozenset[Hashable]

    @property
    def outcome(self) -> tuple[str, str]:
        """By repr, so that True is not 1."""
        return self.how, repr(self.memory)

    @property
    def odds(self) -> Fraction:
        """How likely a random walk goes this way."""
        product = Fraction(1)
        for choice in self.choices:
            product /= len(choice)
        return product

    def key(self, length: int) -> tuple[int, int, tuple[str, ...]]:
        """How short the first `length` steps are as a witness: preemptions, steps, thread order (t0 < t1 < t2)."""
        preemptions = sum(
            before != after and before in enabled
            for before, after, enabled in zip(self.schedule, self.schedule[1:length], self.choices[1:], strict=False)
        )
        return preemptions, length, self.schedule[:length]


def interleavings(program: Program, *, max_steps: int | None = None) -> Iterator[Interleaving]:
    """Every interleaving in thread order, each run from scratch."""
    prefix: list[str] = []
    while True:
        world = World(program)
        schedule: list[str] = []
        choices: list[tuple[str, ...]] = []
        racing: set[Hashable] = set()
        while (enabled := world.enabled()) and len(schedule) != max_steps:
            racing |= world.racing()
            chosen = prefix[len(schedule)] if len(schedule) < len(prefix) else enabled[0]
            schedule.append(chosen)
            choices.append(tuple(enabled))
            world.step(chosen)
        yield Interleaving(
            tuple(schedule),
            tuple(choices),
            "out of steps" if enabled else world.how(),
            tuple(world.memory.items()),
            frozenset(racing),
            frozenset(world.lost_updates()),
        )
        world.close()
        while schedule:
            last, enabled = schedule.pop(), list(choices.pop())
            following = enabled.index(last) + 1
            if following < len(enabled):
                prefix = [*schedule, enabled[following]]
                break
        else:
            return
