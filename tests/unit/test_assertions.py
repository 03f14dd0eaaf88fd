from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import simulator
from scenarios.bank import bank
from simulator.analysis.finding import Kind
from simulator.assertions import (
    IncompleteFailure,
    InterleavingFailure,
    assert_clean,
    assert_deadlock_free,
    assert_invariant,
    assert_lock_order_acyclic,
    assert_no_data_races,
    assert_no_lost_updates,
    assert_report,
    assert_same_outcomes,
    assert_serializable,
)
from simulator.errors import ProgramError, UsageError
from simulator.explore import check
from simulator.ops import Acquire, Check, Pause, Read, Release, TryAcquire, Update, Write
from simulator.program import Program
from simulator.search.budget import Budget
from simulator.search.replay import replay
from simulator.trace import Run

ALL: list[Callable[..., object]] = [
    assert_clean,
    assert_deadlock_free,
    assert_invariant,
    assert_lock_order_acyclic,
    assert_no_data_races,
    assert_no_lost_updates,
    assert_serializable,
    lambda program, **options: assert_same_outcomes(program, program, **options),
]


def increment() -> Any:
    value = yield Read("x")
    yield Write("x", value + 1)


def at_once() -> Any:
    yield Update("x", _one_more)


def _one_more(value: int) -> int:
    return value + 1


def guarded() -> Any:
    yield Acquire("m")
    yield from increment()
    yield Release("m")


def both(first: str, second: str) -> Any:
    yield Acquire(first)
    yield Acquire(second)
    yield Release(second)
    yield Release(first)


def under(gate: str, first: str, second: str) -> Any:
    yield Acquire(gate)
    yield from both(first, second)
    yield Release(gate)


def for_ever() -> Any:
    while True:
        yield Pause()


def counter(body: Callable[[], Any], threads: int = 2, **others: Any) -> Program:
    bodies = {f"t{number}": body for number in range(threads)}
    return Program({**bodies, **others}, memory={"x": 0}, locks=["m"], finally_={"all count": partial(is_, threads)})


def is_(value: int, memory: Any) -> bool:
    return bool(memory["x"] == value)


def crossed(**others: Any) -> Program:
    return Program({"a": partial(both, "l", "m"), "b": partial(both, "m", "l"), **others}, locks=["l", "m", "n"])


def caught(asserted: Callable[..., object], *programs: Program, **options: Any) -> InterleavingFailure:
    with pytest.raises(InterleavingFailure) as found:
        asserted(*programs, **options)
    return found.value


def undecided(asserted: Callable[..., object], *programs: Program, **options: Any) -> str:
    with pytest.raises(IncompleteFailure) as found:
        asserted(*programs, **options)
    return str(found.value)


# -- what passes, and what fails


@pytest.mark.parametrize("asserted", ALL)
def test_a_counter_under_a_lock_passes_everything(asserted: Callable[..., object]) -> None:
    asserted(counter(guarded))


def test_a_report_comes_back() -> None:
    assert assert_clean(counter(guarded)).complete
    assert [report.complete for report in assert_same_outcomes(counter(guarded), counter(at_once))] == [True, True]


def test_a_counter_without_a_lock_fails_all_that_concerns_it() -> None:
    program = counter(increment)
    assert caught(assert_clean, program).args[0].startswith("assert_clean: lost update on x\n")
    assert caught(assert_no_lost_updates, program).schedule == "t0 t1*2 t0"
    assert caught(assert_no_data_races, program).finding.kind is Kind.DATA_RACE  # type: ignore[union-attr]
    assert "failed invariant all count" in str(caught(assert_invariant, program))
    assert "no serial order of the threads ends with x=1" in str(caught(assert_serializable, program))
    assert "only the second program ends with x=1" in str(caught(assert_same_outcomes, counter(guarded), program))
    assert "only the first program ends with x=1" in str(caught(assert_same_outcomes, program, counter(guarded)))
    assert_deadlock_free(program)
    assert_lock_order_acyclic(program)


