"""Folders that a run writes to, and the history it reads."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pytest_batchgate.doctor.check import Check, Section
from pytest_batchgate.report.words import plural
from pytest_batchgate.store import schema
from pytest_batchgate.store.history import FILE_NAME

SECTION = Section("folders")

_MIB = 1024 * 1024
_LOW_BYTES = 100 * _MIB
_LOW_INODES = 1000


def check_folders(rootdir: Path, cache_dir: str | None) -> Iterator[Check]:
    """``cache_dir``: as the ini file has it; None where pytest's cache is switched off."""
    yield from _temporary()
    if cache_dir is None:
        text = "`-p no:cacheprovider` switches it off: no history, no --lf"
        yield SECTION.note("cache", text, "Remove it from addopts and PYTEST_ADDOPTS")
        return
    cache = rootdir / os.path.expandvars(cache_dir)
    yield from _cache(cache)
    yield _history(cache / "batchgate" / FILE_NAME)


def _temporary() -> Iterator[Check]:
    try:
        folder = Path(tempfile.gettempdir())
    except OSError as error:
        yield SECTION.problem(
            "temp", f"no folder can be used: {error.strerror}", "Set TMPDIR to one that can"
        )
        return
    yield from _room("temp", folder, "Free some, or set TMPDIR to a folder elsewhere")


def _cache(cache: Path) -> Iterator[Check]:
    there = cache
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        text = f"{there} is not a folder: no history, no --lf"
        yield SECTION.note("cache", text, "Remove it, or set `cache_dir` in pytest's configuration")
    elif not os.access(there, os.W_OK | os.X_OK):
        text = f"{cache} cannot be written: no history, no --lf, logs go to the temp folder"
        yield SECTION.note("cache", text, "Set `cache_dir` in pytest's configuration to a folder that can")
    else:
        yield from _room(
            "cache", there, "Free some, or set `cache_dir` in pytest's configuration", shown=cache
        )


def _room(name: str, folder: Path, todo: str, *, shown: Path | None = None) -> Iterator[Check]:
    """Space and inodes of the file system."""
    try:
        free = shutil.disk_usage(folder).free
        status = os.statvfs(folder)
    except OSError as error:
        yield SECTION.problem(name, f"{folder}: {error.strerror}", todo)
        return
    text = f"{shown or folder}: {free / 1024**3:.1f} GiB free"
    if free < _LOW_BYTES:
        yield SECTION.problem(name, f"{shown or folder}: only {free // _MIB} MiB free", todo)
    elif status.f_files and status.f_favail < _LOW_INODES:
        yield SECTION.problem(name, f"{text}, but only {status.f_favail} inodes", todo)
    else:
        yield SECTION.ok(name, text)


def _history(path: Path) -> Check:
    """Opened so that SQLite writes nothing; a run would set a damaged file aside."""
    if not os.path.lexists(path):
        return SECTION.ok("history", "none yet: the first run writes it")
    import contextlib
    import sqlite3

    broken = "The next run sets it aside and begins a new one"
    if not path.is_file():
        return SECTION.note("history", f"{path} is not a regular file", broken)
    # Beside a journal somebody is writing, and only SQLite's own locks give a whole picture.
    mode = "mode=ro" if path.with_name(f"{FILE_NAME}-wal").exists() else "mode=ro&immutable=1"
    try:
        uri = f"{path.absolute().as_uri()}?{mode}"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=2.0)) as db:
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if verdict != "ok" or (application != schema.APPLICATION_ID and (application or version)):
                return SECTION.note("history", f"{path} is damaged", broken)
            if version > len(schema.MIGRATIONS):
                text = f"{path} was written by a newer pytest-batchgate"
                return SECTION.note("history", text, "Update this one; until then runs go on without it")
            runs = db.execute("SELECT count(*) FROM runs").fetchone()[0] if version else 0
    except (sqlite3.Error, OSError) as error:
        if "locked" in str(error):
            return SECTION.note("history", f"{path} is in use")
        if not os.access(path, os.R_OK):
            return SECTION.note("history", f"{path} cannot be read", "Make it readable, or remove it")
        return SECTION.note("history", f"{path} is damaged ({error})", broken)
    size = path.stat().st_size / 1024
    return SECTION.ok("history", f"{path}: {plural(runs, 'run')}, {size:,.0f} KiB")
