"""A scenario written in a test: what it shows when it fails, and that nothing it cannot decide ever passes."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from tests.plugin.conftest import Tests

BROKEN = """
def test_count(interleave):
    interleave({"a": increment, "b": increment}, memory={"count": 0}, finally_=is_two)
"""
SOUND = """
def test_count(interleave):
    report = interleave({"a": locked, "b": locked}, memory={"count": 0}, locks=["m"], finally_=is_two)
    assert report.complete and report.census.interleavings == 2
"""


def failed(pytester: pytest.Pytester, *lines: str, options: tuple[str, ...] = ()) -> pytest.RunResult:
    """Run the one test; it fails, and says these lines in this order."""
    result = pytester.runpytest_inprocess(*options)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(lines)
    return result


def test_a_scenario_without_a_fault_passes_and_hands_back_its_report(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(SOUND)
    result = pytester.runpytest_inprocess("-rP", "-W", "error", "--strict-markers")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*Captured interleavings call*", "test_count: graph: all 2 interleavings*(complete)*"])


def test_a_failure_shows_the_line_of_the_test_the_reason_the_steps_and_how_to_replay_them(
    pytester: pytest.Pytester, tests: Tests
) -> None:
    tests(BROKEN)
    result = failed(
        pytester,
        ">       interleave({*",
        "E*InterleavingFailure: interleave: lost update on count",
        "E       a read count = 0, then b wrote 1, then a wrote 1 from its stale read: the 1 of b left no effect",
        "E           step   a *b *count*",
        "E       ►      1   read count → 0 *",
        "E       ►      6   write count = 1 *",
        "E       shortest witness: a*2 b*3 a   (6 steps, 1 preemption)",
        'E       to replay it in this test: pytest test_it.py::test_count --interleavings-replay "a?2 b?3 a"',
        "test_it.py:*: InterleavingFailure",
        "*Captured interleavings call*",
        "test_count: graph: all 20 interleavings (4 traces) covered (complete); 21 states",
    )
    # The engine is no part of the story.
    result.stdout.no_fnmatch_line("*explore.py*")
    result.stdout.no_fnmatch_line("*interleave.py*")


@pytest.mark.parametrize(
    ("marker", "outcome"),
    [
        ('kinds=["deadlock"]', "passed"),
        ('kinds="data race"', "failed"),
        ('allow=["lost update", "data race"]', "failed"),
        ('allow=["lost update", "data race", "failed invariant"]', "passed"),
    ],
)
def test_the_marker_says_which_findings_fail_the_test(
    pytester: pytest.Pytester, tests: Tests, marker: str, outcome: str
) -> None:
    tests(f"@pytest.mark.interleavings({marker}){BROKEN}")
    pytester.runpytest_inprocess().assert_outcomes(**{outcome: 1})


def test_a_nearer_marker_stands_above_one_further_out(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(f"pytestmark = pytest.mark.interleavings(kinds=['deadlock'], scheduler='dpor')\n{SOUND}")
    result = pytester.runpytest_inprocess("-rP")
    result.stdout.fnmatch_lines(["test_count: dpor: *"])
    tests(f"pytestmark = pytest.mark.interleavings(kinds=['deadlock'])\n@pytest.mark.interleavings(kinds=None){BROKEN}")
    failed(pytester, "*lost update*")


@pytest.mark.parametrize(
    ("marker", "line"),
    [
        (
            "shceduler='dpor'",
            "*UsageError: @pytest.mark.interleavings has no option 'shceduler'; did you mean 'scheduler'?",
        ),
        ("'dpor'", "*UsageError: @pytest.mark.interleavings takes options by name only, not 'dpor'"),
        ("scheduler='dporr'", "*UsageError: unknown scheduler 'dporr'; did you mean 'dpor'?"),
        ("kinds=['deadlok']", "*UsageError: there is no kind of finding 'deadlok'; did you mean 'deadlock'?"),
        ("kinds=['deadlock'], allow=['crash']", "*UsageError: kinds and allow are both given*"),
        ("budget=0", "*UsageError: max_states is 0, expected a number above 0"),
        ("budget=True", "*UsageError: budget is True, expected a number of states or of runs, or a Budget"),
        ("incomplete_ok='no'", "*UsageError: incomplete_ok is 'no', expected True or False"),
        ("kinds=[]", "*UsageError: kinds is empty, so nothing could fail the test*"),
        (
            "kinds=iter(['deadlock'])",
            "*UsageError: @pytest.mark.interleavings: kinds is an iterator, which the first test of a marker uses up*",
        ),
        ("budget='1000'", "*UsageError: budget is '1000', expected a number of states or of runs, or a Budget"),
        ("seed=1", "*UsageError: seed needs a scheduler to be chosen*"),
        ("scheduler='random'", "*UsageError: random draws a sample, which is never complete: say incomplete_ok=True*"),
    ],
)
def test_a_marker_that_cannot_be_meant_is_refused(
    pytester: pytest.Pytester, tests: Tests, marker: str, line: str
) -> None:
    tests(f"@pytest.mark.interleavings({marker}){SOUND}")
    failed(pytester, ">       report = interleave(*", f"E{line}")


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ("interleave(3)", "*UsageError: interleave got 3; give it a Program, or a mapping *"),
        (
            "interleave(Program({'a': locked}, locks=['m']), memory={})",
            "*UsageError: interleave got a Program and memory *",
        ),
        ("interleave({})", "*ProgramError: program 'test_it' has no threads: give it at least one body"),
        ("interleave({'a': lambda: iter([3])})", "*ProgramError: *"),
        (
            "interleave({'a': not_an_operation})",
            "*ProgramError: test_it.py:*: thread 'a' yielded 3, expected an operation",
        ),
        ("interleave({'a': locked}, lock=['m'])", "*TypeError: *unexpected keyword argument 'lock'*"),
    ],
)
def test_a_scenario_that_cannot_run_fails_at_the_line_that_asks_for_it(
    pytester: pytest.Pytester, tests: Tests, call: str, line: str
) -> None:
    tests(f"def not_an_operation():\n    yield 3\ndef test_it(interleave):\n    {call}\n")
    failed(pytester, f">       {call}", f"E{line}").stdout.no_fnmatch_line("*explore.py*")


def test_what_a_property_raised_is_shown_with_its_own_line(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        def wrong(memory):
            return memory["cuont"] == 2

        def test_it(interleave):
            interleave({"a": increment}, memory={"count": 0}, finally_=wrong)
    """)
    failed(
        pytester,
        ">       return memory??cuont?? == 2",
        "E*KeyError: 'cuont'",
        "E*ProgramError: *property 'wrong' raised KeyError*",
    )


