"""The command-line program, run as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

SRC = Path(__file__).parents[2] / "src"


def run(*args: str, text: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run(
        [sys.executable, "-m", "wordtally", *args],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        env=env,
    )
    return done.stdout


def test_counts_standard_input() -> None:
    assert run("1", text="to be or not to be") == "     2 to\n"


@pytest.mark.depends_on("test_counts_standard_input")
def test_ten_is_the_default() -> None:
    assert len(run(text=" ".join("abcdefghijklm")).splitlines()) == 10
