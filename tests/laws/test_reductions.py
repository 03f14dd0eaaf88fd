"""Laws of the reduced search: whatever it leaves out, it says what the whole state graph says.

The whole graph is `StateGraph` with every detector riding beside the states, over the same program. Many programs here
have threads that are alike, wait for each other, hold locks over accesses, or never end, for that is where a reduction
could go wrong.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from simulator.analysis.deadlock import wait_for, waiting_cycles
from simulator.analysis.detector import sightings_in
from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Kind
from simulator.analysis.riders import Riders
from simulator.machine import COMPACT, Machine
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.graph import StateGraph
from simulator.search.reduced import Reduced, ReducedGraph, Reduction
from simulator.search.replay import run_of
from tests.conftest import PROFILE
from tests.laws.programs import (
    Await,
    Block,
    If,
    Locked,
    Simple,
    Small,
    Statement,
    Try,
    any_programs,
    locations,
    locks,
    simple,
    small_programs,
    stepless,
    values,
)

many = settings(max_examples=4000 if PROFILE == "thorough" else 300)
some = settings(max_examples=2000 if PROFILE == "thorough" else 100)


@dataclass(frozen=True, slots=True)
class Forever(Statement):
    """The block, over and over."""

    block: Block

    def lines(self) -> Iterable[str]:
        yield "while True:"
        yield from (f"    {line}" for statement in self.block for line in statement.lines())
        yield "    yield Pause()"

    @property
    def operations(self) -> int:
        return 1 + sum(statement.operations for statement in self.block)


_access = st.one_of(
    st.builds("r = yield Read({0!r})".format, locations),
    st.builds("yield Write({0!r}, r + {1})".format, locations, values),
    st.builds("yield Write({0!r}, {1})".format, locations, values),
).map(Simple)


@st.composite
def _blocks(draw: st.DrawFn, most: int) -> Block:
    """At most so many operations, in which locks are held over something more often than not."""
    made: list[Statement] = []
    while most > 0:
        statement: Statement
        match draw(st.integers(0, 11)):
            case 0 | 1 | 2 | 3:
                statement = draw(_access)
            case 4 | 5:
                statement = draw(simple)
            case 6 | 7 | 8 if most >= 2:
                statement = Locked(draw(locks), draw(_blocks(most - 2)), draw(st.booleans()))
            case 9 if most >= 2:
                statement = Try(draw(locks), draw(_blocks(most - 2)), draw(_blocks(most - 1)))
            case 10:
                statement = If(draw(values), draw(_blocks(most)), draw(_blocks(most)))
            case _:
                made.append(draw(stepless))
                statement = draw(_access)
        made.append(statement)
        most -= max(1, statement.operations)
    return tuple(made)


@st.composite
def _endless_blocks(draw: st.DrawFn, most: int) -> Block:
    """A wait for a value or a loop without end, with something before it or after it."""
    before = draw(_blocks(draw(st.integers(0, max(0, most - 2)))))
    if draw(st.booleans()):
        return (*before, Await(draw(locations), draw(values)), *draw(_blocks(draw(st.integers(0, most - 2)))))
    return (*before, Forever(draw(_blocks(draw(st.integers(0, 2))))))


@st.composite
def alike_programs(draw: st.DrawFn, *, endless: bool = False) -> Small:
    """Two or three threads alike, or none, and often one or two others."""
    alike, others, size = draw(st.sampled_from([(2, 0, 5), (2, 1, 3), (3, 0, 3), (2, 2, 2), (3, 1, 2), (1, 2, 3)]))
    made = [draw(_endless_blocks(size) if endless and draw(st.booleans()) else _blocks(size))] * alike
    made += [draw(_endless_blocks(size) if endless and draw(st.booleans()) else _blocks(size)) for _ in range(others)]
    return Small(tuple(draw(st.permutations(made))))


@st.composite
def _regions(draw: st.DrawFn, most: int) -> Block:
    """Accesses under one lock, or two, or none, one after another."""
    made: list[Statement] = []
    for _ in range(draw(st.integers(1, most))):
        if draw(st.integers(0, 4)) == 0:
            look = Simple(f"r = yield Read({draw(locations)!r})")
            ways = [(draw(_access),), (Locked(draw(locks), (draw(_access),), False),)]
            made += [look, If(draw(values), *draw(st.permutations(ways)))]
            continue
        access = (draw(_access),)
        inner = (Locked(draw(locks), access, False),) if draw(st.integers(0, 2)) == 0 else access
        region: Statement = draw(
            st.sampled_from(
                [
                    Locked(draw(locks), inner, False),
                    Locked(draw(locks), inner, False),
                    Locked(draw(locks), (), False),
                    Try(draw(locks), inner, ()),
                    access[0],
                ]
            )
        )
        made.append(region)
    return tuple(made)


@st.composite
def region_programs(draw: st.DrawFn) -> Small:
    """Two threads that go through three regions at most, or three through two."""
    threads, most = draw(st.sampled_from([(2, 3), (3, 2)]))
    made = [draw(_regions(most)) for _ in range(threads)]
    if draw(st.integers(0, 3)) == 0:
        made[-1] = made[0]
    return Small(tuple(made))


programs = st.one_of(
    region_programs(),
    region_programs(),
    any_programs,
    small_programs(endless=True),
    alike_programs(),
    alike_programs(endless=True),
    alike_programs(endless=True),
)


def of(small: Small, *, looking_at_each_step: bool) -> Program:
    program = small.program()
    together = {"x is not above y": lambda memory: memory["x"] <= memory["y"]}
    return Program(
        program.bodies,
        memory=program.memory,
        locks=program.locks,
        rlocks=program.rlocks,
        always={**program.step_properties, **together} if looking_at_each_step else None,
        finally_=program.final_properties,
    )


@dataclass
class Whole:
    """Everything that a program can show, without any reduction."""

    machine: Machine
    graph: StateGraph

    @classmethod
    def of(cls, program: Program) -> Whole:
        machine = Machine(program)
        riders = Riders(machine, tuple(each.over_states() for each in detectors_for(program)))
        graph = StateGraph(machine, riders, Budget(max_states=4000))
        if not graph.run().complete:
            reject()  # a thread may count without end
        return cls(machine, graph)


def standing(machine: Machine, graph: StateGraph | ReducedGraph) -> Iterator[frozenset[Hashable]]:
    """The locks of every cycle of threads that wait for each other, in any state, whoever still runs."""
    for state, _ in graph.visited():
        for cycle in waiting_cycles(wait_for(machine.situation(state))):
            yield frozenset(wait.lock for wait in cycle)


def says_the_same(program: Program, whole: Whole, machine: Machine, reductions: Reduction) -> Reduced:
    graph = ReducedGraph(machine, detectors_for(program), Budget(), reductions=reductions)
    explored = graph.run()
    assert explored.complete
    assert explored.undecided == ()
    assert explored.outcomes.keys() == whole.graph.explored.outcomes.keys()
    assert explored.sightings.keys() == whole.graph.explored.sightings.keys()
    assert set(machine.all_pending()) == set(whole.machine.all_pending())
    assert set(standing(machine, graph)) == set(standing(whole.machine, whole.graph))
    shows_what_it_says(program, explored)
    return explored


def shows_what_it_says(program: Program, explored: Reduced) -> None:
    machine = Machine(program)
    detectors = {each.kind: each for each in detectors_for(program)}
    for sighting, schedule in explored.sightings.items():
        run = run_of(machine, schedule)
        first_seen = sightings_in(detectors[sighting.kind], run)[sighting]
        # Over states a race is seen when both can move; the fold may have seen another pair before.
        assert first_seen <= len(run) if sighting.kind is Kind.DATA_RACE else first_seen == len(run)
        assert detectors[sighting.kind].explain(sighting, run).objects == sighting.objects


@many
@given(programs)
def test_a_few_states_say_what_all_of_them_say(small: Small) -> None:
    program = of(small, looking_at_each_step=False)
    whole = Whole.of(program)
    explored = says_the_same(program, whole, Machine(program), Reduction.ALL)
    assert explored.states <= len({state for state, _ in whole.graph.visited()})


@many
@given(programs)
def test_properties_of_every_step_see_every_memory(small: Small) -> None:
    program = of(small, looking_at_each_step=True)
    says_the_same(program, Whole.of(program), Machine(program), Reduction.ALL)


@many
@given(programs)
def test_every_final_state_is_reached_with_all_that_the_threads_remember(small: Small) -> None:
    program = of(small, looking_at_each_step=False)
    Whole.of(program)
    machine = Machine(program)
    graph = ReducedGraph(machine, detectors_for(program), Budget())
    graph.run()
    whole = StateGraph(machine, Riders(machine, ()), Budget())
    whole.run()
    assert final(machine, graph) == final(machine, whole)


def final(machine: Machine, graph: StateGraph | ReducedGraph) -> set[object]:
    """The states without a next one, up to the order of interchangeable threads."""
    return {
        (machine.memory_part(state), *(tuple(sorted(machine.locals_of(state, members))) for members in machine.classes))
        for state, _ in graph.visited()
        if not machine.moves(state)
    }


@many
@given(programs)
def test_a_property_of_every_step_is_asked_about_every_memory(small: Small) -> None:
    asked: list[set[tuple[object, ...]]] = [set(), set()]

    def program(number: int) -> Program:
        plain = of(small, looking_at_each_step=False)

        def ask(memory: Mapping[Hashable, object]) -> bool:
            asked[number].add(tuple(memory.values()))
            return True

        return Program(plain.bodies, memory=plain.memory, locks=plain.locks, rlocks=plain.rlocks, always=ask)

    Whole.of(program(0))
    looking = program(1)
    assert ReducedGraph(Machine(looking), detectors_for(looking), Budget()).run().complete
    assert asked[0] == asked[1]


@some
@given(programs, st.booleans(), st.sampled_from([*Reduction, Reduction.NONE, ~Reduction.FUSION, ~Reduction.SYMMETRY]))
def test_each_reduction_can_be_switched_off(small: Small, looking: bool, reductions: Reduction) -> None:
    program = of(small, looking_at_each_step=looking)
    says_the_same(program, Whole.of(program), Machine(program), reductions)


@some
@given(st.one_of(any_programs, alike_programs(), region_programs()))
def test_nothing_changes_on_narrow_fields_or_without_merging(small: Small) -> None:
    program = of(small, looking_at_each_step=False)
    whole = Whole.of(program)
    says_the_same(program, whole, Machine(program, bits=COMPACT), Reduction.ALL)
    says_the_same(program, whole, Machine(program, merge=False), Reduction.ALL)


@some
@given(programs)
def test_a_search_that_is_cut_short_claims_only_what_it_saw(small: Small) -> None:
    program = of(small, looking_at_each_step=False)
    whole = Whole.of(program)
    explored = ReducedGraph(Machine(program), detectors_for(program), Budget(max_states=5)).run()
    assert explored.outcomes.keys() <= whole.graph.explored.outcomes.keys()
    assert explored.sightings.keys() <= whole.graph.explored.sightings.keys()
    shows_what_it_says(program, explored)
    if explored.complete:
        missing = whole.graph.explored.sightings.keys() - explored.sightings.keys()
        assert missing <= set(explored.undecided)
    assert all(sighting.kind is Kind.LOST_UPDATE for sighting in explored.undecided)


@some
@given(programs)
def test_the_same_search_twice_is_the_same(small: Small) -> None:
    program = of(small, looking_at_each_step=False)
    once, again = (
        ReducedGraph(Machine(program), detectors_for(program), Budget(max_states=1000)).run() for _ in range(2)
    )
    assert once == again
    assert list(once.sightings.items()) == list(again.sightings.items())
    assert list(once.outcomes) == list(again.outcomes)


def test_what_is_drawn_deadlocks_races_and_never_ends_often_enough() -> None:
    """The laws above would hold of programs in which nothing happens, too."""
    seen: dict[object, int] = {}

    @settings(max_examples=300, database=None)
    @given(programs)
    def look(small: Small) -> None:
        program = of(small, looking_at_each_step=True)
        explored = Whole.of(program).graph.explored
        for what in {sighting.kind for sighting in explored.sightings} | {small.endless}:
            seen[what] = seen.get(what, 0) + 1

    look()
    for kind in set(Kind) - {Kind.LOCK_ORDER_CYCLE}:
        assert seen[kind] >= 5, kind
    assert seen[True] >= 30


def test_a_step_first_taken_to_spell_out_a_schedule_is_still_news_to_the_search() -> None:
    """The search starts again after it has spelt out what it saw; the second acquire was first taken there."""
    small = Small(
        (
            (
                Simple("log.append((yield Read('x'))); yield Write('x', len(log))", 2),
                Simple("r = yield Read('x')"),
                Simple("yield Acquire('l')"),
            ),
            (Simple("yield Acquire('l')"), Simple("yield Check(r != 0, 'r is 0')", 0)),
        )
    )
    program = of(small, looking_at_each_step=True)
    says_the_same(program, Whole.of(program), Machine(program), Reduction.ALL)
