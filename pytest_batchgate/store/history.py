"""What earlier runs took: an SQLite file that may always be thrown away.

Every question opens the file, asks and closes it, so that a run of an hour holds
nothing, and a file that is removed or damaged meanwhile harms nothing.  No trouble
with it ever reaches the run: a damaged or foreign file is set aside, anything else
switches the history off, and one sentence in `History.warnings` says so.

What is kept, and how much of it: the newest 50 runs with their gates, a moving mean per
file (the newest 20,000), and each test that failed or was slow (the newest 200,000).  Of each kept run
also which tests failed (at most 2,000), and its 200 slowest.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_batchgate.core.model import Estimates
from pytest_batchgate.store import rows, schema
from pytest_batchgate.store.files import locked, set_aside
from pytest_batchgate.store.record import GateSample, NotedTest, PastRun, RunRecord, TimedTest

if TYPE_CHECKING:
    import sqlite3  # at run time only when there is something to ask: it takes 4 ms

FILE_NAME = "history.sqlite3"
_SIDECARS = ("-wal", "-shm", "-journal")

_READ_PATIENCE_S = 2.0  # readers wait for nobody in WAL mode, only for a recovery
_WRITE_PATIENCE_S = 5.0  # a run is written in a fraction of a second

T = TypeVar("T")


class _DamagedError(Exception):
    """The file is not, or no longer, a history of ours."""


class _NewerError(Exception):
    """The file was written by a later version, which may still want it."""


class History:
    """The history in one folder.  Main thread only; no method raises to the run.

    ``warnings`` has what the user should know so far, at most a sentence per trouble.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self.warnings: list[str] = []
        self._off = False
        self._seen: tuple[int, int] | None = None  # device and inode of the file last opened

    @classmethod
    def open(cls, folder: Path) -> History:
        """The history in ``folder``, which is created by the first `record`, not before."""
        return cls(folder)

    def estimates(self) -> Estimates:
        """What a run is likely to take; empty when nothing is known."""
        return self._ask(rows.read_estimates) or Estimates()

    def slowest_tests(self, limit: int = 20) -> tuple[TimedTest, ...]:
        """The slowest tests as they last ended, slowest first."""
        return self._ask(lambda db: rows.read_slowest(db, limit)) or ()

    def gate_samples(self) -> tuple[GateSample, ...]:
        """Every gate of every run that is kept, oldest run first."""
        return self._ask(rows.read_gates) or ()

    def runs(self) -> tuple[PastRun, ...]:
        """Every run that is kept, oldest first."""
        return self._ask(rows.read_runs) or ()

    def noted_tests(self) -> tuple[NotedTest, ...]:
        """Tests of these runs that failed, were tried again or were among the slowest, oldest run first."""
        return self._ask(rows.read_noted) or ()

    def record(self, run: RunRecord) -> bool:
        """Write a run down in one transaction; False if that was not possible."""
        if self._off:
            return False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return self._switch_off(error)
        return bool(self._guarded(lambda: self._write(run)))

    def close(self) -> None:
        """Be done: later records are dropped.  Nothing is held open that needs closing."""
        self._off = True

    # --- opening ---------------------------------------------------------------

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T | None:
        if self._off or not os.path.lexists(self.path):
            return None
        return self._guarded(lambda: self._read(question))

    def _read(self, question: Callable[[sqlite3.Connection], T]) -> T | None:
        import sqlite3

        try:
            with contextlib.closing(self._connect(_READ_PATIENCE_S)) as db:
                return question(db) if _bring_up_to_date(db, create=False) else None
        except sqlite3.OperationalError as error:
            if _is_damage(error) or _is_busy(error) or os.access(self.folder, os.W_OK):
                raise
            # WAL needs a writable folder; where nobody can write, the file may be read as it is
            with contextlib.closing(self._connect_immutable()) as db:
                return question(db) if _version(db) == len(schema.MIGRATIONS) else None

    def _write(self, run: RunRecord) -> bool:
        with contextlib.closing(self._connect(_WRITE_PATIENCE_S)) as db:
            # in WAL mode a power cut may then cost a run, never the file
            db.execute("PRAGMA synchronous = NORMAL")
            _bring_up_to_date(db, create=True)
            db.execute("BEGIN IMMEDIATE")
            rows.insert(db, run)
            rows.prune(db)
            db.execute("COMMIT")
        return True

    def _connect(self, patience_s: float) -> sqlite3.Connection:
        import sqlite3

        self._seen = _identity(self.path)
        if self._seen is not None:
            for name in ("", *_SIDECARS):
                _check_regular(self.path.with_name(FILE_NAME + name))
        return sqlite3.connect(self.path, timeout=patience_s, isolation_level=None)

    def _connect_immutable(self) -> sqlite3.Connection:
        import sqlite3

        uri = self.path.absolute().as_uri()
        return sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None)

    # --- trouble ---------------------------------------------------------------

    def _guarded(self, work: Callable[[], T]) -> T | None:
        """Do ``work``; over a damaged file once more, after setting that aside."""
        try:
            import sqlite3
        except ImportError as error:  # some Pythons are built without it
            self._switch_off(error)
            return None
        for attempt in (1, 2):
            try:
                return work()
            except (_NewerError, OSError, MemoryError) as error:
                self._switch_off(error)
            except (sqlite3.Error, _DamagedError, ValueError, TypeError, OverflowError) as error:
                if isinstance(error, sqlite3.Error) and _is_busy(error):
                    self._warn(f"The history {self.path} is in use by another process; left out this time")
                elif not _is_damage(error) or attempt == 2:
                    self._switch_off(error)
                elif self._set_aside(error):
                    continue
            return None
        return None

    def _set_aside(self, error: Exception) -> bool:
        try:
            with _best_lock(self.folder):
                if self._seen is None or _identity(self.path) != self._seen:
                    return True  # another run has set it aside already
                for suffix in _SIDECARS:  # first, or a stranger's journal would be rolled into the new file
                    sidecar = self.path.with_name(FILE_NAME + suffix)
                    with contextlib.suppress(FileNotFoundError):
                        set_aside(sidecar)
                aside = set_aside(self.path)
        except OSError as trouble:
            return self._switch_off(trouble)
        self._warn(f"The history {self.path} was damaged ({_words(error)}); it was set aside as {aside.name}")
        return True

    def _switch_off(self, error: Exception) -> bool:
        self._off = True
        self._warn(f"The history {self.path} cannot be used ({_words(error)}); this run goes on without it")
        return False

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


