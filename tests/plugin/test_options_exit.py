"""Exit codes, and what is said with them: as plain pytest's for the same cause."""

from __future__ import annotations

import pytest
from plugin_kit import Repo, assert_same

pytestmark = pytest.mark.integration

OK = "def test_ok(): pass\n"
COMMAND = """\
version: 1
gates:
  touch: {run: "touch ran"}
  unit: {tests: true}
"""


@pytest.mark.parametrize(
    ("code", "body", "said"),
    [
        pytest.param(7, "def test_x(): pytest.exit('why so', returncode=7)", "why so", id="exit-in-test"),
        pytest.param(2, "def test_x(): pytest.exit('why so')", "why so", id="exit-without-code"),
        pytest.param(
            9,
            "@pytest.fixture\ndef f(): pytest.exit('fx', 9)\ndef test_x(f): pass",
            "fx",
            id="exit-in-fixture",
        ),
        pytest.param(
            2, "def test_x(): raise KeyboardInterrupt", "KeyboardInterrupt", id="keyboard-interrupt"
        ),
    ],
)
def test_a_test_that_ends_the_run(repo: Repo, code: int, body: str, said: str) -> None:
    repo.files(test_a=f"import pytest\n{body}\n")
    plain, gates = repo.both()
    assert plain.code == gates.code == code, f"{plain}\n{gates}"
    assert said in gates.out, gates


def test_collection_errors_end_the_run_with_2_each_told_once(repo: Repo) -> None:
    """Import error, syntax error, a conftest of a folder; a skipped module is none."""
    repo.files(
        test_a="1 / 0",
        test_b="def test_x(: pass",
        test_c="import pytest\npytest.skip('no', allow_module_level=True)",
        test_d="import no_such_module",
    )
    repo.write("sub/conftest.py", "import no_such_module")
    repo.write("sub/test_e.py", OK)
    plain, gates = repo.both("-ra")
    assert_same(plain, gates, code=2)
    assert "4 errors during collection" in gates.out, gates
    repo.write("test_f.py", "def test_f(): pass")
    assert_same(*repo.both("--continue-on-collection-errors", "-ra"), code=1)


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("missing.py", "test_a.py"), id="no-file"),
        pytest.param((".::test_x",), id="name-in-a-folder"),
        pytest.param(("-k", "and and"), id="syntax-of-k"),
        pytest.param(("-m", "(("), id="syntax-of-m"),
        pytest.param(("--no-such-option",), id="option"),
        pytest.param(("--pyargs", "no_such_package"), id="package"),
    ],
)
def test_usage_errors_name_the_mistake_and_start_nothing(repo: Repo, args: tuple[str, ...]) -> None:
    repo.files(test_a=OK)
    repo.write("batchgate.yaml", COMMAND)
    plain, gates = repo.both(*args)
    said = [line for line in plain.err.splitlines() if line.startswith("ERROR: ") and "usage:" not in line]
    assert plain.code == gates.code == 4, f"{plain}\n{gates}"
    assert all(line in gates.err for line in said), f"{plain}\n{gates}"
    assert "Traceback" not in gates.out + gates.err, gates
    assert not (repo.root / "ran").exists(), gates


def test_a_name_that_is_not_found_is_named(repo: Repo) -> None:
    repo.files(test_a=OK, test_b="1 / 0")
    plain, gates = repo.both("test_a.py::nope", "test_a.py::TestX::no2")
    assert plain.code == gates.code == 4, gates
    assert "not found: " in gates.err, gates
    assert "test_a.py::nope" in gates.err, gates
    assert "test_a.py::TestX::no2" in gates.err, gates
    assert not gates.junit.cases, gates


