"""The searches at the sizes of papers: each is run once, in a process of its own, for its wall time and its peak memory.

Each knows what it has to come to (`known`, by unit): a search that misses a trace, or proves what is not so, is no
benchmark. This file knows what to run and nothing of clocks and processes.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from math import factorial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.workloads import Workload
from scenarios.counter import counter
from scenarios.published.accesses import coa, publish, readers, writers, wrw
from scenarios.published.arrays import filesystem, indexer, lastzero
from scenarios.published.counters import ainc, binc, counter_rw, locked_counter, lockinc
from scenarios.published.locks import bank_ring, mpat, mutex_deadlock, philosophers
from scenarios.published.swaps import cas, casrot, casw, wcas
from simulator import check
from simulator.analysis.detectors import detectors_for
from simulator.analysis.finding import Kind
from simulator.checkpoint import CheckpointFile
from simulator.machine import COMPACT, Machine
from simulator.program import Program
from simulator.report import Report
from simulator.search.bounded import BoundedSearch, Cost
from simulator.search.budget import Budget, Stop, without_collecting
from simulator.search.dpor import Dpor
from simulator.search.naive import Interleaving
from simulator.search.pct import pct
from simulator.search.pos import pos
from simulator.search.random_walk import random_walks
from simulator.search.reduced import ReducedGraph
from simulator.search.surw import surw
from simulator.search.uniform import uniform
from simulator.search.uniform_traces import uniform_traces
from simulator.search.weighted_by_length import weighted_by_length
from simulator.traces import count_traces

__all__ = ["PROOFS", "SEARCHES"]

SAMPLES = 5_000
"""Runs of each sampler."""
BOUND = 2

Make = Callable[[], Program]

_LOSSES = frozenset({Kind.LOST_UPDATE, Kind.DATA_RACE, Kind.FAILED_INVARIANT})
_CYCLE = frozenset({Kind.DEADLOCK, Kind.LOCK_ORDER_CYCLE})
_NOTHING: frozenset[Kind] = frozenset()


class Proof(NamedTuple):
    """The program, the kinds of findings that it has, and the prototype's figure beside SPIN's at that time."""

    make: Make
    kinds: frozenset[Kind]
    prototype: str = ""


PROOFS: Mapping[str, Proof] = {
    "counter(6,1)": Proof(partial(counter, threads=6), _LOSSES),
    "counter(10,1)": Proof(partial(counter, threads=10), _LOSSES, "0.5 s; SPIN > 110 s"),
    "counter(5,3)": Proof(partial(counter, threads=5, increments=3), _LOSSES),
    "locked counter(6,2)": Proof(partial(counter, threads=6, increments=2, lock=True), _NOTHING),
    "locked counter(8,4)": Proof(partial(counter, threads=8, increments=4, lock=True), _NOTHING, "0.13 s; SPIN 8.7 s"),
    "philosophers(9)": Proof(partial(philosophers, n=9), _CYCLE),
    "philosophers(20)": Proof(partial(philosophers, n=20), _CYCLE, "1.3 s; SPIN > 110 s"),
    "bank ring(6)": Proof(partial(bank_ring, n=6), _CYCLE),
    "bank ring(16)": Proof(partial(bank_ring, n=16), _CYCLE, "2.7 s; SPIN > 110 s"),
    "bank ring(6), ordered": Proof(partial(bank_ring, n=6, ordered=True), _NOTHING),
    "bank ring(16), ordered": Proof(partial(bank_ring, n=16, ordered=True), _NOTHING, "2.3 s; SPIN > 110 s"),
}
"""What is proved, completely; `spin.py` has a model of each."""


def _once(
    work: Callable[..., Mapping[str, int]], *arguments: Any, **options: Any
) -> Callable[[Any], Mapping[str, int]]:
    """The work with its arguments; nothing is prepared for it."""
    return lambda _: work(*arguments, **options)


# -- DPOR


def dpor(make: Make) -> Mapping[str, int]:
    """Every trace, and nothing else done with it."""
    search = Dpor(Machine(make(), bits=COMPACT))
    with without_collecting():
        done = _tally(search.runs())
    assert search.stop is Stop.COMPLETE, search.stop
    return done


def _dpor(what: str, make: Make, traces: int, prototype: str = "", *, slow: bool = False) -> Workload:
    return Workload("dpor", what, _once(dpor, make), prototype=prototype, slow=slow, known={"executions": traces})


# -- complete proofs


def reduced(make: Make, kinds: frozenset[Kind]) -> Mapping[str, int]:
    """The reduced search with all detectors, without witnesses and counts."""
    machine = Machine(make(), bits=COMPACT)
    explored = ReducedGraph(machine, detectors_for(machine.program), Budget()).run()
    assert explored.complete, explored.stop
    assert not explored.undecided, explored.undecided
    # What a lock-order cycle is worth is decided after the search.
    assert {seen.kind for seen in explored.sightings} == kinds - {Kind.LOCK_ORDER_CYCLE}
    return {"proofs": 1, "states": explored.states}


def checked(make: Make, kinds: frozenset[Kind] | None = None) -> Mapping[str, int]:
    """What a user gets who gives no options: findings, shortest witnesses, counts."""
    report: Report = check(make())
    assert report.complete, report.stop
    assert kinds is None or {finding.kind for finding in report.findings} == kinds, report.findings
    return {"checks": 1}


def _proofs() -> Iterator[Workload]:
    for what, (make, kinds, prototype) in PROOFS.items():
        yield Workload("reduced search", what, _once(reduced, make, kinds), prototype=prototype)
    for what, (make, kinds, _) in PROOFS.items():
        yield Workload("check", what, _once(checked, make, kinds), known={"checks": 1})
    for what, make in (("lastzero(10)", partial(lastzero, n=10)), ("indexer(15)", partial(indexer, n=15))):
        yield Workload("check", what, _once(checked, make), known={"checks": 1})


# -- counting


def traces(make: Make, number: int) -> Mapping[str, int]:
    """Count the traces."""
    census = count_traces(make())
    assert census.traces == number, census.traces
    return {"counts": 1, "states": census.states}


def _traces(what: str, make: Make, number: int, prototype: str = "") -> Workload:
    return Workload("traces", f"{what}: {number:,}", _once(traces, make, number), prototype=prototype)


# -- samplers and bounded searches


def sampled(sampler: Callable[..., Iterator[Interleaving]], make: Make) -> Mapping[str, int]:
    """So many runs, counting before the first one included."""
    return _tally(islice(sampler(Machine(make()), draw=random.Random(1).random), SAMPLES))


def _samplers() -> Iterator[Workload]:
    for what, make in (
        ("counter(4,2)", partial(counter, threads=4, increments=2)),
        ("bank ring(5)", partial(bank_ring, n=5)),
    ):
        for sampler in (random_walks, uniform, weighted_by_length, uniform_traces, pct, pos, surw):
            yield Workload(
                "sampler",
                f"{sampler.__name__}, {what}",
                _once(sampled, sampler, make),
                known={"executions": SAMPLES},
            )


def bounded(make: Make, cost: Cost) -> Mapping[str, int]:
    """All interleavings within the bound."""
    search = BoundedSearch(Machine(make()), BOUND, cost=cost)
    done = _tally(search)
    assert len(search.levels) == BOUND + 1
    return done


def _bounded() -> Iterator[Workload]:
    for what, make in (
        ("counter(5,2)", partial(counter, threads=5, increments=2)),
        ("bank ring(6)", partial(bank_ring, n=6)),
    ):
        for cost in Cost:
            yield Workload("bounded", f"{what}, at most {BOUND} {cost}", _once(bounded, make, cost))


# -- checkpoints


def kept(make: Make, *, checkpoint: bool) -> Mapping[str, int]:
    """DPOR with every detector, saved now and then or not."""
    program = make()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "checkpoint"
        file = CheckpointFile(str(path), program, {"scheduler": "dpor"}) if checkpoint else None
        report = check(program, scheduler="dpor", checkpoint=file)
        assert path.exists() == checkpoint
    assert report.complete, report.stop
    return {"executions": report.runs or 0}


def _tally(runs: Iterator[Interleaving] | BoundedSearch) -> Mapping[str, int]:
    executions = steps = 0
    for run in runs:
        executions += 1
        steps += len(run.schedule)
    return {"executions": executions, "steps": steps}


SEARCHES: tuple[Workload, ...] = (
    _dpor("lastzero(10)", partial(lastzero, n=10), 13 * 2**8, "0.21 s"),
    _dpor("lastzero(15)", partial(lastzero, n=15), 18 * 2**13, "20-27 s"),
    _dpor("readers(13)", partial(readers, n=13), 2**13),
    _dpor("indexer(15)", partial(indexer, n=15), 8**4),
    _dpor("filesystem(19)", partial(filesystem, n=19), 2**6),
    _dpor("counter-rw(5,1)", partial(counter_rw, n=5), factorial(5) ** 2, "76-81 thousand executions/s"),
    _dpor("counter-rw(6,1)", partial(counter_rw, n=6), factorial(6) ** 2),
    _dpor("writers(8)", partial(writers, n=8), factorial(8), "76-81 thousand executions/s"),
    _dpor("philosophers(14)", partial(philosophers, n=14), 2**14 - 1, "1.8 s"),
    _dpor("counter(5,1)", partial(counter, threads=5), factorial(5) ** 2),
    *_proofs(),
    _traces("counter-rw(5,2)", partial(counter_rw, n=5, k=2), 9_727_708_920, "4 s"),
    _traces("counter-rw(8,1)", partial(counter_rw, n=8), factorial(8) ** 2),
    _traces("locked-counter(8,4)", partial(locked_counter, n=8, k=4), factorial(32) // factorial(4) ** 8),
    _traces("binc(12)", partial(binc, n=12), factorial(12) ** 2),
    _traces("writers(8)", partial(writers, n=8), factorial(8)),
    _traces("readers(13)", partial(readers, n=13), 2**13),
    _traces("lastzero(15)", partial(lastzero, n=15), 18 * 2**13),
    _traces("indexer(22)", partial(indexer, n=22), 8**11),
    _traces("filesystem(26)", partial(filesystem, n=26), 2**13),
    _traces("philosophers(20)", partial(philosophers, n=20), 2**20 - 1),
    _traces("bank-ring(16)", partial(bank_ring, n=16), 2**16 - 1),
    _traces("coa(3)", partial(coa, n=3), 130),
    _traces("wrw(3)", partial(wrw, n=3), 300),
    _traces("casrot(4)", partial(casrot, n=4), 14),
    _traces("casw(3)", partial(casw, n=3), 66),
    _traces("cas(13)", partial(cas, n=13), 13),
    _traces("wcas(13)", partial(wcas, n=13), 1 + 13 * 2**12),
    _traces("publish(41)", partial(publish, k=41), 42),
    _traces("ainc(12)", partial(ainc, n=12), factorial(12)),
    _traces("lockinc(12)", partial(lockinc, n=12), factorial(12)),
    _traces("mutex-deadlock(12)", partial(mutex_deadlock, n=12), 12),
    _traces("mpat(4)", partial(mpat, k=4), 2**4 * factorial(4)),
    *_samplers(),
    *_bounded(),
    *(
        Workload(
            "checkpoint",
            f"counter-rw(5,1) under dpor with every detector, {said}",
            _once(kept, partial(counter_rw, n=5), checkpoint=checkpoint),
            known={"executions": factorial(5) ** 2},
        )
        for said, checkpoint in (("not saved", False), ("saved", True))
    ),
)
