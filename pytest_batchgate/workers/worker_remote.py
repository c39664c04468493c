"""The other side of `workers.remote`: what a worker on another machine finds out before it serves."""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_FOUND = (
    *("conftest.py", "test_*.py", "*_test.py"),
    *("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "pyproject.toml", "tox.ini", "setup.cfg"),
)


def digest(path: Path) -> str:
    """Of the file's content.  Raises OSError."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def bearing(root: str, names: Iterable[str]) -> set[str]:
    """What pytest finds by itself in the folders of ``names`` under ``root``: tests, conftests, settings."""
    found: set[str] = set()
    for folder in {os.path.dirname(name) for name in names} | {""}:  # noqa: PTH120 - names are texts here
        try:
            with os.scandir(os.path.join(root, folder)) as entries:  # noqa: PTH118
                inside = [entry.name for entry in entries if entry.is_file()]
        except OSError:
            continue
        found.update(
            f"{folder}/{name}" if folder else name
            for name in inside
            if any(fnmatch.fnmatchcase(name, form) for form in _FOUND)
        )
    return found


def differing(sources: Mapping[str, str]) -> list[str]:
    """The files of ``sources`` that are missing under the working directory, or have another digest.

    Then what pytest would find here and not there.  Without a digest a file may be as it is, or missing.
    """
    files = [name for name, known in sources.items() if known and _digest_or_none(Path(name)) != known]
    return files + sorted(bearing(".", sources) - sources.keys())


def _digest_or_none(path: Path) -> str | None:
    try:
        return digest(path)
    except OSError:
        return None


def settled(early: Mapping[str, Any], root: str) -> dict[str, Any]:
    """The first message, with paths as they are: a home may be called ``~``.  ``root``: the repository."""
    told = early.get("root")
    if told is None:
        return dict(early)
    args = [moved_arg(arg, told, root) for arg in early["args"]]
    return {**early, "root": root, "cwd": moved(early["cwd"], told, root), "args": args}


def moved_arg(arg: str, here: str, there: str) -> str:
    """``/our/root/tests`` and ``--rootdir=/our/root``, as they are called on the other side."""
    if arg.startswith("-") and "=" in arg:
        option, _, value = arg.partition("=")
        return f"{option}={moved(value, here, there)}"
    return moved(arg, here, there)


def moved(path: str, here: str, there: str) -> str:
    """``path`` under ``here`` as it is called under ``there``; any other as it is."""
    if path == here:
        return there
    return there.rstrip("/") + path[len(here) :] if path.startswith(here.rstrip("/") + "/") else path
