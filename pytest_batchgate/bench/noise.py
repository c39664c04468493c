"""How much rounds of the same thing differ, and whether two things can be told apart by them.

A machine that does other work makes runs slower, now and then much slower, and never faster.  So
medians are compared, and a difference counts only where the rounds of both sides do not overlap.
For three rounds on each side that is the exact permutation test at 5 %: of the 20 ways in which
six equal runs can be shared out, one has the slowest three on the one side.  For two beside three, as
in turn where the first run does not count, it is one way of 10.
(E. J. G. Pitman, Significance tests which may be applied to samples from any populations, 1937.)
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal, TypeAlias

from pytest_batchgate.core.valuetypes import dataclass

Answer: TypeAlias = Literal["faster", "slower", "same", "unclear"]

QUIET = 0.10
"""A spread up to this is quiet: rounds that overlap then mean that there is no difference to speak of."""

_ENOUGH_FOR_QUARTILES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """The same measurement, repeated; at least one value, none negative."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def middle(self) -> tuple[float, float]:
        """From the least to the greatest; from five rounds on, from the first to the third quartile."""
        if len(self.values) < _ENOUGH_FOR_QUARTILES:
            return min(self.values), max(self.values)
        first, _, third = statistics.quantiles(self.values, n=4, method="inclusive")
        return first, third

    @property
    def spread(self) -> float:
        """How wide the middle is, as a share of the median; 0 for one round, and where all took no time."""
        low, high = self.middle
        return (high - low) / self.median if self.median > 0 else 0.0


def rounds(values: Sequence[float]) -> Rounds:
    return Rounds(values=tuple(values))


def compared(one: Rounds, other: Rounds, *, quiet: float = QUIET) -> Answer:
    """What ``one`` is beside ``other``: faster or slower where they do not overlap at all.

    Where they overlap: the same if both are quiet (a spread up to ``quiet``), else nobody can tell.
    """
    (low, high), (other_low, other_high) = one.middle, other.middle
    if high < other_low:
        return "faster"
    if low > other_high:
        return "slower"
    return "same" if max(one.spread, other.spread) <= quiet else "unclear"
