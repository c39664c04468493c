"""A command from start to end: what it sees, what its end means, what it owes.  Real processes."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from command_kit import MakeBench, alive, benches, gate, python, until

from pytest_batchgate.core.lognames import file_stems
from pytest_batchgate.core.model import Gate, GateName, GateState
from pytest_batchgate.core.protocol import CommandEnded

pytestmark = pytest.mark.integration


@pytest.fixture(name="bench")
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    with benches(tmp_path) as make:
        yield make


def end_of(bench: MakeBench, one: Gate) -> CommandEnded:
    return bench(one).run(one.name)


@pytest.mark.parametrize(
    ("run", "state", "reason", "returncode"),
    [
        (["true"], "passed", None, 0),
        ("true", "passed", None, 0),
        ("exit 3", "failed", "exit code 3", 3),
        ("nonesuch-tool", "failed", "command not found (exit code 127)", 127),
        ("/dev/null", "failed", "command not executable (exit code 126)", 126),
        ("exit 129", "failed", "exit code 129", 129),
        ("exit 137", "failed", "exit code 137 (probably SIGKILL, out of memory?)", 137),
        (
            "(kill -SEGV $(exec sh -c 'echo $PPID')); exit $?",
            "failed",
            "exit code 139 (probably SIGSEGV)",
            139,
        ),
        ("kill -SEGV $$", "crashed", "killed by SIGSEGV", -signal.SIGSEGV),
        ("kill -KILL $$", "crashed", "killed by SIGKILL (out of memory?)", -signal.SIGKILL),
        ("kill -TERM $$", "crashed", "killed by SIGTERM", -signal.SIGTERM),
    ],
)
def test_the_exit_code_says_how_it_ended(
    bench: MakeBench, run: str | list[str], state: str, reason: str | None, returncode: int
) -> None:
    ended = end_of(bench, gate("g", run))
    assert (ended.state.value, ended.reason, ended.returncode) == (state, reason, returncode)
    assert ended.leaked == ()


def test_a_real_time_signal_has_a_number(bench: MakeBench) -> None:
    ended = end_of(bench, gate("g", python("import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 1)")))
    assert ended.state is GateState.CRASHED
    assert ended.reason == f"killed by signal {signal.SIGRTMIN + 1}"


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["nonesuch-tool", "x"], f"command not found: nonesuch-tool (is it installed in {sys.prefix}?)"),
        (["./nonesuch.sh"], "command not found: ./nonesuch.sh"),
        ([""], f"command not found:  (is it installed in {sys.prefix}?)"),
        (["x" * 5000], "command not found: xxx"),
        (["./plain"], "cannot start ./plain: "),
        (["./noline"], "cannot start ./noline: not a program (a script's first line is missing: #!/bin/sh)"),
        (["./badline"], "cannot start ./badline: the interpreter in its first line was not found"),
        (["."], "command not found: ."),
        (["echo", "x" * 5_000_000], "cannot start echo: its arguments and environment are longer"),
        (["echo", "a\0b"], "cannot be started: embedded null byte"),
    ],
)
def test_what_cannot_be_started_fails_and_says_why(
    bench: MakeBench, tmp_path: Path, argv: list[str], reason: str
) -> None:
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    for name, line in (("noline", ""), ("badline", "#!/nonesuch/sh\n")):
        (tmp_path / name).write_text(line + "exit 0\n")
        (tmp_path / name).chmod(0o755)
    ended = end_of(bench, gate("g", argv))
    assert ended.state is GateState.FAILED
    assert ended.reason is not None
    assert ended.reason.startswith(reason)
    assert len(ended.reason) < 400
    assert ended.returncode is None


def test_a_missing_command_is_not_called_unreadable_for_a_closed_folder(
    bench: MakeBench, tmp_path: Path
) -> None:
    """A folder on PATH that may not be entered makes the system answer "permission denied"."""
    plain = tmp_path / "bin"
    plain.mkdir()
    (plain / "tool").write_text("#!/bin/sh\n")
    ended = bench(gate("g", ["tool"]), environ={"PATH": f"{plain}:/usr/bin:/bin"}).run("g")
    assert ended.reason == f"cannot start tool: {plain}/tool is not executable"


@pytest.mark.parametrize(
    ("cwd", "reason"),
    [
        ("nowhere", "working directory not found: nowhere"),
        ("file", "working directory is not a directory: file"),
        ("../..", "working directory is outside the repository: ../.."),
        ("out", "working directory is outside the repository: out"),
    ],
)
def test_a_bad_working_directory_fails(bench: MakeBench, tmp_path: Path, cwd: str, reason: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "out").symlink_to("/")
    assert end_of(bench, gate("g", ["true"], cwd=cwd)).reason == reason


def test_it_runs_where_it_was_told_to_with_its_environment(bench: MakeBench, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    one = bench(gate("g", "pwd; echo $MINE $BATCHGATE_GATE $BATCHGATE_WORKER $BATCHGATE_ATTEMPT", cwd="sub"))
    ended = one.run("g", env={"MINE": "yes"})
    assert one.log("g") == f"{tmp_path.resolve()}/sub\nyes g gw0 1\n"
    assert ended.log_path == str(one.log_dir / "g.log")


def test_a_second_attempt_counts_and_keeps_the_first_log(bench: MakeBench) -> None:
    one = bench(gate("g", "echo attempt $BATCHGATE_ATTEMPT"))
    first, second = one.run("g"), one.run("g")
    assert first.log_path is not None
    assert second.log_path is not None
    assert Path(first.log_path).read_text() == "attempt 1\n"
    assert Path(second.log_path).read_text() == "attempt 2\n"


def test_a_bare_python_is_the_one_that_runs_pytest(bench: MakeBench) -> None:
    one = bench(
        gate("g", ["python", "-c", "import sys; print(sys.prefix)"]), environ={"PATH": "/usr/bin:/bin"}
    )
    assert one.run("g").state is GateState.PASSED
    assert one.log("g").strip() == sys.prefix


def test_both_streams_go_to_the_log_in_order_and_stdin_is_at_its_end(bench: MakeBench) -> None:
    one = bench(gate("g", "echo out; echo err >&2; cat; read x || echo eof; echo out2"))
    assert one.run("g").state is GateState.PASSED
    assert one.log("g") == "out\nerr\neof\nout2\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere it is the same open file")
def test_a_log_that_its_command_emptied_has_no_hole(bench: MakeBench) -> None:
    """On Linux `> /dev/stdout` opens the log anew and cuts it; what follows is still readable text."""
    one = bench(gate("g", "echo this is lost; echo kept > /dev/stdout; echo after"))
    assert one.run("g").state is GateState.PASSED
    assert one.log("g") == "kept\nafter\n"


def test_200_mb_one_long_line_and_bytes_of_any_kind_cost_no_memory(bench: MakeBench) -> None:
    one = bench(gate("g", "head -c 200000000 /dev/zero | tr '\\0' x; printf '\\377\\000\\r'"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ended = one.run("g")
    assert ended.state is GateState.PASSED
    assert ended.log_path is not None
    log = Path(ended.log_path)
    assert log.stat().st_size == 200_000_003
    log.unlink()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_a_log_that_cannot_be_written_beside_the_others_is_elsewhere(
    bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".logs").write_text("a file is in the way")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    ended = end_of(bench, gate("g", "echo hello"))
    assert ended.state is GateState.PASSED
    assert ended.log_path is not None
    assert Path(ended.log_path).read_text() == "hello\n"
    assert Path(ended.log_path).is_relative_to(tmp_path / "tmp")


def test_no_place_at_all_for_a_log_fails_the_gate(
    bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".logs").write_text("a file is in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    ended = end_of(bench, gate("g", "echo hello"))
    assert (ended.state, ended.reason) == (
        GateState.FAILED,
        "no place for its log: No such file or directory",
    )


def test_outputs_are_handed_on_and_the_file_is_gone(bench: MakeBench) -> None:
    one = bench(gate("g", 'test ! -s "$BATCHGATE_OUTPUT" && echo PORT=5 >> "$BATCHGATE_OUTPUT"'))
    for _ in range(2):  # each attempt begins with an empty file
        ended = one.run("g")
        assert (ended.state, ended.outputs) == (GateState.PASSED, {"PORT": "5"})
    assert {path.suffix for path in one.log_dir.iterdir()} == {".log"}


@pytest.mark.parametrize(
    ("run", "state", "reason"),
    [
        ('echo oops > "$BATCHGATE_OUTPUT"', "failed", "BATCHGATE_OUTPUT line 1 is not KEY=VALUE: 'oops'"),
        ('echo oops > "$BATCHGATE_OUTPUT"; exit 2', "failed", "exit code 2; BATCHGATE_OUTPUT line 1"),
        ('rm "$BATCHGATE_OUTPUT"', "passed", "None"),
        ('rm "$BATCHGATE_OUTPUT"; mkfifo "$BATCHGATE_OUTPUT"', "passed", "None"),
        ('rm "$BATCHGATE_OUTPUT"; ln -s /etc/passwd "$BATCHGATE_OUTPUT"', "passed", "None"),
    ],
)
def test_outputs_that_make_no_sense(bench: MakeBench, run: str, state: str, reason: str) -> None:
    ended = end_of(bench, gate("g", run))
    assert ended.state.value == state
    assert str(ended.reason).startswith(reason)
    assert ended.outputs == {}


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ("true", "report r.xml is missing"),
        ("exit 1", "exit code 1; report r.xml is missing"),
        ("mkdir r.xml", "report r.xml is not a regular file"),
        ("mkfifo r.xml", "report r.xml is not a regular file"),
        ("ln -s /etc/passwd r.xml", "report r.xml is outside the repository"),
        ("ln -s nowhere r.xml", "report r.xml is missing"),
    ],
)
def test_a_promised_report_that_is_not_there_fails(bench: MakeBench, run: str, reason: str) -> None:
    ended = end_of(bench, gate("g", run, report="r.xml"))
    assert (ended.state, ended.reason, ended.report_path) == (GateState.FAILED, reason, None)


def test_a_report_of_an_earlier_run_fails(bench: MakeBench, tmp_path: Path) -> None:
    report = tmp_path / "r.xml"
    report.write_text("old")
    os.utime(report, (1_000_000_000, 1_000_000_000))
    ended = end_of(bench, gate("g", "true", report="r.xml"))
    assert (ended.state, ended.reason) == (GateState.FAILED, "report r.xml is older than the gate's start")
    assert ended.report_path is None


@pytest.mark.parametrize(
    "run",
    [
        "echo new > r.xml",
        "printf old > r.xml",
        "echo x > r2; mv r2 r.xml",
        "rm r.xml; echo x > r2.xml; ln -s r2.xml r.xml",
        "touch r.xml; exit 0",
    ],
)
def test_a_fresh_report_is_found(bench: MakeBench, tmp_path: Path, run: str) -> None:
    report = tmp_path / "r.xml"
    report.write_text("old")
    os.utime(report, (1_000_000_000, 1_000_000_000))
    ended = end_of(bench, gate("g", run, report="r.xml"))
    assert (ended.state, ended.reason) == (GateState.PASSED, None)
    assert ended.report_path == str(report.resolve())


def test_a_failing_tool_still_hands_over_its_report(bench: MakeBench, tmp_path: Path) -> None:
    ended = end_of(bench, gate("g", "echo x > r.xml; exit 1", report="r.xml"))
    assert (ended.reason, ended.report_path) == ("exit code 1", str((tmp_path / "r.xml").resolve()))


def test_cpu_and_memory_are_those_of_the_command(bench: MakeBench) -> None:
    hungry = bench(
        # More than this process ever had: below that a child's own peak cannot be told from it.
        gate("g", python("x = bytearray(500 << 20)\nwhile __import__('time').process_time() < .2: 0"))
    )
    ended = hungry.run("g")
    assert ended.cpu_s >= 0.2
    assert 500 << 20 <= ended.peak_rss_bytes < 1 << 30
    assert bench(gate("g", ["true"])).run("g").peak_rss_bytes < 20 << 20


def test_usage_can_be_asked_while_it_runs(bench: MakeBench, tmp_path: Path) -> None:
    one = bench(gate("g", "sleep 1000 & echo up; wait"))
    assert one.runner.usage(GateName("g")) is None
    one.start("g")
    one.wait_log("g", "up")
    usage = until(lambda: (u := one.runner.usage(GateName("g"))) and u.processes == 2 and u)
    assert usage.rss_bytes > 0
    one.stop("g")
    one.ended()
    assert one.runner.usage(GateName("g")) is None


def test_several_run_at_once_and_each_ends_once(bench: MakeBench) -> None:
    one = bench(*[gate(f"g{i}", f"exit {i % 3}") for i in range(20)])
    for i in range(20):
        one.start(f"g{i}")
    ended = {e.gate: e.returncode for e in (one.ended() for _ in range(20))}
    assert ended == {f"g{i}": i % 3 for i in range(20)}
    assert one.inputs.empty()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts in /proc")
def test_fifty_commands_leave_no_descriptor_no_thread_and_no_child(bench: MakeBench) -> None:
    known = set(threading.enumerate())  # a worker of ours, if it runs this test, has threads of its own

    def threads() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("batchgate-")} - known

    others = set(psutil.Process().children())
    one = bench(gate("ok", "sleep 0 & exit 0"), gate("no", ["nonesuch-tool"]))
    one.run("ok")
    one.run("no")
    until(lambda: not threads())
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(25):
        one.run("ok")
        one.run("no")
    until(lambda: not threads())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    one.runner.close(1)
    assert set(psutil.Process().children()) <= others


def test_after_close_a_start_is_cancelled_at_once(bench: MakeBench) -> None:
    one = bench(gate("g", "true"))
    one.runner.close(1)
    one.runner.close(1)
    ended = one.run("g")
    assert (ended.state, ended.reason) == (GateState.CANCELLED, "the run is over")


def test_close_ends_what_runs(bench: MakeBench, tmp_path: Path) -> None:
    one = bench(
        gate("a", "echo $$ > a; exec sleep 1000"), gate("b", "trap '' TERM; echo $$ > b; sleep 1000; sleep 1")
    )
    one.start("a")
    one.start("b")
    pids = [one.wait_pid(tmp_path / "a"), one.wait_pid(tmp_path / "b")]
    one.runner.close(0.2)
    assert {one.ended().gate, one.ended().gate} == {"a", "b"}
    assert one.inputs.empty()
    assert not any(alive(pid) for pid in pids)


def test_log_names_are_safe_and_apart_on_any_file_system() -> None:
    names = [GateName(n) for n in ("lint", "Lint", "a.b", "_", "x" * 300, "x" * 301)]
    stems = file_stems(names)
    assert (stems[names[2]], stems[names[3]]) == ("a.b", "_")
    assert len({stem.casefold() for stem in stems.values()}) == len(names)
    assert all(len(stem) < 230 for stem in stems.values())
