"""Runs go in, estimates come out, and nothing that happens to the file reaches the run."""

from __future__ import annotations

import os
import resource
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_batchgate.core.events import GateReport, RunResult, Schedule
from pytest_batchgate.core.model import Estimates, GateName, GateState
from pytest_batchgate.store import rows, schema
from pytest_batchgate.store.history import History
from pytest_batchgate.store.record import FileSample, RunRecord, TimedTest

ROOT = Path(__file__).parents[2]
SCHEDULE = Schedule(work_s=0, critical_path_s=0, critical_path=(), lower_bound_s=0, efficiency=0)


def gate(
    name: str, state: GateState = GateState.PASSED, *, kind: str = "command", **more: object
) -> GateReport:
    return GateReport(name=GateName(name), kind=kind, state=state, required=True, needs=(), **more)  # type: ignore[arg-type]


def run(
    *gates: GateReport,
    files: Mapping[str, FileSample] | None = None,
    tests: Sequence[TimedTest] = (),
    run_id: str = "r",
    narrowed: bool = False,
) -> RunRecord:
    result = RunResult(verdict="passed", exit_code=0, wall_s=1.0, workers=2, gates=gates, schedule=SCHEDULE)
    return RunRecord(
        run_id=run_id, started_unix_s=1.0, result=result, files=files or {}, tests=tests, narrowed=narrowed
    )


def history_of(folder: Path, *runs: RunRecord) -> History:
    history = History.open(folder)
    for record in runs:
        assert history.record(record), history.warnings
    return history


# --- what is remembered ---------------------------------------------------------


def test_a_first_run_knows_nothing_and_touches_nothing(tmp_path: Path) -> None:
    history = History.open(tmp_path / "cache" / "batchgate")
    assert history.estimates() == Estimates()
    assert history.slowest_tests() == ()
    assert history.gate_samples() == ()
    assert history.warnings == []
    assert list(tmp_path.iterdir()) == []


def test_the_median_of_the_last_five_passes_is_a_commands_estimate(tmp_path: Path) -> None:
    walls = [1000.0, 9.0, 1.0, 8.0, 2.0, 3.0]
    history = history_of(tmp_path, *(run(gate("lint", wall_s=wall)) for wall in walls))
    assert history.estimates().commands == {"lint": 3.0}
    assert history.record(run(gate("mypy", wall_s=4.0)))
    assert history.record(run(gate("mypy", wall_s=5.0)))
    assert history.estimates().commands == {"lint": 3.0, "mypy": 4.5}


@pytest.mark.parametrize("state", [state for state in GateState if state is not GateState.PASSED])
def test_only_clean_passes_count(tmp_path: Path, state: GateState) -> None:
    history = history_of(tmp_path, run(gate("lint", wall_s=2.0)), run(gate("lint", state, wall_s=500.0)))
    assert history.estimates().commands == {"lint": 2.0}


def test_a_service_has_no_duration_of_its_own(tmp_path: Path) -> None:
    history = history_of(tmp_path, run(gate("db", wall_s=60.0, is_service=True)))
    assert history.estimates().commands == {}


def test_a_file_moves_half_way_to_each_new_sample(tmp_path: Path) -> None:
    history = history_of(
        tmp_path,
        run(files={"a.py": FileSample(3, 4.0, 1.0, True), "b.py": FileSample(1, 1.0, 0.1, True)}),
        run(files={"a.py": FileSample(3, 8.0, 2.0, True)}),
    )
    estimates = history.estimates()
    assert estimates.files == {"a.py": 6.0, "b.py": 1.0}
    assert estimates.collects == {"a.py": 1.5, "b.py": 0.1}


def test_a_doubtful_sample_serves_until_there_is_a_good_one(tmp_path: Path) -> None:
    """Part of a file, or one with failures, is better than nothing, and than nothing else."""
    doubtful, good = FileSample(1, 30.0, 0.1, False), FileSample(9, 3.0, 0.2, True)
    history = history_of(tmp_path, run(files={"a.py": doubtful}))
    assert history.estimates().files == {"a.py": 30.0}
    assert history.record(run(files={"a.py": good}))
    assert history.estimates().files == {"a.py": 3.0}
    assert history.record(run(files={"a.py": doubtful}))
    assert history.estimates().files == {"a.py": 3.0}


