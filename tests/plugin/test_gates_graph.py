"""Needs, stages, states and selection of gates, on real runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kit import Repo

pytestmark = pytest.mark.integration

MARKERS = "[pytest]\nmarkers =\n    slow\n    db\n"

GRAPH = """
gates:
  lint: {run: PY tool.py note lint}
  spared: {run: PY -c 'raise SystemExit(3)', required: false}
  after-spared: {run: PY tool.py note after-spared, needs: [spared]}
  fails: {run: [PY, -c, "import tool; tool.note('fails'); raise SystemExit(4)"]}
  left: {run: PY tool.py note left, needs: [fails]}
  left-too: {run: PY tool.py note left-too, needs: [left]}
  always: {run: PY tool.py note always, needs: [fails, left], when: always}
  unit: {tests: "not slow", needs: [lint]}
  slow: {tests: slow, needs: [fails]}
  package: {run: PY tool.py note package, needs: [unit, spared]}
"""
TESTS = """
import pytest, tool
def test_one(): tool.note("one")
@pytest.mark.slow
def test_slow(): tool.note("slow")
@pytest.mark.parametrize("n", range(3))
def test_many(n): tool.note("many")
"""


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_needs_and_what_follows_from_each_end(tmp_path: Path, workers: int) -> None:
    """lint -> unit -> package; fails -> left -> left-too, slow; always runs; spared satisfies."""
    repo = Repo(tmp_path, GRAPH, test_it=TESTS)
    repo.write("pytest.ini", MARKERS)
    result = repo.run(f"--batch-workers={workers}")
    result.expect(
        1,
        {
            "lint": "passed",
            "spared": "failed",
            "after-spared": "passed",
            "fails": "failed",
            "left": "skipped",
            "left-too": "skipped",
            "always": "passed",
            "unit": "passed",
            "slow": "skipped",
            "package": "passed",
        },
        test_one="passed",
        test_slow="skipped",
    )
    assert len(result.tests) == 5
    assert "fails" in result.texts["test_slow"], "a skipped test names the culprit"
    assert "needs left, which was skipped" in result.out
    assert "failed (not required)" in result.out
    notes = result.notes
    assert sorted(set(notes)) == ["after-spared", "always", "fails", "lint", "many", "one", "package"]
    assert notes.index("lint") < notes.index("one") < notes.index("package")
    assert notes.index("fails") < notes.index("always")
    if workers == 0:
        plain = ["lint", "after-spared", "fails", "always", "one", "many", "many", "many", "package"]
        assert notes == plain


STAGED = """
stages: [static, test, ship]
defaults: {timeout: 10m, tags: [all]}
profiles:
  strict: {gates: {style: {required: true}}}
gates:
  types: {run: PY tool.py note types, stage: static, tags: [quick]}
  style: {run: [PY, -c, "raise SystemExit(1)"], stage: static, required: false}
  unit: {tests: true, stage: test}
  ship: {run: PY tool.py note ship, stage: ship}
  extra: {run: PY tool.py note extra}
