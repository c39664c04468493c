"""Tests that fork and come back, and what they do to the descriptors of their worker."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from kit import Repo, leftovers

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CONFIG = "gates:\n  unit: {tests: true}\n"
FORKS = """
import os, pytest

def fork():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return child

fork()  # while the file is imported

@pytest.fixture
def forked():
    yield fork()

def test_before(): pass
def test_comes_back(): fork()
def test_fails_in_the_child(): assert fork()
def test_exits_in_the_child():
    if not fork(): raise SystemExit(3)
def test_in_a_fixture(forked): pass
def test_after(): pass
"""
GARBAGE = """
import contextlib, os, struct

def test_writes_into_all():
    frame = struct.pack("!bii", 4, 1, 0x7F000000)
    for number in range(3, 256):
        for data in (b"garbage" * 9, frame, bytes(20)):
            with contextlib.suppress(OSError):
                os.write(number, data)
def test_after_garbage(): pass
"""
USED_UP = """
import os
kept = []
def test_uses_all_up():
    try:
        while True:
            kept.append(os.open("/dev/null", 0))
    except OSError:
        pass
def test_after_use(): pass
"""
CLOSED = """
import os
def test_before_closing(): pass
def test_closes_all(): os.closerange(0, 4096)
"""


def test_no_test_is_told_twice_or_lost(tmp_path: Path) -> None:
    """Forked children end where they come back; garbage is passed over; a deaf worker is replaced."""
    repo = Repo(tmp_path, CONFIG, test_a=FORKS, test_b=GARBAGE, test_c=USED_UP, test_d="def test_d(): pass\n")
    repo.write("test_e.py", CLOSED)
    with tempfile.TemporaryDirectory() as folder:
        result = repo.run("--batch-workers=1", TMPDIR=folder)
        assert not list(Path(folder).glob("batchgate*"))
    result.expect(1, {"unit": "failed"}, test_closes_all="failed", test_before_closing="passed")
    assert list(result.tests.values()).count("passed") == len(result.tests) - 1 == 12
    assert "while running test_e.py::test_closes_all" in result.texts["test_closes_all"]
    assert "no descriptor is left after test_c.py::test_uses_all_up" in result.out
    assert leftovers(tmp_path) == []
