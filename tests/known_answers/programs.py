"""From the names in `golden/golden.json` to programs: scenarios with their sizes, and straight lines as litmus texts.

`golden/programs.md` tells the programs in words. None is defined here: `scenarios` has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from scenarios.counter import counter
from scenarios.published import accesses, arrays, counters, defects, locks, reductions, swaps
from simulator.litmus import parse
from simulator.program import Program
from simulator.scenario import Scenario


def straight_line(texts: Iterable[str]) -> Program:
    """The program of a text for each thread, in the notation `R x; W x; M x; L m; U m` (RMW is M)."""
    return parse(" || ".join(texts)).program()


_SCENARIOS: dict[str, Scenario] = {
    "COUNTER": counters.counter_rw,
    "counter": counters.counter_rw,
    "rw/inc": counters.counter_rw,
    "counter3": counter,
    "LOCKED_COUNTER": counters.locked_counter,
    "ainc": counters.ainc,
    "binc": counters.binc,
    "lockinc": counters.lockinc,
    "WRITERS": accesses.writers,
    "CoA": accesses.coa,
    "readers": accesses.readers,
    "wrw": accesses.wrw,
    "publish": accesses.publish,
    "cas": swaps.cas,
    "casrot": swaps.casrot,
    "casw": swaps.casw,
    "wcas": swaps.wcas,
    "lastzero": arrays.lastzero,
    "indexer": arrays.indexer,
    "filesystem": arrays.filesystem,
    "BANK": locks.bank_ring,
    "PHIL": locks.philosophers,
    "mpat": locks.mpat,
    "mutex_deadlock_2": locks.mutex_deadlock,
    "POPL_optimal_example": reductions.popl_optimal_example,
    "sleeping_races_6": reductions.sleeping_races,
    "optimal_notdep_trap": reductions.notdep_trap,
    "account": defects.account,
    "bluetooth_driver": defects.bluetooth,
    "carter01": defects.carter01,
    "deadlock01": defects.deadlock01,
    "lazy01": defects.lazy01,
    "reorder": defects.reorder,
    "twostage": defects.twostage,
    "token_ring": defects.token_ring,
}

_STRAIGHT_LINES = {
    # Two orders of two locks under one gate lock: a cycle in the lock-order graph that can never deadlock.
    "GATELOCK": ["L g; L a; L b; U b; U a; U g", "L g; L b; L a; U a; U b; U g"],
    # A cycle over three locks, two of its arrows under one gate lock.
    "GATED-CYCLE3": ["L g; L a; L b; U b; U a; U g", "L g; L b; L c; U c; U b; U g", "L c; L a; U a; U c"],
    # GenMC's N-writers(4) has six writers in all: 6! traces.
    "N-writers(4)": ["W x"] * 6,
}

UNTOLD = {
    "sleeping_races_1",
    "depend_1",
    "etsi",
    "many_initials",
    "manywrite",
    "two_writers_readers_1",
    "mutex_order_2",
    "mutex_vs_trylock_1[TL]",
}
"""Names in the golden file with a number but no program: `programs.md` does not say what they are."""

_NAME = re.compile(r"(?P<name>[\w/-]+)(?:\((?P<sizes>\d+(?:,\d+)*)[^)]*\))?(?P<ordered>-ordered)?(?:[ :].*)?")
"""A name, its sizes, `-ordered`, and what a section of the golden file adds after a space or a colon."""


def named(name: str) -> Program:
    """The program of a name such as `BANK(3)-ordered`, `bluetooth_driver d=2` or `filesystem(14):optimal`.

    The numbers are the scenario's first parameters, in their order.
    """
    if name in _STRAIGHT_LINES:
        return straight_line(_STRAIGHT_LINES[name])
    match = _NAME.fullmatch(name)
    assert match is not None, name
    scenario = _SCENARIOS[match["name"]]
    sizes = map(int, match["sizes"].split(",")) if match["sizes"] else ()
    values: dict[str, object] = {
        parameter.name: size for parameter, size in zip(scenario.parameters, sizes, strict=False)
    }
    if match["ordered"]:
        values["ordered"] = True
    return scenario(**values)
