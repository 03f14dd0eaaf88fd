"""Shell completion: the scripts, and what they are answered."""

from __future__ import annotations

import pytest

from simulator.loading import registered
from tests.cli.command_line import ended, process, simulator


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str) -> None:
    ran = simulator("completion", shell)
    assert ran.code == 0
    assert "_SIMULATOR_COMPLETE" in ran.out
    assert f"{shell}_complete" in ran.out


def test_another_shell_is_refused() -> None:
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in simulator("completion", "tcsh").refused()


def completed(line: str) -> list[str]:
    """What the shell is offered at the end of a line."""
    words = line.split(" ")
    running = process(
        environment={
            "_SIMULATOR_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
    )
    ran = ended(running)
    assert ran.err == ""
    return [answer.partition(",")[2] for answer in ran.out.splitlines() if answer]


def test_commands_scenarios_and_a_scenario_s_own_options_are_completed() -> None:
    assert completed("simulator ex") == ["explore"]
    assert completed("simulator explore ") == list(registered())
    assert completed("simulator explore co") == ["coa", "counter", "counter-rw"]
    assert completed("simulator explore philo") == ["philosophers"]
    assert completed("simulator explore counter --th") == ["--threads"]
    assert completed("simulator explore bank --th") == []
    assert completed("simulator graph bank --kind st") == ["states"]


def test_a_file_is_left_to_the_shell_and_a_wrong_scenario_completes_quietly() -> None:
    assert completed("simulator explore ./my") == ["./my"]
    assert "--scheduler" in completed("simulator explore nonsense --")
