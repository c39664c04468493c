"""`junit.xml`: golden, valid, read back by junitparser, whole whenever it is looked at."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import xmlschema
from junitparser import JUnitXml
from junitparser.xunit2 import JUnitXml as XUnit2
from report_kit import (
    FAILS,
    GATES,
    HOSTILE,
    STARTED_UNIX_S,
    FakeTeller,
    Written,
    check,
    ended,
    feed,
    gate_of_tests,
    hostile,
    many,
    result,
    story,
)
from schema_kit import schema

from pytest_batchgate.core.events import Event, GateFinished, RunFinished, RunStarted
from pytest_batchgate.core.model import GateName, GateState
from pytest_batchgate.report.junit import JunitReport
from pytest_batchgate.report.junitcases import Case, PassedCases, case_xml, escaped, names, property_lines
from pytest_batchgate.report.told import NOTHING

HOUR_S = 3600.0  # nothing is written in between


def report(file: Written) -> JunitReport:
    return JunitReport(file, FakeTeller(), started_unix_s=STARTED_UNIX_S, pause_s=HOUR_S)


def written(events: list[Event]) -> str:
    file = Written()
    feed(report(file), events)
    return file.text


def cases(text: str) -> dict[str, ET.Element]:
    return {case.attrib["name"]: case for case in ET.fromstring(text).iter("testcase")}


def said(case: ET.Element) -> str:
    return case.findtext("system-out") or ""


@pytest.fixture(scope="module")
def validator() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(schema("junit-10.xsd")))


def test_the_whole_run() -> None:
    text = written(story())
    check("junit.xml", text)
    suites: dict[str, Any] = {suite.name: suite for suite in XUnit2.fromstring(text.encode())}
    assert list(suites) == [gate.name for gate in GATES], "one suite per gate, in their order"
    unit, lint = suites["unit"], suites["lint"]
    assert (unit.tests, unit.failures, unit.errors, unit.skipped) == (9, 3, 2, 2), "a broken file counts"
    assert (lint.tests, lint.failures) == (1, 1)
    assert {"kind": "tests", "state": "failed"}.items() <= {
        p.name: p.value for p in unit.properties()
    }.items()
    every: Any = JUnitXml.fromstring(text.encode())
    for suite in every:
        told = (suite.tests, suite.failures, suite.errors, suite.skipped, f"{suite.time:.3f}")
        suite.update_statistics()
        assert told == (suite.tests, suite.failures, suite.errors, suite.skipped, f"{suite.time:.3f}")


def test_what_a_case_says() -> None:
    found = cases(written(story()))
    fails = found["test_fails[a<b-&]"]
    assert fails.attrib["classname"] == "tests.test_a.TestC", "as pytest's own report has it"
    failure = fails.find("failure")
    assert failure is not None
    assert (failure.attrib["message"], failure.text) == (FAILS.message, FAILS.text)
    assert said(fails).splitlines()[:5] == [
        "[[PROPERTY|line=11]]",
        "[[PROPERTY|file=tests/test_a.py]]",
        "[[PROPERTY|worker=gw0]]",
        "[[PROPERTY|attempt=1]]",
        "[[PROPERTY|ticket=BG-7]]",
    ]
    assert "printed <this>" in said(fails)
    kinds = {name: [child.tag for child in case if child.tag != "system-out"] for name, case in found.items()}
    assert kinds["test_flaky"] == ["flakyFailure"]
    assert kinds["test_fails_twice"] == ["failure", "rerunFailure"]
    assert kinds["test_leaves_a_broken_fixture"] == ["error"]
    assert kinds["test_xfails"] == kinds["test_a"] == ["skipped"]
    assert kinds["docs"] == ["flakyError"]
    assert "[[PROPERTY|attempt=2]]" in said(found["test_flaky"])
    lint = found["lint"].findtext("failure") or ""
    assert "src/a.py:3:1 F401 `os` imported but unused" in lint.splitlines()
    assert lint.endswith("and 2 more")
    assert "SyntaxError" in (found["tests/test_broken.py"].findtext("error") or "")


@pytest.mark.parametrize(
    "events", [story(), hostile(), many(2, 2), many(0, 0)], ids=["story", "hostile", "many", "none"]
)
def test_any_run_is_valid(events: list[Event], validator: xmlschema.XMLSchema) -> None:
    """After each event, too: a run may be killed at any time."""
    file = Written()
    junit = report(file)
    for event in events:
        junit.handle(event)
        validator.validate(junit.composed().decode())
    validator.validate(file.text)


def test_whatever_is_not_ours_stays_text() -> None:
    text = written(hostile())
    case = next(case for name, case in cases(text).items() if "test[" in name)
    failure = case.find("failure")
    assert failure is not None
    assert failure.text == HOSTILE.replace("\x1b", "#x1B").replace("\x00", "#x00").replace("\udc80", "#xDC80")
    assert len(case.findall("failure")) == 1


def test_a_plain_pass_is_what_junitparser_would_write() -> None:
    """It is rendered without it, because most tests are plain passes."""
    for nodeid in (
        "a/b/test_c.py::TestD::test_e[x-<&>\"']",
        "test_a.py::test",
        "é.py::ü[\x07\n]",
        "doc.txt::doc.txt",
    ):
        classname, name = names(nodeid)
        properties = {"line": 3, "file": nodeid.partition("::")[0], "worker": "gw0"}
        case = Case(name, classname, properties, duration_s=0.5, ends=[("passed", NOTHING)])
        lines = escaped_lines(property_lines([*properties.items(), ("attempt", 1)]))
        fast = ET.fromstring(PassedCases().render(nodeid, 0.5, lines).decode())
        slow = ET.fromstring(case_xml(case).decode())
        assert fast.attrib == {name: " ".join(value.splitlines()) for name, value in slow.attrib.items()}
        assert [(child.tag, child.text) for child in fast] == [(child.tag, child.text) for child in slow]


def escaped_lines(text: str) -> str:
    return "\n".join(map(escaped, text.splitlines()))


def test_one_property_cannot_pose_as_another() -> None:
    lines = property_lines([("a=b\nc", "x]]\n[[PROPERTY|worker=gw9"), ("none", None)])
    assert lines == "[[PROPERTY|a-b c=x] ] [[PROPERTY|worker=gw9]]"


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        (GateState.EMPTY, ["error"]),
        (GateState.TIMED_OUT, ["error"]),
        (GateState.CANCELLED, ["skipped"]),
        (GateState.DESELECTED, None),
    ],
)
def test_a_gate_that_ends_badly_without_a_test_to_blame_says_so_itself(
    state: GateState, kinds: list[str] | None
) -> None:
    gate = ended("unit", state, kind="tests", reason="why so")
    begin = RunStarted(0.0, (gate_of_tests("unit"),), 1, (GateName("unit"),))
    found = cases(written([begin, GateFinished(1.0, gate), RunFinished(1.0, result(gate))]))
    if kinds is None:
        assert not found
        return
    (shown,) = [child for child in found["unit"] if child.tag != "system-out"]
    assert ([shown.tag], shown.attrib["message"]) == (kinds, "why so")


def test_the_log_of_a_command_without_findings(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("one\n\x1b[1mtwo\x1b[0m\n", encoding="utf-8")
    gates = [
        ended("x", GateState.FAILED, reason="exit code 1", log_path=str(log)),
        ended("y", GateState.FAILED, reason="exit code 1", log_path=str(tmp_path / "none")),
    ]
    events: list[Event] = [RunStarted(0.0, tuple(gate_of_tests(gate.name) for gate in gates), 1)]
    events += [GateFinished(1.0, gate) for gate in gates]
    found = cases(written([*events, RunFinished(1.0, result(*gates))]))
    assert found["x"].findtext("failure") == "one\ntwo"
    assert "cannot be read" in (found["y"].findtext("failure") or "")
