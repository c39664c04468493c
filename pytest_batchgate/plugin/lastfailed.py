"""`--lf` and `--ff`, decided in the controller from what pytest's cache recorded.

Workers see one file at a time, so each alone could not know that the failure is
in another file: it would run everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import Any

import pytest

from pytest_batchgate.core.protocol import CollectedFile, ShownFile
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.plugin.arguments import resolve_paths


@dataclass(frozen=True, slots=True)
class LastFailed:
    """``only``: node ids to run, by file (None: no restriction); ``first``: those that go first."""

    only: dict[str, list[str]] | None = None
    first: tuple[str, ...] = ()
    first_files: tuple[str, ...] = ()
    notice: str | None = field(default=None)


def _selected(config: pytest.Config, by_file: dict[str, list[str]]) -> dict[str, list[str]]:
    """The failures that lie under the paths and names of the command line."""
    try:
        arguments = resolve_paths(config)
    except pytest.UsageError:  # which ends the run before long
        return by_file
    found: dict[str, list[str]] = {}
    for file, nodeids in by_file.items():
        path = config.rootpath / file
        for nodeid in nodeids:
            names = nodeid.split("::")[1:]
            if any(_covers(where, parts, path, names) for where, parts in arguments):
                found.setdefault(file, []).append(nodeid)
    return found


def _covers(where: Path, parts: tuple[str, ...], path: Path, names: list[str]) -> bool:
    if where != path:
        return not parts and where in path.parents
    begin = "::".join(names)
    wanted = "::".join(parts)
    return not parts or begin == wanted or begin.startswith((f"{wanted}::", f"{wanted}["))


def read_last_failed(config: pytest.Config) -> LastFailed:
    option = config.option
    wants_lf = getattr(option, "lf", False)
    wants_ff = getattr(option, "failedfirst", False)
    cache = getattr(config, "cache", None)
    if cache is None or not (wants_lf or wants_ff):
        return LastFailed()
    failed = cache.get("cache/lastfailed", {})
    nodeids = [nodeid for nodeid in failed if isinstance(nodeid, str)] if isinstance(failed, dict) else []
    by_file: dict[str, list[str]] = {}
    for nodeid in nodeids:
        path = nodeid.partition("::")[0]
        if path and (config.rootpath / path).exists():
            by_file.setdefault(path, []).append(nodeid)
    if by_file and wants_lf:
        count = sum(map(len, by_file.values()))
        by_file = _selected(config, by_file)
        if not by_file:
            return LastFailed(
                notice=f"{count} known failure{'s' if count != 1 else ''} not in selected tests"
            )
    if not by_file:
        none_selects_nothing = wants_lf and getattr(option, "last_failed_no_failures", "all") == "none"
        if none_selects_nothing:
            return LastFailed(only={}, notice="no previously failed tests, --lfnf=none: nothing is selected")
        return LastFailed(notice="no previously failed tests: all are run" if wants_lf else None)
    if wants_ff:
        return LastFailed(first=tuple(nodeids), first_files=tuple(by_file), notice="failed tests go first")
    count = sum(map(len, by_file.values()))
    words = f"rerun previous {count} failure{'s' if count != 1 else ''}"
    return LastFailed(only=by_file, notice=f"{words} (--lf)")


def keep_findable(config: pytest.Config, collected: CollectedFile, indexes: Iterable[int]) -> None:
    """In pytest's record of failures, tests that are shown under another name are found by their own."""
    record = getattr(config.pluginmanager.get_plugin("lfplugin"), "lastfailed", None)
    if not isinstance(collected, ShownFile) or not isinstance(record, dict):
        return
    try:
        from _pytest.nodeid import NodeId
    except ImportError:  # pytest before 9.2
        as_key: Any = str
    else:
        as_key = NodeId.parse
    for index in indexes:
        if index in collected.shown:
            own = as_key(CollectedFile.nodeid(collected, index))
            if record.pop(as_key(collected.shown[index]), False):
                record[own] = True
            else:
                record.pop(own, None)
