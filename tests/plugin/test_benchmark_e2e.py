"""`--batch-benchmark`: what is refused, and real benchmarks of a repository whose gates wait."""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from kit import PATIENCE_S, Repo, leftovers, until

from pytest_batchgate.bench.benchmark import SCHEMA_PATH
from pytest_batchgate.errors import BatchGateError, OptionError
from pytest_batchgate.plugin.benchoptions import BenchOptions, Measured, read_measured, refuse_stops
from pytest_batchgate.plugin.options import add_options, fill_in_optional_values, read_options


def options(*args: str, **more: Any) -> BenchOptions | None:
    parser = pytest.Parser(_ispytest=True)
    add_options(parser)
    typed = ["--batch-gates", *args]
    fill_in_optional_values(typed)
    namespace = parser.parse_known_args(typed)
    for name, value in more.items():
        setattr(namespace, name, value)
    return read_options(namespace).benchmark


def test_the_bare_form_measures_in_turn_and_what_a_run_would_take() -> None:
    bare = options("--batch-benchmark")
    assert bare == BenchOptions(levels=(1, 0), rounds=3, tolerance=0.1)
    assert [bare.workers(pool) for pool in (1, 2, 8)] == [(1, 2), (1, 2), (1, 8)]
    assert options() is None


def test_what_is_typed() -> None:
    read = options(
        "--batch-benchmark=8, 2,2",
        "--batch-rounds=5",
        "--batch-baseline=b.json",
        "--batch-tolerance=2.5%",
        "--batch-variant=lean=lean.yaml",
        "--batch-variant=other=a=b.yaml",
    )
    assert read == BenchOptions(
        levels=(8, 2, 2),
        rounds=5,
        baseline=Path("b.json"),
        tolerance=0.025,
        variants=(("lean", Path("lean.yaml")), ("other", Path("a=b.yaml"))),
    )
    assert (read.workers(4), read.asked(4)) == ((1, 2, 8), (2, 8)), "in turn is always measured"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ("--batch-benchmark=0",),
            "--batch-benchmark: '0' is no number of workers. Write numbers from 1 (in turn)",
        ),
        (("--batch-benchmark=1,",), "--batch-benchmark: '' is no number of workers"),
        (("--batch-benchmark=9999",), "'9999' is no number of workers"),
        (("--batch-benchmark=²",), "'²' is no number of workers"),
        (
            ("--batch-benchmark", "--batch-rounds=0"),
            "--batch-rounds: '0' is no number of rounds. Use 1 to 1000",
        ),
        (("--batch-benchmark", "--batch-tolerance=nan"), "--batch-tolerance: 'nan' is no percentage"),
        (("--batch-benchmark", "--batch-tolerance=-1"), "--batch-tolerance: '-1' is no percentage"),
        (("--batch-benchmark", "--batch-variant=lean"), "--batch-variant: 'lean' is not NAME=FILE"),
        (("--batch-benchmark", "--batch-variant=a=x", "--batch-variant=a=y"), "two variants are called 'a'"),
        (("--batch-rounds=3",), "--batch-rounds: it means nothing without --batch-benchmark"),
        (("--batch-variant=a=b",), "--batch-variant: it means nothing without --batch-benchmark"),
        (
            ("--batch-benchmark", "--batch-plan"),
            "--batch-benchmark with --batch-plan: it runs all selected gates",
        ),
        (("--batch-benchmark", "--batch-resume"), "--batch-benchmark with --batch-resume: "),
        (("--batch-benchmark", "--batch-init"), "--batch-benchmark with --batch-init: "),
        (("--batch-benchmark", "--batch-fail-fast"), "--batch-benchmark with --batch-fail-fast: "),
        (("--batch-benchmark", "--batch-verify"), "--batch-verify with --batch-benchmark: "),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_message(args: tuple[str, ...], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        options(*args)
    assert said in str(caught.value)


def test_what_lists_or_stops_measures_nothing() -> None:
    with pytest.raises(OptionError, match="--batch-benchmark with --collect-only: "):
        options("--batch-benchmark", collectonly=True)
    with pytest.raises(OptionError, match="--batch-benchmark with -x or --maxfail: "):
        refuse_stops(argparse.Namespace(maxfail=1))
    refuse_stops(argparse.Namespace(maxfail=0))


def test_a_run_that_it_starts_takes_nothing_of_what_was_typed_for_it() -> None:
    assert read_measured("4") == Measured(workers=4, reports=False)
    assert read_measured("0,reports") == Measured(workers=0, reports=True)
    assert options("--batch-benchmark", "--batch-rounds=1", "--batch-benchmark-run=2") is None
    for text in ("", "x", "2,", "-1", "2,report"):
        with pytest.raises(BatchGateError, match="tells no run of a benchmark"):
            read_measured(text)


# --- real ones ----------------------------------------------------------------------

GATES = """
gates:
  wait: {run: "sleep 0.4"}
  burn: {run: [PY, "-c", "import time\\nwhile time.process_time() < 0.5: pass"]}
  unit: {tests: true}
"""
TESTS = """
import os, pytest, time, tool
@pytest.mark.parametrize("n", range(4))
def test_wait(n, request):
    tool.note(os.environ.get("PYTEST_XDIST_WORKER_COUNT"), request.config.cache.get("mine/x", "empty"))
    time.sleep(0.1)
def test_skipped(): pytest.skip()
"""


@pytest.mark.integration
@pytest.mark.slow
def test_levels_and_variants_are_measured_side_by_side(tmp_path: Path) -> None:
    """Two rounds at two levels of two configurations, and then another one beside a baseline too good."""
    repo = Repo(tmp_path, GATES, test_a=TESTS)
    repo.write(".pytest_cache/v/mine/x", '"kept"')
    repo.write("lean.yaml", "version: 1\ngates:\n  unit: {tests: true}\n")
    result = repo.finish(
        repo.start(
            "--batch-benchmark=1,2",
            "--batch-rounds=2",
            "--batch-variant=lean=lean.yaml",
            "--batch-report-dir=out",
        ),
        timeout_s=5 * PATIENCE_S,
    )
    assert result.code == 0, result.out
    assert result.out.strip().splitlines()[-1].startswith("benchmark: "), result.out
    told = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    jsonschema.validate(told, json.loads(SCHEMA_PATH.read_text()))
    assert told["outcomes_equal"] is True
    assert [(level["workers"], len(level["rounds_s"])) for level in told["levels"]] == [(1, 1), (2, 2)]
    for level in told["levels"]:
        assert level["wall_s"] >= level["lower_bound_s"] > 0.4
        assert level["cpu_s"] > 0.5, "what a command used counts"
        assert level["peak_rss_bytes"] > 2**20
        assert level["tests_per_s"] > 0
    assert [one["name"] for one in told["variants"]] == ["lean"]
    assert len(told["variants"][0]["levels"]) == 2
    # in turn has one worker; rounds are interleaved, and begin with another level each
    assert result.notes == [f"{n} empty" for n in (1, 1, 2, 2, 2, 2, 1, 1) for _ in range(4)]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["workers"], len(report["tests"])) == (2, 5), "of the last run of the most workers"
    assert (tmp_path / "out" / "benchmark.md").read_text().startswith("# Benchmark: ")
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {
        "batchgate.yaml",
        "lean.yaml",
        "notes",
        "out",
        "test_a.py",
        "tool.py",
        ".pytest_cache",
    }
    assert {path.name for path in (tmp_path / ".pytest_cache").iterdir()} == {"v"}, "no record of ours"

    for level in told["levels"]:
        level["wall_s"] /= 100
        del level["rounds_s"]
    (tmp_path / "out" / "benchmark.json").write_text(json.dumps(told))
    repo.write("batchgate.yaml", "version: 1\ngates:\n  unit: {tests: true}\n")
    args = ("--batch-benchmark=1", "--batch-rounds=1", "--batch-baseline=out/benchmark.json", "-q")
    result = repo.run(*args)
    assert result.code == 1, result.out
    assert "slower than the baseline: in turn by" in result.out


