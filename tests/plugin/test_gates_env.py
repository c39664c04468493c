"""What gates and tests see: environment, outputs, directories, reports, time limits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from kit import Repo, leftovers

pytestmark = pytest.mark.integration

REALMS = """
defaults: {env: {COMMON: "1"}}
gates:
  make:
    run: {shell: 'printf "DB=from-make\\nMODE=made\\n" > "$BATCHGATE_OUTPUT"'}
    env: {}
  plain: {tests: true, env: {MODE: plain}}
  other: {tests: other, env: {MODE: other}, paths: [tests]}
  built: {tests: built, needs: [make]}
  command:
    run: PY ../tool.py note $DB $MODE $BATCHGATE_GATE $BATCHGATE_WORKER $BATCHGATE_SLOT $BATCHGATE_ATTEMPT
    needs: [make]
    env: {MODE: own}
    cwd: sub
"""


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_environments_have_workers_of_their_own(tmp_path: Path, workers: int) -> None:
    """Modules and conftests read os.environ while they are imported: each gate sees its own."""
    repo = Repo(tmp_path, REALMS)
    repo.write("pytest.ini", "[pytest]\nmarkers =\n    other\n    built\n")
    repo.write("sub/keep", "")
    repo.write(
        "conftest.py",
        """
        import os, pytest
        AT_CONFTEST = os.environ.get("MODE")
        @pytest.fixture(scope="session")
        def seen():
            return [AT_CONFTEST, os.environ.get("MODE"), os.environ.get("DB")]
        """,
    )
    text = """
    import os, pytest
    AT_IMPORT = os.environ.get("MODE")
    @pytest.mark.other
    def test_other(seen): assert [AT_IMPORT, *seen] == ["other", "other", "other", None]
    @pytest.mark.built
    def test_built(seen): assert [AT_IMPORT, *seen] == ["made", "made", "made", "from-make"]
    def test_plain(seen):
        assert [AT_IMPORT, *seen] == ["plain", "plain", "plain", None]
        assert os.environ["BATCHGATE_GATE"] == "plain"
    """
    for name in "ab":
        repo.write(f"tests/test_{name}.py", text)
    result = repo.run(f"--batch-workers={workers}")
    result.expect(0, dict.fromkeys(["make", "plain", "other", "built", "command"], "passed"))
    assert len(result.tests) == 6
    (line,) = result.notes
    db, mode, gate, worker, slot, attempt = line.split()
    assert [db, mode, gate, attempt] == ["from-make", "own", "command", "1"]
    assert worker == f"gw{slot}"


def test_the_environment_of_tests(tmp_path: Path) -> None:
    """Every variable of the interface, the gate's name per test in a shared worker."""
    config = "gates:\n  unit: {tests: not db}\n  integration: {tests: db}\n"
    repo = Repo(tmp_path, config)
    repo.write("pytest.ini", "[pytest]\nmarkers =\n    db\n")
    text = """
    import json, os, pytest, subprocess, sys, tool
    NAMES = [name for name in os.environ if name.startswith(("BATCHGATE", "PYTEST_XDIST"))]
    def say(request, worker_id, testrun_uid):
        seen = dict({name: os.environ[name] for name in NAMES}, BATCHGATE_GATE=os.environ["BATCHGATE_GATE"])
        given = request.config.workerinput
        told = [given["workerid"], given["workercount"], given["testrunuid"]]
        tool.note(json.dumps([seen, worker_id, testrun_uid, *told]))
    @pytest.mark.db
    def test_a(request, worker_id, testrun_uid): say(request, worker_id, testrun_uid)
    def test_b(request, worker_id, testrun_uid): say(request, worker_id, testrun_uid)
    def test_child():
        code = "import os; print(os.environ['BATCHGATE_GATE'])"
        assert subprocess.check_output([sys.executable, "-c", code], text=True) == "unit\\n"
    """
    for name in "ab":
        repo.write(f"test_{name}.py", text)
    outer = {"BATCHGATE_GATE": "outer", "BATCHGATE_OUTPUT": "outer", "BATCHGATE_SLOT": "7"}
    result = repo.run("--batch-workers=2", **outer).expect(0, {"unit": "passed", "integration": "passed"})
    lines = [json.loads(line) for line in result.notes]
    runs = set()
    for seen, worker_id, uid, given_id, count, given_uid in lines:
        slot = seen["BATCHGATE_SLOT"]
        runs.add(seen["BATCHGATE_RUN_ID"])
        assert seen["BATCHGATE"] == seen["BATCHGATE_ATTEMPT"] == "1"
        assert f"gw{slot}" == worker_id == given_id == seen["BATCHGATE_WORKER"] == seen["PYTEST_XDIST_WORKER"]
        assert seen["PYTEST_XDIST_WORKER_COUNT"] == str(count) == "2"
        assert seen["PYTEST_XDIST_TESTRUNUID"] == uid == given_uid
        assert "BATCHGATE_OUTPUT" not in seen, "that of a run around this one"
    assert len(runs) == 1
    assert sorted(seen["BATCHGATE_GATE"] for seen, *_ in lines) == ["integration"] * 2 + ["unit"] * 2


