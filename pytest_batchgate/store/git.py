"""What git knows of a repository.  It changes nothing, and waits for nobody."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_PATIENCE_S = 60.0


def ask_git(folder: Path, *args: str, patience_s: float = _PATIENCE_S) -> bytes | None:
    """What git prints; None where it cannot tell."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-C", str(folder), *args]
    try:
        ran = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,  # Ctrl-C is not for it
            timeout=patience_s,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ran.stdout if ran.returncode == 0 else None
