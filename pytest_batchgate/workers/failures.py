"""How many tests have failed so far, over all workers of a run: for an exact `-x` and `--maxfail`.

A few bytes in a mapping that all processes share.  Each writes a counter of its own,
before it tells anyone of the failure, and adds up all of them before it begins a test.
Loaded only where a number of failures is to end the run.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
from pathlib import Path

from pytest_batchgate.workers.mapping import shared

_COUNTER = struct.Struct("q")  # native and aligned: written in one go


class Failures:
    """One process's view.  Its own counter goes on where a predecessor in the same place left it."""

    def __init__(self, view: mmap.mmap, place: int, most: int) -> None:
        self._view = view
        self._place = place
        self._most = most
        self._all = struct.Struct(f"{len(view) // _COUNTER.size}q")

    @classmethod
    def create(cls, path: Path, places: int, most: int) -> Failures:
        """A new mapping with a counter per place, and the view of the last one."""
        with contextlib.suppress(OSError):
            path.write_bytes(bytes(_COUNTER.size * places))
        return cls.opened(str(path), places, places - 1, most)

    @classmethod
    def opened(cls, path: str, places: int, place: int, most: int) -> Failures:
        """Counts alone where the file is not: on another machine, or with a full disk."""
        size = _COUNTER.size * places
        try:
            return cls(shared(path, size), place, most)
        except (OSError, ValueError):
            return cls(mmap.mmap(-1, size), place, most)

    def add(self, count: int = 1) -> None:
        offset = self._place * _COUNTER.size
        (before,) = _COUNTER.unpack_from(self._view, offset)
        _COUNTER.pack_into(self._view, offset, before + count)

    def are_enough(self) -> bool:
        """Whether no further test may begin."""
        counted: int = sum(self._all.unpack_from(self._view))
        return counted >= self._most

    @property
    def words(self) -> str:
        """As pytest says it."""
        return f"stopping after {self._most} failures"
