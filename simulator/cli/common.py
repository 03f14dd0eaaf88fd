"""What the commands share: a scenario as an argument whose parameters become options, budgets, progress, output."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TextIO

import click

from simulator.errors import UsageError
from simulator.litmus import is_litmus
from simulator.loading import Loaded, load, registered
from simulator.program import Program
from simulator.scenario import Parameter
from simulator.search.budget import Budget
from simulator.source.granularity import GRANULARITIES

__all__ = [
    "POSITIVE",
    "SECONDS",
    "Command",
    "Expected",
    "Output",
    "ScenarioCommand",
    "budget_options",
    "expected",
    "is_terminal",
    "json_option",
    "loaded_program",
    "progress",
]


class _Reference(click.ParamType[str]):
    """The SCENARIO argument; completes the registered names."""

    name = "scenario"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        from click.shell_completion import CompletionItem

        if is_litmus(incomplete):
            return []
        names = [CompletionItem(name) for name in registered() if name.startswith(incomplete)]
        return names or [CompletionItem(incomplete, type="file")]


_STDOUT = "simulator.stdout"


def theirs() -> contextlib.redirect_stdout[TextIO]:
    """While a user's code may run: what it prints goes to standard error, for standard output is for results alone."""
    return contextlib.redirect_stdout(sys.stderr)


@contextmanager
def _all_digits() -> Iterator[None]:
    """Counts may have more digits than Python prints by itself. What was typed has been read by then, and is not that long."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


class Command(click.Command):
    """A command whose results alone go to standard output."""

    def invoke(self, ctx: click.Context) -> Any:
        ctx.meta[_STDOUT] = sys.stdout
        with theirs(), _all_digits():
            return super().invoke(ctx)


class ScenarioCommand(Command):
    """A command whose first argument is a scenario, and which has that scenario's parameters as options."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params.insert(0, click.Argument(["reference"], metavar="SCENARIO", type=_Reference()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        reference = self._first_argument(ctx, args)
        if reference is not None:
            try:
                with theirs():
                    ctx.meta["simulator.loaded"] = load(reference)
            except UsageError:
                if not ctx.resilient_parsing:
                    raise
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if reference is not None and is_litmus(reference):
                raise click.UsageError(f"{error.format_message()} (litmus text has no options of its own)") from None
            raise

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        loaded: Loaded | None = ctx.meta.get("simulator.loaded")
        if loaded is None:
            return own
        options = [_option(parameter) for parameter in loaded.parameters]
        if loaded.has_plain:
            own = [*own, *_plain_options(loaded)]
        taken = {name for parameter in own for name in parameter.opts}
        for option in options:
            if taken.intersection(option.opts):
                raise UsageError(
                    f"parameter {option.name!r} of {loaded.name} has the name of one of the simulator's own options; rename it"
                )
        return [*own, *options]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        loaded: Loaded | None = ctx.meta.get("simulator.loaded")
        if loaded is not None and loaded.description:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(f"{loaded.name}: {loaded.description}")
        elif loaded is None:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(
                    "SCENARIO is a name from 'simulator list', litmus text with '||' between the threads, such as "
                    "'R x; W x || R x; W x', module:attribute, or path/to/file.py:attribute."
                )

    def _first_argument(self, ctx: click.Context, args: Sequence[str]) -> str | None:
        """The scenario among the arguments.

        A word right after an option that is not ours may be its value or the scenario (`--threads 3 counter`,
        `--lock counter`): it is taken for the scenario only when no other word can be that.
        """
        own = [parameter for parameter in super().get_params(ctx) if isinstance(parameter, click.Option)]
        with_value = {name for parameter in own if not parameter.is_flag for name in parameter.opts}
        known = {name for parameter in own for name in (*parameter.opts, *parameter.secondary_opts)} | {"-h", "--help"}
        words: list[str] = []
        perhaps: list[str] = []
        before = ""
        for place, word in enumerate(args):
            if word == "--":
                words.extend(args[place + 1 :])
                break
            option = word.startswith("-") and len(word) > 1
            if not option and before not in with_value:
                (perhaps if before and before not in known else words).append(word)
            # `--option=value` takes no further word.
            before = word if option and "=" not in word else ""
        names = registered() if perhaps else ()
        for word in (*words, *perhaps):
            if word in names or ":" in word or is_litmus(word):
                return word
        return next(iter((*words, *perhaps)), None)


