"""The hook of `examples/workflows` in a repository of git's, and what its workflows have in common."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from git_kit import commit, git

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
OWN = sorted((FOLDER.parents[1] / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", [*WORKFLOWS, *OWN], ids=lambda path: path.name)
def test_nothing_is_taken_from_a_place_that_can_change(path: Path) -> None:
    """Each action by its commit, and no permission that is not asked for by name."""
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert all(re.fullmatch(r"\./|[\w./-]+@[0-9a-f]{40}", each) for each in used), used
    assert "\npermissions: {}\n" in text
    assert "secrets." not in text
    assert text.count("timeout-minutes:") == text.count("runs-on:")
    for line in re.findall(r"^ +(?:- )?run: .*(?:\n {10,}.*)*", text, re.MULTILINE):
        assert "${{" not in line, "inputs reach a shell as variables alone"


@pytest.mark.integration
@pytest.mark.slow
def test_a_push_waits_for_the_gates(tmp_path: Path) -> None:
    repo, other = tmp_path / "repo", tmp_path / "other.git"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    git(tmp_path, "init", "-q", "--bare", str(other))
    git(repo, "remote", "add", "origin", str(other))
    shutil.copy(FOLDER / "pre-push", repo / ".git" / "hooks" / "pre-push")
    (repo / "batchgate.yaml").write_text(
        "version: 1\ngates:\n  lint: {run: test ! -e bad.py}\n  integration: {run: 'false'}\n"
    )
    commit(repo, bad="")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    def push() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "push", "origin", "main"],
            cwd=repo,
            env={**kept, "BATCHGATE_PYTHON": sys.executable},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    refused = push()
    assert refused.returncode == 1, refused.stderr
    assert "lint failed" in refused.stdout + refused.stderr
    git(repo, "rm", "-q", "bad.py")
    commit(repo)
    assert push().returncode == 0
    assert git(other, "rev-parse", "main") == git(repo, "rev-parse", "HEAD")
