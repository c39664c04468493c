"""Workers that die: the culprit is named, everything else runs once, nothing is left behind."""

from __future__ import annotations

import re
import signal
import tempfile
import time
from pathlib import Path

import pytest
from kit import Repo, Result, leftovers, until

pytestmark = pytest.mark.integration

ONE_GATE = "gates:\n  unit: {tests: true}\n"
GOOD = "import pytest\n@pytest.mark.parametrize('n', range(5))\ndef test_good(n): pass\n"
DEATHS = {
    "exit": "os._exit(3)",
    "kill": "os.kill(os.getpid(), signal.SIGKILL)",
    "segfault": "ctypes.string_at(0)",
}
SAID = {"exit": "ended with exit code 3", "kill": "SIGKILL", "segfault": "SIGSEGV"}


def run(repo: Repo, *args: str, **env: str) -> Result:
    """A run with a temporary directory of its own, in which nothing of ours may be left."""
    with tempfile.TemporaryDirectory() as folder:
        result = repo.run(*args, TMPDIR=folder, **env)
        left = [path.name for path in Path(folder).glob("batchgate*")]
        assert left == [], left
    assert leftovers(repo.root) == []
    return result


@pytest.mark.parametrize(("how", "workers"), [("exit", 0), ("exit", 1), ("kill", 2), ("segfault", 3)])
def test_a_test_that_takes_its_worker_down(tmp_path: Path, how: str, workers: int) -> None:
    """It fails, saying who died and how; each other test is reported once, and passes."""
    repo = Repo(tmp_path, ONE_GATE, test_a=GOOD, test_b=GOOD, test_z=GOOD)
    text = f"""
    import ctypes, os, signal
    def test_before(): pass
    def test_dies(): {DEATHS[how]}
    def test_after(): pass
    class TestMore:
        def test_more(self): pass
    """
    repo.write("test_m.py", text)
    result = run(repo, f"--batch-workers={workers}").expect(1, {"unit": "failed"}, test_dies="failed")
    said = result.texts["test_dies"]
    assert SAID[how] in said
    assert "while running test_m.py::test_dies" in said
    assert "worker gw" in said
    outcomes = list(result.tests.values())
    assert len(outcomes) == 19
    assert outcomes.count("passed") == 18, result.out


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_takes_its_importer_down(tmp_path: Path, workers: int) -> None:
    """It is a collection error, exit 2, and tried once; with --continue-on-collection-errors it is 1."""
    repo = Repo(tmp_path, ONE_GATE, test_a=GOOD, test_b="import os, tool\ntool.note('imported')\nos._exit(3)")
    result = run(repo, f"--batch-workers={workers}").expect(2, {"unit": "failed"})
    assert result.notes == ["imported"]
    assert "test_b.py" in result.out
    assert "ended with exit code 3 while collecting test_b.py" in result.out
    assert result.out.count("ERROR test_b.py") == 1
    going_on = run(repo, f"--batch-workers={workers}", "--continue-on-collection-errors")
    going_on.expect(1, {"unit": "failed"})
    assert list(going_on.tests.values()).count("passed") == 5
    assert going_on.notes == ["imported"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_session_fixture_that_dies_in_its_teardown(tmp_path: Path, workers: int) -> None:
    """The run fails and says so, though every test had passed or has run elsewhere."""
    repo = Repo(tmp_path, ONE_GATE, test_a=GOOD)
    repo.write(
        "conftest.py",
        """
        import os, pytest
        @pytest.fixture(scope="session", autouse=True)
        def dies():
            yield
            os._exit(3)
        """,
    )
    result = run(repo, f"--batch-workers={workers}").expect(1)
    assert "ended with exit code 3" in result.out
    assert len(result.tests) == 5


@pytest.mark.parametrize("workers", [0, 2])
def test_every_test_crashes(tmp_path: Path, workers: int) -> None:
    """Within the limit each fails by its own death; beyond it the rest are errors, by name."""
    text = "import os, pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_dies(n): os._exit(3)\n"
    repo = Repo(tmp_path, f"max-worker-restarts: 9\n{ONE_GATE}", test_it=text)
    result = run(repo, f"--batch-workers={workers}").expect(1, {"unit": "failed"})
    assert list(result.tests.values()) == ["failed"] * 6
    repo.config(f"max-worker-restarts: 2\n{ONE_GATE}")
    limited = run(repo, f"--batch-workers={workers}").expect(1, {"unit": "crashed"})
    outcomes = sorted(limited.tests.values())
    assert len(outcomes) == 6
    assert 3 <= outcomes.count("failed") <= 4
    assert outcomes.count("error") == 6 - outcomes.count("failed")
    assert re.search("unit +crashed +.*its tests took [34] workers down", limited.out), limited.out


def test_a_worker_whose_conftest_dies(tmp_path: Path) -> None:
    """No worker ever comes up: the run ends, and says why."""
    repo = Repo(tmp_path, ONE_GATE, test_a=GOOD)
    repo.write(
        "conftest.py",
        """
        import os
        if "PYTEST_XDIST_WORKER" in os.environ: os._exit(7)
        """,
    )
    result = run(repo, "--batch-workers=2")
    assert result.code == 1, result.out
    assert "ended with exit code 7 while it loaded plugins and conftests" in result.out


def test_what_tests_leave_running_is_ended(tmp_path: Path) -> None:
    """A child, one in a session of its own, and one that a fork left; each is named."""
    text = """
    import os, subprocess, sys, time
    def test_child(): subprocess.Popen(["sleep", "98"])
    def test_session(): subprocess.Popen(["sleep", "97"], start_new_session=True)
    def test_fork():
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(96)
            os._exit(0)
        os.wait()
    """
    repo = Repo(tmp_path, ONE_GATE, test_it=text)
    result = run(repo, "--batch-workers=1").expect(0, {"unit": "passed"})
    assert "tests left processes behind, which have been ended" in result.out
    assert "sleep 98" in result.out
    assert "sleep 97" in result.out


def test_what_commands_leave_running_is_ended(tmp_path: Path) -> None:
    """They are named, and fail nothing unless the configuration says so."""
    repo = Repo(tmp_path, "gates:\n  warn: {run: {shell: 'sleep 90 &'}}\n  clean: {run: PY -c pass}\n")
    result = run(repo, "--batch-workers=2").expect(0, {"warn": "passed", "clean": "passed"})
    assert "note: warn left processes behind, which have been ended: sleep 90" in result.out
    assert "clean left" not in result.out


SLOW = """
import pytest, time, tool
@pytest.fixture(scope="session")
def whole():
    yield
    tool.note("session torn down")
@pytest.fixture
def own(whole):
    yield
    tool.note("torn down")
def test_quick(whole): pass
def test_slow(own):
    tool.note("slow")
    time.sleep(99)
def test_later(): tool.note("later")
"""


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 0), (signal.SIGINT, 2), (signal.SIGTERM, 2)])
def test_a_signal_ends_the_run_in_order(tmp_path: Path, number: signal.Signals, workers: int) -> None:
    """Exit 2, said once; fixtures are torn down, JUnit has what ran, and it takes seconds."""
    config = """
    gates:
      unit: {tests: true}
      command: {run: PY -c 'import time; time.sleep(98)'}
      later: {run: PY tool.py note never, needs: [unit]}
    """
    repo = Repo(tmp_path, config, test_it=SLOW)
    process = repo.start(f"--batch-workers={workers}")
    until(lambda: "slow" in Result(tmp_path, 0, "").notes)
    began = time.monotonic()
    process.send_signal(number)
    result = repo.finish(process, 20)
    assert time.monotonic() - began < 7, result.out
    assert result.code == 2, result.out
    assert result.out.count("! KeyboardInterrupt !") == 1, result.out
    met = next(line for line in result.out.splitlines() if " while these ran: " in line)
    assert re.search(rf"note: {number.name} .*test_it.py::test_slow \(gw[01]\) [\d.]+m?s", met), met
    assert ("command " in met) is (workers > 0), met
    assert result.gates == {"unit": "cancelled", "command": "cancelled", "later": "cancelled"}
    assert result.notes == ["slow", "torn down", "session torn down"]
    assert result.tests == {"test_it::test_quick": "passed"}
    assert leftovers(tmp_path) == []


