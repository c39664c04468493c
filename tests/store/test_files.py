"""Whole files or none, one lock holder, and nothing left behind."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_batchgate.store.files import locked, set_aside, write_atomically


def test_a_new_file_gets_the_permissions_that_open_would_give(tmp_path: Path) -> None:
    write_atomically(tmp_path / "ours", "text")
    (tmp_path / "plain").write_text("text")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "ours").read_text() == "text"


@pytest.mark.parametrize("sync", [False, True])
def test_a_file_is_replaced_and_keeps_its_permissions(tmp_path: Path, *, sync: bool) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    path.chmod(0o640)
    write_atomically(path, b"\x00new", sync=sync)
    assert path.read_bytes() == b"\x00new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_of_the_old_file_keeps_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    with path.open() as reader:
        write_atomically(path, "new")
        assert reader.read() == "old"


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "real"
    target.write_text("old")
    link = tmp_path / "link"
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_lone_surrogates_are_escaped(tmp_path: Path) -> None:
    write_atomically(tmp_path / "f", "caf\u00e9 \udcff")
    assert (tmp_path / "f").read_text(encoding="utf-8") == "café \\udcff"


def test_a_missing_folder_is_the_callers_to_decide(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "gone" / "f", "text")


def test_a_folder_in_the_way_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "f", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A file size limit stands in for the disk: the same write fails in the same place."""
    path = tmp_path / "f"
    path.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_atomically(path, "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


HOLD = """
import pathlib, sys
from pytest_batchgate.store.files import locked
with locked(pathlib.Path(sys.argv[1]), timeout_s=60) as held:
    print(held, flush=True)
    sys.stdin.read()
"""


def test_one_process_at_a_time_holds_a_lock_and_death_frees_it(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        with locked(tmp_path, timeout_s=0.05) as held:
            assert not held
        other.kill()
        other.wait()
    with locked(tmp_path, timeout_s=5) as held:
        assert held
    assert list(tmp_path.iterdir()) == []


def test_what_is_set_aside_is_numbered_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "state"
    names = []
    for content in "abcd":
        path.write_text(content)
        names.append(set_aside(path, keep=3).name)
    assert names == ["state.damaged-1", "state.damaged-2", "state.damaged-3", "state.damaged-3"]
    assert sorted(found.read_text() for found in tmp_path.iterdir()) == ["a", "b", "d"]


def test_links_and_folders_are_set_aside_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert set_aside(tmp_path / "link").is_symlink()
    (tmp_path / "folder").mkdir()
    assert set_aside(tmp_path / "folder").is_dir()
