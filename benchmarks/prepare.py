"""Sources and virtual environments, made once and kept until what is pinned changes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.projects import TOOLS, Project

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_WORK = Path(__file__).resolve().parent / ".work"
# They would slow the contenders down, or change what these print.
DROPPED_VARIABLES = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    "PYTEST_ADDOPTS",
    "PYTEST_PLUGINS",
    "GITHUB_ACTIONS",
    "MAKEFLAGS",
    "VIRTUAL_ENV",
)


class PrepareError(Exception):
    """A source or an environment could not be made; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A project ready to run: ``source`` is its unpacked tree, ``work`` a folder for what runs leave."""

    project: Project
    source: Path
    python: Path
    work: Path
    has_ours: bool

    def module(self, *words: str) -> list[str]:
        """The argv of ``python -m words`` in the project's environment."""
        return [str(self.python), "-m", *words]


def clean_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in DROPPED_VARIABLES}


def prepare(
    project: Project, *, work: Path, python: str = sys.executable, wheel: Path | None = None
) -> Prepared:
    """Fetch, unpack and install ``project`` under ``work``; ``wheel`` instead of the checkout is ours."""
    folder = work / project.name
    folder.mkdir(parents=True, exist_ok=True)
    source = _unpack(project, folder, python) if project.install else folder
    venv = folder / "venv"
    interpreter = venv / "bin" / "python"
    stamp = folder / "venv.stamp"
    wanted = _digest(project, python, wheel)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"making the environment of {project.name} ...", file=sys.stderr, flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        _run([python, "-m", "venv", str(venv)], f"the environment of {project.name}")
        ours = [str(wheel)] if wheel else ["--editable", str(ROOT)]
        theirs = ["--editable", str(source)] if project.install else []
        packages = [*TOOLS, project.mypy, *project.needs, *theirs, *ours]
        _run([str(interpreter), "-m", "pip", "install", "-q", *packages], f"the packages of {project.name}")
        stamp.write_text(wanted, encoding="utf-8")
    return Prepared(
        project=project, source=source, python=interpreter, work=folder, has_ours=_imports_ours(interpreter)
    )


def _unpack(project: Project, folder: Path, python: str) -> Path:
    target = folder / f"{project.name}-{project.version}"
    if (target / "tests").is_dir():
        return target
    print(f"fetching {project.requirement} ...", file=sys.stderr, flush=True)
    download = [python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    _run([*download, "-d", str(folder), project.requirement], f"the source of {project.name}")
    archives = sorted(folder.glob(f"*{project.version}.tar.gz"))
    if not archives:
        raise PrepareError(f"{project.requirement}: no source distribution was downloaded to {folder}")
    with tarfile.open(archives[0]) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(folder, filter="data")
        else:  # Python 3.10 before 3.10.12
            archive.extractall(folder)
    if not (target / "tests").is_dir():
        raise PrepareError(f"{project.requirement}: its source distribution holds no tests folder")
    return target


def _digest(project: Project, python: str, wheel: Path | None) -> str:
    ours = wheel.read_bytes() if wheel else (ROOT / "pyproject.toml").read_bytes()
    parts = (repr((TOOLS, project)), python, str(wheel), hashlib.sha256(ours).hexdigest())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _imports_ours(interpreter: Path) -> bool:
    check = [str(interpreter), "-c", "import pytest_batchgate.plugin.entry"]
    return subprocess.run(check, capture_output=True, check=False, cwd="/").returncode == 0


def _run(argv: list[str], what: str) -> None:
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise PrepareError(f"{what} could not be made: {' '.join(argv)} gave {done.returncode}\n{tail}")