def test_the_number_of_tests_is_that_of_the_last_full_run(tmp_path: Path) -> None:
    def unit(count: int, state: GateState = GateState.PASSED) -> GateReport:
        return gate("unit", state, kind="tests", counts={"passed": count, "failed": 1})

    history = history_of(
        tmp_path,
        run(unit(9)),
        run(unit(19, GateState.FAILED)),
        run(unit(2), narrowed=True),
        run(unit(3, GateState.CANCELLED)),
    )
    assert history.estimates().tests == {"unit": 20}


def test_a_test_is_forgotten_once_its_file_ran_whole_without_it(tmp_path: Path) -> None:
    slow = TimedTest("a.py", "a.py::test_slow", 2.0, "passed")
    other = TimedTest("sub/b.py", "odd-id", 1.0, "failed")
    whole, part = FileSample(5, 1.0, 0.1, True), FileSample(2, 1.0, 0.1, False)
    history = history_of(tmp_path, run(files={"a.py": whole, "sub/b.py": whole}, tests=[slow, other]))
    assert history.slowest_tests() == (slow, other)
    assert history.record(
        run(files={"a.py": part, "sub/b.py": whole}, tests=[other._replace(duration_s=3.0)])
    )
    assert history.slowest_tests() == (other._replace(duration_s=3.0), slow)
    assert history.record(run(files={"a.py": whole}))
    assert history.slowest_tests() == (other._replace(duration_s=3.0),)


def test_every_gate_of_every_run_is_there_for_statistics(tmp_path: Path) -> None:
    report = gate(
        "unit", kind="tests", wall_s=2.0, cpu_s=1.5, peak_rss_bytes=7, attempts=2, counts={"passed": 3}
    )
    (sample,) = history_of(tmp_path, run(report, run_id="abc")).gate_samples()
    assert (
        sample._asdict()
        | {
            "run_id": "abc",
            "gate": "unit",
            "state": "passed",
            "wall_s": 2.0,
            "cpu_s": 1.5,
            "peak_rss_bytes": 7,
            "attempts": 2,
            "tests": 3,
        }
        == sample._asdict()
    )


def test_nothing_grows_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "KEPT_RUNS", 3)
    monkeypatch.setattr(rows, "KEPT_FILES", 4)
    monkeypatch.setattr(rows, "KEPT_TESTS", 5)
    history = History.open(tmp_path)
    for number in range(10):
        files = {f"{number}-{i}.py": FileSample(1, 1.0, 0.0, True) for i in range(3)}
        tests = [TimedTest(file, f"{file}::test", 1.0, "passed") for file in files]
        assert history.record(run(gate("lint"), files=files, tests=tests, run_id=str(number)))
    assert [sample.run_id for sample in history.gate_samples()] == ["7", "8", "9"]
    assert sorted(history.estimates().files) == ["8-2.py", "9-0.py", "9-1.py", "9-2.py"]
    assert len(history.slowest_tests(100)) == 5


def test_an_endless_node_id_is_left_out(tmp_path: Path) -> None:
    history = history_of(tmp_path, run(tests=[TimedTest("a.py", "a.py::" + "x" * 65_536, 1.0, "passed")]))
    assert history.slowest_tests() == ()


seconds = st.floats(allow_nan=True, allow_infinity=True)
names = st.text(st.characters(), max_size=20)


@settings(deadline=None, max_examples=60)
@given(
    files=st.dictionaries(names, st.builds(FileSample, st.integers(0, 9), seconds, seconds, st.booleans())),
    tests=st.lists(st.builds(TimedTest, names, names, seconds, st.just("passed"))),
    wall_s=seconds,
)
def test_any_run_can_be_recorded(
    tmp_path_factory: pytest.TempPathFactory,
    files: dict[str, FileSample],
    tests: list[TimedTest],
    wall_s: float,
) -> None:
    """Lone surrogates, NUL, not-a-number: none of it costs the run its record."""
    history = history_of(
        tmp_path_factory.mktemp("history"), run(gate("lint", wall_s=wall_s), files=files, tests=tests)
    )
    estimates = history.estimates()
    assert len(estimates.files) == len({name.encode("utf-8", "backslashreplace") for name in files})
    assert all(0 <= value <= 1e9 for value in [*estimates.files.values(), *estimates.commands.values()])
    history.slowest_tests()
    assert history.warnings == []