def test_a_program_that_never_ends_does_not_pass(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        def spin():
            while True:
                yield Pause()

        def test_spin(interleave):
            interleave({"a": spin}, memory={"x": 0}, finally_=lambda memory: memory["x"] == 1)
    """)
    failed(
        pytester,
        "E*IncompleteFailure: interleave: no interleaving of test_spin ever ends",
        "E*let the bodies come to an end*",
    )


@pytest.mark.parametrize("given", ["", "@settings(max_examples=2)\n@given(st.none().map(lambda _: 1))\n"])
def test_a_program_with_an_end_that_is_out_of_reach_at_times_does_not_pass(
    pytester: pytest.Pytester, tests: Tests, given: str
) -> None:
    argument = "" if not given else ", one"
    tests(f"""
from hypothesis import given, settings, strategies as st

def late():
    if (yield Read("x")):
        while True:
            yield Pause()

def sets():
    yield Write("x", 1)

@pytest.mark.interleavings(allow="data race")
{given}def test_late(interleave{argument}):
    interleave({{"a": late, "b": sets}}, memory={{"x": 0}}, finally_=lambda memory: memory["x"] == 1)
""")
    failed(
        pytester,
        "E*IncompleteFailure: *the program can run for ever and never come to an end*",
        "E*interleavings(budget=…*",
    )


@pytest.mark.parametrize("counted", [True, False])
def test_one_thread_that_runs_for_ever_beside_others_that_may_end_does_not_pass(
    pytester: pytest.Pytester, tests: Tests, counted: bool
) -> None:
    given = "" if counted else "@settings(max_examples=2)\n@given(one=st.none())\n"
    tests(f"""
from hypothesis import given, settings, strategies as st

def tries():
    yield Acquire("m")
    while not (yield TryAcquire("n")):
        yield Pause()
    yield Release("n")
    yield Release("m")

{given}def test_tries(interleave{"" if counted else ", one"}):
    interleave({{"a": tries, "b": lambda: take("n", "m")}}, locks=["m", "n"])
""")
    failed(pytester, "E*: *the program can run for ever and never come to an end*")


@pytest.mark.parametrize("marker", ["kinds=['failed invariant']", "allow=['deadlock', 'lock misuse']"])
def test_what_has_to_hold_at_the_end_does_not_pass_where_no_interleaving_finishes(
    pytester: pytest.Pytester, tests: Tests, marker: str
) -> None:
    tests(f"""
        def keeps():
            yield Acquire("m")

        @pytest.mark.interleavings({marker})
        def test_keeps(interleave):
            interleave({{"a": keeps, "b": keeps}}, memory={{"x": 0}}, locks=["m"], finally_=lambda memory: False)
    """)
    failed(pytester, "E*IncompleteFailure: interleave: no interleaving of test_keeps finishes: deadlocked: x=0")


def test_a_program_that_waits_for_another_may_spin_as_long_as_it_can_end(
    pytester: pytest.Pytester, tests: Tests
) -> None:
    tests("""
        def waits():
            while (yield Read("done")) == 0:
                yield Pause()

        def works():
            yield Write("done", 1)

        @pytest.mark.interleavings(allow="data race")
        def test_spin(interleave):
            interleave({"a": waits, "b": works}, memory={"done": 0})
    """)
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_program_that_counts_for_ever_runs_out_of_its_budget_and_does_not_pass(
    pytester: pytest.Pytester, tests: Tests
) -> None:
    tests("""
        def grow():
            count = 0
            while True:
                count += 1
                yield Write("x", count)

        @pytest.mark.interleavings(budget=100)
        def test_grow(interleave):
            interleave({"a": grow}, memory={"x": 0})
    """)
    failed(pytester, "E*IncompleteFailure: *not everything was looked at", "E*100 states visited (max_states reached)*")


@pytest.mark.parametrize("options", [(), ("--interleavings-scheduler", "naive")])
def test_a_budget_that_is_too_small_fails_and_says_how_to_give_more(
    pytester: pytest.Pytester, tests: Tests, options: tuple[str, ...]
) -> None:
    tests(f"@pytest.mark.interleavings(budget=1){SOUND}")
    failed(
        pytester,
        "E*IncompleteFailure: *",
        "E*not a proof",
        "E*interleavings(budget=…, incomplete_ok=…)*",
        options=options,
    )
    pytester.runpytest_inprocess("--interleavings-budget", "100", *options).assert_outcomes(passed=1)


def test_the_command_line_stands_above_the_marker(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        @pytest.mark.interleavings(scheduler="random", seed=3, incomplete_ok=True)
        def test_sampled(interleave):
            print(interleave({"a": locked, "b": locked}, memory={"count": 0}, locks=["m"]))
    """)
    for options, line in [
        ((), "*1,000 random walks over 2 interleavings, seed 3: a sample, not a proof"),
        (("--interleavings-seed=5",), "*seed 5: a sample*"),
        (("--interleavings-budget=7",), "*: 7 random walks*"),
        (("--interleavings-scheduler=pct",), "*1,000 PCT runs*seed 3*"),
        (("--interleavings-scheduler=dpor", "--interleavings-seed=5"), "*dpor: *(complete)*"),
    ]:
        result = pytester.runpytest_inprocess("-rP", *options)
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines([f"test_sampled: {line}"])


