"""The command-line program, run as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "roman", *args],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SRC)},
    )


def test_prints_numerals() -> None:
    done = run("7", "1999")
    assert (done.returncode, done.stdout) == (0, "VII MCMXCIX\n")


def test_tells_what_it_cannot_write() -> None:
    done = run("0")
    assert done.returncode == 1
    assert "not between 1 and 3999" in done.stderr
