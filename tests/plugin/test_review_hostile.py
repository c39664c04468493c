"""What tests and command lines do to the process they run in, and must not cost a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from kit import PATIENCE_S, SPARED, Repo

pytestmark = pytest.mark.integration

ONE_GATE = "gates:\n  unit: {tests: true}\n"


def test_clocks_that_stay_patched(tmp_path: Path) -> None:
    """A module's fixture replaces functions of `time`: we look at our own clocks all the while."""
    text = """
    import pytest, time
    from unittest import mock

    @pytest.fixture(scope="session", autouse=True)
    def frozen():
        names = ("time", "perf_counter", "monotonic")
        patches = [mock.patch(f"time.{name}", return_value=None) for name in names]
        for patch in patches:
            patch.start()
        yield
        for patch in patches:
            patch.stop()
    """
    repo = Repo(tmp_path, ONE_GATE)
    repo.write("conftest.py", text)
    for name in "abc":
        repo.write(
            f"test_{name}.py", "import time\ndef test_1(): pass\ndef test_2(): assert time.time() is None\n"
        )
    result = repo.run("--batch-workers=1").expect(0, {"unit": "passed"})
    assert len(result.tests) == 6


def test_without_the_capture_plugin(tmp_path: Path) -> None:
    """`-p no:capture` is pytest's own way to switch capturing off: output comes as with `-s`."""
    repo = Repo(tmp_path, ONE_GATE, test_a="def test_a(): print('heard')\n")
    result = repo.run("-p", "no:capture", "--batch-workers=1").expect(0, {"unit": "passed"}, test_a="passed")
    assert "[gw0] heard" in result.out


def test_marker_arguments_of_other_shapes(tmp_path: Path) -> None:
    """`needs` that is no list is an error of that test alone; `name` may be given by its keyword."""
    text = """
    import os, pytest
    @pytest.mark.gate("unit", needs=5)
    def test_number(): pass
    @pytest.mark.gate("unit", needs=None)
    def test_none(): pass
    @pytest.mark.gate(name="other")
    def test_keyword(): assert os.environ["BATCHGATE_GATE"] == "other"
    @pytest.mark.serial(name="db")
    def test_serial(): pass
    """
    repo = Repo(tmp_path, "gates:\n  unit: {tests: true}\n  other: {tests: nothing}\n")
    repo.write("test_a.py", text)
    result = repo.run("--batch-workers=1").expect(
        1, test_number="error", test_none="passed", test_keyword="passed", test_serial="passed"
    )
    assert "needs must be a list of gates, not 5" in result.texts["test_number"]


def test_without_standard_streams(tmp_path: Path) -> None:
    """Plain pytest ends with a traceback; a run of gates needs nowhere to write to."""
    repo = Repo(tmp_path, ONE_GATE, test_a="def test_a(): print('unheard')\ndef test_b(): assert 0\n")
    words = [
        sys.executable,
        "-m",
        "pytest",
        *SPARED,
        "--batch-gates",
        "--batch-workers=1",
        "--junitxml=j.xml",
    ]
    code = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words],
        cwd=tmp_path,
        env=repo.environment({}),
        timeout=PATIENCE_S,
        check=False,
    ).returncode
    assert code == 1
    report = (tmp_path / "j.xml").read_text()
    assert report.count("<testcase ") == 2
    assert report.count("<failure ") == 1
