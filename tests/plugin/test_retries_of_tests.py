"""Tests that are tried again, for real: what runs, what pytest counts, what its reports say."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from plugin_kit import Ran, Repo

pytestmark = pytest.mark.integration

NOTES = """\
import os, pathlib

def attempt(name):
    log = pathlib.Path(name + ".runs")
    log.write_text((log.read_text() if log.exists() else "") + "x")
    return len(log.read_text())
"""

HEALS = """\
import os, pytest, notes

@pytest.fixture(scope="session")
def database():
    if notes.attempt("fixture") == 1:
        raise ConnectionError("refused")

def test_plain(): pass

def test_heals():
    notes.attempt("heals")
    assert os.environ["BATCHGATE_ATTEMPT"] == "3"

def test_fixture(database): pass

def test_crash():
    if notes.attempt("crash") == 1:
        os._exit(7)

def test_first():
    assert os.environ["BATCHGATE_ATTEMPT"] == "1"

@pytest.fixture
def closes_late():
    yield
    assert notes.attempt("teardown") > 1

def test_teardown(closes_late, request):
    request.node.user_properties.append(("attempt", os.environ["BATCHGATE_ATTEMPT"]))
    print("this is attempt", os.environ["BATCHGATE_ATTEMPT"])

if hasattr(pytest, "Subtests"):
    def test_parts(subtests):
        with subtests.test():
            assert notes.attempt("part") > 1
"""
PARTS = hasattr(pytest, "Subtests")  # pytest 9 and later


def state(ran: Ran, gate: str) -> str:
    return [line.split() for line in ran.lines if line.startswith(f"{gate} ") and "|" not in line][-1][1]


def attempts(repo: Repo) -> dict[str, tuple[str, int, list[str]]]:
    """Of each test, by our own reports: its outcome, its attempts, and what its case holds."""
    reports = repo.root / "reports"
    kinds = {
        case.attrib["name"]: [child.tag for child in case if child.tag != "system-out"]
        for case in ET.parse(reports / "junit.xml").iter("testcase")
    }
    tests = json.loads((reports / "report.json").read_text())["tests"]
    assert len(tests) == len(kinds), "each once"
    names = {test["nodeid"].partition("::")[2]: test for test in tests}
    return {name: (test["outcome"], test["attempts"], kinds[name]) for name, test in names.items()}


def runs(repo: Repo, name: str) -> int:
    return len((repo.root / f"{name}.runs").read_text())


@pytest.mark.parametrize("workers", [2, 0])
def test_what_passes_in_the_end_is_a_pass_to_pytest_and_flaky_to_the_gate(repo: Repo, workers: int) -> None:
    """`-x` stops at none of the attempts; a fixture that failed is asked again; a crash costs one attempt.

    Nothing of an earlier attempt is left in the last one: no property, output or failed subtest.
    """
    repo.files(notes=NOTES, test_it=HEALS)
    repo.write(
        "batchgate.yaml",
        """\
        version: 1
        gates:
          unit: {tests: true, retries: {count: 2, delay: 20ms}}
        """,
    )
    ran = repo.gates("-x", "-v", "-rP", "--batch-report-dir=reports", workers=workers)
    assert ran.code == 0, ran
    assert state(ran, "unit") == "flaky", ran
    parts = ", 1 subtests passed" if PARTS else ""
    assert ran.counts == f"{6 + PARTS} passed{parts}, {5 + PARTS} rerun", ran
    assert f"{4 + PARTS} tests passed on a retry" in ran.out, ran
    assert ran.out.count(" RERUN test_it.py::test_heals") == 2, ran
    assert ran.out.count("this is attempt") == 1, ran
    assert [ran.junit.totals[key] for key in ("failures", "errors", "skipped")] == ["0"] * 3, ran
    (case,) = ran.junit.named("test_teardown")
    assert [text for tag, _, text in case.children if tag == "properties"] == ["[('attempt', '2')]"], ran
    assert sorted(case.name for case in ran.junit.cases.elements()) == [
        "test_crash",
        "test_first",
        "test_fixture",
        "test_heals",
        *["test_parts"] * PARTS,
        "test_plain",
        "test_teardown",
    ]
    assert [runs(repo, name) for name in ("heals", "crash", "fixture")] == [3, 2, 2]
    assert attempts(repo) == {
        "test_plain": ("passed", 1, []),
        "test_heals": ("passed", 3, ["flakyFailure", "flakyFailure"]),
        "test_fixture": ("passed", 2, ["flakyError"]),
        "test_crash": ("passed", 2, ["flakyFailure"]),
        "test_first": ("passed", 1, []),
        "test_teardown": ("passed", 2, ["flakyError"]),
        **({"test_parts": ("passed", 2, ["flakyFailure"])} if PARTS else {}),
    }
    assert f"passed on a retry ({4 + PARTS})" in (repo.root / "reports/summary.md").read_text()


def test_the_last_attempt_is_the_one_that_fails(repo: Repo) -> None:
    """Once in pytest's counts and in JUnit; what does not match, or is not in `on`, is not tried again."""
    repo.files(
        notes=NOTES,
        test_it="""\
            import os, pytest, notes

            def test_sick():
                assert not notes.attempt("sick"), "Connection refused"

            def test_wrong():
                assert not notes.attempt("wrong"), "by one"

            @pytest.mark.other
            def test_dies():
                notes.attempt("dies")
                os._exit(1)
            """,
    )
    repo.write("pytest.ini", "[pytest]\nmarkers = other\n")
    repo.write(
        "batchgate.yaml",
        """\
        version: 1
        gates:
          unit: {tests: true, retries: {count: 1, delay: 20ms, match: "Connection (refused|reset)"}}
          other: {tests: other, retries: {count: 3, delay: 20ms, on: [failed]}}
        """,
    )
    ran = repo.gates("--tb=no")
    assert ran.code == 1, ran
    assert (state(ran, "unit"), state(ran, "other")) == ("failed", "failed"), ran
    assert ran.counts == "3 failed, 1 rerun", ran
    assert ran.junit.totals["failures"] == "3", ran
    assert ran.junit.totals["tests"] == "3", ran
    assert [runs(repo, name) for name in ("sick", "wrong", "dies")] == [2, 1, 1]