@pytest.mark.parametrize(
    ("code", "conftest", "said"),
    [
        pytest.param(4, "import no_such_module", "ImportError while loading conftest", id="conftest-import"),
        pytest.param(
            4,
            "import pytest\ndef pytest_collection_modifyitems(items): raise pytest.UsageError('use it well')",
            "ERROR: use it well",
            id="usage-error-in-a-worker",
        ),
        pytest.param(
            4,
            "import pytest\ndef pytest_sessionstart(): raise pytest.UsageError('use it well')",
            "ERROR: use it well",
            id="usage-error-at-start",
        ),
        pytest.param(
            3,
            "def pytest_runtest_logstart(): raise RuntimeError('in my hook')",
            "INTERNALERROR> RuntimeError: in my hook",
            id="hook-of-a-test",
        ),
        pytest.param(
            3,
            "def pytest_collection_modifyitems(items): raise RuntimeError('in my hook')",
            "INTERNALERROR> RuntimeError: in my hook",
            id="hook-of-collection",
        ),
        pytest.param(
            2,
            "def pytest_runtest_teardown(item): item.session.shouldstop = 'enough of it'",
            "enough of it",
            id="should-stop",
        ),
    ],
)
def test_hooks_that_fail(repo: Repo, code: int, conftest: str, said: str) -> None:
    """The message and, for internal errors, the hook's own traceback; once, from whichever worker."""
    repo.write("conftest.py", conftest)
    repo.files(test_a=OK)
    plain, gates = repo.both()
    assert plain.code == gates.code == code, f"{plain}\n{gates}"
    shown = gates.out + gates.err
    assert shown.count(said) == 1 + (said == "enough of it"), gates  # the verdict repeats a reason
    if code == 3:
        assert "conftest.py" in shown, gates
        assert [case.kinds for case in gates.junit.named("internal")] == [("error",)], gates


def test_maxfail_counts_over_all_gates_and_workers(repo: Repo) -> None:
    """One count for the run; a command goes on, and the run has failed."""
    tests = "\n".join(f"def test_{i}(): assert 0" for i in range(6))
    repo.files(test_a=tests, test_b=tests, test_c=tests)
    repo.write(
        "batchgate.yaml",
        """\
        version: 1
        gates:
          a: {paths: [test_a.py]}
          rest: {tests: true}
          slow: {run: "sleep 2"}
        """,
    )
    gates = repo.gates("--maxfail=3")
    assert gates.code == 1, gates
    assert "stopping after 3 failures" in gates.out, gates
    assert 3 <= len(gates.junit.cases) < 18, gates
    assert "slow  passed" in gates.out, gates
    repo.write("test_a.py", "1 / 0")
    first = repo.gates("-x", "test_a.py")
    assert (first.code, "stopping after 1 failures" in first.out) == (1, True), first


def test_nothing_left_by_the_command_line_is_5(repo: Repo) -> None:
    repo.files(test_a=OK)
    for args in (("-k", "nothing"), ("--ignore=test_a.py",)):
        gates = repo.gates(*args)
        assert gates.code == 5, gates
        assert "deselected" in gates.out, gates


def test_nothing_to_select_is_empty_and_fails(repo: Repo) -> None:
    """A gate whose tests are gone has not passed; `allow-empty` says that this is fine.

    Nobody typed the ini file's -m: it leaves a gate empty too.
    """
    repo.files(test_a=OK)
    repo.write("pytest.ini", "[pytest]\naddopts = -k nothing\n")
    by_ini = repo.gates()
    assert (by_ini.code, "unit  empty" in by_ini.out) == (1, True), by_ini
    repo.write("pytest.ini", "[pytest]\n")
    text = "version: 1\ngates:\n  slow: {{tests: slow{extra}}}\n  unit: {{tests: true}}\n"
    repo.write("batchgate.yaml", text.format(extra=""))
    gates = repo.gates()
    assert (gates.code, "slow  empty" in gates.out) == (1, True), gates
    repo.write("batchgate.yaml", text.format(extra=", allow-empty: true"))
    assert repo.gates().code == 0


def test_files_without_tests_do_not_stall_a_worker(repo: Repo) -> None:
    """It holds its last test back until it knows what follows; a file that holds nothing tells it nothing."""
    for number in range(9):
        repo.write(f"test_{number}.py", OK if number in {0, 3} else "import pytest\n")
    for workers in (1, 2):
        gates = repo.gates(workers=workers)
        assert (gates.code, gates.counts) == (0, "2 passed"), gates
