"""`simulator explore --scheduler`: each by name, what each takes and refuses, and what each claims to have covered."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.schedulers import Scheduler
from tests.cli.command_line import simulator

ALL = [str(scheduler) for scheduler in Scheduler]
COMPLETE = [name for name in ALL if Scheduler(name).visits_states] + ["dpor", "naive"]
BOUNDED = ["preemptions", "delays"]
SAMPLERS = ["random", "uniform", "uniform-traces", "pct", "pos", "surw"]

COUNTER = ["lost update on count", "data race on count", "failed invariant count is 2"]
BANK = ["deadlock on lock[1], lock[2]", "lock-order cycle on lock[1], lock[2] (realised)"]


def test_every_scheduler_is_complete_bounded_or_a_sampler() -> None:
    assert sorted([*COMPLETE, *BOUNDED, *SAMPLERS]) == sorted(ALL)


@pytest.mark.parametrize("scheduler", ALL)
@pytest.mark.parametrize(("scenario", "titles"), [("counter", COUNTER), ("bank", BANK)], ids=["counter", "bank"])
def test_every_scheduler_finds_what_there_is(scheduler: str, scenario: str, titles: list[str]) -> None:
    ran = simulator("explore", scenario, "--scheduler", scheduler, "--json")
    assert (ran.code, ran.err) == (1, "")
    assert [finding["title"] for finding in ran.json["findings"]] == titles
    assert ran.json["scheduler"] == scheduler
    assert all(finding["shortest"] for finding in ran.json["findings"] if finding["kind"] != "lock-order cycle")


@pytest.mark.parametrize("scheduler", COMPLETE)
def test_a_complete_search_proves_that_the_lock_is_right(scheduler: str) -> None:
    ran = simulator("explore", "counter", "--lock", "--scheduler", scheduler)
    assert ran.code == 0
    assert ran.lines[1].startswith(f"{scheduler}: no finding; all 2 interleavings (2 traces) covered (complete); ")
    told = simulator("explore", "counter", "--lock", "--scheduler", scheduler, "--json").json
    assert (told["complete"], told["stopped"], told["interleavings"], told["traces"]) == (True, "complete", 2, 2)
    assert told["outcomes"]["count=2"]["interleavings"] == told["outcomes"]["count=2"]["traces"] == 2


@pytest.mark.parametrize("scheduler", SAMPLERS)
def test_a_sample_is_called_one_and_is_no_proof(scheduler: str) -> None:
    words = ("explore", "counter", "--lock", "--scheduler", scheduler, "--max-interleavings", "30", "--seed", "4")
    ran = simulator(*words)
    assert ran.code == 0
    assert ran.lines[1].startswith(f"{scheduler}: no finding so far; 30 ")
    assert ran.lines[1].endswith("s over 2 interleavings, seed 4: a sample, not a proof")
    assert ran.lines[2] == "2 of 2 traces seen"
    assert ran.lines[3].startswith("Knuth's estimate of all traces: about ")
    told = simulator(*words, "--json").json
    assert (told["complete"], told["stopped"], told["runs"], told["seed"]) == (False, "sampled", 30, 4)
    assert (told["distinct_traces"], told["traces"]) == (2, 2)
    assert told["traces_estimate"]["samples"] > 0


@pytest.mark.parametrize("scheduler", SAMPLERS)
def test_the_same_seed_gives_the_same_sample_and_another_gives_another(scheduler: str) -> None:
    def runs(seed: str) -> str:
        words = ("explore", "counter", "--threads", "4", "--scheduler", scheduler, "--max-interleavings", "40")
        told = simulator(*words, "--seed", seed, "--no-steps", "--json").json
        return str([told["outcomes"], told["distinct_traces"], told["traces_estimate"]])

    assert runs("1") == runs("1")
    assert len({runs(str(seed)) for seed in range(4)}) > 1


@pytest.mark.parametrize("scheduler", BOUNDED)
def test_a_bound_that_left_something_out_is_called_a_bound(scheduler: str) -> None:
    unit = scheduler.removesuffix("s")
    # One thread to its end and then the other: that one goes first is no preemption, but for the second thread a delay.
    runs = {"preemptions": 2, "delays": 1}[scheduler]
    ran = simulator("explore", "M x; M x || M y; M y", "--scheduler", scheduler, "--bound", "0")
    assert ran.code == 0
    assert ran.lines[1] == (
        f"{scheduler}: no finding so far; {runs} of 6 interleavings, all with at most 0 {unit}s: a bound, not a proof"
    )
    told = simulator("explore", "counter", "--scheduler", scheduler, "--json").json
    assert (told["complete"], told["stopped"], told["bound"], told["covered_up_to"]) == (False, "bound reached", 2, 2)


@pytest.mark.parametrize("bound", ["5", "99999999999999999999999"])
@pytest.mark.parametrize("scheduler", BOUNDED)
def test_a_bound_that_leaves_nothing_out_is_a_proof(scheduler: str, bound: str) -> None:
    ran = simulator("explore", "counter", "--scheduler", scheduler, "--bound", bound)
    assert ran.lines[1] == f"{scheduler}: all 20 interleavings (4 traces) covered (complete); 20 runs"


def test_without_a_preemption_no_update_is_lost_and_with_one_it_is() -> None:
    def lost(bound: str) -> bool:
        told = simulator("explore", "counter", "--scheduler", "preemptions", "--bound", bound, "--json").json
        return "count=1" in told["outcomes"]

    assert (lost("0"), lost("1")) == (False, True)


def test_a_bounded_search_that_ran_out_says_which_levels_it_finished() -> None:
    ran = simulator("explore", "counter", "--scheduler", "delays", "--bound", "3", "--max-interleavings", "6")
    assert ran.lines[1] == (
        "delays: incomplete: 6 of 20 interleavings, all with at most 1 delay (max_interleavings reached): not a proof"
    )


def test_a_uniform_sampler_that_cannot_count_says_that_it_is_not_uniform_or_refuses() -> None:
    words = ("explore", "counter", "--threads", "3", "--max-states", "5", "--scheduler")
    ran = simulator(*words, "uniform", "--max-interleavings", "5")
    assert [line for line in ran.lines if line.startswith("not exactly uniform: ")]
    said = simulator(*words, "uniform-traces").refused()
    assert said.startswith("counting the ways to the end needs more than 5 states (--max-states)")


@pytest.mark.parametrize("scheduler", ["", *ALL])
def test_what_a_limit_ended_is_incomplete_in_text_and_json_and_its_exit_code_is_about_findings(scheduler: str) -> None:
    limit = "--max-states" if Scheduler(scheduler or "graph").visits_states else "--max-interleavings"
    words = ("--threads", "3", *(("--scheduler", scheduler) if scheduler else ()), limit, "2", "--no-steps")
    clean = simulator("explore", "counter", "--lock", *words)
    assert clean.code == 0
    assert "no finding so far; " in clean.lines[1]
    assert "not a proof" in clean.lines[1]
    assert "complete)" not in clean.out
    assert not simulator("explore", "counter", "--lock", *words, "--json").json["complete"]
    told = simulator("explore", "counter", *words, "--json")
    assert not told.json["complete"]
    assert told.code == bool(told.json["findings"])


def test_pct_prints_its_bound_for_the_depth_that_was_asked_for() -> None:
    def note(depth: str) -> str:
        ran = simulator("explore", "counter", "--scheduler", "pct", "--depth", depth, "--max-interleavings", "5")
        return next(line for line in ran.lines if line.startswith("PCT for bugs of depth"))

    # Two threads, six steps: 1/(2·6^(d-1)).
    assert f"depth {2}" in note("2")
    assert "at least 1/12 = 1/(n·k^(d-1))" in note("2")
    assert "at least 1/72 = 1/(n·k^(d-1))" in note("3")


def test_dpor_runs_each_trace_once() -> None:
    told = simulator("explore", "counter", "--threads", "4", "--scheduler", "dpor", "--json").json
    # Reads and writes of one location by four threads: (4!)^2 orders.
    assert told["runs"] == told["traces"] == told["distinct_traces"] == 576
    assert told["complete"]
    assert sum(one["runs"] for one in told["outcomes"].values()) == 576
    assert {text: one["runs"] for text, one in told["outcomes"].items()} == {
        text: one["traces"] for text, one in told["outcomes"].items()
    }


def test_dpor_cut_short_says_how_many_traces_there_are() -> None:
    ran = simulator("explore", "counter", "--threads", "5", "--scheduler", "dpor", "--max-interleavings", "10")
    assert ran.lines[1] == "dpor: incomplete: 10 of 14,400 traces (max_interleavings reached): not a proof"


@pytest.mark.parametrize(
    ("left_out", "scenario"),
    [
        ("fusion", "counter --threads 3 --lock"),
        ("symmetry", "counter --threads 3 --lock"),
        ("stubborn", "philosophers --n 4 --ordered"),
    ],
)
def test_a_reduction_can_be_switched_off_and_the_findings_stay(left_out: str, scenario: str) -> None:
    words = ("explore", *scenario.split(), "--scheduler", "reduced", "--json")
    reduced, without = simulator(*words).json, simulator(*words, "--without", left_out).json
    assert reduced.pop("states") < without.pop("states")
    assert reduced == without


def test_without_a_scheduler_the_report_says_which_was_picked_and_why() -> None:
    assert simulator("explore", "counter", "--json").json["picked_because"] == "at most 20,000 states"
    chosen = simulator("explore", "counter", "--scheduler", "graph")
    assert "picked because" not in chosen.out
    cut = simulator("explore", "counter", "--max-states", "12")
    assert cut.lines[1:3] == [
        "graph: incomplete: 13 states visited (max_states reached): not a proof",
        "picked because: it is tried first",
    ]


def test_what_the_first_search_saw_is_kept_when_there_is_no_time_for_another(write: Callable[..., str]) -> None:
    path = write(ENDLESS)
    told = simulator("explore", f"{path}:grows", "--timeout", "1.5", "--no-steps", "--json").json
    assert (told["complete"], told["stopped"]) == (False, "timeout")
    assert [finding["title"] for finding in told["findings"]] == ["lost update on x", "data race on x"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--seed 3", "seed needs a scheduler to be chosen: without one, every interleaving is covered"),
        ("--without fusion", "reductions can be switched off of the reduced search: choose that scheduler"),
        ("--bound 3", "bound needs a scheduler to be chosen: without one, every interleaving is covered"),
        ("--depth 3", "depth needs a scheduler to be chosen: without one, every interleaving is covered"),
        ("--max-interleavings 9", "--max-interleavings needs a scheduler to be chosen; without one, --max-states is"),
        ("--checkpoint c.json", "a checkpoint needs a scheduler to be chosen, one that goes through runs: dpor, say"),
        ("--scheduler pct --depth 0", "Invalid value for '--depth': 0 is not in the range x>=1."),
        ("--scheduler pct --depth 1000000000000", "depth is 1000000000000, expected a number up to 100"),
        ("--scheduler delays --bound -1", "Invalid value for '--bound': -1 is not in the range x>=0."),
        ("--scheduler random --seed x", "Invalid value for '--seed': 'x' is not a valid integer."),
        ("--scheduler reduced --without speed", "Invalid value for '--without': 'speed' is not one of 'fusion', "),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(words: str, said: str) -> None:
    assert simulator("explore", "counter", *words.split()).refused().startswith(said)


IGNORES = {
    "--seed": set(ALL) - set(SAMPLERS),
    "--max-steps": {"reduced", "layered"},
    "--bound": set(ALL) - set(BOUNDED),
    "--depth": set(ALL) - {"pct"},
    "--max-interleavings": {name for name in ALL if Scheduler(name).visits_states},
    "--max-states": {name for name in ALL if not Scheduler(name).looks_at_states},
}


@pytest.mark.parametrize(
    ("option", "scheduler"), [(option, name) for option, names in IGNORES.items() for name in sorted(names)]
)
def test_an_option_that_a_scheduler_would_ignore_is_refused(option: str, scheduler: str) -> None:
    said = simulator("explore", "counter", "--scheduler", scheduler, option, "5").refused()
    assert said.startswith(f"{option if option.startswith('--max') else option[2:]} is ")
    assert f"; {scheduler} " in said or f" not for {scheduler}" in said


@pytest.mark.parametrize("scheduler", sorted(set(ALL) - {"reduced"}))
def test_a_reduction_that_a_scheduler_has_not_cannot_be_switched_off(scheduler: str) -> None:
    said = simulator("explore", "counter", "--scheduler", scheduler, "--without", "fusion").refused()
    assert said.startswith("reductions can be switched off of the reduced search")


@pytest.mark.parametrize("scheduler", [name for name in ALL if Scheduler(name).visits_states])
def test_what_goes_through_states_has_no_checkpoint(scheduler: str, tmp_path: Path) -> None:
    words = ("explore", "counter", "--scheduler", scheduler, "--checkpoint", str(tmp_path / "kept.json"))
    assert simulator(*words).refused().startswith(f"{scheduler} cannot be saved and resumed")


def test_a_search_is_saved_and_taken_up_again(tmp_path: Path) -> None:
    words = ("explore", "counter", "--threads", "3", "--scheduler", "dpor", "--json")
    kept = ("--checkpoint", str(tmp_path / "kept.json"))
    first = simulator(*words, *kept, "--max-interleavings", "7").json
    assert (first["runs"], first["complete"]) == (7, False)
    assert simulator(*words, *kept).json == simulator(*words).json


def test_a_checkpoint_that_does_not_fit_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    words = ("explore", "counter", "--scheduler", "dpor", "--checkpoint", str(file))
    simulator(*words, "--max-interleavings", "2")
    text = file.read_text()
    assert "another program: counter with other parameters" in simulator(*words, "--threads", "3").refused()
    assert "scheduler dpor, not naive" in simulator("explore", "counter", "--scheduler", "naive", *words[4:]).refused()
    file.write_text(text[: len(text) // 2])
    assert "not a whole checkpoint" in simulator(*words).refused()
    file.write_text(text.replace('"runs": 2', '"runs": 3'))
    assert "edited or damaged" in simulator(*words).refused()


def test_a_checkpoint_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    words = ("explore", "counter", "--scheduler", "dpor", "--checkpoint")
    assert "No such file or directory" in simulator(*words, str(tmp_path / "none" / "kept.json")).refused()
    assert simulator(*words, str(tmp_path)).refused()
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    if not os.access(closed, os.W_OK):  # the superuser may write everywhere
        assert "Permission denied" in simulator(*words, str(closed / "kept.json")).refused()


ENDLESS = """
from simulator import Program, Read, Write

