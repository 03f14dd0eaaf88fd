"""How many ways lead from each node of a finite acyclic graph to an end: counted backwards, each node once.

It knows neither states nor threads: a node is an integer, and `expand` says what comes after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulator.errors import EndlessError, LimitError
from simulator.search.budget import Budget, without_collecting

__all__ = ["END", "MAX_STATES", "ways_to_an_end"]

END = -1
"""The node after which nothing comes; one way leads from it to an end: none."""
MAX_STATES = 2_000_000
LOOK_UP = 4_096


def ways_to_an_end(
    root: int, expand: Callable[[int], Sequence[int]], *, max_states: int, budget: Budget | None = None
) -> dict[int, int]:
    """For each node that `root` leads to, the number of paths from it to `END`, exactly.

    A node that leads nowhere has none. A node twice among those that `expand` gives counts twice. Raises EndlessError
    when a node can be reached again from itself, and LimitError when there are more than `max_states` nodes or the
    time of the budget is up.

    >>> ways_to_an_end(3, lambda node: [node - 1, 0] if node else [END], max_states=10)
    {-1: 1, 0: 1, 1: 2, 2: 3, 3: 4}
    """
    budget = budget or Budget()
    deadline = budget.deadline()
    ways = {END: 1}
    path: dict[int, Sequence[int]] = {}
    """The nodes from the root to here, each with what comes after it."""
    stack = [root]
    with without_collecting():
        while stack:
            node = stack[-1]
            after = path.get(node)
            if after is not None:
                stack.pop()
                del path[node]
                ways[node] = sum([ways[following] for following in after])
            elif node in ways:
                stack.pop()
            else:
                if len(ways) + len(path) > max_states:
                    raise LimitError(
                        f"counting the ways to the end needs more than {max_states:,} states (max_states): make the "
                        "program smaller, raise the limit, or choose another scheduler"
                    )
                if (len(ways) + len(path)) % LOOK_UP == 0 and budget.late(deadline, len(ways)):
                    raise LimitError("counting the ways to the end was not done when the time was up (timeout)")
                path[node] = after = expand(node)
                for following in after:
                    if following in path:
                        raise EndlessError(
                            "the program can run for ever, so its runs cannot be counted; give max_steps to cut each one there"
                        )
                    if following not in ways:
                        stack.append(following)
    return ways
