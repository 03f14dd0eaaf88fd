"""What is measured: each workload is one piece of work and the number of things that it gets done.

The unit of everything is one *resume*: a bare loop that sends a counter's body its answers and does nothing else. How many
resumes a state or an execution costs says something about this project; how many there are in a second says something about
the machine. This file knows what to run and nothing of clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from scenarios.bank import bank
from scenarios.counter import counter, increment
from simulator import check, count
from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Kind, Sighting
from simulator.analysis.riders import Riders
from simulator.bodies import Automaton
from simulator.machine import COMPACT, Machine
from simulator.ops import Add, Read, Write
from simulator.program import Body, Program
from simulator.search.budget import Budget
from simulator.search.graph import Explored, StateGraph
from simulator.search.naive import interleavings
from simulator.search.shortest import shortest_schedules

__all__ = ["WORKLOADS", "YARDSTICK", "Workload", "state_graph"]

TURNS = 1000
"""Turns of the loop in a counter's body, where one body is run by itself: three steps each."""
RERUNS = 10_000
"""How many of the interleavings are run again from the start; all of them would take minutes."""


@dataclass(frozen=True, slots=True)
class Workload:
    """`work()` does it once, from the program on, and returns what it got done by unit. `prepare` is not measured."""

    topic: str
    what: str
    work: Callable[[Any], Mapping[str, int]]
    prepare: Callable[[], Any] = lambda: None
    prototype: str = ""
    """The figure of the throw-away prototype: measured elsewhere and earlier, never here."""
    slow: bool = False
    known: Mapping[str, int] = field(default_factory=dict)
    """What it has to get done, where that is known."""

    def done(self, prepared: Any) -> Mapping[str, int]:
        """Do it once, and see that what is known came out."""
        done = self.work(prepared)
        for unit, number in self.known.items():
            if done[unit] != number:
                raise AssertionError(f"{self}: {done[unit]:,} {unit}, expected {number:,}")
        return done

    def __str__(self) -> str:
        return f"{self.topic}: {self.what}"


# -- the yardstick


def resume(_: object) -> Mapping[str, int]:
    """Send a body its answers, to its end."""
    send = increment(TURNS).send
    send(None)
    try:
        for value in range(TURNS):
            send(value)
            send(value + 1)
            send(None)
    except StopIteration:
        return {"resumes": 3 * TURNS}
    raise AssertionError("the body goes on after its last answer")


YARDSTICK = Workload("yardstick", "resume a body, and nothing else", resume)


# -- enumeration


def rerunning(program: Program) -> Iterator[tuple[tuple[int, ...], Mapping[Hashable, object]]]:
    """Every interleaving of a program without locks, each by running fresh generators from the start."""
    bodies = list(program.bodies.values())
    forced: list[int] = []
    while True:
        memory = dict(program.memory)
        generators = [body() for body in bodies]
        asked: list[Any] = [next(generator) for generator in generators]
        running = list(range(len(bodies)))
        schedule: list[int] = []
        choices: list[tuple[int, ...]] = []
        while running:
            thread = forced[len(schedule)] if len(schedule) < len(forced) else running[0]
            choices.append(tuple(running))
            schedule.append(thread)
            answer: object = None
            match asked[thread]:
                case Read(location):
                    answer = memory[location]
                case Write(location, value):
                    memory[location] = value
                case Add(left, right):
                    answer = left + right
            try:
                asked[thread] = generators[thread].send(answer)
            except StopIteration:
                running.remove(thread)
        yield tuple(schedule), memory
        while schedule:
            taken = schedule.pop()
            later = [thread for thread in choices.pop() if thread > taken]
            if later:
                forced = [*schedule, later[0]]
                break
        else:
            return


def rerun(program: Program) -> Mapping[str, int]:
    return _tally(schedule for schedule, _ in islice(rerunning(program), RERUNS))


def enumerate_all(program: Program) -> Mapping[str, int]:
    return _tally(found.schedule for found in interleavings(Machine(program)))


def _tally(schedules: Iterator[tuple[int, ...]]) -> Mapping[str, int]:
    executions = steps = 0
    for schedule in schedules:
        executions += 1
        steps += len(schedule)
    return {"executions": executions, "steps": steps}


# -- state graph


def riding(machine: Machine, *, with_detectors: bool) -> Riders:
    """All the detectors that `check` sends along, or none."""
    detectors = detectors_for(machine.program) if with_detectors else ()
    return Riders(machine, tuple(detector.over_states() for detector in detectors))