def waits():
    while (yield Read("x")) == 0:
        pass

def adds():
    while True:
        value = yield Read("x")
        yield Write("x", value + 1)

alone = Program({"a": waits}, memory={"x": 0})
two = Program({"a": waits, "b": waits}, memory={"x": 0})
grows = Program({"a": adds, "b": adds}, memory={"x": 0})
"""


@pytest.mark.parametrize("program", ["alone", "two", "grows"])
@pytest.mark.parametrize("scheduler", ["", *sorted(set(ALL) - {"layered"})])
def test_a_program_that_runs_for_ever_ends_in_an_honest_report(
    scheduler: str, program: str, write: Callable[..., str]
) -> None:
    chosen = ("--scheduler", scheduler) if scheduler else ()
    states = Scheduler(scheduler or "graph").visits_states
    cut = () if states else ("--max-steps", "30", "--max-interleavings", "50")
    words = ("explore", f"{write(ENDLESS)}:{program}", *chosen, *cut, "--timeout", "0.1", "--no-steps")
    ran, told = simulator(*words), simulator(*words, "--json").json
    assert ran.err == ""
    said = ran.lines[1]
    if states and program != "grows":
        assert said.endswith(" covered (complete)")
        assert "\ninterleavings not counted: the program can run for ever" in ran.out
        assert told["complete"]
    else:
        assert "not a proof" in said
        assert not told["complete"]
    assert told["interleavings"] is told["traces"] is None
    assert ran.code == bool(told["findings"])


@pytest.mark.parametrize("program", ["alone", "two", "grows"])
def test_layered_refuses_a_program_that_runs_for_ever(program: str, write: Callable[..., str]) -> None:
    said = simulator("explore", f"{write(ENDLESS)}:{program}", "--scheduler", "layered").refused()
    assert said.startswith("layered does not fit: ")
    assert "choose reduced or graph" in said


def test_dpor_finds_out_that_a_program_runs_for_ever_and_says_what_would_cover_it(write: Callable[..., str]) -> None:
    ran = simulator("explore", f"{write(ENDLESS)}:two", "--scheduler", "dpor")
    assert ran.lines[1] == (
        "dpor: no finding so far; incomplete: 1 run, cut short (the program can run for ever): not a proof; its states may "
        "be few enough for graph"
    )