def test_the_text_of_a_failure() -> None:
    failed = caught(assert_deadlock_free, crossed())
    assert str(failed) == (
        "assert_deadlock_free: deadlock on l, m\n"
        "a holds l and waits for m of b; b holds m and waits for l of a\n"
        "\n"
        "    step   a                  b                  l   m   n\n"
        "──────────────────────────────────────────────────────────\n"
        "                                                 ·   ·   ·\n"
        "►      1   acquire l                             a   ·   ·\n"
        "►      2                      acquire m          a   b   ·\n"
        "           waits for m of b   waits for l of a\n"
        "\n"
        "shortest witness: a b   (2 steps, 1 preemption)\n"
        'to see it again: print(simulator.replay(program, "a b"))\n'
        "program: graph: all 19 states covered (complete)"
    )
    assert failed.report is not None
    assert failed.finding == failed.report.findings[0]
    assert str(replay(crossed(), failed.schedule)).splitlines()[4].split() == ["2", "acquire", "m", "a", "b", "·"]


def test_other_findings_are_named() -> None:
    assert "found besides: data race on x; failed invariant all count\n" in str(
        caught(assert_clean, counter(increment))
    )


def test_only_some_kinds() -> None:
    program = counter(increment)
    assert_clean(program, kinds=["deadlock", Kind.CRASH])
    assert caught(assert_clean, program, kinds=(kind for kind in ["data race"])).finding.kind is Kind.DATA_RACE  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="there is no kind of finding 'data rase'; did you mean 'data race'"):
        assert_clean(program, kinds=["data rase"])


def test_an_invariant_of_ones_own() -> None:
    program = counter(increment)
    assert_invariant(program, lambda memory: memory["x"] > 0)
    assert_invariant(program, {"small": lambda memory: memory["x"] < 3}, always=True)
    failed = caught(assert_invariant, program, lambda memory: memory["x"] != 1)
    assert str(failed).startswith("assert_invariant: failed invariant lambda at test_assertions.py:")
    failed = caught(assert_invariant, program, {"never 1": lambda memory: memory["x"] != 1}, always=True)
    assert str(failed).startswith("assert_invariant: failed invariant never 1\n")
    assert failed.schedule == "t0*2"
    failed = caught(assert_invariant, program, never_one)
    assert str(failed).startswith("assert_invariant: failed invariant never_one\n")
    with pytest.raises(UsageError, match="always=True says when"):
        assert_invariant(program, always=True)


def never_one(memory: Any) -> bool:
    return bool(memory["x"] != 1)


def test_a_failed_check_and_a_crash_are_failures_of_the_invariant_too() -> None:
    def checks() -> Any:
        yield Check((yield Read("x")) == 0, "x was 0")

    def crashes() -> Any:
        yield Pause()
        raise KeyError("x")

    checked = Program({"a": checks, "b": increment}, memory={"x": 0})
    assert "failed check" in str(caught(assert_invariant, checked, lambda memory: True))
    assert "crash" in str(caught(assert_invariant, counter(crashes), lambda memory: True))


def test_a_cycle_of_locks_fails_though_it_never_deadlocks_unless_only_real_ones_count() -> None:
    def first() -> Any:
        yield from both("l", "m")
        yield Write("done", True)

    def second() -> Any:
        if (yield Read("done")):
            yield from both("m", "l")

    program = Program({"a": first, "b": second}, memory={"done": False}, locks=["l", "m"])
    failed = caught(assert_lock_order_acyclic, program)
    assert "lock-order cycle on l, m (impossible)" in str(failed)
    assert_lock_order_acyclic(program, realised_only=True)
    assert_deadlock_free(program)
    assert "(realised)" in str(caught(assert_lock_order_acyclic, crossed(), realised_only=True))


def test_a_common_gate_lock_is_no_cycle() -> None:
    program = Program({"a": partial(under, "g", "l", "m"), "b": partial(under, "g", "m", "l")}, locks=["g", "l", "m"])
    assert_lock_order_acyclic(program)
    assert_deadlock_free(program)


