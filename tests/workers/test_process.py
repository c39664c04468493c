"""Finding, measuring and ending process trees, also where the system offers less than Linux does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from command_kit import PATIENCE_S, MakeBench, alive, benches, gate, python, until

from pytest_batchgate.core.model import GateState
from pytest_batchgate.workers import process
from pytest_batchgate.workers.process import Child, Tree, Waker, describe, end_all, look, send, wait_gone

pytestmark = pytest.mark.integration


@pytest.fixture(name="bench")
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    with benches(tmp_path) as make:
        yield make


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as child:
        yield child
        child.kill()


@pytest.fixture(params=["pidfd", "waitid", "neither"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Linux as it is, without pidfd (old, or forbidden), and as macOS is: without waitid, through psutil."""
    if request.param != "pidfd":
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    if request.param == "neither":
        monkeypatch.delattr(os, "waitid", raising=False)
        monkeypatch.setattr(process, "look", process._look_psutil)
    return str(request.param)


def test_commands_end_alike_on_lesser_systems(bench: MakeBench, system: str, tmp_path: Path) -> None:
    run = bench(
        gate("ok", "echo hi"),
        gate("bad", "exit 3"),
        gate("crash", "kill -SEGV $$"),
        gate("deaf", "trap '' TERM; echo up; sleep 1000; sleep 1000"),
        gate("leaky", "setsid sleep 1000 & echo $! > pid"),
    )
    assert run.run("ok").state is GateState.PASSED
    assert run.run("bad").reason == "exit code 3"
    assert run.run("crash").reason == "killed by SIGSEGV"
    run.start("deaf")
    run.wait_log("deaf", "up")
    run.stop("deaf", grace_s=0.1)
    assert run.ended().returncode == -signal.SIGKILL
    ended = run.run("leaky")
    pid = run.wait_pid(tmp_path / "pid")
    assert len(ended.leaked) == 1
    assert ended.leaked[0].endswith(f"(pid {pid})")
    assert not alive(pid)


def test_a_wait_ends_by_a_wake_up_a_timeout_or_the_end(system: str, tmp_path: Path) -> None:
    waker = Waker()
    with (tmp_path / "log").open("w") as log:
        child = Child(["sleep", "1000"], cwd=tmp_path, env=dict(os.environ), output=log.fileno())
    assert not child.wait(0, waker)
    assert not child.wait(0.05, waker)
    waker.wake()
    assert not child.wait(PATIENCE_S, waker)
    assert not child.wait(0, waker)  # one wake-up wakes once
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(None, waker)
    assert child.wait(0, waker)
    assert child.reap().returncode == -signal.SIGKILL
    assert not psutil.pid_exists(child.pid)
    waker.close()
    waker.wake()


IGNORED_SIGCHLD = """
import signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
from command_kit import Bench, gate
run = Bench(Path(sys.argv[2]), gate("g", "exit 1"))
ended = run.run("g")
print(ended.state.value, ended.returncode, ended.reason)
run.runner.close(1)
"""


