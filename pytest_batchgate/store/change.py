"""Which files a change is of, as far as a CI service and git can tell it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_batchgate.store.git import ask_git

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,250}")
_MOST_BYTES = 16 * 1024 * 1024  # of an event's description
_PATIENCE_S = 10.0


def changed_files(top: Path, environ: Mapping[str, str]) -> frozenset[str]:
    """Paths, relative to ``top``, the checkout, that differ from what the change is made on.

    ``environ``: as GitHub's runner sets it.  Empty where nobody can tell, as in a checkout
    of one commit; never an error.
    """
    for base in _bases(environ):
        told = ask_git(
            top, "-c", "core.fsmonitor=false", "diff", "--name-only", "--no-renames", "--no-ext-diff",
            "--relative", "-z", base, "--", patience_s=_PATIENCE_S,
        )  # fmt: skip
        if told is not None:
            return frozenset(os.fsdecode(path) for path in told.split(b"\0") if path)
    return frozenset()


def _bases(environ: Mapping[str, str]) -> Iterator[str]:
    """What git may compare with, the most exact first."""
    ref = environ.get("GITHUB_BASE_REF", "")
    if _REF.fullmatch(ref) and ".." not in ref:
        yield f"origin/{ref}...HEAD"
    event = _event(environ.get("GITHUB_EVENT_PATH", ""))
    for keys in (("pull_request", "base", "sha"), ("merge_group", "base_sha"), ("before",)):
        found: Any = event
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        # all zeros: the branch is new
        if isinstance(found, str) and _COMMIT.fullmatch(found) and found.strip("0"):
            yield f"{found}...HEAD"
            yield f"{found}..HEAD"  # the common ancestor is not in a shallow checkout
    if ref:
        yield "HEAD^1..HEAD"  # a pull request's checkout is its merge into the base


def _event(path: str) -> object:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- "" is no path
            return json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
