"""Orders and their tax.  The rate comes from the environment, when this module is imported."""

from __future__ import annotations

import os
from dataclasses import dataclass

from money import Money

TAX_PERCENT = int(os.environ["TAX_PERCENT"])


@dataclass(frozen=True)
class Order:
    article: str
    price: Money
    count: int

    @property
    def net(self) -> Money:
        return self.price.times(self.count)

    @property
    def tax(self) -> Money:
        return self.net.percent(TAX_PERCENT)

    @property
    def total(self) -> Money:
        return self.net + self.tax
