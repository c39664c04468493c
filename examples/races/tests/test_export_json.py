"""Writes the same file as test_export_csv.py."""

import json
import time
from pathlib import Path

EXPORT = Path(__file__).parents[1] / "export.tmp"


def test_export_as_json():
    EXPORT.write_text('{"name": "price"}')
    time.sleep(0.3)  # an exporter at work
    assert json.loads(EXPORT.read_text()) == {"name": "price"}
