"""What only a process of its own shows: signals, pipes, a full disk, a terminal, what is imported at the start."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.cli.command_line import ROOT, Ran, ended, process

HEAVY = ("rich", "networkx", "graphviz", "wasmtime", "simulator.machine", "simulator.explore", "asyncio")


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from simulator.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stderr == "[]\n"
    assert ran.stdout.startswith("Usage: simulator")


def interrupted(*words: str, after: float = 0.0, announced: bool = True) -> tuple[Ran, float]:
    """Run a command, press Ctrl-C `after` seconds from its first line, and time how long it then takes to end.

    The first line is what an announced file says on standard error, otherwise the first result.
    """
    with process(*words, start_new_session=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        first = (running.stderr if announced else running.stdout).readline()
        assert first
        time.sleep(after)
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        # Not `communicate`: it would leave out what was read ahead together with the first line.
        ending = threading.Timer(30, running.kill)
        ending.start()
        out, err = running.stdout.read(), running.stderr.read()
        code = running.wait()
        ending.cancel()
        return Ran(code, out if announced else first + out, err), time.monotonic() - began


@pytest.fixture
def announced(tmp_path: Path) -> str:
    """A file with both scenarios that says so once it is loaded: from then on a command is at work."""
    path = tmp_path / "announced.py"
    path.write_text(
        "from scenarios.bank import bank\nfrom scenarios.counter import counter\nprint('loaded', flush=True)\n"
    )
    return str(path)


LARGE = ("--threads", "8", "--increments", "60")


def test_ctrl_c_during_explore_keeps_what_was_found_and_calls_it_partial(announced: str) -> None:
    ran, seconds = interrupted("explore", f"{announced}:counter", *LARGE, after=1)
    assert ran.code == 130
    assert seconds < 5
    assert re.fullmatch(r"graph: incomplete: [\d,]+ states visited \(interrupted\): not a proof", ran.lines[1])
    assert "1. lost update on count" in ran.lines
    assert "(not proved to be the shortest)" in ran.out
    assert ran.err == "simulator: interrupted: this is only what was found so far\n"


def test_ctrl_c_during_explore_as_json_leaves_a_whole_document_that_says_so(announced: str) -> None:
    ran, _ = interrupted("explore", f"{announced}:counter", *LARGE, "--json", after=1)
    assert ran.code == 130
    report = ran.json
    assert (report["complete"], report["stopped"]) == (False, "interrupted")


def test_ctrl_c_during_graph_writes_no_picture_of_a_part(announced: str, tmp_path: Path) -> None:
    ran, seconds = interrupted("graph", f"{announced}:counter", *LARGE, "-o", str(tmp_path / "part.svg"), after=1)
    assert (ran.code, ran.out, ran.err) == (130, "", "simulator: interrupted; there is nothing to show yet\n")
    assert seconds < 5
    assert not (tmp_path / "part.svg").exists()


def test_ctrl_c_during_enumerate_keeps_what_was_printed_and_calls_it_partial() -> None:
    ran, seconds = interrupted("enumerate", "counter", "--threads", "6", announced=False)
    assert ran.code == 130
    assert seconds < 5
    assert ran.lines[0].startswith("     1  count=6")
    assert re.fullmatch(r"partial: [\d,]+ of 137,225,088,000 interleavings gone through, interrupted", ran.lines[-1])
    assert "Traceback" not in ran.err


def test_ctrl_c_during_enumerate_as_json_leaves_whole_lines_and_says_so_beside_them() -> None:
    ran, _ = interrupted("enumerate", "counter", "--threads", "6", "--json", announced=False)
    assert ran.code == 130
    assert all(line.startswith("{") and line.endswith("}") for line in ran.lines)
    assert ran.err.startswith("simulator: partial: ")


def test_ctrl_c_during_count_has_nothing_to_show_but_how_far_it_was(announced: str) -> None:
    ran, seconds = interrupted("count", f"{announced}:counter", "--threads", "9", "--increments", "20", after=0.5)
    assert seconds < 5
    assert (ran.code, ran.out) == (130, "")
    assert re.fullmatch(r"simulator: interrupted after [\d,]+ states; there is nothing to show yet\n", ran.err)


@pytest.mark.real
def test_ctrl_c_during_crosscheck_reports_the_runs_so_far_and_calls_them_a_part(announced: str) -> None:
    ran, seconds = interrupted("crosscheck", f"{announced}:bank", "--runs", "100000", after=2)
    assert ran.code == 130
    assert seconds < 10
    assert any(line.startswith("Forced on CPython") and "(2 schedules" in line for line in ran.lines)
    assert "Note: Interrupted: this is a part of the cross-check." in ran.lines
    assert ran.err == "simulator: interrupted: this is only what was found so far\n"


CUT_OFF = """
import sys
class Ctrl_C:
    def find_spec(self, name, path=None, target=None):
        if name == {!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Ctrl_C())
