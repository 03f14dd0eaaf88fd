"""`simulator graph`: four graphs, in every format, on a machine without Graphviz too."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import simulator

KINDS = ["wait-for", "lock-order", "states", "happens-before"]


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _no_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def is_mermaid(text: str) -> bool:
    """Whether a text begins as Mermaid flowcharts do, behind an optional configuration block."""
    return "flowchart" in text[:2000] or "graph " in text[:2000]


STARTS: dict[str, Callable[[str], bool]] = {
    ".svg": lambda text: "<svg" in text and text.rstrip().endswith("</svg>"),
    ".dot": lambda text: text.startswith("digraph "),
    ".gv": lambda text: text.startswith("digraph "),
    ".mmd": is_mermaid,
    ".mermaid": is_mermaid,
}


@pytest.mark.usefixtures("_no_dot")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_in_every_format_that_needs_no_dot(kind: str, tmp_path: Path) -> None:
    for suffix, looks_right in STARTS.items():
        ran = simulator("graph", "bank", "--kind", kind, "-o", f"bank{suffix}")
        assert ran.code == 0, ran
        assert ran.err == ""
        assert ran.out.startswith(f"wrote bank{suffix}: ")
        assert looks_right((tmp_path / f"bank{suffix}").read_text()), suffix


@pytest.mark.usefixtures("_no_dot")
@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_png_and_pdf_without_dot_are_one_clear_line_and_write_nothing(suffix: str, tmp_path: Path) -> None:
    said = simulator("graph", "bank", "-o", f"bank{suffix}").refused()
    assert said == (
        f"{suffix[1:].upper()} needs Graphviz's 'dot', which is not on PATH; install Graphviz, or write .svg"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not on this machine")
@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_png_and_pdf_are_drawn_with_dot(suffix: str, magic: bytes, tmp_path: Path) -> None:
    assert simulator("graph", "bank", "-o", f"bank{suffix}").code == 0
    assert (tmp_path / f"bank{suffix}").read_bytes().startswith(magic)


def test_the_deadlock_is_drawn_and_its_cycle_marked() -> None:
    ran = simulator("graph", "bank", "--json")
    assert ran.code == 0
    assert ran.json["about"] == "deadlock on lock[1], lock[2], schedule t0*2 t1*2, after step 4 of 4"
    assert ran.json["caption"] == "deadlock: t0 → t1 → t0"
    # Each arrow of the cycle is drawn thicker: not by colour alone.
    assert ran.json["dot"].count("penwidth=3.5") == 4


def test_the_wait_for_graph_can_be_had_at_any_step_of_a_schedule() -> None:
    early = simulator("graph", "bank", "--schedule", "t0*2 t1*2", "--step", "1", "--json").json
    assert early["about"] == "schedule t0*2 t1*2, after step 1 of 4"
    assert "penwidth=3.5" not in early["dot"]
    said = simulator("graph", "bank", "--schedule", "t0*2 t1*2", "--step", "5").refused()
    assert said == "--step 5 is after the end: the schedule has 4 steps"


def test_the_lock_order_graph_is_over_all_runs_and_says_whether_its_cycle_is_real() -> None:
    drawn = simulator("graph", "bank", "--kind", "lock-order", "--json").json
    assert drawn["about"] == "over all runs: 1 cycle (realised)"
    ordered = simulator("graph", "bank", "--kind", "lock-order", "--strategy", "ordered", "--json").json
    assert ordered["about"] == "over all runs: no cycle"


def test_the_state_graph_has_every_state_and_refuses_to_draw_too_many() -> None:
    assert simulator("graph", "counter", "--kind", "states", "--json").json["caption"].startswith("21 states")
    said = simulator("graph", "counter", "--kind", "states", "--max-states", "20").refused()
    assert said.startswith("program 'counter' has more than 20 states, too many for one picture")
    assert said.endswith("raise --max-states")


def test_without_a_file_dot_text_goes_to_standard_output() -> None:
    ran = simulator("graph", "bank")
    assert ran.out.startswith('digraph "wait-for" {')
    assert ran.out.endswith("}\n")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_input_gives_the_same_picture(kind: str, tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        assert simulator("graph", "bank", "--kind", kind, "-o", name).code == 0
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "states", "--step", "3"), "--step does not go with --kind states"),
        (("--kind", "states", "--schedule", "t0"), "--schedule does not go with --kind states"),
        (("--kind", "lock-order", "--schedule", "t0"), "--schedule does not go with --kind lock-order"),
        (("--kind", "happens-before", "--step", "1"), "--step does not go with --kind happens-before"),
        (("--max-states", "9"), "--max-states does not go with --kind wait-for"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words: tuple[str, ...], said: str) -> None:
    assert simulator("graph", "bank", *words).refused() == said


@pytest.mark.parametrize("option", ["--seed", "--max-interleavings"])
def test_options_of_other_commands_are_unknown_here(option: str) -> None:
    assert simulator("graph", "bank", option, "3").refused().startswith(f"No such option '{option}'")


def test_a_search_that_was_cut_draws_no_lock_order_graph_and_writes_nothing(tmp_path: Path) -> None:
    words = ("--threads", "8", "--increments", "60", "--lock", "--timeout", "0.05", "-o", "locks.svg")
    said = simulator("graph", "counter", "--kind", "lock-order", *words).refused()
    assert said == "the lock-order graph needs all states, and the search did not finish (timeout)"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("no/such/folder/bank.svg", "cannot write 'no/such/folder/bank.svg': No such file or directory"),
        ("folder.svg", "cannot write 'folder.svg': it is a folder"),
        ("full.svg", "cannot write 'full.svg': No space left on device"),
        ("full.dot", "cannot write 'full.dot': No space left on device"),
        (
            "bank.txt",
            "cannot tell the format of 'bank.txt'; end it in one of .svg, .png, .pdf, .dot, .gv, .mmd, .mermaid",
        ),
        ("bank", "cannot tell the format of 'bank'; end it in one of .svg, .png, .pdf, .dot, .gv, .mmd, .mermaid"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_and_nothing_is_half_written(
    path: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.svg").mkdir()
    for name in ("full.svg", "full.dot"):
        (tmp_path / name).symlink_to("/dev/full")
    before = sorted(tmp_path.rglob("*"))
    assert simulator("graph", "bank", "-o", path).refused() == said
    assert sorted(tmp_path.rglob("*")) == before


def test_a_picture_that_is_there_is_kept_when_the_new_one_fails(tmp_path: Path) -> None:
    (tmp_path / "bank.svg").write_text("the old one")
    simulator("graph", "bank", "--schedule", "nonsense", "-o", "bank.svg").refused()
    assert (tmp_path / "bank.svg").read_text() == "the old one"
