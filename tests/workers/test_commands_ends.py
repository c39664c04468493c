"""How commands are ended, and what becomes of the processes they leave behind.  Real processes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from command_kit import PATIENCE_S, Bench, MakeBench, alive, benches, gate, python, until

from pytest_batchgate.core.model import GateName, GateState
from pytest_batchgate.workers import attempt
from pytest_batchgate.workers.guard import Guard
from pytest_batchgate.workers.process import look

pytestmark = pytest.mark.integration


@pytest.fixture(name="bench")
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    with benches(tmp_path) as make:
        yield make


IGNORES_SIGTERM = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(1000)"
)

# Leaves a process in a session of its own whose parent is gone, and says its id.
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), file=open(sys.argv[1], "w"))
        time.sleep(1000)
    os._exit(0)
while not os.path.exists(sys.argv[1]) or not open(sys.argv[1]).read().endswith("\\n"):
    time.sleep(0.01)
"""


def test_a_stop_is_a_sigterm_and_its_state_and_reason_are_told(bench: MakeBench) -> None:
    one = bench(gate("g", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"))
    one.start("g")
    one.wait_log("g", "up")
    one.stop("g", GateState.TIMED_OUT, "30m are over")
    ended = one.ended()
    assert (ended.state, ended.reason, ended.returncode) == (GateState.TIMED_OUT, "30m are over", 0)
    assert "bye" in one.log("g")
    assert ended.leaked == ()


def test_what_ignores_sigterm_is_killed_after_the_grace(bench: MakeBench) -> None:
    one = bench(gate("g", python(IGNORES_SIGTERM)))
    one.start("g")
    one.wait_log("g", "up")
    one.stop("g", grace_s=0.1)
    ended = one.ended()
    assert (ended.state, ended.returncode) == (GateState.TIMED_OUT, -signal.SIGKILL)


def test_a_second_stop_shortens_the_grace_and_changes_nothing_else(bench: MakeBench) -> None:
    one = bench(gate("g", python(IGNORES_SIGTERM)))
    one.start("g")
    one.wait_log("g", "up")
    one.stop("g", GateState.TIMED_OUT, "first", grace_s=100_000)
    one.stop("g", GateState.CANCELLED, "second", grace_s=0)
    ended = one.ended()
    assert (ended.state, ended.reason) == (GateState.TIMED_OUT, "first")


def test_a_stopped_process_is_woken_to_end(bench: MakeBench, tmp_path: Path) -> None:
    one = bench(gate("g", "trap 'echo bye; exit 0' TERM; echo $$ > pid; while :; do sleep 0.05; done"))
    one.start("g")
    pid = one.wait_pid(tmp_path / "pid")
    os.kill(pid, signal.SIGSTOP)
    until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    one.stop("g")
    assert one.ended().returncode == 0
    assert "bye" in one.log("g")


def test_a_stop_during_the_start_ends_it_once(bench: MakeBench) -> None:
    one = bench(*[gate(f"g{i}", ["sleep", "1000"]) for i in range(10)])
    for i in range(10):
        one.start(f"g{i}")
        one.stop(f"g{i}", GateState.CANCELLED, "fail-fast")
    ends = [one.ended() for _ in range(10)]
    assert {(e.state, e.reason) for e in ends} == {(GateState.CANCELLED, "fail-fast")}
    assert one.inputs.empty()
    assert one.runner.running() == ()


def test_a_stop_of_what_has_ended_or_never_ran_is_nothing(bench: MakeBench) -> None:
    one = bench(gate("g", "true"))
    one.stop("g")
    assert one.run("g").state is GateState.PASSED
    one.stop("g")
    assert one.inputs.empty()


def test_a_stop_reaches_children_that_left_the_group(bench: MakeBench, tmp_path: Path) -> None:
    daemon = [sys.executable, "-S", "-c", DAEMON, str(tmp_path / "daemon")]
    one = bench(
        gate(
            "g",
            f"setsid sleep 1000 & echo $! > away; sleep 1000 & echo $! > near; {shlex.join(daemon)}; wait",
        )
    )
    one.start("g")
    pids = [one.wait_pid(tmp_path / name) for name in ("away", "near", "daemon")]
    assert all(map(alive, pids))
    one.stop("g")
    assert one.ended().state is GateState.TIMED_OUT
    assert not any(map(alive, pids))


def test_children_may_use_the_grace_after_their_parent_is_gone(bench: MakeBench) -> None:
    child = "trap 'sleep 0.4; echo cleaned; exit' TERM; echo up; while :; do sleep 0.05; done"
    one = bench(gate("g", f"({child}) & trap 'exit 1' TERM; wait"))
    one.start("g")
    one.wait_log("g", "up")
    one.stop("g")
    ended = one.ended()
    assert "cleaned" in one.log("g")
    assert ended.leaked == ()


@pytest.mark.parametrize("leaks", ["warn", "fail", "ignore"])
def test_what_is_left_behind_is_ended_and_named(bench: MakeBench, tmp_path: Path, leaks: str) -> None:
    run = "sleep 1001 & echo $! > near; setsid sleep 1002 & echo $! > away"
    one = bench(gate("g", run, leaks=leaks))  # type: ignore[arg-type]
    ended = one.run("g")
    near, away = (one.wait_pid(tmp_path / name) for name in ("near", "away"))
    assert not alive(near)
    assert not alive(away)
    if leaks == "fail":
        assert ended.state is GateState.FAILED
        assert ended.reason == f"left processes behind: {', '.join(ended.leaked)}"
    else:
        assert (ended.state, ended.reason) == (GateState.PASSED, None)
    pids = [] if leaks == "ignore" else sorted([near, away])
    assert [name.rpartition(" (")[2] for name in ended.leaked] == [f"pid {pid})" for pid in pids]


def test_a_daemon_of_init_is_found_by_its_environment(bench: MakeBench, tmp_path: Path) -> None:
    one = bench(gate("g", [sys.executable, "-S", "-c", DAEMON, "daemon"]))
    ended = one.run("g")
    pid = one.wait_pid(tmp_path / "daemon")
    assert not alive(pid)
    assert [name for name in ended.leaked if f"(pid {pid})" in name] == list(ended.leaked) != []


def test_what_is_just_becoming_another_program_is_found(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an exec a process shows no environment: seen one time in three without care."""
    monkeypatch.setattr(attempt, "_LEEWAY_S", 0)
    one = bench(gate("g", "(setsid sleep 1000 &) & exit 0"))
    assert [len(one.run("g").leaked) for _ in range(20)] == [1] * 20


def test_a_leftover_that_ignores_sigterm_is_killed(bench: MakeBench, tmp_path: Path) -> None:
    code = (
        "import os, signal, time; signal.signal(15, signal.SIG_IGN); "
        "print(os.getpid(), file=open('p', 'w')); time.sleep(1000)"
    )
    one = bench(
        gate("g", f"setsid {shlex.join(python(code))} & while ! grep -q . p; do sleep 0.01; done 2>/dev/null")
    )
    ended = one.run("g")
    assert not alive(one.wait_pid(tmp_path / "p"))
    assert len(ended.leaked) == 1


def test_helpers_that_end_with_their_command_are_no_leak(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As multiprocessing's resource tracker does, a moment after its command."""
    monkeypatch.setattr(attempt, "_LEEWAY_S", PATIENCE_S)
    one = bench(gate("g", "(sleep 0.3) & exit 0"))
    assert one.run("g").leaked == ()


def test_many_leftovers_are_counted_rather_than_listed(bench: MakeBench) -> None:
    one = bench(gate("g", "for i in $(seq 30); do sleep 1000 & done"))
    ended = one.run("g")
    assert len(ended.leaked) == 21
    assert ended.leaked[-1] == "and 10 more"


def test_processes_of_others_are_left_alone(bench: MakeBench, tmp_path: Path) -> None:
    """Another gate's, and a process of this one's that carries no marker."""
    mine = subprocess.Popen(["sleep", "1000"])
    one = bench(gate("a", "echo $$ > a; exec sleep 1000"), gate("ab", "sleep 1000 & exit 0"))
    try:
        one.start("a")
        pid = one.wait_pid(tmp_path / "a")
        one.start("ab")
        assert one.ended().gate == "ab"
        assert alive(pid)
        assert mine.poll() is None
        assert one.runner.running() == (GateName("a"),)
    finally:
        mine.kill()
        mine.wait()


def test_a_death_is_known_though_a_child_holds_the_output_open(bench: MakeBench) -> None:
    one = bench(gate("g", "setsid sleep 1000 & kill -KILL $$"))
    ended = one.run("g")
    assert (ended.state, len(ended.leaked)) == (GateState.CRASHED, 1)


CONTROLLER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from command_kit import Bench, gate
line = "trap '' TERM; echo $$ > leader; setsid sleep 1000 & echo $! > away; wait; sleep 9"
run = Bench(Path(sys.argv[2]), gate("g", line))
run.start("g")
leader = run.wait_pid(Path(sys.argv[2], "leader"))
run.wait_pid(Path(sys.argv[2], "away"))
print(run.runner._guard.pid, flush=True)
time.sleep(1000)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds strays in /proc")
def test_commands_do_not_outlive_a_killed_controller(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, str(Path(__file__).parent), str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as controller:
        assert controller.stdout is not None
        guard = int(controller.stdout.readline())
        pids = [int((tmp_path / name).read_text()) for name in ("leader", "away")]
        assert all(map(alive, [guard, *pids]))
        controller.kill()
    until(lambda: not any(map(alive, [guard, *pids])))


def test_the_guard_goes_with_the_runner(bench: MakeBench) -> None:
    one: Bench = bench(gate("g", "true"))
    one.run("g")
    guard = one.runner._guard.pid
    assert guard is not None
    assert alive(guard)
    one.runner.close(1)
    assert not psutil.pid_exists(guard)


def test_the_guard_is_told_what_comes_and_what_goes(tmp_path: Path) -> None:
    """A group that is gone must be forgotten: its number may come to belong to others."""
    told: list[tuple[str, int]] = []

    class Telling(Guard):
        def add(self, group: int) -> None:
            told.append(("add", group))
            super().add(group)

        def drop(self, group: int) -> None:
            assert look(group) is not None, "reaped: the number may belong to others already"
            told.append(("drop", group))
            super().drop(group)

    guard = Telling(b":none/")
    one = Bench(tmp_path, gate("g", "echo $$ > pid"), guard=guard)
    one.run("g")
    pid = one.wait_pid(tmp_path / "pid")
    assert told == [("add", pid), ("drop", pid)]
    one.runner.close(1)
    assert guard.pid is not None  # it came from outside and is not the runner's to close
    guard.close()
    guard.close()


def test_a_guard_ends_the_groups_it_was_told_of_and_no_others(tmp_path: Path) -> None:
    """And removes the folder of the run."""
    folder = tmp_path / "batchgate-0 1"
    (folder / "deep").mkdir(parents=True)
    guard = Guard(b":none/", folder)
    guard.start()
    added, dropped = (subprocess.Popen(["sleep", "1000"], start_new_session=True) for _ in range(2))
    guard.add(dropped.pid)
    guard.add(added.pid)
    guard.drop(dropped.pid)
    assert guard._shell is not None
    assert guard._shell.stdin is not None
    guard._shell.stdin.close()  # as the end of this process would
    assert added.wait(PATIENCE_S) == -signal.SIGTERM
    guard._shell.wait(PATIENCE_S)
    assert dropped.poll() is None
    assert list(tmp_path.iterdir()) == []
    dropped.kill()
    dropped.wait()


def test_a_killed_guard_is_missed_by_nobody(bench: MakeBench) -> None:
    one = bench(gate("g", "true"))
    one.run("g")
    guard = one.runner._guard.pid
    assert guard is not None
    os.kill(guard, signal.SIGKILL)
    until(lambda: not alive(guard))
    assert one.run("g").state is GateState.PASSED
