"""`memory-limit` with real allocations, in commands and in tests, and in what these start."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from kit import Repo, leftovers

pytestmark = [pytest.mark.integration, pytest.mark.slow]

# Pages that are only zeros would not be resident.
HOLDS = "import sys, time; held = b'x' * (int(sys.argv[1]) << 20); time.sleep(97)"
TESTS = """
import pathlib, subprocess, sys, time, tool

def test_before(): pass
def test_own():
    held = b"x" * (260 << 20)
    time.sleep(97)
def test_of_a_child():
    script = pathlib.Path(__file__).with_name("holds.py")
    subprocess.run([sys.executable, str(script), "260"], start_new_session=True)
def test_within():
    held = b"x" * (60 << 20)
    time.sleep(0.5)
def test_after(): pass
"""
CONFIG = """
max-worker-restarts: 0
gates:
  one: {run: PY holds.py 260, memory-limit: 200MiB}
  two: {run: {shell: "PY holds.py 120 & exec setsid --wait PY holds.py 120"}, memory-limit: 200MiB, grace: 1s}
  brief: {run: PY -c "held = b'x' * (260 << 20)", memory-limit: 200MiB}
  less: {run: PY -c "held = b'x' * (60 << 20)", memory-limit: 200MiB}
  unit: {tests: true, memory-limit: 200MiB}
"""


def test_what_uses_more_than_it_may_is_ended(tmp_path: Path) -> None:
    """The gate fails, or the test that ran; others go on, and the worker's restart is not charged."""
    repo = Repo(tmp_path, CONFIG, test_it=TESTS, holds=HOLDS)
    began = time.monotonic()
    result = repo.run("--batch-workers=2")
    assert time.monotonic() - began < 45, result.out
    states = {"one": "failed", "two": "failed", "brief": "failed", "less": "passed", "unit": "failed"}
    passed = dict.fromkeys(("test_before", "test_within", "test_after"), "passed")
    result.expect(1, states, test_own="failed", test_of_a_child="failed", **passed)
    for name in ("test_own", "test_of_a_child"):
        assert "memory: " in result.texts[name]
        assert "limit 200 MiB" in result.texts[name]
    for name in ("one", "two", "brief"):
        assert re.search(rf"\] {name} +failed .*: memory: \d+ MiB used, limit 200 MiB", result.out), (
            result.out
        )
    assert "2 of 5 tests failed (memory: " in result.out
    assert leftovers(tmp_path) == []
