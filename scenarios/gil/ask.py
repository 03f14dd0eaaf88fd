"""One order to `harness.py` in a process of its own, on any Python, and what it says until it is done, late, or
interrupted.

Whatever happens, nothing is left running: the process and all it started are ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from simulator.errors import UsageError
from simulator.real.interpreters import Interpreter

__all__ = ["INTERRUPTED", "ask"]

HARNESS = Path(__file__).with_name("harness.py")
INTERRUPTED: Final = "interrupted"


def ask(
    interpreter: Interpreter, order: Mapping[str, Any], take: Callable[[dict[str, Any]], None], *, limit: float
) -> str:
    """Give each thing that the harness tells to `take`; the answer is why it stopped early, empty if it did not.

    It ends after `limit` seconds at the latest, and after Ctrl-C at once (`INTERRUPTED`): what was told until then has
    been taken. Raises UsageError when the interpreter cannot do what it was asked for.
    """
    try:
        process = subprocess.Popen(
            [interpreter.executable, "-X", "utf8", str(HARNESS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C is for us: we end it, and all that it has started.
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(f"cannot start {interpreter}: {error.strerror or error}") from None
    lines: queue.Queue[bytes] = queue.Queue()
    errors: list[bytes] = []
    readers = [
        threading.Thread(target=_read, args=(process.stdout, lines.put), daemon=True),
        threading.Thread(target=_read, args=(process.stderr, errors.append), daemon=True),
    ]
    try:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(dict(order)).encode() + b"\n")
            process.stdin.close()
        for reader in readers:
            reader.start()
        ends = time.monotonic() + limit
        while True:
            try:
                line = lines.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                return f"stopped after {limit:g} s"
            if not line:
                process.wait(5)
                last = b"".join(errors).decode(errors="replace").strip().splitlines()[-1:]
                raise UsageError(
                    f"{interpreter} ended in the middle, with code {process.returncode}: {last[0][:200] if last else 'no word'}"
                )
            said: dict[str, Any] = json.loads(line)
            if said.get("done"):
                return ""
            if "failed" in said:
                raise UsageError(f"on {interpreter}: {said['failed']}")
            take(said)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        _end(process)


def _read(stream: Any, take: Callable[[bytes], object]) -> None:
    """Every line, and an empty one at the end."""
    for line in stream:
        take(line)
    take(b"")


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()