def test_what_is_not_observed_does_not_count() -> None:
    def stamps(name: str) -> Any:
        yield Write("last", name)
        yield from at_once()
        yield Write("last", name)

    program = Program({name: partial(stamps, name) for name in "ab"}, memory={"x": 0, "last": ""})
    assert_serializable(program)
    racy = Program({name: partial(stamps, name) for name in "ab"}, memory={"x": 0, "last": ""}, locks=["m"])
    other = counter(at_once)
    assert "only the first program ends with x=2 last='b'" in str(caught(assert_same_outcomes, racy, other))
    assert_same_outcomes(racy, other, observe=lambda memory: memory["x"])
    with pytest.raises(ProgramError, match=r"observe returned \[2\], which cannot be hashed"):
        assert_serializable(program, observe=lambda memory: [memory["x"]])  # type: ignore[arg-type, return-value]


def test_what_observes_says_something_and_changes_nothing() -> None:
    def forgets(memory: Any) -> Any:
        memory["x"]

    def fails(memory: Any) -> Any:
        return memory["nowhere"]

    def changes(memory: Any) -> Any:
        memory.clear()

    for observe, what in (
        (forgets, "observe returned None on memory .* forgotten 'return'"),
        (fails, "observe raised KeyError: 'nowhere' on memory"),
        (changes, "observe raised AttributeError: .*mappingproxy"),
    ):
        for asserted in (assert_serializable, ALL[-1]):
            with pytest.raises(ProgramError, match=rf"^test_assertions\.py:\d+: {what}"):
                asserted(counter(increment), observe=observe)


def test_a_thread_that_always_fails_hides_no_deadlock_of_others() -> None:
    def fails() -> Any:
        yield Check(False, "always")

    def crashes() -> Any:
        yield Pause()
        raise ValueError("always")

    for third, said in ((fails, "failed check"), (crashes, "crashed")):
        ordered = Program({name: partial(both, "l", "m") for name in "ab"} | {"c": third}, locks=["l", "m", "n"])
        for scheduler in (None, "graph", "dpor", "reduced"):
            failed = caught(assert_serializable, crossed(c=third), crashes_ok=True, scheduler=scheduler)
            assert str(failed).startswith(
                f"assert_serializable: no serial order of the threads ends {said} (a waits for m; b waits for l; c "
            )
            failed = caught(assert_same_outcomes, ordered, crossed(c=third), crashes_ok=True, scheduler=scheduler)
            assert f"only the second program ends {said} (a waits for m; b waits for l; c " in str(failed)
        assert_serializable(ordered, crashes_ok=True)
        assert_same_outcomes(ordered, ordered, crashes_ok=True)
    failed = caught(assert_serializable, crossed(c=fails), scheduler="random", seed=1, incomplete_ok=True)
    assert "a waits for m; b waits for l; c failed a check at test_assertions.py:" in str(failed)


def test_which_of_interchangeable_threads_fails_does_not_count() -> None:
    def first() -> Any:
        yield Check((yield Update("x", _one_more)) == 0, "only the first")

    program = Program({"a": first, "b": first}, memory={"x": 0})
    assert_serializable(program)
    assert_same_outcomes(program, Program({"c": lambda: (yield from first()), "d": first}, memory={"x": 0}))


def test_locations_may_stand_in_another_order() -> None:
    one = Program({"a": at_once}, memory={"x": 0, "y": 1})
    other = Program({"a": at_once}, memory={"y": 1, "x": 0})
    assert_same_outcomes(one, other)


def test_a_failure_lists_the_serial_orders_beside_the_outcome() -> None:
    def sets(value: int) -> Any:
        yield Write("x", value)
        yield Write("y", value)

    program = Program({f"t{n}": partial(sets, n) for n in range(2)}, memory={"x": 9, "y": 9})
    text = str(caught(assert_serializable, program))
    assert text.startswith(
        "assert_serializable: no serial order of the threads ends with x=1 y=0\n"
        "run one after the other, each in one go, the threads end otherwise:\n"
        "    x=1 y=1   (t0, t1)\n"
        "    x=0 y=0   (t1, t0)\n"
    )


