"""All checks, one section after another."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from pytest_batchgate.config.project import Project, read_project
from pytest_batchgate.config.source import YAML_NAMES
from pytest_batchgate.config.testlayout import read_settings
from pytest_batchgate.doctor.check import Check
from pytest_batchgate.doctor.folders import check_folders
from pytest_batchgate.doctor.limits import check_limits
from pytest_batchgate.doctor.programs import check_gates
from pytest_batchgate.doctor.settings import read_configuration
from pytest_batchgate.doctor.surroundings import check_surroundings
from pytest_batchgate.doctor.trial import check_worker
from pytest_batchgate.doctor.versions import check_versions
from pytest_batchgate.errors import ConfigError

_ROOT_SIGNS = (*YAML_NAMES, "pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", ".git")
_PYTESTS_OWN = ("pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg")
_INI_SECTIONS = ("pytest", "tool:pytest")


def find_rootdir(start: Path) -> Path:
    """The nearest folder from ``start`` upwards that looks like a repository's root, else ``start``."""
    absolute = Path(os.path.abspath(start))  # noqa: PTH100 - resolve() would follow links
    for folder in (absolute, *absolute.parents):
        if any((folder / sign).exists() for sign in _ROOT_SIGNS):
            return folder
    return absolute


def examine(rootdir: Path, *, config: Path | None, profile: str | None) -> Iterator[Check]:
    """Look at everything.  Each check is made when it is asked for, so that it can be shown at once."""
    project = _project(rootdir)
    addopts = list(read_settings(project).addopts)
    environ = dict(os.environ)
    yield from check_versions(environ, addopts)
    if sys.platform == "win32":  # told as a problem; nothing else could be looked at
        return
    configured = read_configuration(rootdir, config, profile)
    yield from configured.checks
    yield from check_gates(rootdir, configured.gates, environ)
    yield from check_limits(configured.config)
    yield from check_folders(rootdir, _cache_dir(project, addopts, environ.get("PYTEST_ADDOPTS", "")))
    yield from check_worker(rootdir)
    yield from check_surroundings(environ, addopts)


def _project(rootdir: Path) -> Project:
    try:
        return read_project(rootdir)
    except ConfigError:  # told with the configuration
        return Project(root=rootdir)


def _cache_dir(project: Project, addopts: list[str], typed: str) -> str | None:
    try:
        words = [*addopts, *shlex.split(typed)]
    except ValueError:
        words = addopts
    if "no:cacheprovider" in words or "-pno:cacheprovider" in words:
        return None
    found = [project.tool("pytest", "ini_options").get("cache_dir"), project.tool("pytest").get("cache_dir")]
    found += [
        project.section(name, section).get("cache_dir") for name in _PYTESTS_OWN for section in _INI_SECTIONS
    ]
    return next((value for value in found if isinstance(value, str) and value), ".pytest_cache")
