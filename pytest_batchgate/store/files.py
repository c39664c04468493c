"""Files that are whole or not there, and one writer at a time.

Nothing here decides what a full disk or a read-only folder means: an OSError
reaches the caller, and no half-written file stays behind.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_POLL_S = 0.02


def write_atomically(path: Path, content: str | bytes, *, sync: bool = False) -> None:
    r"""Replace ``path`` by ``content`` in one step; a reader sees the old file or the new one.

    The new content is written beside it, so the folder must be writable and
    exist.  Text is written as UTF-8, lone surrogates as ``\udcxx``.  ``sync``
    asks the disk as well, for what must outlive a power cut.  An existing file
    keeps its permissions, a symbolic link its target.  Raises OSError, and then leaves
    ``path`` as it was.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", suffix=".tmp", dir=target.parent)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 -- a descriptor, not a path
            file.write(data)
            os.fchmod(file.fileno(), _mode_for(target))
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(name, target)  # noqa: PTH105 -- mkstemp gives a string
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 -- mkstemp gives a string
        raise


def _mode_for(target: Path) -> int:
    """The permissions of the file that is replaced, else what ``open`` would have given."""
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        umask = os.umask(0o077)  # there is no way to read it but to set it
        os.umask(umask)
        return 0o666 & ~umask


@contextlib.contextmanager
def locked(folder: Path, *, timeout_s: float) -> Iterator[bool]:
    """Hold an advisory lock on an existing folder across processes; no lock file is left.

    Yields whether the lock was had within ``timeout_s``.  Raises OSError when the
    folder cannot be opened, or its file system knows no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _flock(descriptor, time.monotonic() + timeout_s)
    finally:
        os.close(descriptor)


def _flock(descriptor: int, deadline: float) -> bool:
    import fcntl  # POSIX only; the module must import everywhere

    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)


def set_aside(path: Path, *, keep: int = 5) -> Path:
    """Rename what stands at ``path``, whatever it is, to ``<name>.damaged-N`` and return that.

    N is the first free number up to ``keep``; beyond it the last one is replaced, so
    that a disk that damages files for ever does not fill up.  Raises OSError.
    """
    for number in range(1, keep + 1):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not os.path.lexists(aside) or number == keep:
            path.rename(aside)
            return aside
    raise ValueError("keep must be at least 1")