def test_a_test_that_ignores_the_interrupt(tmp_path: Path) -> None:
    """Its worker is killed in time, or at once by a second signal."""
    text = """
    import signal, time, tool
    def test_deaf():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        tool.note("deaf")
        time.sleep(99)
    """
    repo = Repo(tmp_path, ONE_GATE, test_it=text)
    process = repo.start("--batch-workers=1")
    until(lambda: "deaf" in Result(tmp_path, 0, "").notes)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    result = repo.finish(process, 20)
    assert result.code == 2, result.out
    assert time.monotonic() - began < 7
    assert leftovers(tmp_path) == []


def test_nothing_outlives_a_controller_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL: workers, what tests started, commands and what they started all go."""
    config = """
    gates:
      unit: {tests: true}
      command: {run: {shell: "setsid sleep 96 & sleep 97"}}
    """
    text = """
    import subprocess, time, tool
    def test_slow():
        subprocess.Popen(["sleep", "98"], start_new_session=True)
        tool.note("slow")
        time.sleep(99)
    """
    repo = Repo(tmp_path, config, test_it=text)
    process = repo.start("--batch-workers=2")
    until(lambda: "slow" in Result(tmp_path, 0, "").notes)
    until(lambda: len(leftovers(tmp_path)) >= 5)
    process.kill()
    process.wait()
    until(lambda: not leftovers(tmp_path), 15)
