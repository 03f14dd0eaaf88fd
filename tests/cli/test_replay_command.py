"""`simulator replay`: one interleaving, step by step."""

from __future__ import annotations

import pytest

from tests.cli.command_line import simulator


def test_the_article_s_story_is_shown_with_the_guilty_steps_marked() -> None:
    ran = simulator("replay", "counter", "t0 t1 t0 t1 t0 t1", "--start", "5")
    assert ran.code == 1
    marked = [line.split("  ")[0] + "|" + line.split()[-1] for line in ran.lines if line.startswith("►")]
    # Finding 1, the lost update: t1 reads 5, t0 writes 6, t1 writes 6 over it. Finding 2, the data race: the first two.
    # Finding 3, the broken promise of the count: the last write.
    assert marked == ["► 1,2|5", "► 1,2|6", "► 1,3|6"]
    assert "ends: count=6" in ran.lines
    assert "1. lost update on count" in ran.lines


def test_a_run_without_a_mistake_marks_nothing_and_exits_with_0() -> None:
    ran = simulator("replay", "counter", "t0*5 t1*5", "--lock")
    assert ran.code == 0
    assert "►" not in ran.out
    assert ran.lines[-2:] == ["ends: count=2", "schedule: t0*5 t1*5   (10 steps, 0 preemptions)"]


def test_a_schedule_that_is_shorter_than_the_program_says_where_it_stops() -> None:
    ran = simulator("replay", "counter", "t0*3")
    assert ran.code == 0
    assert ran.lines[-2:] == [
        "stops here, after 3 steps; still enabled: t1",
        "schedule: t0*3   (3 steps, 0 preemptions)",
    ]
    assert simulator("replay", "counter", "t0*3", "--json").json["outcome"] is None


def test_finish_goes_on_without_preemption() -> None:
    ran = simulator("replay", "counter", "t0*2 t1*3", "--finish", "--json").json
    assert (ran["schedule"], ran["outcome"]) == ("t0*2 t1*3 t0", "count=1")


def test_an_empty_schedule_shows_the_beginning() -> None:
    ran = simulator("replay", "counter", "")
    assert ran.code == 0
    assert "stops here, after 0 steps; still enabled: t0, t1" in ran.lines


def test_a_lock_order_cycle_is_reported_from_a_single_run_that_did_not_deadlock() -> None:
    ran = simulator("replay", "bank", "t0*12 t1*12", "--json")
    assert ran.code == 1
    assert ran.json["outcome"] == "balance[1]=800 balance[2]=1200"
    assert [finding["kind"] for finding in ran.json["findings"]] == ["lock-order cycle"]
    assert ran.json["findings"][0]["objects"] == ["lock[1]", "lock[2]"]


def test_a_step_that_does_not_fit_is_told_where_why_and_what_would() -> None:
    assert simulator("replay", "counter", "t0*4").refused() == (
        "the schedule stops fitting at step 4 of 4: t0 has ended (finished); enabled there: t1"
    )
    said = simulator("replay", "bank", "t0*2 t1*2 t0").refused()
    assert said.startswith("the schedule stops fitting at step 5 of 5: t0 is blocked: it wants to acquire lock[2] (")
    assert said.endswith("; nothing is enabled there")


def test_where_a_schedule_stops_fitting_it_can_stop_or_go_on() -> None:
    stopped = simulator("replay", "counter", "t0*4 t1", "--misfit", "stop", "--json").json
    assert stopped["schedule"] == "t0*3"
    skipped = simulator("replay", "counter", "t0*4 t1", "--misfit", "skip", "--json").json
    assert skipped["schedule"] == "t0*3 t1"


NO_COUNT = "has no usable count after '*'; write a whole number from 1 to 10,000,000"


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("t9", "schedule word 1 names thread 't9'; known: t0, t1"),
        ("t0 tt1", "schedule word 2 names thread 'tt1'; did you mean 't1'?"),
        ("*3", "schedule word 1 '*3' cannot be read; write a thread's name, or name*3"),
        ("t0*", f"schedule word 1 't0*' {NO_COUNT}"),
        ("t0*x", f"schedule word 1 't0*x' {NO_COUNT}"),
        ("t0*0", f"schedule word 1 't0*0' {NO_COUNT}"),
        ("t0*99999999999", f"schedule word 1 't0*99999999999' {NO_COUNT}"),
        ("t0*9000000 t1*9000000", "the schedule is longer than 10,000,000 steps"),
    ],
)
def test_a_schedule_that_cannot_be_read_names_the_word(schedule: str, said: str) -> None:
    assert simulator("replay", "counter", schedule).refused() == said


def test_a_schedule_has_to_be_given() -> None:
    assert simulator("replay", "counter").refused() == "Missing argument 'SCHEDULE'."


def test_of_many_threads_those_without_a_part_in_the_run_have_no_column() -> None:
    def head(words: str, schedule: str) -> list[str]:
        return simulator("replay", *words.split(), schedule).lines[0].split()

    assert head("readers --n 7", "t0 t3")[:9] == ["step", *(f"t{n}" for n in range(8))]
    assert head("readers --n 12", "t0 t3") == ["step", "t0", "t3", "x", "own[2]"]
    assert head("readers --n 12", "")[:14] == ["step", *(f"t{n}" for n in range(13))]
    # All nine wait for each other, though the last has only one fork to show for it.
    assert head("philosophers --n 9", " ".join(f"t{n}" for n in range(9)))[:10] == [
        "step",
        *(f"t{n}" for n in range(9)),
    ]
