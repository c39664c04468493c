"""What each gate runs: is its program there, its folder, its paths, its port?"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_batchgate.core.model import Command, Gate, Tests
from pytest_batchgate.doctor.check import Check, Section
from pytest_batchgate.doctor.versions import version_of
from pytest_batchgate.workers.environ import base_environment
from pytest_batchgate.workers.outcome import inside

SECTION = Section("gates")

# Programs that tell their version at once and do nothing else for `--version`.
_TELLING = frozenset(
    {"bandit", "black", "codespell", "eslint", "flake8", "isort", "make", "mypy", "node", "npm", "pip-audit"}
    | {"pre-commit", "pylint", "ruff", "sphinx-build", "tox", "ty", "vulture"}
)
_PATIENCE_S = 10.0
_SHELL = "/bin/sh"


def check_gates(rootdir: Path, gates: Sequence[Gate], environ: Mapping[str, str]) -> Iterator[Check]:
    """One check or more for each command, and for tests gates with a path that is not there."""
    base = base_environment(environ, executable=sys.executable, in_virtualenv=sys.prefix != sys.base_prefix)
    for gate in gates:
        if isinstance(gate.work, Tests):
            yield from _paths(rootdir, gate, gate.work)
        else:
            yield from _command(rootdir, gate, gate.work, {**base, **gate.env})


def _bad(gate: Gate, text: str, todo: str) -> Check:
    """What would fail the gate: a problem only if that fails the run."""
    if gate.required:
        return SECTION.problem(gate.name, text, todo)
    return SECTION.note(gate.name, f"{text} (not required)", todo)


def _paths(rootdir: Path, gate: Gate, work: Tests) -> Iterator[Check]:
    for path in work.paths:
        if not (rootdir / path).exists():
            todo = f"Correct `paths` ({gate.where})" if gate.where else "Correct `paths`"
            yield _bad(gate, f"there is no {path}", todo)


def _command(rootdir: Path, gate: Gate, work: Command, env: Mapping[str, str]) -> Iterator[Check]:
    folder = rootdir if work.cwd is None else inside(rootdir, work.cwd)
    if folder is None or not folder.is_dir():
        where = "is outside the repository" if folder is None else "is not there"
        yield _bad(gate, f"the working directory {work.cwd} {where}", "Correct `cwd`")
        return
    yield _program(gate, work, folder, env)
    if work.ready is not None and work.ready.port is not None and _is_taken(work.ready.port):
        text = f"something listens on port {work.ready.port} already"
        yield _bad(gate, text, "End it, or give the service another port")


def _program(gate: Gate, work: Command, folder: Path, env: Mapping[str, str]) -> Check:
    if work.shell is not None:
        if not os.access(_SHELL, os.X_OK):
            return _bad(gate, f"there is no {_SHELL}", "Write `run` as a list of arguments")
        return SECTION.ok(gate.name, f"a line for {_SHELL}; the programs in it are not looked for")
    name = work.argv[0]
    if "/" in name:
        path = os.path.normpath(folder / name)
        found = path if os.path.isfile(path) else None  # noqa: PTH113 - a path from the configuration
        if found is not None and not os.access(found, os.X_OK):
            return _bad(gate, f"{name} is not executable", f"chmod +x {name}")
    else:
        found = shutil.which(name, path=env.get("PATH", os.defpath))
    if found is None:
        return _bad(gate, f"command not found: {name}", _how_to_get(name))
    module = _module(work.argv)
    if module is not None and _is_beside_us(found) and version_of(module) is None:
        return _bad(gate, f"{name} has no module {module}", _how_to_get(module))
    version = _version(module or name, found, asked=module is None)
    return SECTION.ok(
        gate.name, f"{found}{f' -m {module}' if module else ''}{f', {version}' if version else ''}"
    )


def _how_to_get(name: str) -> str:
    if name in _TELLING:
        return f"Install it where pytest runs: {sys.executable} -m pip install {name}"
    return "Install it, put its folder on PATH, or write its path into `run`"


def _module(argv: Sequence[str]) -> str | None:
    """A well-known tool that is run as ``python -m TOOL``."""
    named = len(argv) > 2 and argv[0].rpartition("/")[2].startswith("python") and argv[1] == "-m"
    return argv[2] if named and argv[2] in _TELLING else None


def _is_beside_us(path: str) -> bool:
    # Not resolved: the python of a virtual environment is a link out of it.
    return Path(path).parent == Path(sys.executable).parent


def _version(name: str, path: str, *, asked: bool) -> str | None:
    """From the environment's records where it is ours, else from the program itself."""
    if name not in _TELLING:
        return None
    if _is_beside_us(path):
        version = version_of(name)
        if version is not None:
            return version
    if not asked:
        return None
    try:
        done = subprocess.run(
            [path, "--version"],
            capture_output=True,
            timeout=_PATIENCE_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return lines[0].strip()[:80] if done.returncode == 0 and lines else None


def _is_taken(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False
