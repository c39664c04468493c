"""pytest-xdist installed beside us: its options, fixtures, marks and environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from eco_kit import Home

pytestmark = pytest.mark.integration

TESTS = """
import os
import pytest
import xdist

def test_fixtures(request, worker_id, testrun_uid):
    assert worker_id == os.environ["PYTEST_XDIST_WORKER"] == request.config.workerinput["workerid"]
    assert testrun_uid == os.environ["PYTEST_XDIST_TESTRUNUID"] == request.config.workerinput["testrunuid"]
    assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == "2"

def test_functions(request):
    assert xdist.is_xdist_worker(request)
    assert not xdist.is_xdist_controller(request)
    assert xdist.get_xdist_worker_id(request) == os.environ["PYTEST_XDIST_WORKER"]

@pytest.mark.parametrize("n", range(4))
@pytest.mark.xdist_group(name="together")
def test_group(n):
    with open("pids", "a") as file:
        file.write(f"{os.getpid()}\\n")
"""


@pytest.mark.parametrize("addopts", ["-n 3 --dist loadgroup", "--tx 2*popen --dist load"])
def test_options_in_addopts_are_ignored_with_a_notice(tmp_path: Path, addopts: str) -> None:
    """The pool is ours, and what xdist's workers offer is there."""
    repo = Home(tmp_path, "xdist")
    repo.write("pytest.ini", f"[pytest]\naddopts = {addopts}\n")
    repo.files(test_a=TESTS, test_b=TESTS)
    ran = repo.gates()
    assert ran.code == 0, ran
    assert ran.counts == "12 passed"
    assert ran.out.count("from addopts is ignored: the gates have their own workers") == 1
    assert "3 workers" not in ran.out
    assert len(set((repo.root / "pids").read_text().split())) == 1


@pytest.mark.parametrize(
    "args",
    [["-n0"], ["--tx=2*popen"], ["--dist=loadfile"], ["-d"], ["-f"]],
    ids=lambda args: args[0],
)
def test_typed_options_are_refused(tmp_path: Path, args: list[str]) -> None:
    """What was typed is not silently ignored: exit 4, naming our own option."""
    repo = Home(tmp_path, "xdist", "xdist.looponfail")
    repo.files(test_a="def test_a(): pass")
    ran = repo.gates(*args)
    assert ran.code == 4, ran
    assert "--batch-workers=N" in ran.err
    assert "Traceback" not in ran.err


def test_what_asks_for_nothing_is_let_through(tmp_path: Path) -> None:
    """`--dist=no` is xdist's default; marks are honoured without any option."""
    repo = Home(tmp_path, "xdist")
    repo.files(test_a=TESTS)
    ran = repo.gates("--dist=no", "--maxprocesses=3")
    assert (ran.code, ran.counts) == (0, "6 passed"), ran
