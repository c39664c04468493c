"""Which processes may be younger than one: by their ids, as long as these have not begun again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pytest_batchgate.workers import younger
from pytest_batchgate.workers.younger import Younger, ancestors, read_proc

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux_only
@pytest.mark.integration
def test_what_starts_later_is_told() -> None:
    # Counted from the start of the oldest: thousands of processes may have come and gone since our own.
    with subprocess.Popen(["sleep", "60"]) as oldest:
        younger_ones = Younger(oldest.pid, psutil.pids)
        with subprocess.Popen(["sleep", "60"]) as later:
            assert {oldest.pid, later.pid} <= set(younger_ones.pids())
            later.kill()
        oldest.kill()


@pytest.mark.parametrize(
    ("forks", "told"),
    [
        pytest.param([100, 200], [500, 501, 900], id="far from the end"),
        pytest.param([100, 100 + 29_000], [3, 40, 500, 501, 900], id="they may have begun again"),
        pytest.param([100, None], [3, 40, 500, 501, 900], id="nobody counts"),
        pytest.param([None, None], [3, 40, 500, 501, 900], id="nobody counted"),
    ],
)
def test_every_process_is_told_where_ids_may_have_begun_again(
    monkeypatch: pytest.MonkeyPatch, forks: list[int | None], told: list[int]
) -> None:
    counts = iter(forks)
    monkeypatch.setattr(younger, "_forks", lambda: next(counts))
    monkeypatch.setattr(younger, "_pid_end", lambda: 30_000)
    assert Younger(500, lambda: [3, 40, 500, 501, 900]).pids() == told


@linux_only
def test_forks_are_counted_and_ids_end_somewhere() -> None:
    before, end = younger._forks(), younger._pid_end()
    assert before is not None
    assert end is not None
    subprocess.run(["true"], check=True)
    after = younger._forks()
    assert after is not None
    assert after > before
    assert os.getpid() < end


@linux_only
def test_a_long_file_is_read_whole(tmp_path: Path) -> None:
    long = tmp_path / "long"
    long.write_bytes(b"x" * 200_000)
    assert read_proc(str(long)) == b"x" * 200_000
    with pytest.raises(FileNotFoundError):
        read_proc(str(tmp_path / "missing"))


def test_ancestors_end_at_the_first_process_or_a_gap() -> None:
    for parents, found in (({9: 8, 8: 1}, {0, 1, 8, 9}), ({}, {0, 1, 9}), ({9: 8, 8: 9}, {0, 1, 8, 9})):
        assert ancestors(9, lambda pid, parents=parents: parents.get(pid)) == found  # type: ignore[misc]
