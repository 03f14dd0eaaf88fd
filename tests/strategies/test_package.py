"""Hypothesis is needed for its strategies only, and its absence is told."""

from __future__ import annotations

import subprocess
import sys


def test_without_hypothesis_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import simulator.strategies"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: simulator.strategies needs Hypothesis: pip install hypothesis"
    )