sys.argv[1:] = {!r}
import runpy
runpy.run_module({!r}, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("module", ["click", "simulator.cli.common", "networkx.algorithms.core", "simulator.machine"])
def test_ctrl_c_during_an_import_is_one_line_whichever_it_is(module: str) -> None:
    code = CUT_OFF.format(module, ["graph", "bank", "--kind", "lock-order"], "simulator")
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    said = "simulator: interrupted; there is nothing to show yet\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", said)


def test_ctrl_c_while_a_table_s_program_is_imported_is_one_line() -> None:
    code = f"import sys; sys.argv = ['-m']; import scenarios{CUT_OFF}".format(
        "simulator.machine", [], "scenarios.variants"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "interrupted; there is nothing to show yet\n")


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    with process("enumerate", "counter", "--threads", "5") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline().startswith("     1  count=5")
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait(10) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("words", [["list"], ["enumerate", "counter"], ["explore", "counter", "--json"], ["--help"]])
def test_a_full_disk_is_one_clear_line(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        ran = ended(process(*words, stdout=full))
    assert (ran.code, ran.err) == (2, "simulator: cannot write the output: No space left on device\n")


def test_an_output_folder_that_may_not_be_written_is_one_clear_line(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    if os.access(closed, os.W_OK):
        pytest.skip("this user may write everywhere")
    ran = ended(process("graph", "bank", "-o", str(closed / "bank.svg")))
    assert ran.refused().endswith("Permission denied")
    assert list(closed.iterdir()) == []


def test_a_closed_standard_output_is_no_crash() -> None:
    code = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, '-m', 'simulator', 'list'])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    assert "Traceback" not in ran.stderr
    assert ran.returncode == 0


def on_a_terminal(*words: str, stream: str = "stdout", **environment: str) -> str:
    """What a person at a terminal of eighty columns sees of standard output, or of standard error."""
    pty = pytest.importorskip("pty")
    above, below = pty.openpty()
    running = process(*words, environment={"COLUMNS": "80", "TERM": "xterm", **environment}, **{stream: below})
    os.close(below)
    said = b""
    while select.select([above], [], [], 20)[0]:
        try:
            part = os.read(above, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        said += part
    os.close(above)
    ended(running)
    return said.decode()


def test_colour_only_on_a_terminal_and_only_if_wanted() -> None:
    assert "\x1b[" in on_a_terminal("explore", "counter")
    assert "\x1b" not in on_a_terminal("explore", "counter", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal("explore", "counter", TERM="dumb")
    assert "\x1b" not in ended(process("explore", "counter", environment={"TERM": "xterm"})).out


def test_nothing_is_said_by_colour_alone() -> None:
    coloured = re.sub(r"\x1b\[[\d;]*m", "", on_a_terminal("explore", "counter"))
    plain = on_a_terminal("explore", "counter", NO_COLOR="1")
    assert list(map(str.rstrip, coloured.splitlines())) == list(map(str.rstrip, plain.splitlines()))


def test_a_terminal_s_width_is_kept() -> None:
    lines = on_a_terminal("explore", "counter", "--no-steps", NO_COLOR="1").splitlines()
    table = lines[next(number for number, line in enumerate(lines) if line.startswith("outcome")) :]
    assert max(map(len, table)) <= 80


def test_progress_with_its_rate_is_shown_on_a_terminal_s_standard_error_only() -> None:
    words = ("explore", "counter", "--threads", "4", "--increments", "3", "--lock", "--no-steps")
    shown = on_a_terminal(*words, stream="stderr")
    assert "exploring counter: states" in shown
    assert "/s" in shown
    assert ended(process(*words)).err == ""
