"""What plugins and tests written for xdist find, with xdist installed, blocked or absent."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kit import Repo

pytestmark = pytest.mark.integration

HAS_COV = importlib.util.find_spec("pytest_cov") is not None
ONE_GATE = "gates:\n  unit: {tests: true}\n"
# Blocked, and beside us or absent.
XDIST = [["-p", "no:xdist"], []]

CONFTEST = """
import json, pytest, tool

class Hooks:
    def pytest_xdist_setupnodes(self, config, specs):
        tool.note("setup", *[spec.id for spec in specs])
    def pytest_configure_node(self, node):
        assert not hasattr(node.config, "workerinput")
        node.workerinput["greeting"] = f"hello {node.gateway.id}"
        node.workerinput["odd"] = {"path": node.config.rootpath, "more": (1, {2})}
        tool.note("configure", node.gateway.id, node.workerinput["workerid"], node.gateway.spec.popen)
    def pytest_testnodeready(self, node):
        assert node.workerinfo["executable"]
        tool.note("ready", node.workerinfo["id"])
    def pytest_testnodedown(self, node, error):
        tool.note("down", node.gateway.id, json.dumps([error, node.workeroutput.get("answer")]))

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.workeroutput["answer"] = config.workerinput["greeting"].upper()
    else:
        config.pluginmanager.register(Hooks())
    assert config.option.__dict__.get("dist", "no") == "no"

def pytest_xdist_auto_num_workers(config): return 7

@pytest.fixture(scope="session")
def mine(worker_id, testrun_uid): return f"{testrun_uid}-{worker_id}"
"""
TESTS = """
import os, pytest, tool
def test_fixtures(request, mine, worker_id, testrun_uid):
    given = request.config.workerinput
    assert mine == f"{given['testrunuid']}-{given['workerid']}"
    assert worker_id == os.environ["PYTEST_XDIST_WORKER"]
    assert hasattr(request.config, "workerinput")
    assert request.node in request.session.items  # where pytest-django looks for the databases to set up
    blocked = "no:xdist" in request.config.invocation_params.args
    assert request.config.pluginmanager.hasplugin("xdist") is not blocked
    assert given["greeting"] == f"hello {worker_id}"
    assert given["odd"]["path"] == os.getcwd()
def test_is_worker(request):
    xdist = pytest.importorskip("xdist")
    assert xdist.is_xdist_worker(request)
    assert not xdist.is_xdist_controller(request)
    assert xdist.get_xdist_worker_id(request) == os.environ["PYTEST_XDIST_WORKER"]
"""


@pytest.mark.parametrize("options", XDIST)
@pytest.mark.parametrize("workers", [0, 2])
def test_hooks_and_fixtures(tmp_path: Path, options: list[str], workers: int) -> None:
    """Nodes are configured before and heard of after; additions to workerinput arrive."""
    repo = Repo(tmp_path, ONE_GATE, conftest=CONFTEST, test_a=TESTS, test_b=TESTS)
    result = repo.run(f"--batch-workers={workers}", *options, PYTEST_XDIST_AUTO_NUM_WORKERS="9").expect(0)
    names = [f"gw{slot}" for slot in range(workers or 1)]
    notes = result.notes
    assert notes[0] == "setup " + " ".join(names)
    configured = [note.split()[1] for note in notes if note.startswith("configure")]
    assert set(configured) <= set(names)
    assert len(set(configured)) == len(configured)
    for name in configured:
        assert f"configure {name} {name} True" in notes
    ready = [note.split()[1] for note in notes if note.startswith("ready")]
    assert ready
    downs = sorted(note for note in notes if note.startswith("down"))
    # One that was not needed any more may never have come up.
    assert downs == sorted(f'down {name} [null, "HELLO {name.upper()}"]' for name in ready)


def test_a_node_that_goes_down(tmp_path: Path) -> None:
    """`error` says what became of a worker that crashed; its successor is a node of its own."""
    repo = Repo(tmp_path, ONE_GATE, conftest=CONFTEST)
    repo.write("test_a.py", "import os\ndef test_a(): os._exit(3)\ndef test_b(): pass")
    result = repo.run("--batch-workers=1").expect(1, test_a="failed", test_b="passed")
    downs = [json.loads(note.split(" ", 2)[2]) for note in result.notes if note.startswith("down")]
    assert downs == [["ended with exit code 3", None], [None, "HELLO GW0"]]


def test_a_hook_that_raises(tmp_path: Path) -> None:
    """pytest_configure_node of a plugin fails: an internal error that shows it, and an end."""
    repo = Repo(tmp_path, ONE_GATE, test_a="def test_a(): pass")
    repo.write("conftest.py", "def pytest_configure_node(node): raise RuntimeError('not with me')")
    result = repo.run("--batch-workers=1")
    assert result.code == 3, result.out
    assert "not with me" in result.out


def test_own_fixtures_win(tmp_path: Path) -> None:
    """A repository's own `worker_id` is not ours to replace."""
    repo = Repo(tmp_path, ONE_GATE, test_a="def test_a(worker_id): assert worker_id == 'mine'")
    repo.write("conftest.py", "import pytest\n@pytest.fixture\ndef worker_id(): return 'mine'")
    repo.run("--batch-workers=1", "-p", "no:xdist").expect(0, test_a="passed")