def test_a_zero_that_was_typed_counts(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        @pytest.mark.interleavings(scheduler="random", seed=3, incomplete_ok=True)
        def test_sampled(interleave):
            interleave({"a": locked, "b": locked}, memory={"count": 0}, locks=["m"])
    """)
    result = pytester.runpytest_inprocess("-rP", "--interleavings-seed=0")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["test_sampled: *seed 0: a sample*"])
    failed(pytester, "E*UsageError: *is 0, expected a number above 0", options=("--interleavings-budget=0",))


def test_a_marker_on_a_test_that_explores_nothing_fails_it(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        pytestmark = pytest.mark.interleavings(kinds="deadlock")

        def test_plain():
            pass

        @pytest.fixture
        def explored(interleave):
            return interleave({"a": increment}, memory={"count": 0})

        @pytest.mark.interleavings(budget=100)
        def test_of_a_fixture(explored):
            pass

        @pytest.mark.interleavings(scheduler="dporr")
        def test_of_what_is_refused(interleave):
            with pytest.raises(Exception, match="dporr"):
                interleave({"a": increment}, memory={"count": 0})

        @pytest.mark.interleavings
        def test_forgets_the_fixture():
            pass

        def test_forgets_the_call(interleave):
            interleave
    """)
    result = pytester.runpytest_inprocess("-rA")
    result.assert_outcomes(passed=3, failed=2)
    line = "this test has the marker interleavings and never called interleave: nothing was explored"
    result.stdout.fnmatch_lines(
        [f"FAILED test_it.py::test_forgets_the_{what} - Failed: {line[:20]}*" for what in ("fixture", "call")]
    )
    assert result.stdout.str().splitlines().count(line) == 2


