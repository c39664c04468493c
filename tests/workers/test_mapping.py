"""Which test a worker runs, in a file that the controller reads."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_batchgate.workers import wire
from pytest_batchgate.workers.mapping import Standstill, shared


def read(path: Path) -> tuple[int, int, bool]:
    unit, index, began = wire.STANDSTILL.unpack(path.read_bytes())
    return unit, index, began > 0


def test_the_last_test_is_known_when_it_does_not_run_any_more(tmp_path: Path) -> None:
    path = tmp_path / "worker-1"
    path.write_bytes(bytes(wire.STANDSTILL.size))
    standstill = Standstill(str(path))
    standstill.mark(3, 7)
    assert read(path) == (3, 7, True)
    standstill.done()
    assert read(path) == (3, 7, False)
    standstill.clear()
    assert read(path) == (0, 0, False)


def test_no_descriptor_leads_to_it(tmp_path: Path) -> None:
    """A test that writes into all that there are does not change which one is blamed."""
    path = tmp_path / "shared"
    path.write_bytes(bytes(16))
    view = shared(str(path), 16)
    view[:4] = b"kept"
    assert path.read_bytes()[:4] == b"kept"
    mine = path.stat()
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 (numbers)
        try:
            found = os.fstat(int(name))
        except OSError:  # the listing's own
            continue
        assert not os.path.samestat(found, mine)


def test_where_there_is_no_file_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "short").touch()
    for path in (None, str(tmp_path / "nothing"), str(tmp_path / "short")):
        standstill = Standstill(path)
        standstill.mark(1, 1)
        standstill.done()
        standstill.clear()
