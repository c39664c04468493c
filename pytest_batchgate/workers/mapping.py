"""Small files that several processes map into their memory, with no descriptor for a test to write into."""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from pathlib import Path

from pytest_batchgate.workers import wire
from pytest_batchgate.workers.outbox import Outbox


def shared(path: str, size: int) -> mmap.mmap:
    """``size`` bytes of a file, to read and write.  Raises OSError, ValueError (it is shorter)."""
    with open(path, "r+b") as file:  # noqa: PTH123 (a file descriptor is what mmap wants)
        if sys.version_info >= (3, 13):
            return mmap.mmap(file.fileno(), size, trackfd=False)
        # A mapping keeps a copy of the descriptor that it was made from: the lowest that is free.
        copy = os.dup(file.fileno())
        os.close(copy)
        view = mmap.mmap(file.fileno(), size)
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(copy), os.fstat(file.fileno())):
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, copy, inheritable=False)
                os.close(nowhere)
        return view


def read_standstill(path: Path) -> tuple[int, int, float]:
    """Unit, index and beginning, as a worker keeps them in ``path``.  Raises OSError or ValueError."""
    with (
        path.open("rb") as file,
        contextlib.closing(mmap.mmap(file.fileno(), wire.STANDSTILL.size, access=mmap.ACCESS_READ)) as view,
    ):
        unit, index, began = wire.STANDSTILL.unpack(view[: wire.STANDSTILL.size])
    return unit, index, began


class Standstill:
    """Which test runs, where a crash cannot lose it: a few bytes in a shared mapping."""

    def __init__(self, path: str | None) -> None:
        self._map: mmap.mmap | None = None
        if path is not None:
            # Without it the run goes on; a crash then blames the whole unit's first test.
            with contextlib.suppress(OSError, ValueError):
                self._map = shared(path, wire.STANDSTILL.size)

    def mark(self, unit: int, index: int) -> None:
        if self._map is not None:
            wire.STANDSTILL.pack_into(self._map, 0, unit, index, wire.steady_s())

    def done(self) -> None:
        """It does not run any more; should its result never arrive, it was the last."""
        if self._map is not None:
            wire.STANDSTILL_BEGAN.pack_into(self._map, wire.STANDSTILL.size - wire.STANDSTILL_BEGAN.size, 0.0)

    def clear(self) -> None:
        if self._map is not None:
            wire.STANDSTILL.pack_into(self._map, 0, 0, 0, 0.0)


class Announced:
    """The same where nothing is shared, on another machine: the controller is told as each test begins."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def mark(self, unit: int, index: int) -> None:
        self._outbox.put_now(wire.RUNNING, unit, index, True)

    def done(self) -> None:
        """Its result is on the way."""

    def clear(self) -> None:
        self._outbox.put(wire.RUNNING, 0, 0, False)