def test_without_batch_gates_nothing_is_declared(tmp_path: Path) -> None:
    """A hook that only xdist declares is unknown to plain pytest, as it always was."""
    repo = Repo(tmp_path, ONE_GATE, test_a="def test_a(): pass")
    repo.write("conftest.py", "def pytest_configure_node(node): pass")
    argv = [sys.executable, "-m", "pytest", "-p", "no:xdist"]
    plain = subprocess.run(
        argv, cwd=tmp_path, env=repo.environment({}), capture_output=True, text=True, check=False
    )
    assert "unknown hook 'pytest_configure_node'" in plain.stdout + plain.stderr
    assert repo.run("-p", "no:xdist", "--batch-workers=1").code == 0


COVERED = {
    "src/pkg/__init__.py": "from pkg.one import used\n",
    "src/pkg/one.py": "def used(x):\n    if x:\n        return 1\n    return 2\ndef unused():\n    pass\n",
    "src/pkg/two.py": "import os\nVALUE = os.environ.get('M')\ndef f(): return VALUE\ndef g():\n    pass\n",
    "src/pkg/never.py": "x = 1\n",
    "conftest.py": "import pkg\n",
    "test_a.py": "import pkg\ndef test_a(): assert pkg.used(1) == 1\n",
    "test_b.py": "import pkg.two\ndef test_b(): assert pkg.two.f() is None\n",
    "sub/conftest.py": "import pkg.two\npkg.two.g()\n",
    "sub/test_c.py": "import pkg\ndef test_c(): assert pkg.used(0) == 2\n",
}


@pytest.mark.skipif(not HAS_COV, reason="pytest-cov is not installed")
@pytest.mark.parametrize("options", XDIST)
def test_coverage_equals_that_of_plain_pytest(tmp_path: Path, options: list[str]) -> None:
    """Line by line and arc by arc, in parallel, in turn, and with workers that come late."""
    repo = Repo(tmp_path, ONE_GATE)
    for name, text in COVERED.items():
        repo.write(name, text)
    repo.write("cov.ini", "[run]\nparallel = true\n")
    cov = [
        "--cov=pkg",
        "--cov-branch",
        "--cov-report=json",
        "--cov-report=term-missing",
        "--cov-config=cov.ini",
    ]
    env = {"PYTHONPATH": f"{tmp_path / 'src'}{os.pathsep}{tmp_path}"}
    argv = [sys.executable, "-m", "pytest", "-p", "no:batchgate", *options, *cov]
    plain = subprocess.run(
        argv, cwd=tmp_path, env=repo.environment(env), capture_output=True, text=True, check=False
    )
    assert plain.returncode == 0, plain.stdout
    expected = covered(tmp_path)
    assert "src/pkg/never.py" in expected

    for workers in (2,) if options else (0, 2):
        result = repo.run(f"--batch-workers={workers}", *options, *cov, **env).expect(0)
        assert covered(tmp_path) == expected, result.out
        assert "Failed workers" not in result.out
    # The second environment's workers start when the first ones have written their data.
    repo.config("gates:\n  b: {tests: true, paths: [test_b.py], env: {OTHER: '1'}}\n  rest: {tests: true}\n")
    late = repo.run("--batch-workers=1", *options, *cov, **env).expect(0)
    assert covered(tmp_path) == expected, late.out
    assert not list(tmp_path.glob(".coverage.*")), "every worker's data has been combined"


def covered(root: Path) -> dict[str, object]:
    files = json.loads((root / "coverage.json").read_text())["files"]
    (root / "coverage.json").unlink()
    return {
        name: [data["executed_lines"], data["missing_lines"], data["executed_branches"]]
        for name, data in files.items()
    }


@pytest.mark.skipif(not HAS_COV, reason="pytest-cov is not installed")
def test_coverage_that_is_too_low_fails_the_run(tmp_path: Path) -> None:
    """pytest-cov's own verdict is kept: --cov-fail-under is exit 1."""
    repo = Repo(tmp_path, ONE_GATE)
    for name, text in COVERED.items():
        repo.write(name, text)
    env = {"PYTHONPATH": f"{tmp_path / 'src'}{os.pathsep}{tmp_path}"}
    result = repo.run("--batch-workers=2", "--cov=pkg", "--cov-fail-under=99", **env)
    assert result.code == 1, result.out
    assert "less than fail-under=99" in result.out
