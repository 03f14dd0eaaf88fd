"""The command line. Only this package prints, and only it decides exit codes: 0 clean, 1 findings, 2 bad input, 130
Ctrl-C.

Each command is a module of its own, imported when it is called, so that `--help` answers at once. Other packages add
theirs by an entry point in the group `simulator.commands`, which names a click command. `--help` has to load that
command for its summary, so its module should import what is heavy only when called.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from types import GeneratorType
from typing import Any

import click

from simulator.errors import InternalError, SimulatorError, UsageError, by_interrupt

__all__ = ["cli", "main"]

COMMANDS = {
    "list": "The registered scenarios and their options.",
    "explore": "Find what is wrong with a scenario, with the shortest witnesses.",
    "enumerate": "Print every interleaving, one line each, with its outcome.",
    "count": "Count interleavings and traces by outcome, exactly.",
    "replay": "Show one interleaving step by step.",
    "graph": "Draw the wait-for, lock-order, state or happens-before graph.",
    "crosscheck": "Hold the model against real threads.",
    "record": "Write one run down, of real threads or of the model.",
    "analyze": "Find what is wrong in a run that was written down.",
    "completion": "Print the shell completion script for bash, zsh or fish.",
}

GROUP = "simulator.commands"
"""The entry point group under which other packages register commands. They cannot take the name of one of ours."""

INTERRUPTED = 130
BAD_INPUT = 2
OUR_FAULT = 70

_LIMITS = re.compile(r"\b(max)_(interleavings|steps|states)\b")


class _Interrupted(Exception):
    """Ctrl-C in a command that has nothing to show for it."""


class _ReaderLeft(Exception):
    """The reader of our output has enough, as `| head` has: nothing more can be written."""


class _Commands(click.Group):
    """Commands by name, imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *_others()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            entry = _others().get(cmd_name)
            return None if entry is None else _loaded(entry)
        module = importlib.import_module(f"simulator.cli.{cmd_name}_command")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            if args[0] not in known:
                from simulator.errors import nearest

                raise click.UsageError(f"there is no command {args[0]!r}{nearest(args[0], known)}")
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **settings: Any) -> click.Context:
        try:
            return super().make_context(*args, **settings)
        except BrokenPipeError:
            raise _ReaderLeft from None

    def invoke(self, ctx: click.Context) -> Any:
        # Left to click, Ctrl-C would print an empty line and a broken pipe would exit with 1, the code for findings.
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _Interrupted from None
        except BrokenPipeError:
            raise _ReaderLeft from None
        except Exception as error:
            if by_interrupt(error):
                raise _Interrupted from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items(), *((name, _summary(entry)) for name, entry in _others().items())])


def _others() -> dict[str, EntryPoint]:
    """The commands of other packages, by name."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    return {name: found[name] for name in sorted(found) if name not in COMMANDS}


def _loaded(entry: EntryPoint) -> click.Command:
    try:
        command = entry.load()
    except Exception as error:
        raise UsageError(
            f"the command {entry.name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(command, click.Command):
        raise UsageError(f"the command {entry.name!r} ({entry.value}) is not a click command but {command!r:.60}")
    return command


def _summary(entry: EntryPoint) -> str:
    try:
        return _loaded(entry).get_short_help_str(limit=100)
    except UsageError:
        return f"Cannot be loaded: 'simulator {entry.name}' says why."


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(package_name="interleaving-simulator", prog_name="simulator")
def cli() -> None:
    """A deterministic concurrency simulator.

    Threads are generators that yield operations; every interleaving can be had. SCENARIO is a registered name (see
    'simulator list'), module:attribute, or path/to/file.py:attribute, where the attribute is a Program, a function that
    returns one, or a scenario; or litmus text, which has '||' between the threads: 'R x; W x || R x; W x'. A scenario's
    parameters become options: see 'simulator explore counter --help'.

    Exit codes: 0 nothing found, 1 findings, 2 bad input, 70 a bug in the simulator, 130 interrupted.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit. Bad input is one line on standard error and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign gets a '?', not a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        with _stubborn_bodies_let_go():
            code = cli.main(args=arguments, prog_name="simulator", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = BAD_INPUT
    except click.ClickException as error:
        code = _refuse(error.format_message())
    except InternalError as error:
        click.echo(f"simulator: {error}", err=True)
        code = OUR_FAULT
    except SimulatorError as error:
        code = _refuse(str(error))
    except (_Interrupted, click.Abort, KeyboardInterrupt):
        click.echo("simulator: interrupted; there is nothing to show yet", err=True)
        code = INTERRUPTED
    except (_ReaderLeft, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        code = _refuse(f"cannot write the output: {error.strerror or error}")
    except Exception as error:
        import traceback

        traceback.print_exc()
        click.echo(f"simulator: {type(error).__name__}: this is a bug in the simulator, please report it", err=True)
        code = OUR_FAULT
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _stubborn_bodies_let_go() -> Iterator[None]:
    """Without a word of bodies left in the middle that will not be closed: nobody asked them to end."""
    before = sys.unraisablehook

    def hook(what: sys.UnraisableHookArgs) -> None:
        # Which object it was stands in the message alone from 3.14 on.
        is_body = isinstance(what.object, GeneratorType) or "while closing generator" in (what.err_msg or "")
        if not (is_body and str(what.exc_value) == "generator ignored GeneratorExit"):
            before(what)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _refuse(message: str) -> int:
    """Say in one line what is wrong; the library's names of limits become the options that set them."""
    said = _LIMITS.sub(r"--\1-\2", " ".join(message.split()))
    click.echo(f"simulator: {said}", err=True)
    return BAD_INPUT
