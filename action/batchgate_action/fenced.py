"""Shows what a program prints that does not watch its tongue, so that the runner takes no orders from it."""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchgate_action.runner import say

_LINE_ENDS = re.compile("\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Shown:
    """``lines``: of standard output, as they were."""

    code: int
    lines: tuple[str, ...]


def run_shown(name: str, argv: Sequence[str], environ: Mapping[str, str]) -> Shown:
    """Run it to its end.  Each line is shown behind ``name``; standard error comes last."""
    done = subprocess.run(
        argv, env=dict(environ), capture_output=True, encoding="utf-8", errors="backslashreplace", check=False
    )
    lines = _LINE_ENDS.split(done.stdout)
    show(name, [*lines, *_LINE_ENDS.split(done.stderr)])
    return Shown(done.returncode, tuple(lines))


def show(name: str, lines: Sequence[str]) -> None:
    word = uuid.uuid4().hex
    say(f"::stop-commands::{word}")
    for line in lines:
        if line.strip():
            say(f"{name} | {line.replace('##[', '## [')}")
    say(f"::{word}::")
