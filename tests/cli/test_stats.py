"""`batchgate stats`: golden histories, and the command over a real file."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_batchgate.cli import main
from pytest_batchgate.commands.statistics import statistics
from pytest_batchgate.commands.stats import lines, sparkline
from pytest_batchgate.core.events import (
    GateReport,
    RunFinished,
    RunResult,
    RunStarted,
    Schedule,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
)
from pytest_batchgate.core.model import GateName, GateState
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.store import schema
from pytest_batchgate.store.history import FILE_NAME, History
from pytest_batchgate.store.record import GateSample, NotedTest, PastRun
from pytest_batchgate.store.recorder import HistoryRecorder

SCHEDULE = Schedule(work_s=0, critical_path_s=0, critical_path=(), lower_bound_s=0, efficiency=0)


def past(number: int, *, narrowed: bool = False) -> PastRun:
    return PastRun(number, f"run{number}", 100.0 * number, 10.0 + number, 2, "failed", 1, narrowed)


def gate(number: int, name: str, wall_s: float, state: str = "passed", tests: int = 0) -> GateSample:
    return GateSample(
        f"run{number}", 100.0 * number, name, "command", state, wall_s, wall_s, wall_s / 2, 1 << 20, 1, tests
    )


def noted(number: int, name: str, outcome: str, duration_s: float = 0.5, retries: int = 0) -> NotedTest:
    return NotedTest("a.py", f"a.py::{name}", "unit", outcome, duration_s, retries, number)


RUNS = [past(1), past(2), past(3), past(4)]
GATES = [
    gate(1, "old", 1.0),
    *(gate(number, "lint", wall_s) for number, wall_s in ((1, 1.0), (2, 1.0), (3, 2.0), (4, 3.0))),
    *(
        gate(number, "unit", 4.0, "failed" if number in {1, 3} else "passed", number)
        for number in range(1, 5)
    ),
    gate(4, "new", 0.5),
]
NOTED = [
    noted(1, "wavers", "failed"),
    noted(1, "mended", "failed"),
    noted(2, "lucky", "passed", retries=1),
    noted(3, "wavers", "failed"),
    noted(3, "slow", "passed", 2.0),
    noted(4, "slow", "passed", 3.0),
    noted(4, "breaks", "error"),
]


def test_what_has_changed_since_a_run() -> None:
    found = statistics(RUNS, GATES, NOTED, since=RUNS[0])
    assert found["changes"] == {
        "since": "run1",
        "to": "run4",
        "new_failures": ["a.py::breaks"],
        "fixed": ["a.py::mended", "a.py::wavers"],
        "slower_tests": [],
        "slower_gates": [{"name": "lint", "before_s": 1.0, "after_s": 3.0}],
        "changed_gates": [{"gate": "unit", "before": "failed", "after": "passed"}],
        "new_gates": ["new"],
        "removed_gates": ["old"],
        "tests_before": 1,
        "tests_after": 4,
    }
    nearer = statistics(RUNS, GATES, NOTED, since=RUNS[2])["changes"]
    assert nearer["slower_tests"] == [{"name": "a.py::slow", "before_s": 2.0, "after_s": 3.0}]
    assert statistics(RUNS, GATES, NOTED, since=RUNS[2], slower=1.6)["changes"]["slower_tests"] == []


def test_a_narrowed_run_mends_nothing_and_removes_nothing() -> None:
    runs = [*RUNS[:3], past(4, narrowed=True)]
    changes = statistics(runs, GATES, NOTED, since=RUNS[0])["changes"]
    assert (changes["fixed"], changes["removed_gates"]) == ([], [])
    assert changes["new_failures"] == ["a.py::breaks"]


def test_a_test_that_wavers_or_needs_retries_is_flaky_and_one_that_was_mended_is_not() -> None:
    flaky = statistics(RUNS, GATES, NOTED)["flakiest_tests"]
    assert [(row["nodeid"], row["passed_on_retry"], row["failed"], row["falls"]) for row in flaky] == [
        ("a.py::wavers", 0, 2, 2),
        ("a.py::lucky", 1, 0, 0),
    ]


def test_lists_are_short_and_of_one_gate_where_that_is_asked_for() -> None:
    found = statistics(RUNS, GATES, NOTED, gate="lint", limit=2)
    assert found["slowest_tests"] == []
    assert [row["gate"] for row in found["slowest_gates"]] == ["lint"]
    assert found["slowest_gates"][0]["wall_s"] == 1.5
    assert found["trends"] == [
        {"gate": "lint", "wall_s": [2.0, 3.0], "states": ["passed", "passed"], "passed": 1.0}
    ]
    assert [run["run_id"] for run in found["runs"]] == ["run3", "run4"]


def test_the_table() -> None:
    found = statistics(RUNS, GATES, NOTED, since=RUNS[2])
    assert [text for _, text in lines(found, width=60, unicode=False)] == [
        "last run run4: failed in 14.0s on 2 workers",
        "",
        "since run run3",
        "fails now: a.py::breaks",
        "is mended: a.py::wavers",
        "gate unit: failed before, passed now",
        "slower: gate lint, 3.0s, 2.0s before",
        "slower: a.py::slow, 3.0s, 2.0s before",
        "new gate: new",
        "4 tests, 3 before",
        "",
        "slowest gates",
        "gate  median   CPU   peak  runs",
        "unit    4.0s  2.0s  1 MiB     4",
        "lint    1.5s  0.8s  1 MiB     4",
        "old     1.0s  0.5s  1 MiB     1",
        "new     0.5s  0.2s  1 MiB     1",
        "",
        "slowest tests",
        "test          took  outcome",
        "a.py::slow    3.0s  passed",
        "a.py::breaks  0.5s  error",
        "a.py::lucky   0.5s  passed",
        "a.py::mended  0.5s  failed",
        "a.py::wavers  0.5s  failed",
        "",
        "flakiest tests",
        "test          passed on a retry  failed  of runs",
        "a.py::wavers                  0       2        4",
        "a.py::lucky                   1       0        4",
        "",
        "trends, newest last",
        "gate  good  wall time",
        "old   100%  1.0s",
        "lint  100%  1.0s 1.0s 2.0s 3.0s",
        "unit   50%  4.0s 4.0s 4.0s 4.0s",
        "new   100%  0.5s",
    ]


def test_a_sparkline() -> None:
    assert sparkline([0.0, 1.0, 2.0], unicode=True) == "\u2581\u2585\u2588  2.0s"
    assert sparkline([0.0], unicode=True) == "\u2581  0.0s"
    assert sparkline([], unicode=True) == ""


# --- over a file ------------------------------------------------------------------------


def recorded(folder: Path, number: int, *outcomes: str, retried: int | None = None) -> None:
    """A run of tests t0, t1 ... of gate unit."""
    file = CollectedFile(
        file="a.py",
        keys=tuple(f"a.py::t{index}" for index in range(len(outcomes))),
        gates=(0,) * len(outcomes),
    )
    recorder = HistoryRecorder(History.open(folder), run_id=f"run{number}")
    recorder.handle(RunStarted(0.0, (), 2, (GateName("unit"),)))
    if retried is not None:
        failed = TestResult(retried, "failed", 0.2)
        unit = GateName("unit")
        recorder.handle(TestWillRetry(0.5, unit, "gw0", file, failed, GateState.FAILED, 1, 2, 0.0))
    results = [
        TestResult(index, outcome, 0.001 * (index + 1))
        for index, outcome in enumerate(outcomes)
        if outcome != "lost"
    ]
    recorder.handle(TestsWereRun(1.0, "gw0", file, tuple(results)))
    for index, outcome in enumerate(outcomes):
        if outcome == "lost":
            recorder.handle(TestWasLost(1.0, "gw0", file, index, "failed", "crashed"))
    report = GateReport(
        name=GateName("unit"), kind="tests", state=GateState.PASSED, required=True, needs=(), wall_s=1.0
    )
    result = RunResult(
        verdict="passed", exit_code=0, wall_s=1.0, workers=2, gates=(report,), schedule=SCHEDULE
    )
    recorder.handle(RunFinished(2.0, result))


def test_failures_and_retries_of_each_run_are_kept(tmp_path: Path) -> None:
    """Fast tests that pass leave nothing."""
    recorded(tmp_path, 1, "passed", "failed", "lost", "passed", retried=3)
    told = History.open(tmp_path).noted_tests()
    assert [(test.nodeid, test.gate, test.outcome, test.retries, test.run) for test in told] == [
        ("a.py::t1", "unit", "failed", 0, 1),
        ("a.py::t2", "unit", "failed", 0, 1),
        ("a.py::t3", "unit", "passed", 1, 1),
    ]


def test_a_history_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        for statement in schema.MIGRATIONS[0]:
            db.execute(statement)
        db.execute("INSERT INTO runs VALUES (7, 'run7', 1.0, 2.0, 2, 'passed', 0, 0)")
        db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    history = History.open(tmp_path)
    assert [run.run_id for run in history.runs()] == ["run7"]
    assert (history.noted_tests(), history.warnings) == ((), [])
    recorded(tmp_path, 8, "failed")
    assert [(test.nodeid, test.run) for test in History.open(tmp_path).noted_tests()] == [("a.py::t0", 8)]


def test_what_is_kept_goes_with_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_batchgate.store.rows.KEPT_RUNS", 2)
    for number in range(1, 5):
        recorded(tmp_path, number, "failed")
    assert [test.run for test in History.open(tmp_path).noted_tests()] == [3, 4]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / ".pytest_cache" / "batchgate"

    def asked(*args: str) -> tuple[int, str, str]:
        code = main(["stats", *args, "--rootdir", str(tmp_path)])
        told = capsys.readouterr()
        return code, told.out, told.err

    code, out, error = asked()
    assert (code, out) == (4, "")
    assert error.startswith("batchgate stats: error: no run is recorded in ")
    recorded(folder, 1, "passed", "failed")
    recorded(folder, 2, "failed", "passed")
    code, out, _ = asked("--json", "--since", "1")
    told: Any = json.loads(out)
    assert (code, told["schema"]) == (0, 1)
    assert told["changes"]["new_failures"] == ["a.py::t0"]
    assert told["changes"]["fixed"] == ["a.py::t1"]
    assert json.loads(asked("--json", "--since", "run1")[1]) == told
    code, out, _ = asked("--gate", "unit")
    assert code == 0
    assert "\x1b" not in out
    assert "fails now: a.py::t0" in out.splitlines()
    for args, words in [
        (("--since", "zz"), "--since: there is no run 'zz'. Give a number up to 1, or one of: run1, run2"),
        (("--since", "run"), "2 runs begin with 'run'"),
        (("--gate", "unti"), "no recorded run had a gate 'unti'. Did you mean 'unit'?"),
    ]:
        code, out, error = asked(*args)
        assert (code, out) == (4, "")
        assert words in error
    (folder / FILE_NAME).write_bytes(b"no database at all")
    code, out, error = asked()
    assert (code, out, error.count("\n")) == (4, "", 1)
    assert "was damaged" in error


def test_what_did_not_run_is_neither_mended_nor_flaky_nor_slower() -> None:
    """unit was skipped in run 2, stopped by -x in run 4, and cached or cut short elsewhere."""
    gates = [
        gate(1, "unit", 4.0, "failed"),
        gate(2, "unit", 0.0, "skipped"),
        gate(3, "unit", 4.0, "failed"),
        gate(4, "unit", 4.0, "failed")._replace(not_run=3),
        gate(1, "lint", 0.0, "carried"),
        gate(4, "lint", 5.0),
        gate(1, "e2e", 0.1)._replace(kind="tests"),
        gate(4, "e2e", 5.0)._replace(kind="tests"),
    ]
    tests = [noted(1, "bad", "failed", 0.0), noted(3, "bad", "failed"), noted(4, "other", "failed")]
    for run in (RUNS[1], RUNS[3]):
        found = statistics([*RUNS[: run.run]], gates, tests, since=RUNS[0])
        assert found["changes"]["fixed"] == []
    assert found["flakiest_tests"] == []
    found = statistics(RUNS, gates, [*tests, noted(4, "bad", "passed", 2.0)], since=past(1, narrowed=True))
    assert found["changes"]["slower_gates"] == found["changes"]["slower_tests"] == []
