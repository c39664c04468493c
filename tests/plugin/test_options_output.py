"""What is printed, and how much of it."""

from __future__ import annotations

import re

import pytest
from plugin_kit import Repo, assert_same

pytestmark = pytest.mark.integration

SOME = """\
import pytest
def test_1(): pass
def test_2(): assert 0
@pytest.mark.skip(reason="not now")
def test_3(): pass
@pytest.mark.xfail(reason="known")
def test_4(): assert 0
@pytest.fixture
def bad(): raise ValueError("bad")
def test_5(bad): pass
@pytest.mark.parametrize("x", [1, "a b"])
def test_6(x): pass
"""


def test_verbose_names_the_worker_of_each_test(repo: Repo) -> None:
    """One line a test, the gates' lines between them, and nothing of pytest's own."""
    repo.files(test_a=SOME)
    gates = repo.gates("-v", "--batch-workers=1")  # of two, either may be up first
    assert [line for line in gates.lines if re.match(r"\[gw\d\] ", line)] == [
        "[gw0] PASSED test_a.py::test_1",
        "[gw0] FAILED test_a.py::test_2",
        "[gw0] SKIPPED test_a.py::test_3 (not now)",
        "[gw0] XFAIL test_a.py::test_4 (known)",
        "[gw0] ERROR test_a.py::test_5",
        "[gw0] PASSED test_a.py::test_6[1]",
        "[gw0] PASSED test_a.py::test_6[a b]",
    ], gates
    assert gates.out.count("test_a.py::test_1") == 1, gates
    assert "%]" not in gates.out, gates


def test_quiet_says_less_and_nothing_twice(repo: Repo) -> None:
    repo.files(test_a=SOME)
    plain, quiet = repo.both("-qq", "--tb=line", "-ra")
    assert_same(plain, quiet, code=1)
    kept = [line for line in plain.lines if line and "%]" not in line]
    assert [line for line in quiet.lines if line] == kept, f"{plain}\n{quiet}"
    one = repo.gates("-q", "--no-summary", "--no-header")
    assert "test session starts" not in one.out, one
    assert "FAILURES" not in one.out, one
    for said in ("unit  started", "1 failed, 3 passed", "failed (exit code 1): unit failed"):
        assert one.out.count(said) == 1, one


def test_output_comes_as_it_is_printed_with_its_worker(repo: Repo) -> None:
    """-s: prints, a child's output, and what is printed between tests; lines begin with the worker."""
    repo.write(
        "conftest.py", "import sys\ndef pytest_runtest_logfinish(): print('between', file=sys.stderr)\n"
    )
    repo.files(
        test_a="""
        import os, sys
        print("at import")
        def test_1(): print("from a test"); os.system("echo from a child"); sys.stderr.write("to stderr\\n")
        def test_2(): print("::error::x\\r\\x1b[2J##[group]y"); print("é no end", end="", flush=True)
        """
    )
    repo.write("test_b.py", "import os\ndef test_3():\n    os.write(2, b'last words'); os._exit(3)\n")
    gates = repo.gates("-s", workers=1)
    printed = [line.removeprefix("[gw0] ") for line in gates.lines if line.startswith("[gw0] ")]
    for text in (
        "at import",
        "from a test",
        "from a child",
        "to stderr",
        "between",
        "::error::x",
        "last words",
    ):
        assert text in printed, gates
    assert any("\u00e9 no end" in line for line in printed), gates
    assert not re.search(r"^(::|##)", gates.out, re.MULTILINE), gates
    assert "\x1b[2J" not in gates.out, gates
    hidden = repo.gates("test_a.py")
    assert "from a test" not in hidden.out + hidden.err, hidden


@pytest.mark.parametrize(
    "args",
    [
        (
            "--tb=short",
            "-rA",
            "--show-capture=no",
            "--color=yes",
            "--durations=2",
            "-o",
            "console_output_style=count",
        ),
        ("--tb=native", "-rs", "--assert=plain", "--junitprefix=pre", "--basetemp=bt", "--log-level=DEBUG"),
        (
            "--tb=no",
            "-rN",
            "--disable-warnings",
            "--capture=tee-sys",
            "-o",
            "xfail_strict=true",
            "--maxfail=99",
        ),
        ("-l", "-vv", "--strict-markers", "-rfEX"),
    ],
    ids=["short", "native", "none", "long"],
)
def test_ways_of_telling_are_those_of_plain_pytest(repo: Repo, args: tuple[str, ...]) -> None:
    repo.files(
        test_a=SOME,
        test_b="""
        import logging, time
        def test_log(): logging.getLogger("a").info("told"); print("out"); x = [1]; assert x == [2]
        def test_slow(): time.sleep(0.02)
        """,
    )
    plain, gates = repo.both(*args)
    assert_same(plain, gates)
    for title in ("ERRORS", "FAILURES"):
        assert sorted(gates.section(title).split("\n")) == sorted(plain.section(title).split("\n"))
    if "--durations=2" in args:
        assert re.search(r"0\.0\ds call +test_b.py::test_slow", gates.out), gates