def state_graph(program: Program, *, with_detectors: bool) -> Explored:
    machine = Machine(program, bits=COMPACT)
    return StateGraph(machine, riding(machine, with_detectors=with_detectors), Budget()).run()


def _graph(what: str, program: Program, *, with_detectors: bool, prototype: str = "") -> Workload:
    def work(_: object) -> Mapping[str, int]:
        explored = state_graph(program, with_detectors=with_detectors)
        return {"states": explored.states, "transitions": explored.transitions}

    riding = "all detectors riding" if with_detectors else "states alone"
    return Workload("state graph", f"{what}, {riding}", work, prototype=prototype)


# -- counting, growing, checking


def _census(threads: int, increments: int, prototype: str, *, slow: bool = False) -> Workload:
    program = counter(threads=threads, increments=increments)
    return Workload(
        "census",
        f"counter({threads},{increments})",
        lambda _: {"counts": 1, "states": count(program).states},
        prototype=prototype,
        slow=slow,
    )


def grow(body: Body, *, merge: bool) -> Mapping[str, int]:
    """Lead an automaton through the loop of a counter's body."""
    automaton = Automaton(body, thread="t", merge=merge)
    node = 0
    for value in range(TURNS):
        for answer in (value, value + 1, None):
            node = automaton.after(node, answer)
    return {"nodes": len(automaton)}


def checked(program: Program) -> Mapping[str, int]:
    check(program)
    return {"checks": 1}


def _witness(what: str, program: Program, kind: Kind) -> Workload:
    def prepare() -> tuple[Machine, Riders, list[Sighting]]:
        machine = Machine(program, bits=COMPACT)
        detectors = [detector.over_states() for detector in detectors_for(program) if detector.kind is kind]
        riders = Riders(machine, tuple(detectors))
        return machine, riders, list(StateGraph(machine, riders, Budget()).run().sightings)

    def work(prepared: tuple[Machine, Riders, list[Sighting]]) -> Mapping[str, int]:
        return {"schedules": len(shortest_schedules(*prepared, Budget()))}

    return Workload("shortest witness", what, work, prepare)


_OPEN_BANK = bank(strategy="none")
_RING = bank(ring=5)

WORKLOADS: tuple[Workload, ...] = (
    YARDSTICK,
    Workload(
        "enumeration",
        f"re-running generators, counter(4,1), first {RERUNS:,}",
        lambda _: rerun(counter(threads=4)),
        prototype="48-92 thousand executions/s, about 1 M steps/s",
    ),
    Workload("enumeration", "re-running generators, bank without locks", lambda _: rerun(_OPEN_BANK)),
    Workload(
        "enumeration",
        "naive, counter(4,1)",
        lambda _: enumerate_all(counter(threads=4)),
        prototype="360-712 thousand executions/s, 2.1 M steps/s",
    ),
    Workload("enumeration", "naive, bank without locks", lambda _: enumerate_all(_OPEN_BANK)),
    *(
        _graph(what, program, with_detectors=with_detectors, prototype="" if with_detectors else prototype)
        for what, program, prototype in (
            ("counter(5,1)", counter(threads=5), "0.31 M states/s as tuples, 0.66 M packed"),
            ("counter(6,1)", counter(threads=6), "0.31 M states/s as tuples, 0.66 M packed"),
            ("counter(3,3)", counter(threads=3, increments=3), ""),
            ("bank ring(5)", _RING, ""),
        )
        for with_detectors in (False, True)
    ),
    _census(5, 1, "1 ms"),
    _census(3, 3, "12 ms"),
    _census(10, 1, "0.17 s"),
    _census(5, 3, "13 s", slow=True),
    Workload(
        "automaton",
        "grow, plain",
        lambda _: grow(partial(increment, TURNS), merge=False),
        prototype="2 µs a node",
    ),
    Workload(
        "automaton",
        "grow, merging",
        lambda _: grow(partial(increment, TURNS), merge=True),
        prototype="10 µs a node",
    ),
    Workload("check", "counter(2,1)", lambda _: checked(counter(threads=2))),
    Workload("check", "counter(5,1)", lambda _: checked(counter(threads=5))),
    Workload("check", "bank", lambda _: checked(bank())),
    _witness("lost update in counter(5,1)", counter(threads=5), Kind.LOST_UPDATE),
    _witness("deadlock in bank", bank(), Kind.DEADLOCK),
    _witness("deadlock in bank ring(5)", _RING, Kind.DEADLOCK),
)