def test_to_take_the_fixture_and_never_call_it_fails_a_test(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        from hypothesis import given
        from hypothesis import strategies as st

        def test_forgets(interleave):
            pass

        class TestMethods:
            def test_forgets_too(self, interleave):
                pass

        @given(number=st.just(1))
        def test_forgets_what_was_drawn(interleave, number):
            pass

        def test_skips(interleave):
            pytest.skip("not here")

        @pytest.fixture
        def explore(interleave):
            return interleave

        def test_may_need_it(explore):
            pass

        class TestTheirs:
            @pytest.fixture
            def interleave(self):
                return zip

            def test_another_fixture_of_that_name(self, interleave):
                pass
    """)
    result = pytester.runpytest_inprocess("-rA")
    result.assert_outcomes(failed=3, passed=2, skipped=1)
    line = "this test takes the fixture interleave and never called it: nothing was explored"
    assert result.stdout.str().splitlines().count(line) == 3


def test_a_sampler_for_all_tests_passes_only_those_that_may_be_incomplete(
    pytester: pytest.Pytester, tests: Tests
) -> None:
    tests("""
        def test_count(interleave):
            interleave({"a": locked, "b": locked}, memory={"count": 0}, locks=["m"], finally_=is_two)
    """)
    failed(pytester, "*random draws a sample*incomplete-ok*", options=("--interleavings-scheduler=random",))
    options = ("--interleavings-scheduler=random", "--interleavings-incomplete-ok")
    pytester.runpytest_inprocess(*options).assert_outcomes(passed=1)


def test_junit_properties_say_what_was_explored(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(f"""
        {"".join(line + chr(10) + " " * 8 for line in BROKEN.splitlines())}

        def test_twice(interleave):
            interleave({{"a": locked, "b": locked}}, memory={{"count": 0}}, locks=["m"])
            interleave(Program({{"a": locked}}, memory={{"count": 0}}, locks=["m"], name="alone"))

        def test_without_any():
            pass
    """)
    pytester.runpytest_inprocess("--junitxml=out.xml").assert_outcomes(failed=1, passed=2)
    cases = ElementTree.parse(pytester.path / "out.xml").getroot().iter("testcase")
    properties = {
        case.get("name"): {each.get("name"): each.get("value") for each in case.iter("property")} for case in cases
    }
    assert properties == {
        "test_count": {
            "interleavings": "20",
            "traces": "4",
            "states": "21",
            "scheduler": "graph",
            "complete": "yes",
            "schedule": "a*2 b*3 a",
        },
        "test_twice": {"interleavings": "3", "traces": "3", "states": "26", "scheduler": "graph", "complete": "yes"},
        "test_without_any": {},
    }


def test_calls_of_one_test_are_numbered(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        def test_both(interleave):
            interleave(Program({"a": locked}, memory={"count": 0}, locks=["m"], name="alone"))
            interleave({"a": increment, "b": increment}, memory={"count": 0})
    """)
    failed(
        pytester,
        'E*--interleavings-replay "2: a?2 b?3 a"',
        "1. alone: graph: the only interleaving covered*",
        "2. test_both: graph: all 20 interleavings*",
    )


