"""What a test may ask for, and when it has failed, without pytest."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from simulator.assertions import InterleavingFailure
from simulator.interleave import Settings, explored
from simulator.ops import Pause, Read, Write
from simulator.program import Program


def test_ctrl_c_ends_the_test_run_and_is_no_report() -> None:
    def interrupted() -> Generator[Any, Any, None]:
        yield Pause()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explored(Program({"a": interrupted}), Settings(incomplete_ok=True))


def test_kinds_that_come_as_an_iterator_are_looked_for_each_time() -> None:
    def increment() -> Generator[Any, Any, None]:
        yield Write("x", 1 + (yield Read("x")))

    program = Program({"a": increment, "b": increment}, memory={"x": 0})
    for settings in (Settings(kinds=iter(["lost update"])), Settings(allow=iter(["data race"]))):
        for _ in range(2):
            with pytest.raises(InterleavingFailure, match="lost update on x"):
                explored(program, settings)
    allowing = Settings(allow=iter(["data race", "lost update"]))
    for _ in range(2):
        assert explored(program, allowing).complete
