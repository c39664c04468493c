"""``python -m pytest_batchgate``: the same as ``batchgate``."""

from __future__ import annotations

from pytest_batchgate.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
