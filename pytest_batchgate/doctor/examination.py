"""All checks, one section after another."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pytest_batchgate.config.testlayout import read_settings
from pytest_batchgate.doctor.check import Check
from pytest_batchgate.doctor.folders import check_folders
from pytest_batchgate.doctor.limits import check_limits
from pytest_batchgate.doctor.place import cache_dir, project_of
from pytest_batchgate.doctor.programs import check_gates
from pytest_batchgate.doctor.settings import read_configuration
from pytest_batchgate.doctor.surroundings import check_surroundings
from pytest_batchgate.doctor.trial import check_worker
from pytest_batchgate.doctor.versions import check_versions


def examine(rootdir: Path, *, config: Path | None, profile: str | None) -> Iterator[Check]:
    """Look at everything.  Each check is made when it is asked for, so that it can be shown at once."""
    project = project_of(rootdir)
    addopts = list(read_settings(project).addopts)
    environ = dict(os.environ)
    yield from check_versions(environ, addopts)
    if sys.platform == "win32":  # told as a problem; nothing else could be looked at
        return
    configured = read_configuration(rootdir, config, profile)
    yield from configured.checks
    yield from check_gates(rootdir, configured.gates, environ)
    yield from check_limits(configured.config)
    yield from check_folders(rootdir, cache_dir(project, addopts, environ.get("PYTEST_ADDOPTS", "")))
    yield from check_worker(rootdir)
    yield from check_surroundings(environ, addopts)
