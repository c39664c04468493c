"""What a project's files say about its tools, for detection: tables, dependencies, folders.

Reads only well-known files of the rootdir, each up to a size, and lists few
folders.  What cannot be read counts as absent, except a pyproject.toml that is
no TOML: nothing works in such a project, so it is told.
"""

from __future__ import annotations

import configparser
import itertools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from pytest_batchgate.config.tomltree import read_toml
from pytest_batchgate.core.valuetypes import dataclass

MAX_FILE_BYTES = 1024 * 1024
_MAX_FOLDERS = 500  # looked through for the first Python file

_NAME = re.compile(r"^\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_NOT_SOURCE = re.compile(
    r"tests?|testing|docs?|examples?|bench(marks?)?|build|dist|scripts|tasks|tools|site|v?env|node_modules"
)
_NO_MODULES = frozenset({"setup.py", "conftest.py", "noxfile.py", "tasks.py", "dodo.py", "fabfile.py"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """``ini``: the sections of .ini-like files; ``declared``: where each distribution is required."""

    root: Path
    toml: Mapping[str, Any] = field(default_factory=dict)
    ini: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    declared: Mapping[str, str] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        return _is_file(self.root / name)

    def tool(self, *keys: str) -> Mapping[str, Any]:
        """A table below [tool] of pyproject.toml; empty where there is none."""
        return table(self.toml, "tool", *keys)

    def section(self, file: str, name: str) -> Mapping[str, str]:
        return self.ini.get(file, {}).get(name, {})

    def read_toml(self, name: str) -> Mapping[str, Any]:
        """Another TOML file of the root; empty where it is missing or no TOML."""
        from pytest_batchgate.errors import ConfigError

        text = read_text(self.root / name)
        try:
            return read_toml(text, name) if text is not None else {}
        except ConfigError:
            return {}


_INI_FILES = (
    "pytest.ini",
    ".pytest.ini",
    "tox.ini",
    "setup.cfg",
    "mypy.ini",
    ".mypy.ini",
    ".flake8",
    ".bandit",
)


def read_project(root: Path) -> Project:
    """Everything detection needs to know.  Raises ConfigError for a pyproject.toml that is no TOML."""
    text = read_text(root / "pyproject.toml")
    toml = read_toml(text, "pyproject.toml") if text is not None else {}
    ini = {name: sections for name in _INI_FILES if (sections := _sections(root / name)) is not None}
    bare = Project(root=root, toml=toml, ini=ini)
    declared: dict[str, str] = {}
    for where, requirement in _requirements(bare):
        found = _NAME.match(requirement)
        if found is not None:
            declared.setdefault(canonical(found[1]), where)
    return Project(root=root, toml=toml, ini=ini, declared=declared)


def read_text(path: Path) -> str | None:
    """The text of a file up to MAX_FILE_BYTES; None if it is missing, larger, or cannot be read."""
    try:
        if not path.is_file():  # a pipe would never end
            return None
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError):
        return None
    return data.decode("utf-8-sig", "replace") if len(data) <= MAX_FILE_BYTES else None


def table(value: object, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def strings(value: object) -> list[str]:
    """A list of strings, or a string of words or lines, as configurations have either."""
    if isinstance(value, str):
        return [part.strip() for part in re.split(r"[,\n]", value) if part.strip()]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _sections(path: Path) -> Mapping[str, Mapping[str, str]] | None:
    text = read_text(path)
    if text is None:
        return None
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except (configparser.Error, ValueError):
        return {}
    return {name: {key: value or "" for key, value in parser.items(name)} for name in parser.sections()}


def _requirements(project: Project) -> Iterator[tuple[str, str]]:
    """Each requirement with where it stands, in the order in which they are told."""
    for where, value in _toml_lists(project.toml):
        yield from ((f"{where} in pyproject.toml", item) for item in strings_only(value))
    yield from _poetry(project)
    for name in ("packages", "dev-packages"):
        yield from ((f"[{name}] in Pipfile", key) for key in table(project.read_toml("Pipfile"), name))
    for section in ("options", "options.extras_require"):
        for key, value in project.section("setup.cfg", section).items():
            if section != "options" or key in {"install_requires", "tests_require"}:
                yield from ((f"{key} in setup.cfg", line) for line in value.splitlines())
    for path in _requirements_files(project.root):
        where = path.relative_to(project.root).as_posix()
        yield from ((where, line) for line in (read_text(path) or "").splitlines() if line[:1].isalnum())


def strings_only(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _toml_lists(toml: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    project = table(toml, "project")
    yield "project.dependencies", project.get("dependencies")
    for name, value in table(project, "optional-dependencies").items():
        yield f"the extra {name!r}", value
    for name, value in table(
        toml, "dependency-groups"
    ).items():  # PEP 735; included groups are listed themselves
        yield f"the dependency group {name!r}", value
    for name, value in table(toml, "tool", "pdm", "dev-dependencies").items():
        yield f"the pdm group {name!r}", value
    yield "tool.uv.dev-dependencies", table(toml, "tool", "uv").get("dev-dependencies")
    for name, value in table(toml, "tool", "hatch", "envs").items():
        for key in ("dependencies", "extra-dependencies"):
            yield f"the hatch environment {name!r}", table(value).get(key)


def _poetry(project: Project) -> Iterator[tuple[str, str]]:
    poetry = project.tool("poetry")
    for key in ("dependencies", "dev-dependencies"):
        yield from ((f"tool.poetry.{key} in pyproject.toml", name) for name in table(poetry, key))
    for group, value in table(poetry, "group").items():
        for name in table(value, "dependencies"):
            yield f"the poetry group {group!r} in pyproject.toml", name


def _requirements_files(root: Path) -> list[Path]:
    found: list[Path] = []
    for folder, pattern in [(root, "*requirements*"), (root / "requirements", "*")]:
        found += glob(folder, f"{pattern}.txt")[:50] + glob(folder, f"{pattern}.in")[:50]
    return found


def glob(folder: Path, pattern: str) -> list[Path]:
    """The matches in order; none for a pattern that is no relative path, or a folder that cannot be read."""
    try:
        return sorted(folder.glob(pattern))
    except (OSError, ValueError, NotImplementedError, IndexError):
        return []


def source_folders(root: Path) -> tuple[str, ...]:
    """Where the code is: `src`, else the packages and modules of the root, else the root itself."""
    if _holds_python(root / "src"):
        return ("src",)
    entries = _entries(root)
    packages = [
        entry.name
        for entry in entries
        if not entry.name.startswith((".", "_"))
        and not _NOT_SOURCE.fullmatch(entry.name)
        and _is_file(Path(entry) / "__init__.py")
    ]
    modules = [
        entry.name
        for entry in entries
        if entry.name.endswith(".py")
        and not entry.name.startswith(("test_", ".", "-"))
        and entry.name not in _NO_MODULES
        and _is_file(Path(entry))
    ]
    # Namespace packages have no __init__.py; "." would take virtual environments in.
    folders = packages or [entry.name for entry in entries if _is_namespace(entry)]
    return (*sorted(folders), *sorted(modules)) or (".",)


def _is_namespace(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith((".", "_")) or _NOT_SOURCE.fullmatch(entry.name):
        return False
    return not _is_file(Path(entry) / "pyvenv.cfg") and _holds_python(Path(entry))


def _holds_python(folder: Path) -> bool:
    """Whether a Python file is there, however deep: namespace packages nest without one."""
    walked = itertools.islice(os.walk(folder), _MAX_FOLDERS)
    return any(name.endswith((".py", ".pyi")) for _, _, names in walked for name in names)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)[:1000]
    except (OSError, ValueError):
        return []


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
