"""The receipt, at the rate and under the name that the gate sets."""

from __future__ import annotations

from money import Money
from orders import Order
from shop import receipt


def test_receipt() -> None:
    assert receipt(Order("pen", Money(120), 2)).splitlines() == [
        "The Corner Shop: 2 x pen, 2.40",
        "tax 7 %: 0.17",
        "total: 2.57",
    ]
