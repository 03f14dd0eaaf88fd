"""A schedule that failed is kept, replayed first next time, and forgotten once the test is green; or replayed by hand."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import Tests

LOST_UPDATES = "pytestmark = pytest.mark.interleavings(kinds='lost update')\n"
COUNT = """
def body():
    {body}

def test_count(interleave):
    interleave({{"a": body, "b": body}}, memory={{"count": 0}}, locks=["m"], finally_=is_two)
"""
BROKEN = COUNT.format(body="yield from increment()")
SOUND = COUNT.format(body="yield from locked()")
PAUSED = COUNT.format(body="for _ in range(4): yield Pause()\n    yield from increment()")
"""Broken too, but not by a switch after two steps."""
SHORT = COUNT.format(body="yield Write('count', 2)")


def stored(pytester: pytest.Pytester) -> list[str]:
    """What is kept, of tests that have something."""
    kept = [file.read_text() for file in pytester.path.glob(".pytest_cache/v/interleavings/*")]
    return [text for text in kept if text != "null"]


def test_the_stored_schedule_is_replayed_before_anything_is_explored(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(BROKEN)
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
    assert len(stored(pytester)) == 1
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*InterleavingFailure: interleave: lost update on count",
            "E       ►      6   write count = 1 *",
            "E       witness (not proved to be the shortest): a?2 b?3 a   (6 steps, 1 preemption)",
            "*Captured interleavings call*",
            "replayed the stored schedule 'a?2 b?3 a': still fails",
        ]
    )
    result.stdout.no_fnmatch_line("*covered (complete)*")


def test_once_the_test_is_green_the_schedule_is_forgotten(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(BROKEN)
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
    tests(SOUND)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*interleavings of test_it.py::test_count*",
            "*the stored schedule 'a?2 b?3 a'*explored again",
            "test_count: graph: all 2 interleavings*(complete)*",
        ]
    )
    assert not stored(pytester)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*stored schedule*")


def test_a_schedule_that_no_longer_fails_does_not_stand_for_the_others(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(f"{LOST_UPDATES}{BROKEN}")
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
    tests(f"{LOST_UPDATES}{PAUSED}")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E       shortest witness: a?6 b?7 a *",
            "replayed the stored schedule 'a?2 b?3 a': no longer fails; explored again",
        ]
    )
    assert '"a*6 b*7 a"' in stored(pytester)[0]


def test_a_schedule_that_no_longer_fits_is_said_to_and_explored_again(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(BROKEN)
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
    tests("pytestmark = pytest.mark.interleavings(allow='data race')" + SHORT)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "the stored schedule 'a?2 b?3 a' no longer fits: the schedule stops fitting at step 2 of 6: a has ended*",
        ]
    )


def test_a_failure_of_another_cause_keeps_the_schedule(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(BROKEN)
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
    kept = stored(pytester)
    tests(SOUND + "    assert False\n")
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
    assert stored(pytester) == kept


def test_what_is_stored_is_the_schedule_of_the_call_that_failed(pytester: pytest.Pytester, tests: Tests) -> None:
    tests("""
        def test_both(interleave):
            interleave({"a": locked}, memory={"count": 0}, locks=["m"])
            interleave({"a": increment, "b": increment}, memory={"count": 0})
    """)
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(
        ["replayed the stored schedule 'a?2 b?3 a': still fails", "*test_both: graph: the only *"]
    )
    result = pytester.runpytest_inprocess("--interleavings-replay", "2: a*2 b*3 a")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*lost update on count"])


@pytest.mark.parametrize("fixture", ["by_hand", *(["subtests"] if hasattr(pytest, "Subtests") else [])])
def test_the_first_failure_of_a_subtest_is_stored(pytester: pytest.Pytester, tests: Tests, fixture: str) -> None:
    """`subtests` is of pytest 9; what it does, and a plugin for older ones too, is to report in the middle of a test."""
    by_hand = """
        from contextlib import contextmanager

        class ByHand:
            def __init__(self, item):
                self.item = item

            @contextmanager
            def test(self):
                try:
                    yield
                except AssertionError as failure:
                    def fail():
                        raise failure
                    call = pytest.CallInfo.from_call(fail, "call")
                    self.item.ihook.pytest_runtest_makereport(item=self.item, call=call)

        @pytest.fixture
        def by_hand(request):
            return ByHand(request.node)
    """
    several = f"""
        def test_sub(interleave, {fixture}):
            for body in (locked, increment, increment):
                with {fixture}.test():
                    interleave({{"a": body, "b": body}}, memory={{"count": 0}}, locks=["m"])
    """
    tests(by_hand + several)
    pytester.runpytest_inprocess()
    assert ['"call": 2' in text and '"a*2 b*3 a"' in text for text in stored(pytester)] == [True]
    result = pytester.runpytest_inprocess("-rP")
    result.stdout.fnmatch_lines(["replayed the stored schedule 'a?2 b?3 a': still fails"])
    assert len(stored(pytester)) == 1
    tests(by_hand + several.replace("increment", "locked"))
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    assert stored(pytester) == []


def test_a_schedule_for_a_call_that_is_not_made_does_not_pass(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(SOUND)
    for call in (0, 2):
        result = pytester.runpytest_inprocess("--interleavings-replay", f"{call}: a")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"E*is for call {call} of interleave, and the test made 1: nothing was replayed"])


def test_nothing_is_stored_without_a_cache_and_a_broken_one_is_no_schedule(
    pytester: pytest.Pytester, tests: Tests
) -> None:
    tests(BROKEN)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(failed=1)
    assert not stored(pytester)
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
    for content in ("", "[]", '{"schedule": 3}', '{"test": "test_it.py::test_count", "schedule": "a"}'):
        for file in pytester.path.glob(".pytest_cache/v/interleavings/*"):
            file.write_text(content)
        result = pytester.runpytest_inprocess()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["E       shortest witness: a?2 b?3 a *"])
        result.stdout.no_fnmatch_line("*stored schedule*")


# -- by hand


def test_a_schedule_typed_by_hand_fails_by_what_it_shows(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(BROKEN)
    result = pytester.runpytest_inprocess("--interleavings-replay", "b a*3 b*2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*InterleavingFailure: interleave: lost update on count",
            "E       b read count = 0, then a wrote 1, *",
            "E       ►      1 *read count*",
            "E       witness (not proved to be the shortest): b a?3 b?2 *",
            "replayed 'b a?3 b?2' and explored nothing",
        ]
    )


def test_a_schedule_typed_by_hand_that_shows_nothing_passes_and_prints_its_steps(
    pytester: pytest.Pytester, tests: Tests
) -> None:
    tests(f"{LOST_UPDATES}{BROKEN}")
    # Longer than typed: what only shows at the end is not passed over.
    for schedule in ("a*3 b*3", "a", ""):
        result = pytester.runpytest_inprocess("--interleavings-replay", schedule)
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(
            [
                f"replayed {schedule!r} and explored nothing".replace("*", "?"),
                "*step   a *b *count*",
                "*1   read count → 0 *",
                "*6 *write count = 2 *",
                "ends: count=2",
                "this interleaving shows nothing that fails the test: not a proof",
            ]
        )
    result = pytester.runpytest_inprocess("--interleavings-replay", "a b*2 a")
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("schedule", "line"),
    [
        ("a*4", "*ScheduleError: the schedule stops fitting at step 4 of 4: a has ended (finished); enabled there: b*"),
        ("c", "*ScheduleError: schedule word 1 names thread 'c'; known: a, b*"),
        ("a*x", "*ScheduleError: schedule word 1 'a?x' has no usable count*"),
    ],
)
def test_a_schedule_of_another_version_of_the_test_fails_and_says_where(
    pytester: pytest.Pytester, tests: Tests, schedule: str, line: str
) -> None:
    tests(BROKEN)
    result = pytester.runpytest_inprocess("--interleavings-replay", schedule)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E{line}", "E*without --interleavings-replay it is explored again"])


def test_a_replay_neither_stores_nor_forgets(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(BROKEN)
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
    kept = stored(pytester)
    pytester.runpytest_inprocess("--interleavings-replay", "a*3 b*3").assert_outcomes(failed=1)
    assert stored(pytester) == kept


def test_a_schedule_is_for_one_test(pytester: pytest.Pytester, tests: Tests) -> None:
    tests(BROKEN + SOUND.replace("test_count", "test_other") + "\ndef test_plain():\n    pass\n")
    result = pytester.runpytest_inprocess("--interleavings-replay", "a")
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(["E*--interleavings-replay is for one test, and 2 of those chosen use interleave: *"])
    result = pytester.runpytest_inprocess("--interleavings-replay", "a", "-k", "plain")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["--interleavings-replay: no chosen test uses the fixture interleave"])
