"""How a step talks to GitHub's runner: workflow commands on standard output, and files it is given."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress

# With these a step bears on those after it.
_FILES = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE")


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


def append_summary(text: str, environ: Mapping[str, str] = os.environ) -> None:
    path = environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)


def without_files(environ: Mapping[str, str]) -> dict[str, str]:
    """What pytest gets: neither the paths of those files nor the inputs.

    `GITHUB_STEP_SUMMARY` stays: the plugin takes it out itself, and writes there.
    """
    return {
        name: value
        for name, value in environ.items()
        if name not in _FILES and not name.startswith("BATCHGATE_INPUT_")
    }


class RunnersFiles:
    """What the step's files hold, to be put back: whoever finds them could run code in later steps."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._sizes: dict[str, tuple[str, int]] = {}
        for name in _FILES:
            with suppress(KeyError, OSError):
                self._sizes[name] = (environ[name], os.path.getsize(environ[name]))  # noqa: PTH202

    def put_back(self) -> list[str]:
        """The names of those that somebody wrote to meanwhile."""
        touched = []
        for name, (path, size) in self._sizes.items():
            with suppress(OSError):
                if os.path.getsize(path) != size:  # noqa: PTH202
                    os.truncate(path, size)
                    touched.append(name)
        return touched
