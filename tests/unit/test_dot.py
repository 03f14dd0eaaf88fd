"""What each diagram says, on programs small enough to know every part of it, and how it is said in DOT and Mermaid."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Generator
from functools import partial
from typing import Any

import networkx
import pytest

from simulator.analysis.lock_order import LockEdge
from simulator.bodies import SourceLine
from simulator.errors import LimitError
from simulator.machine import Machine
from simulator.ops import Acquire, Add, Check, Operation, Read, Release, Update, Write, dependent
from simulator.program import Program
from simulator.render.diagram import Diagram, Edge, Node, Shape, Stroke, Tone
from simulator.render.dot import LINES, OUTLINES, dot_source
from simulator.render.graphs import happens_before, lock_order, state_graph, wait_for
from simulator.render.mermaid import mermaid_text
from simulator.trace import Run, Situation

Steps = Generator[Operation | Check, Any, None]


def nested(*locks: object) -> Steps:
    for lock in locks:
        yield Acquire(lock)
    for lock in reversed(locks):
        yield Release(lock)


def increment(times: int) -> Steps:
    for _ in range(times):
        value = yield Read("count")
        value = yield Add(value, 1)
        yield Write("count", value)


def locked_increment() -> Steps:
    yield Acquire("m")
    yield from increment(1)
    yield Release("m")


def atomic_increment() -> Steps:
    yield Update("count", int.__add__, 1)


def keep() -> Steps:
    yield Acquire("A")


def fail() -> Steps:
    yield Acquire("A")
    raise ValueError("no\nfunds")


OPPOSITE = Program({"t0": partial(nested, "A", "B"), "t1": partial(nested, "B", "A")}, locks=["A", "B"])
COUNTER = Program(
    {"t0": partial(increment, 1), "t1": partial(increment, 1)},
    memory={"count": 0},
    finally_={"two": lambda memory: memory["count"] == 2},
    name="counter",
)


def walked(program: Program, schedule: str) -> Run:
    machine = Machine(program)
    state, events, situations = machine.initial, [], [machine.situation(machine.initial)]
    for thread in schedule.split():
        state, event = machine.step(state, program.threads.index(thread))
        events.append(event)
        situations.append(machine.situation(state))
    return Run(program.threads, tuple(events), tuple(situations), {}, None)


def after(program: Program, schedule: str) -> Situation:
    return walked(program, schedule).final


def node(diagram: Diagram, name: str) -> Node:
    (found,) = [node for node in diagram.nodes if node.lines[0] == name]
    return found


def arrows(diagram: Diagram, stroke: Stroke | None = None) -> set[tuple[str, str]]:
    return {
        (diagram.nodes[edge.source].lines[0], diagram.nodes[edge.target].lines[0])
        for edge in diagram.edges
        if stroke is None or edge.stroke == stroke
    }


# -- wait-for graph


def test_two_threads_that_wait_for_each_other_are_one_marked_cycle() -> None:
    diagram = wait_for(after(OPPOSITE, "t0 t1"))
    assert diagram.caption == "deadlock: t0 → t1 → t0"
    assert arrows(diagram, Stroke.CYCLE) == {("t0", "B"), ("B", "t1"), ("t1", "A"), ("A", "t0")}
    assert {node.tone for node in diagram.nodes} == {Tone.CYCLE}
    assert node(diagram, "t0").lines[1] == "waits for B"
    assert node(diagram, "B").lines == ("B", "held by t1")


def test_a_ring_of_three_is_one_cycle_of_six_arrows() -> None:
    bodies = {f"t{n}": partial(nested, ("account", n), ("account", (n + 1) % 3)) for n in range(3)}
    ring = Program(bodies, locks=[("account", n) for n in range(3)])
    diagram = wait_for(after(ring, "t0 t1 t2"))
    assert diagram.caption == "deadlock: t0 → t1 → t2 → t0"
    assert len(arrows(diagram, Stroke.CYCLE)) == 6
    assert ("t2", "account[0]") in arrows(diagram)


def test_threads_behind_a_cycle_are_stuck_and_not_on_it() -> None:
    bodies = {
        "t0": partial(nested, "A", "B"),
        "t1": partial(nested, "B", "A"),
        "t2": partial(nested, "C", "A"),
        "t3": partial(nested, "C"),
    }
    diagram = wait_for(after(Program(bodies, locks="ABC"), "t0 t1 t2"))
    assert diagram.caption == "deadlock: t0 → t1 → t0; t2, t3 stuck behind it"
    assert [node(diagram, name).tone for name in ("t1", "t2", "t3")] == [Tone.CYCLE, Tone.STUCK, Tone.STUCK]
    assert node(diagram, "t3").lines[-1] == "stuck for good"
    assert arrows(diagram, Stroke.WAITS) == {("t2", "A"), ("t3", "C")}
    assert arrows(diagram, Stroke.HELD) == {("C", "t2")}


def test_two_separate_cycles_are_both_named() -> None:
    bodies = {
        "t0": partial(nested, "A", "B"),
        "t1": partial(nested, "B", "A"),
        "u0": partial(nested, "C", "D"),
        "u1": partial(nested, "D", "C"),
    }
    diagram = wait_for(after(Program(bodies, locks="ABCD"), "t0 t1 u0 u1"))
    assert diagram.caption == "deadlock: t0 → t1 → t0; deadlock: u0 → u1 → u0"


def test_a_thread_that_waits_for_itself_is_a_cycle_of_one() -> None:
    diagram = wait_for(after(Program({"t0": partial(nested, "A", "A")}, locks="A"), "t0"))
    assert diagram.caption == "deadlock: t0 → t0"
    assert arrows(diagram, Stroke.CYCLE) == {("t0", "A"), ("A", "t0")}


def test_taking_a_re_entrant_lock_again_is_no_cycle() -> None:
    diagram = wait_for(after(Program({"t0": partial(nested, "A", "A")}, rlocks="A"), "t0"))
    assert diagram.caption == "no thread waits"
    assert node(diagram, "t0").lines[1] == "next: acquire A"


@pytest.mark.parametrize(("body", "end"), [(keep, "finished"), (fail, "crashed: ValueError: no funds")])
def test_a_thread_that_ended_with_a_lock_blocks_others_for_good(body: Any, end: str) -> None:
    diagram = wait_for(after(Program({"t0": body, "t1": partial(nested, "A")}, locks="A"), "t0"))
    assert diagram.caption == "t1 stuck: t0 ended without a release"
    assert node(diagram, "t0").tone == Tone.ENDED
    assert node(diagram, "t0").lines[-1] == "still holds A"
    assert node(diagram, "t1").tone == Tone.STUCK
    assert node(diagram, "t0").lines[1].startswith(end.split(":")[0])


def test_waiting_for_a_thread_that_can_go_on_is_not_a_deadlock() -> None:
    diagram = wait_for(after(OPPOSITE, "t0 t0"))
    assert diagram.caption == "t1 waiting, no deadlock"
    assert arrows(diagram, Stroke.WAITS) == {("t1", "B")}
    assert node(diagram, "t0").tone == Tone.NEUTRAL


# -- lock-order graph


def edge(thread: str, held: str, wanted: str, *gates: str, line: int = 12) -> LockEdge:
    return LockEdge(thread, held, wanted, frozenset(gates), SourceLine("bank.py", line))


def test_a_reported_cycle_is_heavy_and_other_edges_are_not() -> None:
    edges = [edge("t0", "A", "B"), edge("t1", "B", "A"), edge("t2", "B", "C", line=20)]
    diagram = lock_order(edges, {("A", "B"), ("B", "A")})
    assert diagram.caption == "lock-order cycle: heavy arrows"
    assert arrows(diagram, Stroke.CYCLE) == {("A", "B"), ("B", "A")}
    assert arrows(diagram, Stroke.LOCK_ORDER) == {("B", "C")}
    assert [edge.lines for edge in diagram.edges] == [("t0, bank.py:12",), ("t1, bank.py:12",), ("t2, bank.py:20",)]


def test_a_cycle_under_a_gate_lock_is_dashed_and_names_the_gate() -> None:
    edges = [edge("t0", "G", "A"), edge("t0", "A", "B", "G"), edge("t1", "G", "B"), edge("t1", "B", "A", "G")]
    diagram = lock_order(edges)
    assert diagram.caption == "cycle that cannot deadlock: dashed arrows"
    assert arrows(diagram, Stroke.GATED) == {("A", "B"), ("B", "A")}
    assert [edge.lines[-1] for edge in diagram.edges if edge.stroke == Stroke.GATED] == ["gate: G", "gate: G"]
    assert LINES[Stroke.GATED]["style"] == "dashed"


def test_a_cycle_of_one_thread_says_so() -> None:
    diagram = lock_order([edge("t0", "A", "B"), edge("t0", "B", "A", line=30)])
    assert {edge.lines[-1] for edge in diagram.edges} == {"one thread only"}


def test_many_threads_at_one_line_are_counted_and_not_listed() -> None:
    (drawn,) = lock_order([edge(f"t{n}", "A", "B") for n in range(8)]).edges
    assert drawn.lines == ("t0, t1, t2 and 5 more, bank.py:12",)


def test_the_order_in_which_edges_come_changes_nothing() -> None:
    edges = [edge("t1", "B", "A"), edge("t0", "A", "B"), edge("t2", "A", "B", line=3)]
    assert lock_order(edges) == lock_order(reversed(edges))


# -- state graph

# Each thread of the counter has four places: before its read, its add, its write, and its end. Where one has ended and
# the other is past its read, that read was before or after the write: of the 16 pairs of places these five (end with
# add and end with write, both ways round, and both ended) are two states each, 21 in all.


def test_the_state_graph_of_the_counter_is_whole() -> None:
    diagram = state_graph(Machine(COUNTER))
    assert diagram.caption == "21 states, 28 steps"
    assert diagram.nodes[0] == Node(("count=0", "t0: read count", "t1: read count"), Shape.OVAL, Tone.START)
    assert diagram.edges[0] == Edge(0, 1, ("t0: read count → 0",))
    last = [node for node in diagram.nodes if node.shape in (Shape.DOUBLE, Shape.HEXAGON)]
    assert Node(("finished", "count=2"), Shape.DOUBLE, Tone.FINE) in last
    assert Node(("finished", "count=1", "breaks two"), Shape.HEXAGON, Tone.WRONG) in last
    assert len(last) == 2


def test_the_state_graph_agrees_with_a_walk_of_its_own() -> None:
    machine = Machine(COUNTER)
    seen, waiting = {machine.initial}, [machine.initial]
    while waiting:
        for _, state in machine.successors(waiting.pop()):
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    assert len(state_graph(machine).nodes) == len(seen)


def test_deadlocked_states_have_their_own_outline() -> None:
    diagram = state_graph(Machine(OPPOSITE))
    (dead,) = [node for node in diagram.nodes if node.shape is Shape.OCTAGON]
    assert dead.lines == ("deadlocked", "A held by t0", "B held by t1", "t0: acquire B", "t1: acquire A")


def test_a_state_graph_over_its_limit_is_refused_and_never_cut() -> None:
    assert len(state_graph(Machine(COUNTER), max_states=21).nodes) == 21
    with pytest.raises(LimitError, match=r"'counter' has more than 20 states.*max_states"):
        state_graph(Machine(COUNTER), max_states=20)


# -- happens-before graph


def test_a_lost_update_shows_the_races_that_lost_it() -> None:
    diagram = happens_before(walked(COUNTER, "t0 t1 t1 t1 t0 t0"))
    assert diagram.caption == "2 races on count"
    assert arrows(diagram, Stroke.RACE) == {
        ("1  read count → 0", "4  write count = 1"),
        ("4  write count = 1", "6  write count = 1"),
    }
    assert {node.column for node in diagram.nodes} == {"t0", "t1"}


def test_a_lock_orders_what_it_guards_so_that_nothing_races() -> None:
    locked = Program({"t0": locked_increment, "t1": locked_increment}, memory={"count": 0}, locks="m")
    diagram = happens_before(walked(locked, "t0 t0 t0 t0 t0 t1 t1 t1 t1 t1"))
    assert diagram.caption == "no race"
    assert arrows(diagram, Stroke.LOCK_ORDER) == {("5  release m", "6  acquire m")}
    assert not arrows(diagram, Stroke.RACE)


def test_atomic_updates_are_ordered_and_do_not_race() -> None:
    atomic = Program({"t0": atomic_increment, "t1": atomic_increment}, memory={"count": 0})
    diagram = happens_before(walked(atomic, "t0 t1"))
    assert [edge.stroke for edge in diagram.edges] == [Stroke.CONFLICT]
    assert diagram.caption == "no race"


@pytest.mark.parametrize(
    ("program", "schedule"),
    [(COUNTER, "t0 t1 t0 t0 t1 t1"), (OPPOSITE, "t0 t0 t0 t1 t0"), (OPPOSITE, "t1 t1 t1 t1 t0")],
)
def test_arrows_between_threads_are_the_transitive_reduction_of_the_order(program: Program, schedule: str) -> None:
    run = walked(program, schedule)
    order = networkx.DiGraph()
    order.add_nodes_from(range(len(run)))
    for b, later in enumerate(run.events):
        for a, earlier in enumerate(run.events[:b]):
            if earlier.thread == later.thread or dependent(earlier.footprint, later.footprint):
                order.add_edge(a, b)
    drawn = {(edge.source, edge.target) for edge in happens_before(run).edges}
    between = {
        (a, b) for a, b in networkx.transitive_reduction(order).edges if run.events[a].thread != run.events[b].thread
    }
    assert {(a, b) for a, b in drawn if run.events[a].thread != run.events[b].thread} == between


def test_a_long_run_is_refused_and_never_cut() -> None:
    with pytest.raises(LimitError, match="the run has 3 steps, more than the 2"):
        happens_before(walked(COUNTER, "t0 t0 t0"), max_events=2)


# -- how it is said


DIAGRAMS = {
    "wait-for": wait_for(after(OPPOSITE, "t0 t1")),
    "lock-order": lock_order([edge("t0", "A", "B"), edge("t1", "B", "A")], {("A", "B"), ("B", "A")}),
    "state graph": state_graph(Machine(OPPOSITE)),
    "happens-before": happens_before(walked(COUNTER, "t0 t1 t1 t1 t0 t0")),
}


@pytest.mark.parametrize("kind", DIAGRAMS)
def test_every_kind_gives_equal_text_for_equal_diagrams(kind: str) -> None:
    assert DIAGRAMS[kind].kind == kind
    assert dot_source(DIAGRAMS[kind]) == dot_source(DIAGRAMS[kind])
    assert str(DIAGRAMS[kind]) == mermaid_text(DIAGRAMS[kind])


def test_no_two_meanings_differ_by_colour_alone() -> None:
    for table in (LINES, OUTLINES):
        marked = {
            meaning: look for meaning, look in table.items() if meaning in (Stroke.CYCLE, Stroke.RACE, Tone.CYCLE)
        }
        for look in marked.values():
            assert float(look["penwidth"]) >= 3
    assert LINES[Stroke.CYCLE].get("style") != LINES[Stroke.RACE].get("style")
    assert OUTLINES[Tone.STUCK]["style"] != OUTLINES[Tone.ENDED]["style"]


def test_the_wait_for_graph_in_mermaid() -> None:
    here = "test#95;dot.py"  # the threads' own lines, which name a line of this file
    lines = [line for line in mermaid_text(DIAGRAMS["wait-for"]).splitlines() if here not in line]
    assert lines == [
        "---",
        'title: "deadlock: t0 → t1 → t0"',
        "---",
        "flowchart LR",
        '    n2(["A<br/>held by t0"]):::cycle',
        '    n3(["B<br/>held by t1"]):::cycle',
        "    n0 ==> n3",
        "    n1 ==> n2",
        "    n2 ==> n0",
        "    n3 ==> n1",
        "    classDef cycle fill:#fbdcc8,stroke:#d55e00,stroke-width:3px,color:#1b1f24",
        "    linkStyle 0,1,2,3 stroke:#d55e00,stroke-width:3.5px",
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('say "x"', "say #quot;x#quot;"),
        ("a|b", "a#124;b"),
        ("#35;", "#35;35;"),
        ("`code`", "#96;code#96;"),
        ("<br/>", "#lt;br/#gt;"),
        ("a\\nb", "a#92;nb"),
        ("a\x00b", "a#65533;b"),
        ("1. one", "1#46; one"),
        ("- one", "#45; one"),
    ],
)
def test_mermaid_shows_names_as_they_are(name: str, shown: str) -> None:
    assert f'n0("{shown}")' in mermaid_text(Diagram("k", "c", (Node((name,)),), ()))


@pytest.mark.parametrize("name", ["<b>x</b>", 'say "x"', "a\\Nb", "&lt;", "a:b", "graph", "\\", "日本", "a\x00b"])
def test_any_name_makes_dot_that_graphviz_reads(name: str) -> None:
    source = dot_source(Diagram("k", name, (Node((name,)), Node((name, name))), (Edge(0, 1, (name,)),)))
    assert "n0" in source
    if shutil.which("dot"):
        done = subprocess.run(["dot", "-Tplain"], input=source.encode(), capture_output=True, check=True)
        assert done.stderr == b""
        assert done.stdout.count(b"\nnode ") == 2


def test_the_plain_form_names_nodes_by_their_position() -> None:
    plain = DIAGRAMS["lock-order"].to_dict()
    assert plain["edges"][0] == {"from": 0, "to": 1, "text": ["t0, bank.py:12"], "means": "cycle"}
    assert plain["nodes"][0] == {"text": ["A"], "shape": "oval", "means": "cycle"}
