"""Bank workloads: who has how much, and who pays whom. Knows nothing of locks, and runs nothing."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from simulator.strategies.limits import Limits, limits

__all__ = ["Workload", "workloads"]

Transfer = tuple[int, int, int]
"""Source account, target account, amount."""


class Workload(NamedTuple):
    """What each account holds, and transfers to be made at the same time, as (source, target, amount)."""

    balances: dict[int, int]
    transfers: tuple[Transfer, ...]


def workloads(
    *,
    accounts: Limits = (2, 4),
    transfers: Limits = (1, 3),
    amounts: Limits = (1, 20),
    balances: Limits = (10, 100),
) -> SearchStrategy[Workload]:
    """Transfers between the accounts 1, 2, …, none of them from an account to itself.

    Each argument is a number or (least, most): how many accounts and transfers, how much a transfer moves, and what an
    account holds at first. As they stand, a source may not have enough. Opposite transfers are frequent. Shrinks to the
    fewest accounts and transfers, the smallest sums, and account 1 paying account 2. Raises UsageError for limits that
    leave nothing to draw.

    >>> from hypothesis import find
    >>> find(workloads(), lambda workload: True)
    Workload(balances={1: 10, 2: 10}, transfers=((1, 2, 1),))
    """
    return _workloads(
        limits(accounts, "accounts", least=2),
        limits(transfers, "transfers", least=1),
        st.integers(*limits(amounts, "amounts", least=0)),
        st.integers(*limits(balances, "balances", least=0)),
    )


@st.composite
def _workloads(
    draw: st.DrawFn,
    accounts: tuple[int, int],
    transfers: tuple[int, int],
    amounts: SearchStrategy[int],
    balances: SearchStrategy[int],
) -> Workload:
    number = draw(st.integers(*accounts))
    # Two accounts are one number, and who pays is another: opposite transfers share a number, and shrink together. The third
    # way is that of the transfer before, back: among many accounts it would hardly ever be drawn.
    pairs = [(smaller, larger) for larger in range(2, number + 1) for smaller in range(1, larger)]
    move = st.tuples(st.integers(0, len(pairs) - 1), st.integers(0, 2), amounts)
    moves: list[Transfer] = []
    for pair, way, amount in draw(st.lists(move, min_size=transfers[0], max_size=transfers[1])):
        smaller, larger = pairs[pair]
        if way == 2 and moves:
            target, source, _ = moves[-1]
        else:
            source, target = (larger, smaller) if way else (smaller, larger)
        moves.append((source, target, amount))
    return Workload({account: draw(balances) for account in range(1, number + 1)}, tuple(moves))
