"""A small repository, and real `python -m pytest --batch-gates` runs of it.

Nothing is mocked: each run is a process of its own, judged from outside by its exit
code, its JUnit file, what its gates and tests wrote, and what is left behind.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from pytest_batchgate.core.masking import sounds_secret
from pytest_batchgate.workers.sharing import VARIABLES

PATIENCE_S = 60.0  # only ever waited out by a failure

# A plugin that happens to be installed where the tests run, and takes a third of the start of pytest.
SPARED = ("-p", "no:hypothesispytest")

# Imported by tests and run by commands: takes a lock that must be free, or notes when it ran.
TOOL = '''
import os, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))

def note(*words):
    fd = os.open(os.path.join(HERE, "notes"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, (" ".join(map(str, words)) + "\\n").encode())
    os.close(fd)

class alone:
    """Fails if another process is inside at the same time."""
    def __init__(self, name, seconds=0.05):
        self.path, self.seconds = os.path.join(HERE, name + ".lock"), seconds
    def __enter__(self):
        os.close(os.open(self.path, os.O_CREAT | os.O_EXCL))
        time.sleep(self.seconds)
    def __exit__(self, *exc):
        os.unlink(self.path)

def meet(me, other, seconds=20):
    """Return once both are inside: they do run at the same time."""
    note("meets", me)
    until = time.monotonic() + seconds
    while "meets " + other not in open(os.path.join(HERE, "notes")).read().splitlines():
        assert time.monotonic() < until, me + " waited for " + other + " in vain"
        time.sleep(0.01)

if __name__ == "__main__":
    what, *args = sys.argv[1:]
    if what == "note":
        note(*(os.environ.get(arg[1:], "-") if arg.startswith("$") else arg for arg in args))
    elif what == "alone":
        note("begin", *args)
        with alone(args[0], 0.15):
            pass
    elif what == "meet":
        meet(*args)
'''


@dataclass
class Result:
    """How one run ended, and what it left."""

    root: Path
    code: int
    out: str
    cases: list[tuple[str, str]] = field(default_factory=list)  # (node id as JUnit has it, outcome)
    texts: dict[str, str] = field(default_factory=dict)  # what is said of those that did not pass

    @property
    def gates(self) -> dict[str, str]:
        """State by gate, from the closing table."""
        lines = self.out.splitlines()
        heads = [number for number, line in enumerate(lines) if re.match(r"gate +state ", line)]
        assert heads, self.out
        states = {}
        for line in lines[heads[-1] + 1 :]:
            if not line.strip():
                break
            name, state, *_ = line.split()
            states[name] = state
        return states

    @property
    def tests(self) -> dict[str, str]:
        """Outcome by name; fails if a test is reported twice."""
        twice = [name for name, count in Counter(name for name, _ in self.cases).items() if count > 1]
        assert not twice, f"reported twice: {twice}\n{self.out}"
        return dict(self.cases)

    @property
    def notes(self) -> list[str]:
        path = self.root / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def expect(self, code: int, gates: Mapping[str, str] | None = None, **tests: str) -> Result:
        """Assert the exit code, the gates' states and some tests' outcomes, showing the run if not."""
        assert self.code == code, self.out
        if gates is not None:
            assert self.gates == dict(gates), self.out
        for name, outcome in tests.items():
            found = {each: how for each, how in self.tests.items() if each.rpartition("::")[2] == name}
            assert list(found.values()) == [outcome], f"{name}: {found}\n{self.out}"
        return self


class Repo:
    """A repository under ``root`` with `tool.py` in it."""

    def __init__(self, root: Path, config: str = "", **files: str) -> None:
        self.root = root
        self.write("tool.py", TOOL)
        if config:
            self.config(config)
        for name, text in files.items():
            self.write(f"{name}.py", text)

    def write(self, path: str, text: str) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text))
        return place

    def config(self, text: str) -> None:
        """The gates; `PY` stands for this interpreter."""
        text = re.sub(r"\bPY\b", sys.executable, textwrap.dedent(text))
        (self.root / "batchgate.yaml").write_text(f"version: 1\n{text}")

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        outer = ("BATCHGATE", "PYTEST", "COV_", "GITHUB_", "COLUMNS")
        clean = {
            name: value
            for name, value in os.environ.items()
            if not (name.startswith(outer) or name in VARIABLES or sounds_secret(name))  # of whoever runs us
        }
        return {
            **clean,
            "PYTHONPATH": str(self.root),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "160",
            **env,
        }

    def start(self, *args: str, python: str = sys.executable, **env: str) -> subprocess.Popen[str]:
        (self.root / "notes").unlink(missing_ok=True)
        (self.root / "junit.xml").unlink(missing_ok=True)
        always = ["--batch-gates", "--junitxml=junit.xml", "-rA", "--tb=short", *SPARED]
        return subprocess.Popen(
            [python, "-m", "pytest", *always, *args],
            cwd=self.root,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str], timeout_s: float = PATIENCE_S) -> Result:
        try:
            out, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            out, _ = process.communicate(timeout=5)
            raise AssertionError(f"the run did not end:\n{out}") from None
        result = Result(self.root, process.returncode, out)
        path = self.root / "junit.xml"
        if path.exists():
            _read_junit(path, result)
        return result

    def run(self, *args: str, python: str = sys.executable, **env: str) -> Result:
        return self.finish(self.start(*args, python=python, **env))


def _read_junit(path: Path, result: Result) -> None:
    for case in ET.parse(path).iter("testcase"):
        name = "::".join(filter(None, (case.get("classname", ""), case.get("name", ""))))
        outcome = "passed"
        for child in case:
            if child.tag in {"failure", "error", "skipped"}:
                outcome = {"failure": "failed"}.get(child.tag, child.tag)
                said = f"{child.get('message', '')}\n{child.text or ''}"
                result.texts[name.rpartition("::")[2]] = said
        result.cases.append((name, outcome))


def until(condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """The first true value of the condition."""
    give_up_at = time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.02)
    return value


def leftovers(root: Path) -> list[str]:
    """Living processes that belong to a run in ``root``: by their environment or command line."""
    mark = str(root).encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            blob = (place / "environ").read_bytes() + (place / "cmdline").read_bytes()
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if mark in blob and state != "Z" and int(place.name) != os.getpid():
            found.append(f"{place.name} {(place / 'cmdline').read_bytes()!r}")
    return found