def test_a_long_list_of_serial_orders_is_cut() -> None:
    def appends(value: int) -> Any:
        yield Write("log", (*(yield Read("log")), value))

    program = Program({f"t{n}": partial(appends, n) for n in range(4)}, memory={"log": ()})
    assert "    and 16 others\n" in str(caught(assert_serializable, program))


# -- budgets and options


@pytest.mark.parametrize("asserted", ALL)
def test_a_budget_too_small_never_passes_unless_that_is_said(asserted: Callable[..., object]) -> None:
    program = counter(guarded, 3)
    for budget in (Budget(max_states=5), Budget(max_steps=2)):
        text = undecided(asserted, program, budget=budget)
        assert "nothing found, but not everything was looked at\nprogram: graph: incomplete: " in text
        assert "incomplete_ok=True" in text
        asserted(program, budget=budget, incomplete_ok=True)


@pytest.mark.parametrize("asserted", ALL)
def test_samples_are_refused_unless_one_is_content_with_them(asserted: Callable[..., object]) -> None:
    with pytest.raises(UsageError, match="random takes samples and can prove nothing; pass incomplete_ok=True"):
        asserted(counter(guarded), scheduler="random")
    asserted(counter(guarded), scheduler="random", seed=7, budget=Budget(max_interleavings=20), incomplete_ok=True)


@pytest.mark.parametrize("scheduler", ["graph", "naive", "dpor", "reduced", "preemptions"])
def test_every_search_finds_it_and_says_who_looked(scheduler: str) -> None:
    for asserted in (assert_no_lost_updates, assert_serializable):
        failed = caught(asserted, counter(increment), scheduler=scheduler)
        assert failed.schedule == "t0 t1*2 t0"
        assert failed.report is not None
        assert failed.report.scheduler == scheduler


def test_a_bound_is_no_proof() -> None:
    assert "all with at most" in undecided(assert_deadlock_free, counter(guarded, 3), scheduler="delays")


def test_what_samples_show_is_a_failure() -> None:
    failed = caught(assert_serializable, counter(increment, 3), scheduler="random", seed=3, incomplete_ok=True)
    assert "a sample, not a proof" in str(failed)
    outcome = replay(counter(increment, 3), failed.schedule).outcome
    assert outcome is not None
    assert str(outcome) in str(failed)


def test_where_the_shortest_is_out_of_reach_another_witness_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.outcome_assertions.MAX_NODES", 2)
    monkeypatch.setattr("simulator.outcome_assertions.NEAR", 2)
    for scheduler in ("graph", "reduced", "dpor", "naive"):
        failed = caught(assert_serializable, counter(increment), scheduler=scheduler)
        assert "witness (not proved to be the shortest): " in str(failed)
        assert str(replay(counter(increment), failed.schedule).outcome) == "x=1"


@pytest.mark.parametrize("asserted", ALL)
def test_ctrl_c_ends_the_test_run(asserted: Callable[..., object]) -> None:
    def interrupted() -> Any:
        yield Pause()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asserted(counter(interrupted), incomplete_ok=True)


# -- programs without an end


def test_a_program_that_can_get_to_no_end_does_not_pass_what_is_asked_of_ends() -> None:
    endless = counter(guarded, 2, spin=for_ever)
    assert "from its first step on no end is in reach" in undecided(assert_invariant, endless)
    assert "no end is in reach" in undecided(assert_clean, endless)
    assert "no end is in reach" in undecided(assert_same_outcomes, endless, endless)
    assert "some thread runs for ever once it is alone" in undecided(assert_serializable, endless)
    for asserted in (assert_invariant, assert_clean):
        asserted(endless, incomplete_ok=True)
    assert_invariant(endless, lambda memory: memory["x"] < 3, always=True)
    for asserted in (assert_deadlock_free, assert_no_data_races, assert_no_lost_updates, assert_lock_order_acyclic):
        asserted(endless)


