"""What each kind of diagram shows: from a situation, lock edges, a machine or a run to a `Diagram`.

This file knows what the parts mean in the domain: who waits for whom, which cycle is excused, which steps nothing
orders. How they look is for `dot` and `mermaid`. A diagram is whole or it is refused with `LimitError`: a part of a
graph that poses as all of it would be believed.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from simulator.analysis.networks import networkx
from simulator.bodies import End
from simulator.clocks import HappensBefore
from simulator.errors import LimitError
from simulator.machine import Machine, State
from simulator.ops import Acquire, describe, show_name, show_value
from simulator.program import holds
from simulator.render.diagram import Diagram, Edge, Layout, Node, Shape, Stroke, Tone
from simulator.trace import Pending, Run, Situation

if TYPE_CHECKING:
    from simulator.analysis.lock_order import LockEdge

__all__ = ["happens_before", "lock_order", "state_graph", "wait_for"]


# -- wait-for graph


def wait_for(situation: Situation) -> Diagram:
    """Who waits for which lock, and who holds it, in one situation.

    Every thread is drawn, and every lock that is held. Threads on a deadlock cycle, and those stuck behind one or
    behind a thread that ended holding a lock, are marked as such and named in the caption. Never raises.

    >>> from simulator.program import Program; from simulator.ops import Pause
    >>> def body():
    ...     yield Pause()
    >>> machine = Machine(Program({"a": body}))
    >>> wait_for(machine.situation(machine.initial)).caption
    'no thread waits'
    """
    waits = _waits(situation)
    fates = {thread: _fate(thread, waits, situation) for thread in situation.pending}
    taken = [lock for lock, owner in situation.owners.items() if owner is not None]
    threads = {thread: number for number, thread in enumerate(situation.pending)}
    locks = {lock: len(threads) + number for number, lock in enumerate(taken)}

    nodes = [_thread_node(thread, situation, waits, fates[thread]) for thread in threads]
    edges = []
    for thread, lock in waits.items():
        stroke = Stroke.CYCLE if fates[thread].in_cycle else Stroke.WAITS
        edges.append(Edge(threads[thread], locks[lock], stroke=stroke))
    in_cycle = {waits[thread] for thread, fate in fates.items() if fate.in_cycle}
    for lock in taken:
        owner = situation.owners[lock] or ""
        tone, stroke = (Tone.CYCLE, Stroke.CYCLE) if lock in in_cycle else (Tone.LOCK, Stroke.HELD)
        nodes.append(Node((show_name(lock), f"held by {owner}"), Shape.OVAL, tone))
        edges.append(Edge(locks[lock], threads[owner], stroke=stroke))
    return Diagram("wait-for", _wait_caption(waits, fates), tuple(nodes), tuple(edges), layout=Layout.RING)


class _Fate(NamedTuple):
    """Where a thread's waiting leads: into a cycle, to a thread that ended holding a lock, or nowhere bad."""

    in_cycle: bool = False
    cycle: tuple[str, ...] = ()
    ended: str | None = None

    @property
    def stuck(self) -> bool:
        return not self.in_cycle and bool(self.cycle or self.ended)


def _waits(situation: Situation) -> dict[str, Hashable]:
    """What each waiting thread waits for: a lock that another thread holds, or a plain one that it holds itself."""
    waits = {}
    for thread, pending in situation.pending.items():
        if pending is not None and isinstance(pending.operation, Acquire) and thread not in situation.enabled:
            lock = pending.operation.lock
            if situation.owners.get(lock) is not None:
                waits[thread] = lock
    return waits


