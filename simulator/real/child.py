"""The process that natural runs live in: takes an order, runs, writes one line of JSON after each run.

It is run by its path, by any CPython from 3.8 on, whether or not the simulator can be imported there. So it imports the
standard library alone, and loads the few files beside it that keep to the same rule (`reach.py`, `watched.py`,
`outside.py`, `free_run.py`, `stub.py`, `unwatched.py`, `accesses.py`) as if they were all there is of the package; then it
forgets them, so that the code under test can import the real one, if that is there, or its stand-ins.

Its real standard output is kept for those lines; what the code under test prints goes to standard error. When the
limit is reached, `faulthandler` writes where every thread stands and ends the process, even if the interpreter itself
is stuck.
"""

from __future__ import annotations

import base64
import faulthandler
import importlib
import importlib.util
import inspect
import json
import os
import pickle
import platform
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

__all__ = ["main"]

OLDEST_FOR_SIMULATOR = (3, 11)
TO_TELL = 20.0
"""Seconds that a recorded run has beyond its limit, to be told: on a slow machine that takes a while."""
_HERE = os.path.dirname(os.path.abspath(__file__))


class _Refused(Exception):
    """The order cannot be carried out; what it says is for the person who gave it."""


def main() -> None:
    """Carry out the order on standard input (see `run_batch`, which sends it)."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
    order = json.loads(sys.stdin.readline())
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as lines:
        os.dup2(2, 1)
        timeout = float(order["timeout"])
        faulthandler.dump_traceback_later(timeout, exit=True)
        deadline = time.monotonic() + timeout
        own = _own_files("watched", "outside", "free_run", "stub", *(["accesses"] if order["record"] else []))

        def write(report: Mapping[str, Any]) -> None:
            lines.write(json.dumps(report) + "\n")
            lines.flush()

        try:
            _carry_out(order, deadline, own, write)
        except (_Refused, own["free_run"].Fault, own["outside"].Held) as error:
            write({"error": " ".join(str(error).split())})
        sys.stdout.flush()
        sys.stderr.flush()
        # Threads of the code under test that go on must not keep the process.
        os._exit(0)


def _own_files(*names: str) -> dict[str, Any]:
    """Load files beside this one under their own names, and take these away again."""
    for name, folder in (("simulator", os.path.dirname(_HERE)), ("simulator.real", _HERE)):
        package = ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package
    try:
        return {name: importlib.import_module("simulator.real." + name) for name in names}
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "simulator"]:
            del sys.modules[name]


def _carry_out(
    order: Mapping[str, Any], deadline: float, own: Mapping[str, Any], write: Callable[[Mapping[str, Any]], None]
) -> None:
    if order["path"] is not None:
        sys.path[:] = order["path"]
    sys.path[:0] = [entry for entry in order["first"] if entry not in sys.path]
    sys.path += [entry for entry in order["last"] if entry not in sys.path]
    importlib.invalidate_caches()
    if sys.version_info < OLDEST_FOR_SIMULATOR or importlib.util.find_spec("simulator") is None:
        own["stub"].install()
    plain = _plain(order, own["stub"].Plain)
    if order["switch_interval"] is not None:
        sys.setswitchinterval(order["switch_interval"])
    write({"interpreter": _interpreter()})
    locations = pickle.loads(base64.b64decode(order["locations"]))
    outside = own["outside"].Outside(own["free_run"].namespaces_of(plain))
    if order["record"]:
        # The limit is that of the run itself: what it did is to be had, however long this process took to begin.
        deadline = time.monotonic() + order["timeout"]
        faulthandler.dump_traceback_later(order["timeout"] + TO_TELL, exit=True)
    for _ in range(order["runs"]):
        if time.monotonic() >= deadline:
            break
        recorder = own["accesses"].Recorder(order["most_events"], outside.namespaces) if order["record"] else None
        ran = own["free_run"].free_run(
            plain.setup,
            plain.workers,
            plain.observe,
            outside,
            # Beyond the deadline: then faulthandler ends the process, and says where the threads stand. A run that is
            # recorded is to be had even so.
            deadline=deadline if recorder is not None else deadline + 60,
            locations=locations,
            barrier=order["barrier"],
            **({} if recorder is None else recorder.hooks()),
        )
        if recorder is not None:
            write({"record": recorder.told()})
        write({"run": _told(ran)})
    write({"end": True})


def _interpreter() -> dict[str, Any]:
    asked = getattr(sys, "_is_gil_enabled", None)
    return {
        "implementation": platform.python_implementation(),
        "version": list(sys.version_info[:3]),
        "gil": bool(asked()) if asked is not None else not sysconfig.get_config_var("Py_GIL_DISABLED"),
        "switch_interval": sys.getswitchinterval(),
    }


def _plain(order: Mapping[str, Any], known: type) -> Any:
    """The plain version: as the reference leads to it, or, if that cannot be imported here, from its parts."""
    first: Exception | None = None
    try:
        if order["module"] is not None:
            return _referred(order, known)
    except Exception as error:
        if order["parts"] is None:
            raise _Refused(_cannot(error)) from error
        first = error
    try:
        setup, workers, observe, name = pickle.loads(base64.b64decode(order["parts"]))
        namespace = None if name is None else vars(importlib.import_module(name))
        return known(setup, workers, observe, namespace)
    except Exception as error:
        raise _Refused(_cannot(first or error)) from error


def _referred(order: Mapping[str, Any], known: Callable[..., Any]) -> Any:
    name, file = order["module"], order["file"]
    if file is not None:
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} is not a Python file")
        found: Any = importlib.util.module_from_spec(spec)
        sys.modules[name] = found
        spec.loader.exec_module(found)
    else:
        found = importlib.import_module(name)
    owner = found
    for part in order["attribute"].split("."):
        owner, found = found, getattr(found, part)
    if order["worker"]:
        name = order["attribute"].rpartition(".")[2]
        of = owner if isinstance(owner, type) and _is_method(owner, name) else None
        return _worker(found, of, order["values"]["threads"], known)
    if not all(hasattr(found, part) for part in ("setup", "workers")):
        make = getattr(found, "plain", None) or found
        found = make(**order["values"])
    if not all(hasattr(found, part) for part in ("setup", "workers")):
        raise TypeError(f"its plain version is {type(found).__name__}, expected a Plain")
    return found


def _worker(function: Callable[..., Any], owner: type | None, threads: int, known: Callable[..., Any]) -> Any:
    """The same function in so many threads, on what it knows by itself or on one object of its class."""
    names = [f"t{number}" for number in range(threads)]
    inside = getattr(function, "func", function)
    if owner is None:
        of = getattr(inside, "__self__", None)
        plain = known(_nothing if of is None else lambda: of, lambda _: dict.fromkeys(names, function))
    else:
        plain = known(owner, lambda state: dict.fromkeys(names, partial(function, state)))
    plain.namespace = sys.modules[inside.__module__].__dict__
    return plain


def _is_method(owner: type, name: str) -> bool:
    """Whether it is called on an object: no static method, no class method."""
    return not isinstance(inspect.getattr_static(owner, name), (staticmethod, classmethod))


def _nothing() -> None:
    """Fresh state where all that is shared is global."""


def _cannot(error: BaseException) -> str:
    """`file:line: …` of the innermost line of the user's that an exception came through, and what it says."""
    place = ""
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}: "
    else:
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if os.path.dirname(frame.filename) != _HERE
            and "importlib" not in frame.filename
            and not frame.filename.startswith("<")
        ]
        if frames:
            place = f"{frames[-1].filename}:{frames[-1].lineno}: "
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{place}cannot be run by Python {version}: {type(error).__name__}: {said}"


def _told(ran: Any) -> dict[str, Any]:
    return {
        "how": None if ran.hung else ran.how,
        "memory": [[_packed(location), _packed(value)] for location, value in ran.memory],
        "ends": [[name, *end] for name, end in ran.ends.items()],
        "deadlocks": ran.deadlocks,
        "orders": ran.orders,
        "hung": ran.hung,
    }


def _packed(value: object) -> dict[str, Any]:
    """A value for another process, perhaps of another Python: pickled, if that is possible, and as text."""
    try:
        shown = repr(value)
    except Exception:
        shown = f"<{type(value).__name__}>"
    try:
        return {"pickled": base64.b64encode(pickle.dumps(value, 4)).decode(), "shown": shown}
    except Exception:
        return {"pickled": None, "shown": shown}


if __name__ == "__main__":
    main()
