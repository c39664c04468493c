"""Receipts."""

from __future__ import annotations

import os

from orders import TAX_PERCENT, Order


def receipt(order: Order) -> str:
    """What a customer gets, three lines."""
    name = os.environ.get("SHOP_NAME", "A Shop")
    return (
        f"{name}: {order.count} x {order.article}, {order.net}\n"
        f"tax {TAX_PERCENT} %: {order.tax}\n"
        f"total: {order.total}"
    )
