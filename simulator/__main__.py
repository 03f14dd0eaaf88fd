"""`simulator`, and `python -m simulator`: the command line, begun so that Ctrl-C ends it in one line from the start.

Imports nothing at its top: importing is most of what a short command takes.
"""

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit."""
    try:
        from simulator.cli import main as run
    except BaseException as error:
        from simulator.errors import by_interrupt

        if not by_interrupt(error):
            raise
        import sys

        print("simulator: interrupted; there is nothing to show yet", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
