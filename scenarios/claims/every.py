"""All claims, in the article's order."""

from __future__ import annotations

from scenarios.claims import banks, counters, references, work
from scenarios.claims.claim import Claim

__all__ = ["CLAIMS"]

CLAIMS: tuple[Claim, ...] = (
    *references.CLAIMS,
    *counters.CLAIMS[:2],
    *banks.CLAIMS,
    *counters.CLAIMS[2:],
    *work.CLAIMS,
)
