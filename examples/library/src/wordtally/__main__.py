"""``python -m wordtally [COUNT] < TEXT``."""

from __future__ import annotations

import sys

from wordtally.tally import most_common


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    for word, number in most_common(sys.stdin.read(), count):
        print(f"{number:6} {word}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