def _fate(thread: str, waits: Mapping[str, Hashable], situation: Situation) -> _Fate:
    # A thread waits for at most one lock, and a lock has one owner: from each thread there is only one way to go.
    way = [thread]
    while way[-1] in waits:
        owner = situation.owners[waits[way[-1]]] or ""
        if owner in way:
            cycle = way[way.index(owner) :]
            first = min(range(len(cycle)), key=lambda place: list(situation.pending).index(cycle[place]))
            return _Fate(thread in cycle, (*cycle[first:], *cycle[:first]))
        way.append(owner)
    last = way[-1]
    return _Fate(ended=last if len(way) > 1 and situation.ends[last] is not None else None)


def _thread_node(thread: str, situation: Situation, waits: Mapping[str, Hashable], fate: _Fate) -> Node:
    end, pending = situation.ends[thread], situation.pending[thread]
    if end is not None:
        keeps = [f"still holds {_listed(situation.held[thread])}"] if situation.held[thread] else []
        return Node((thread, _ended(end), *keeps), tone=Tone.ENDED)
    lines = [thread]
    if pending is not None:
        doing = f"waits for {show_name(waits[thread])}" if thread in waits else f"next: {describe(pending.operation)}"
        lines += [doing, str(pending.where)]
    if fate.in_cycle:
        return Node(tuple(lines), tone=Tone.CYCLE)
    return Node((*lines, "stuck for good"), tone=Tone.STUCK) if fate.stuck else Node(tuple(lines))


def _wait_caption(waits: Mapping[str, Hashable], fates: Mapping[str, _Fate]) -> str:
    cycles = tuple(dict.fromkeys(fate.cycle for fate in fates.values() if fate.in_cycle))
    said = [f"deadlock: {' → '.join([*cycle, cycle[0]])}" for cycle in cycles]
    behind = [thread for thread, fate in fates.items() if fate.stuck and fate.cycle]
    if behind:
        said.append(f"{_listed(behind)} stuck behind {'it' if len(cycles) == 1 else 'them'}")
    for ended in dict.fromkeys(fate.ended for fate in fates.values() if fate.ended):
        stuck = [thread for thread, fate in fates.items() if fate.ended == ended]
        said.append(f"{_listed(stuck)} stuck: {ended} ended without a release")
    if said:
        return "; ".join(said)
    return f"{_listed(tuple(waits))} waiting, no deadlock" if waits else "no thread waits"


def _ended(end: End) -> str:
    return f"{end.how}: {_cut(end.message)}" if end.message else end.how


def _listed(names: Sequence[Hashable]) -> str:
    return ", ".join(map(show_name, names))


def _cut(text: str, longest: int = 48) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


# -- lock-order graph


def lock_order(edges: Iterable[LockEdge], cycles: Collection[tuple[Hashable, Hashable]] = ()) -> Diagram:
    """Which lock was held while which was wanted, by whom and where.

    `cycles` are the (held, wanted) pairs on a reported cycle: drawn heavy. A pair on a cycle of the graph that was
    not reported is drawn dashed and says why it cannot deadlock: the gate lock that it shares with the rest of its
    cycle, or that only one thread goes round it. Never raises.

    >>> lock_order([]).caption
    'no lock was wanted while another was held'
    """
    pairs: dict[tuple[Hashable, Hashable], list[LockEdge]] = {}
    for edge in edges:
        pairs.setdefault((edge.held, edge.wanted), []).append(edge)
    ordered = sorted(pairs, key=lambda pair: (show_name(pair[0]), show_name(pair[1])))
    locks = sorted({lock for pair in pairs for lock in pair}, key=show_name)
    numbers = {lock: number for number, lock in enumerate(locks)}

    components = networkx().strongly_connected_components(networkx().DiGraph(ordered))
    part = {lock: number for number, members in enumerate(components) for lock in members}
    reported = set(cycles) & set(pairs)
    on_cycle = {lock for pair in reported for lock in pair}
    drawn = []
    excused = 0
    for held, wanted in ordered:
        lines = _places(pairs[held, wanted])
        stroke = Stroke.LOCK_ORDER
        if (held, wanted) in reported:
            stroke = Stroke.CYCLE
        elif part[held] == part[wanted]:
            around = [pair for pair in ordered if part[pair[0]] == part[pair[1]] == part[held]]
            together = [edge for pair in around for edge in pairs[pair]]
            lines = [*lines, _excuse(pairs[held, wanted], together)]
            stroke = Stroke.GATED
            excused += 1
        drawn.append(Edge(numbers[held], numbers[wanted], tuple(lines), stroke))
    nodes = [Node((show_name(lock),), Shape.OVAL, Tone.CYCLE if lock in on_cycle else Tone.LOCK) for lock in locks]
    notes = ("an arrow leads from the lock held to the lock wanted",) if drawn else ()
    return Diagram("lock-order", _order_caption(drawn, excused), tuple(nodes), tuple(drawn), notes)


