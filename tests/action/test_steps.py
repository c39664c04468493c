"""The steps of the action as its shells start them, with real runs that do not end by themselves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from runner_model import Runner

pytestmark = [pytest.mark.integration, pytest.mark.slow]
MAIN = Path(__file__).resolve().parents[2] / "action" / "main.py"
PATIENCE_S = 60.0  # only ever waited out by a failure
CONFIG = """
version: 1
gates:
  quick: {run: 'true'}
  slow: {run: [sh, -c, 'touch started; sleep 300'], needs: [quick]}
  owner: {tests: true}
"""
# Leaves a process behind that nothing is known of, and that writes for later steps as long as it lives.
OWNER = """
import os, sys, time

CODE = '''
import os, time
open("../pid", "w").write(str(os.getpid()))
while True:
    for name in ("step_summary", "output", "env"):
        print("OWNED=1", file=open(f"../{name}", "a"))
    time.sleep(0.02)
'''

def test_owner():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve(sys.executable, [sys.executable, "-S", "-c", CODE], {})
        os._exit(0)
    while not os.path.getsize("../env"):
        time.sleep(0.02)
"""


@dataclass
class Ended:
    code: int
    runner: Runner
    outputs: dict[str, str]
    report: Any
    summary: str


class Step:
    """One step in a folder of its own, as on a runner."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "batchgate.yaml").write_text(CONFIG)
        (self.project / "test_owner.py").write_text(OWNER)
        (folder / "reports").mkdir()
        runners = {
            f"GITHUB_{name}": folder / name.lower() for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")
        }
        for path in runners.values():
            path.touch()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environ = {
            **kept,
            **{name: str(path) for name, path in runners.items()},
            **{f"BATCHGATE_INPUT_{name.upper()}": value for name, value in inputs.items()},
            "GITHUB_ACTIONS": "true",
            "RUNNER_TEMP": str(folder / "temp"),
            "BATCHGATE_REPORT_DIR": str(folder / "reports"),
            "BATCHGATE_STATE_DIR": str(folder / "state"),
        }

    def start(self, step: str, python: str = sys.executable) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [python, "-I", str(MAIN), step],
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Ended:
        out, _ = process.communicate(timeout=PATIENCE_S)
        lines = (self.folder / "output").read_text().splitlines()
        outputs = {
            line.partition("<<")[0]: lines[place + 1] for place, line in enumerate(lines) if "<<" in line
        }
        report = self.folder / "reports" / "report.json"
        return Ended(
            process.returncode,
            Runner().read(out),
            outputs,
            json.loads(report.read_text()) if report.exists() else None,
            (self.folder / "step_summary").read_text(),
        )

    def wait_for(self, name: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while not (self.project / name).exists():
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.02)


def test_a_job_that_is_cancelled(tmp_path: Path) -> None:
    """The runner interrupts the step's process alone; the run still reports, and no process stays."""
    step = Step(tmp_path, gates="slow", pytest_args="-p no:hypothesispytest", fail_on="never")
    process = step.start("gates")
    step.wait_for("started")
    process.send_signal(signal.SIGINT)
    ended = step.end(process)
    assert (ended.code, ended.outputs["result"]) == (2, "cancelled")
    assert json.loads(ended.outputs["gates"]) == {"quick": "passed", "slow": "cancelled"}
    assert ended.report["verdict"] == "interrupted"
    assert ended.runner.stopped is None
    assert "Interrupted" in ended.summary


def test_a_run_whose_time_is_up(tmp_path: Path) -> None:
    step = Step(tmp_path, gates="slow", pytest_args="-p no:hypothesispytest", timeout="15s")
    ended = step.end(step.start("gates"))
    assert (ended.code, ended.outputs["result"]) == (2, "failure")
    assert ended.report["verdict"] == "interrupted"
    assert ended.runner.annotations[-1].data == "the input timeout is over: the gates were interrupted"