def test_reports_that_commands_promise(tmp_path: Path) -> None:
    """A report must be there and newer than the gate's start."""
    config = """
    gates:
      fresh: {run: [PY, -c, "open('fresh.xml', 'w').write('<testsuites/>')"], report: fresh.xml}
      stale: {run: PY -c pass, report: stale.xml}
      missing: {run: PY -c pass, report: missing.xml}
      nowhere: {run: no-such-program --x}
    """
    repo = Repo(tmp_path, config)
    repo.write("stale.xml", "<testsuites/>")
    result = repo.run("--batch-workers=1")
    result.expect(1, {"fresh": "passed", "stale": "failed", "missing": "failed", "nowhere": "failed"})
    for words in ("stale.xml", "missing.xml", "no-such-program"):
        assert words in result.out


@pytest.mark.parametrize("workers", [0, 2])
def test_time_limits(tmp_path: Path, workers: int) -> None:
    """A command and a tests gate that hang are ended; what else ran keeps its outcome."""
    config = """
    gates:
      hangs: {run: PY -c 'import time; time.sleep(99)', timeout: 300ms, grace: 100ms}
      after: {run: PY tool.py note after, needs: [hangs]}
      slow: {tests: slow, timeout: 1500ms, grace: 100ms}
      unit: {tests: true}
    """
    text = """
    import pytest, time, tool
    def test_quick(): tool.note("quick")
    @pytest.mark.slow
    def test_before(): pass
    @pytest.mark.slow
    def test_hang():
        tool.note("hang")
        time.sleep(99)
    @pytest.mark.slow
    def test_behind(): tool.note("behind")
    def test_last(): tool.note("last")
    """
    repo = Repo(tmp_path, config, test_it=text)
    repo.write("pytest.ini", "[pytest]\nmarkers =\n    slow\n")
    result = repo.run(f"--batch-workers={workers}")
    states = {"hangs": "timed-out", "after": "skipped", "slow": "timed-out", "unit": "passed"}
    result.expect(
        1, states, test_quick="passed", test_before="passed", test_hang="failed", test_last="passed"
    )
    assert "timed out after 1.5 s" in result.texts["test_hang"]
    assert "test_behind" not in {name.rpartition("::")[2] for name in result.tests}
    assert sorted(result.notes) == ["hang", "last", "quick"]
    assert leftovers(tmp_path) == []


def test_worker_specs(tmp_path: Path) -> None:
    """`--batch-tx`: two workers, one of them an interpreter named by its path."""
    repo = Repo(tmp_path, "gates:\n  unit: {tests: true}\n")
    repo.write(
        "conftest.py",
        """
        import tool
        def pytest_sessionstart(session):
            if hasattr(session.config, "workerinput"):
                tool.note("meets", session.config.workerinput["workerid"])
        """,
    )
    repo.write("test_a.py", "import tool\ndef test_a(): tool.meet('a', 'gw0'), tool.meet('a', 'gw1')")
    link = tmp_path / "other-python"
    link.write_text(f'#!/bin/sh\nexport BY_LINK=1\nexec {sys.executable} "$@"\n')
    link.chmod(0o755)
    result = repo.run("--batch-tx=popen", f"--batch-tx=popen//python={link}")
    result.expect(0, {"unit": "passed"}, test_a="passed")
    repo.write("test_c.py", "import os, tool\ndef test_c():\n    assert os.environ['BY_LINK']")
    repo.run("--batch-tx", f"2*popen//python={link}", "test_c.py").expect(0, test_c="passed")
