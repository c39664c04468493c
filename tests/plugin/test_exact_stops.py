"""After what stops a run, or a gate, not one more test of it begins: not even one that was announced."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Repo

pytestmark = pytest.mark.integration

ONE_GATE = "gates:\n  unit: {tests: true}\n"

# Its failure is known once its teardown begins; a test that began before has made its note by then.
FAILS = """
import pytest, time, tool
@pytest.fixture
def known():
    yield
    time.sleep(0.5)
    tool.note("failed")
def test_fails(known):
    tool.meet("a", "b")
    assert not "wrong"
def test_next(): tool.note("start")
"""
GOES_ON = """
import pytest, time, tool
def test_first(): tool.meet("b", "a")
@pytest.mark.parametrize("n", range(200))
def test_more(n):
    tool.note("start")
    time.sleep(0.02)
"""


def test_after_the_last_failure_allowed_no_worker_begins_another_test(tmp_path: Path) -> None:
    """`-x` with two workers; the file that fails is told only half a second later."""
    repo = Repo(tmp_path, ONE_GATE, test_a=FAILS, test_b=GOES_ON)
    result = repo.run("-x", "--batch-workers=2").expect(1, {"unit": "failed"}, test_fails="failed")
    assert "failed" in result.notes
    assert "start" not in result.notes[result.notes.index("failed") :], result.notes
    assert 0 < list(result.tests.values()).count("passed") < 150
    assert "stopping after 1 failures" in result.out


def test_a_crash_counts_for_maxfail(tmp_path: Path) -> None:
    """Two of the six fail by their worker's death, and nothing else is begun."""
    text = "import os, pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_dies(n): os._exit(3)\n"
    repo = Repo(tmp_path, ONE_GATE, test_it=text)
    result = repo.run("--maxfail=2", "--batch-workers=1").expect(1, {"unit": "failed"})
    assert list(result.tests.values()) == ["failed"] * 2
    assert "stopping after 2 failures" in result.out


def test_what_was_announced_when_the_run_stops_does_not_run(tmp_path: Path) -> None:
    """fail-fast: the check fails while the first of two tests runs."""
    config = """
    fail-fast: true
    gates:
      unit: {tests: true}
      check: {run: {shell: "PY tool.py meet check unit && exit 1"}}
    """
    text = """
    import pytest, time, tool
    @pytest.fixture(scope="module")
    def shared():
        yield
        tool.note("torn down")
    def test_one(shared):
        tool.meet("unit", "check")
        time.sleep(1.5)
    def test_two(shared): tool.note("two")
    """
    repo = Repo(tmp_path, config, test_it=text)
    result = repo.run("--batch-workers=2")
    assert result.code == 1, result.out
    assert result.gates["check"] == "failed", result.out
    assert "two" not in result.notes


RECALLED = """
import os, pytest, signal, time, tool
@pytest.fixture(scope="class", autouse=True)
def by_class(request):
    yield
    tool.note("end of", request.cls.__name__)
@pytest.mark.it
class TestIt:
    def test_ends_it(self):
        os.kill(int(open("pid").read()), signal.SIGKILL)
        time.sleep(1.5)
    def test_announced(self): tool.note("announced")
class TestUnit:
    def test_other(self): tool.note("other")
    def test_last(self): pass
"""
SERVICE = """
import os, time
open("pid", "w").write(str(os.getpid()))
print("up", flush=True)
time.sleep(99)
"""


def test_fixtures_kept_for_a_test_that_was_taken_back_are_torn_down(tmp_path: Path) -> None:
    """The service dies in the middle of its gate; the same worker goes on with the other gate's tests."""
    config = """
    gates:
      server: {run: PY server.py, ready: {line: up}}
      late: {run: PY -c pass, needs: [server], priority: 9}
      it: {tests: it, needs: [server, late]}
      unit: {tests: true, needs: [late]}
    """
    repo = Repo(tmp_path, config, test_it=RECALLED, server=SERVICE)
    repo.write("pytest.ini", "[pytest]\nmarkers = it\n")
    result = repo.run("--batch-workers=1")
    assert result.code == 1, result.out
    assert result.gates["it"] == "failed", result.out
    assert "announced" not in result.notes
    assert result.notes[:2] == ["end of TestIt", "other"], result.out
    assert "not torn down properly" not in result.out
    result.expect(1, None, test_ends_it="passed", test_other="passed", test_last="passed")
