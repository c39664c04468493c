"""`--batch-verify` in real runs: when all agree, when it cannot go on, and when it is interrupted."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from kit import PATIENCE_S, Repo, leftovers, until

from pytest_batchgate.errors import OptionError
from pytest_batchgate.plugin.options import BatchOptions, add_options, read_options


def options(*args: str, collectonly: bool = False) -> BatchOptions:
    parser = pytest.Parser(_ispytest=True)
    add_options(parser)
    namespace = parser.parse_known_args(["--batch-gates", *args])
    namespace.collectonly = collectonly
    return read_options(namespace)


@pytest.mark.parametrize("other", ["--batch-plan=text", "--batch-init", "--collect-only"])
def test_verify_with_what_runs_no_tests_is_refused(other: str) -> None:
    args = [] if other == "--collect-only" else [other]
    with pytest.raises(OptionError, match=r"several times over, and compares\. Use one of them") as caught:
        options("--batch-verify", *args, collectonly=not args)
    assert str(caught.value).startswith(f"--batch-verify with {other.partition('=')[0]}: ")


def test_a_run_that_verify_starts_takes_nothing_of_what_was_typed_for_verify(tmp_path: Path) -> None:
    """Workers, folder and the option itself may stand in addopts too, where they cannot be taken out."""
    path = tmp_path / "script.json"
    path.write_text('{"folder": "/x", "gates": ["unit"], "workers": 2, "order": [], "marks": []}')
    typed = ("--batch-verify", "--batch-report-dir=out", "--batch-workers=7")
    assert options(*typed).verify
    read = options(*typed, f"--batch-verify-run={path}")
    assert (read.verify, read.report_dir, read.script is not None) == (False, Path("/x"), True)
    path.write_text("{}")
    with pytest.raises(OptionError, match="no script of a run"):
        options(f"--batch-verify-run={path}")


@pytest.mark.integration
@pytest.mark.slow
def test_runs_that_agree_leave_nothing_behind_them(tmp_path: Path) -> None:
    """A command that tests need runs, others do not; a test that fails in every run is no difference.

    Retries would hide what is looked for, and -x end a run early: neither holds.
    """
    repo = Repo(
        tmp_path,
        """
        gates:
          lint: {run: "PY tool.py note lint"}
          made: {run: "PY tool.py note made"}
          unit: {tests: true, needs: [made]}
        """,
    )
    repo.write(
        "test_a.py",
        """
        import os, pytest
        def test_made(): assert "made" in open("notes").read()
        def test_always_fails(): assert 0
        def test_variable(): assert os.environ["BATCHGATE_GATE"] == "unit"
        """,
    )
    repo.write("test_b.py", "def test_b(pytestconfig): pytestconfig.cache.set('mine/x', 1)")
    result = repo.finish(
        repo.start("--batch-verify", "--batch-report-dir=out", "-x"), timeout_s=5 * PATIENCE_S
    )
    assert result.code == 0, result.out
    assert "verify: 4 tests ended alike in all runs; 1 failed in each" in result.out
    assert result.out.count("3 passed, 1 failed") == 3
    assert sorted(result.notes) == ["made"] * 3
    told = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert (told["equal"], told["exit_code"], told["tests"], told["findings"]) == (True, 0, 4, [])
    assert [(run["run"], run["workers"] > 1) for run in told["runs"]] == [
        ("in turn", False),
        ("in parallel", True),
        ("other order", True),
    ]
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {"batchgate.yaml", "notes", "out", "test_a.py", "test_b.py", "tool.py"}


@pytest.mark.integration
def test_a_run_that_cannot_be_compared_is_shown(tmp_path: Path) -> None:
    """A file that cannot be imported: pytest's exit code, and what the run said."""
    repo = Repo(tmp_path, "gates:\n  unit: {tests: true}\n", test_a="import nowhere_to_be_found\n")
    result = repo.run("--batch-verify", "-q")
    assert result.code == 2, result.out
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in result.out
    last = result.out.strip().splitlines()[-1]
    assert last == "verify: in turn was interrupted or could not collect all tests (exit code 2)"


@pytest.mark.integration
def test_an_interrupt_ends_the_run_that_goes_on(tmp_path: Path) -> None:
    """Its worker's fixtures are torn down, and no process stays."""
    repo = Repo(tmp_path, "gates:\n  unit: {tests: true}\n")
    repo.write(
        "test_a.py",
        """
        import time, pytest, tool

        @pytest.fixture
        def thing():
            yield
            tool.note("torn down")

        def test_long(thing):
            tool.note("begun")
            time.sleep(600)
        """,
    )
    process = repo.start("--batch-verify")
    notes = tmp_path / "notes"
    until(lambda: notes.exists() and "begun" in notes.read_text())
    process.send_signal(signal.SIGINT)
    result = repo.finish(process)
    assert result.code == 2, result.out
    assert "verify: interrupted by SIGINT: not all is known (exit code 2)" in result.out
    assert result.notes == ["begun", "torn down"]
    until(lambda: not leftovers(tmp_path))