# --- versions -------------------------------------------------------------------


def test_an_older_file_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history_of(tmp_path, run(gate("lint", wall_s=2.0)))
    later = (*schema.MIGRATIONS, ("ALTER TABLE runs ADD COLUMN host TEXT",))
    monkeypatch.setattr(schema, "MIGRATIONS", later)
    history = History.open(tmp_path)
    assert history.estimates().commands == {"lint": 2.0}
    assert history.record(run())
    with closing(sqlite3.connect(history.path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(later),)
        assert db.execute("SELECT host FROM runs").fetchall() == [(None,), (None,)]


def test_a_newer_file_is_left_to_its_owner(tmp_path: Path) -> None:
    path = history_of(tmp_path, run()).path
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 999")
    before = path.read_bytes()
    history = History.open(tmp_path)
    assert history.estimates() == Estimates()
    assert not history.record(run())
    assert path.read_bytes() == before
    (warning,) = history.warnings
    assert "newer pytest-batchgate" in warning


# --- what may stand in its place ------------------------------------------------


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")


def other_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE gates (colour TEXT)")
        db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")


def wrong_types(path: Path) -> None:
    history_of(path.parent, run(files={"a.py": FileSample(1, 1.0, 1.0, True)}))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE files SET work_s = 'soon'")


def half_of_itself(path: Path) -> None:
    tests = [TimedTest("a.py", f"a.py::test_{i}", 1.0, "passed") for i in range(2000)]
    files = {f"{i}.py": FileSample(1, 1.0, 1.0, True) for i in range(2000)}
    history_of(path.parent, run(gate("lint"), files=files, tests=tests))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def zeros_inside(path: Path) -> None:
    half_of_itself(path)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))


def full_folder(path: Path) -> None:
    path.mkdir()
    (path / "keep.txt").write_text("mine")


def unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may have 108 bytes only
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


DAMAGE: list[Callable[[Path], object]] = [
    lambda path: path.write_bytes(b"garbage" * 1000),
    lambda path: path.write_bytes(os.urandom(50_000)),
    lambda path: path.write_text('{"json": "of another type"}'),
    lambda path: path.write_text("[" * 100_000),
    lambda path: path.write_bytes(b"SQLite format 3\0"),
    lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(5000)),
    lambda path: path.symlink_to("nowhere"),
    lambda path: path.symlink_to(path),
    os.mkfifo,
    foreign_database,
    other_tables,
    wrong_types,
    half_of_itself,
    zeros_inside,
    full_folder,
    unix_socket,
]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("reads_first", [True, False])
def test_damage_is_set_aside_once_and_the_run_recorded(
    tmp_path: Path, damage: Callable[[Path], object], *, reads_first: bool
) -> None:
    damage(tmp_path / "history.sqlite3")
    history = History.open(tmp_path)
    if reads_first:
        assert history.estimates() == Estimates()
    written = run(gate("lint", wall_s=2.0), files={"new.py": FileSample(1, 1.0, 0.0, True)})
    assert history.record(written), history.warnings
    if len(history.warnings) == 0:  # broken where recording does not look; the next reader finds it
        history.estimates()
        assert history.record(written)
    (warning,) = history.warnings
    assert "history.sqlite3.damaged-1" in warning
    assert os.path.lexists(tmp_path / "history.sqlite3.damaged-1")
    assert history.estimates().commands == {"lint": 2.0}
    assert History.open(tmp_path).estimates() == history.estimates()
    assert len(history.warnings) == 1


def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite3").touch()
    history = History.open(tmp_path)
    assert history.estimates() == Estimates()
    assert history.record(run(gate("lint", wall_s=2.0)))
    assert history.estimates().commands == {"lint": 2.0}
    assert history.warnings == []


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["garbage", "folder", "dangling link"])
def test_a_strange_journal_never_reaches_the_run(tmp_path: Path, suffix: str, kind: str) -> None:
    """SQLite itself shrugs garbage off; what is no file is set aside with the history."""
    history_of(tmp_path, run(gate("lint", wall_s=2.0)))
    sidecar = tmp_path / f"history.sqlite3{suffix}"
    if kind == "garbage":
        sidecar.write_bytes(os.urandom(40_000))
    elif kind == "folder":
        sidecar.mkdir()
    else:
        sidecar.symlink_to("nowhere/at/all")
    history = History.open(tmp_path)
    commands = history.estimates().commands
    assert history.record(run(gate("lint", wall_s=2.0))), history.warnings
    if kind == "garbage":
        assert (commands, history.warnings) == ({"lint": 2.0}, [])
    else:
        assert (commands, len(history.warnings)) == ({}, 1)
        assert os.path.lexists(f"{sidecar}.damaged-1")


@settings(deadline=None, max_examples=40)
@given(at=st.floats(0, 1), garbage=st.binary(min_size=1, max_size=600))
def test_garbage_anywhere_in_the_file_never_reaches_the_run(
    tmp_path_factory: pytest.TempPathFactory, at: float, garbage: bytes
) -> None:
    folder = tmp_path_factory.mktemp("history")
    files = {f"{i}.py": FileSample(1, 1.0, 1.0, True) for i in range(200)}
    path = history_of(folder, run(gate("lint"), files=files)).path
    content = bytearray(path.read_bytes())
    start = int(at * (len(content) - 1))
    content[start : start + len(garbage)] = garbage
    path.write_bytes(content)
    history = History.open(folder)
    for _ in range(2):
        history.estimates()
        history.slowest_tests()
        history.gate_samples()
        history.record(run(gate("lint"), files=files))
    assert len(history.warnings) <= 2  # set aside; and, if the version was hit, left alone


# --- where it cannot be written -------------------------------------------------


@pytest.mark.parametrize("name", ["batchgate", "."])
def test_a_cache_folder_that_is_a_file_switches_it_off(tmp_path: Path, name: str) -> None:
    (tmp_path / "cache").write_text("a file")
    history = History.open(tmp_path / "cache" / name)
    assert history.estimates() == Estimates()
    assert not history.record(run())
    assert not history.record(run())
    assert len(history.warnings) == 1
    assert "goes on without it" in history.warnings[0]


def test_a_cache_folder_that_leads_nowhere_switches_it_off(tmp_path: Path) -> None:
    (tmp_path / "batchgate").symlink_to(tmp_path / "nowhere")
    history = History.open(tmp_path / "batchgate")
    assert history.estimates() == Estimates()
    assert not history.record(run())
    assert len(history.warnings) == 1


def as_nobody(work: Callable[[], object]) -> str:
    """What ``work`` gives in a child without root's rights: permissions mean nothing to root."""
    source, target = os.pipe()
    Path("/").as_uri()  # imports what it needs while this process may still read root's interpreter
    pid = os.fork()
    if pid == 0:
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            os.write(target, repr(work()).encode())
        except BaseException as error:  # noqa: BLE001
            os.write(target, repr(error).encode())
        finally:
            os._exit(0)
    os.close(target)
    with open(source, "rb") as answer:  # noqa: PTH123
        text = answer.read().decode()
    os.waitpid(pid, 0)
    return text


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that others can reach, unlike pytest's temporary ones; closed for writing by the test."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def test_a_read_only_folder_can_still_be_read(read_only: Path) -> None:
    history_of(read_only, run(gate("lint", wall_s=2.0)))
    read_only.chmod(0o555)
    history = History.open(read_only)
    answer = as_nobody(
        lambda: (history.estimates().commands, history.record(run()), len(history.warnings), history.warnings)
    )
    assert answer.startswith("({'lint': 2.0}, False, 1, "), answer


def test_a_folder_that_cannot_be_made_switches_it_off(read_only: Path) -> None:
    read_only.chmod(0o555)
    history = History.open(read_only / "batchgate")
    assert as_nobody(lambda: (history.record(run()), len(history.warnings))) == "(False, 1)"


@pytest.mark.parametrize("room", [0, 100, 5_000, 30_000])
def test_a_full_disk_switches_it_off_and_harms_nothing(tmp_path: Path, room: int) -> None:
    """A file size limit stands in for the disk: SQLite's write fails in the same place."""
    history_of(tmp_path, run(gate("lint", wall_s=2.0)))
    files = {f"{i}.py": FileSample(1, 1.0, 1.0, True) for i in range(3000)}
    history = History.open(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        recorded = history.record(run(files=files))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not recorded
    assert len(history.warnings) == 1
    after = History.open(tmp_path)
    assert after.estimates().commands == {"lint": 2.0}
    assert after.warnings == []


def test_a_closed_history_takes_no_more(tmp_path: Path) -> None:
    history = History.open(tmp_path)
    history.close()
    assert not history.record(run())
    assert list(tmp_path.iterdir()) == []


# --- several runs at once -------------------------------------------------------

WRITER = """
import sys, pathlib
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from test_history import FileSample, History, TimedTest, gate, run
me = sys.argv[4]
sys.stdin.readline()
for number in range(8):
    history = History.open(pathlib.Path(sys.argv[3]))
    history.estimates()
    files = {f"{me}-{i}.py": FileSample(1, 1.0, 0.1, True) for i in range(300)}
    record = run(gate("lint", wall_s=2.0), files=files, run_id=f"{me}-{number}")
    assert history.record(record), history.warnings
    print(*history.warnings, sep="\\n", end="")
"""


@pytest.mark.integration
@pytest.mark.parametrize("damaged", [False, True])
def test_two_runs_at_once_lose_nothing(tmp_path: Path, *, damaged: bool) -> None:
    if damaged:
        (tmp_path / "history.sqlite3").write_bytes(b"garbage" * 1000)
    command = [sys.executable, "-c", WRITER, str(ROOT), str(Path(__file__).parent), str(tmp_path)]
    writers = [
        subprocess.Popen(
            [*command, me], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for me in "abc"
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    answers = [writer.communicate(timeout=120) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], answers
    assert sum(out.count("damaged-1") for out, _ in answers) == damaged
    history = History.open(tmp_path)
    recorded = {sample.run_id for sample in history.gate_samples()}
    assert recorded == {f"{me}-{number}" for me in "abc" for number in range(8)}
    assert len(history.estimates().files) == 900
    assert len(list(tmp_path.glob("*.damaged-*"))) == damaged


@pytest.mark.integration
def test_a_run_that_is_killed_while_writing_leaves_a_whole_file(tmp_path: Path) -> None:
    history_of(tmp_path, run(gate("lint", wall_s=2.0)))
    script = """
import os, sys, pathlib, signal
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from test_history import FileSample, History, run
from pytest_batchgate.store import rows
rows.prune = lambda db: os.kill(os.getpid(), signal.SIGKILL)
History.open(pathlib.Path(sys.argv[3])).record(run(files={"a.py": FileSample(1, 1.0, 1.0, True)}))
"""
    command = [sys.executable, "-c", script, str(ROOT), str(Path(__file__).parent), str(tmp_path)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -9
    history = History.open(tmp_path)
    estimates = history.estimates()
    assert (estimates.commands, estimates.files) == ({"lint": 2.0}, {})
    assert history.record(run())
    assert history.warnings == []


def test_a_run_waits_for_nobody_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_batchgate.store.history._WRITE_PATIENCE_S", 0.05)
    path = history_of(tmp_path, run(gate("lint", wall_s=2.0))).path
    history = History.open(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert history.estimates().commands == {"lint": 2.0}  # readers see what is committed
        assert not history.record(run())
        other.execute("ROLLBACK")
    assert len(history.warnings) == 1
    assert "in use" in history.warnings[0]
    assert history.record(run())


def test_a_python_without_sqlite_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    history = History.open(tmp_path)
    assert not history.record(run())
    assert len(history.warnings) == 1


def test_opening_a_first_history_does_not_import_sqlite(tmp_path: Path) -> None:
    """Start-up is precious, and there is nothing to ask."""
    script = """
import sys, pathlib
from pytest_batchgate.store.history import History
History.open(pathlib.Path(sys.argv[1])).estimates()
print("sqlite3" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == "False\n"


def test_a_good_file_is_not_set_aside_for_the_damage_of_the_one_before(tmp_path: Path) -> None:
    """Two runs find the same damage; the slower one comes to a file that is whole again."""
    (tmp_path / "history.sqlite3").write_bytes(b"garbage" * 1000)
    slower, faster = History.open(tmp_path), History.open(tmp_path)
    with closing(slower._connect(1.0)):
        assert faster.record(run(gate("lint", wall_s=2.0)))
    assert slower._set_aside(ValueError("file is not a database"))
    assert slower.warnings == []
    assert slower.estimates().commands == {"lint": 2.0}
