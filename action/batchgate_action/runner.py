"""How a step talks to GitHub's runner: workflow commands on standard output, and files it is given."""

from __future__ import annotations

import os
import stat
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

# With these a step bears on those after it, and on what is read of it.
_FILES = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")
_MOST_SUMMARY_BYTES = 1024 * 1024  # GitHub's limit for a step


class ActionError(Exception):
    """A mistake of whoever uses the action.  Shown as an annotation, never as a traceback."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def annotate(level: str, message: str) -> None:
    """``level``: error, warning or notice."""
    data = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    say(f"::{level} title=batchgate::{data}")


def write_outputs(outputs: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> None:
    """As outputs of the step.  A word that nobody can foresee ends each value."""
    path = environ.get("GITHUB_OUTPUT")
    if not path:
        for name, value in outputs.items():
            say(f"{name}={value}")
        return
    with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123 -- a text it is
        for name, value in outputs.items():
            word = uuid.uuid4().hex
            file.write(f"{name}<<{word}\n{value}\n{word}\n")


def append_summary(text: str, environ: Mapping[str, str] = os.environ) -> bool:
    """False where with it GitHub would show nothing at all."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    if path:
        page = text.encode("utf-8", "backslashreplace")
        with open(path, "ab") as file:  # noqa: PTH123
            if file.tell() + len(page) > _MOST_SUMMARY_BYTES:
                return False
            file.write(page)
    return True


def without_files(environ: Mapping[str, str]) -> dict[str, str]:
    """What pytest gets: neither the paths of those files and the runner's tokens, nor the inputs."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _FILES and not name.startswith(("BATCHGATE_INPUT_", "ACTIONS_"))
    }


class RunnersFiles:
    """What the step's files hold, to be put back: whoever finds them could run code in later steps."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._held: dict[str, tuple[Path, bytes]] = {}
        for name in _FILES:
            with suppress(KeyError, OSError):
                self._held[name] = (Path(environ[name]), Path(environ[name]).read_bytes())

    def put_back(self) -> list[str]:
        """The names of those that somebody changed meanwhile, or put something else in place of."""
        touched = []
        for name, (path, held) in self._held.items():
            with suppress(OSError):
                is_file = path.exists() and stat.S_ISREG(path.lstat().st_mode)
                if is_file and path.stat().st_size == len(held) and path.read_bytes() == held:
                    continue
                touched.append(name)
                if not is_file:  # a link would lead us elsewhere, and of a pipe we would wait for an end
                    path.unlink(missing_ok=True)
                path.write_bytes(held)
        return touched
