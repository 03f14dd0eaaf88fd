"""`simulator gil`: the options and what is printed. Imports the rest only when called, for `simulator --help` loads
this file."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from scenarios.gil.costs import Costs
    from scenarios.gil.experiments import Experiment

__all__ = ["command"]

WORKLOADS = ("cpu", "io")
EXECUTORS = ("threads", "fork", "spawn")


class _Duration(click.ParamType[int]):
    """A time with its unit, as whole microseconds: `5ms`, `300us`, `0.5s`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip()
        for unit, size in (("us", 1), ("µs", 1), ("ms", 1_000), ("s", 1_000_000)):
            if text.endswith(unit):
                try:
                    time = Fraction(text.removesuffix(unit)) * size
                except (ValueError, ZeroDivisionError):
                    break
                if time.denominator != 1 or not 1 <= time <= 10**10:
                    self.fail(f"{text} is not between 1us and 10000s, in whole microseconds", param, ctx)
                return int(time)
        return self.fail(f"{text!r} is no time with a unit, such as 5ms, 300us or 0.5s", param, ctx)


class _Numbers(click.ParamType[tuple[int, ...]]):
    """Numbers from 1 to 256: `1,2,4`."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(map(int, str(value).split(",")))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 1,2,4", param, ctx)
        if min(numbers) < 1 or max(numbers) > 256:
            self.fail(f"{value} is not within 1 and 256", param, ctx)
        return tuple(dict.fromkeys(numbers))


DURATION = _Duration()
NUMBERS = _Numbers()


def _together(*options: Callable[..., Any]) -> Callable[..., Any]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead (documented in docs/json.md).")
_which = _together(
    click.option("--workload", type=click.Choice(WORKLOADS), multiple=True, help="Only this workload. [default: both]"),
    click.option(
        "--executor", type=click.Choice(EXECUTORS), multiple=True, help="Only this one, may be repeated. [default: all]"
    ),
    click.option(
        "-k", "--units", type=NUMBERS, default=(1, 2, 4), help="How many threads or processes. [default: 1,2,4]"
    ),
)
_costs = _together(
    click.option("--costs", "costs_file", metavar="FILE", help="What 'simulator gil calibrate -o FILE' saved."),
    click.option("--work", type=DURATION, help="One unit of CPU-bound work, alone. [default: 100ms]"),
    click.option("--request", type=DURATION, help="One request, alone. [default: 50ms]"),
    click.option("--thread-start", type=DURATION, help="What starting a thread costs. [default: 100us]"),
    click.option("--fork-boot", type=DURATION, help="What a forked process costs itself. [default: 2ms]"),
    click.option("--spawn-boot", type=DURATION, help="What a spawned process costs itself. [default: 60ms]"),
    click.option("--cores", type=click.IntRange(1, 64), help="How many cores there are. [default: 2]"),
    click.option("--switch-interval", type=DURATION, help="As sys.setswitchinterval. [default: 5ms]"),
    click.option("--gil/--no-gil", default=None, help="With the GIL, or as a free-threaded Python. [default: with it]"),
)


@click.group("gil")
def command() -> None:
    """The Global Interpreter Lock: what threads and processes gain, predicted and measured.

    A machine in virtual time predicts from a few costs, exactly; 'calibrate' takes these costs from this machine, and
    'compare' holds the predictions against real threads, real processes and a real server.
    """


@command.command(short_help="Speed-ups by the model, in virtual time.")
@_which
@_costs
@_json
def predict(as_json: bool, **values: Any) -> int:
    """Speed-ups by the model, in virtual time: the same numbers on every machine, unless --costs are those of one."""
    from scenarios.gil.predict import predict as predicted
    from scenarios.gil.tables import prediction_table

    costs = _taken(values)
    predictions = [predicted(experiment, costs) for experiment in _experiments(values)]
    if as_json:
        _print_json({"costs": costs.to_dict(), "predictions": [each.to_dict() for each in predictions]})
        return 0
    click.echo(prediction_table(predictions, costs))
    return 0


@command.command(short_help="Who held the GIL when, as text or SVG.")
@click.argument("workload", type=click.Choice(WORKLOADS))
@click.argument("executor", type=click.Choice(("single", *EXECUTORS)), default="threads")
@click.option(
    "-k", "--units", type=click.IntRange(1, 16), default=2, help="How many threads or processes. [default: 2]"
)
@click.option("-o", "--output", metavar="FILE", help="Draw it into this file instead, as SVG.")
@click.option("--events", is_flag=True, help="Print every event instead.")
@click.option("--until", type=DURATION, help="Show only what comes before.")
@_costs
@_json
def timeline(
    workload: str,
    executor: str,
    units: int,
    output: str | None,
    events: bool,
    until: int | None,
    as_json: bool,
    **values: Any,
) -> int:
    """Who held the GIL when: so many units of a WORKLOAD by an EXECUTOR (threads, if none is given)."""
    from scenarios.gil.experiments import Executor, Experiment, Workload, world
    from scenarios.gil.machine import simulate

    experiment = Experiment(Workload(workload), Executor(executor), units)
    history = simulate(world(experiment, _taken(values)))
    return _show(history, f"{units} {executor}, {workload}", output=output, events=events, until=until, as_json=as_json)


@command.command(short_help="Short I/O behind threads that compute.")
@click.option("--threads", type=NUMBERS, default=(1, 2, 4), help="Beside how many computing threads. [default: 1,2,4]")
@click.option("--requests", type=click.IntRange(1, 1000), default=20, help="How many requests. [default: 20]")
@click.option("--io", "io", type=DURATION, default=1_000, help="For how long each blocks. [default: 1ms]")
@click.option("--cpu", type=DURATION, default=100, help="How much it computes itself. [default: 100us]")
@click.option("--switch-interval", type=DURATION, default=5_000, help="As sys.setswitchinterval. [default: 5ms]")
@click.option("--gil/--no-gil", default=True, help="With the GIL, or as a free-threaded Python. [default: with it]")
@click.option("--cores", type=click.IntRange(1, 64), default=2, help="How many cores there are. [default: 2]")
@click.option(
    "-o", "--output", metavar="FILE", help="Draw the first 50 ms beside the most threads into this file, as SVG."
)
@_json
def convoy(threads: tuple[int, ...], output: str | None, as_json: bool, **values: Any) -> int:
    """The convoy effect: what a thread with short I/O pays for standing behind threads that compute."""
    from scenarios.gil.convoy import convoy as met
    from scenarios.gil.tables import convoy_table

    found = [met(beside, **values) for beside in dict.fromkeys((0, *threads))]
    if output is not None:
        return _show(found[-1].history, "", output=output, events=False, until=50_000, as_json=False)
    if as_json:
        _print_json([each.to_dict() for each in found])
        return 0
    click.echo(convoy_table(found))
    return 0


# -- what they share


def _show(history: Any, title: str, *, output: str | None, events: bool, until: int | None, as_json: bool) -> int:
    from scenarios.gil.timeline import svg, text
    from simulator.render.files import write_whole

    if output is not None:
        write_whole(output, svg(history, until=until, title=title))
        click.echo(f"wrote {output}")
    elif as_json:
        _print_json(history.to_dict())
    elif events:
        click.echo("\n".join(map(str, history.events)))
    else:
        click.echo(text(history, until=until))
    return 0


def _experiments(values: dict[str, Any]) -> list[Experiment]:
    from scenarios.gil.experiments import Executor, Workload, experiments

    return list(
        experiments(
            map(Workload, values["workload"] or WORKLOADS),
            map(Executor, values["executor"] or EXECUTORS),
            values["units"],
        )
    )


def _taken(values: dict[str, Any]) -> Costs:
    """The costs that the options say: those of a file, or round figures, changed where an option says so."""
    from dataclasses import replace

    from scenarios.gil.costs import Costs, load_costs

    costs = Costs() if values["costs_file"] is None else load_costs(values["costs_file"])
    names = ("work", "request", "thread_start", "fork_boot", "spawn_boot", "switch_interval", "gil")
    given = {name: values[name] for name in names if values[name] is not None}
    if values["cores"] is not None:
        given |= {"cores": values["cores"], "capacity": Fraction(values["cores"])}
    return replace(costs, **given)


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
