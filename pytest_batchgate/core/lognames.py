"""What the logs of gates are called, for those who write them and those who look for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pytest_batchgate.core.model import GateName

_SHORT_ID = 8  # characters: as much of it as is shown, and told apart by `--run`
_STEM_LIMIT = 200  # characters of a file name, of the 255 bytes that file systems take


def folder_of_run(run_id: str) -> str:
    """The folder that a run's logs get to themselves."""
    return run_id[:_SHORT_ID]


def is_folder_of_run(name: str) -> bool:
    return len(name) == _SHORT_ID and not set(name) - set("0123456789abcdef")


def stem_of_attempt(stem: str, number: int) -> str:
    """``number`` counts from 1."""
    # "~" is in no gate's name: a second attempt never meets another gate's log.
    return stem + (f"~{number}" if number > 1 else "")


def file_stems(gates: Iterable[GateName]) -> dict[GateName, str]:
    """For each gate the file name, without its ending, that its logs get on any file system.

    It is the gate's name, unless that is too long or differs from another in case only.
    """
    names = list(gates)
    folded: dict[str, int] = {}
    for name in names:
        folded[name.casefold()] = folded.get(name.casefold(), 0) + 1
    return {name: _stem(name, unique=folded[name.casefold()] == 1) for name in names}


def _stem(name: str, *, unique: bool) -> str:
    if unique and len(name) <= _STEM_LIMIT:
        return name
    return f"{name[:_STEM_LIMIT]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"
