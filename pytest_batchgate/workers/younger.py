"""Which processes can be younger than a given one, without looking at each of the machine's.

Linux hands out process ids in rising order and begins again at the end.  As long as
that end cannot have been reached, whatever was started after a process has a greater
id, and the many that were there before need not be looked at.  `forks`, the number of
processes and threads started since boot, says how far the ids can have come.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

_CHUNK_BYTES = 65536
_SLACK = 1024  # ids that may have been given between the start of the oldest and the first count


def read_proc(path: str) -> bytes:
    """A file of /proc, whole.  Raises OSError.  Half of what pathlib takes, and read thousands of times."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, _CHUNK_BYTES)
        if len(data) < _CHUNK_BYTES:
            return data
        parts = [data]
        while data := os.read(descriptor, _CHUNK_BYTES):
            parts.append(data)
        return b"".join(parts)
    finally:
        os.close(descriptor)


class Younger:
    """The process ``oldest`` and those that may have been started after it, by their ids."""

    def __init__(self, oldest: int, all_pids: Callable[[], list[int]]) -> None:
        """``oldest`` has just been started; ``all_pids`` lists every process of the machine."""
        self._oldest = oldest
        self._all_pids = all_pids
        self._forks = _forks()
        self._end = _pid_end()

    def pids(self) -> list[int]:
        """Ids in no order.  Every process of the machine where the ids may have begun again."""
        before = self._all_pids()
        if self._has_begun_again():
            return before
        return [pid for pid in before if pid >= self._oldest]

    def _has_begun_again(self) -> bool:
        now = _forks()
        if now is None or self._forks is None or self._end is None:
            return True
        return self._oldest + (now - self._forks) + _SLACK >= self._end


def _forks() -> int | None:
    """Processes and threads started since boot; None where nobody counts them."""
    if sys.platform != "linux":
        return None
    try:
        stat = read_proc("/proc/stat")
        start = stat.index(b"\nprocesses ") + len(b"\nprocesses ")
        return int(stat[start : stat.index(b"\n", start)])
    except (OSError, ValueError):
        return None


def _pid_end() -> int | None:
    try:
        return int(read_proc("/proc/sys/kernel/pid_max"))
    except (OSError, ValueError):
        return None


def ancestors(pid: int, parent_of: Callable[[int], int | None]) -> frozenset[int]:
    """``pid``, its parent and so on, up to the first processes of the system."""
    found = {0, 1}
    while pid not in found:
        found.add(pid)
        pid = parent_of(pid) or 0
    return frozenset(found)
