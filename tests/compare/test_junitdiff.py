"""The comparison that all claims about equal outcomes rest on: it must see every kind of difference."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.junitdiff import (
    Case,
    compare_files,
    differences,
    file_patterns,
    main,
    matches,
    nodeid_pattern,
    read_cases,
)

A = "tests.test_x::test_a"
OUTCOMES = ("passed", "failure", "skipped")


def case(name: str = "test_a", outcome: str = "passed", **more: str) -> Case:
    fields = {"classname": "tests.test_x", "file": "", "line": "", "text": ""} | more
    return Case(name=name, outcome=outcome, **fields)


def test_the_order_of_cases_does_not_matter() -> None:
    assert differences([case("test_a"), case("test_b")], [case("test_b"), case("test_a")]) == []


@pytest.mark.parametrize(
    ("left", "right", "line"),
    [
        ([case()], [], f"{A}: 1 times on the left, 0 on the right"),
        ([case()], [case(), case()], f"{A}: 1 times on the left, 2 on the right"),
        (
            [case()],
            [case(outcome="failure")],
            f"{A}: passed on the left, failure on the right",
        ),
        (
            [case(), case(outcome="skipped")],
            [case(outcome="skipped"), case(outcome="skipped")],
            f"{A}: passed, skipped on the left, 2 x skipped on the right",
        ),
        (
            [case(file="a.py", line="3")],
            [case(file="a.py", line="4")],
            f"{A}: line 3 on the left, 4 on the right",
        ),
        (
            [case(outcome="skipped", text="no database")],
            [case(outcome="skipped", text="no network")],
            f"{A}: text differs: 'no database' on the left, 'no network' on the right",
        ),
        (
            [case(outcome="failure", text="one")],
            [case(outcome="failure", text="one\ntwo")],
            f"{A}: text differs: 1 lines on the left, 2 on the right",
        ),
    ],
    ids=["missing", "doubled", "outcome", "outcome-of-one-of-two", "line", "skip-reason", "longer-text"],
)
def test_each_kind_of_difference_is_told(left: list[Case], right: list[Case], line: str) -> None:
    assert differences(left, right) == [line]


def test_a_place_that_one_side_does_not_give_is_no_difference() -> None:
    assert differences([case(line="3", file="a.py")], [case()]) == []


def test_a_racy_case_may_differ_in_outcome_but_must_be_there() -> None:
    racy = ["tests.test_x::test_a[*"]
    plain = [case("test_a[1]"), case("test_a[2]"), case("test_b")]
    assert differences(plain, [case("test_a[1]", "failure"), *plain[1:]], racy=racy) == []
    assert differences(plain, plain[1:], racy=racy) != []
    assert differences(plain, [*plain[:2], case("test_b", "failure")], racy=racy) != []


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["passed", "failure", "skipped"])), max_size=8)
)
def test_any_cases_equal_their_permutation_and_differ_once_one_is_taken(drawn: list[tuple[str, str]]) -> None:
    cases = [case(name, outcome) for name, outcome in drawn]
    assert differences(cases, cases[::-1]) == []
    assert not cases or differences(cases, cases[1:]) != []


@pytest.mark.parametrize(
    ("nodeid", "label"),
    [
        ("tests/test_x.py::test_a", "tests.test_x::test_a"),
        ("tests/sub/test_x.py::TestA::TestB::test_a[1-x]", "tests.sub.test_x.TestA.TestB::test_a[1-x]"),
        ("tests/test_x.py::test_a*", "tests.test_x::test_a*"),
    ],
)
def test_a_node_id_becomes_the_label_that_junit_gives(nodeid: str, label: str) -> None:
    assert nodeid_pattern(nodeid) == label


def test_brackets_in_a_pattern_are_literal() -> None:
    assert matches("m::t[1]", "m::t[1]")
    assert not matches("m::t1", "m::t[1]")


SUITE = """
import sys
import pytest

def test_passes(): pass
def test_fails(tmp_path): assert str(tmp_path) == object()
def test_skips(): pytest.skip("not here")
@pytest.mark.xfail(reason="known")
def test_xfails(): assert False
@pytest.fixture
def broken(): raise RuntimeError("setup")
def test_errors(broken): pass
class TestA:
    @pytest.mark.parametrize("x", ["a/b", "[c]"])
    def test_p(self, x): pass
"""


def run_pytest(folder: Path, junit: str, *words: str) -> Path:
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:batchgate",
        f"--junitxml={junit}",
        "--rootdir=.",
        *words,
    ]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    subprocess.run(argv, cwd=folder, env=env, capture_output=True, check=False)
    return folder / junit


@pytest.mark.integration
def test_two_runs_of_one_real_suite_are_equal_and_a_run_of_less_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(SUITE, encoding="utf-8")
    first = run_pytest(tmp_path, "first.xml")
    second = run_pytest(tmp_path, "second.xml")
    less = run_pytest(tmp_path, "less.xml", "-k", "not skips")

    outcomes = sorted(found.outcome for found in read_cases(first))
    assert outcomes == ["error", "failure", "passed", "passed", "passed", "skipped", "xfail"]
    assert compare_files(first, second) == []
    assert main([str(first), str(less)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "test_it::test_skips: 1 times on the left, 0 on the right",
        "1 differences",
    ]


def test_files_that_the_right_one_left_out_are_no_difference_but_others_are(tmp_path: Path) -> None:
    case = '<testcase classname="{}" name="t"/>'
    whole, part = tmp_path / "whole.xml", tmp_path / "part.xml"
    names = ("tests.test_v", "tests.test_v.TestV", "tests.test_v2", "tests.test_w")
    whole.write_text(f"<testsuite>{''.join(map(case.format, names))}</testsuite>")
    part.write_text(f"<testsuite>{case.format('tests.test_v2')}</testsuite>")
    found = compare_files(whole, part, left_out=file_patterns("tests/test_v.py"))
    assert found == ["tests.test_w::t: 1 times on the left, 0 on the right"]


def test_two_files_without_cases_are_not_equal(tmp_path: Path) -> None:
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_text("<testsuites><testsuite/></testsuites>", encoding="utf-8")
    assert compare_files(tmp_path / "a.xml", tmp_path / "b.xml") == ["neither file holds a test case"]


@pytest.mark.parametrize("content", [None, "", "<testsuites>"], ids=["absent", "empty", "cut"])
def test_an_unreadable_file_is_named(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.xml", tmp_path / "bad.xml"
    good.write_text("<testsuites/>", encoding="utf-8")
    if content is not None:
        bad.write_text(content, encoding="utf-8")
    assert main([str(good), str(bad)]) == 2
    assert str(bad) in capsys.readouterr().err


def test_a_time_of_day_in_an_id_is_when_the_suite_ran(tmp_path: Path) -> None:
    """What else a parameter says counts."""
    reports = []
    for number, name in enumerate(("at[1-21:56:25 2026]", "at[1-22:01:07 2026]", "at[2-21:56:25 2026]")):
        reports.append(tmp_path / f"{number}.xml")
        reports[-1].write_text(f'<testsuites><testcase classname="c" name="{name}"/></testsuites>')
    assert compare_files(reports[0], reports[1]) == []
    assert len(compare_files(reports[0], reports[2])) == 2
