"""The end of a log, whatever is in it and however long it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pytest_batchgate.report.words import clip, harmless_lines

_LINES = 40
_READ_BYTES = 64 * 1024
_LINE_WIDTH = 500  # characters


def tail(
    path: str | Path, *, unicode: bool = True, lines: int = _LINES, read_bytes: int = _READ_BYTES
) -> list[str]:
    """The last 40 lines, harmless and at most 500 characters each; a note first if more was left out.

    Reads at most 64 KiB from the end, so a line of 50 MB costs no more than another.  Raises
    OSError; a file that is not a regular one (a pipe would wait for ever) is an empty log.
    ``lines`` and ``read_bytes`` are other such bounds.
    """
    with open(path, "rb", opener=_open_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return []
        size = status.st_size
        start = max(0, size - read_bytes)
        file.seek(start)
        data = file.read(read_bytes)
    text = data.decode("utf-8", "replace")
    found = harmless_lines(text, unicode=unicode)
    if start and len(found) > 1:
        del found[0]  # begins somewhere inside
    cut = start > 0 or len(found) > lines
    shown = [clip(line, _LINE_WIDTH) for line in found[-lines:]]
    return ["(earlier output is in the log)", *shown] if cut else shown


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