@pytest.mark.integration
def test_what_fails_is_measured_and_told(tmp_path: Path) -> None:
    """A gate that fails in every run, and a test that passes only where it has a worker to itself."""
    repo = Repo(tmp_path, "gates:\n  bad: {run: 'false'}\n  unit: {tests: true}\nfail-fast: true\n")
    repo.write(
        "test_a.py",
        """
        import os
        def test_alone(): assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == "1"
        """,
    )
    result = repo.run("--batch-benchmark=2", "--batch-rounds=1", "--batch-report-dir=out")
    assert result.code == 1, result.out
    assert "test test_a.py::test_alone: in turn passed; 2 workers failed" in result.out
    assert "gate unit: in turn passed; 2 workers failed" in result.out
    told = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    jsonschema.validate(told, json.loads(SCHEMA_PATH.read_text()))
    assert [level["workers"] for level in told["levels"]] == [1, 2]
    assert '"benchmark":{"schema":1,' in (tmp_path / "out" / "report.html").read_text()
    assert (told["outcomes_equal"], told["failed_gates"]) == (False, ["bad", "unit"])
    assert "2 outcomes differ from the run in turn; gates failed: bad, unit (exit code 1)" in result.out


@pytest.mark.integration
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--batch-baseline=none.json",), "--batch-baseline: there is no file 'none.json'"),
        (
            ("--batch-variant=lean=none.yaml",),
            "--batch-variant: --batch-config: lean: there is no file 'none.yaml'",
        ),
        (("-x",), "--batch-benchmark with -x or --maxfail"),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_runs(
    tmp_path: Path, args: tuple[str, ...], said: str
) -> None:
    repo = Repo(tmp_path, 'gates:\n  a: {run: "PY tool.py note ran"}\n')
    result = repo.run("--batch-benchmark=1", *args)
    assert (result.code, result.notes) == (4, []), result.out
    assert result.out.startswith(f"ERROR: {said}"), result.out


