"""Section "reports": what all files of `--batch-report-dir` cost a run of 60,000 tests.

The tests do nothing, so that whatever a report does for each of them weighs as much as it can: a real
suite of so many tests takes longer and pays the same.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contest import Contender, Result, contest
from benchmarks.prepare import Prepared
from benchmarks.rows import HEADER, Goal, Table, rows_of
from benchmarks.suites import ours_argv

REPORTS_SHARE = 0.10
FILES, TESTS_PER_FILE = 100, 600
FAILING = 50  # one in two files has a test that fails, for their texts are read
WITHOUT, WITH = "batchgate, no reports", "batchgate, all reports"

_TESTS = f"""\
import pytest

@pytest.mark.parametrize("number", range({TESTS_PER_FILE}))
def test_that_is_quick(number):
    assert number != {{failing}}, "one of many"
"""


def write_suite(folder: Path) -> Path:
    """60,000 tests in 100 files, 50 of which have one that fails; a gate for all of them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for number in range(FILES):
        text = _TESTS.format(failing=number if number < FAILING else -1)
        (folder / f"test_{number:03}.py").write_text(text, encoding="utf-8")
    path = folder / "batchgate.yaml"
    path.write_text("version: 1\ngates:\n  unit: {tests: true}\n", encoding="utf-8")
    return path


def measure_reports(prepared: Prepared, *, rounds: int) -> Table:
    folder = prepared.work / "reports"
    config = write_suite(folder)
    contenders = [
        Contender(name=name, argv=ours_argv(prepared, f"reports-{len(words)}", config, *words), cwd=folder)
        for name, words in ((WITHOUT, ()), (WITH, (f"--batch-report-dir={prepared.work / 'reports-made'}",)))
    ]
    results = contest(contenders, rounds=rounds, work=prepared.work / "reports-logs")
    return Table(
        title=f"all reports of {FILES * TESTS_PER_FILE:,} tests that do nothing",
        header=HEADER,
        rows=rows_of(results),
        goals=goals_of(*results),
    )


def goals_of(without: Result, with_all: Result) -> tuple[Goal, Goal]:
    """Of wall time, and of CPU time, of which others on the machine take less away."""
    noise = without.summary.noise or with_all.summary.noise
    cpus_s = [[run.cpu_s for run in result.runs] for result in (without, with_all)]
    return (
        _goal(
            "share of a run that all reports take", without.summary.walls_s, with_all.summary.walls_s, noise
        ),
        _goal("share of its CPU time", cpus_s[0], cpus_s[1], noise),
    )


def _goal(what: str, without: Sequence[float], with_all: Sequence[float], noise: str | None) -> Goal:
    shares = [after / before - 1 for before, after in zip(without, with_all, strict=True)]
    share = statistics.median(shares)
    return Goal(
        what=what,
        target=f"<= {REPORTS_SHARE:.0%}",
        value=f"{share:.1%} ({min(shares):.1%} to {max(shares):.1%})",
        met=share <= REPORTS_SHARE,
        noise=noise,
    )
