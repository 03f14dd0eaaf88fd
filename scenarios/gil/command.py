"""`simulator gil`: the options and what is printed. Imports the rest only when called, for `simulator --help` loads
this file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

if TYPE_CHECKING:
    from scenarios.gil.compare import Comparison
    from scenarios.gil.costs import Costs
    from scenarios.gil.experiments import Experiment
    from scenarios.gil.measure import Measurement
    from simulator.real.interpreters import Interpreter

__all__ = ["command"]


class _Ends(Protocol):
    """What may have ended early, and says why."""

    @property
    def stopped(self) -> str: ...


_Stoppable = TypeVar("_Stoppable", bound=_Ends)

WORKLOADS = ("cpu", "io")
EXECUTORS = ("threads", "fork", "spawn")
PROCESSES = "processes"


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
                if not time:
                    self.fail(f"{text} is zero, expected a time above that, such as 5ms", param, ctx)
                if time.denominator != 1 or not 1 <= time <= 10**10:
                    self.fail(f"{text} is not between 1us and 10000s, in whole microseconds", param, ctx)
                return int(time)
        if text.strip("0.") == "" and "0" in text:
            self.fail(f"{text} is zero, expected a time above that, such as 5ms", param, ctx)
        return self.fail(f"{text!r} is no time with a unit, such as 5ms, 300us or 0.5s", param, ctx)


class _Limit(click.FloatRange):
    """Seconds, as a number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if seconds != seconds:
            self.fail(f"{value} is not a number of seconds", param, ctx)
        return seconds


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
        "--executor",
        type=click.Choice(("single", *EXECUTORS, PROCESSES)),
        multiple=True,
        help="Only this one, may be repeated; processes are fork and spawn, single is one after the other, 1x by definition. "
        "[default: all but single]",
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
        type=_Limit(0.1, 3600),
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

    costs, wanted = _taken(values), _experiments(values)
    _refuse_endless(wanted, costs)
    predictions = [predicted(experiment, costs) for experiment in wanted]
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

    if output is not None:
        _check_picture(output, json=as_json, events=events)
    experiment, costs = Experiment(Workload(workload), Executor(executor), units), _taken(values)
    _refuse_endless([experiment], costs)
    history = simulate(world(experiment, costs))
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
    if output is not None:
        _check_picture(output, json=as_json, real=real)
    found = [met(beside, **values) for beside in dict.fromkeys((0, *threads))]
    if output is not None:
        return _show(found[-1].history, "", output=output, events=False, until=50_000, as_json=False)
    measured, stopped = None, ""
    if real:
        (interpreter,) = _interpreters(() if python is None else (python,))
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
    return _ended(stopped)


@command.command(short_help="Take the costs that predictions are made of from this machine.")
@_real
@click.option("-o", "--output", metavar="FILE", help="Save the costs, for --costs.")
@_json
def calibrate(output: str | None, as_json: bool, python: tuple[str, ...], **values: Any) -> int:
    """What a unit of work, a start and a request cost here, and how many cores there really are."""
    from scenarios.gil.calibrate import calibrate as calibrated
    from scenarios.gil.tables import calibration_table
    from simulator.render.files import check_writable, write_whole

    if output is not None:
        if len(python) > 1:
            raise click.UsageError("-o saves the costs of one Python: leave one --python")
        check_writable(output)
    found, stopped = _one_by_one(python, lambda interpreter: calibrated(interpreter, **values, progress=_progress()))
    if output is not None and not stopped:
        write_whole(output, json.dumps(found[0].costs.to_dict(), indent=2) + "\n")
    if as_json:
        _print_json([each.to_dict() for each in found])
    else:
        click.echo("\n\n".join(map(calibration_table, found)))
    code = _ended(stopped)
    if output is not None and stopped:
        # A file of fewer rounds would look like any other.
        _say(f"{output} was not written")
        return code or 2
    return code


@command.command(short_help="Time real threads, processes and requests.")
@_which
@_real
@_json
def measure(as_json: bool, python: tuple[str, ...], **values: Any) -> int:
    """Speed-ups on this machine: real threads, real processes, and a real server for the requests."""
    from scenarios.gil.measure import available_here
    from scenarios.gil.measure import measure as measured
    from scenarios.gil.tables import measurement_table

    wanted = _experiments(values)

    def one(interpreter: Interpreter) -> Measurement:
        possible, note = available_here(wanted, interpreter, asked_for=values["executor"])
        _say(note)
        return measured(possible, interpreter, **_timing(values), progress=_progress())

    found, stopped = _one_by_one(python, one)
    if as_json:
        _print_json([each.to_dict() for each in found])
    else:
        click.echo("\n\n".join(map(measurement_table, found)))
    return _ended(stopped)


