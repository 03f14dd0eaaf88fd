"""The virtual-time machine of the GIL: its laws on drawn worlds, and the small cases by hand."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.gil.costs import Costs
from scenarios.gil.experiments import Executor, Experiment, Workload, world
from scenarios.gil.history import History, What
from scenarios.gil.machine import simulate
from scenarios.gil.spans import Doing, holders, shares, spans
from scenarios.gil.tasks import Cpu, Io, Join, Op, Start, Task, World
from simulator.errors import LimitError, UsageError
from tests.conftest import FACTOR, PROFILE

EXAMPLES = 300 * FACTOR[PROFILE]

BURSTS = st.one_of(
    st.builds(Cpu, st.integers(1, 30), st.sampled_from([1, 1, 3, 7, None])),
    st.builds(Io, st.integers(1, 12)),
)


@st.composite
def worlds(draw: st.DrawFn, *, processes: tuple[str, ...] = ("main", "main", "other")) -> World:
    """One to five tasks; some are started, and perhaps joined, by an earlier one of any process."""
    number = draw(st.integers(1, 5))
    ops: list[list[Op]] = [draw(st.lists(BURSTS, max_size=4)) for _ in range(number)]
    for child in range(1, number):
        if draw(st.booleans()):
            parent = draw(st.integers(0, child - 1))
            place = draw(st.integers(0, len(ops[parent])))
            ops[parent].insert(place, Start(f"t{child}"))
            if draw(st.booleans()):
                ops[parent].append(Join(f"t{child}"))
    # The earlier task waits for the later one only, so nobody waits for ever.
    tasks = tuple(Task(f"t{n}", tuple(ops[n]), draw(st.sampled_from(processes))) for n in range(number))
    cores = draw(st.integers(1, 3))
    return World(
        tasks,
        cores=cores,
        gil=draw(st.booleans()),
        switch_interval=draw(st.integers(1, 9)),
        time_slice=draw(st.integers(1, 9)),
        capacity=draw(st.sampled_from([None, None, Fraction(cores), Fraction(2 * cores, 3), Fraction(1, 2)])),
    )


def slow(world: World) -> list[tuple[int, str, str]]:
    """The same world one microsecond after the other: who takes the GIL, runs and ends when. Slow, and written by
    itself."""
    capacity = Fraction(world.cores) if world.capacity is None else world.capacity
    names = [task.name for task in world.tasks]
    process = {task.name: task.process for task in world.tasks}
    todo = {task.name: list(task.ops) for task in world.tasks}
    state = dict.fromkeys(names, "absent")
    amount = dict.fromkeys(names, Fraction(0))
    burst: dict[str, Cpu | None] = dict.fromkeys(names)
    until = dict.fromkeys(names, -1)
    waited_from = dict.fromkeys(names, -1)
    seen_switches = dict.fromkeys(names, 0)
    slice_from = dict.fromkeys(names, 0)
    first_run = dict.fromkeys(names, True)
    waits_on: dict[str, tuple[str, str]] = {}
    line: dict[str, list[str]] = {p: [] for p in process.values()}
    holder: dict[str, str | None] = dict.fromkeys(process.values())
    last: dict[str, str | None] = dict.fromkeys(process.values())
    switches = dict.fromkeys(process.values(), 0)
    wanted_at: dict[str, Fraction | None] = dict.fromkeys(process.values())
    queue: list[str] = []
    log: list[tuple[int, str, str]] = []
    now = 0

    def looks(name: str) -> None:
        """Fixes at which progress the holder drops the GIL, now that it is asked for."""
        working = burst[name]
        if working is None or working.check is None:
            wanted_at[process[name]] = Fraction(10**9)
        else:
            turns = amount[name] / working.check
            wanted_at[process[name]] = Fraction(-(-turns.numerator // turns.denominator) * working.check)

    def take(name: str) -> None:
        own = process[name]
        if last[own] != name:
            switches[own] += 1
        holder[own] = last[own] = name
        wanted_at[own] = None
        log.append((now, name, "takes"))
        state[name] = "queued"
        queue.append(name)

    def want(name: str) -> None:
        if not world.gil:
            state[name] = "queued"
            queue.append(name)
        elif holder[process[name]] is None:
            take(name)
        else:
            state[name] = "wants"
            line[process[name]].append(name)
            waited_from[name], seen_switches[name] = now, switches[process[name]]

    def give_back(name: str) -> None:
        if world.gil:
            own = process[name]
            holder[own] = None
            if line[own]:
                take(line[own].pop(0))

    def advance(name: str) -> None:
        while state[name] == "running" and burst[name] is None:
            if not todo[name]:
                state[name] = "ended"
                give_back(name)
                log.append((now, name, "ends"))
                for other in names_waiting(("end", name)):
                    want(other)
                return
            op = todo[name].pop(0)
            if isinstance(op, Cpu):
                burst[name], amount[name] = op, Fraction(0)
                if wanted_at[process[name]] is not None:
                    looks(name)
            elif isinstance(op, Io):
                state[name] = "io"
                until[name] = now + op.time
                give_back(name)
            elif isinstance(op, Start):
                want(op.task)
                if process[op.task] == process[name]:
                    state[name], waits_on[name] = "blocked", ("run", op.task)
                    give_back(name)
            elif isinstance(op, Join) and state[op.task] != "ended":
                state[name], waits_on[name] = "blocked", ("end", op.task)
                joined.append(name)
                give_back(name)

    joined: list[str] = []

    def names_waiting(what: tuple[str, str]) -> list[str]:
        """In the order in which they began to wait."""
        order = joined if what[0] == "end" else names
        found = [name for name in order if waits_on.get(name) == what]
        for name in found:
            del waits_on[name]
            if name in joined:
                joined.remove(name)
        return found

    def running() -> list[str]:
        return [name for name in names if state[name] == "running"]

    def quiet() -> bool:
        before = (len(log), list(queue), dict(state))
        for name in names:
            if state[name] == "io" and until[name] == now:
                want(name)
        for name in running():
            working = burst[name]
            if working is not None and amount[name] >= working.time:
                burst[name] = None
                advance(name)
        for own in dict.fromkeys(process.values()):
            for name in line[own]:
                if now == waited_from[name] + world.switch_interval:
                    present = holder[own]
                    if seen_switches[name] == switches[own] and wanted_at[own] is None and present is not None:
                        looks(present)
                    waited_from[name], seen_switches[name] = now, switches[own]
        for name in running():
            limit = wanted_at[process[name]]
            if world.gil and limit is not None and holder[process[name]] == name and amount[name] >= limit:
                state[name] = "dropped"
                give_back(name)
                want(name)
        for name in running():
            if len(queue) > world.cores - len(running()) and now - slice_from[name] >= world.time_slice:
                state[name] = "queued"
                queue.append(name)
        while queue and len(running()) < world.cores:
            name = queue.pop(0)
            state[name] = "running"
            slice_from[name] = now
            log.append((now, name, "runs"))
            if first_run[name]:
                first_run[name] = False
                for other in names_waiting(("run", name)):
                    want(other)
            advance(name)
        return before == (len(log), list(queue), dict(state))

    children = {op.task for task in world.tasks for op in task.ops if isinstance(op, Start)}
    for name in names:
        if name not in children:
            want(name)
    while any(state[name] != "ended" for name in names):
        while not quiet():
            pass
        active = running()
        for name in active:
            amount[name] += min(Fraction(1), capacity / len(active))
        now += 1
    return log


SEEN = {What.TAKES: "takes", What.RUNS: "runs", What.ENDS: "ends"}


@settings(max_examples=EXAMPLES)
@given(worlds())
def test_it_does_what_a_clock_that_ticks_every_microsecond_does(world: World) -> None:
    history = simulate(world)
    seen = [(event.time, event.task, SEEN[event.what]) for event in history.events if event.what in SEEN]
    assert seen == slow(world)


@settings(max_examples=EXAMPLES)
@given(worlds())
def test_the_same_world_gives_the_same_bytes(world: World) -> None:
    once, again = simulate(world), simulate(world)
    assert json.dumps(once.to_dict()) == json.dumps(again.to_dict())


@settings(max_examples=EXAMPLES)
@given(worlds())
def test_at_most_one_holds_a_gil_and_who_runs_holds_it(world: World) -> None:
    history = simulate(world)
    stays = holders(history)
    for process in {task.process for task in world.tasks}:
        own = sorted((stay.begin, stay.end) for stay in stays if stay.process == process)
        assert all(first[1] <= second[0] for first, second in pairwise(own))
    if not world.gil:
        assert stays == ()
        return
    for span in spans(history):
        if span.doing is Doing.RUNS:
            assert any(stay.task == span.task and stay.begin <= span.begin and span.end <= stay.end for stay in stays)


@settings(max_examples=EXAMPLES)
@given(worlds())
def test_no_more_run_than_there_are_cores_and_no_core_is_idle_while_somebody_waits_for_one(world: World) -> None:
    history = simulate(world)
    all_spans = spans(history)
    runs = [span for span in all_spans if span.doing is Doing.RUNS]
    for core in range(world.cores):
        own = sorted((span.begin, span.end) for span in runs if span.core == core)
        assert all(first[1] <= second[0] for first, second in pairwise(own))
    for waits in all_spans:
        if waits.doing is Doing.WAITS_FOR_CORE:
            for time in range(waits.begin, waits.end):
                assert sum(span.begin <= time < span.end for span in runs) == world.cores


@settings(max_examples=EXAMPLES)
@given(worlds())
def test_work_is_conserved(world: World) -> None:
    history = simulate(world)
    done = shares(history)
    for task in world.tasks:
        work = sum(op.time for op in task.ops if isinstance(op, Cpu))
        bursts = sum(isinstance(op, Cpu) for op in task.ops)
        assert done[task.name][Doing.IO] == sum(op.time for op in task.ops if isinstance(op, Io))
        if world.total_capacity == world.cores:
            assert done[task.name][Doing.RUNS] == work
        else:
            # At the slowest, and each burst to the end of its last microsecond.
            slowest = min(Fraction(1), world.total_capacity / world.cores)
            assert work <= done[task.name][Doing.RUNS] <= work / slowest + bursts


@settings(max_examples=EXAMPLES)
@given(worlds())
def test_it_takes_as_long_as_the_longest_task_and_the_work_need_and_no_longer_than_one_after_the_other(
    world: World,
) -> None:
    history = simulate(world)
    work = {task.name: sum(op.time for op in task.ops if isinstance(op, Cpu)) for task in world.tasks}
    blocked = {task.name: sum(op.time for op in task.ops if isinstance(op, Io)) for task in world.tasks}
    bursts = sum(isinstance(op, Cpu) for task in world.tasks for op in task.ops)
    assert history.end >= max(work[name] + blocked[name] for name in work)
    assert history.end * world.total_capacity >= sum(work.values())
    if world.gil:
        for process in {task.process for task in world.tasks}:
            assert history.end >= sum(work[task.name] for task in world.tasks if task.process == process)
    slowest = min(Fraction(1), world.total_capacity / world.cores)
    assert history.end <= sum(work.values()) / slowest + bursts + sum(blocked.values())


@settings(max_examples=EXAMPLES)
@given(worlds(processes=("main",)))
def test_nobody_waits_for_the_gil_longer_than_two_switch_intervals_for_each_other_thread(world: World) -> None:
    """An interval until a waiter sees that the GIL changed hands, another until it asks, and then up to the holder's
    next look."""
    if world.total_capacity < 1:
        return
    keeps = max(
        (op.time if op.check is None else op.check for task in world.tasks for op in task.ops if isinstance(op, Cpu)),
        default=0,
    )
    bound = (len(world.tasks) - 1) * (2 * world.switch_interval + keeps)
    for span in spans(simulate(world)):
        if span.doing is Doing.WAITS_FOR_GIL:
            assert span.length <= bound


@settings(max_examples=EXAMPLES)
@given(worlds())
def test_an_asked_holder_does_not_have_the_gil_next(world: World) -> None:
    events = simulate(world).events
    process = {task.name: task.process for task in world.tasks}
    for place, event in enumerate(events):
        if event.what is What.DROPS:
            following = next(
                later
                for later in events[place + 1 :]
                if later.what is What.TAKES and process[later.task] == process[event.task]
            )
            assert following.task != event.task
            assert following.time == event.time


def who_held(history: History) -> list[tuple[str, int, int]]:
    return [(stay.task, stay.begin, stay.end) for stay in holders(history) if stay.begin < stay.end]


def test_two_cpu_bound_threads_take_turns_of_the_switch_interval() -> None:
    world = World((Task("a", (Cpu(12_000),)), Task("b", (Cpu(8_000),))))
    assert who_held(simulate(world)) == [
        ("a", 0, 5_000),
        ("b", 5_000, 10_000),
        ("a", 10_000, 15_000),
        ("b", 15_000, 18_000),
        ("a", 18_000, 20_000),
    ]


def test_without_the_gil_they_run_side_by_side() -> None:
    tasks = (Task("a", (Cpu(12_000),)), Task("b", (Cpu(8_000),)))
    assert simulate(World(tasks, gil=False)).end == 12_000
    assert simulate(World(tasks, gil=False, cores=1)).end == 20_000
    assert simulate(World((tasks[0], Task("b", tasks[1].ops, "other")))).end == 12_000


def test_blocking_gives_the_gil_back_at_once() -> None:
    world = World((Task("a", (Io(1_000), Cpu(10))), Task("b", (Cpu(500),))))
    assert who_held(simulate(world)) == [("b", 0, 500), ("a", 1_000, 1_010)]


def test_a_thread_back_from_io_waits_a_switch_interval_behind_one_that_computes() -> None:
    world = World((Task("io", (Io(1_000), Cpu(10))), Task("cpu", (Cpu(20_000),))))
    assert who_held(simulate(world)) == [("cpu", 0, 6_000), ("io", 6_000, 6_010), ("cpu", 6_010, 20_010)]


def test_c_code_that_does_not_look_keeps_the_gil_to_its_end() -> None:
    world = World((Task("io", (Io(1_000), Cpu(10))), Task("c", (Cpu(20_000, check=None),))))
    assert who_held(simulate(world)) == [("c", 0, 20_000), ("io", 20_000, 20_010)]


def test_a_holder_that_looks_seldom_drops_the_gil_late() -> None:
    world = World((Task("io", (Io(1_000), Cpu(10))), Task("cpu", (Cpu(20_000, check=4_000),))))
    assert who_held(simulate(world))[:2] == [("cpu", 0, 8_000), ("io", 8_000, 8_010)]


def test_starting_a_thread_waits_until_it_runs() -> None:
    world = World(
        (
            Task("main", (Start("a"), Start("b"), Join("a"), Join("b"))),
            Task("a", (Cpu(7_000),)),
            Task("b", (Cpu(7_000),)),
        )
    )
    # The second thread exists only when the main thread has had its turn again, a switch interval later.
    assert [event.time for event in simulate(world).events if event.what is What.BEGINS] == [0, 0, 5_000]


def test_half_a_core_takes_twice_as_long() -> None:
    assert simulate(World((Task("a", (Cpu(100),)),), cores=1, capacity=Fraction(1, 2))).end == 200


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ((Task("a", (Join("a"),)),), "^these tasks wait for ever: a$"),
        ((Task("a", (Start("a"),)),), "^these tasks wait for ever: a$"),
        ((Task("a", (Join("b"),)), Task("b", (Join("a"),))), "^these tasks wait for ever: a, b$"),
    ],
)
def test_tasks_that_wait_for_ever_are_named(tasks: tuple[Task, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        simulate(World(tasks))


def test_a_world_without_end_in_sight_is_cut() -> None:
    with pytest.raises(LimitError, match=r"^more than 100 events by \d+ µs: "):
        simulate(World((Task("a", (Cpu(9_999),)), Task("b", (Cpu(9_999),))), switch_interval=1), max_events=100)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Cpu(0), "expected whole microseconds above 0"),
        (lambda: Io(0), "expected whole microseconds above 0"),
        (lambda: World((), cores=0), "^cores is 0, expected a whole number above 0$"),
        (lambda: World((), switch_interval=0), "^switch_interval is 0"),
        (
            lambda: World((), cores=2, capacity=Fraction(5, 2)),
            "^capacity is 2.5, expected above 0 and up to the 2 cores$",
        ),
        (lambda: World((Task("a", ()), Task("a", ()))), "^there are two tasks 'a'$"),
        (lambda: World((Task("a", (Start("b"),)),)), "there is no task 'b'$"),
        (lambda: World((Task("a", (Start("b"), Start("b"))), Task("b", ()))), "^task 'b' is started twice$"),
    ],
)
def test_a_world_that_cannot_be_is_refused(make: object, said: str) -> None:
    assert callable(make)
    with pytest.raises(UsageError, match=said):
        make()


def test_nobody_is_preempted_while_a_core_is_free() -> None:
    costs = Costs(cores=8, capacity=Fraction(8))
    history = simulate(world(Experiment(Workload.CPU, Executor.SPAWN, 4), costs))
    assert [event for event in history.events if event.what is What.PREEMPTED] == []
