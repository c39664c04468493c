"""What tests and commands print is nothing but shown: no secret, no order to a CI service, no flood.

One run, on a pretended runner of GitHub's, with all that is to be kept in; the same repository elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kit import Repo, Result
from runner_model import Runner

pytestmark = pytest.mark.integration

CONFIG = """
mask: [DEPLOY_KEY]
gates:
  login:
    run:
      shell: 'echo "SESSION_TOKEN=made-$$-$$-by-login" > made; cat made | tee $BATCHGATE_OUTPUT'
  tool:
    run:
      shell: 'env > tool.env; echo "$DEPLOY_KEY $OWN_SECRET"; printf "a\\r::error::b\\n##[error]c\\n"; exit 3'
    env: {OWN_SECRET: own-secret-value}
  unit: {tests: true, needs: [login]}
"""
CONFTEST = """
import os
with open(f"seen-{os.environ.get('BATCHGATE_WORKER', 'controller')}.env", "w") as file:
    file.write("\\n".join(sorted(os.environ)))
print("::error::imported", os.environ["DEPLOY_KEY"])

def pytest_report_header():
    return f"::error::header {os.environ['DEPLOY_KEY']} ##[error]"

def pytest_sessionfinish():
    print("##[error]", "::error::finish", os.environ["DEPLOY_KEY"], sep="\\n")
"""
TESTS = """
import os, sys, time, warnings
import pytest

KEY = os.environ["DEPLOY_KEY"]

@pytest.mark.parametrize("key", [KEY, "##[error]", "::error::"])
def test_ids(key): pass

def test_failing(record_property, monkeypatch):
    record_property("key", KEY)
    print("captured", KEY, os.environ["SESSION_TOKEN"])
    print("::error::a\\r::add-mask::b\\n  ::stop-commands::c\\n##[group]d", file=sys.stderr)
    warnings.warn("::warning::" + KEY)
    assert KEY == "::error::\\n##[error]"

def test_flood():
    print(("flood" * 20 + "\\n") * int(os.environ.get("FLOOD", "1")))
    assert False

@pytest.mark.skip(reason="::error::" + KEY)
def test_skipped(): pass

def test_loud(capsys):
    with capsys.disabled():
        sys.stdout.write("loud " + KEY[:5]); sys.stdout.flush()
        time.sleep(0.3)
        print(KEY[5:], "::error::", sep="\\n" if os.environ.get("SPLIT") else "", flush=True)
"""
SECRET = "hunter2-'hunter'"
RUNNER = {
    "GITHUB_ACTIONS": "true",
    "ACTIONS_RUNTIME_TOKEN": "token-of-the-runtime",
    **{f"GITHUB_{name}": "/dev/full" for name in ("ENV", "PATH", "OUTPUT", "STATE", "STEP_SUMMARY")},
}


def make(root: Path) -> Repo:
    repo = Repo(root, CONFIG, conftest=CONFTEST)
    repo.write("test_a.py", TESTS)
    return repo


def acting(text: str) -> list[str]:
    """What GitHub's runner obeys, by name, having been told when not to."""
    runner = Runner().read(text)
    assert runner.stopped is None, "stopped for ever"
    return runner.names()


def acting_alone(lines: list[str]) -> list[str]:
    """What would be obeyed if the runner had never been told to stop."""
    runner = Runner()
    for line in lines:
        runner.stopped = None
        runner.read(line)
    return runner.names()


def telling(root: Path, secrets: list[str]) -> list[str]:
    """Files in which one of the secrets stands, but for those that hold it by right."""
    right = {"batchgate.yaml", "made", "tool.env"}
    return [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file()
        and path.name not in right
        and any(each in path.read_text("latin-1") for each in secrets)
    ]


@pytest.fixture(name="run", scope="module")
def run_on_a_runner(tmp_path_factory: pytest.TempPathFactory) -> Result:
    repo = make(tmp_path_factory.mktemp("repo"))
    args = ("-v", "--batch-workers=2", "--batch-report-dir=reports", "-p", "no:hypothesispytest")
    result = repo.run(*args, DEPLOY_KEY=SECRET, FLOOD="30000", **RUNNER)
    return result.expect(1, {"login": "passed", "tool": "failed", "unit": "failed"}, test_flood="failed")


