"""What workers on other machines are told, where it differs from what those on this one are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.store.content import is_source
from pytest_batchgate.workers.environ import worker_environment
from pytest_batchgate.workers.remote import root_of
from pytest_batchgate.workers.worker_remote import bearing, digest, moved, moved_arg

# Of our environment what decides how a pytest session is put together.
_PASSED_ON = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTHONHASHSEED")
_GIT_S = 60.0
NOTICE = (
    "workers on other machines: memory-limit and leaks do not hold there, -x stops them a little later, "
    "and commands run here"
)


def early_message(launch: Launch, config: pytest.Config, slot: int, env: Mapping[str, str]) -> dict[str, Any]:
    """As `launch.early_message`: with the paths, and the environment, of the other side."""
    here, there = str(launch.rootdir), root_of(launch.specs[slot])
    extra = {
        **env,
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        "PYTEST_XDIST_WORKER": f"gw{slot}",
        "PYTEST_XDIST_WORKER_COUNT": str(launch.slots),
        "PYTEST_XDIST_TESTRUNUID": launch.run_id,
    }
    return {
        "sys_path": None,
        "root": there,
        "cwd": moved(str(config.invocation_params.dir), here, there),
        "args": [moved_arg(str(arg), here, there) for arg in config.invocation_params.args],
        "env": worker_environment({}, run_id=launch.run_id, slot=slot, extra=extra),
        "unset": [name for name in _PASSED_ON if name not in os.environ],
        "output": None,
    }


def sources(rootdir: Path) -> dict[str, str]:
    """Digests of what may bear on any test: Python and configuration files under the rootdir, by their path.

    With git those that are tracked or would be; else all but hidden folders.  Without a digest: what
    pytest finds by itself and git ignores, which the other side may have.
    """
    found: dict[str, str] = {}
    for name in _names(rootdir):
        if is_source(name):
            try:
                found[name] = digest(rootdir / name)
            except OSError:  # deleted, and not yet told to git
                continue
    return found | dict.fromkeys(bearing(str(rootdir), found) - found.keys(), "")


def _names(rootdir: Path) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=rootdir, capture_output=True, timeout=_GIT_S, check=False)
        if done.returncode == 0:
            return sorted({os.fsdecode(name) for name in done.stdout.split(b"\0") if name})
    except (OSError, subprocess.TimeoutExpired):
        pass
    names = []
    for folder, folders, files in os.walk(rootdir):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        inside = os.path.relpath(folder, rootdir)
        names += [os.path.normpath(os.path.join(inside, name)) for name in files]  # noqa: PTH118 - as git has them
    return sorted(names)
