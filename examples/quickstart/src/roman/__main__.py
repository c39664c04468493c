"""``python -m roman NUMBER...``."""

from __future__ import annotations

import sys

from roman import to_roman


def main() -> int:
    try:
        print(" ".join(to_roman(int(word)) for word in sys.argv[1:]))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
