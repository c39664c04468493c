"""What tests and commands leave running, by what their gates say of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Repo, leftovers

pytestmark = pytest.mark.integration

LEAKY = """
import os, pytest, subprocess, time

@pytest.fixture(scope="session", autouse=True)
def server():
    "Lives as long as the session, and is no leftover."
    process = subprocess.Popen(["sleep", "94"])
    yield
    process.kill()
    process.wait()

@pytest.mark.easy
def test_easy(): subprocess.Popen(["sleep", "98"], start_new_session=True)
@pytest.mark.careless
def test_careless(): subprocess.Popen(["sleep", "97"])
def test_strict(): subprocess.Popen(["sleep", "96"], start_new_session=True)
def test_clean(): pass
"""
CONFIG = """
gates:
  easy: {tests: easy}
  careless: {tests: careless, leaks: ignore}
  strict: {tests: true, leaks: fail}
  deploy: {run: PY tool.py note deployed, needs: [strict]}
"""
MARKERS = "[pytest]\nmarkers =\n    easy\n    careless\n    clean\n"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_gate_answers_for_what_its_tests_left(tmp_path: Path, workers: int) -> None:
    """By name of the test; what needs the gate does not run; others only hear of theirs."""
    repo = Repo(tmp_path, CONFIG, test_it=LEAKY)
    repo.write("pytest.ini", MARKERS)
    result = repo.run(f"--batch-workers={workers}")
    states = {"easy": "passed", "careless": "passed", "strict": "failed", "deploy": "skipped"}
    result.expect(1, states, test_strict="passed", test_clean="passed")
    flat = " ".join(result.out.split())
    assert "left processes behind: sleep 96 (pid" in flat
    assert "of test_it.py::test_strict" in flat
    assert "tests left processes behind, which have been ended: sleep 98 (pid" in flat
    assert "sleep 97" not in result.out
    assert "sleep 94" not in result.out
    assert "deployed" not in result.notes
    assert leftovers(tmp_path) == []


FORKED = """
import os, time
def test_fork():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(96)
        os._exit(0)
    os.wait()
"""


def test_a_fork_without_a_name_of_its_own_and_a_command(tmp_path: Path) -> None:
    """A fork shows the worker's environment; it can only be of a gate whose tests ran there."""
    config = """
    gates:
      unit: {tests: true, leaks: fail}
      left: {run: {shell: "sleep 93 &"}, leaks: fail}
      quiet: {run: {shell: "sleep 92 &"}, leaks: ignore}
    """
    repo = Repo(tmp_path, config, test_it=FORKED)
    result = repo.run("--batch-workers=2")
    result.expect(1, {"unit": "failed", "left": "failed", "quiet": "passed"}, test_fork="passed")
    assert "sleep 93" in result.out
    assert "sleep 92" not in result.out
    assert leftovers(tmp_path) == []


def test_a_gate_that_leaves_nothing_passes(tmp_path: Path) -> None:
    """The only cost is that it ends with its workers; a handler that hangs at exit is not waited for."""
    text = """
    import atexit, pytest, time
    @pytest.mark.parametrize("n", range(20))
    def test_it(n): pass
    def test_exit(): atexit.register(time.sleep, 99)
    """
    repo = Repo(tmp_path, "gates:\n  unit: {tests: true, leaks: fail}\n", test_it=text)
    repo.run("--batch-workers=2").expect(0, {"unit": "passed"})
    assert leftovers(tmp_path) == []
