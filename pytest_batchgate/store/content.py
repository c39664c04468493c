"""What a run is of: the files under the rootdir and the installed distributions, as names and values.

With git: the commit, and a digest of each file that differs from it or is not tracked.  Without:
size and time of each file.  What tools leave behind by themselves (byte code, caches, environments) is
left out.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pytest_batchgate.core.carry import TRACKED
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.store.git import ask_git

COMMIT = "the commit"
# What may bear on any test: never taken for something that a run left behind.
SOURCES = frozenset({".c", ".cfg", ".h", ".ini", ".pth", ".py", ".pyi", ".pyx", ".toml", ".yaml", ".yml"})
_LEFT_OUT = frozenset(
    {".git", ".hypothesis", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".tox", ".venv"}
    | {"__pycache__", "node_modules", "site-packages", "venv"}
)
_LEFT_OUT_FILES = re.compile(r"\.coverage(\..*)?|.*\.py[co]|\.DS_Store")
_DISTRIBUTION = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+?)(-py\d.*)?\.(dist|egg)-info")
_MOST_BYTES = 32 * 1024 * 1024  # of a larger file, size and time tell


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: ``value`` differs when its content does.  ``changed_s``: in seconds since 1970."""

    value: str
    tracked: bool
    changed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """``files`` by path, relative to ``folder``: the repository's top, or without git the rootdir.

    ``but``: folders of which nothing is among them.
    """

    folder: Path
    commit: str | None
    files: dict[str, Entry]
    but: tuple[Path, ...] = ()

    def values(self, *, since_s: float | None = None) -> dict[str, str]:
        """By name.  Without what a run that began at ``since_s`` seems to have written already."""
        named = {} if self.commit is None else {COMMIT: self.commit}
        for path, entry in self.files.items():
            if since_s is None or entry.tracked or is_source(path) or entry.changed_s < since_s:
                named[path] = entry.value
        return named

    def without(self, values: Mapping[str, str]) -> dict[str, str]:
        """``values`` of another look at the folder, without what did not count in this one."""
        return {name: value for name, value in values.items() if name == COMMIT or not self._is_out(name)}

    def _is_out(self, name: str) -> bool:
        return any((self.folder / name).is_relative_to(folder) for folder in self.but)


def is_source(path: str) -> bool:
    return os.path.splitext(path)[1] in SOURCES  # noqa: PTH122 -- paths are texts here


def look_at(rootdir: Path, *, but: Sequence[Path] = ()) -> Content:
    """The content as it is now; ``but`` are folders that do not count.  Raises OSError."""
    found = _by_git(rootdir, tuple(but))
    if found is not None:
        return found
    return Content(folder=rootdir, commit=None, files=dict(_walk(rootdir, but)), but=tuple(but))


def _by_git(rootdir: Path, but: tuple[Path, ...]) -> Content | None:
    top = ask_git(rootdir, "rev-parse", "--show-toplevel")
    told = ask_git(
        rootdir, "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames"
    )
    if not top:
        return None
    if told is None:
        raise OSError("git cannot tell what has changed")
    folder = Path(os.fsdecode(top.rstrip(b"\n")))
    commit = None
    files = {}
    for line in told.split(b"\0"):
        kind = line[:2]
        if line.startswith(b"# branch.oid "):
            commit = line.split()[-1].decode("ascii", "replace")
        elif kind in {b"1 ", b"u ", b"? "}:
            # "1 XY sub mH mI mW hH hI path", "u XY sub m1 m2 m3 mW h1 h2 h3 path", "? path"
            *states, raw = line.split(b" ", {b"1 ": 8, b"u ": 10, b"? ": 1}[kind])
            path = folder / os.fsdecode(raw)
            tracked = kind != b"? "
            if any(path.is_relative_to(out) for out in but):
                continue
            if tracked or not _is_left_out(Path(os.fsdecode(raw)), path, but):
                staged = b" ".join(states) if tracked else b""
                files[os.fsdecode(raw)] = _entry(path, staged, tracked=tracked)
    return Content(folder=folder, commit=commit, files=files, but=but)


def _is_left_out(relative: Path, path: Path, but: Iterable[Path]) -> bool:
    if not _LEFT_OUT.isdisjoint(relative.parts) or _LEFT_OUT_FILES.fullmatch(relative.name):
        return True
    return any(path.is_relative_to(folder) for folder in but)


def _entry(path: Path, staged: bytes, *, tracked: bool) -> Entry:
    digest = hashlib.blake2b(staged, digest_size=12)
    changed_s = 0.0
    try:
        known = path.lstat()
        changed_s = known.st_mtime
        if path.is_symlink():
            digest.update(os.fsencode(path.readlink()))
        elif path.is_file():
            if known.st_size > _MOST_BYTES:
                digest.update(f"{known.st_size} {known.st_mtime_ns}".encode())
            else:
                digest.update(path.read_bytes())
    except OSError as error:  # gone, or not ours to read
        digest.update(type(error).__name__.encode())
    return Entry(f"{TRACKED if tracked else '#'}{digest.hexdigest()}", tracked, changed_s)


def _walk(rootdir: Path, but: Sequence[Path]) -> Iterator[tuple[str, Entry]]:
    for folder, folders, names in os.walk(rootdir):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if not _is_left_out(Path(name), here / name, but) and not (here / name / "pyvenv.cfg").exists()
        ]
        for name in names:
            path = here / name
            if _is_left_out(Path(name), path, but):
                continue
            try:
                known = path.lstat()
            except OSError:
                continue
            value = f"#{known.st_size} {known.st_mtime_ns}"
            yield str(path.relative_to(rootdir)), Entry(value, tracked=False, changed_s=known.st_mtime)


def appeared_meanwhile(
    before: dict[str, str], now: Content, *, started_s: float, last_s: float
) -> dict[str, str]:
    """What the run itself left behind, most likely: the values of ``before`` with these as they are now.

    Files that are neither tracked nor sources, and were last written while the run was on.
    """
    known = dict(before)
    for path, entry in now.files.items():
        if not entry.tracked and not is_source(path) and started_s <= entry.changed_s <= last_s:
            known[path] = entry.value
    return known


def installed(paths: Iterable[str]) -> dict[str, str]:
    """Versions of distributions by name, as the folders of ``paths`` tell; the first of a name counts."""
    found: dict[str, str] = {}
    for path in paths:
        try:
            names = os.listdir(path or os.curdir)  # noqa: PTH208 -- names are all that is wanted
        except OSError:
            continue
        for name in names:
            known = _DISTRIBUTION.fullmatch(name)
            if known is not None:
                found.setdefault(f"package {known['name']}", known["version"])
    return found
