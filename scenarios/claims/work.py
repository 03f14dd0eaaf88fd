"""The claims about work: threads that compute, threads that wait for answers, and processes, which have a GIL each."""

from __future__ import annotations

import os
from functools import partial

from scenarios.claims.claim import Asked, Claim, Evidence, Verdict
from scenarios.gil.article import PRINTED
from scenarios.gil.ask import INTERRUPTED
from scenarios.gil.compare import compare
from scenarios.gil.costs import Costs
from scenarios.gil.experiments import Executor, Experiment, Workload
from scenarios.gil.predict import predict

__all__ = ["CLAIMS"]

UNITS = 4
REPEATS = 5
SECONDS = 30.0
SERIAL = 1.25
"""Speed-ups up to this are none: the rest is noise of the machine."""
_WORDS: dict[Executor | Workload, str] = {
    Executor.THREADS: "threads",
    Executor.FORK: "processes",
    Workload.CPU: "compute",
    Workload.IO: "wait for answers",
}


def _speedup(asked: Asked, workload: Workload, executor: Executor, *, gains: bool) -> Evidence:
    """Whether four at once gain what is claimed: something, or nothing."""
    experiment = Experiment(workload, executor, UNITS)
    predicted = float(predict(experiment, Costs()).speedup)
    printed = PRINTED.get(experiment)
    who, what = _WORDS[executor], _WORDS[workload]
    model = [f"four {who} that {what}, with the GIL: {predicted:.2f} times as fast as one after the other"]
    if printed is not None:
        model.append(f"the article printed {printed.alone:g} s against {printed.seconds:g} s, {printed}")
    agrees = (predicted > SERIAL) == gains
    if not asked.real:
        return Evidence(Verdict.CONFIRMED if agrees else Verdict.REFUTED, tuple(model))
    found = compare([experiment], asked.interpreter, repeats=REPEATS, limit=SECONDS)
    if found.stopped == INTERRUPTED:
        raise KeyboardInterrupt
    if not found.rows:
        return Evidence(Verdict.OPEN, tuple(model), (found.stopped,), "nothing was measured")
    (row,) = found.rows
    seen = row.measured.speedup
    machine = (
        f"{asked.interpreter}, {os.cpu_count()} cores: {seen.median:.2f} times ({seen.low:.2f} to {seen.high:.2f} in "
        f"{seen.number} rounds); predicted from this machine's costs {float(row.prediction.speedup):.2f}, {row.error:+.0%}",
    )
    if not seen.conclusive:
        why = "the machine is too busy: the measurements lie too far apart"
        return Evidence(Verdict.OPEN, tuple(model), machine, why)
    if (seen.median > SERIAL) == gains:
        return Evidence(Verdict.CONFIRMED, tuple(model), machine)
    if not asked.interpreter.gil:
        return Evidence(Verdict.DEPENDS, tuple(model), machine, "on the build: this one has no GIL")
    if (os.cpu_count() or 1) < 2:
        return Evidence(Verdict.DEPENDS, tuple(model), machine, "on the machine: this one has one core")
    if gains and float(row.prediction.speedup) <= SERIAL:
        why = f"the machine is too busy: its cores had the work of {float(found.costs.capacity):.2f} to spare"
        return Evidence(Verdict.OPEN, tuple(model), machine, why)
    return Evidence(Verdict.REFUTED, tuple(model), machine)


def _printed(asked: Asked) -> Evidence:
    """The article's figure for four processes."""
    printed = PRINTED[Experiment(Workload.CPU, Executor.SPAWN, UNITS)]
    each = printed.alone / UNITS
    model = (
        f"the same work took {printed.alone:g} s alone, so each of four processes has {each:.2f} s of it to do: no number of "
        f"cores makes that {printed.seconds:g} s",
    )
    why = "its traceback shows that the processes died when they imported the main module, and did nothing"
    impossible = printed.is_impossible(UNITS)
    return Evidence(Verdict.REFUTED if impossible else Verdict.CONFIRMED, model, (), why if impossible else "")


CLAIMS = (
    Claim(
        "CPU-bound threads",
        "the GIL serialises threads that compute: four of them are no faster than one after the other",
        partial(_speedup, workload=Workload.CPU, executor=Executor.THREADS, gains=False),
        ("simulator gil predict", "simulator gil timeline cpu", "simulator gil compare"),
    ),
    Claim(
        "CPU-bound processes",
        "processes have a GIL each: four of them are faster, as far as there are cores",
        partial(_speedup, workload=Workload.CPU, executor=Executor.FORK, gains=True),
        ("simulator gil predict", "simulator gil compare"),
    ),
    Claim(
        "0.09 s for four processes",
        "four processes did in 0.09 s what takes 1.71 s one after the other",
        _printed,
        ("simulator gil compare",),
        known_wrong=True,
    ),
    Claim(
        "I/O-bound threads",
        "threads that wait for answers give the GIL back meanwhile, and overlap",
        partial(_speedup, workload=Workload.IO, executor=Executor.THREADS, gains=True),
        ("simulator gil predict", "simulator gil convoy", "simulator gil compare"),
    ),
)
