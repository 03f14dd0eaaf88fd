"""`simulator completion`."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the completion script of a shell; for bash: eval "$(simulator completion bash)"."""
    from click.shell_completion import get_completion_class

    from simulator.cli import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(cli, {}, "simulator", "_SIMULATOR_COMPLETE").source())
    return 0
