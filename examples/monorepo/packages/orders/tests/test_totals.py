"""Net, tax and total, at the rate that the gate sets."""

from __future__ import annotations

import os

from money import Money
from orders import TAX_PERCENT, Order


def test_the_rate_is_the_gates() -> None:
    assert TAX_PERCENT == 19


def test_total() -> None:
    order = Order("book", Money(1000), 2)
    assert (order.net, order.tax, order.total) == (Money(2000), Money(380), Money(2380))


def test_what_other_gates_see_is_not_seen_here() -> None:
    assert "SHOP_NAME" not in os.environ
