"""The other side of `workers.remote`: what a worker on another machine finds out before it serves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path


def digest(path: Path) -> str:
    """Of the file's content.  Raises OSError."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def differing(sources: Mapping[str, str]) -> list[str]:
    """The files of ``sources`` that are missing under the working directory, or have another digest."""
    return [name for name, known in sources.items() if _digest_or_none(Path(name)) != known]


def _digest_or_none(path: Path) -> str | None:
    try:
        return digest(path)
    except OSError:
        return None
