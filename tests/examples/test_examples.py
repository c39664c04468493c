"""Each example is run as its README says, in a copy, and must say that the change may merge."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "examples"
GATES = {
    "extending": ["style", "unit", "notebook-discount", "notebook-tax"],
    "library": ["lint", "format", "typecheck", "security", "unit", "integration"],
}


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "BATCHGATE"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--batch-gates", "--batch-workers=2", *args],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(params=sorted(GATES))
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    copy = tmp_path / str(request.param)
    shutil.copytree(EXAMPLES / request.param, copy, ignore=shutil.ignore_patterns(".*cache", "__pycache__"))
    return copy


def test_no_example_is_forgotten() -> None:
    """Those that are not run here have a file of their own."""
    others = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} <= GATES.keys() | others


def test_every_gate_of_an_example_is_good(example: Path) -> None:
    done = run(example)
    assert done.returncode == 0, done.stdout + done.stderr
    good = [f"{name} " for name in GATES[example.name]]
    rows = done.stdout[done.stdout.index("\ngate ") :].splitlines()
    assert all(any(row.startswith(name) and " passed " in row for row in rows) for name in good)
    assert f"passed: {len(good)} of {len(good)} gates good" in done.stdout
    assert not done.stderr


def test_the_plan_of_an_example_names_its_gates(example: Path) -> None:
    done = run(example, "--batch-plan=json")
    assert done.returncode == 0, done.stderr
    assert [gate["name"] for gate in json.loads(done.stdout)["gates"]] == GATES[example.name]


def test_a_broken_example_may_not_merge(tmp_path: Path) -> None:
    """One wrong line is found by the type checker and by the tests; what needs these is skipped."""
    copy = tmp_path / "library"
    shutil.copytree(EXAMPLES / "library", copy, ignore=shutil.ignore_patterns(".*cache", "__pycache__"))
    tally = copy / "src" / "wordtally" / "tally.py"
    text = tally.read_text(encoding="utf-8")
    assert "match.group().lower()" in text
    tally.write_text(text.replace("match.group().lower()", "len(match.group())"), encoding="utf-8")
    done = run(copy)
    assert done.returncode == 1
    assert "\n  src/wordtally/tally.py:" in done.stdout
    assert "FAILED tests/test_tally.py::test_most_common_counts" in done.stdout
    assert "needs unit, which failed" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("failed (exit code 1): ")
