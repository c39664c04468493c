"""SARIF, JUnit and plain text, on small documents that show one thing each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from parser_kit import Place, given, places

from pytest_batchgate.core.model import Finding, GateState
from pytest_batchgate.parsers import PARSERS, Parsed, parse_output


def sarif(result: dict[str, Any], **run: Any) -> tuple[Finding, ...]:
    document = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "t"}}, "results": [result], **run}]}
    return PARSERS["sarif"].parse(given("", "t", report=json.dumps(document).encode())).findings


def at(uri: str, line: int = 3, **more: Any) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": uri, **more}, "region": {"startLine": line}}
    return {"message": {"text": "m"}, "ruleId": "R1", "locations": [{"physicalLocation": place}]}


@pytest.mark.parametrize(
    ("result", "run", "path"),
    [
        (at("src/a.py"), {}, "src/a.py"),
        (at("./src/../src/a%20b.py"), {}, "src/a b.py"),
        (at("file:///repo/src/a.py"), {}, "src/a.py"),
        (at("file:///elsewhere/a.py"), {}, "/elsewhere/a.py"),
        (
            at("a.py", uriBaseId="SRC"),
            {"originalUriBaseIds": {"SRC": {"uri": "file:///repo/src/"}}},
            "src/a.py",
        ),
        (at("src/a.py", uriBaseId="%SRCROOT%"), {}, "src/a.py"),
    ],
)
def test_where_sarif_says_it_is(result: dict[str, Any], run: dict[str, Any], path: str) -> None:
    assert places(sarif(result, **run)) == [(path, 3, 1, "R1")]


@pytest.mark.parametrize(
    ("extra", "severity"),
    [
        ({}, "warning"),
        ({"level": "error"}, "error"),
        ({"level": "note"}, "note"),
        ({"level": "none"}, "note"),
    ],
)
def test_levels_of_sarif(extra: dict[str, Any], severity: str) -> None:
    (finding,) = sarif({**at("a.py"), **extra})
    assert finding.severity == severity


@pytest.mark.parametrize(
    "extra",
    [
        {"kind": "pass"},
        {"baselineState": "absent"},
        {"suppressions": [{"kind": "inSource"}]},
    ],
)
def test_results_that_complain_of_nothing(extra: dict[str, Any]) -> None:
    assert sarif({**at("a.py"), **extra}) == ()


def test_a_suppression_that_was_rejected_is_none() -> None:
    assert len(sarif({**at("a.py"), "suppressions": [{"kind": "external", "status": "rejected"}]})) == 1


def test_a_rule_and_its_message_by_number() -> None:
    rules = [
        {"id": "R0"},
        {
            "id": "R7",
            "defaultConfiguration": {"level": "error"},
            "messageStrings": {"said": {"text": "as the rule says"}},
        },
    ]
    tool = {"driver": {"name": "t", "rules": rules}}
    (finding,) = sarif({"ruleIndex": 1, "message": {"id": "said"}}, tool=tool)
    assert (finding.path, finding.rule, finding.severity, finding.message) == (
        None,
        "R7",
        "error",
        "as the rule says",
    )


def junit(text: str) -> Parsed:
    return PARSERS["junit"].parse(given("", "t", report=text.encode()))


def test_failures_of_junit() -> None:
    parsed = junit(
        "<testsuites><testsuite name='s'>"
        "<testcase classname='pkg.test_a' name='test_x' file='tests/test_a.py' line='7'>"
        "<failure type='AssertionError' message='1 != 2'>trace</failure></testcase>"
        "<testcase name='fine'/>"
        "<testcase classname='c' name='e'><error>\n  it broke\n later</error></testcase>"
        "</testsuite></testsuites>"
    )
    assert [(f.path, f.line, f.rule, f.message) for f in parsed.findings] == [
        ("tests/test_a.py", 7, "AssertionError", "pkg.test_a::test_x: 1 != 2"),
        (None, None, "error", "c::e:   it broke"),
    ]


def test_lines_of_pytest_are_counted_from_zero() -> None:
    parsed = junit(
        "<testsuite name='pytest'><testcase name='t' file='a.py' line='0'>"
        "<failure message='m'/></testcase></testsuite>"
    )
    assert [finding.line for finding in parsed.findings] == [1]


BOMB = (
    "<?xml version='1.0'?><!DOCTYPE z [<!ENTITY a '" + "x" * 1000 + "'>"
    "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
    "<testsuite><testcase name='t'><failure message='&b;'>&b;</failure></testcase></testsuite>"
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "<!DOCTYPE t SYSTEM 'file:///etc/passwd'><testsuite><testcase><error/></testcase></testsuite>",
        "<testsuite" * 3,
        "",
        "<html><body>404</body></html>",
    ],
)
def test_a_report_that_is_no_junit(text: str) -> None:
    """It says nothing: who promised it has not earned a pass.  A failure stays what it was."""
    why = (GateState.FAILED, "the report it promised cannot be read as JUnit XML")
    assert junit(text) == Parsed(verdict=why)
    for returncode, verdict in ((0, why), (1, None)):
        output = given("", "t", returncode=returncode, report=text.encode())
        assert parse_output(PARSERS["junit"], output) == Parsed(verdict=verdict)


def test_a_report_that_is_no_sarif() -> None:
    why = (GateState.FAILED, "the report it promised cannot be read as SARIF")
    for text in ("", "{}", "[1, 2]", "not json", '{"version": "2.1.0"}'):
        output = given("", "t", returncode=0, report=text.encode())
        assert parse_output(None, output) == Parsed(verdict=why)
    empty = given("", "t", returncode=0, report=b'{"version": "2.1.0", "runs": []}')
    assert parse_output(None, empty) == Parsed()


def test_junit_that_is_cut_off_gives_what_came_before() -> None:
    case = "<testcase classname='c' name='n{}'><failure message='m'/></testcase>"
    parsed = junit("<testsuite>" + case.format(1) + case.format(2)[:-20])
    assert [finding.message for finding in parsed.findings] == ["c::n1: m"]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("src/a.c:3:5: error: no such thing", [("src/a.c", 3, 5, None)]),
        ("src/a.c:3: warning: careful", [("src/a.c", 3, None, None)]),
        ("docs/x.md:7 MD001 heading", [("docs/x.md", 7, None, "MD001")]),
        ("  a.py:1:2  E1 two spaces", [("a.py", 1, 2, "E1")]),
        ("/repo/a.py:9: inside", [("a.py", 9, None, None)]),
        ("12:30:45: it is late", []),
        ("localhost:8080: refused", []),
        ("https://example.org:80/a b", []),
        ("nothing here", []),
    ],
)
def test_plain_text(line: str, wanted: list[Place]) -> None:
    assert places(PARSERS["text"].parse(given(line, "make")).findings) == wanted


def test_the_report_of_a_linter_is_read_beside_its_output() -> None:
    document = {"version": "2.1.0", "runs": [{"results": [at("b.py")]}]}
    output = given("a.py:1:2: F401 unused\n", "ruff", report=json.dumps(document).encode())
    assert places(parse_output(PARSERS["ruff"], output).findings) == [
        ("a.py", 1, 2, "F401"),
        ("b.py", 3, 1, "R1"),
    ]


def test_a_report_needs_no_parser() -> None:
    report = b"\xef\xbb\xbf<testsuite><testcase name='t'><failure message='m'/></testcase></testsuite>"
    assert [f.message for f in parse_output(None, given("", "prog", report=report)).findings] == ["t: m"]