class _Value(click.ParamType[Any]):
    """What a scenario's parameter may be. The parameter itself decides; this reads it from text."""

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter
        self.name = {int: "number", float: "number"}.get(parameter.kind, "text")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        kind = self._parameter.kind
        with contextlib.suppress(ValueError):
            value = kind(value)
        try:
            if value != value:  # not a number, which is outside every range
                value = str(value)
            return self._parameter.checked(value)
        except UsageError as error:
            said = str(error).removeprefix(f"{self._parameter.name} is ")
            self.fail(said if len(said) <= 200 else f"{said[:40]}… {said[-100:]}", param, ctx)


def _option(parameter: Parameter) -> click.Option:
    name = parameter.name.replace("_", "-")
    if parameter.kind is bool:
        return click.Option(
            [f"--{name}/--no-{name}", parameter.name], default=parameter.default, help=parameter.help, show_default=True
        )
    kind: click.ParamType[Any] = click.Choice(parameter.choices) if parameter.choices else _Value(parameter)
    about = f"{_shown_bounds(parameter)}default: {parameter.default}"
    shown = f"{parameter.help} [{about}]" if parameter.help else f"[{about}]"
    return click.Option([f"--{name}", parameter.name], type=kind, default=parameter.default, help=shown)


def _plain_options(loaded: Loaded) -> list[click.Parameter]:
    """What can be said of plain code."""
    otherwise = "operations" if loaded.is_plain else "the scenario's own bodies"
    return [
        click.Option(
            ["--granularity"],
            type=click.Choice(list(GRANULARITIES)),
            metavar="NAME",
            help="Explore the plain Python version, where threads may be switched: at all operations; as in free-threaded "
            "CPython; as in cpython-3.9 (and before), cpython-3.10, cpython-3.11, cpython-3.12 (and 3.13), cpython-3.14 (and "
            "later). "
            f"[default: {otherwise}]",
        ),
        click.Option(
            ["--strict"],
            is_flag=True,
            help="Refuse plain code that is not looked into, instead of taking it as one step.",
        ),
    ]


def _shown_bounds(parameter: Parameter) -> str:
    """What a number may be, for help texts; empty where there is no bound."""
    bounds = parameter.bounds
    return f"{bounds}; " if bounds.low is not None or bounds.high is not None else ""


def loaded_program(values: dict[str, Any]) -> tuple[Loaded, dict[str, Any]]:
    """The scenario of the running command, and the values of its own parameters out of all the command's values."""
    loaded: Loaded = click.get_current_context().meta["simulator.loaded"]
    granularity, strict = values.pop("granularity", None), values.pop("strict", False)
    if strict and granularity is None and not loaded.is_plain:
        raise UsageError("--strict is about plain code: choose a --granularity")
    loaded = loaded.at(granularity, strict=strict)
    return loaded, {parameter.name: values[parameter.name] for parameter in loaded.parameters}


class _Positive(click.ParamType[int]):
    """A whole number above 0 that may be written 1_000_000 or 1e6."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value) if "e" not in str(value).lower() else _whole(float(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a whole number", param, ctx)
        if number <= 0:
            self.fail(f"{value} is not above 0", param, ctx)
        return number


def _whole(number: float) -> int:
    if not number.is_integer():
        raise ValueError
    return int(number)


class _Seconds(click.ParamType[float]):
    """A time above 0."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        if not seconds > 0:
            self.fail(f"{value} is not above 0", param, ctx)
        return seconds