def test_no_secret_is_told_anywhere(run: Result) -> None:
    """Neither in the terminal, nor in a report, a log, the history or pytest's own files."""
    made = (run.root / "made").read_text().partition("=")[2].strip()
    secrets = [SECRET, SECRET.replace("'", "\\'"), made, "own-secret-value", RUNNER["ACTIONS_RUNTIME_TOKEN"]]
    assert not [secret for secret in secrets if secret in run.out]
    assert not telling(run.root, secrets)
    told = ["test_a.py::test_ids[***]", "captured *** ***", "(::error::***)", "tool | *** ***", "header ***"]
    assert not [text for text in told if text not in run.out], run.out
    assert "DEPLOY_KEY" in (run.root / "reports" / "events.jsonl").read_text()  # names stay


def test_nothing_that_is_printed_acts_on_the_runner(run: Result) -> None:
    """Not even while it listens: standard error is read beside the rest, in any order."""
    ours = ["group", "endgroup"] * 3 + ["error"] * 3  # a gate each; the command, and two tests
    assert acting(run.out) == ours, run.out
    _, *lines, _ = run.out.splitlines()
    words = [
        line.removeprefix("::stop-commands::") for line in run.out.splitlines() if "::stop-c" in line[:8]
    ]
    assert len(set(words)) == len(words) == 2 + 3
    assert all(re.fullmatch("[0-9a-f]{32}", word) and f"\n::{word}::\n" in run.out for word in words), run.out
    assert acting_alone(lines) == ours, "though nothing had stopped it"
    written = "".join(path.read_text("latin-1") for path in run.root.rglob("*") if path.is_file())
    assert not [word for word in words if word in written]


def test_the_files_of_the_runner_are_out_of_reach(run: Result) -> None:
    """Of commands, of tests, and of conftests in the process that runs the run."""
    for name in ("seen-controller.env", "seen-gw0.env", "tool.env"):
        seen = (run.root / name).read_text()
        assert "GITHUB_ACTIONS" in seen
        assert not re.search("GITHUB_(ENV|PATH|OUTPUT|STATE|STEP_SUMMARY)|ACTIONS_RUNTIME", seen), name


def test_a_flood_is_cut_and_counted(run: Result) -> None:
    """Three million characters: about one of them stays."""
    assert "characters left out ...]" in run.out
    assert len(run.out) < 1_500_000
    assert (run.root / "junit.xml").stat().st_size < 1_500_000


def test_elsewhere_nothing_changes(tmp_path: Path) -> None:
    """No word to a runner; what is no secret is told as it is, and `-s` as it comes, line by line."""
    repo = make(tmp_path)
    repo.config(CONFIG.replace("mask: [DEPLOY_KEY]", "").replace("OWN_SECRET", "OWN"))
    result = repo.run("--batch-workers=0", "-s", "-p", "no:hypothesispytest", DEPLOY_KEY="hunter2", SPLIT="1")
    result.expect(1, {"login": "passed", "tool": "failed", "unit": "failed"})
    told = [
        "::error::header hunter2 ##[error]",
        "[gw0] captured hunter2",
        "own-secret-value",
        "[gw0] ::error::",
    ]
    assert not [text for text in told if text not in result.out], result.out
    assert "stop-commands" not in re.sub("::stop-commands::c", "", result.out)


def test_a_conftest_that_cannot_be_imported(tmp_path: Path) -> None:
    """The error that pytest itself tells, before there is a session."""
    repo = Repo(tmp_path, CONFIG, test_a="def test(): pass\n")
    repo.write(
        "conftest.py",
        "import os\nraise ValueError('##[error] ' + os.environ['DEPLOY_KEY'] + '\\n::error::x')\n",
    )
    result = repo.run(DEPLOY_KEY="hunter2", **RUNNER)
    assert result.code == 4
    assert "## [error] ***" in result.out
    assert "hunter2" not in result.out
    assert not acting(result.out), result.out
