"""What the commands share: a scenario as an argument whose parameters become options, budgets, progress, output."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from simulator.errors import UsageError
from simulator.loading import Loaded, load, registered
from simulator.scenario import Parameter
from simulator.search.budget import Budget

__all__ = ["Output", "ScenarioCommand", "budget_options", "json_option", "loaded_program", "progress"]


class _Reference(click.ParamType[str]):
    """The SCENARIO argument; completes the registered names."""

    name = "scenario"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name) for name in registered() if name.startswith(incomplete)]
        return names or [CompletionItem(incomplete, type="file")]


class ScenarioCommand(click.Command):
    """A command whose first argument is a scenario, and which has that scenario's parameters as options."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params.insert(0, click.Argument(["reference"], metavar="SCENARIO", type=_Reference()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        reference = self._first_argument(ctx, args)
        if reference is not None:
            try:
                ctx.meta["simulator.loaded"] = load(reference)
            except UsageError:
                if not ctx.resilient_parsing:
                    raise
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        loaded: Loaded | None = ctx.meta.get("simulator.loaded")
        if loaded is None:
            return own
        taken = {name for parameter in own for name in parameter.opts}
        options = [_option(parameter) for parameter in loaded.parameters]
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

    def _first_argument(self, ctx: click.Context, args: Sequence[str]) -> str | None:
        """The scenario among the arguments. Options of the scenario itself have to come after it."""
        with_value = {
            name
            for parameter in super().get_params(ctx)
            if isinstance(parameter, click.Option) and not parameter.is_flag
            for name in parameter.opts
        }
        skip = False
        for place, word in enumerate(args):
            if skip:
                skip = False
            elif word == "--":
                return args[place + 1] if place + 1 < len(args) else None
            elif word.startswith("-") and len(word) > 1:
                skip = word in with_value
            else:
                return word
        return None


def _option(parameter: Parameter) -> click.Option:
    name = parameter.name.replace("_", "-")
    kind: Any = parameter.kind
    if parameter.kind is bool:
        return click.Option(
            [f"--{name}/--no-{name}", parameter.name], default=parameter.default, help=parameter.help, show_default=True
        )
    low, high = parameter.bounds.low, parameter.bounds.high
    if parameter.choices:
        kind = click.Choice(parameter.choices)
    elif parameter.kind is int and (low is not None or high is not None):
        kind = click.IntRange(low, high)
    elif parameter.kind is float and (low is not None or high is not None):
        kind = click.FloatRange(low, high)
    shown = f"{parameter.help} [default: {parameter.default}]" if parameter.help else None
    return click.Option([f"--{name}", parameter.name], type=kind, default=parameter.default, help=shown)


def loaded_program(values: dict[str, Any]) -> tuple[Loaded, dict[str, Any]]:
    """The scenario of the running command, and the values of its own parameters out of all the command's values."""
    loaded: Loaded = click.get_current_context().meta["simulator.loaded"]
    return loaded, {parameter.name: values[parameter.name] for parameter in loaded.parameters}


class _Positive(click.ParamType[int]):
    """A whole number above 0 that may be written 1_000_000 or 1e6."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value) if "e" not in str(value).lower() else int(float(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a whole number", param, ctx)
        if number <= 0:
            self.fail(f"{value} is not above 0", param, ctx)
        return number


POSITIVE = _Positive()
_LIMITS = {
    "max_interleavings": "Stop after this many interleavings.",
    "max_steps": "Cut each interleaving after this many steps.",
    "max_states": "Stop after this many states.",
}


def budget_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the options for these limits, and `--timeout`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        function = click.option(
            "--timeout", type=click.FloatRange(min=0, min_open=True), help="Stop after this many seconds."
        )(function)
        for name in reversed(names):
            function = click.option(f"--{name.replace('_', '-')}", name, type=POSITIVE, help=_LIMITS[name])(function)
        return function

    return decorate


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead (documented in docs/json.md).")(
        function
    )


class Output:
    """Where results go: standard output, with colour and the terminal's width when it is one, plain when piped."""

    def __init__(self) -> None:
        terminal = sys.stdout.isatty()
        import os
        import shutil

        self.colour = terminal and "NO_COLOR" not in os.environ
        self.width: int | None = shutil.get_terminal_size().columns if terminal else None

    def text(self, text: str) -> None:
        """Print text."""
        click.echo(text, color=self.colour)

    def json(self, value: object) -> None:
        """Print a value as JSON, in a fixed order."""
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))


@contextmanager
def progress(what: str, budget: Budget, *, total: int | None = None) -> Iterator[Budget]:
    """The budget with a progress line on standard error, when that is a terminal: how much is done, rate, time to go."""
    if not sys.stderr.isatty():
        yield budget
        return
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    began = time.monotonic()
    limit = total if total is not None and total < 10**15 else None
    columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.fields[done]}")]
    if limit is not None:
        columns.append(TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as line:
        task = line.add_task(what, total=limit, done="")

        def show(done: int) -> None:
            spent = max(time.monotonic() - began, 1e-9)
            of = f" of {limit:,}" if limit is not None else ""
            line.update(task, completed=done, done=f"{done:,}{of}, {done / spent:,.0f}/s")

        yield replace(budget, progress=show)
