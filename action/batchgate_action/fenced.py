"""Shows what a program prints that does not watch its tongue, so that the runner takes no orders from it."""

from __future__ import annotations

import re
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from batchgate_action.runner import say
from batchgate_action.running import run

_LINE_ENDS = re.compile("\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Shown:
    """``lines``: of standard output, as they were."""

    code: int
    lines: tuple[str, ...]


def run_shown(name: str, argv: Sequence[str], environ: Mapping[str, str]) -> Shown:
    """Run it, and end what it leaves behind.  Each line is shown behind ``name``; standard error comes last.

    By files: of a pipe the end would not come before that of whoever else has it.  Raises KeyboardInterrupt
    if the job is cancelled.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        ended = run(argv, environ, timeout_s=None, adopt=True, stdout=out, stderr=err)
        if ended.cause == "cancelled":
            raise KeyboardInterrupt
        lines, errors = _lines(out), _lines(err)
    show(name, [*lines, *errors])
    return Shown(ended.code, tuple(lines))


def _lines(file: IO[bytes]) -> list[str]:
    file.seek(0)
    return _LINE_ENDS.split(file.read().decode("utf-8", "backslashreplace"))


def show(name: str, lines: Sequence[str]) -> None:
    word = uuid.uuid4().hex
    say(f"::stop-commands::{word}")
    for line in lines:
        if line.strip():
            say(f"{name} | {line.replace('##[', '## [')}")
    say(f"::{word}::")