@command.command(short_help="Hold the predictions against this machine.")
@_which
@_real
@click.option("--costs", "costs_file", metavar="FILE", help="Costs that were saved. [default: calibrated anew]")
@_json
def compare(as_json: bool, python: tuple[str, ...], costs_file: str | None, **values: Any) -> int:
    """Speed-ups predicted, measured, and as the article printed them; the error of each, and the mean."""
    from scenarios.gil.article import notes
    from scenarios.gil.compare import compare as compared
    from scenarios.gil.costs import load_costs
    from scenarios.gil.measure import available_here
    from scenarios.gil.tables import comparison_table

    costs = None if costs_file is None else load_costs(costs_file)
    wanted = _experiments(values)

    def one(interpreter: Interpreter) -> Comparison:
        possible, note = available_here(wanted, interpreter, asked_for=values["executor"])
        _say(note)
        return compared(possible, interpreter, costs=costs, **_timing(values), progress=_progress())

    found, stopped = _one_by_one(python, one)
    if as_json:
        _print_json({"comparisons": [each.to_dict() for each in found], "notes": list(notes())})
    else:
        click.echo("\n\n".join(map(comparison_table, found)))
        if any(row.printed for each in found for row in each.rows):
            import textwrap

            click.echo("\n" + "\n".join(textwrap.fill(note, 118) for note in notes()))
    return _ended(stopped)


# -- what they share


def _interpreters(names: tuple[str, ...]) -> list[Interpreter]:
    from simulator.real.interpreters import Interpreter, find

    return list(map(find, names)) if names else [Interpreter.current()]


def _one_by_one(names: tuple[str, ...], do: Callable[[Interpreter], _Stoppable]) -> tuple[list[_Stoppable], str]:
    """What is done on each Python, and why it ended early: with the first that did, or before the next had anything."""
    found: list[_Stoppable] = []
    for interpreter in _interpreters(names):
        try:
            found.append(do(interpreter))
        except KeyboardInterrupt:
            if not found:
                raise
            return found, "interrupted"
        if found[-1].stopped:
            return found, found[-1].stopped
    return found, ""


def _check_picture(output: str, **ignored: bool) -> None:
    """Before anything is done: whether a picture can be drawn into this file, and nothing else is asked for."""
    from simulator.errors import UsageError
    from simulator.render.files import check_writable

    for name, given in ignored.items():
        if given:
            raise UsageError(f"-o draws a picture: --{name} does not go with it")
    if not output.lower().endswith(".svg"):
        raise UsageError(f"cannot draw {output!r}: this picture is SVG; end the name in .svg")
    check_writable(output)


def _refuse_endless(wanted: list[Experiment], costs: Costs) -> None:
    """Before seconds are spent on it: what the machine would surely give up, for too much happens."""
    from scenarios.gil.experiments import Executor, Workload
    from scenarios.gil.machine import MAX_EVENTS
    from scenarios.gil.tasks import TIME_SLICE
    from scenarios.gil.timeline import duration
    from simulator.errors import LimitError

    for each in wanted:
        if each.workload is not Workload.CPU or each.executor is Executor.SINGLE or each.units == 1:
            continue
        work = each.units * costs.work
        if each.executor is Executor.THREADS and costs.gil:
            # To ask, to drop, to take, to wait for a core and for the GIL, to run.
            events = 6 * work // costs.switch_interval
        else:
            # To be preempted and to run; less where some end before others.
            events = 13 * work // (10 * TIME_SLICE) if each.units > costs.cores else 0
        if events > MAX_EVENTS:
            raise LimitError(
                f"more than {MAX_EVENTS:,} events: {each.units} by {each.executor.value} with {duration(costs.work)} of work "
                "each are switched too often; shorten --work or lengthen --switch-interval"
            )


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


def _ended(why: str) -> int:
    """The exit code, and a word on standard error where there is less than was asked for."""
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
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

    executors: list[str] = []
    for name in values["executor"] or EXECUTORS:
        executors += ("fork", "spawn") if name == PROCESSES else (name,)
    return list(
        experiments(
            map(Workload, values["workload"] or WORKLOADS), map(Executor, dict.fromkeys(executors)), values["units"]
        )
    )


def _taken(values: dict[str, Any]) -> Costs:
    """The costs that the options say: those of a file, or round figures, changed where an option says so."""
    from dataclasses import replace

    from scenarios.gil.costs import Costs, load_costs
    from scenarios.gil.timeline import duration
    from simulator.errors import UsageError

    costs = Costs() if values["costs_file"] is None else load_costs(values["costs_file"])
    names = ("work", "request", "thread_start", "fork_boot", "spawn_boot", "switch_interval", "gil")
    given = {name: values[name] for name in names if values[name] is not None}
    if given.get("request", costs.request) <= costs.request_cpu:
        raise UsageError(
            f"a --request of {duration(given['request'])} is too short: the {duration(costs.request_cpu)} that it computes "
            "have to fit in"
        )
    if values["cores"] is not None:
        given |= {"cores": values["cores"], "capacity": Fraction(values["cores"])}
    return replace(costs, **given)


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
