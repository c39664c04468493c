"""What a change is of, asked of a real git as GitHub's runner leaves it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from git_kit import commit, git

from pytest_batchgate.store.change import changed_files


@pytest.fixture(name="repo", scope="module")
def repo_with_a_branch(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """main goes on after the branch was made; the checkout is the branch."""
    folder = tmp_path_factory.mktemp("repo")
    git(folder, "init", "-q")
    fork = commit(folder, a="1", b="1", c="1")
    ahead = commit(folder, c="2")
    git(folder, "update-ref", "refs/remotes/origin/main", ahead)
    git(folder, "checkout", "-q", "-b", "work", fork)
    commit(folder, b="2", new="1")
    return folder, fork, ahead


def test_against_the_base_of_a_pull_request(repo: tuple[Path, str, str]) -> None:
    """What main got meanwhile is not of the change."""
    assert changed_files(repo[0], {"GITHUB_BASE_REF": "main"}) == {"b.py", "new.py"}


def test_against_the_commit_that_the_event_names(repo: tuple[Path, str, str], tmp_path: Path) -> None:
    folder, fork, _ = repo
    path = tmp_path / "event.json"
    for event in (
        {"before": fork},
        {"merge_group": {"base_sha": fork}},
        {"pull_request": {"base": {"sha": fork}}},
    ):
        path.write_text(json.dumps(event))
        assert changed_files(folder, {"GITHUB_EVENT_PATH": str(path)}) == {"b.py", "new.py"}


def test_in_a_checkout_of_a_merge_and_its_parents(repo: tuple[Path, str, str]) -> None:
    """No branch of the other side is known; the first parent is the base."""
    assert changed_files(repo[0], {"GITHUB_BASE_REF": "elsewhere"}) == {"b.py", "new.py"}


EVENTS = [
    "",
    "[1]",
    "{",
    '{"before": "--output=x"}',
    f'{{"before": "{"0" * 40}"}}',
    f'{{"before": "{"1" * 40}"}}',
    "[" * 100_000,
]


@pytest.mark.parametrize("event", EVENTS, ids=range(len(EVENTS)))
def test_what_cannot_be_told_is_no_error(repo: tuple[Path, str, str], tmp_path: Path, event: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(event)
    assert changed_files(repo[0], {"GITHUB_EVENT_PATH": str(path)}) == frozenset()
    assert changed_files(tmp_path, {"GITHUB_BASE_REF": "main"}) == frozenset()
    assert changed_files(repo[0], {"GITHUB_BASE_REF": "--output=x"}) <= {"b.py", "new.py"}
    assert not (repo[0] / "x...HEAD").exists()