def test_many_calls_of_one_test_are_told_together(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        def test_many(interleave):
            for size in range(1, 41):
                interleave({"a": lambda size=size: (Pause() for _ in range(size))})
    """)
    result = pytester.runpytest_inprocess("-rP")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["40 programs, all of them explored completely; 860 states"])


def test_a_test_may_expect_the_failure(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        from simulator.assertions import InterleavingFailure

        def test_opposite_orders_deadlock(interleave):
            with pytest.raises(InterleavingFailure, match="deadlock on l, m") as failure:
                interleave({"a": lambda: take("l", "m"), "b": lambda: take("m", "l")}, locks=["l", "m"])
            assert failure.value.schedule == "a b"
    """)
    pytester.runpytest_inprocess("--junitxml=out.xml").assert_outcomes(passed=1)
    # Nothing is stored of a test that passes.
    assert not list(pytester.path.glob(".pytest_cache/v/interleavings/*"))
    assert 'name="schedule"' not in (pytester.path / "out.xml").read_text()


def test_interleave_outside_a_test_is_refused(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        @pytest.fixture(scope="session")
        def explored(interleave):
            return interleave({"a": locked}, memory={"count": 0}, locks=["m"])

        def test_of_a_fixture(explored):
            assert explored.complete
    """)
    # A fixture is set up for a test, which then is the one that runs.
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    tests("""
        kept = []

        def test_keeps(interleave):
            kept.append(interleave)

        @pytest.hookimpl
        def test_after():
            assert repr(kept[0]) == "<interleave>"
    """)
    pytester.makeconftest("""
        def pytest_sessionfinish(session):
            import sys
            from simulator.errors import UsageError
            kept = sys.modules["test_it"].kept[0]
            try:
                kept({})
            except UsageError as error:
                print(error)
    """)
    pytester.runpytest_inprocess("-s").stdout.fnmatch_lines(["*interleave is called outside a test*"])


# -- with others


def test_hypothesis_may_draw_the_programs_and_its_health_checks_stay_green(
    pytester: pytest.Pytester, tests: Tests
) -> None:
    tests("""
        from functools import partial
        from hypothesis import given, settings, strategies as st

        orders = st.lists(st.permutations(["l", "m", "n"]).map(lambda locks: tuple(locks[:2])), min_size=1, max_size=3)

        @settings(max_examples=200)
        @given(orders)
        def test_sorted_orders_never_deadlock(interleave, orders):
            bodies = {f"t{n}": partial(take, *sorted(order)) for n, order in enumerate(orders)}
            assert interleave(bodies, locks=["l", "m", "n"]).complete

        @settings(max_examples=200)
        @given(orders)
        def test_any_orders_never_deadlock(interleave, orders):
            interleave({f"t{n}": partial(take, *order) for n, order in enumerate(orders)}, locks=["l", "m", "n"])
    """)
    result = pytester.runpytest_inprocess("-rP")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines_random(
        [
            "E*InterleavingFailure: interleave: deadlock on *",
            "E*orders=?('l', 'm'), ('m', 'l')?*",
            "* programs, all of them explored completely; * states",
        ]
    )
    result.stdout.no_fnmatch_line("*to replay it in this test*")
    # Hypothesis keeps its own examples, and a schedule is a function of the program.
    assert not list(pytester.path.glob(".pytest_cache/v/interleavings/*"))
    result = pytester.runpytest_inprocess("-k", "any_orders", "--interleavings-replay", "t0 t1")
    result.stdout.fnmatch_lines(["E*--interleavings-replay is for a test with one program*"])


def test_every_test_of_many_processes_stores_its_own_schedule(pytester: pytest.Pytester, tests: Tests) -> None:
    pytest.importorskip("xdist")
    tests("""
        @pytest.mark.interleavings(kinds="lost update")
        @pytest.mark.parametrize("number", range(6))
        def test_count(interleave, number):
            interleave({"a": increment, "b": increment}, memory={"count": 0}, name=f"count{number}")
    """)
    pytester.runpytest_subprocess("-n2").assert_outcomes(failed=6)
    assert len(list(pytester.path.glob(".pytest_cache/v/interleavings/*"))) == 6
    result = pytester.runpytest_subprocess("-n2", "--junitxml=out.xml")
    result.assert_outcomes(failed=6)
    result.stdout.fnmatch_lines(["replayed the stored schedule 'a?2 b?3 a': still fails"] * 6)
    assert (pytester.path / "out.xml").read_text().count('name="schedule" value="a*2 b*3 a"') == 6
    result = pytester.runpytest_subprocess(
        "-n2", "-k", "3", "--interleavings-replay", "a*3 b*3", "-p", "no:cacheprovider"
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1   read count → 0*", "ends: count=2"])


def test_without_the_plugin_other_tests_run_as_before(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        def test_plain():
            pass
    """)
    result = pytester.runpytest_subprocess("-p", "no:simulator", "--strict-markers", "-W", "error")
    result.assert_outcomes(passed=1)
    tests(BROKEN)
    result = pytester.runpytest_subprocess("-p", "no:simulator")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*fixture 'interleave' not found"])
    pytester.runpytest_subprocess("--interleavings-seed=1", "-p", "no:simulator").stderr.fnmatch_lines(
        ["*unrecognized arguments: --interleavings-seed=1"]
    )


def test_the_engine_is_not_imported_until_a_test_uses_it(pytester: pytest.Pytester) -> None:
    heavy = (
        "simulator.machine",
        "simulator.explore",
        "simulator.interleave",
        "networkx",
        "rich",
        "hypothesis",
        "click",
    )
    pytester.makepyfile(f"""
        import sys

        def test_plain(request):
            assert "simulator.pytest_plugin" in sys.modules
            assert [name for name in {heavy!r} if name in sys.modules] == []

        def test_with_the_fixture(interleave):
            assert "simulator.machine" not in sys.modules
            from simulator import Pause
            interleave({{"a": lambda: iter(())}} if False else {{"a": body}})
            assert "simulator.machine" in sys.modules

        def body():
            from simulator import Pause
            yield Pause()
    """)
    # Hypothesis has a plugin of its own, which would import it.
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest", "-p", "no:_hypothesis_pytestplugin"]
    ran = subprocess.run(words, cwd=pytester.path, capture_output=True, text=True, check=False)
    assert "2 passed" in ran.stdout, ran.stdout
