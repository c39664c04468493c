"""On a pretended runner: what a reviewer sees of a failing run, and how it is configured."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from git_kit import commit, git
from kit import Repo
from runner_model import Runner

from pytest_batchgate.core.masking import Masks
from pytest_batchgate.errors import OptionError
from pytest_batchgate.plugin.fence import Fence
from pytest_batchgate.plugin.github import MOST_SUMMARY_BYTES, JobSummary, placed, read_settings

# --- small parts ------------------------------------------------------------------------


def test_the_settings() -> None:
    found = read_settings({})
    assert (found.annotations, found.summary, found.workspace) == (10, True, None)
    given = {"BATCHGATE_ANNOTATIONS": " 0 ", "BATCHGATE_SUMMARY": "False", "GITHUB_WORKSPACE": "/w"}
    found = read_settings(given)
    assert (found.annotations, found.summary, found.workspace) == (0, False, Path("/w"))


@pytest.mark.parametrize("value", ["11", "-1", "ten", "1e1", "\u0661", "9" * 5000])
def test_a_number_of_annotations_that_is_none(value: str) -> None:
    with pytest.raises(OptionError, match="from 0 to 10"):
        read_settings({"BATCHGATE_ANNOTATIONS": value})
    with pytest.raises(OptionError, match="neither true nor false"):
        read_settings({"BATCHGATE_SUMMARY": value})


def test_paths_are_seen_from_the_workspace(tmp_path: Path) -> None:
    backend = tmp_path / "backend"
    backend.mkdir()
    place = placed(backend, tmp_path)
    assert place("src/a.py") == "backend/src/a.py"
    assert place("../web/a.py") == "web/a.py"
    assert place(str(backend / "a.py")) == "backend/a.py"
    assert place("../../etc/passwd") is None
    assert place("/etc/passwd") is None
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    linked = placed(tmp_path / "link" / "backend", tmp_path / "link")
    assert linked("a.py") == linked(str(tmp_path / "link" / "backend" / "a.py")) == "backend/a.py"
    assert placed(tmp_path, None)("a.py") == placed(tmp_path, backend)("a.py") == "a.py"


def test_a_summary_that_would_hide_the_others_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    summary = JobSummary(path, cast("Any", None))
    summary._append(b"page")
    assert path.read_bytes() == b"page"
    path.write_bytes(b"x" * MOST_SUMMARY_BYTES)
    with pytest.raises(OSError, match="1 MiB"):
        summary._append(b"page")
    assert path.stat().st_size == MOST_SUMMARY_BYTES


def test_what_is_ours_acts_and_what_surrounds_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that was begun, what was held back of it, and what follows."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", None)
    masks = Masks()
    masks.learn({"MY_TOKEN": "hunter2-hunter2"})
    fence = Fence()
    fence.guard_streams(masks)
    sys.stdout.write("begun ##")
    fence.speak(["::notice::one"])
    sys.stdout.write("[error]\n::error::x\n hunter2-hunter2 :")
    fence.speak(["::notice::two"])
    sys.stdout.write(":error::y hunter2-hun")
    fence._take_down()
    fence.speak(["::notice::late"])
    runner = Runner().read(out.getvalue())
    assert [(act.name, act.data) for act in runner.acts if act.name != "stop-commands"] == [
        ("notice", "one"),
        ("notice", "two"),
    ]
    assert runner.stopped is None
    shown = [line for line in runner.shown if line]
    assert shown == ["begun ##", "[error]", ": :error::x", " *** :", ":error::y hunter2-hun"]
    words = [act.data for act in runner.acts if act.name == "stop-commands"]
    assert len(set(words)) == 3


# --- a run ------------------------------------------------------------------------------

CONFIG = """
gates:
  lint: {run: {shell: "echo 'b.py:3:1: E1 odd'; echo '::error::x'; exit 1"}}
  build: {run: {shell: "echo cannot build; echo '##[error]y'; exit 2"}}
  docs: {run: echo fine, required: false}
  unit: {tests: true}
"""
TESTS = """
import pytest

def check(number):
    assert number < 0, "a % of\\nthe rest"

{}
@pytest.mark.parametrize("number", range({}))
def test(number):
    print("::error::z")
    check(number)
"""


@pytest.mark.integration
def test_what_a_reviewer_sees(tmp_path: Path) -> None:
    """A project in a folder of its repository; a run with more errors than can be shown."""
    backend = tmp_path / "backend"
    repo = Repo(backend, CONFIG)
    repo.write("test_a.py", TESTS.format("", 9))
    repo.write("test_b.py", TESTS.format("\n\n", 3))
    summary, event = tmp_path / "summary.md", tmp_path / "event.json"
    summary.write_text("before\n")
    git(tmp_path, "init", "-q")
    before = commit(tmp_path)
    (backend / "test_b.py").write_text((backend / "test_b.py").read_text() + "\n# changed\n")
    commit(tmp_path)
    event.write_text(json.dumps({"before": before}))
    runner_sets = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(tmp_path),
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_STEP_SUMMARY": str(summary),
        "BATCHGATE_ANNOTATIONS": "6",
    }
    result = repo.run("--batch-workers=1", **runner_sets).expect(1)
    runner = Runner().read(result.out)
    assert runner.stopped is None
    assert [act.data.partition(",")[0] for act in runner.acts if act.name == "group"] == [
        "lint failed",
        "build failed",
        "docs passed",
        "unit failed",
    ]
    found = runner.annotations
    assert {act.name for act in found} == {"error"}
    places = [(act.properties.get("file"), act.properties.get("line")) for act in found]
    assert places == [
        ("backend/batchgate.yaml", "4"),  # nobody knows what `lint` printed
        ("backend/batchgate.yaml", "5"),
        ("backend/test_b.py", "5"),  # of the change, and where it failed
        ("backend/test_b.py", "5"),
        ("backend/test_b.py", "5"),
        (None, None),
    ]
    assert found[1].data == "exit code 2\n\ncannot build\n## [error]y"
    assert found[2].data == "AssertionError: a % of\n  the rest\nassert 0 < 0"
    assert found[-1].data == "and 9 more errors, in the log and in the job summary (unit: 9)"
    assert "docs | fine" in runner.shown
    assert result.out.count("cannot build") == 2, "in its group and in an annotation, and nowhere else"
    before_it, _, page = summary.read_text().partition("\n")
    assert (before_it, page[:5]) == ("before", "## \N{CROSS MARK} ")
    verdict = [line for line in runner.shown if line.startswith("failed (exit code 1)")]
    assert len(verdict) == 1


@pytest.mark.integration
def test_a_setting_that_is_none(tmp_path: Path) -> None:
    repo = Repo(tmp_path, "gates: {a: {run: 'true'}}")
    result = repo.run(GITHUB_ACTIONS="true", BATCHGATE_ANNOTATIONS="many").expect(4)
    assert "BATCHGATE_ANNOTATIONS: 'many' is no number from 0 to 10" in result.out