@contextlib.contextmanager
def _best_lock(folder: Path) -> Iterator[None]:
    """Locked where the file system knows locks; there two runs take turns at setting aside."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(locked(folder, timeout_s=_WRITE_PATIENCE_S))
        yield


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _check_regular(path: Path) -> None:
    """Refuse what SQLite would wait on (a pipe) or create elsewhere (a link that leads nowhere)."""
    try:
        mode = path.stat().st_mode
    except OSError:
        if path.is_symlink():
            raise _DamagedError(f"{path.name} is a link that leads nowhere") from None
    else:
        if not stat.S_ISREG(mode):
            raise _DamagedError(f"{path.name} is not a regular file")


def _words(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__


def _is_busy(error: Exception) -> bool:
    return "locked" in str(error) or "busy" in str(error)


def _is_damage(error: Exception) -> bool:
    """Is the content at fault?  By type and words: Python 3.10 gives no error codes."""
    import sqlite3

    if isinstance(error, sqlite3.OperationalError):
        signs = (
            "malformed",
            "no such table",
            "no such column",
            "has no column",
            "decode",
            "values were supplied",
        )
        return any(sign in str(error) for sign in signs)
    return True  # not a database, a broken page, a value of another type


# --- schema --------------------------------------------------------------------


def _version(db: sqlite3.Connection) -> int:
    """The schema version of our file, 0 if nothing was ever written; raises on others' files."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (objects,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != schema.APPLICATION_ID and (application or version or objects):
        raise _DamagedError("it belongs to another program")
    if version > len(schema.MIGRATIONS):
        raise _NewerError("it was written by a newer pytest-batchgate")
    return int(version)


def _bring_up_to_date(db: sqlite3.Connection, *, create: bool) -> bool:
    """Apply the migrations that are missing; False if the file is empty and stays so."""
    version = _version(db)
    if version == len(schema.MIGRATIONS):
        return True
    if version == 0 and not create:
        return False
    if version == 0:
        db.execute("PRAGMA journal_mode = WAL")  # answers with another mode where it does not work
    db.execute("BEGIN IMMEDIATE")
    for migration in schema.MIGRATIONS[_version(db) :]:  # asked again: another run may have been first
        for statement in migration:
            db.execute(statement)
    db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")
    db.execute("COMMIT")
    return True
