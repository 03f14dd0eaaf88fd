"""Every workload under pytest-benchmark, and every search by itself, with its cost in resumes.

Asserts that the work was done, never how fast.
"""

from __future__ import annotations

import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measure import Measured, bytes_per_state, measure_alone, resume_seconds, start_up
from benchmarks.plain import PLAIN
from benchmarks.searches import SEARCHES
from benchmarks.workloads import WORKLOADS, Workload, rerunning
from scenarios.bank import bank
from scenarios.counter import counter
from simulator.machine import Machine
from simulator.program import Program
from simulator.search.naive import interleavings


@pytest.mark.benchmark(timer=time.process_time, disable_gc=True)
@pytest.mark.parametrize("workload", [*WORKLOADS, *PLAIN], ids=str)
def test_speed(
    benchmark: BenchmarkFixture, workload: Workload, ratios: list[str], request: pytest.FixtureRequest
) -> None:
    if workload.slow and not request.config.getoption("--all"):
        pytest.skip("takes long: give --all")
    benchmark.group = workload.topic
    before = resume_seconds(rounds=5)
    done = benchmark.pedantic(
        workload.done, setup=lambda: ((workload.prepare(),), {}), rounds=1 if workload.slow else 3
    )
    assert all(done.values())
    if benchmark.stats is not None:
        resume = min(before, resume_seconds(rounds=5))
        measured = Measured(benchmark.stats.stats.min, done, resume)
        for unit in done:
            cost = measured.resumes(unit)
            benchmark.extra_info[f"resumes per {unit.removesuffix('s')}"] = cost
            ratios.append(f"{workload}: one of its {unit} costs {cost:,.1f} resumes")


@pytest.mark.parametrize("workload", SEARCHES, ids=str)
def test_searches(workload: Workload, ratios: list[str], request: pytest.FixtureRequest) -> None:
    if workload.slow and not request.config.getoption("--all"):
        pytest.skip("takes long: give --all")
    measured = measure_alone(workload)
    assert all(measured.done.values())
    rates = ", ".join(f"{measured.resumes(unit):,.1f} resumes for one of its {unit}" for unit in measured.done)
    ratios.append(f"{workload}: {measured.seconds:.2f} s, {measured.peak_bytes / 1e6:,.0f} MB, {rates}")


@pytest.mark.parametrize("with_detectors", [False, True], ids=["states alone", "all detectors riding"])
def test_bytes_per_state(with_detectors: bool, ratios: list[str]) -> None:
    size = bytes_per_state(counter(threads=5), with_detectors=with_detectors)
    assert size > 0
    riding = "all detectors riding" if with_detectors else "states alone"
    ratios.append(f"memory: counter(5,1), {riding}: {size:.0f} bytes a state")


def test_start_up(ratios: list[str]) -> None:
    started = start_up()
    ratios.append(f"start-up: simulator --help takes {started.ratio:.1f} times as long as python -c pass")


@pytest.mark.parametrize("program", [counter(threads=3), bank(strategy="none")], ids=["counter(3,1)", "bank"])
def test_both_enumerations_enumerate_the_same(program: Program) -> None:
    machine = Machine(program)
    rerun = [(schedule, memory) for schedule, memory in rerunning(program)]
    assert rerun == [(found.schedule, machine.memory(found.state)) for found in interleavings(machine)]
