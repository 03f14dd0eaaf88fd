"""The process that natural runs live in: takes an order, runs, writes one line of JSON after each run.

Its real standard output is kept for those lines; what the code under test prints goes to standard error. When the
limit is reached, `faulthandler` writes where every thread stands and ends the process, even if the interpreter itself
is stuck.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from simulator.errors import SimulatorError
from simulator.loading import load
from simulator.real.natural import report_line, run_once

__all__ = ["main"]


def main(order: Mapping[str, Any]) -> None:
    """Carry out an order: `reference`, `values`, `runs`, `timeout` (see `run_batch`, which sends it)."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as lines:
        os.dup2(2, 1)
        timeout = float(order["timeout"])
        faulthandler.dump_traceback_later(timeout, exit=True)
        deadline = time.monotonic() + timeout
        try:
            _run(order, deadline, lines)
        except SimulatorError as error:
            _write(lines, {"error": str(error)})
        sys.stdout.flush()
        sys.stderr.flush()
        # Threads of the code under test that go on must not keep the process.
        os._exit(0)


def _run(order: Mapping[str, Any], deadline: float, lines: TextIO) -> None:
    loaded = load(order["reference"])
    locations = tuple(loaded.program(**order["values"]).memory)
    plain = loaded.plain(**order["values"])
    if plain is None:
        raise SimulatorError(f"{loaded.name} has no plain Python version to run")
    for _ in range(order["runs"]):
        if time.monotonic() >= deadline:
            break
        # Beyond the deadline: then faulthandler ends the process, and says where the threads stand.
        natural = run_once(plain, locations, timeout=deadline - time.monotonic() + 60)
        _write(lines, report_line(natural))
    _write(lines, {"end": True})


def _write(lines: TextIO, report: Mapping[str, Any]) -> None:
    lines.write(json.dumps(report) + "\n")
    lines.flush()
