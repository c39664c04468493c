"""What is typed narrows the gates; what stands in the ini file holds where a gate says nothing itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_kit import Ran, Repo, assert_same

pytestmark = pytest.mark.integration

A = """\
import pytest
def test_one(): pass
@pytest.mark.slow
def test_slow(): pass
class TestC:
    def test_m(self): pass
    @pytest.mark.parametrize("x", ["a", "b::c", "d e", "é", "[x]"])
    def test_p(self, x): assert x != "d e"
"""
B = "def test_one(): pass\ndef test_two(): assert 0\n"
INI = "[pytest]\nmarkers =\n    slow: takes long\n"


def names(ran: Ran) -> list[str]:
    return sorted(f"{case.classname}.{case.name}" for case in ran.junit.cases.elements())


@pytest.fixture
def sample(repo: Repo) -> Repo:
    repo.write("pytest.ini", INI)
    repo.write("test_a.py", A)
    repo.write("test_b.py", B)
    repo.write("sub/test_c.py", B)
    return repo


@pytest.mark.parametrize(
    ("args", "addopts"),
    [
        pytest.param(
            ("-k", "one or two", "-m", "not slow", "--deselect=sub/test_c.py::test_two"), "", id="k-m"
        ),
        pytest.param(("test_b.py::test_one", "test_a.py::TestC", "sub"), "", id="names"),
        pytest.param(
            (
                "test_a.py::TestC::test_p[b::c]",
                "test_a.py::TestC::test_p[[x]]",
                r"test_a.py::TestC::test_p[\xe9]",
            ),
            "",
            id="parameters",
        ),
        pytest.param(("--ignore=sub", "--ignore-glob=*_b.py"), "-k 'one or m'", id="environment"),
        pytest.param(("test_b.py",), "test_a.py::test_one -q", id="paths-of-the-environment"),
        pytest.param(("test_a.py::test_slow", "test_a.py", "test_b.py", "test_b.py"), "", id="overlap"),
        pytest.param(("--keep-duplicates", "test_b.py", "test_b.py"), "", id="duplicates"),
        pytest.param(
            ("-o", "python_functions=test_o* test_t*", "-o", "python_classes=No*"), "", id="override"
        ),
    ],
)
def test_typed_choices_are_those_of_plain_pytest(sample: Repo, args: tuple[str, ...], addopts: str) -> None:
    plain, gates = sample.both(*args, env={"PYTEST_ADDOPTS": addopts})
    assert_same(plain, gates)
    assert gates.junit.cases


def test_ini_addopts_hold_where_a_gate_has_no_expression(sample: Repo) -> None:
    """They give way to a gate's own expression, with a notice; a typed -m takes their place."""
    sample.write("pytest.ini", f"{INI}addopts = -m 'not slow' -k 'one or slow'\n")
    sample.write(
        "batchgate.yaml",
        "version: 1\ngates:\n  slow: {tests: slow}\n  sub: {paths: [sub]}\n  rest: {tests: true}\n",
    )
    gates = sample.gates()
    assert names(gates) == [
        "sub.test_c.test_one",
        "test_a.test_one",
        "test_a.test_slow",
        "test_b.test_one",
    ], gates
    assert "-m 'not slow' and -k 'one or slow' from addopts" in gates.out, gates
    assert "counts instead for slow" in gates.out, gates
    assert gates.code == 0, gates
    typed = sample.gates("-m", "slow", "--junitprefix=x", "--batch-select=slow")
    assert names(typed) == ["x.test_a.test_slow"], typed


def test_n_of_addopts_is_ignored_and_a_typed_one_refused(sample: Repo) -> None:
    pytest.importorskip("xdist")
    sample.write("pytest.ini", f"{INI}addopts = -n 3 --dist loadfile\n")
    ignored = sample.gates("test_b.py::test_one")
    assert (ignored.code, "-n from addopts is ignored" in ignored.out) == (0, True), ignored
    for args in (("-n", "2"), ("-n2",), ("--numprocesses=auto",)):
        refused = sample.gates(*args)
        assert refused.code == 4, refused
        assert "--batch-workers=N" in refused.err, refused


def test_last_failed_and_its_kin(sample: Repo) -> None:
    """Decided for the whole run: a worker that never sees the failing file must not run everything."""
    assert_same(*sample.both(), code=1)
    for args in (
        ("--lf",),
        ("--lf", "-k", "two"),
        ("--lf", "test_a.py"),
        ("--lf", "test_a.py::test_one"),  # known failures are not selected: all that is selected runs
        ("--ff", "--nf", "--deselect=test_b.py::test_two"),
    ):
        assert_same(*sample.both(*args))


def test_failed_first_runs_them_first(sample: Repo) -> None:
    sample.gates("-q")
    verbose = sample.gates("--ff", "-v", workers=1)
    ran = [line.split()[1] for line in verbose.lines if line.startswith("[gw0] ")]
    failed = [number for number, word in enumerate(ran) if word == "FAILED"]
    assert len(failed) == 3, verbose
    by_file = [line.split()[2].partition("::")[0] for line in verbose.lines if line.startswith("[gw0] ")]
    first_of = {name: by_file.index(name) for name in by_file}
    assert all(number == first_of[by_file[number]] for number in failed), verbose


@pytest.mark.parametrize("args", [("-q",), ("-qq",)])
def test_collect_only_in_few_words_is_plain_pytests(sample: Repo, args: tuple[str, ...]) -> None:
    plain, gates = sample.both("--collect-only", *args, "--deselect=test_b.py::test_two")
    expected = [line for line in plain.lines if "::" in line or line.startswith(("test_", "sub/"))]
    assert sorted(line for line in gates.lines if line in expected) == sorted(expected), f"{plain}\n{gates}"
    assert (plain.code, plain.counts) == (gates.code, gates.counts), f"{plain}\n{gates}"


