"""The last runs as they happened, for those who follow one from outside or look at it afterwards.

A file per run in ``runs/``, locked by its run as long as that lives, whatever ends it.  The newest ten are
kept, and no more than 64 MiB of those that are over.  What stands in a file is its writer's business.
The logs of a run are a folder, which goes with its file, or before it where logs take more than 256 MiB.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from pytest_batchgate.core.lognames import folder_of_run, is_folder_of_run
from pytest_batchgate.core.valuetypes import dataclass

FOLDER = "runs"
KEPT_RUNS = 10
KEPT_BYTES = 64 * 1024 * 1024
KEPT_LOG_BYTES = 256 * 1024 * 1024
WATCHED_S = 5.0  # after this time without another sign nobody watches any more

_LOGS = frozenset({".log", ".outputs"})
_YOUNG_S = 60.0
_LOCKING_S = 1.0  # for who asks just now whether the run is alive

_ENDING = ".jsonl"
_WATCHED = ".watched"


class RunFile:
    """The file of a run that goes on.  Main thread; `is_watched` from any.  No method raises OSError."""

    def __init__(self, folder: Path, *, run_id: str, started_unix_s: float) -> None:
        """``folder``: ours in pytest's cache.  The files of runs before are thinned out."""
        self.path = folder / FOLDER / f"{round(started_unix_s * 1000):013}-{run_id}{_ENDING}"
        self._watch = self.path.with_suffix(_WATCHED)
        self._descriptor: int | None = None
        self._broken = False
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o644)
            _lock_surely(self._descriptor)
            _thin_out(self.path.parent)

    def append(self, line: bytes) -> None:
        """Readers see it at once."""
        if self._descriptor is None:
            return
        if self._broken:  # a line of its own: what stands there is half of one
            line = b"\n" + line
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError:  # a full disk.  Still locked: the run goes on, and there may be room for its end
            self._broken = True
        else:
            self._broken = False

    def is_watched(self) -> bool:
        """Whether somebody follows the run right now."""
        try:
            return time.time() - self._watch.stat().st_mtime < WATCHED_S
        except OSError:
            return False

    def close(self) -> None:
        """Idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            with contextlib.suppress(OSError):
                self._watch.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun:
    """A run of which there is a file."""

    path: Path
    run_id: str
    started_unix_s: float

    def is_alive(self) -> bool:
        """Whether the process that writes it is still there."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return not _lock(descriptor, shared=True)
        finally:
            os.close(descriptor)

    def watch(self) -> None:
        """Ask the run to look at what it uses, for the next seconds."""
        with contextlib.suppress(OSError):
            self.path.with_suffix(_WATCHED).touch()


def kept_runs(folder: Path) -> list[KeptRun]:
    """Newest first.  ``folder``: ours in pytest's cache."""
    found = []
    with contextlib.suppress(OSError):
        for path in (folder / FOLDER).iterdir():
            started, _, run_id = path.stem.partition("-")
            if path.suffix == _ENDING and started.isdigit() and run_id:
                found.append(KeptRun(path=path, run_id=run_id, started_unix_s=int(started) / 1000))
    return sorted(found, key=lambda run: (run.started_unix_s, run.run_id), reverse=True)


def pick_run(runs: Iterable[KeptRun]) -> KeptRun | None:
    """The newest that goes on, else the newest; None where there is none."""
    runs = list(runs)
    return next((run for run in runs if run.is_alive()), runs[0] if runs else None)


def thin_out_logs(folder: Path, logs: Path) -> None:
    """Remove the logs of runs that are over and not kept, or too large together.  Raises nothing.

    ``folder``: ours in pytest's cache; ``logs``: a folder per run, named by `folder_of_run`.
    """
    runs = kept_runs(folder)
    kept = {folder_of_run(run.run_id) for run in runs}
    with contextlib.suppress(OSError):
        # One that is being made may be before its run's file: what is young is left to the next run.
        recent = time.time() - _YOUNG_S
        for path in logs.iterdir():
            if is_folder_of_run(path.name) and path.name not in kept and path.stat().st_mtime < recent:
                _remove_logs(path)
    size = 0
    for number, run in enumerate(runs):
        path = logs / folder_of_run(run.run_id)
        with contextlib.suppress(OSError):
            size += sum(log.stat().st_size for log in path.iterdir())
        if number > 1 and size > KEPT_LOG_BYTES and not run.is_alive():
            _remove_logs(path)


def _remove_logs(folder: Path) -> None:
    """Nothing but what runs write there: the place of the folder may have been given to us."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.suffix in _LOGS:
                path.unlink(missing_ok=True)
        folder.rmdir()


def _thin_out(folder: Path) -> None:
    size = 0
    for number, run in enumerate(kept_runs(folder.parent)):
        with contextlib.suppress(OSError):
            size += run.path.stat().st_size
            if (number >= KEPT_RUNS or (number and size > KEPT_BYTES)) and not run.is_alive():
                run.path.unlink()
                run.path.with_suffix(_WATCHED).unlink(missing_ok=True)


def _lock_surely(descriptor: int) -> None:
    """Those who ask whether the run is alive hold the lock for a moment."""
    until = time.monotonic() + _LOCKING_S
    while not _lock(descriptor) and time.monotonic() < until:
        time.sleep(0.001)


def _lock(descriptor: int, *, shared: bool = False) -> bool:
    """Whether it could be had.  Where the file system knows no locks a run counts as over."""
    import fcntl  # POSIX only; the module must import everywhere

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
