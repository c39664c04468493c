"""Gates beside one another: mutexes, weights, limits, priorities; proven by lock files and meetings."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Repo

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("workers", [2, 3])
def test_resources_are_mutexes_between_commands_and_tests(tmp_path: Path, workers: int) -> None:
    """Four gates share `db`; each would fail on the other's lock file."""
    config = """
    gates:
      one: {run: PY tool.py alone db, resources: [db]}
      two: {run: PY tool.py alone db, resources: [db, other]}
      tests: {tests: true, resources: [db], paths: [a]}
      more: {tests: true, resources: [db], paths: [b]}
    """
    repo = Repo(tmp_path, config)
    for folder in "ab":
        # One file only, so that the tests of the gate itself do not meet.
        text = "import tool\ndef test_{0}(): \n    with tool.alone('db', 0.1): pass\ndef test_x{0}(): pass"
        repo.write(f"{folder}/test_{folder}.py", text.format(folder))
    result = repo.run(f"--batch-workers={workers}")
    result.expect(
        0, dict.fromkeys(["one", "two", "tests", "more"], "passed"), test_a="passed", test_b="passed"
    )


def test_gates_without_a_mutex_do_meet(tmp_path: Path) -> None:
    """Two commands and two test files run at the same time, or none of them would pass."""
    config = """
    gates:
      one: {run: PY tool.py meet one two}
      two: {run: PY tool.py meet two one}
      unit: {tests: true, needs: [one, two]}
    """
    # Several tests each: a worker holds its next test, which a late one cannot take over.
    text = """
    import tool
    def test_{0}(): tool.meet('{0}', '{1}')
    def test_next(): pass
    def test_last(): pass
    """
    repo = Repo(tmp_path, config, test_a=text.format("a", "b"), test_b=text.format("b", "a"))
    repo.run("--batch-workers=2").expect(0, {"one": "passed", "two": "passed", "unit": "passed"})


def test_a_command_and_tests_meet(tmp_path: Path) -> None:
    """Tests do not wait for a command that they do not need, nor it for them."""
    config = "gates:\n  unit: {tests: true}\n  lint: {run: PY tool.py meet lint test}\n"
    repo = Repo(tmp_path, config, test_a="import tool\ndef test_a(): tool.meet('test', 'lint')")
    repo.run("--batch-workers=2").expect(0, {"unit": "passed", "lint": "passed"})


@pytest.mark.parametrize("workers", [2, 3])
def test_max_workers_one(tmp_path: Path, workers: int) -> None:
    """All tests of `one` share a lock file, those of `free` do not; marked ones are held to it too."""
    config = "gates:\n  one: {tests: one, max-workers: 1}\n  free: {tests: true}\n"
    repo = Repo(tmp_path, config)
    repo.write("pytest.ini", "[pytest]\nmarkers =\n    one\n")
    text = """
    import pytest, tool
    @pytest.mark.one
    @pytest.mark.parametrize("n", range(4))
    def test_one(n):
        with tool.alone("one", 0.02): pass
    @pytest.mark.one
    @pytest.mark.depends_on("test_one")
    def test_after():
        with tool.alone("one", 0.02): pass
    def test_free(): pass
    """
    for name in "abc":
        repo.write(f"test_{name}.py", text)
    result = repo.run(f"--batch-workers={workers}").expect(0, {"one": "passed", "free": "passed"})
    assert len(result.tests) == 18


def test_weight(tmp_path: Path) -> None:
    """A command of weight 9 takes the whole pool of 2; two of weight 1 meet."""
    config = """
    gates:
      heavy: {run: PY tool.py alone pool, weight: 9, priority: 5}
      light: {run: PY tool.py alone pool, priority: 1}
      one: {run: PY tool.py meet one two, needs: [light]}
      two: {run: PY tool.py meet two one, needs: [light]}
    """
    result = Repo(tmp_path, config).run("--batch-workers=2")
    result.expect(0, dict.fromkeys(["heavy", "light", "one", "two"], "passed"))
    assert "heavy  started     gw0, gw1" in result.out


@pytest.mark.parametrize("workers", [0, 1])
def test_priority(tmp_path: Path, workers: int) -> None:
    """With one worker the ready gates go by priority; in turn, they go by their order in the file."""
    config = """
    gates:
      low: {run: PY tool.py note low, priority: -5}
      mid: {run: PY tool.py note mid}
      high: {run: PY tool.py note high, priority: 50}
      unit: {tests: true, priority: 10}
    """
    repo = Repo(tmp_path, config, test_a="import tool\ndef test_a(): tool.note('unit')")
    result = repo.run(f"--batch-workers={workers}").expect(0)
    expected = ["high", "unit", "mid", "low"] if workers else ["low", "mid", "high", "unit"]
    # The worker is still on its way up while commands may run.
    assert [note for note in result.notes if note != "unit"] == [each for each in expected if each != "unit"]
    if not workers:
        assert result.notes == expected


def test_commands_start_before_tests_are_imported(tmp_path: Path) -> None:
    """The module's import waits for a command that needs nothing."""
    config = "gates:\n  unit: {tests: true}\n  lint: {run: PY tool.py note 'meets lint'}\n"
    repo = Repo(tmp_path, config, test_a="import tool\ntool.meet('import', 'lint')\ndef test_a(): pass")
    repo.run("--batch-workers=2").expect(0, {"unit": "passed", "lint": "passed"})


def test_in_turn_one_worker_runs_everything_in_plain_order(tmp_path: Path) -> None:
    """Gates in file order, files and tests in pytest's order, whatever history says."""
    config = """
    gates:
      first: {run: PY tool.py note first}
      b: {tests: true, paths: [b]}
      middle: {run: PY tool.py note middle}
      a: {tests: true}
      last: {run: PY tool.py note last}
    """
    repo = Repo(tmp_path, config)
    text = """
    import time, tool
    def test_one(worker_id): tool.note("{0} one", worker_id)
    def test_two(): time.sleep({1}); tool.note("{0} two")
    """
    for name, seconds in (("a/test_a1", 0), ("a/test_a2", 0.2), ("b/test_b1", 0), ("b/test_b2", 0.1)):
        repo.write(f"{name}.py", text.format(name[-2:], seconds))
    for _ in range(2):
        result = repo.run("--batch-workers=0").expect(0)
        files = ["b1", "b2", "a1", "a2"]
        tests = {name: [f"{name} one gw0", f"{name} two"] for name in files}
        assert result.notes == [
            "first",
            *tests["b1"],
            *tests["b2"],
            "middle",
            *tests["a1"],
            *tests["a2"],
            "last",
        ]
