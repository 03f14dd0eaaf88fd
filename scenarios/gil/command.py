"""`simulator gil`: the options and what is printed. Imports the rest only when called, for `simulator --help` loads
this file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from scenarios.gil.costs import Costs
    from scenarios.gil.experiments import Experiment
    from simulator.real.interpreters import Interpreter

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


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead (documented in docs/gil.md).")
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

_real = _together(
    click.option(
        "--python", metavar="PYTHON", multiple=True, help="On this Python; may be repeated. [default: this one]"
    ),
    click.option("--work", type=DURATION, default=80_000, help="How long a unit of work takes, about. [default: 80ms]"),
    click.option("--request", type=DURATION, default=40_000, help="How long the server waits. [default: 40ms]"),
    click.option("--repeats", type=click.IntRange(1, 100), default=7, help="How often each is measured. [default: 7]"),
    click.option("--switch-interval", type=DURATION, help="As sys.setswitchinterval. [default: the Python's own]"),
    click.option(
        "--timeout",
        "limit",
        type=click.FloatRange(0.1, 3600),
        default=120.0,
        help="Stop after so many seconds. [default: 120]",
    ),
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
    return _show(
        history, f"{workload}: {units} by {executor}", output=output, events=events, until=until, as_json=as_json
    )


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
@click.option("--real", is_flag=True, help="Measure it here, too: real threads, where a sleep stands for I/O.")
@click.option("--python", metavar="PYTHON", help="With --real: on this Python. [default: this one]")
@_json
def convoy(
    threads: tuple[int, ...], output: str | None, real: bool, python: str | None, as_json: bool, **values: Any
) -> int:
    """The convoy effect: what a thread with short I/O pays for standing behind threads that compute."""
    from scenarios.gil.convoy import convoy as met
    from scenarios.gil.convoy import measured_convoys
    from scenarios.gil.tables import convoy_table

    if python is not None and not real:
        raise click.UsageError("--python is for --real")

    found = [met(beside, **values) for beside in dict.fromkeys((0, *threads))]
    if output is not None:
        return _show(found[-1].history, "", output=output, events=False, until=50_000, as_json=False)
    measured, stopped = None, ""
    if real:
        (interpreter,) = _interpreters((python,) if python else ())
        of_both = ("requests", "io", "cpu", "switch_interval")
        numbers = [each.beside for each in found]
        measured, stopped = measured_convoys(interpreter, numbers, **{name: values[name] for name in of_both})
    if as_json:
        seen = measured or {}
        documents = [
            {**each.to_dict(), "measured_seconds": seen[each.beside].to_dict() if each.beside in seen else None}
            for each in found
        ]
        _print_json(documents)
    else:
        click.echo(convoy_table(found, measured))
    return _ended([stopped])


@command.command(short_help="Take the costs that predictions are made of from this machine.")
@_real
@click.option("-o", "--output", metavar="FILE", help="Save the costs, for --costs.")
@_json
def calibrate(output: str | None, as_json: bool, python: tuple[str, ...], **values: Any) -> int:
    """What a unit of work, a start and a request cost here, and how many cores there really are."""
    from scenarios.gil.calibrate import calibrate as calibrated
    from scenarios.gil.tables import calibration_table
    from simulator.render.files import write_whole

    interpreters = _interpreters(python)
    if output is not None and len(interpreters) > 1:
        raise click.UsageError("-o saves the costs of one Python: leave one --python")
    found = [calibrated(interpreter, **values, progress=_progress()) for interpreter in interpreters]
    if output is not None:
        write_whole(output, json.dumps(found[0].costs.to_dict(), indent=2) + "\n")
    if as_json:
        _print_json([each.to_dict() for each in found])
    else:
        click.echo("\n\n".join(map(calibration_table, found)))
    return _ended([each.stopped for each in found])


@command.command(short_help="Time real threads, processes and requests.")
@_which
@_real
@_json
def measure(as_json: bool, python: tuple[str, ...], **values: Any) -> int:
    """Speed-ups on this machine: real threads, real processes, and a real server for the requests."""
    from scenarios.gil.measure import Measurement, available_here
    from scenarios.gil.measure import measure as measured
    from scenarios.gil.tables import measurement_table

    found: list[Measurement] = []
    wanted = _experiments(values)
    for interpreter in _interpreters(python):
        possible, note = available_here(wanted, interpreter, asked_for=values["executor"])
        _say(note)
        found.append(measured(possible, interpreter, **_timing(values), progress=_progress()))
        if found[-1].stopped:
            break
    if as_json:
        _print_json([each.to_dict() for each in found])
    else:
        click.echo("\n\n".join(map(measurement_table, found)))
    return _ended([each.stopped for each in found])


@command.command(short_help="Hold the predictions against this machine.")
@_which
@_real
@click.option("--costs", "costs_file", metavar="FILE", help="Costs that were saved. [default: calibrated anew]")
@_json
def compare(as_json: bool, python: tuple[str, ...], costs_file: str | None, **values: Any) -> int:
    """Speed-ups predicted, measured, and as the article printed them; the error of each, and the mean."""
    from scenarios.gil.article import notes
    from scenarios.gil.compare import Comparison
    from scenarios.gil.compare import compare as compared
    from scenarios.gil.costs import load_costs
    from scenarios.gil.measure import available_here
    from scenarios.gil.tables import comparison_table

    costs = None if costs_file is None else load_costs(costs_file)
    found: list[Comparison] = []
    wanted = _experiments(values)
    for interpreter in _interpreters(python):
        possible, note = available_here(wanted, interpreter, asked_for=values["executor"])
        _say(note)
        found.append(compared(possible, interpreter, costs=costs, **_timing(values), progress=_progress()))
        if found[-1].stopped:
            break
    if as_json:
        _print_json({"comparisons": [each.to_dict() for each in found], "notes": list(notes())})
    else:
        click.echo("\n\n".join(map(comparison_table, found)))
        if any(row.printed for each in found for row in each.rows):
            import textwrap

            click.echo("\n" + "\n".join(textwrap.fill(note, 118) for note in notes()))
    return _ended([each.stopped for each in found])


# -- what they share


def _interpreters(names: tuple[str, ...]) -> list[Interpreter]:
    from simulator.real.interpreters import Interpreter, find

    return list(map(find, names)) if names else [Interpreter.current()]


def _timing(values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in ("work", "request", "repeats", "switch_interval", "limit")}


def _progress() -> Callable[[str], None] | None:
    """A line on standard error that is written over, when a person looks at it."""
    if not sys.stderr.isatty():
        return None
    return lambda text: click.echo(f"\r{text}\033[K", nl=False, err=True)


def _say(note: str) -> None:
    if note:
        click.echo(f"simulator: {note}", err=True)


def _ended(stopped: list[str]) -> int:
    """The exit code, and a word on standard error where there is less than was asked for."""
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    why = next(filter(None, stopped), "")
    if not why:
        return 0
    _say(f"{why}: this is only what was measured so far")
    return 130 if why == "interrupted" else 0


def _show(history: Any, title: str, *, output: str | None, events: bool, until: int | None, as_json: bool) -> int:
    from scenarios.gil.timeline import svg, text
    from simulator.render.files import write_whole

    if output is not None:
        write_whole(output, svg(history, until=until, title=title))
        click.echo(f"wrote {output}")
    elif as_json or events:
        kept = [event for event in history.events if until is None or event.time < until]
        if as_json:
            _print_json({"end": history.end, "events": [event.to_dict() for event in kept]})
        else:
            click.echo("\n".join(map(str, kept)))
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