def test_the_way_to_where_no_end_is_in_reach_is_said() -> None:
    def sometimes() -> Any:
        if (yield Read("x")):
            yield from for_ever()

    program = Program({"a": sometimes, "b": at_once}, memory={"x": 0}, finally_=lambda memory: True)
    text = undecided(assert_invariant, program)
    assert 'after "b" no end is in reach' in text


def test_a_loop_that_others_end_is_no_obstacle() -> None:
    def waits() -> Any:
        while not (yield Read("x")):
            yield Pause()
        yield Update("x", _one_more)

    program = Program({"a": waits, "b": at_once}, memory={"x": 0}, finally_=lambda memory: memory["x"] == 2)
    for asserted in (assert_clean, assert_invariant, assert_serializable, assert_deadlock_free):
        asserted(program, kinds=["failed invariant"]) if asserted is assert_clean else asserted(program)


def test_threads_that_wait_for_ever_are_a_deadlock_though_others_run_on() -> None:
    failed = caught(assert_deadlock_free, crossed(spin=for_ever))
    assert "deadlock on l, m" in str(failed)
    assert set(failed.schedule.split()) == {"a", "b"}

    def selfish() -> Any:
        yield Acquire("n")
        yield Acquire("n")

    assert "deadlock on n" in str(caught(assert_deadlock_free, Program({"a": selfish, "spin": for_ever}, locks=["n"])))


def test_a_lock_that_is_never_given_back_is_a_deadlock_though_its_owner_runs_on() -> None:
    def waits() -> Any:
        yield Acquire("m")
        while not (yield Read("x")):
            yield Pause()
        yield Release("m")

    def goes_first() -> Any:
        yield Acquire("m")
        yield Write("x", 1)
        yield Release("m")

    failed = caught(assert_deadlock_free, Program({"a": waits, "b": goes_first}, memory={"x": 0}, locks=["m"]))
    assert str(failed).startswith("assert_deadlock_free: deadlock on m\nb waits for m, which a never gives back\n")
    assert failed.schedule == "a"
    assert_deadlock_free(Program({"a": waits, "b": at_once}, memory={"x": 0}, locks=["m"]))

    assert_deadlock_free(counter(guarded, 1, server=locks_for_ever))


def locks_for_ever() -> Any:
    while True:
        yield Acquire("m")
        yield Release("m")


def test_large_programs_that_surely_end_are_not_looked_at_state_by_state() -> None:
    def tries(lock: str) -> Any:
        for _ in range(3):
            if (yield TryAcquire(lock)):
                yield Release(lock)

    program = Program({f"t{n}": partial(tries, f"l{n // 2}") for n in range(8)}, locks=[f"l{n}" for n in range(4)])
    assert_deadlock_free(program, budget=Budget(max_states=60_000), scheduler="reduced")


def test_whether_an_end_is_in_reach_may_be_more_than_the_budget_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.search.no_end.MAX_STATES", 3)
    text = undecided(assert_invariant, counter(guarded))
    assert "whether the program always comes to an end was not decided: more than 3 states (max_states)" in text
    assert_invariant(counter(guarded), incomplete_ok=True)


def test_no_interleaving_that_finishes_is_no_pass() -> None:
    def selfish() -> Any:
        yield Acquire("m")
        yield Acquire("m")

    text = undecided(assert_invariant, counter(selfish))
    assert (
        "no interleaving finishes, so there is no end at which the invariant could be looked at: deadlocked: x=0"
        in text
    )

    assert "no interleaving finishes" in undecided(assert_clean, counter(selfish), kinds=["failed invariant"])


def test_a_program_that_never_ends_is_not_clean_though_it_has_no_properties() -> None:
    spinning = Program({"a": for_ever})
    assert "no end is in reach" in undecided(assert_clean, spinning)
    assert_clean(spinning, incomplete_ok=True)
    assert_clean(spinning, kinds=["data race"])
    assert "no end is in reach" in undecided(assert_clean, crossed(spin=for_ever), kinds=["deadlock"])


def test_a_thread_that_counts_up_for_ever_is_no_serial_order() -> None:
    def counts() -> Any:
        while True:
            yield from at_once()

    text = undecided(assert_serializable, counter(counts))
    assert "the serial orders are not known: t0 alone takes more than 10,000 steps and may never end" in text