POSITIVE = _Positive()
SECONDS = _Seconds()
_LIMITS = {
    "max_interleavings": "Stop after this many interleavings.",
    "max_steps": "Cut each interleaving after this many steps.",
    "max_states": "Stop after this many states.",
}


def budget_options(**defaults: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the options for these limits, each with what is said of its default, and `--timeout`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        function = click.option(
            "--timeout",
            type=SECONDS,
            help="Stop after this many seconds; looked at between steps, so a body that never yields is not stopped. "
            "[default: none]",
        )(function)
        for name, default in reversed(defaults.items()):
            said = f"{_LIMITS[name]} [default: {default}]"
            function = click.option(f"--{name.replace('_', '-')}", name, type=POSITIVE, help=said)(function)
        return function

    return decorate


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead (documented in docs/json.md).")(
        function
    )


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at it. A closed stream is None."""
    return stream is not None and stream.isatty()


class Output:
    """Where results go: standard output, with colour and the terminal's width when it is one, plain when piped."""

    def __init__(self) -> None:
        import os
        import shutil

        self._stream: TextIO | None = click.get_current_context().meta[_STDOUT]
        self.terminal = is_terminal(self._stream)

        self.colour = self.terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.width: int | None = shutil.get_terminal_size().columns if self.terminal else None

    def text(self, text: str) -> None:
        """Print text."""
        # Where nothing can be written, click would look for another standard output.
        if self._stream is not None:
            click.echo(text, file=self._stream, color=self.colour)

    def json(self, value: object) -> None:
        """Print a value as JSON, in a fixed order."""
        self.text(json.dumps(value, indent=2, ensure_ascii=False))


class Expected(NamedTuple):
    """How much there is to do, as far as that is known before: exactly, or as an estimate."""

    total: int | None = None
    exact: bool = True


_EXPECTED_STATES = 20_000


def expected(program: Program, scheduler: str | None, budget: Budget) -> Expected:
    """How many runs a scheduler has before it: counted where that is quick, else estimated from random walks."""
    from simulator.census import count
    from simulator.errors import LimitError
    from simulator.schedulers import Options, Scheduler, estimates
    from simulator.traces import count_traces

    if budget.max_interleavings is not None:
        return Expected(budget.max_interleavings)
    if scheduler not in ("naive", "dpor"):
        return Expected()
    try:
        if scheduler == "naive":
            counted = count(program, max_steps=budget.max_steps, max_states=_EXPECTED_STATES)
            return Expected(counted.interleavings)
        return Expected(count_traces(program, max_steps=budget.max_steps, max_states=_EXPECTED_STATES).traces)
    except LimitError:
        from simulator.machine import Machine

        sampled = Options(Scheduler.RANDOM, Budget(max_steps=budget.max_steps)).filled_in()
        interleavings, traces = estimates(Machine(program), sampled)
        return Expected(round((interleavings if scheduler == "naive" else traces).mean) or None, exact=False)


@contextmanager
def progress(what: str, budget: Budget, *, total: Expected = Expected()) -> Iterator[Budget]:  # noqa: B008
    """The budget with a progress line on standard error, when that is a terminal: how much is done, rate, time to go."""
    if not is_terminal(sys.stderr):
        yield budget
        return
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    began = time.monotonic()
    limit = total.total if total.total is not None and total.total < 10**15 else None
    columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.fields[done]}")]
    if limit is not None:
        columns.append(TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as line:
        task = line.add_task(what, total=limit, done="")

        def show(done: int) -> None:
            spent = max(time.monotonic() - began, 1e-9)
            of = "" if limit is None else f" of {limit:,}" if total.exact else f" of about {limit:,}"
            line.update(task, completed=done, done=f"{done:,}{of}, {done / spent:,.0f}/s")

        yield replace(budget, progress=show)


@contextmanager
def whole() -> Iterator[None]:
    """Something that Ctrl-C does not cut in two: it is raised afterwards. A second Ctrl-C is raised at once."""
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt
