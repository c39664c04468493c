"""The records of the last runs: who writes one, who is still there, and what is thrown away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_batchgate.core.lognames import folder_of_run
from pytest_batchgate.store import runs
from pytest_batchgate.store.runs import FOLDER, RunFile, kept_runs, pick_run


def written(folder: Path, number: int, *, size: int = 0) -> Path:
    """The record of a run that is over."""
    file = RunFile(folder, run_id=f"run{number}", started_unix_s=float(number))
    file.append(b"x" * size)
    file.close()
    return file.path


def ids(folder: Path) -> list[str]:
    return [run.run_id for run in kept_runs(folder)]


def test_a_run_is_alive_until_its_file_is_closed(tmp_path: Path) -> None:
    file = RunFile(tmp_path, run_id="abc", started_unix_s=12.5)
    file.append(b"one\n")
    (run,) = kept_runs(tmp_path)
    assert (run.run_id, run.started_unix_s, run.path.read_bytes()) == ("abc", 12.5, b"one\n")
    assert run.is_alive()
    file.close()
    file.close()
    file.append(b"two\n")
    assert not run.is_alive()
    assert run.path.read_bytes() == b"one\n"


def test_a_run_that_was_killed_is_not_alive(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pytest_batchgate.store.runs import RunFile\n"
        "file = RunFile(Path(sys.argv[1]), run_id='abc', started_unix_s=1.0); print(flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    (run,) = kept_runs(tmp_path)
    assert run.is_alive()
    process.kill()
    process.communicate()
    assert not run.is_alive()


def test_a_run_is_watched_while_somebody_says_so(tmp_path: Path) -> None:
    file = RunFile(tmp_path, run_id="abc", started_unix_s=1.0)
    assert not file.is_watched()
    (run,) = kept_runs(tmp_path)
    run.watch()
    assert file.is_watched()
    sign = run.path.with_suffix(".watched")
    old = sign.stat().st_mtime - 2 * runs.WATCHED_S
    os.utime(sign, (old, old))
    assert not file.is_watched()
    file.close()
    assert not sign.exists()


def test_the_newest_ten_are_kept(tmp_path: Path) -> None:
    for number in range(1, 15):
        written(tmp_path, number)
    assert ids(tmp_path) == [f"run{number}" for number in range(14, 4, -1)]


def test_large_records_of_older_runs_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "KEPT_BYTES", 100)
    for number in (1, 2, 3):
        written(tmp_path, number, size=60)
    assert ids(tmp_path) == ["run3", "run2"]  # a new one is empty when the others are thinned out
    file = RunFile(tmp_path, run_id="run4", started_unix_s=4.0)
    assert ids(tmp_path) == ["run4", "run3"]
    file.close()


def test_a_run_that_goes_on_is_never_thrown_away(tmp_path: Path) -> None:
    old = RunFile(tmp_path, run_id="old", started_unix_s=0.5)
    for number in range(1, 13):
        written(tmp_path, number)
    assert ids(tmp_path)[-1] == "old"
    picked = pick_run(kept_runs(tmp_path))
    assert picked is not None
    assert picked.run_id == "old"  # before newer ones that are over
    old.close()
    picked = pick_run(kept_runs(tmp_path))
    assert picked is not None
    assert picked.run_id == "run12"


def test_other_files_are_none_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    for name in ("notes.txt", "12-.jsonl", "abc-1.jsonl", "readme.jsonl"):
        (folder / name).touch()
    assert kept_runs(tmp_path) == []
    assert pick_run([]) is None
    assert kept_runs(tmp_path / "nowhere") == []


def test_nothing_is_written_where_nothing_can_be(tmp_path: Path) -> None:
    (tmp_path / FOLDER).touch()  # a file in the folder's place
    file = RunFile(tmp_path, run_id="abc", started_unix_s=1.0)
    file.append(b"one\n")
    assert not file.is_watched()
    file.close()
    assert kept_runs(tmp_path) == []


def logs_of(folder: Path, run_id: str, *, size: int = 1) -> Path:
    logs = folder / "logs" / folder_of_run(run_id)
    logs.mkdir(parents=True)
    logs.joinpath("lint.log").write_bytes(b"x" * size)
    os.utime(logs, (1, 1))
    return logs


def test_logs_go_with_their_run_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    written(tmp_path, 1)
    kept, gone = logs_of(tmp_path, "run1"), logs_of(tmp_path, "0123456789")
    theirs = tmp_path / "logs" / "theirs"
    mixed = logs_of(tmp_path, "abcdef0123")
    theirs.mkdir()
    mixed.joinpath("notes.txt").touch()
    os.utime(mixed, (1, 1))
    runs.thin_out_logs(tmp_path, tmp_path / "logs")
    assert kept.joinpath("lint.log").exists()
    assert theirs.exists()
    assert not gone.exists()
    assert [path.name for path in mixed.iterdir()] == ["notes.txt"]
    runs.thin_out_logs(tmp_path, tmp_path / "nowhere")


def test_large_logs_of_older_runs_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "KEPT_LOG_BYTES", 100)
    folders = []
    for number in (1, 2, 3):
        written(tmp_path, number)
        folders.append(logs_of(tmp_path, f"run{number}", size=80))
    runs.thin_out_logs(tmp_path, tmp_path / "logs")
    assert [folder.exists() for folder in folders] == [False, True, True]


def test_a_full_disk_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is still held, and goes on in a line of its own as soon as there is room."""
    file = RunFile(tmp_path, run_id="abc", started_unix_s=1.0)
    write = os.write

    def full(descriptor: int, line: bytes) -> int:
        if len(line) < 4:
            raise OSError(28, "No space left on device")
        return write(descriptor, line[:3])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        file.append(b"first\n")
    (run,) = kept_runs(tmp_path)
    assert run.is_alive()
    file.append(b"last\n")
    assert run.path.read_bytes() == b"fir\nlast\n"
    file.close()


def test_who_asks_meanwhile_does_not_keep_a_run_from_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, asked = runs._lock, iter([False, False])
    monkeypatch.setattr(
        runs, "_lock", lambda descriptor, **how: next(asked, None) is None and lock(descriptor, **how)
    )
    file = RunFile(tmp_path, run_id="abc", started_unix_s=1.0)
    monkeypatch.undo()
    (run,) = kept_runs(tmp_path)
    assert run.is_alive()
    file.close()
