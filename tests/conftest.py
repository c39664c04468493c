"""Marks the variations that a submission leaves to the nightly run."""

from __future__ import annotations

from pathlib import Path

import pytest

_LISTED = Path(__file__).with_name("thorough.txt").read_text(encoding="utf-8").splitlines()
THOROUGH = frozenset(line for line in _LISTED if not line.startswith("#"))


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.nodeid in THOROUGH or item.nodeid.partition("[")[0] in THOROUGH:
        item.add_marker("thorough")
