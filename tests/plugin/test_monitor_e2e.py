"""`batchgate monitor` and `batchgate logs` beside real runs: as they go on, once they are over or killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from plugin_kit import PATIENCE_S, clean_environment
from pty_kit import Pty

from pytest_batchgate.cli import main

pytestmark = [pytest.mark.integration, pytest.mark.slow]

# The command goes on until there is a file of its name.
CONFIG = """\
version: 1
workers: 2
gates:
  lint:
    run:
      shell: |
        printf 'one\\n::warning::x \\033[31mred\\n'
        until test -e go; do sleep 0.05; done
        echo last
  unit: {tests: true}
  docs: {run: "echo never", needs: [unit]}
"""
TESTS = """\
def test_passes():
    pass

def test_fails():
    print("said so")
    assert 1 == 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.joinpath("batchgate.yaml").write_text(CONFIG)
    tmp_path.joinpath("test_a.py").write_text(TESTS)
    return tmp_path


@pytest.fixture
def started(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The run, once its tests are over."""
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:hypothesispytest",
        "-p",
        "no:pytest_cov",
        "--batch-gates",
    ]
    process = subprocess.Popen(
        argv, cwd=folder, env=clean_environment(None), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    record = folder / ".pytest_cache" / "batchgate" / "runs"
    until(lambda: any('"docs","kind"' in path.read_text() for path in record.glob("*.jsonl")))
    yield process
    process.kill()
    process.wait()


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.05)


def batchgate(folder: Path, *args: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest_batchgate", *args],
        cwd=folder,
        env=clean_environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_run_is_followed_to_its_end(
    folder: Path, started: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(*args: str) -> tuple[int, str, str]:
        code = main([*args, "--rootdir", str(folder)])
        told = capsys.readouterr()
        return code, told.out, told.err

    code, out, _ = asked("monitor", "--json")
    told: Any = json.loads(out)
    assert (code, told["state"], told["pid"], told["verdict"]) == (0, "running", started.pid, None)
    gates = {gate["name"]: gate for gate in told["gates"]}
    assert {name: gate["state"] for name, gate in gates.items()} == {
        "lint": "running", "unit": "failed", "docs": "skipped"
    }  # fmt: skip
    assert gates["lint"]["rss_bytes"] > 0
    assert gates["unit"]["counts"] == {"passed": 1, "failed": 1}
    assert gates["unit"]["cpu_s"] > 0
    assert gates["unit"]["peak_rss_bytes"] > 1_000_000
    assert [(failure["nodeid"], failure["gate"]) for failure in told["failures"]] == [
        ("test_a.py::test_fails", "unit")
    ]

    monitor, logs = batchgate(folder, "monitor"), batchgate(folder, "logs", "--follow", GITHUB_ACTIONS="true")
    assert monitor.stdout is not None
    assert logs.stdout is not None
    while "test_fails failed" not in monitor.stdout.readline():
        pass
    head = [logs.stdout.readline() for _ in range(2)]
    assert head == ["lint | one\n", "lint | : :warning::x \x1b[31mred\n"]
    (folder / "go").touch()
    assert started.wait(PATIENCE_S) == 1
    out, _ = monitor.communicate(timeout=PATIENCE_S)
    assert monitor.returncode == 1
    assert out.endswith("failed (exit code 1): unit failed, docs skipped\n")
    out, _ = logs.communicate(timeout=PATIENCE_S)
    assert logs.returncode == 0
    assert "lint | last\n" in out

    # of a run that is over
    assert asked("logs", "lint", "--filter", "^(one|last)$") == (0, "one\nlast\n", "")
    code, out, _ = asked("logs", "unit")
    assert out.startswith("test_a.py::test_fails failed: assert 1 == 2\n")
    assert "    said so\n" in out
    code, out, _ = asked("monitor", "--json", "--run", told["run_id"][:12])
    assert (json.loads(out)["state"], json.loads(out)["exit_code"]) == ("finished", 1)
    code, out, _ = asked("monitor")
    assert (code, out.splitlines()[-1]) == (1, "failed (exit code 1): unit failed, docs skipped")
    for args, words in [
        (("logs", "lnt"), "the run has no gate 'lnt'. Did you mean 'lint'?"),
        (("logs", "--filter", "("), "--filter: '(' is no regular expression"),
        (("monitor", "--run", "zz"), "--run: there is no run 'zz'. Known are: "),
    ]:
        code, out, error = asked(*args)
        assert (code, out) == (4, "")
        assert words in error


def test_a_run_that_is_killed_is_not_waited_for(folder: Path, started: subprocess.Popen[bytes]) -> None:
    """On a terminal: the tree while it runs, and how it was left."""
    terminal = Pty(100, 20)
    try:
        monitor = subprocess.Popen(
            [sys.executable, "-m", "pytest_batchgate", "monitor"],
            cwd=folder,
            env={**clean_environment({"TERM": "xterm-256color"})},
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        )
        terminal._close_slave()
        terminal.until(lambda: "test_fails: assert 1 == 2" in terminal.text)
        assert "● lint  running" in terminal.text
        started.kill()
        assert terminal.ended(monitor) == 1
        assert f"process {started.pid} is gone" in terminal.text
        assert "● lint" not in terminal.text
    finally:
        terminal.close()


def test_without_a_run_there_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("monitor", "logs"):
        assert main([command, "--rootdir", str(tmp_path)]) == 4
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith(f"batchgate {command}: error: no run is recorded in ")
        assert told.err.count("\n") == 1
