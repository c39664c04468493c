"""One run on several machines: each shard a run of its own, joined by `batchgate merge`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from kit import Repo, Result

pytestmark = pytest.mark.integration

CONFIG = """
gates:
  lint: {run: PY tool.py note lint}
  build: {run: PY tool.py note build}
  unit: {tests: not e2e, needs: [build]}
  e2e: {tests: e2e, needs: [unit]}
  bad: {run: "PY -c 'print(7); raise SystemExit(3)'", required: false}
"""
COUNT = 3


def repository(root: Path) -> Repo:
    repo = Repo(root, CONFIG)
    repo.write("pytest.ini", "[pytest]\nmarkers =\n  e2e: x\n")
    for name in "abcd":
        repo.write(
            f"tests/test_{name}.py",
            """
            import pytest
            def test_one(record_property): record_property("ticket", "BG-7"); print("said")
            @pytest.mark.parametrize("n", [1, 2])
            def test_many(n): pass
            def test_skips(): pytest.skip("not here")
            """,
        )
    repo.write("tests/test_e.py", "import pytest\n@pytest.mark.e2e\ndef test_e2e(): pass\n")
    repo.write("tests/test_f.py", "def test_fails():\n    assert 1 == 2\n")
    return repo


def run_all(repo: Repo, *args: str, folder: str) -> list[Result]:
    """Every shard at the same time."""
    started = [
        repo.start(
            f"--batch-shard={index}/{COUNT}",
            f"--batch-report-dir={folder}/{index}",
            f"--junitxml={folder}-{index}.xml",
            "--batch-workers=1",
            "-p",
            "no:cacheprovider",
            *args,
        )
        for index in range(1, COUNT + 1)
    ]
    return [repo.finish(process) for process in started]


def merge(repo: Repo, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest_batchgate", "merge", *args]
    return subprocess.run(
        command, cwd=repo.root, env=repo.environment({}), capture_output=True, text=True, check=False
    )


def cases(path: Path) -> dict[tuple[str, str, str], tuple[list[str], list[str]]]:
    """By suite and names: how each case ended, and what it says but for who ran it."""
    found = {}
    for suite in ET.parse(path).iter("testsuite"):
        for each in suite.iter("testcase"):
            said = (each.findtext("system-out") or "").splitlines()
            key = (suite.get("name", ""), each.get("classname", ""), each.get("name", ""))
            assert key not in found
            ends = sorted(
                f"{child.tag} {child.get('message')} {child.text}"
                for child in each
                if child.tag != "system-out"
            )
            found[key] = (ends, [line for line in said if "worker=" not in line])
    return found


def report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text())


def test_shards_joined_are_the_run_of_one_machine(tmp_path: Path) -> None:
    """The matrix says who runs what; what is missing, doubled or of another plan is not merged silently."""
    repo = repository(tmp_path)
    plain = repo.run("--batch-report-dir=plain", "--batch-workers=1")
    plain.expect(
        1, {"lint": "passed", "build": "passed", "unit": "failed", "e2e": "skipped", "bad": "failed"}
    )

    planned = repo.run("--batch-plan=matrix", f"--batch-shard={COUNT}", "--batch-report-dir=plan")
    assert planned.code == 0, planned.out
    matrix = json.loads(next(line for line in planned.out.splitlines() if line.startswith("{")))
    assert [row["shard"] for row in matrix["include"]] == ["1/3", "2/3", "3/3"]
    assert "plan/shards.json says which shard runs what (5 files by their record)" in planned.out
    for index in range(1, COUNT + 1):
        (tmp_path / "shards" / str(index)).mkdir(parents=True)
        shutil.copy(tmp_path / "plan" / "shards.json", tmp_path / "shards" / str(index))
    results = run_all(repo, folder="shards")
    assert sorted(result.code for result in results) == [0, 0, 1], [result.out for result in results]
    assert "shard 2/3 (shards.json " in results[1].out
    assert results[1].gates["lint"] == results[2].gates["bad"] == "deselected"
    assert [result.gates["build"] for result in results] == ["passed"] * COUNT, "each of them needs it"

    merged = merge(repo, "shards", "--out", "merged")
    assert merged.returncode == 1, merged.stdout + merged.stderr
    assert "failed (exit code 1): unit failed" in merged.stdout
    assert "bad | 7" in merged.stdout, "the end of a log that stayed on its machine"
    ours, theirs = cases(tmp_path / "merged" / "junit.xml"), cases(tmp_path / "plain" / "junit.xml")
    # Skipped for what failed, unless that was in another shard.
    both = [each.pop(("e2e", "tests.test_e", "test_e2e")) for each in (ours, theirs)]
    assert all(both)
    assert ours == theirs
    whole, alone = report(tmp_path / "merged"), report(tmp_path / "plain")
    assert {test["nodeid"] for test in whole["tests"]} == {test["nodeid"] for test in alone["tests"]}
    assert len(whole["tests"]) == len(alone["tests"])
    assert whole["workers"] == COUNT
    assert {path.name for path in (tmp_path / "merged").iterdir()} >= {
        *("events.jsonl", "findings.sarif", "junit.xml", "report.html", "report.json", "summary.md"),
        "trace.json",
    }

    lost = merge(repo, "shards/1", "shards/3")
    assert (lost.returncode, "shard 2/3 did not report" in lost.stdout) == (1, True), lost.stdout
    cut = tmp_path / "shards" / "3" / "events.jsonl"
    cut.write_bytes(cut.read_bytes()[:-9])
    broken = merge(repo, "shards/1", "shards/2", "shards/3", "shards/4")
    assert broken.returncode == 1
    assert "shard 3/3 (shards/3) did not come to its end" in broken.stdout
    assert "shards/4: there is no report of a shard (No such file or directory)" in broken.stdout
    own = merge(repo, "shards", "--out", "shards/1")
    assert (own.returncode, "holds the reports of a shard" in own.stderr) == (4, True)


def test_without_a_plan_files_go_by_their_path_and_an_idle_shard_is_fine(tmp_path: Path) -> None:
    """With one file two of the shards have nothing to do; a gate that no shard has tests of is empty."""
    repo = Repo(tmp_path, "gates:\n  unit: {tests: not e2e}\n  e2e: {tests: e2e}\n")
    repo.write("pytest.ini", "[pytest]\nmarkers =\n  e2e: x\n")
    repo.write("test_a.py", "def test_one(): pass\n")
    results = run_all(repo, "-q", folder="shards")
    assert [result.code for result in results] == [0, 0, 0], [result.out for result in results]
    assert [result.out.count("1 passed") for result in results].count(0) == 2
    for _ in range(2):  # what the first one wrote is no part of the second
        merged = merge(repo, "shards", "--out", "shards")
        assert merged.returncode == 1, merged.stdout + merged.stderr
        assert merged.stdout.splitlines()[-1] == "failed (exit code 1): e2e empty"
    command = [
        sys.executable,
        "-m",
        "pytest_batchgate",
        "merge",
        "shards/1",
        "shards/2",
        "shards/3",
        "--out",
        "unread",
    ]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as unread:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=unread, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, ""), "a verdict is one also if nobody reads it"
    assert "e2e" in (tmp_path / "unread" / "summary.md").read_text()
    plain = repo.run("--batch-report-dir=plain", "-k", "one")
    assert plain.code == 0
    no_shard = merge(repo, "plain")
    assert (no_shard.returncode, "this was no shard" in no_shard.stderr) == (4, True), no_shard.stderr