def test_a_stop_and_fail_on_flaky(repo: Repo) -> None:
    """A test between two attempts ends as it last did when `--maxfail` is reached."""
    repo.files(
        notes=NOTES,
        test_a="""\
            def test_waits(): assert 0
            def test_final(): raise ValueError("stop here")
            """,
    )
    repo.write(
        "batchgate.yaml",
        """\
        version: 1
        gates:
          unit:
            tests: true
            retries: {count: 1, delay: 10m, jitter: false, max-delay: 10m, match: "assert 0"}
        """,
    )
    ran = repo.gates("-x", "--batch-report-dir=reports")
    assert ran.code == 1, ran
    failed = ("failed", 1, ["failure"])
    assert attempts(repo) == {"test_waits": failed, "test_final": failed}
    assert ran.counts.startswith("2 failed, 1 rerun"), ran
    assert state(ran, "unit") == "failed", ran
    assert ran.junit.totals["failures"] == "2", ran

    repo.files(test_a="import notes\n\ndef test_it(): assert notes.attempt('it') > 1\n")
    repo.write(
        "batchgate.yaml",
        "version: 1\ngates: {unit: {tests: true, retries: {count: 1, delay: 20ms}, fail-on-flaky: true}}\n",
    )
    ran = repo.gates()
    assert ran.code == 1, ran
    assert state(ran, "unit") == "failed", ran
    assert ran.counts == "1 passed, 1 rerun", ran
    assert "1 test passed on a retry only (fail-on-flaky)" in ran.out, ran
