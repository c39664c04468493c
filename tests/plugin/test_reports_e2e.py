"""`--batch-report-dir` in real runs: every report, whole whatever happens, and told when it is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from plugin_kit import PATIENCE_S, Repo, clean_environment

from pytest_batchgate.errors import OptionError
from pytest_batchgate.plugin.reporting import FILES, ready_folder
from pytest_batchgate.report.jsonreport import SCHEMA_PATH

pytestmark = pytest.mark.integration

GATES = """\
version: 1
gates:
  lint: {run: {shell: "echo 'src/a.py:3:1: F401 unused'; exit 1"}, parser: flake8, required: false}
  unit: {tests: "not slow"}
  slow: {tests: slow, needs: [unit]}
"""
TESTS = """\
import pytest

def test_ok(): pass

def test_fails(record_property):
    record_property("ticket", "BG-7")
    print("printed <this>")
    assert "left" == "right"

@pytest.mark.skip(reason="not today")
def test_skips(): pass

@pytest.mark.xfail(reason="a bug of theirs")
def test_xfails(): assert 0

@pytest.fixture
def broken():
    yield
    raise OSError("the fixture")

def test_errors(broken): pass

@pytest.mark.slow
def test_slow(): pass
"""


def cases(path: Path) -> dict[str, ET.Element]:
    return {case.attrib["name"]: case for case in ET.parse(path).getroot().iter("testcase")}


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_report_of_a_run(repo: Repo) -> None:
    """The folder is made where it is missing, relative to the working directory."""
    repo.write("batchgate.yaml", GATES)
    repo.write("pytest.ini", "[pytest]\nmarkers = slow\n")
    repo.files(test_a=TESTS)
    (repo.root / "sub").mkdir()
    ran = repo.gates("..", "--batch-report-dir=made/here", cwd="sub")
    assert ran.code == 1, ran
    folder = repo.root / "sub" / "made" / "here"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)

    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, json.loads(SCHEMA_PATH.read_text(encoding="utf-8")))
    assert (report["verdict"], report["exit_code"], report["workers"]) == ("failed", 1, 2)
    outcomes = {test["nodeid"].rpartition("::")[2]: test["outcome"] for test in report["tests"]}
    assert outcomes == {
        "test_ok": "passed",
        "test_fails": "failed",
        "test_skips": "skipped",
        "test_xfails": "xfailed",
        "test_errors": "error",
        "test_slow": "skipped",
    }
    states = {gate["name"]: gate["state"] for gate in report["gates"]}
    assert states == {"lint": "failed", "unit": "failed", "slow": "skipped"}

    found = cases(folder / "junit.xml")
    failure = found["test_fails"].find("failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("AssertionError: assert 'left' == 'right'")
    assert "test_a.py:8: AssertionError" in (failure.text or "")
    said = found["test_fails"].findtext("system-out") or ""
    assert "[[PROPERTY|ticket=BG-7]]" in said
    assert "printed <this>" in said
    assert "[[PROPERTY|file=test_a.py]]" in (found["test_ok"].findtext("system-out") or "")
    assert "[[PROPERTY|line=3]]" in (found["test_ok"].findtext("system-out") or "")
    skipped = found["test_skips"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "not today"
    assert 'failed on teardown with "OSError: the fixture"' in str(
        [child.attrib.get("message") for child in found["test_errors"]]
    )

    told = lines(folder / "events.jsonl")
    assert told[0]["event"] == "RunStarted"
    assert told[0]["run_id"] == report["run_id"]
    assert told[-1]["event"] == "RunFinished"
    texts = [
        result["text"]
        for line in told
        if line["event"] == "TestsWereRun"
        for result in line["results"]
        if result.get("text")
    ]
    assert any("AssertionError" in text for text in texts)

    summary = (folder / "summary.md").read_text(encoding="utf-8")
    assert summary.splitlines()[0].endswith("Failed: <code>unit</code> failed, <code>slow</code> skipped")
    sarif = json.loads((folder / "findings.sarif").read_text(encoding="utf-8"))
    (result,) = sarif["runs"][0]["results"]
    assert (sarif["runs"][0]["tool"]["driver"]["name"], result["ruleId"]) == ("flake8", "F401")

    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<title>Failed: unit failed, slow skipped</title>" in page
    shown = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    (broken, failure) = sorted(shown["failures"], key=lambda each: str(each["outcome"]))
    assert (broken["outcome"], failure["outcome"]) == ("error", "failed")
    assert "test_a.py:8: AssertionError" in failure["text"]
    assert failure["output"] == [["Captured stdout call", "printed <this>"]]
    (block,) = shown["files"]
    assert block["names"][failure["test"]] == "test_fails"
    assert all(0 < start < report["wall_s"] * 1e6 for start in block["starts"][:3])

    slices = [
        e
        for e in json.loads((folder / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
        if e["ph"] == "X"
    ]
    (ok,) = [e for e in slices if e["name"] == "test_a.py::test_ok"]
    assert 0 < ok["ts"] < report["wall_s"] * 1e6, "starts are on the run's clock"


def test_a_folder_that_cannot_be_had_is_refused_before_anything_runs(repo: Repo) -> None:
    repo.write("batchgate.yaml", "version: 1\ngates:\n  touch: {run: touch ran}\n")
    (repo.root / "file").touch()
    ran = repo.gates("--batch-report-dir=file")
    assert ran.code == 4, ran
    assert f"--batch-report-dir: {repo.root / 'file'} is no folder" in ran.err, ran
    assert "Traceback" not in ran.err, ran
    assert not (repo.root / "ran").exists()


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("file", "is no folder"),
        ("file/below", "is no folder"),
        ("proc/x", "nothing can be written"),
        ("full", r"full/report\.json is a folder"),
    ],
)
def test_what_is_no_folder_to_write_to(folder: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "proc").symlink_to("/proc")
    (tmp_path / "full/report.json").mkdir(parents=True)
    with pytest.raises(OptionError, match=said):
        ready_folder(tmp_path, Path(folder))


def test_reports_that_cannot_be_written_are_named_and_change_the_exit_code(repo: Repo) -> None:
    """The others are whole, and so is the run."""
    repo.files(
        test_a="""
        import pathlib

        def test_ok():
            for name in ("report.json", "trace.json"):
                pathlib.Path("reports", name, "full").mkdir(parents=True)
        """
    )
    folder = repo.root / "reports"
    ran = repo.gates("--batch-report-dir=reports")
    assert ran.code == 3, ran
    assert "1 passed" in ran.counts, ran
    for name in ("report.json", "trace.json"):
        assert f"{name} failed and was switched off" in ran.out, ran
        assert str(folder / name) in ran.err, ran
    missing = "reports/report.json, reports/trace.json could not be written"
    assert f"failed (exit code 3): {missing}" in ran.out, ran
    first = (folder / "summary.md").read_text(encoding="utf-8").splitlines()[0]
    assert first.endswith("trace.json</code> could not be written")
    assert (folder / "junit.xml").is_file()


def test_runs_that_are_no_runs_leave_the_folder_alone(repo: Repo) -> None:
    repo.files(test_a="def test_ok(): pass")
    kept = repo.write("reports/report.json", "an earlier one")
    for option in ("--collect-only", "--batch-plan"):
        ran = repo.gates("--batch-report-dir=reports", option)
        assert ran.code == 0, ran
    assert kept.read_text(encoding="utf-8") == "an earlier one"
    assert [path.name for path in kept.parent.iterdir()] == ["report.json"]


def test_a_killed_run_leaves_a_whole_junit_report_of_what_finished(repo: Repo) -> None:
    """SIGKILL: nothing of ours can do anything any more.  Reports of an earlier run are gone."""
    repo.write("batchgate.yaml", "version: 1\ngates:\n  quick: {run: 'true'}\n  unit: {tests: true}\n")
    repo.files(
        test_a="""\
        import os, pytest, time
        @pytest.mark.parametrize("number", range(50))
        def test_ok(number): pass
        def test_fails(): assert 0
        """,
        test_b="""\
        import pathlib, time
        def test_hangs():
            pathlib.Path("hanging").touch()
            time.sleep(600)
        """,
    )
    folder = repo.root / "reports"
    repo.write("reports/report.json", "an earlier one")
    given = ["--batch-gates", "--batch-workers=2", "--batch-report-dir=reports", *repo.always]
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *given],
        cwd=repo.root,
        env=clean_environment(None),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait_for(lambda: (repo.root / "hanging").exists() and len(_known(folder)) == 52)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    found = _known(folder)
    assert set(found) == {"quick", "test_fails", *(f"test_ok[{number}]" for number in range(50))}
    assert found["test_fails"].find("failure") is not None
    suites = ET.parse(folder / "junit.xml").getroot()
    assert [(suite.attrib["name"], suite.attrib["tests"]) for suite in suites] == [
        ("quick", "1"),
        ("unit", "51"),
    ]
    ran = [
        result["nodeid"]
        for line in lines(folder / "events.jsonl")
        if line["event"] == "TestsWereRun"
        for result in line["results"]
    ]
    assert len(ran) == 51
    assert not (folder / "report.json").exists()


def _known(folder: Path) -> dict[str, ET.Element]:
    """The cases by now; the file is whole each time that it is read."""
    path = folder / "junit.xml"
    return cases(path) if path.exists() else {}


def _wait_for(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
