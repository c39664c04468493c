"""Every promise of docs/reliability.md names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (?!fault)(?!-)(.+) \| (.+) \| (.+) \|$",
    (ROOT / "docs" / "reliability.md").read_text(),
    re.MULTILINE,
)


@pytest.mark.parametrize(("fault", "shown_by"), [(fault, shown_by) for fault, _, shown_by in ROWS])
def test_what_is_promised_is_shown(fault: str, shown_by: str) -> None:
    names = re.findall(r"`([^`]+)`", shown_by)
    assert names, f"{fault}: no test shows it"
    for name in names:
        path, _, function = name.partition("::")
        assert f"\ndef {function}(" in (ROOT / path).read_text(), f"{name} is not there"


def test_no_row_is_overlooked() -> None:
    tables = (ROOT / "docs" / "reliability.md").read_text().count("| fault |")
    assert len(ROWS) > 50
    assert tables == 8
