"""Where a repository begins, and where pytest keeps its cache there, without asking pytest."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from pytest_batchgate.config.project import Project, read_project
from pytest_batchgate.config.source import YAML_NAMES
from pytest_batchgate.config.testlayout import read_settings
from pytest_batchgate.core.agreed import STATE_DIR
from pytest_batchgate.errors import ConfigError, OptionError

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


def project_of(rootdir: Path) -> Project:
    try:
        return read_project(rootdir)
    except ConfigError:  # told with the configuration
        return Project(root=rootdir)


def cache_dir(project: Project, addopts: list[str], typed: str) -> str | None:
    """pytest's cache folder, as it is written down; None where it is switched off.

    ``typed``: what PYTEST_ADDOPTS says.
    """
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


def rootdir_of(typed: str | None) -> Path:
    """The folder that was named, else the one that is found from here.  Raises OptionError."""
    try:
        rootdir = Path(os.path.abspath(typed)) if typed else find_rootdir(Path.cwd())  # noqa: PTH100
    except OSError as problem:
        raise OptionError(f"the working directory is gone: {problem.strerror}") from None
    if not rootdir.is_dir():
        raise OptionError(f"there is no folder {str(rootdir)!r}", where="--rootdir")
    return rootdir


def state_folder(rootdir: Path) -> Path:
    """Where runs of this repository leave what outlives them.  Raises OptionError where that is nowhere."""
    given = os.environ.get(STATE_DIR)
    if given:  # from where pytest was started; most start it in the root
        return rootdir / given
    project = project_of(rootdir)
    typed = os.environ.get("PYTEST_ADDOPTS", "")
    found = cache_dir(project, list(read_settings(project).addopts), typed)
    if found is None:
        raise OptionError(
            "`-p no:cacheprovider` switches pytest's cache off, so that runs leave nothing behind",
            todo="Remove it from addopts and PYTEST_ADDOPTS",
        )
    return rootdir / os.path.expandvars(os.path.expanduser(found)) / "batchgate"  # noqa: PTH111 (as pytest does)
