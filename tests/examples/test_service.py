"""examples/service: a server of the run's own, stages, a mutex, and a gate that always runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from example_kit import copy_of, replace, result, run, started

pytestmark = pytest.mark.integration

STATIC = ["lint", "typecheck", "security"]
GATES = [*STATIC, "unit", "server", "integration", "backup", "clean-up"]
POSTGRES = ["database", "schema", "postgres"]

HAS_POSTGRES = bool(list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))) or bool(shutil.which("initdb"))


def log_of(example: Path, gate: str) -> str:
    logs = (example / ".pytest_cache" / "batchgate" / "logs").glob(f"*/{gate}*.log")
    return max(logs, key=lambda path: path.stat().st_mtime_ns).read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_gate_is_good_in_two_runs_at_once(tmp_path: Path) -> None:
    """Each run has a server of its own: they share no port, and no value."""
    example = copy_of("service", tmp_path)
    other = copy_of("service", tmp_path / "other")
    with (
        started(example) as first,
        started(other, "--batch-profile=ci", "--batch-select=no:lint,no:typecheck,no:security") as second,
    ):
        here, there = result(first), result(second)
    here.expect(0, dict.fromkeys(GATES, "passed"))
    there.expect(0, {name: "passed" for name in GATES if name not in STATIC})
    assert "8 passed" in here.row("integration"), "with the one that stands beside the unit tests"
    assert "skipped" in here.row("unit"), "tests that need PostgreSQL"
    for folder in (example, other):
        assert log_of(folder, "clean-up") == "removed 2: balance, counted\n"
        assert log_of(folder, "backup").endswith("values there and back\n")
    assert log_of(example, "server") != log_of(other, "server"), "each on a port of its own"
    assert not here.err


def test_the_clean_up_runs_where_tests_fail(tmp_path: Path) -> None:
    """What depends on the broken test is skipped, what is optional fails nothing."""
    example = copy_of("service", tmp_path)
    replace(example / "tests/integration/test_server.py", '== "yes"', '== "no"')
    replace(example / "src/shelf/store.py", "import re\n", "import re\nimport pickle\n")  # no use, no danger
    done = run(example, "-rs", "--batch-select=clean-up,security,no:lint,no:typecheck")
    assert done.code == 1, str(done)
    states = done.gates
    assert states == {
        "security": "failed",
        "server": "passed",
        "integration": "failed",
        "backup": "passed",
        "clean-up": "passed",
    }
    assert "not required: security" in done.out
    assert "depends on tests/integration/test_server.py::test_write" in done.out, str(done)
    assert log_of(example, "clean-up") == "removed 3: balance, counted, written\n"


def test_a_server_that_does_not_come_up(tmp_path: Path) -> None:
    """Its users are skipped, and told why; the clean-up runs without it."""
    example = copy_of("service", tmp_path)
    dies = 'raise SystemExit("no luck today")\n    with Server('
    replace(example / "src/shelf/server.py", "with Server(", dies)
    done = run(example, "--batch-select=clean-up,no:lint,no:typecheck,no:security")
    assert done.code == 1, str(done)
    assert done.gates == {
        "server": "failed",
        "integration": "skipped",
        "backup": "skipped",
        "clean-up": "passed",
    }
    assert "ended before it was ready" in done.out
    assert "no luck today" in done.out
    assert "needs server, which failed" in done.out
    assert log_of(example, "clean-up") == "the server never came up: nothing to clean\n"


@pytest.mark.slow
@pytest.mark.skipif(not HAS_POSTGRES, reason="PostgreSQL is not installed")
def test_with_a_database_of_its_own(tmp_path: Path) -> None:
    """The profile adds the database, its schema and its tests; nothing of it is left."""
    example = copy_of("service", tmp_path)
    done = run(example, "--batch-profile=postgres", "--batch-select=postgres")
    done.expect(0, dict.fromkeys(POSTGRES, "passed"))
    assert "4 passed" in done.row("postgres")
    ready = [line for line in log_of(example, "database").splitlines() if line.startswith("ready in ")]
    assert not Path(ready[0].removeprefix("ready in ")).exists()
