"""Ordinary Python in the model, beside the same program written as generators, and on real threads that are forced.

What is measured has the same interleavings in both forms, so its rates can be compared. frontrun, which runs real threads
for everything, does 50 to 380 executions a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.workloads import Workload, checked, enumerate_all
from scenarios.counter import counter
from scenarios.plain_bank import plain as bank
from scenarios.plain_counter import plain
from simulator.program import Program
from simulator.real.plain_code import PlainForcing
from simulator.scenario import Plain
from simulator.search.replay import replay
from simulator.source.threads import Threads

__all__ = ["PLAIN"]

FRONTRUN = "frontrun: 50-380 executions/s"
FORCED = 200
"""How often one schedule is forced."""
_LOST = "t0*2 t1*3 t0"


def _counter(threads: int, increments: int) -> Plain:
    return plain(threads, increments, lock=False, start=0)


def _as_program(code: Plain) -> Program:
    return Threads(code).program


def _force(code: Plain, schedule: str) -> Workload:
    def work(prepared: Any) -> Mapping[str, int]:
        threads, run = prepared
        with PlainForcing(threads) as forcing:
            agreed = sum(forcing.force(run)[1] is None for _ in range(FORCED))
        return {"forced runs": agreed}

    def prepare() -> Any:
        threads = Threads(code)
        return threads, replay(threads.program, schedule)

    name = "the lost update of counter(2,1)" if schedule == _LOST else "the deadlock of the bank"
    return Workload(
        "plain code", f"force {name}", work, prepare, prototype="0.35-1 ms a run", known={"forced runs": FORCED}
    )


PLAIN: tuple[Workload, ...] = (
    Workload(
        "plain code", "make a program of counter(2,1)", lambda _: {"programs": len([_as_program(_counter(2, 1))])}
    ),
    Workload(
        "plain code",
        "make a program of the bank",
        lambda _: {
            "programs": len([_as_program(bank(((1, 1000), (2, 1000)), ((1, 2, 500), (2, 1, 300)), "ordered", 0))])
        },
    ),
    Workload(
        "plain code",
        "naive, counter(4,1), rewritten and all",
        lambda _: enumerate_all(_as_program(_counter(4, 1))),
        prototype=FRONTRUN,
    ),
    Workload("plain code", "naive, counter(4,1), the same as generators", lambda _: enumerate_all(counter(threads=4))),
    Workload("plain code", "check counter(3,2), rewritten and all", lambda _: checked(_as_program(_counter(3, 2)))),
    Workload(
        "plain code", "check counter(3,2), the same as generators", lambda _: checked(counter(threads=3, increments=2))
    ),
    _force(_counter(2, 1), _LOST),
    _force(bank(((1, 1000), (2, 1000)), ((1, 2, 500), (2, 1, 300)), "from-then-to", 0), "t0*2 t1*2"),
)
