"""Amounts of money, exact to the cent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Money:
    """``cents`` may be negative."""

    cents: int

    def __add__(self, other: Money) -> Money:
        return Money(self.cents + other.cents)

    def times(self, count: int) -> Money:
        return Money(self.cents * count)

    def percent(self, rate: int) -> Money:
        """The part, rounded half up to a cent."""
        return Money((self.cents * rate + 50) // 100)

    def __str__(self) -> str:
        sign = "-" if self.cents < 0 else ""
        whole, rest = divmod(abs(self.cents), 100)
        return f"{sign}{whole}.{rest:02}"
