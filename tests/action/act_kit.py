"""Workflows run for real by `act`, in its host mode: no container, and stand-ins for actions of others."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from git_kit import commit_all, git

CHECKOUT = Path(__file__).resolve().parents[2]
STANDINS = Path(__file__).with_name("standins")
OURS = "acme/pytest-batchgate@v1"
PATIENCE_S = 300.0  # only ever waited out by a failure
_OTHERS = re.compile(r"uses: (?P<repo>actions/[a-z-]+)\S*@(?P<ref>[0-9a-f]{40})")


def find_act() -> str | None:
    """Beside the interpreter that runs the tests, or on the path."""
    own = Path(sys.executable).with_name("act")
    return str(own) if own.is_file() else shutil.which("act")


@dataclass
class Job:
    """What one job of a run did, as act tells it.  By step, as the workflow's ids have them."""

    outputs: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    results: dict[str, str] = field(default_factory=dict)
    annotations: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    summary: str = ""
    log: str = ""

    @property
    def files(self) -> list[str | None]:
        return [properties.get("file") for _, _, properties in self.annotations]


class Workplace:
    """A repository that uses the action, and what its runs store."""

    def __init__(self, folder: Path, workflow: str, **files: str) -> None:
        self.folder = folder
        self.repo = folder / "repo"
        self.store = folder / "store"
        self.action = folder / "action"
        (folder / "home").mkdir(parents=True)
        self.store.mkdir()
        self.write(".github/workflows/ci.yml", workflow)
        for path, text in files.items():
            self.write(path, text)
        git(self.repo, "init", "-q", "-b", "main")
        commit_all(self.repo)
        self.copy_action()

    def write(self, path: str, text: str) -> None:
        place = self.repo / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text), encoding="utf-8")

    def copy_action(self) -> None:
        """What a tag of the project holds, as far as a user of the action needs it."""
        self.action.mkdir()
        for name in ("action.yml", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(CHECKOUT / name, self.action)
        for name in ("action", "pytest_batchgate"):
            shutil.copytree(
                CHECKOUT / name, self.action / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )

    def command(self, event: str, *args: str) -> list[str]:
        act = find_act()
        assert act is not None
        mapped = {OURS: self.action}
        texts = [path.read_text(encoding="utf-8") for path in self.action.rglob("action.yml")]
        for found in _OTHERS.finditer("\n".join(texts)):
            mapped[f"{found['repo']}@{found['ref']}"] = STANDINS / found["repo"].partition("/")[2]
        return [
            *(act, event, "-P", "ubuntu-latest=-self-hosted", "--no-cache-server", "--rm"),
            *("--defaultbranch", "main", "--json", "--env", f"STANDIN_STORE={self.store}"),
            *(f"--local-repository={name}={folder}" for name, folder in mapped.items()),
            *args,
        ]

    def environment(self, **env: str) -> dict[str, str]:
        """Of a machine that has nothing to do with ours, but for where packages come from."""
        path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        return {**pip, "HOME": str(self.folder / "home"), "PATH": path, "LANG": "C.UTF-8", **env}

    def run(self, event: str, payload: dict[str, Any] | None = None, *args: str, **env: str) -> Ran:
        if payload is not None:
            path = self.folder / "event.json"
            path.write_text(json.dumps(payload))
            args = (*args, "-e", str(path))
        done = subprocess.run(
            self.command(event, *args),
            cwd=self.repo,
            env=self.environment(**env),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


class Ran:
    """One run of a workflow.  ``code``: act's own."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.jobs: dict[str, Job] = defaultdict(Job)
        self.told = f"{err}\n"  # for whoever must know why a test failed
        for line in out.splitlines():
            entry = json.loads(line)
            self.told += f"{entry.get('jobID', '')}: {entry['msg'].rstrip() if 'msg' in entry else entry}\n"
            self._read(self.jobs[entry.get("jobID", "")], entry)

    def __getitem__(self, name: str) -> Job:
        assert name in self.jobs, self.told
        return self.jobs[name]

    def _read(self, job: Job, entry: dict[str, Any]) -> None:
        step = "/".join(entry.get("stepID", ()))
        command = entry.get("command")
        if entry.get("stage") == "Main" and "stepResult" in entry:
            job.results[step] = entry["stepResult"]
        if command == "set-output":
            job.outputs[step][entry["name"]] = entry["arg"]
        elif command == "summary":
            job.summary += entry["content"]
        elif command is not None:
            job.commands.append(command)
        if command in {"error", "warning", "notice"}:
            job.annotations.append((command, entry["arg"], entry["kvPairs"]))
        if entry.get("raw_output"):
            job.log += entry["msg"]


def until(condition: Callable[[], object]) -> None:
    """Wait until it is true."""
    give_up_at = time.monotonic() + PATIENCE_S / 5
    while not condition():
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.02)
