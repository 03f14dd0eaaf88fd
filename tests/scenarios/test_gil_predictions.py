"""What is predicted of k threads or processes: the machine beside the formula, and what both have to say."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.gil.article import PRINTED, notes
from scenarios.gil.convoy import convoy
from scenarios.gil.costs import Costs
from scenarios.gil.experiments import AT_ONCE, Executor, Experiment, Workload, experiments, world
from scenarios.gil.predict import closed_form, predict
from simulator.errors import UsageError
from tests.conftest import FACTOR, PROFILE

EXAMPLES = 100 * FACTOR[PROFILE]


@st.composite
def costs(draw: st.DrawFn) -> Costs:
    cores = draw(st.integers(1, 5))
    times = st.integers(1, 3_000)
    return Costs(
        work=draw(st.integers(1, 60_000)),
        request=draw(st.integers(3_001, 60_000)),
        request_cpu=draw(times),
        thread_start=draw(times),
        fork_start=draw(times),
        fork_boot=draw(times),
        spawn_start=draw(times),
        spawn_boot=draw(st.integers(1, 30_000)),
        cores=cores,
        capacity=draw(st.sampled_from([Fraction(cores), max(Fraction(1), Fraction(3 * cores, 4))])),
        gil=draw(st.booleans()),
    )


DRAWN = st.builds(Experiment, st.sampled_from(Workload), st.sampled_from(Executor), st.integers(1, 6))


@settings(max_examples=EXAMPLES)
@given(costs(), DRAWN)
def test_the_machine_and_the_formula_differ_by_the_starts_and_a_time_slice(
    costs: Costs, experiment: Experiment
) -> None:
    """The formula lets nothing overlap with the starts, and divides what no scheduler divides that evenly."""
    time = predict(experiment, costs).time
    k = experiment.units
    start, boot = {
        Executor.SINGLE: (0, 0),
        Executor.THREADS: (costs.thread_start, 0),
        Executor.FORK: (costs.fork_start, costs.fork_boot),
        Executor.SPAWN: (costs.spawn_start, costs.spawn_boot),
    }[experiment.executor]
    computed = costs.request_cpu if experiment.workload is Workload.IO else 0
    slack = (
        k * start
        + k * (computed + boot) * (experiment.workload is Workload.IO)
        + k * world(experiment, costs).time_slice
    )
    assert abs(time - closed_form(experiment, costs)) <= slack


@settings(max_examples=EXAMPLES)
@given(costs(), st.integers(1, 6))
def test_cpu_bound_threads_under_the_gil_gain_nothing_exactly(costs: Costs, k: int) -> None:
    experiment = Experiment(Workload.CPU, Executor.THREADS, k)
    costs = replace(costs, gil=True, capacity=Fraction(costs.cores))
    prediction = predict(experiment, costs)
    assert prediction.time == prediction.by_formula == k * (costs.thread_start + costs.work)
    assert prediction.speedup < 1


@settings(max_examples=EXAMPLES)
@given(costs(), DRAWN)
def test_no_speed_up_is_more_than_the_units_nor_for_work_more_than_the_cores(
    costs: Costs, experiment: Experiment
) -> None:
    speedup = predict(experiment, costs).speedup
    assert speedup <= experiment.units
    if experiment.workload is Workload.CPU:
        assert speedup <= costs.capacity


@settings(max_examples=EXAMPLES)
@given(costs())
def test_saved_costs_are_read_as_they_were(costs: Costs) -> None:
    assert Costs.from_dict(costs.to_dict()) == costs


def test_every_combination_is_an_experiment_once() -> None:
    found = list(experiments(Workload, AT_ONCE, (1, 2, 4)))
    assert len(found) == len(set(found)) == 2 * 3 * 3
    assert all(each.executor is not Executor.SINGLE for each in found)


def test_the_round_figures_say_what_the_article_means() -> None:
    def speedup(workload: Workload, executor: Executor, *, gil: bool = True) -> float:
        return round(float(predict(Experiment(workload, executor, 4), Costs(gil=gil)).speedup), 2)

    assert speedup(Workload.CPU, Executor.THREADS) == 1.0
    assert speedup(Workload.CPU, Executor.FORK) == 1.92
    assert speedup(Workload.IO, Executor.THREADS) == 3.85
    assert speedup(Workload.CPU, Executor.THREADS, gil=False) == 1.98


def test_two_of_the_article_s_three_figures_are_impossible() -> None:
    impossible = [each for each, printed in PRINTED.items() if printed.is_impossible(each.units)]
    assert impossible == [Experiment(Workload.CPU, Executor.SPAWN, 4), Experiment(Workload.IO, Executor.THREADS, 4)]
    assert "19x" in notes()[0]


@pytest.mark.parametrize("beside", [1, 2, 3, 5])
def test_a_request_waits_a_switch_interval_for_each_computing_thread(beside: int) -> None:
    met = convoy(beside, requests=6, io=1_000, cpu=100, switch_interval=5_000)
    assert set(met.times) == {1_000 + 100 + beside * 5_000}
    assert met.waited == 6 * beside * 5_000


def test_a_shorter_switch_interval_shortens_the_convoy() -> None:
    assert [convoy(1, switch_interval=time).mean for time in (5_000, 1_000, 100)] == [6_100, 2_100, 1_200]


def test_a_convoy_of_nobody_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^0 requests beside 1 threads: expected at least 1, beside none or more$"):
        convoy(1, requests=0)
