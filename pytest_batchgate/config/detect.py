"""Gates for a repository that configures none: from its tests, and from the tools it uses.

A tool is a gate when the project configures it or declares it as a dependency,
and it can be run.  What was found and what was left out is told in sentences.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_batchgate.config.project import Project, glob, read_project, source_folders, strings, table
from pytest_batchgate.config.testlayout import PytestSettings, TestLayout, lay_out, read_settings
from pytest_batchgate.core.model import Command, Config, Gate, GateName, Tests
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import ConfigError

Which = Callable[[str], str | None]


class NothingFoundError(ConfigError):
    """Nothing of a repository is a gate: fine where a plugin adds one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """``found`` has a sentence for each gate of ``config``, in its order; ``left_out`` is (what, why)."""

    config: Config
    found: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Tool:
    """``configured`` says where the project configures it, ``command`` what to run."""

    role: str
    name: str
    configured: Callable[[Project], str | None]
    command: Callable[[Project], tuple[str, ...]]


def detect(rootdir: Path, *, which: Which | None = None, settings: PytestSettings | None = None) -> Detected:
    """The gates of the repository at ``rootdir``.

    ``which`` finds a program (`find_program` by default), ``settings`` are pytest's
    own (read from the rootdir's files by default).  Raises NothingFoundError where there
    is nothing to run, ConfigError for a pyproject.toml that is no TOML.
    """
    project = read_project(Path(os.path.normpath(rootdir.absolute())))
    gates: list[Gate] = []
    found: list[str] = []
    left_out: list[tuple[str, str]] = []
    for role in dict.fromkeys(tool.role for tool in _TOOLS):
        tools = [tool for tool in _TOOLS if tool.role == role]
        reasons = {tool.name: why for tool in tools if (why := _reason(tool, project)) is not None}
        if not reasons:
            named = " nor ".join(tool.name for tool in tools)
            left_out.append((role, f"neither {named} is configured or a dependency"))
        taken = False
        for tool in tools:
            if tool.name not in reasons:
                continue
            if (which or find_program)(tool.name) is None:
                why = f"{reasons[tool.name]}, but it is not installed in this environment or on PATH"
                left_out.append((tool.name, why))
                continue
            gate = _command(f"{role}-{tool.name}" if taken else role, tool.command(project))
            taken = True
            gates.append(gate)
            assert isinstance(gate.work, Command)
            found.append(f"{gate.name}: {gate.work.display} ({reasons[tool.name]})")
    layout = lay_out(project, settings or read_settings(project))
    for gate, why in _tests(layout):
        gates.append(gate)
        found.append(f"{gate.name}: {why}")
    left_out += layout.left_out
    if not gates:
        told = "; ".join(f"no {what}: {why}" for what, why in left_out)
        raise NothingFoundError(
            f"no gate was found in this repository ({told})",
            todo="Write one in batchgate.yaml, under `gates`",
        )
    return Detected(config=Config(gates=tuple(gates)), found=tuple(found), left_out=tuple(left_out))


def find_program(name: str) -> str | None:
    """Where commands will find ``name``: in this interpreter's virtual environment, else on PATH."""
    path = os.environ.get("PATH", os.defpath)
    if sys.prefix != sys.base_prefix:
        path = os.pathsep.join([str(Path(sys.executable).parent), path])
    return shutil.which(name, path=path)


def _reason(tool: _Tool, project: Project) -> str | None:
    where = tool.configured(project)
    if where is not None:
        return f"configured by {where}"
    where = project.declared.get(tool.name)
    return f"a dependency in {where}" if where is not None else None


def _command(name: str, argv: tuple[str, ...]) -> Gate:
    return Gate(name=GateName(name), work=Command(argv=argv))


def _tests(layout: TestLayout) -> Iterator[tuple[Gate, str]]:
    second = layout.expression is not None or bool(layout.paths)
    if layout.unit:
        yield (
            Gate(name=GateName("unit"), work=Tests(rest=True)),
            "every other test" if second else "every test",
        )
    if second:
        # A conftest may keep every one of them from being collected, as plain pytest accepts.
        work = Tests(expression=layout.expression, paths=layout.paths, allow_empty=True)
        yield Gate(name=GateName("integration"), work=work), layout.found


