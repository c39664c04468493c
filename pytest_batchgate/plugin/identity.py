"""What a run is of, so that a later one may be compared with it: content, configuration, dependencies."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.report.jsonable import plain
from pytest_batchgate.store.checkpoint import Identity
from pytest_batchgate.store.content import Content, installed, look_at

CONTENT, CONFIGURATION, DEPENDENCIES = "content", "configuration", "dependencies"
WRITES = "writes"  # folders that the run itself writes; compared with nothing

# What was typed of pytest's own options and decides which tests there are, or what they are.
_TYPED = {
    "keyword": "-k",
    "markexpr": "-m",
    "file_or_dir": "the paths",
    "deselect": "--deselect",
    "ignore": "--ignore",
    "ignore_glob": "--ignore-glob",
    "lf": "--lf",
    "plugins": "-p",
    "override_ini": "-o",
    "inifilename": "-c",
    "doctestmodules": "--doctest-modules",
}


def identity_of(
    launch: Launch, config: pytest.Config, content: Content, *, since_s: float | None
) -> Identity:
    """``since_s``: when the run began, in seconds since 1970; None if it has not yet."""
    return {
        CONTENT: content.values(since_s=since_s),
        CONFIGURATION: configuration_of(launch, config),
        DEPENDENCIES: {"Python": platform.python_version(), **installed(sys.path)},
        WRITES: {str(folder): "" for folder in written_folders(launch, config)},
    }


def content_of(launch: Launch, config: pytest.Config, but: Iterable[str] = ()) -> Content:
    """The content now, without what this run writes, and ``but``.  Raises OSError."""
    return look_at(launch.rootdir, but=(*written_folders(launch, config), *map(Path, but)))


def written_folders(launch: Launch, config: pytest.Config) -> list[Path]:
    cache = getattr(config, "cache", None)
    folders = [launch.options.report_dir, None if cache is None else Path(cache._cachedir)]
    return [folder.absolute() for folder in folders if folder is not None]


def configuration_of(launch: Launch, config: pytest.Config) -> dict[str, str]:
    """Gates as digests: their environment may hold what is nobody's business."""
    settings = launch.config
    named = {f"gate {gate.name}": _digest(plain(gate)) for gate in launch.plan.gates}
    named["the gates"] = ", ".join(gate.name for gate in launch.plan.gates)
    named["the order of the gates"] = _digest([gate.name for gate in settings.gates])
    for key in ("unclaimed", "collect"):
        named[key] = str(getattr(settings, key, ""))
    for dest, shown in _TYPED.items():
        value = getattr(launch.typed.given, dest, None)
        if value:
            text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
            named[shown] = _digest(text) if dest == "override_ini" else text  # may hold a secret
    for shown, text in (("-k", launch.typed.ini_keyword), ("-m", launch.typed.ini_markexpr)):
        if text:
            named.setdefault(shown, text)
    if launch.options.shard is not None:
        named["--batch-shard"] = "/".join(map(str, launch.options.shard))
    named["the rootdir"] = str(config.rootpath)
    return named


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return f"#{hashlib.blake2b(text.encode('utf-8', 'backslashreplace'), digest_size=12).hexdigest()}"
