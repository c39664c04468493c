"""Workers on another machine: this one, by a real ssh and in another folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit import Repo, leftovers, until
from sshd_kit import Sshd, running

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CONFIG = """
gates:
  lint: {run: PY tool.py note lint}
  unit: {tests: true, needs: [lint], test-timeout: 20s}
"""
WHERE = """
    import os, pytest
    HERE = os.path.basename(os.getcwd())
    @pytest.mark.parametrize("n", range(6))
    def test_is_there(n, tmp_path):
        assert HERE == "there"
        assert os.environ["BATCHGATE_GATE"] == "unit" and os.environ["FROM_US"] == "1"
"""


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    yield from running(tmp_path_factory.mktemp("sshd"))


def both(tmp_path: Path, **files: str) -> tuple[Repo, Path]:
    """The repository here, and its copy on the other side."""
    repo = Repo(tmp_path / "here", CONFIG, **files)
    there = tmp_path / "there"
    shutil.copytree(repo.root, there)
    return repo, there


def test_tests_run_there_and_commands_here(tmp_path: Path, sshd: Sshd) -> None:
    """A crash there blames the one test, by its signal; a lost line blames nobody, and loses nothing."""
    config = CONFIG.replace("test-timeout: 20s", "test-timeout: 20s, env: {FROM_US: '1'}")
    crash = "import os\ndef test_before(): pass\ndef test_crashes(): os.abort()\ndef test_after(): pass\n"
    # The line is cut from within, once: its own ssh server process is a parent of the worker.
    cut = """
        import os, pathlib, signal, time
        MARK = pathlib.Path(os.getcwd(), "cut")
        def sshd():
            pid = os.getpid()
            while True:
                words = pathlib.Path(f"/proc/{pid}/stat").read_text()
                if words[words.index("(") + 1 : words.rindex(")")].startswith("sshd"):
                    return pid
                pid = int(words[words.rindex(")") + 2 :].split()[1])
        def test_first(): pass
        def test_cuts_the_line():
            if not MARK.exists():
                MARK.touch()
                os.kill(sshd(), signal.SIGKILL)
                time.sleep(60)
        def test_last(): pass
    """
    repo, there = both(tmp_path, test_where=WHERE, test_crash=crash, test_cut=cut)
    repo.config(config)
    shutil.copy(repo.root / "batchgate.yaml", there)
    result = repo.run(f"--batch-tx=2*{sshd.spec(there, sys.executable)}", str(repo.root))
    result.expect(
        1,
        {"lint": "passed", "unit": "failed"},
        test_before="passed",
        test_crashes="failed",
        test_after="passed",
        test_first="passed",
        test_cuts_the_line="passed",
        test_last="passed",
    )
    assert len(result.tests) == 12, result.out
    assert "was killed by SIGABRT" in result.texts["test_crashes"]
    assert "lost its connection" in result.out
    assert "memory-limit and leaks do not hold there" in result.out
    assert result.notes == ["lint"]
    assert not (there / "notes").exists()
    until(lambda: not leftovers(there))


def test_another_content_or_version_is_refused_naming_both_sides(tmp_path: Path, sshd: Sshd) -> None:
    repo, there = both(tmp_path, test_a="def test_a(): pass\n", conftest="", extra="A = 1\n")
    spec = f"--batch-tx={sshd.spec(there, sys.executable)}"
    (there / "extra.py").write_text("A = 2\n")
    (there / "conftest.py").unlink()
    result = repo.run(spec, "-q")
    assert result.code == 4, result.out
    assert f"the repository in {there} on ssh=box is not the one here: conftest.py, extra.py" in result.out

    elsewhere = f"--batch-tx={sshd.spec(tmp_path / 'nowhere', sys.executable)}"
    missing = repo.run(elsewhere, "-q")
    assert missing.code == 4, missing.out
    assert f"the repository is not in {tmp_path / 'nowhere'} on ssh=box: " in missing.out

    # Another version of pytest, seen by nobody but who is asked on the other side.
    lib = tmp_path / "lib"
    lib.mkdir()
    (lib / "pytest.py").write_text("__version__ = '7.0'\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={lib} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    other = repo.run(f"--batch-tx={sshd.spec(there, str(python))}", "-q")
    assert other.code == 4, other.out
    assert f"on ssh=box has other versions: pytest 7.0 there, {pytest.__version__} here" in other.out


def test_who_does_not_answer_is_told_by_ssh_and_let_go_of(tmp_path: Path, sshd: Sshd) -> None:
    """And what stands behind the line says nothing in our name: its errors go by the worker's, masked."""
    says = "import os\ndef test_a(): os.write(2, b'\\n::error::hidden-value\\n')\n"
    repo, there = both(tmp_path, test_a=says)
    lost = repo.run(f"--batch-tx={sshd.spec(there, '/nowhere/python')}", "-q")
    assert lost.code == 1, lost.out
    assert "could not be started: /nowhere/python on ssh=box does not answer: sh: " in lost.out
    said = repo.run(f"--batch-tx={sshd.spec(there, sys.executable)}", "-s", MY_TOKEN="hidden-value")
    assert "[gw0] ::error::***" in said.expect(0, test_a="passed").out
    assert not [line for line in said.out.splitlines() if line.startswith("::") or "hidden" in line]

    config = tmp_path / "silent"
    config.write_text("Host box\n  ProxyCommand exec sleep 60\n")
    process = repo.start(f"--batch-tx=ssh=box//ssh_config={config}//chdir={there}")
    until((repo.root / "notes").exists)  # of the first gate: the run is on its way
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert repo.finish(process).code == 2  # whoever is left behind would hold its output
    assert time.monotonic() - began < 10.0


def test_an_interrupt_tears_down_what_runs_there(tmp_path: Path, sshd: Sshd) -> None:
    slow = """
        import pathlib, pytest, time
        @pytest.fixture(scope="session")
        def kept():
            yield
            pathlib.Path("torn").touch()
        def test_slow(kept):
            pathlib.Path("begun").touch()
            time.sleep(60)
    """
    repo, there = both(tmp_path, test_slow=slow)
    process = repo.start(f"--batch-tx={sshd.spec(there, sys.executable)}")
    until((there / "begun").exists)
    process.send_signal(signal.SIGINT)
    result = repo.finish(process)
    assert result.code == 2, result.out
    assert (there / "torn").exists(), result.out
    until(lambda: not leftovers(there))


def test_a_socket_will_do(tmp_path: Path) -> None:
    """One worker per server: when its session is over the server is, too."""
    repo, there = both(tmp_path, test_a="import os\ndef test_a(): assert os.getcwd().endswith('there')\n")
    command = [sys.executable, "-u", "-m", "execnet.script.socketserver", "127.0.0.1:0"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(command, env=env, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        told = next(line for line in server.stdout if "12" in line)
        port = "".join(filter(str.isdigit, told.rpartition(",")[2]))
        repo.run(f"--batch-tx=socket=127.0.0.1:{port}//chdir={there}").expect(0, test_a="passed")
    finally:
        server.kill()
        server.wait()
