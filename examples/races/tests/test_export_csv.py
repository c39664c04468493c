"""Writes the same file as test_export_json.py."""

import time
from pathlib import Path

EXPORT = Path(__file__).parents[1] / "export.tmp"


def test_export_as_csv():
    EXPORT.write_text("name,price\n")
    time.sleep(0.3)  # an exporter at work
    assert EXPORT.read_text() == "name,price\n"