def _table_or_file(tool: str, *files: str) -> Callable[[Project], str | None]:
    """Configured by [tool.NAME] or by a file of its own."""

    def configured(project: Project) -> str | None:
        for file in files:
            if project.has(file):
                return file
        return f"[tool.{tool}] in pyproject.toml" if tool in project.tool() else None

    return configured


def _flake8_configured(project: Project) -> str | None:
    if project.has(".flake8"):
        return ".flake8"
    files = [file for file in ("setup.cfg", "tox.ini") if project.section(file, "flake8")]
    return f"[flake8] in {files[0]}" if files else None


def _mypy_configured(project: Project) -> str | None:
    found = _table_or_file("mypy", "mypy.ini", ".mypy.ini")(project)
    return found or ("[mypy] in setup.cfg" if "mypy" in project.ini.get("setup.cfg", {}) else None)


def _ruff(project: Project) -> tuple[str, ...]:
    own: list[Mapping[str, Any]] = [project.read_toml(name) for name in (".ruff.toml", "ruff.toml")]
    fixes = next((table for table in own if table), project.tool("ruff")).get("fix") is True
    # A gate that changes what it judges would pass the second time.
    return ("ruff", "check", *(["--no-fix"] if fixes else []), ".")


def _flake8(project: Project) -> tuple[str, ...]:
    # "." would include virtual environments, which flake8 does not leave out by itself.
    tests = [name for name in ("tests", "test") if (project.root / name).is_dir()]
    folders = source_folders(project.root)
    return ("flake8", *folders, *(name for name in tests if "." not in folders))


def _mypy(project: Project) -> tuple[str, ...]:
    values: Mapping[str, Any] = next(
        (
            values
            for values in (
                project.section("mypy.ini", "mypy"),
                project.section(".mypy.ini", "mypy"),
                project.tool("mypy"),
                project.section("setup.cfg", "mypy"),
            )
            if values
        ),
        {},
    )
    files = strings(values.get("files"))
    there = [file for file in files if file in {".", "./"} or glob(project.root, file)]
    if files and len(there) < len(files):
        return ("mypy", *(there or source_folders(project.root)))  # it would refuse the others
    if files or strings(values.get("packages")) or strings(values.get("modules")):
        return ("mypy",)
    return ("mypy", *source_folders(project.root))


def _ty(project: Project) -> tuple[str, ...]:
    own = project.read_toml("ty.toml") or project.tool("ty")
    if table(own, "src").get("include"):
        return ("ty", "check")
    return ("ty", "check", *source_folders(project.root))


def _bandit(project: Project) -> tuple[str, ...]:
    config = next((name for name in _BANDIT_YAML if project.has(name)), None)
    if config is None and "bandit" in project.tool():
        config = "pyproject.toml"
    folders = source_folders(project.root)
    inside = [
        name for name in ("tests", "test") for folder in folders if _is_below(project.root / folder, name)
    ]
    return (
        "bandit",
        "-q",
        *(["-c", config] if config is not None else []),
        # It looks for this file only inside of what it scans.
        *(["--ini", ".bandit"] if config is None and project.has(".bandit") else []),
        *(["-x", ",".join(f"*/{name}/*" for name in dict.fromkeys(inside))] if inside else []),
        "-r",
        *folders,
    )


def _is_below(folder: Path, name: str) -> bool:
    """Whether tests are among the code: in the folder, or in a package of it."""
    return any(path.is_dir() for path in [folder / name, *glob(folder, f"*/{name}")])


def _pip_audit(_: Project) -> tuple[str, ...]:
    # JSON lists what was audited too: the tables could not tell an audit of nothing.
    return ("pip-audit", "--progress-spinner", "off", "--format", "json")


_BANDIT_YAML = ("bandit.yaml", "bandit.yml")

_TOOLS = (
    _Tool("lint", "ruff", _table_or_file("ruff", "ruff.toml", ".ruff.toml"), _ruff),
    _Tool("lint", "flake8", _flake8_configured, _flake8),
    _Tool("typecheck", "mypy", _mypy_configured, _mypy),
    _Tool("typecheck", "ty", _table_or_file("ty", "ty.toml"), _ty),
    _Tool("security", "bandit", _table_or_file("bandit", *_BANDIT_YAML, ".bandit"), _bandit),
    _Tool("security", "pip-audit", lambda _: None, _pip_audit),
)
