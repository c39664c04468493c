"""`findings.sarif`: golden, valid by the official schema, stable, within GitHub's limits."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from report_kit import FINDINGS, LINT, Written, check, command, ended, feed, hostile, many, result, story
from schema_kit import schema

from pytest_batchgate.core.events import Event, GateReport, RunFinished, RunStarted
from pytest_batchgate.core.model import Command, Finding, Gate, GateState
from pytest_batchgate.report import sarif
from pytest_batchgate.report.sarif import FINGERPRINT, MOST_RESULTS, MOST_RUNS, SarifReport


def tool_of(gate: Gate) -> str | None:
    assert isinstance(gate.work, Command)
    program = gate.work.argv[0]
    return program if program in {"ruff", "mypy"} else None


def document(events: list[Event]) -> Any:
    return json.loads(written(events))


def written(events: list[Event]) -> str:
    file = Written()
    feed(SarifReport(file, tool_of=tool_of, fallback="batchgate.yaml", version="1.2.3"), events)
    assert len(file.contents) == 1
    return file.text


def run_of(*reports: GateReport, program: str = "ruff") -> list[Event]:
    gates = tuple(command(report.name, program) for report in reports)
    return [RunStarted(0.0, gates, 1), RunFinished(1.0, result(*reports))]


@pytest.fixture(scope="module")
def validator() -> Validator:
    known = json.loads(schema("sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
    return validator_for(known)(known)  # its editions are of several drafts


def test_the_whole_run() -> None:
    text = written(story())
    check("findings.sarif", json.dumps(json.loads(text), indent=1) + "\n")
    (run,) = json.loads(text)["runs"]
    assert run["tool"]["driver"]["name"] == "ruff"
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert rules["F401"]["helpUri"] == "https://docs.astral.sh/ruff/rules/F401"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]].index("W291") == next(
        found["ruleIndex"] for found in run["results"] if found["ruleId"] == "W291"
    )
    places = [
        found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for found in run["results"]
    ]
    assert places == ["batchgate.yaml", "src/a.py", "src/a.py", "src/sp%20ace.py"], "each has a place"


@pytest.mark.parametrize("events", [story(), hostile(), many(1, 1)], ids=["story", "hostile", "no command"])
def test_any_run_is_valid(events: list[Event], validator: Validator) -> None:
    validator.validate(document(events))


def fingerprints(*findings: Finding) -> list[str]:
    (run,) = document(run_of(replace(LINT, findings=findings)))["runs"]
    return [found["partialFingerprints"][FINGERPRINT] for found in run["results"]]


def test_fingerprints_stay_when_lines_move_and_tell_equal_findings_apart() -> None:
    first, second, other, _ = FINDINGS
    before = fingerprints(first, second, other)
    assert len(set(before)) == 3
    moved = [replace(found, line=(found.line or 0) + 40) for found in (first, second, other)]
    assert fingerprints(*reversed(moved)) == before, "in whatever order the tool tells them"
    assert fingerprints(replace(first, message="another")) != fingerprints(first)
    assert fingerprints(replace(first, path="src/b.py")) != fingerprints(first)


def test_a_gate_without_findings_closes_its_alerts_and_one_that_did_not_run_leaves_them() -> None:
    clean = ended("clean", GateState.PASSED)
    skipped = ended("skipped", GateState.SKIPPED)
    died = ended("died", GateState.CRASHED, findings=FINDINGS[:1])
    runs = document(run_of(clean, skipped, died))["runs"]
    told = {run["automationDetails"]["id"]: run for run in runs}
    assert set(told) == {"batchgate/clean/", "batchgate/died/"}
    assert told["batchgate/clean/"]["results"] == []
    assert not told["batchgate/died/"]["invocations"][0]["executionSuccessful"]
    (none,) = document(run_of(clean, program="make"))["runs"]
    assert (none["tool"]["driver"]["name"], none["results"]) == ("pytest-batchgate", [])


def test_the_limits_of_github(validator: Validator, monkeypatch: pytest.MonkeyPatch) -> None:
    """30 gates; one floods, and hides nobody else.  A hundredth of the results show it as well."""
    assert MOST_RESULTS == 25_000
    most = MOST_RESULTS // 100
    monkeypatch.setattr(sarif, "MOST_RESULTS", most)
    note = replace(FINDINGS[0], severity="note")
    flood = tuple(replace(note, line=line) for line in range(1, most + 100)) + FINDINGS[:1]
    few = [ended(f"gate-{place:02}", GateState.FAILED, findings=FINDINGS) for place in range(29)]
    found = document(run_of(ended("flood", GateState.FAILED, findings=flood), *few))
    runs = found["runs"]
    assert len(runs) == MOST_RUNS
    assert sum(len(run["results"]) for run in runs) == most
    by_category = {run["automationDetails"]["id"]: run for run in runs}
    assert len(by_category) == MOST_RUNS, "GitHub wants a category for each"
    flooded = by_category["batchgate/flood/"]
    assert "error" in {one["level"] for one in flooded["results"]}, "the worst are kept"
    assert flooded["properties"]["omittedFindings"] == len(flood) - len(flooded["results"])
    assert len(by_category["batchgate/others/"]["results"]) == (29 - (MOST_RUNS - 2)) * len(FINDINGS)
    validator.validate(found)
