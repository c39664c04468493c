"""`--batch-resume`, for real: runs that were killed or failed, and are continued."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plugin_kit import PATIENCE_S, Repo, clean_environment

pytestmark = pytest.mark.integration

GATES = """\
version: 1
gates:
  lint: {run: {shell: "echo lint >> $MARKS"}}
  first: {paths: [test_done.py]}
  unit: {paths: [test_half.py], needs: [lint]}
  last: {paths: [test_last.py], needs: [unit]}
"""
MARKING = """\
import os, pytest, time

def mark(name):
    with open(os.environ["MARKS"], "a") as file:
        file.write(f"{name}\\n")

"""
DONE = """\
def test_done(): mark("done")
@pytest.mark.skip(reason="not today")
def test_skipped(): pass
"""
HALF = """\
@pytest.mark.parametrize("number", range(5))
def test_half(number):
    mark(f"half {number}")
    time.sleep(600 if number == 3 and "HANG" in os.environ else 0)
"""
LAST = """\
def test_last(): mark("last")
"""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def known_outcomes(repo: Repo) -> int:
    """How many results the run has written down."""
    path = repo.root / ".pytest_cache" / "batchgate" / "last-run.jsonl"
    lines = [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    return sum(len(line.get("results", ())) for line in lines if isinstance(line, dict))


def test_a_killed_run_is_continued(repo: Repo, tmp_path: Path) -> None:
    """Nothing good runs twice, reports are whole, and other content is refused before anything runs."""
    repo.write("batchgate.yaml", GATES)
    repo.files(test_done=MARKING + DONE, test_half=MARKING + HALF, test_last=MARKING + LAST)
    marks = tmp_path / "marks"
    env = {"MARKS": str(marks)}
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "--batch-gates", "--batch-workers=2", *repo.always],
        cwd=repo.root,
        env=clean_environment({**env, "HANG": "1"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_for(lambda: marks.exists() and "half 3\n" in marks.read_text() and known_outcomes(repo) == 5)
        finally:
            os.kill(process.pid, signal.SIGKILL)

    done = Counter(marks.read_text().splitlines())
    half = (repo.root / "test_half.py").read_text(encoding="utf-8")
    before = (repo.root / "test_half.py").stat()
    repo.write("test_half.py", half + "# changed\n")
    refused = repo.gates("--batch-resume", env=env)
    assert refused.code == 4, refused
    assert "--batch-resume: the last run was of other content: test_half.py has changed" in refused.err
    assert Counter(marks.read_text().splitlines()) == done, "nothing ran"
    repo.write("test_half.py", half)
    os.utime(repo.root / "test_half.py", ns=(before.st_atime_ns, before.st_mtime_ns))

    ran = repo.gates("--batch-resume", "--batch-report-dir=../reports", env=env)
    assert ran.code == 0, ran
    assert "5 tests and 1 command carried" in ran.out, ran
    assert "3 passed in" in ran.out, ran
    again = Counter(marks.read_text().splitlines()) - done
    assert again == Counter(["half 3", "half 4", "last"]), ran
    found = json.loads((repo.root.parent / "reports" / "report.json").read_text(encoding="utf-8"))
    assert {gate["name"]: gate["state"] for gate in found["gates"]} == {
        "lint": "carried",
        "first": "carried",
        "unit": "passed",
        "last": "passed",
    }
    outcomes = {test["nodeid"]: (test["outcome"], test["worker"] is None) for test in found["tests"]}
    assert outcomes == {
        "test_done.py::test_done": ("passed", True),
        "test_done.py::test_skipped": ("skipped", True),
        **{f"test_half.py::test_half[{number}]": ("passed", number < 3) for number in range(5)},
        "test_last.py::test_last": ("passed", False),
    }
    (unit,) = (gate for gate in found["gates"] if gate["name"] == "unit")
    assert (unit["counts"]["passed"], unit["reason"]) == (5, "3 of 5 tests carried")
    junit = (repo.root.parent / "reports" / "junit.xml").read_text(encoding="utf-8")
    assert junit.count("<testcase ") == 9
    assert junit.count("[[PROPERTY|carried=true]]") == 5
    told = (repo.root.parent / "reports" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum(json.loads(line)["event"] == "TestsWereCarried" for line in told) == 2


def test_what_failed_runs_again_until_there_is_nothing_to_do(repo: Repo, tmp_path: Path) -> None:
    """What the run left behind does not count as other content; other arguments are another run."""
    repo.write(
        "batchgate.yaml", "version: 1\ngates:\n  unit: {tests: true}\n  after: {run: 'true', needs: [unit]}\n"
    )
    text = """
def test_good(): mark("good")
def test_bad():
    mark("bad")
    open("left.txt", "w").close()
    assert "GOOD" in os.environ
"""
    repo.files(test_a=MARKING + text)
    marks = tmp_path / "marks"
    env: dict[str, str] = {"MARKS": str(marks)}
    none = repo.gates("--batch-resume", env=env)
    assert (none.code, none.err.strip()) == (
        4,
        "ERROR: --batch-resume: there is no run to continue. Run without it",
    )
    assert repo.gates(env=env).code == 1
    narrower = repo.gates("--batch-resume", "-k", "good", env=env)
    assert narrower.code == 4, narrower
    assert "had another configuration: -k is good, was nothing" in narrower.err
    second = repo.gates("--batch-resume", env={**env, "GOOD": "1"})
    assert second.code == 0, second
    assert "taken for what the last run left behind: left.txt" in second.out, second
    assert states(second) == {"unit": "passed", "after": "passed"}
    third = repo.gates("--batch-resume", env=env)
    assert third.code == 0, third
    assert states(third) == {"unit": "carried", "after": "carried"}
    assert Counter(marks.read_text().splitlines()) == {"good": 1, "bad": 2}


def states(ran: Any) -> dict[str, str]:
    """By the closing table."""
    table = ran.out.partition("\ngate ")[2].split("\n\n")[0].splitlines()[1:]
    return {line.split()[0]: line.split()[1] for line in table}