def test_a_run_that_cannot_begin_and_one_that_writes_for_later_steps(tmp_path: Path) -> None:
    step = Step(tmp_path, gates="nothing", pytest_args="-p no:hypothesispytest")
    ended = step.end(step.start("gates"))
    assert (ended.code, ended.outputs["result"], ended.outputs["gates"]) == (4, "failure", "{}")
    told = "pytest ended with exit code 4 (a usage or configuration error) before it could report"
    assert told in ended.summary
    assert ended.runner.annotations == []  # nobody knows whether the runner would take them: a later step's
    step.environ["BATCHGATE_TOLD"] = ended.outputs["told"]
    ended = step.end(step.start("tell"))
    assert [act.data for act in ended.runner.annotations] == [f"{told}; the log says why"]
    (tmp_path / "output").write_text("")
    step.environ["BATCHGATE_INPUT_GATES"] = "owner"
    ended = step.end(step.start("gates"))
    assert (ended.code, ended.outputs["result"]) == (0, "success")
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()
    assert "OWNED" not in "".join((tmp_path / name).read_text() for name in ("env", "output", "step_summary"))
    assert "Passed" in ended.summary
    (act,) = ended.runner.annotations
    assert act.data.startswith(
        "something wrote to GITHUB_ENV, GITHUB_OUTPUT, GITHUB_STEP_SUMMARY while the gates ran"
    )


def test_a_plan_knows_what_a_run_took_and_what_a_conftest_prints_does_nothing(
    tmp_path: Path,
) -> None:
    step = Step(tmp_path, pytest_args="-p no:hypothesispytest")
    (step.project / "batchgate.yaml").write_text("version: 1\ngates: {unit: {tests: true}}\n")
    (step.project / "test_owner.py").rename(step.project / "test_a.py").write_text("def test_a(): pass\n")
    assert step.end(step.start("gates")).outputs["result"] == "success"
    stays = "import subprocess; left = subprocess.Popen(['sleep', '300'], start_new_session=True)"
    told = "print('::error::x', '##[error]', sep='\\n'); open('left', 'w').write(str(left.pid))"
    (step.project / "conftest.py").write_text(f"{stays}\n{told}\n")
    (tmp_path / "output").write_text("")
    step.environ |= {"BATCHGATE_ACTION": "plan", "BATCHGATE_INPUT_SHARD": "2"}
    ended = step.end(step.start("plan"))
    assert (ended.code, ended.outputs["count"]) == (0, "2")
    shards = json.loads((tmp_path / "reports" / "shards.json").read_text())
    assert list(shards["files"]) == ["test_a.py"]
    assert (ended.runner.names(), ended.runner.stopped) == ([], None)
    assert "plan | ## [error]" in ended.runner.shown
    assert not Path(f"/proc/{(step.project / 'left').read_text()}").exists()
    step.environ["BATCHGATE_INPUT_SHARD"] = "2/4"
    (act,) = step.end(step.start("plan")).runner.annotations
    assert act.data == "the input shards is '2/4'; it may be a number, or empty"


def test_a_python_that_the_plugin_cannot_be_installed_to(tmp_path: Path) -> None:
    """Neither is a traceback, and an input that is wrong is told before anything is tried."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = str(tmp_path / "venv" / "bin" / "python")
    step = Step(tmp_path, install="never")
    step.environ["PATH"] = "/nowhere"  # there is no uv
    for name in ("pip", "pytest", "pytest_batchgate"):  # these are the repository's, and not to be run
        (step.project / f"{name}.py").write_text("__version__ = '1'; print('::error::x')\n")
    for inputs, told in (
        ({}, "and the input install is never"),
        ({"INSTALL": "auto"}, "has no pip, and there is no uv"),
        ({"TIMEOUT": "soon"}, "write it like 90s, 25m or 1h"),
    ):
        step.environ |= {f"BATCHGATE_INPUT_{name}": value for name, value in inputs.items()}
        ended = step.end(step.start("prepare", python))
        assert ended.code == 1
        (act,) = ended.runner.annotations
        assert told in act.data
