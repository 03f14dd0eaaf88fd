"""How it is measured: processor time, best of several, garbage collection off, each beside the yardstick in the same minute.

The yardstick runs before every round of a workload, so that a machine that slows down slows both. Start-up is wall time of
a new process, and bytes a state are what `tracemalloc` saw at its peak; neither has anything to do with the yardstick.

The searches of `searches.py` are long enough to be run once, each in a process of its own: `python -m benchmarks.measure
'dpor: lastzero(10)'` does one, and prints its wall time, the process's peak memory and what one resume took beside it.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.workloads import YARDSTICK, Workload, state_graph
from simulator.program import Program

__all__ = ["Alone", "Measured", "StartUp", "bytes_per_state", "measure", "measure_alone", "resume_seconds", "start_up"]

ENOUGH_SECONDS = 0.3
"""A workload that takes less is measured again and again until it has taken as much."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The best time of a workload, what it got done in it, and the best time of one resume in the same run."""

    seconds: float
    done: Mapping[str, int]
    resume_seconds: float

    def rate(self, unit: str) -> float:
        """How many in a second."""
        return self.done[unit] / self.seconds

    def resumes(self, unit: str) -> float:
        """What one costs, in resumes."""
        return self.seconds / self.done[unit] / self.resume_seconds


@dataclass(frozen=True, slots=True)
class Alone(Measured):
    """The wall time of a workload that was done once in a process of its own, and the memory of that process at its peak."""

    peak_bytes: int
    """Resident, Python and the project included."""


@dataclass(frozen=True, slots=True)
class StartUp:
    """Wall time of `simulator --help`, and of a Python that does nothing."""

    help_seconds: float
    python_seconds: float

    @property
    def ratio(self) -> float:
        """How many times as long the one takes as the other."""
        return self.help_seconds / self.python_seconds


def measure(workload: Workload, *, rounds: int = 3) -> Measured:
    """The workload's best of that many rounds, and of more where a round is over at once."""
    seconds = resume = float("inf")
    spent = 0.0
    done: Mapping[str, int] = {}
    while rounds > 0 or (spent < ENOUGH_SECONDS and spent < 100 * seconds):
        rounds -= 1
        prepared = workload.prepare()
        resume = min(resume, resume_seconds(rounds=3))
        took, done = _time(lambda prepared=prepared: workload.work(prepared))  # type: ignore[misc]
        seconds = min(seconds, took)
        spent += took
    return Measured(seconds, done, resume)


def measure_alone(workload: Workload) -> Alone:
    """One of `SEARCHES`, once, in a new process. Raises CalledProcessError when it does not come to what is known."""
    command = [sys.executable, "-m", "benchmarks.measure", str(workload)]
    answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return Alone(**answer)


def resume_seconds(*, rounds: int) -> float:
    """The best time of one resume."""
    best = float("inf")
    for _ in range(rounds):
        took, done = _time(lambda: YARDSTICK.work(None))
        best = min(best, took / done["resumes"])
    return best


def bytes_per_state(program: Program, *, with_detectors: bool) -> float:
    """What a search of the state graph holds at its peak, tables and all, by state."""
    gc.collect()
    tracemalloc.start()
    try:
        states = state_graph(program, with_detectors=with_detectors).states
        return tracemalloc.get_traced_memory()[1] / states
    finally:
        tracemalloc.stop()


def start_up(*, rounds: int = 7) -> StartUp:
    """Both processes in turn, the best of each."""
    best = {"help": float("inf"), "python": float("inf")}
    commands = {"python": ["-c", "pass"], "help": ["-m", "simulator", "--help"]}
    for _ in range(rounds):
        for name, arguments in commands.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            best[name] = min(best[name], time.perf_counter() - start)
    return StartUp(best["help"], best["python"])


def _time(work: Callable[[], Mapping[str, int]]) -> tuple[float, Mapping[str, int]]:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        done = work()
        return time.process_time() - start, done
    finally:
        if was_on:
            gc.enable()


def _alone(name: str) -> Alone:
    from benchmarks.searches import SEARCHES

    (workload,) = (each for each in SEARCHES if str(each) == name)
    before = resume_seconds(rounds=5)
    prepared = workload.prepare()
    gc.collect()
    # Collecting stays as a user has it: what a search does about it is a part of the search.
    start = time.perf_counter()
    done = workload.done(prepared)
    seconds = time.perf_counter() - start
    peak = _peak_bytes()
    return Alone(seconds, dict(done), min(before, resume_seconds(rounds=5)), peak)


def _peak_bytes() -> int:
    """Of this process since its start. `getrusage` may go back to the process that started it, so Linux is asked itself."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    print(json.dumps(asdict(_alone(sys.argv[1]))))
