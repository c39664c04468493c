"""Brings the plugin of this very checkout into the environment of the project, if it is not there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from batchgate_action.runner import ActionError, say

_WHAT = "import pytest, pytest_batchgate; print(pytest_batchgate.__version__)"


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
    if subprocess.run(command, check=False).returncode != 0 or _version() is None:
        raise ActionError(
            f"pytest-batchgate could not be installed for {sys.executable}; the log says why. "
            "actions/setup-python or a virtual environment gives an interpreter that can be installed to"
        )
    say(f"pytest-batchgate {_version()} is installed")


def _version() -> str | None:
    """As the project's interpreter sees it: not isolated, as pytest will not be."""
    told = subprocess.run([sys.executable, "-c", _WHAT], capture_output=True, text=True, check=False)
    return told.stdout.strip() if told.returncode == 0 else None


def _installer(checkout: Path) -> list[str]:
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode == 0:
        return [*pip, "install", "--quiet", "--no-input", "--disable-pip-version-check", str(checkout)]
    uv = shutil.which("uv")
    if uv is None:
        raise ActionError(
            f"{sys.executable} has no pip, and there is no uv: "
            "install pytest-batchgate with the project's dependencies"
        )
    return [uv, "pip", "install", "--quiet", "--python", sys.executable, str(checkout)]
