"""What a test may ask for, and when it has failed, without pytest."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from simulator.interleave import Settings, explored
from simulator.ops import Pause
from simulator.program import Program


def test_ctrl_c_ends_the_test_run_and_is_no_report() -> None:
    def interrupted() -> Generator[Any, Any, None]:
        yield Pause()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explored(Program({"a": interrupted}), Settings(incomplete_ok=True))