# -- what is not a program


@pytest.mark.parametrize("asserted", ALL)
def test_what_is_no_program_is_refused(asserted: Callable[..., object]) -> None:
    with pytest.raises(UsageError, match=r"needs a Program, not Scenario .*; call it to have its program"):
        asserted(bank)
    with pytest.raises(UsageError, match=r"needs a Program, not dict \{\}"):
        asserted({})


@pytest.mark.parametrize("asserted", ALL)
def test_a_step_that_is_no_operation_is_the_programs_own_error(asserted: Callable[..., object]) -> None:
    def wrong() -> Any:
        yield 5

    with pytest.raises(ProgramError, match=r"test_assertions\.py:\d+: .*5"):
        asserted(counter(wrong))


def test_a_budget_is_a_budget() -> None:
    for asserted in ALL:
        with pytest.raises(UsageError, match="budget is 100, expected a Budget"):
            asserted(counter(guarded), budget=100)


def test_kinds_are_some_and_one_may_be_given_alone() -> None:
    assert caught(assert_clean, counter(increment), kinds="data race").finding.kind is Kind.DATA_RACE  # type: ignore[union-attr]
    assert_clean(counter(increment), kinds="deadlock")
    for none in ([], iter([])):
        with pytest.raises(UsageError, match="kinds is empty, so that nothing could fail"):
            assert_clean(counter(increment), kinds=none)


def test_an_invariant_has_to_be_there() -> None:
    for given in (None, {}):
        with pytest.raises(UsageError, match="there is no invariant: give a function of the memory"):
            assert_invariant(Program({"a": increment}, memory={"x": 0}), given)


# -- threads that crash


@pytest.mark.parametrize("asserted", ALL)
def test_a_thread_that_crashes_proves_nothing(asserted: Callable[..., object]) -> None:
    def misspelt() -> Any:
        yield Acquire("m")
        yield Release(lock)  # type: ignore[name-defined]  # noqa: F821

    def not_held() -> Any:
        yield Release("m")

    for body, what in ((misspelt, "NameError: name 'lock' is not defined"), (not_held, "RuntimeError: release of a")):
        program = Program({"a": body}, memory={"x": 0}, locks=["m"], finally_=lambda memory: True)
        assert what in str(caught(asserted, program))
        if asserted in (assert_clean, assert_invariant):
            only = {"kinds": ["failed check"]} if asserted is assert_clean else {"invariant": is_zero, "always": True}
            asserted(program, crashes_ok=True, **only)
        else:
            asserted(program, crashes_ok=True)


def is_zero(memory: Any) -> bool:
    return bool(memory["x"] == 0)


# -- failures as values


def test_a_failure_can_be_pickled() -> None:
    failed = caught(assert_deadlock_free, crossed())
    again = pickle.loads(pickle.dumps(failed))
    assert (str(again), again.schedule) == (str(failed), failed.schedule)


def test_a_report_that_was_had_already() -> None:
    assert_report(check(counter(guarded)))
    with pytest.raises(InterleavingFailure, match=r"^mine: lost update on x\n"):
        assert_report(check(counter(increment)), "mine")
    with pytest.raises(IncompleteFailure, match=r"^assert_report: nothing found, but"):
        assert_report(check(counter(guarded), budget=Budget(max_states=2)))


def test_the_package_has_them_all() -> None:
    for name in simulator.assertions.__all__:
        if name != "failure_text":
            assert getattr(simulator, name) is getattr(simulator.assertions, name)


def test_a_run_before_the_first_step_has_no_table() -> None:
    def fails_at_once() -> Any:
        assert False, "at once"  # noqa: B011, PT015
        yield Pause()

    failed = caught(assert_clean, Program({"a": fails_at_once}))
    assert failed.schedule == ""
    assert "shortest witness: (before the first step)   (0 steps, 0 preemptions)" in str(failed)
    assert isinstance(failed.finding and failed.finding.run, Run)
