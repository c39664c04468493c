"""Runs an example in a copy of its own, and reads what it said."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE_S = 300.0  # only ever waited out by a failure

# A plugin that happens to be installed where the tests run, and takes a third of the start of pytest.
SPARED = ("-p", "no:hypothesispytest")


def copy_of(name: str, tmp_path: Path) -> Path:
    """The example's folder, copied; what earlier runs left in it stays behind."""
    copy = tmp_path / name
    shutil.copytree(EXAMPLES / name, copy, ignore=shutil.ignore_patterns(".*cache", "__pycache__"))
    return copy


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file} has changed: {old!r} is not in it"
    file.write_text(text.replace(old, new), encoding="utf-8")


@dataclass(frozen=True)
class Ran:
    """A finished run.  ``gates``: state by gate, from the closing table."""

    code: int
    out: str
    err: str

    @property
    def gates(self) -> dict[str, str]:
        table = self.out[self.out.index("\ngate ") :].splitlines()[2:]
        rows = [row.split() for row in table[: table.index("")]]
        return {row[0]: row[1] for row in rows}

    def expect(self, code: int, gates: dict[str, str]) -> None:
        assert (self.code, self.gates if self.code < 2 else {}) == (code, gates), str(self)

    def row(self, gate: str) -> str:
        """The gate's row of the closing table."""
        found = re.findall(rf"^{re.escape(gate)} .*$", self.out, re.MULTILINE)
        assert found, str(self)
        return str(found[-1])

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.out}\n--- stderr\n{self.err}"


@contextmanager
def started(folder: Path, *args: str, workers: int = 2) -> Iterator[subprocess.Popen[str]]:
    """`pytest --batch-gates` in the folder; whoever takes it collects it with `result`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "BATCHGATE"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--batch-gates", f"--batch-workers={workers}", *SPARED, *args],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def result(process: subprocess.Popen[str]) -> Ran:
    out, err = process.communicate(timeout=PATIENCE_S)
    return Ran(process.returncode, out, err)


def run(folder: Path, *args: str, workers: int = 2) -> Ran:
    with started(folder, *args, workers=workers) as process:
        return result(process)