def _places(edges: Iterable[LockEdge]) -> list[str]:
    """One line for each source line, with the threads that were there."""
    threads: dict[str, list[str]] = {}
    for edge in edges:
        there = threads.setdefault(str(edge.where), [])
        if edge.thread not in there:
            there.append(edge.thread)
    lines = []
    for where, names in sorted(threads.items()):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        lines.append(f"{', '.join(sorted(names)[:3])}{more}, {where}")
    return lines


def _excuse(edges: Collection[LockEdge], together: Collection[LockEdge]) -> str:
    """Why a cycle through these edges cannot deadlock; `together` are all the edges between the same locks."""
    if len({edge.thread for edge in together}) == 1:
        return "one thread only"
    own = {gate for edge in edges for gate in edge.gates}
    others = {gate for edge in together if edge not in edges for gate in edge.gates}
    gates = sorted(own & others, key=show_name)
    return f"gate: {_listed(gates)}" if gates else "no cycle of distinct threads"


def _order_caption(drawn: Sequence[Edge], excused: int) -> str:
    if not drawn:
        return "no lock was wanted while another was held"
    if any(edge.stroke == Stroke.CYCLE for edge in drawn):
        return "lock-order cycle: heavy arrows"
    return "cycle that cannot deadlock: dashed arrows" if excused else "no lock-order cycle"


# -- state graph


def state_graph(machine: Machine, *, max_states: int = 200) -> Diagram:
    """Every reachable state of a small program, and every step between them.

    A state shows the memory, the locks that are held, and what each thread is about to do. Numbers follow a
    breadth-first walk in thread order. Raises LimitError when there are more than `max_states` states.

    >>> from simulator.program import Program; from simulator.ops import Write
    >>> def body():
    ...     yield Write("x", 1)
    >>> state_graph(Machine(Program({"a": body}, memory={"x": 0}))).caption
    '2 states, 1 step'
    """
    numbers: dict[State, int] = {machine.initial: 0}
    nodes: list[Node] = []
    edges: list[Edge] = []
    for state in (walk := [machine.initial]):
        successors = machine.successors(state)
        nodes.append(_state_node(machine, state, last=not successors))
        for thread, after in successors:
            if after not in numbers:
                if len(numbers) == max_states:
                    raise LimitError(
                        f"program {machine.program.name!r} has more than {max_states:,} states, too many for one "
                        "picture; make it smaller or raise max_states"
                    )
                numbers[after] = len(numbers)
                walk.append(after)
            edges.append(Edge(numbers[state], numbers[after], (str(machine.event_at(state, thread)),)))
    caption = f"{_counted(len(nodes), 'state')}, {_counted(len(edges), 'step')}"
    return Diagram("state graph", caption, tuple(nodes), tuple(edges), layout=Layout.DOWN)


