"""Brings the plugin of this very checkout into the environment of the project, if it is not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from batchgate_action.runner import ActionError, say, without_files

# The folder that one is in comes first on the path: there may lie a pip.py of the repository.
_NOT_FROM_HERE = "import sys; sys.path[:1] = filter(None, sys.path[:1])"
_WHAT = f"{_NOT_FROM_HERE}; import pytest, pytest_batchgate; print(pytest_batchgate.__version__)"
_PIP = f"{_NOT_FROM_HERE}; import runpy; runpy.run_module('pip', run_name='__main__', alter_sys=True)"


def ensure_plugin(checkout: Path, install: str) -> None:
    """``install``: auto or never.  What is installed already stays as it is, as far as it can be used.

    Raises ActionError.
    """
    found = _version()
    if found is not None:
        say(f"pytest-batchgate {found} is installed")
        return
    if install == "never":
        raise ActionError(
            f"{sys.executable} cannot import pytest_batchgate, and the input install is never. "
            "Install pytest-batchgate with the project's dependencies, or point the input python at them"
        )
    say(f"pytest-batchgate is missing: installing it from {checkout}")
    command = _installer(checkout)
    if (
        subprocess.run(command, env=without_files(os.environ), check=False).returncode != 0
        or _version() is None
    ):
        raise ActionError(
            f"pytest-batchgate could not be installed for {sys.executable}; the log says why. "
            "actions/setup-python or a virtual environment gives an interpreter that can be installed to"
        )
    say(f"pytest-batchgate {_version()} is installed")


def _version() -> str | None:
    """As the project's interpreter sees it: not isolated, as pytest will not be."""
    environ = without_files(os.environ)
    told = subprocess.run(
        [sys.executable, "-c", _WHAT], env=environ, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() if told.returncode == 0 else None


def _installer(checkout: Path) -> list[str]:
    pip = [sys.executable, "-c", _PIP]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode == 0:
        return [*pip, "install", "--quiet", "--no-input", "--disable-pip-version-check", str(checkout)]
    uv = shutil.which("uv")
    if uv is None:
        raise ActionError(
            f"{sys.executable} has no pip, and there is no uv: "
            "install pytest-batchgate with the project's dependencies"
        )
    return [uv, "pip", "install", "--quiet", "--python", sys.executable, str(checkout)]
