"""What a run is of, looked at in real folders and with real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytest_batchgate.core.carry import differences
from pytest_batchgate.store.content import COMMIT, Content, appeared_meanwhile, installed, look_at

pytestmark = pytest.mark.integration


def git(folder: Path, *args: str) -> str:
    named = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    ran = subprocess.run(
        ["git", "-C", str(folder), *named, *args], check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    (root / "src").mkdir(parents=True)
    (root / "src" / "a b.py").write_text("one\n")
    (root / "src" / "b.py").write_text("two\n")
    (root / ".gitignore").write_text("ignored\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


def changes(before: Content, folder: Path, *but: Path) -> list[str]:
    return differences(before.values(), look_at(folder, but=but).values())


def test_with_git_commit_changed_and_untracked_files_count(repo: Path) -> None:
    """Seen from a folder inside, too; what git ignores and what tools leave behind does not count."""
    before = look_at(repo)
    assert before.values() == {COMMIT: git(repo, "rev-parse", "HEAD")}
    for name in ("ignored", "src/__pycache__/x.pyc", ".pytest_cache/v/x", ".coverage.host.1", "out/r.json"):
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text("x")
    assert changes(before, repo / "src", repo / "out") == []
    assert changes(before, repo) == ["out/r.json is new"]

    (repo / "src" / "a b.py").write_text("other\n")
    (repo / "src" / "b.py").unlink()
    (repo / "src" / "ünew.py").write_text("three\n")
    (repo / "link").symlink_to("nowhere")
    edited = look_at(repo / "src", but=[repo / "out"])
    assert differences(before.values(), edited.values()) == [
        "link is new",
        "src/a b.py has changed",
        "src/b.py has changed",
        "src/ünew.py is new",
    ]
    (repo / "src" / "a b.py").write_text("again\n")
    (repo / "src" / "ünew.py").write_text("four\n")
    git(repo, "checkout", "src/b.py")
    assert changes(edited, repo, repo / "out") == [
        "src/a b.py has changed",
        "src/b.py has changed",
        "src/ünew.py has changed",
    ]
    git(repo, "commit", "-qam", "second")
    (found,) = (words for words in changes(edited, repo) if words.startswith(COMMIT))
    assert found == f"{COMMIT} is {git(repo, 'rev-parse', 'HEAD')}, was {before.commit}"


def test_without_git_every_file_counts_but_not_environments(tmp_path: Path) -> None:
    root = tmp_path / "plain"
    (root / "env" / "lib").mkdir(parents=True)
    (root / "env" / "pyvenv.cfg").touch()
    (root / "env" / "lib" / "x.py").touch()
    (root / "a.py").write_text("one")
    before = look_at(root)
    assert set(before.values()) == {"a.py"}
    (root / "a.py").write_text("other")
    (root / "data.bin").write_bytes(b"\0")
    assert changes(before, root) == ["a.py has changed", "data.bin is new"]
    assert before.without({"a.py": "#1", "env/x": "#2"}) == {"a.py": "#1", "env/x": "#2"}
    assert look_at(root, but=[root / "env"]).without({"a.py": "#1", "env/x": "#2"}) == {"a.py": "#1"}


def test_what_a_run_left_behind_is_not_held_against_it(repo: Path) -> None:
    """Only what is no source, is not tracked, and was last written while the run was on."""
    before = look_at(repo).values()
    for name, when_s in (
        ("log.txt", 150.0),
        ("early.txt", 99.0),
        ("late.txt", 201.0),
        ("conftest.py", 150.0),
    ):
        (repo / name).write_text("x")
        os.utime(repo / name, (when_s, when_s))
    (repo / "src" / "b.py").write_text("changed")
    os.utime(repo / "src" / "b.py", (150.0, 150.0))
    now = look_at(repo)
    known = appeared_meanwhile(before, now, started_s=100.0, last_s=200.0)
    assert differences(known, now.values()) == [
        "conftest.py is new",
        "early.txt is new",
        "late.txt is new",
        "src/b.py has changed",
    ]
    assert set(now.values()) - set(now.values(since_s=100.0)) == {"log.txt", "late.txt"}


def test_distributions_are_known_by_their_folders(tmp_path: Path) -> None:
    for name in ("a_b-1.0.dist-info", "c-2.0rc1.dist-info", "d-3-py3.11.egg-info", "other", "e.egg-link"):
        (tmp_path / "one" / name).mkdir(parents=True)
    (tmp_path / "two" / "a_b-9.dist-info").mkdir(parents=True)
    assert installed([str(tmp_path / "one"), str(tmp_path / "none"), str(tmp_path / "two")]) == {
        "package a_b": "1.0",
        "package c": "2.0rc1",
        "package d": "3",
    }