"""


def test_stages_and_profiles(tmp_path: Path) -> None:
    """A stage waits for the stages before it; a profile changes a gate."""
    repo = Repo(tmp_path, STAGED, test_it="import tool\ndef test_it(): tool.note('unit')")
    result = repo.run("--batch-workers=2").expect(0)
    order = [note for note in result.notes if note != "extra"]
    assert order == ["types", "unit", "ship"]
    assert result.gates["style"] == "failed"

    strict = repo.run("--batch-workers=2", "--batch-profile=strict")
    skipped = {"types": "passed", "style": "failed", "unit": "skipped", "ship": "skipped", "extra": "passed"}
    strict.expect(1, skipped)
    assert "needs style, which failed" in strict.out


@pytest.mark.parametrize(
    ("select", "ran"),
    [
        (["ship"], {"types", "style", "unit", "ship"}),
        (["ship", "--batch-no-needs"], {"ship"}),
        (["tag:quick,extra"], {"types", "extra"}),
        (["stage:static,no:style"], {"types"}),
    ],
)
def test_selection(tmp_path: Path, select: list[str], ran: set[str]) -> None:
    """What is selected runs with what it needs, unless that is refused; all else is left out."""
    repo = Repo(tmp_path, STAGED, test_it="def test_it(): pass")
    result = repo.run("--batch-workers=2", "--batch-select=" + select[0], *select[1:])
    result.expect(0)
    assert set(result.gates) == ran


def test_a_gate_that_is_left_out_still_claims_its_tests(tmp_path: Path) -> None:
    """Selecting `rest` (tests: true) must not hand it the tests of `slow`."""
    config = "gates:\n  rest: {tests: true}\n  slow: {tests: slow}\n"
    repo = Repo(tmp_path, config, test_it=TESTS)
    repo.write("pytest.ini", MARKERS)
    result = repo.run("--batch-workers=2", "--batch-select=rest").expect(0, {"rest": "passed"})
    assert "slow" not in result.notes
    assert len(result.tests) == 4


def test_empty_gates_and_nothing_to_run(tmp_path: Path) -> None:
    """A tests gate that selects nothing is `empty` and fails, unless it may; alone it is exit 5."""
    config = "gates:\n  lint: {run: PY -c pass}\n  slow: {tests: slow}\n  unit: {tests: true}\n"
    repo = Repo(tmp_path, config, test_it="def test_it(): pass")
    repo.write("pytest.ini", MARKERS)
    repo.run("--batch-workers=2").expect(1, {"lint": "passed", "slow": "empty", "unit": "passed"})
    repo.config("gates:\n  slow: {tests: slow, allow-empty: true}\n  unit: {tests: true}\n")
    repo.run("--batch-workers=2").expect(0, {"slow": "passed", "unit": "passed"})
    repo.config("gates:\n  slow: {tests: slow, required: false}\nunclaimed: ignore\n")
    repo.run("--batch-workers=2").expect(5, {"slow": "empty"})


def test_tests_that_no_gate_takes(tmp_path: Path) -> None:
    """They are named, and fail the run unless that is allowed; they never run."""
    config = "gates:\n  slow: {tests: slow}\n"
    repo = Repo(tmp_path, config, test_it=TESTS)
    repo.write("pytest.ini", MARKERS)
    result = repo.run("--batch-workers=2").expect(4)
    assert "4 tests that no gate takes: test_it.py::test_one" in result.out
    repo.config(config + "unclaimed: warn\n")
    warned = repo.run("--batch-workers=2").expect(0, {"slow": "passed"})
    assert "4 tests that no gate takes" in warned.out
    assert warned.notes == ["slow"]


@pytest.mark.parametrize("workers", [0, 2])
def test_fail_fast(tmp_path: Path, workers: int) -> None:
    """The first required gate that fails cancels what has not started and what runs."""
    config = """
    fail-fast: true
    gates:
      later: {run: PY tool.py note later, needs: [long]}
      spared: {run: PY -c 'raise SystemExit(1)', required: false, priority: 9}
      bad: {run: PY -c 'raise SystemExit(1)', needs: [spared]}
      long: {run: PY -c 'import time; time.sleep(50)', needs: [spared], grace: 1s}
      unit: {tests: true, needs: [long]}
    """
    repo = Repo(tmp_path, config, test_it="import tool\ndef test_it(): tool.note('unit')")
    result = repo.run(f"--batch-workers={workers}")
    result.expect(
        1,
        {"spared": "failed", "bad": "failed", "long": "cancelled", "later": "cancelled", "unit": "cancelled"},
    )
    assert "bad failed (fail-fast)" in result.out
    # The culprit comes first, whatever the order of the file.
    assert re.search(r"^failed \(exit code 1\): bad failed, ", result.out, re.MULTILINE), result.out
    assert result.notes == []
    lenient = repo.run(f"--batch-workers={workers}", "--no-batch-fail-fast", "--batch-select=bad")
    lenient.expect(1, {"spared": "failed", "bad": "failed"})
