"""Interpreter, platform, libraries, and whether pytest loads the plugin at all."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata

import pytest_batchgate
from pytest_batchgate.doctor.check import Check, Section

SECTION = Section("versions")

PLUGIN = "pytest_batchgate.plugin.entry"
_LIBRARIES = ("execnet", "pluggy", "psutil", "PyYAML", "junitparser")
_OLDEST_PYTEST = 8


def check_versions(environ: Mapping[str, str], addopts: Sequence[str]) -> Iterator[Check]:
    """``addopts``: the words of the ini file's."""
    where = "a virtual environment" if sys.prefix != sys.base_prefix else "not a virtual environment"
    python = f"{platform.python_version()}, {sys.executable} ({where})"
    if platform.python_implementation() == "CPython":
        yield SECTION.ok("python", python)
    else:
        name = platform.python_implementation()
        yield SECTION.note("python", f"{name} {python}", "Only CPython is tested")
    yield from _pytest()
    yield SECTION.ok("pytest-batchgate", pytest_batchgate.__version__)
    yield _loaded(environ, addopts)
    for library in _LIBRARIES:
        version = version_of(library)
        if version is None:
            todo = f"Install it: {sys.executable} -m pip install {library}"
            yield SECTION.problem(library, "is not installed", todo)
        else:
            yield SECTION.ok(library, version)
    yield _platform(sys.platform)


def version_of(distribution: str) -> str | None:
    """The version that is installed in this environment, None if there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _pytest() -> Iterator[Check]:
    version = version_of("pytest") or "0"
    if int(version.partition(".")[0]) >= _OLDEST_PYTEST:
        yield SECTION.ok("pytest", version)
    else:
        todo = f"{sys.executable} -m pip install --upgrade pytest"
        yield SECTION.problem("pytest", f"{version} is older than {_OLDEST_PYTEST}.0", todo)


def _loaded(environ: Mapping[str, str], addopts: Sequence[str]) -> Check:
    try:
        words = [*addopts, *shlex.split(environ.get("PYTEST_ADDOPTS", ""))]
    except ValueError:
        words = list(addopts)
    for first, second in zip(["", *words], words, strict=False):
        if second in {"-pno:batchgate", "no:batchgate"} and (first == "-p" or second.startswith("-p")):
            todo = "Remove it from addopts and PYTEST_ADDOPTS"
            return SECTION.problem("plugin", "`-p no:batchgate` switches it off", todo)
    by_name = PLUGIN in words or PLUGIN in environ.get("PYTEST_PLUGINS", "").split(",")
    if by_name:
        return SECTION.ok("plugin", "named by `-p` or PYTEST_PLUGINS")
    if environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        text = "PYTEST_DISABLE_PLUGIN_AUTOLOAD keeps pytest from loading it"
        return SECTION.problem("plugin", text, f"Unset the variable, or add `-p {PLUGIN}`")
    found = [point for point in metadata.entry_points(group="pytest11") if point.name == "batchgate"]
    if not found:
        todo = f"Install the package, do not only put it on the path: {sys.executable} -m pip install"
        return SECTION.problem("plugin", "pytest does not know it", f"{todo} pytest-batchgate")
    return SECTION.ok("plugin", "pytest loads it by itself")


def _platform(name: str) -> Check:
    text = platform.platform()
    if name == "win32":
        return SECTION.problem("platform", f"{text}: gates do not run on Windows", "Use Linux, macOS or WSL")
    if name != "linux":
        return SECTION.note("platform", f"{text}: only Linux is tested at every change")
    return SECTION.ok("platform", text)