@pytest.mark.integration
def test_an_interrupt_ends_the_run_that_goes_on(tmp_path: Path) -> None:
    repo = Repo(tmp_path, 'gates:\n  a: {run: {shell: "PY tool.py note begun; sleep 600"}}\n')
    repo.write("out/report.json", "{}")
    process = repo.start("--batch-benchmark=1,2", "--batch-report-dir=out")
    until((tmp_path / "notes").exists)
    process.send_signal(signal.SIGINT)
    result = repo.finish(process)
    assert result.code == 2, result.out
    assert "benchmark: interrupted by SIGINT: not all was measured (exit code 2)" in result.out
    assert list((tmp_path / "out").iterdir()) == []
    until(lambda: not leftovers(tmp_path))


@pytest.mark.integration
@pytest.mark.parametrize("what", ["--batch-benchmark=1", "--batch-verify"])
def test_one_that_is_killed_leaves_nothing_behind(tmp_path: Path, what: str) -> None:
    """Neither a process nor a folder: those of the run that goes on, and the one for all of its runs."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    repo = Repo(tmp_path, "gates: {unit: {tests: true}}")
    repo.write("test_a.py", "import time, tool\ndef test_a():\n    tool.note('begun')\n    time.sleep(600)\n")
    process = repo.start(what, TMPDIR=str(folder))
    until((tmp_path / "notes").exists)
    assert any(folder.glob("batchgate-*"))
    process.kill()
    repo.finish(process)
    until(lambda: not leftovers(tmp_path) and not any(folder.glob("batchgate-*")))
