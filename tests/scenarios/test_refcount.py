"""Reference counts: what goes wrong without protection, and that each protection is proved to remove it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scenarios.refcount import refcount
from scenarios.refcount.biased import BUGS
from scenarios.refcount.compare import BUGGY, Ending, ending, judge
from scenarios.refcount.sharing import FREED_EARLY, LEAKED, PROTECTIONS, Sharing
from simulator.analysis.finding import Kind, Status
from simulator.census import count
from simulator.errors import UsageError
from simulator.explore import check

PROTECTED = [name for name in PROTECTIONS if name != "none"]


def test_two_decrefs_of_a_count_of_two_leak_in_eighteen_of_twenty_interleavings() -> None:
    # Each reads, adds, writes; one who comes to 0 frees. Only t0 t0 t0 t1 t1 t1 t1 and the same with t1 first come to 0.
    outcomes = {str(outcome): number for outcome, number in count(refcount()).outcomes.items()}
    assert outcomes == {"count[a]=0 freed[a]=1": 2, "count[a]=1 freed[a]=0": 18}
    report = check(refcount())
    assert report.complete
    assert {finding.title for finding in report.findings} == {
        "lost update on count[a]",
        "data race on count[a]",
        f"failed invariant {LEAKED}",
    }


def test_without_protection_copies_are_freed_early_freed_twice_and_leaked() -> None:
    report = check(refcount(work="copy"))
    said = " ".join(finding.why for finding in report.findings)
    assert "use after free: the count of a is changed, and was 0 already" in said
    assert "double free: a was freed before" in said
    assert f"failed invariant {LEAKED}" in {finding.title for finding in report.findings}
    endings = judge(Sharing(("copy", "copy"))).endings
    assert all(number for how, number in endings.items() if how is not Ending.DEADLOCKED)


@pytest.mark.parametrize("work", ["drop", "copy", "drop,copy", "collect,give", "give,collect"])
@pytest.mark.parametrize("objects", [1, 2])
@pytest.mark.parametrize("protection", PROTECTED)
def test_each_protection_of_two_threads_is_proved(protection: str, objects: int, work: str) -> None:
    report = check(refcount(work=work, objects=objects, protection=protection), counted=False)
    assert report.complete
    assert report.clean
    assert {outcome.how for outcome in report.outcomes} == {"finished"}


@pytest.mark.parametrize(
    "work", ["drop", "copy", "drop,copy,drop", "copy,drop,drop", "collect,give,drop", "give,collect,copy"]
)
@pytest.mark.parametrize("protection", PROTECTED)
def test_each_protection_of_three_threads_is_proved(protection: str, work: str) -> None:
    report = check(refcount(threads=3, work=work, protection=protection), counted=False)
    assert report.complete
    assert report.clean


@pytest.mark.parametrize("protection", ["per-object", "global", "atomic", "biased"])
def test_each_protection_of_four_threads_is_proved(protection: str) -> None:
    report = check(refcount(threads=4, protection=protection), counted=False)
    assert report.complete
    assert report.clean


@pytest.mark.parametrize(
    "works",
    [
        ("drop", "drop"),
        ("copy", "copy"),
        ("drop", "copy", "drop"),
        ("copy", "copy", "copy"),
        ("collect", "give", "drop"),
        ("give", "give", "collect"),
    ],
)
def test_biased_counting_is_proved_whoever_counted_the_others_references(works: tuple[str, ...]) -> None:
    for handed in (True, False):
        verdict = judge(Sharing(works, protection="biased", handed=handed))
        assert verdict.proved
        assert verdict.share(Ending.RIGHT) == 1


@given(
    works=st.lists(st.sampled_from(["drop", "copy", "give", "collect"]), min_size=2, max_size=3),
    things=st.sampled_from([("a",), ("a", "b")]),
    handed=st.booleans(),
)
def test_biased_counting_frees_once_whatever_the_threads_do(
    works: list[str], things: tuple[str, ...], handed: bool
) -> None:
    assume("give" not in works or "collect" in works)
    assume(len(works) * len(things) <= 4)
    sharing = Sharing(tuple(works), things, protection="biased", handed=handed)
    report = check(sharing.program(), counted=False)
    assert report.complete
    assert report.clean
    assert {ending(sharing, outcome) for outcome in report.outcomes} == {Ending.RIGHT}


def test_two_locks_taken_as_they_are_needed_deadlock_and_in_one_order_never() -> None:
    crossed: dict[str, Any] = {"objects": 2, "work": "assign", "protection": "per-object"}
    report = check(refcount(**crossed))
    assert {finding.kind for finding in report.findings} == {Kind.DEADLOCK, Kind.LOCK_ORDER_CYCLE}
    assert {finding.status for finding in report.findings} == {None, Status.REALISED}
    sorted_ = check(refcount(order="sorted", **crossed))
    assert sorted_.complete
    assert sorted_.clean


@pytest.mark.parametrize("protection", ["global", "atomic", "biased"])
def test_two_objects_at_once_need_no_order_where_there_is_one_lock_or_none(protection: str) -> None:
    report = check(refcount(objects=2, work="assign", protection=protection))
    assert report.complete
    assert report.clean


@pytest.mark.parametrize("protection", PROTECTIONS)
@pytest.mark.parametrize("work", ["drop,borrow", "drop,take"])
def test_no_protection_of_counts_makes_a_borrowed_reference_safe(work: str, protection: str) -> None:
    report = check(refcount(work=work, protection=protection))
    checks = [finding for finding in report.findings if finding.kind is Kind.FAILED_CHECK]
    assert checks
    assert all("use after free" in finding.why for finding in checks)


# -- biased counting with a mistake in it


@pytest.mark.parametrize("bug", BUGS)
def test_each_mistake_in_biased_counting_is_found_with_its_shortest_witness(bug: str) -> None:
    verdict = judge(BUGGY[bug])
    worst = verdict.worst
    assert worst is not None
    assert worst.shortest
    assert worst.run is not None
    # Without the mistake the same work is proved.
    assert judge(Sharing(BUGGY[bug].works, protection="biased", handed=BUGGY[bug].handed)).proved


def test_the_merge_that_resets_the_owner_last_writes_to_freed_memory() -> None:
    # CPython's gh-119999, by its own story: the merged count is 1, another thread gives that one up and frees the object, and
    # then the merging thread writes to it.
    report = check(refcount(threads=3, protection="biased", bug="reset-last"))
    early = next(finding for finding in report.findings if finding.detail == FREED_EARLY)
    assert early.run is not None
    *_, merge, _, _, _, _, freed = early.run.events
    assert early.run.final.memory["local", "a"] > 0
    assert "(1, 'merged')" in merge.text
    assert freed.thread != merge.thread
    assert any("use after free" in finding.why for finding in report.findings)


def test_a_torn_merge_needs_a_shared_count_to_tear() -> None:
    assert check(refcount(work="drop,copy", protection="biased", bug="torn-merge")).clean
    assert not check(refcount(work="drop,copy", protection="biased", bug="torn-merge", handed=False)).clean


# -- parameters


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"threads": 1}, "threads is 1, expected a whole number, 2 to 4"),
        ({"objects": 5}, "objects is 5, expected a whole number, 1 to 4"),
        ({"work": "dorp"}, "there is no work 'dorp'; did you mean 'drop'?"),
        ({"work": "drop,drop,drop"}, "work names 3 for 2 threads; give one, or one for each"),
        ({"work": "assign"}, "work 'assign' needs two objects; say objects=2"),
        ({"work": "give"}, "work 'give' hands references to a thread that collects: let one thread do that"),
        ({"work": "borrow"}, "nobody owns a reference to object a; let one thread drop or copy, say"),
        ({"protection": "gil"}, "protection is 'gil'"),
        ({"protection": "biased", "bug": "torn"}, "there is no bug 'torn'"),
        ({"bug": "torn-merge"}, "bug 'torn-merge' is one of biased counting; say protection=biased"),
        ({"order": "sorted"}, "order=sorted is about two locks: say protection=per-object"),
        ({"handed": False}, "handed=False is about who counts: say protection=biased"),
    ],
)
def test_parameters_are_checked(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        refcount(**values)
    assert str(caught.value).startswith(said)


def test_threads_that_do_the_same_are_interchangeable_but_for_the_owner() -> None:
    assert refcount(threads=3, protection="atomic").interchangeable() == ((0, 1, 2),)
    assert refcount(threads=3, protection="biased").interchangeable() == ((0,), (1, 2))
