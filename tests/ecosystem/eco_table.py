"""docs/compatibility.md names the versions that are installed here, and each plugin that needs all tests."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from pytest_batchgate.plugin.whole import PLUGINS

pytestmark = pytest.mark.integration

TEXT = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")
ROWS = {match[1].lower(): match[0] for match in re.finditer(r"^\| ([\w-]+) .*$", TEXT, re.MULTILINE) if match}
PINS = re.findall(
    r"^([\w-]+)==", (Path(__file__).parent / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
)
ELSEWHERE = {"pytest", "django"}  # named in the text, and in the row of pytest-django
# The table has the versions for Python 3.11 and later; 3.10 has older ones of these.
OLDER = {"hypothesis", "pytest-randomly", "syrupy"}


def test_the_table_names_what_was_tried() -> None:
    for name in dict.fromkeys(pin.lower() for pin in PINS):
        if sys.version_info < (3, 11) and name in OLDER:
            continue
        where = TEXT if name in ELSEWHERE else ROWS[name]
        assert version(name) in where, name


def test_the_text_names_each_plugin_that_needs_all() -> None:
    for name in PLUGINS:
        row = ROWS.get(name)
        assert "| whole |" in row if row is not None else name in TEXT.partition("## Others")[2], name
