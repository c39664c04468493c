"""``python -m shop COUNT ARTICLE CENTS``."""

from __future__ import annotations

import sys

from money import Money
from orders import Order
from shop import receipt


def main() -> int:
    count, article, cents = sys.argv[1:]
    print(receipt(Order(article, Money(int(cents)), int(count))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
