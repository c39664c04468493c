"""Tests that hang in ways that nothing inside of their process can end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from kit import Repo, leftovers

pytestmark = pytest.mark.integration

# Each would last for minutes at least.
HANGS = """
import ctypes, os, re, signal, subprocess, sys, time, pytest

def test_gil():
    assert re.match(r"(a|aa)+$", "a" * 60 + "b")

def test_stopped():
    os.kill(os.getpid(), signal.SIGSTOP)

def test_deaf():
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        try:
            time.sleep(99)
        except BaseException:
            pass

def test_elsewhere():
    "It waits for a child in a session of its own, which has another one."
    code = "import subprocess as s; s.run(['setsid', '--wait', 'sleep', '97'])"
    subprocess.run([sys.executable, "-c", code], start_new_session=True)

@pytest.fixture
def slow_to_go():
    yield
    time.sleep(99)

def test_teardown(slow_to_go): pass
"""
GOOD = "import pytest\n@pytest.mark.parametrize('n', range(8))\ndef test_good(n): pass\n"
WAYS = ("gil", "stopped", "deaf", "elsewhere", "teardown")


@pytest.mark.slow
def test_whatever_hangs_is_ended_and_the_others_go_on(tmp_path: Path) -> None:
    """Each fails with the reason; its worker is replaced without being charged for it."""
    config = "max-worker-restarts: 0\ngates:\n  unit: {tests: true, test-timeout: 1500ms, grace: 200ms}\n"
    repo = Repo(tmp_path, config, test_hangs=HANGS, test_a=GOOD, test_z=GOOD)
    began = time.monotonic()
    result = repo.run("--batch-workers=2", "-p", "no:timeout")
    assert time.monotonic() - began < 45, result.out
    result.expect(1, {"unit": "failed"}, **{f"test_{way}": "failed" for way in WAYS})
    for way in WAYS:
        assert "timed out after 1.5 s (test-timeout)" in result.texts[f"test_{way}"]
    assert list(result.tests.values()).count("passed") == 16
    assert leftovers(tmp_path) == []


MARKED = """
import pytest, time

@pytest.mark.timeout(0.5)
def test_marked(): time.sleep(99)
def test_by_ini(): time.sleep(99)
@pytest.mark.timeout(timeout=0)
def test_free(): time.sleep(1.6)
"""


FROZEN = """
import os, time
if "PYTEST_XDIST_WORKER" in os.environ:
    time.time = time.monotonic = lambda: 0.0
"""


def test_ini_value_and_marker_are_honoured_without_pytest_timeout(tmp_path: Path) -> None:
    """`--strict-markers` and `--strict-config` know them; a clock that stands still changes nothing."""
    repo = Repo(tmp_path, "gates:\n  unit: {tests: true}\n", test_it=MARKED, conftest=FROZEN)
    repo.write("pytest.ini", "[pytest]\ntimeout = 1.1\naddopts = --strict-markers --strict-config\n")
    result = repo.run("-p", "batchgate", "--batch-workers=1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    result.expect(1, {"unit": "failed"}, test_marked="failed", test_by_ini="failed", test_free="passed")
    assert "timed out after 0.5 s (timeout)" in result.texts["test_marked"]
    assert "timed out after 1.1 s (timeout)" in result.texts["test_by_ini"]
    repo.write("pytest.ini", "[pytest]\ntimeout = soon\n")
    refused = repo.run("-p", "batchgate", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1").expect(4)
    assert "timeout: 'soon' is no number of seconds" in refused.out