def test_collect_only_lists_the_tests_of_each_gate_and_runs_nothing(sample: Repo) -> None:
    sample.write(
        "batchgate.yaml",
        """\
        version: 1
        gates:
          touch: {run: "touch ran"}
          slow: {tests: slow}
          rest: {paths: [test_b.py, sub]}
        """,
    )
    gates = sample.gates("--collect-only")
    assert gates.code == 0, gates
    listed = [
        line
        for line in gates.lines
        if line.endswith(" tests") or ("test" in line and line[:2] in {"  ", "sl"})
    ]
    assert listed[:6] == [
        "slow: 1 test",
        "  test_a.py::test_slow",
        "rest: 4 tests",
        "  sub/test_c.py::test_one",
        "  sub/test_c.py::test_two",
        "  test_b.py::test_one",
    ], gates
    assert "no gate takes these: 7 tests" in gates.lines, gates
    assert not (sample.root / "ran").exists(), gates
    assert sample.gates("--collect-only", "-k", "nothing").code == 5
    sample.write("test_broken.py", "1 / 0")
    broken = sample.gates("--collect-only", "-q")
    assert (broken.code, "ERROR test_broken.py" in broken.out) == (2, True), broken


def test_unclaimed_tests(sample: Repo) -> None:
    """An error unless the configuration says otherwise; the message names tests."""
    text = "version: 1\n{line}gates:\n  slow: {{tests: slow}}\n"
    outcomes = {}
    for word in ("", "warn", "ignore"):
        sample.write("batchgate.yaml", text.format(line=f"unclaimed: {word}\n" if word else ""))
        gates = sample.gates()
        outcomes[word] = (gates.code, "11 tests that no gate takes: " in gates.out)
        assert ("test_one" in gates.out) == (word != "ignore"), gates
        assert ("ERROR: 11 tests that no gate takes" in gates.err) == (word == ""), gates
    assert outcomes == {"": (4, True), "warn": (0, True), "ignore": (0, False)}


LAYOUT: dict[str, str] = {
    "pytest.ini": "[pytest]\ntestpaths = tests more\npython_files = test_*.py check_*.py\n",
    "tests/conftest.py": "import pytest\n@pytest.fixture\ndef v(): return 'tests'\n"
    "collect_ignore = ['test_ignored.py']\n",
    "tests/test_ignored.py": "1 / 0",
    "tests/pkg/__init__.py": "",
    "tests/pkg/conftest.py": "import pytest\n@pytest.fixture\ndef v(v): return v + '/pkg'\n"
    "def pytest_ignore_collect(collection_path): return True if 'never' in collection_path.name else None\n",
    "tests/pkg/test_same.py": "def test_v(v): assert v == 'tests/pkg'\n",
    "tests/pkg/test_never.py": "1 / 0",
    "tests/pkg/deep er/é/check_it.py": "def test_v(v): assert v == 'tests/pkg'\ndef test_ü(v): assert 0\n",
    "more/__init__.py": "",
    "more/test_same.py": "import unittest\nclass T(unittest.TestCase):\n    def test_t(self): pass\n",
    "elsewhere/test_x.py": "1 / 0",
    "node_modules/test_x.py": "1 / 0",
}


@pytest.mark.parametrize(
    ("args", "cwd"),
    [
        pytest.param((), ".", id="root"),
        pytest.param(("--import-mode=importlib",), ".", id="importlib"),
        pytest.param((), "tests/pkg", id="subfolder"),
        pytest.param(("../more", "pkg/test_same.py::test_v"), "tests", id="relative"),
        pytest.param(("-c", "../pytest.ini", "--rootdir=..", "."), "more", id="ini"),
        pytest.param(("link",), ".", id="linked"),
    ],
)
def test_rootdirs_folders_and_links(tmp_path: Path, args: tuple[str, ...], cwd: str) -> None:
    """Blanks and other letters in the path of the repository, same basenames, conftests of subfolders."""
    repo = Repo(tmp_path / "a räpo")
    for name, text in LAYOUT.items():
        repo.write(name, text)
    (repo.root / "link").symlink_to("tests")
    plain, gates = repo.both(*args, cwd=cwd)
    assert_same(plain, gates)
    assert gates.junit.cases


def test_installed_packages_and_own_options(repo: Repo) -> None:
    """--pyargs, -p, pytest_plugins, options of a conftest, ids from pytest_generate_tests."""
    repo.write("conftest.py", "pytest_plugins = ['more_fixtures']\n")
    repo.write(
        "mine.py",
        """\
        import pytest
        def pytest_addoption(parser): parser.addoption("--mine", default="no")
        @pytest.fixture
        def mine(request): return request.config.getoption("mine")
        def pytest_generate_tests(metafunc):
            if "g" in metafunc.fixturenames: metafunc.parametrize("g", [1, 2])
        """,
    )
    repo.write("more_fixtures.py", "import pytest\n@pytest.fixture\ndef more(): return 1\n")
    repo.write("pk/__init__.py")
    repo.write("pk/test_a.py", "def test_a(mine, more, g): assert (mine, more) == ('yes', g)\n")
    repo.write("pk/sub/__init__.py")
    repo.write("pk/sub/test_b.py", "def test_b(pytestconfig): assert pytestconfig.option.pyargs\n")
    args = ("--pyargs", "pk.sub", "pk.test_a::test_a", "-p", "mine", "--mine=yes")
    assert_same(*repo.both(*args, env={"PYTHONPATH": "."}), code=1)
