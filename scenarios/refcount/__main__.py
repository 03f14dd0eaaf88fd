"""The command line of the reference counts, `python -m scenarios.refcount`: prints what is computed elsewhere."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scenarios.refcount.compare import WORKLOADS, bugs, protected, protections, unprotected
from scenarios.refcount.real import demonstration
from scenarios.refcount.sharing import Sharing
from scenarios.refcount.works import WORKS
from simulator.errors import SimulatorError, UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was asked for; the exit code is 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(
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
    options = parser.parse_args(arguments)
    try:
        print(_asked(options))
    except SimulatorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _asked(options: argparse.Namespace) -> str:
    chosen = [name for name in ("work", "bugs", "real") if getattr(options, name)]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} are two questions; ask one at a time")
    if options.python and not options.real:
        raise UsageError("--python is about real counts: add --real")
    if options.objects is not None and not options.work:
        raise UsageError("--objects goes with --work")
    if options.real:
        return demonstration(options.python or [])
    if options.bugs:
        return bugs()
    if options.work:
        objects = 1 if options.objects is None else options.objects
        if not 1 <= objects <= 4:
            raise UsageError(f"objects is {objects}, expected a whole number, 1 to 4")
        works = tuple(name.strip() for name in options.work.split(","))
        if not 2 <= len(works) <= 4:
            raise UsageError(f"--work names {len(works)}, expected one for each of 2 to 4 threads, with commas")
        return protections(Sharing(works, tuple("abcd"[:objects])))
    return "\n\n".join([unprotected(WORKLOADS), protected(WORKLOADS)])


if __name__ == "__main__":
    sys.exit(main())