def _state_node(machine: Machine, state: State, *, last: bool) -> Node:
    situation = machine.situation(state)
    memory = " ".join(f"{show_name(name)}={show_value(value)}" for name, value in situation.memory.items())
    owned = [f"{show_name(lock)} held by {owner}" for lock, owner in situation.owners.items() if owner is not None]
    program = machine.program
    properties = {**program.step_properties, **(program.final_properties if last else {})}
    broken = [f"breaks {name}" for name, wanted in properties.items() if not holds(name, wanted, situation.memory)]
    shared = [*([memory] if memory else []), *owned] or (["no lock held"] if situation.owners else [])
    stand = [_stand(thread, pending, situation.ends[thread]) for thread, pending in situation.pending.items()]
    if last:
        how = machine.outcome(state).how
        shape, tone = _LAST.get(how, (Shape.HEXAGON, Tone.WRONG))
        lines = [how, *([memory] if memory else []), *owned, *([] if how == "finished" else stand)]
    else:
        shape, tone = (Shape.OVAL, Tone.START) if state == machine.initial else (Shape.BOX, Tone.NEUTRAL)
        lines = [*shared, *stand]
    if broken:
        shape, tone = Shape.HEXAGON, Tone.WRONG
    return Node((*lines, *broken), shape, tone)


_LAST = {"finished": (Shape.DOUBLE, Tone.FINE), "deadlocked": (Shape.OCTAGON, Tone.CYCLE)}


def _stand(thread: str, pending: Pending | None, end: End | None) -> str:
    if pending is not None:
        return f"{thread}: {describe(pending.operation)}"
    return f"{thread} {_ended(end)}" if end is not None else thread


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


# -- happens-before graph


def happens_before(run: Run, *, max_events: int = 200) -> Diagram:
    """The steps of one run in a column for each thread, with the arrows that order them, and the races.

    Between threads an arrow joins two steps on one lock or one location that depend on each other, with nothing in
    between that orders them already (`HappensBefore.races`); the others follow from these. Where the two are plain
    accesses of memory it is a data race, and the arrow says only which came first in this run. Raises LimitError when
    the run has more than `max_events` steps.

    >>> happens_before(Run((), (), (), {}, None)).caption
    'no steps'
    """
    events = run.events
    if len(events) > max_events:
        raise LimitError(
            f"the run has {len(events):,} steps, more than the {max_events:,} of one picture; "
            "make the program smaller or raise max_events"
        )
    order = HappensBefore(events)
    crossing = order.races()
    races = [pair for pair in crossing if _is_race(order, *pair)]
    racing = {event for pair in races for event in pair}
    nodes = []
    for number, event in enumerate(events):
        tone = Tone.RACE if number in racing else Tone.NEUTRAL
        nodes.append(Node((f"{number + 1}  {event.text}",), tone=tone, column=event.thread))
    last: dict[str, int] = {}
    edges = []
    for number, event in enumerate(events):
        if event.thread in last:
            edges.append(Edge(last[event.thread], number))
        last[event.thread] = number
    for first, second in crossing:
        ordered = Stroke.LOCK_ORDER if order.footprint(second).on_lock else Stroke.CONFLICT
        edges.append(Edge(first, second, stroke=Stroke.RACE if (first, second) in races else ordered))
    said = {
        Stroke.RACE: "heavy dashed: a race, nothing orders the two",
        Stroke.LOCK_ORDER: "solid blue: ordered by a lock",
        Stroke.CONFLICT: "dotted: ordered as atomic operations",
    }
    return Diagram(
        "happens-before",
        _race_caption(order, races) if events else "no steps",
        tuple(nodes),
        tuple(edges),
        tuple(text for stroke, text in said.items() if any(edge.stroke == stroke for edge in edges)),
        Layout.DOWN,
        run.threads,
    )


def _is_race(order: HappensBefore, first: int, second: int) -> bool:
    one, other = order.footprint(first), order.footprint(second)
    return not one.on_lock and not (one.atomic and other.atomic)


def _race_caption(order: HappensBefore, races: Sequence[tuple[int, int]]) -> str:
    names = dict.fromkeys(show_name(order.footprint(first).name) for first, _ in races)
    return f"{_counted(len(races), 'race')} on {', '.join(names)}" if races else "no race"
