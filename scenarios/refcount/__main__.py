"""The command line of the reference counts, `python -m scenarios.refcount`: prints what is computed elsewhere."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial

from scenarios.command_line import Parser, Partial, ended
from scenarios.refcount.compare import WORKLOADS, bugs, protected, protections, unprotected
from scenarios.refcount.real import demonstration
from scenarios.refcount.sharing import Sharing
from scenarios.refcount.works import WORKS
from simulator.errors import UsageError, nearest


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was asked for; the exit code is 0, 2 for bad input, or 130 after Ctrl-C."""
    return ended(lambda: _printed(arguments))


def _printed(arguments: Sequence[str] | None) -> int:
    parser = Parser(
        prog="python -m scenarios.refcount",
        description="Reference counts: how many interleavings go wrong, and what each protection proves; every one covered.",
        epilog="work: " + "; ".join(f"{name}: {work.said.rstrip('.')}" for name, work in WORKS.items()) + ".",
    )
    parser.add_argument("--work", metavar="TEXT", help="one table: this work under each protection, such as drop,copy")
    parser.add_argument("--objects", type=int, metavar="N", help="with --work: how many objects (default: 1)")
    parser.add_argument("--bugs", action="store_true", help="mistakes in biased counting, each found")
    parser.add_argument("--real", action="store_true", help="what sys.getrefcount says on this Python, and why")
    parser.add_argument(
        "--python", action="append", metavar="PATH", help="with --real: on this Python instead; can be repeated"
    )
    tables = _asked(parser.parse_args(arguments))
    for number, made in enumerate(tables):
        try:
            print(f"\n{made()}" if number else made(), flush=True)
        except KeyboardInterrupt:
            if not number:
                raise
            raise Partial(f"{number} of {len(tables)} tables") from None
    return 0


def _asked(options: argparse.Namespace) -> Sequence[Callable[[], str]]:
    """What there is to print, made one after the other."""
    chosen = [name for name in ("work", "bugs", "real") if getattr(options, name) not in (None, False)]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} are two questions; ask one at a time")
    if options.python and not options.real:
        raise UsageError("--python is about real counts: add --real")
    if options.objects is not None and options.work is None:
        raise UsageError("--objects goes with --work")
    if options.real:
        return [partial(demonstration, options.python or [])]
    if options.bugs:
        return [bugs]
    if options.work is not None:
        objects = 1 if options.objects is None else options.objects
        if not 1 <= objects <= 4:
            raise UsageError(f"objects is {objects}, expected a whole number, 1 to 4")
        works = tuple(name.strip() for name in options.work.split(","))
        for work in works:
            if work not in WORKS:
                raise UsageError(f"there is no work {work!r}{nearest(work, WORKS)}")
        if not 2 <= len(works) <= 4:
            raise UsageError(f"--work names {len(works)}, expected one for each of 2 to 4 threads, with commas")
        return [partial(protections, Sharing(works, tuple("abcd"[:objects])))]
    return [partial(unprotected, WORKLOADS), partial(protected, WORKLOADS)]


if __name__ == "__main__":
    sys.exit(main())
