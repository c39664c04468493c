"""Amounts are exact, and shown with two digits."""

from __future__ import annotations

import pytest

from money import Money


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "0.00"), (5, "0.05"), (1234, "12.34"), (-5, "-0.05")]
)
def test_shown(cents: int, text: str) -> None:
    assert str(Money(cents)) == text


def test_sums_and_multiples() -> None:
    assert Money(120).times(3) + Money(40) == Money(400)


@pytest.mark.parametrize(("cents", "rate", "part"), [(100, 19, 19), (50, 7, 4), (49, 1, 0)])
def test_a_part_is_rounded(cents: int, rate: int, part: int) -> None:
    assert Money(cents).percent(rate) == Money(part)