def test_an_exit_code_that_is_lost_is_never_a_pass(tmp_path: Path) -> None:
    """Where SIGCHLD is ignored, as some launchers leave it, the system throws exit codes away."""
    done = subprocess.run(
        [sys.executable, "-c", IGNORED_SIGCHLD, str(Path(__file__).parent), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "failed None its exit code is lost (is SIGCHLD ignored?)\n", done.stderr


def test_a_tree_remembers_what_it_once_saw(tmp_path: Path) -> None:
    """A process without the marker, in its own session, whose parent has gone, was a child once."""
    run = "env -i setsid sh -c 'echo $$ > pid; exec sleep 1000' & while ! test -e go; do sleep 0.01; done"
    with subprocess.Popen(["sh", "-c", run], cwd=tmp_path, start_new_session=True) as shell:
        tree = Tree(shell.pid, b":never/used:")
        pid = int(until(lambda: (p := tmp_path / "pid").exists() and p.read_text().strip()))
        assert pid in {member.pid for member in tree.members()}
        (tmp_path / "go").touch()
    assert [member.pid for member in tree.members()] == [pid]
    assert end_all(tree, grace_s=PATIENCE_S) == []
    assert not alive(pid)


def test_a_tree_never_holds_this_process_or_those_above_it(sleeper: subprocess.Popen[bytes]) -> None:
    tree = Tree(sleeper.pid, b"=")  # a marker that every process carries
    tree._since = 0.0
    assert not {os.getpid(), os.getppid(), 1} & {member.pid for member in tree.members()}


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen(["true"], start_new_session=True)
    tree = Tree(child.pid, b":never/used:")
    until(lambda: (proc := look(child.pid)) and proc.zombie)
    assert tree.members() == []
    proc = look(child.pid)
    assert proc is not None
    wait_gone([proc], time.monotonic() + 1_000_000)  # returns
    child.wait()
    assert look(child.pid) is None


def test_no_signal_meets_a_later_process_of_the_same_id(sleeper: subprocess.Popen[bytes]) -> None:
    proc = look(sleeper.pid)
    assert proc is not None
    earlier = replace(proc, started=proc.started - 1)
    send(earlier, signal.SIGKILL)
    wait_gone([earlier], time.monotonic() + 1_000_000)  # the earlier one is gone
    assert sleeper.poll() is None
    send(proc, signal.SIGTERM)
    assert sleeper.wait(PATIENCE_S) == -signal.SIGTERM


def test_a_strange_name_does_not_disturb_the_reading(tmp_path: Path) -> None:
    odd = tmp_path / "a) R 1 (b\n::warning::"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([str(odd), "1000"], start_new_session=True) as child:
        proc = until(lambda: look(child.pid))
        assert (proc.pid, proc.ppid, proc.group, proc.session) == (
            child.pid,
            os.getpid(),
            child.pid,
            child.pid,
        )
        name = describe(proc)
        assert name.isprintable()
        assert len(name) < 120
        child.kill()


def test_a_process_is_described_by_its_command_line(sleeper: subprocess.Popen[bytes]) -> None:
    proc = look(sleeper.pid)
    assert proc is not None
    until(lambda: describe(proc) == f"sleep 1000 (pid {sleeper.pid})")


def test_what_is_born_while_others_are_ended_is_ended_too(tmp_path: Path) -> None:
    """A process that answers SIGTERM with a new one, in a session of its own."""
    code = "setsid sh -c 'echo $$ > pid; exec sleep 1000'"
    with subprocess.Popen(
        ["sh", "-c", f'trap "{code}; exit" TERM; touch up; while :; do sleep 0.02; done'],
        cwd=tmp_path,
        env={**os.environ, "MARK": ":run/x:"},
        start_new_session=True,
    ) as shell:
        tree = Tree(shell.pid, b":run/x:")
        until((tmp_path / "up").exists)
        assert end_all(tree, grace_s=0.3) == []
    assert tree.members() == []


def test_a_tree_says_what_it_uses(tmp_path: Path) -> None:
    code = "x = bytearray(60 << 20); import time; open('up', 'w'); time.sleep(1000)"
    with subprocess.Popen(python(code), cwd=tmp_path, start_new_session=True) as child:
        tree = Tree(child.pid, b":never/used:")
        until((tmp_path / "up").exists)
        usage = tree.usage()
        child.kill()
    assert usage.processes == 1
    assert usage.rss_bytes > 60 << 20
    assert tree.usage().processes == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_a_subreaper_inherits_orphans() -> None:
    """In a process of its own: it cannot be undone for the caller's other children."""
    code = (
        "import os, subprocess, psutil\n"
        "from pytest_batchgate.workers.guard import become_subreaper\n"
        "assert become_subreaper()\n"
        "out = subprocess.run(['sh', '-c', 'sleep 1000 >/dev/null & echo $!'], stdout=-1).stdout\n"
        "child = psutil.Process(int(out)); print(child.ppid() == os.getpid()); child.kill()"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.check_output([sys.executable, "-c", code], env=env) == b"True\n"
