"""Record one run of plain Python on real threads: every access of a shared attribute and every lock, in true order.

The run is made in a child process, as natural runs are, and may be made on another Python. It is no natural run: each access
goes through a recording lock, which changes the timing (`accesses.py` says how, and what is not seen).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import Any

from simulator.errors import UsageError
from simulator.loading import Loaded
from simulator.real.interpreters import Interpreter
from simulator.real.natural import check_limits, converse, order_for
from simulator.real.recorded import read
from simulator.real.recording import MOST_EVENTS, first_line, last_line
from simulator.scenario import Plain

__all__ = ["record"]

_NOT_IN_NAMES = re.compile(r"[\s*‖|,]")


def record(
    what: Loaded | Plain | str,
    values: Mapping[str, Any] | None = None,
    *,
    timeout: float = 60.0,
    interpreter: Interpreter | None = None,
    switch_interval: float | None = None,
    barrier: bool = True,
) -> str:
    """Run a plain version once and give the record, as JSON lines (`recorded.read` reads them).

    The arguments are those of `run_batch`. A run that has not ended after `timeout` seconds, or has too many events, is
    recorded up to there, and the record says so. What no thread writes is left out.

    Raises UsageError as `run_batch` does, and when nothing came back.
    """
    check_limits(1, timeout, switch_interval)
    order, plain = order_for(what, values or {}, interpreter)
    order.update(
        runs=1,
        timeout=timeout,
        switch_interval=switch_interval,
        barrier=barrier,
        record=True,
        most_events=MOST_EVENTS,
    )
    told: dict[str, Any] = {}

    def take(report: Mapping[str, Any]) -> bool:
        told.update(report)
        return "end" in report or "error" in report

    on = interpreter or Interpreter.current()
    ended = converse(on, order, take)
    if ended.interrupted:
        raise KeyboardInterrupt
    if "error" in told:
        raise UsageError(told["error"])
    if "record" not in told or "run" not in told:
        last = ended.said.strip().splitlines()[-1:] or [""]
        raise UsageError(f"nothing was recorded: the process died (exit code {ended.code}) {last[0]}".rstrip())
    name = what.name if isinstance(what, Loaded) else what if isinstance(what, str) else plain.source or "plain Python"
    text = _text(name, told["record"], told["run"], Interpreter.of(told["interpreter"], on.path), timeout)
    # What we write we can read: that is our promise, and costs little.
    read(io.StringIO(text), "the record")
    return text


def _text(
    name: str, record: Mapping[str, Any], run: Mapping[str, Any], interpreter: Interpreter, timeout: float
) -> str:
    events = [event for event in record["events"] if not (record["cut"] and event.get("ended") == "crashed")]
    workers = [thread for thread, *_ in run["ends"]] + run["hung"]
    threads = list(dict.fromkeys(map(_thread, (*workers, *(event["thread"] for event in events)))))
    # What no thread writes can go wrong nowhere, and would fill the record: every method that is fetched by a name, say.
    written = {event["location"] for event in events if event.get("does") == "write"}
    events = [event for event in events if "location" not in event or event["location"] in written]
    memory = {location: value for location, value in record["memory"] if location in written}
    locks: Mapping[str, bool] = record["locks"]
    lines: list[dict[str, Any]] = [
        first_line(
            name=name,
            source="real threads",
            interpreter=str(interpreter),
            traced=True,
            unseen=record["unseen"],
            threads=threads,
            memory=[[location, value] for location, value in memory.items()],
            locks=[lock for lock, again in locks.items() if not again],
            rlocks=[lock for lock, again in locks.items() if again],
        )
    ]
    pending = {}
    for event in events:
        line = {**event, "thread": _thread(event["thread"])}
        if event.get("where") is not None:
            line["where"] = ":".join(map(str, event["where"]))
        if "location" in event:
            line["answer" if event["does"] == "read" else "value"] = event["after"]
            memory[event["location"]] = event["after"]
        if "waits" in event:
            pending[line["thread"]] = {"does": event["waits"], "lock": event["lock"], "where": line["where"]}
        else:
            lines.append(line)
    stopped = ""
    if record["cut"]:
        stopped = f"there were more than {MOST_EVENTS:,} events"
    elif run["hung"]:
        stopped = f"{', '.join(run['hung'])} had not ended after {timeout:g} s"
    how = None if stopped else run["how"]
    lines.append(last_line(how, [[location, value] for location, value in memory.items()], pending, stopped))
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def _thread(name: str) -> str:
    """A thread's name as schedules can be written with it; Python itself calls one `Thread-1 (work)`."""
    return _NOT_IN_NAMES.sub("_", name)
