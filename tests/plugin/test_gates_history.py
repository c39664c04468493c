"""What one run learns from another, and what happens when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Repo

from pytest_batchgate.store.history import History

pytestmark = pytest.mark.integration

CONFIG = "gates:\n  lint: {run: PY -c pass}\n  unit: {tests: true}\n"


def test_the_second_run_begins_with_what_took_longest(tmp_path: Path) -> None:
    """One worker, so that the order of the files is the order of the notes."""
    text = "import time, tool\ndef test_it():\n    tool.note('{0}')\n    time.sleep({1})\n"
    repo = Repo(tmp_path, CONFIG, test_a=text.format("a", 0), test_b=text.format("b", 0))
    repo.write("test_c.py", text.format("c", 0.3))
    repo.write("test_d.py", text.format("d", 0.1))
    assert repo.run("--batch-workers=1").expect(0).notes == ["a", "b", "c", "d"]
    assert repo.run("--batch-workers=1").expect(0).notes[:2] == ["c", "d"]
    estimates = History.open(tmp_path / ".pytest_cache" / "batchgate").estimates()
    assert estimates.files["test_c.py"] > estimates.files["test_d.py"] > estimates.files["test_a.py"]
    assert estimates.work["unit"] >= 0.4
    assert estimates.tests == {"unit": 4}
    assert set(estimates.commands) == {"lint"}


def test_a_damaged_history(tmp_path: Path) -> None:
    """Set aside, with one note; the run goes on and writes a new one."""
    repo = Repo(tmp_path, CONFIG, test_a="def test_a(): pass")
    place = tmp_path / ".pytest_cache" / "batchgate"
    place.mkdir(parents=True)
    (place / "history.sqlite3").write_bytes(b"garbage" * 1000)
    result = repo.run("--batch-workers=1").expect(0, {"lint": "passed", "unit": "passed"})
    assert result.out.count("was damaged") == 1
    assert "note: The history" in result.out
    assert "was damaged" not in repo.run("--batch-workers=1").expect(0).out
    assert History.open(place).estimates().tests == {"unit": 1}


def test_without_the_cache_plugin(tmp_path: Path) -> None:
    """Nothing is read, nothing is written, logs of failures are still shown."""
    config = (
        "gates:\n  bad: {run: [PY, -c, \"print('words'); raise SystemExit(1)\"]}\n  unit: {tests: true}\n"
    )
    repo = Repo(tmp_path, config, test_a="def test_a(): pass")
    result = repo.run("--batch-workers=2", "-p", "no:cacheprovider")
    result.expect(1, {"bad": "failed", "unit": "passed"})
    assert "bad | words" in result.out
    assert not (tmp_path / ".pytest_cache").exists()
