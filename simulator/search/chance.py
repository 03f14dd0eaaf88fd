"""Choices out of a stream of random numbers.

A sampler is handed a `Draw`: a function that gives numbers in [0, 1), as the `random` of a `random.Random(seed)` does, the
one sequence that Python promises to keep between versions. Nothing here makes randomness, and nothing keeps any.

A choice among a few is `int(draw() * few)`: its bias is below few / 2**53, which no sample can show. Where the numbers to
choose among are large, `below` has no bias at all.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Draw", "below"]

Draw = Callable[[], float]
CHUNK = 32
"""Bits taken from one number of the stream, of the 53 that it has."""


def below(bound: int, draw: Draw) -> int:
    """An integer from 0 to `bound` - 1, each exactly equally likely, however large `bound` is (it is at least 1).

    As many random bits as `bound` - 1 has, in chunks; a number that is too large is thrown away, so this takes less
    than two tries on average.

    >>> import random
    >>> below(10**30, random.Random(1).random)
    170326914885099790612843707428
    """
    bits = (bound - 1).bit_length()
    while True:
        number = 0
        left = bits
        while left > 0:
            chunk = min(left, CHUNK)
            number = (number << chunk) + int(draw() * (1 << chunk))
            left -= chunk
        if number < bound:
            return number
