"""gate, depends_on, serial and xdist_group across files and workers, on real runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Repo

pytestmark = pytest.mark.integration

ONE_GATE = "gates:\n  unit: {tests: true}\n"


@pytest.mark.parametrize("workers", [0, 2])
def test_the_gate_marker(tmp_path: Path, workers: int) -> None:
    """It beats paths and expressions; its mistakes are errors of the test, with the nearest name."""
    config = """
    gates:
      lint: {run: PY tool.py note lint}
      unit: {tests: true}
      integration: {paths: [integration], needs: [lint]}
      bad: {run: [PY, -c, raise SystemExit(1)], required: false}
      worse: {run: [PY, -c, raise SystemExit(1)]}
    """
    repo = Repo(tmp_path, config)
    repo.write(
        "integration/test_i.py",
        "import os, pytest\ndef test_i(): assert os.environ['BATCHGATE_GATE'] == 'integration'",
    )
    repo.write(
        "test_m.py",
        """
        import os, pytest, tool
        def here(name): assert os.environ["BATCHGATE_GATE"] == name
        @pytest.mark.gate("integration")
        def test_moved(): here("integration")
        @pytest.mark.gate("integration")
        class TestMoved:
            def test_moved_too(self): here("integration")
            @pytest.mark.gate("unit")
            def test_moved_back(self): here("unit")
        @pytest.mark.gate("unit", needs=["lint", "bad"])
        def test_waits():
            here("unit")
            tool.note("waits")
        @pytest.mark.gate(needs="worse")
        def test_skipped(): pass
        @pytest.mark.gate("integratoin")
        def test_typo(): pass
        @pytest.mark.gate("lint")
        def test_command(): pass
        @pytest.mark.gate("unit", needs=["lynt"])
        def test_typo_in_needs(): pass
        """,
    )
    result = repo.run(f"--batch-workers={workers}")
    result.expect(
        1,
        {"lint": "passed", "integration": "passed", "unit": "failed", "bad": "failed", "worse": "failed"},
        test_i="passed",
        test_moved="passed",
        test_moved_too="passed",
        test_moved_back="passed",
        test_waits="passed",
        test_skipped="skipped",
        test_typo="error",
        test_command="error",
        test_typo_in_needs="error",
    )
    assert result.notes == ["lint", "waits"]
    assert "gate worse, which failed" in result.texts["test_skipped"]
    assert "did you mean 'integration'?" in result.texts["test_typo"]
    assert "is a command" in result.texts["test_command"]
    assert "did you mean 'lint'?" in result.texts["test_typo_in_needs"]


DEPENDENCIES = {
    "test_a.py": """
    import pytest, tool
    @pytest.mark.depends_on("test_z.py::test_first")
    def test_by_id(): assert "first" in open(tool.HERE + "/notes").read()
    @pytest.mark.depends_on("test_many")
    def test_all_of_them(): assert open(tool.HERE + "/notes").read().count("many") == 3
    @pytest.mark.parametrize("n", range(3))
    def test_many(n): tool.note("many")
    @pytest.mark.depends_on("test_many[1]", "test_z.py::TestClass")
    def test_one_and_class(): assert "in class" in open(tool.HERE + "/notes").read()
    @pytest.mark.depends_on("sub/test_file.py")
    def test_file(): assert open(tool.HERE + "/notes").read().count("file") == 2
    @pytest.mark.depends_on("gate:lint")
    def test_gate(): assert "lint" in open(tool.HERE + "/notes").read()
    @pytest.mark.depends_on("gate:bad")
    def test_bad_gate(): tool.note("never")
    class TestIn:
        @pytest.mark.depends_on("test_second")
        def test_first(self): assert "second" in open(tool.HERE + "/notes").read()
        def test_second(self): tool.note("second")
        @pytest.mark.depends_on("test_many")
        def test_module(self): pass
    """,
    "test_b.py": """
    import pytest, tool
    def test_fails(): assert 0
    @pytest.mark.skip
    def test_skipped(): pass
    @pytest.mark.xfail
    def test_xfails(): assert 0
    @pytest.fixture
    def broken(): raise RuntimeError
    def test_error(broken): pass
    @pytest.mark.parametrize("n", range(2))
    def test_half(n): assert n
    @pytest.mark.depends_on("test_fails")
    def test_after_fails(): tool.note("never")
    @pytest.mark.depends_on("test_after_fails")
    def test_chain(): tool.note("never")
    @pytest.mark.depends_on("test_skipped")
    def test_after_skipped(): tool.note("never")
    @pytest.mark.depends_on("test_xfails")
    def test_after_xfails(): tool.note("never")
    @pytest.mark.depends_on("test_error")
    def test_after_error(): tool.note("never")
    @pytest.mark.depends_on("test_half")
    def test_after_half(): tool.note("never")
    @pytest.mark.depends_on("test_half[1]")
    def test_after_good_half(): tool.note("good half")
    @pytest.mark.depends_on("test_nowhere")
    def test_missing(): tool.note("never")
    """,
    "test_c.py": """
    import pytest, tool
    @pytest.mark.depends_on("test_round_three")
    def test_round_one(): tool.note("never")
    @pytest.mark.depends_on("test_round_one")
    def test_round_two(): tool.note("never")
    @pytest.mark.depends_on("test_round_two")
    def test_round_three(): tool.note("never")
    @pytest.mark.depends_on("test_self")
    def test_self(): tool.note("never")
    """,
    "test_z.py": """
    import tool
    def test_first(): tool.note("first")
    class TestClass:
        def test_x(self): tool.note("in class")
    """,
    "sub/test_file.py": """
    import tool
    def test_x(): tool.note("file")
    def test_y(): tool.note("file")
    """,
}
GOOD = ["by_id", "all_of_them", "one_and_class", "file", "gate", "module", "after_good_half"]
CULPRITS = {
    "test_bad_gate": "gate bad, which failed",
    "test_after_fails": "test_b.py::test_fails, which failed",
    "test_chain": "test_b.py::test_after_fails, which was skipped",
    "test_after_skipped": "test_b.py::test_skipped, which was skipped",
    "test_after_xfails": "test_b.py::test_xfails, which xfailed",
    "test_after_error": "test_b.py::test_error, which had an error",
    "test_after_half": "test_b.py::test_half[0], which failed",
}


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_depends_on(tmp_path: Path, workers: int) -> None:
    """Every kind of target, across files and workers; culprits, missing targets and cycles are named."""
    config = """
    gates:
      lint: {run: PY tool.py note lint}
      bad: {run: [PY, -c, raise SystemExit(1)]}
      unit: {tests: true}
    """
    repo = Repo(tmp_path, config)
    for name, text in DEPENDENCIES.items():
        repo.write(name, text)
    result = repo.run(f"--batch-workers={workers}").expect(1)
    tests = {name.rpartition("::")[2]: outcome for name, outcome in result.tests.items()}
    for name in GOOD:
        assert tests[f"test_{name}"] == "passed", f"{name}\n{result.out}"
    for name, words in CULPRITS.items():
        assert tests[name] == "skipped", f"{name}\n{result.out}"
        assert words in result.texts[name]
    assert tests["test_missing"] == "error"
    assert "test_nowhere" in result.texts["test_missing"]
    round_trip = ["test_round_one", "test_round_two", "test_round_three"]
    for name in round_trip:
        assert tests[name] == "error"
        assert "dependency cycle" in result.texts[name]
        for other in round_trip:
            assert f"test_c.py::{other}" in result.texts[name], "a cycle is printed whole"
    assert tests["test_self"] == "error"
    assert "never" not in result.notes
    assert "good half" in result.notes


@pytest.mark.parametrize("workers", [0, 2])
def test_depends_on_across_gates(tmp_path: Path, workers: int) -> None:
    """A test of the first gate waits for tests of the last ones, in turn too; each keeps its environment."""
    config = """
    gates:
      first: {tests: true, paths: [a]}
      command: {run: PY tool.py note command}
      second: {paths: [b], needs: [command], env: {MODE: second}}
      third: {paths: [c], needs: [second]}
    """
    repo = Repo(tmp_path, config)
    repo.write(
        "a/test_a.py",
        """
        import os, pytest, tool
        @pytest.mark.depends_on("b/test_b.py::test_b")
        def test_a(): assert "MODE" not in os.environ
        @pytest.mark.depends_on("c/test_c.py")
        def test_last(): tool.note("last")
        def test_free(): tool.note("free")
        """,
    )
    repo.write("b/test_b.py", "import os\ndef test_b(): assert os.environ['MODE'] == 'second'")
    repo.write("c/test_c.py", "import tool\ndef test_c(): tool.note('c')")
    result = repo.run(f"--batch-workers={workers}")
    result.expect(0, dict.fromkeys(["first", "command", "second", "third"], "passed"))
    assert result.notes.index("command") < result.notes.index("c") < result.notes.index("last")


def test_targets_that_the_command_line_left_out(tmp_path: Path) -> None:
    """By -k, by paths or by gates: ignored, with a note."""
    config = "gates:\n  unit: {tests: not slow}\n  slow: {tests: slow}\n"
    files = {
        "test_a": """
        import pytest
        @pytest.mark.depends_on("test_other")
        def test_this(): pass
        def test_other(): pass
        @pytest.mark.depends_on("test_b.py::test_b")
        def test_this_too(): pass
        """,
        "test_b": "import pytest\n@pytest.mark.slow\ndef test_b(): pass",
    }
    repo = Repo(tmp_path, config, **files)
    repo.write("pytest.ini", "[pytest]\nmarkers =\n    slow\n")
    cases = (["-k", "this"], ["test_a.py"], ["test_a.py::test_this"], ["--batch-select=unit"])
    for args in cases:
        result = repo.run("--batch-workers=2", *args).expect(0)
        tests = {name.rpartition("::")[2]: outcome for name, outcome in result.tests.items()}
        assert tests["test_this"] == "passed"
        assert set(tests.values()) == {"passed"}
        noted = "ignored" in result.out
        assert noted, f"{args}\n{result.out}"


@pytest.mark.parametrize("workers", [1, 3])
def test_serial_and_groups(tmp_path: Path, workers: int) -> None:
    """Lock files: nothing beside a plain `serial`, nothing of the same name beside `serial("db")`.
    Groups stay on one worker."""
    repo = Repo(tmp_path, ONE_GATE)
    text = """
    import contextlib, os, pytest, tool
    @contextlib.contextmanager
    def crowd():
        path = f"{tool.HERE}/crowd-{os.getpid()}"
        open(path, "w").close()
        yield
        os.unlink(path)
    @pytest.fixture(autouse=True)
    def seen(request):
        if request.node.get_closest_marker("serial") and not request.node.get_closest_marker("serial").args:
            assert not [name for name in os.listdir(tool.HERE) if name.startswith("crowd-")]
            with tool.alone("everything", 0.05):
                yield
            assert not [name for name in os.listdir(tool.HERE) if name.startswith("crowd-")]
        else:
            assert not os.path.exists(tool.HERE + "/everything.lock")
            with crowd():
                yield
    @pytest.mark.parametrize("n", range(4))
    def test_free(n): pass
    @pytest.mark.serial
    def test_alone(): pass
    @pytest.mark.serial("db")
    def test_db():
        with tool.alone("db", 0.02): pass
    @pytest.mark.serial("db", "disk")
    def test_db_and_disk():
        with tool.alone("db", 0.02), tool.alone("disk", 0.02): pass
    @pytest.mark.serial("disk")
    def test_disk():
        with tool.alone("disk", 0.02): pass
    @pytest.mark.xdist_group(name="flock")
    @pytest.mark.parametrize("n", range(2))
    def test_flock(n, worker_id): tool.note("flock", worker_id, os.getpid())
    @pytest.mark.xdist_group("herd")
    def test_herd(worker_id): tool.note("herd", worker_id, os.getpid())
    """
    for name in "abc":
        repo.write(f"test_{name}.py", text)
    result = repo.run(f"--batch-workers={workers}").expect(0, {"unit": "passed"})
    assert len(result.tests) == 3 * 11
    assert len(result.notes) == 9
    assert len({note for note in result.notes if note.startswith("flock")}) == 1
    assert len({note for note in result.notes if note.startswith("herd")}) == 1
