"""What a shard tells of itself, for whoever joins the parts."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_batchgate.plugin.identity import configuration_of
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.plugin.share import OPTION
from pytest_batchgate.store.git import ask_git

_GIT_S = 30.0
# What each machine may have of its own, paths and the like.
_OWN = (OPTION, "the rootdir", "-o", "-c")


def about(launch: Launch, config: pytest.Config, *, source: str) -> dict[str, object]:
    """What the joined run must know of this part.  ``facts`` are the same in all parts of one run.

    ``source``: the file that stands for findings without a place.
    """
    share = launch.share
    assert share is not None
    settings = configuration_of(launch, config)
    for name in _OWN:
        settings.pop(name, None)
    return {
        "index": share.index,
        "count": share.count,
        "narrowed": launch.typed.narrows,
        "source": source,
        "facts": {
            "split": share.split,
            "commit": _commit(launch.rootdir),
            "configuration": _digest(settings),
            "Python": ".".join(map(str, sys.version_info[:2])),
        },
    }


def _commit(rootdir: Path) -> str:
    """The commit that is checked out; empty where git knows none."""
    told = ask_git(rootdir, "rev-parse", "HEAD", patience_s=_GIT_S)
    return told.decode("ascii", "replace").strip() if told is not None else ""


def _digest(settings: Mapping[str, str]) -> str:
    text = json.dumps(settings, sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=6).hexdigest()
