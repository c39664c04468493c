"""A folder with faults that every tool knows, and running the real tools in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import pytest

from pytest_batchgate.core.model import Finding
from pytest_batchgate.parsers import Parsed, ParserInput, parse_output, parser_for

DATA = Path(__file__).parent / "data"

FAULTY = """\
import os
import subprocess


def f(x: int) -> str:
    assert x
    subprocess.call("ls", shell=True)
    return x + 1


y: str = f("\u00e9")
"""
BROKEN = "def f(:\n    pass\n"

Place: TypeAlias = tuple[str | None, int | None, int | None, str | None]


def places(findings: Iterable[Finding]) -> list[Place]:
    return [(finding.path, finding.line, finding.column, finding.rule) for finding in findings]


def tool(name: str) -> str:
    """The real program; the test is left out where this interpreter's environment has none."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(folder: Path, *argv: str, env: dict[str, str] | None = None) -> ParserInput:
    """What the program left, stdout and stderr together as a gate's log has them."""
    done = subprocess.run(
        [tool(argv[0]), *argv[1:]],
        cwd=folder,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    text = done.stdout.decode("utf-8", "replace")
    return ParserInput(argv=argv, text=text, returncode=done.returncode, rootdir=str(folder))


def parse(output: ParserInput) -> Parsed:
    """By the parser that the command's own words choose; a note would be a fault of the parser."""
    parsed = parse_output(parser_for(output.argv, None, None), output)
    assert parsed.note is None
    return parsed


def recorded(name: str, *argv: str, returncode: int = 1) -> ParserInput:
    text = (DATA / f"{name}.txt").read_text(encoding="utf-8")
    return given(text, *argv, returncode=returncode)


def given(text: str, *argv: str, returncode: int = 1, report: bytes | None = None) -> ParserInput:
    return ParserInput(argv=argv, text=text, returncode=returncode, rootdir="/repo", report=report)
