"""`report.json`: golden, valid by the schema that is published beside it, and each test once."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from report_kit import RUN_ID, Written, check, feed, hostile, many, story

from pytest_batchgate.core.events import OUTCOMES, Event
from pytest_batchgate.core.model import GateState
from pytest_batchgate.report.jsonreport import SCHEMA_PATH, JsonReport

SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def written(events: list[Event]) -> str:
    file = Written()
    feed(JsonReport(file, run_id=RUN_ID), events)
    assert len(file.contents) == 1, "once, at the end"
    return file.text


def test_the_whole_run() -> None:
    text = written(story())
    check("report.json", text)
    document = json.loads(text)
    VALIDATOR.validate(document)
    tests = {test["nodeid"].rpartition("::")[2]: test for test in document["tests"]}
    assert len(tests) == len(document["tests"]) == 9, "each test once"
    flaky, twice = tests["test_flaky"], tests["test_fails_twice"]
    assert (flaky["outcome"], flaky["attempts"], flaky["duration_s"]) == ("passed", 2, 0.5)
    assert (twice["outcome"], twice["attempts"]) == ("failed", 2)
    broken = tests["test_leaves_a_broken_fixture"]
    assert (broken["outcome"], broken["attempts"]) == ("error", 1), "a late teardown is no other attempt"
    assert (tests["test_a"]["worker"], tests["test_a"]["attempts"]) == (None, 0), "it was never tried"


@pytest.mark.parametrize("events", [hostile(), many(3, 2), many(0, 0)], ids=["hostile", "many", "no tests"])
def test_any_run_is_valid_by_the_schema(events: list[Event]) -> None:
    VALIDATOR.validate(json.loads(written(events)))


def test_the_schema_knows_every_state_and_outcome_and_nothing_else() -> None:
    gate, test = SCHEMA["$defs"]["gate"]["properties"], SCHEMA["$defs"]["test"]["properties"]
    assert set(gate["state"]["enum"]) == {state.value for state in GateState if state.ended}
    assert tuple(gate["counts"]["properties"]) == tuple(gate["counts"]["required"]) == OUTCOMES
    assert set(test["outcome"]["enum"]) == set(OUTCOMES) - {"not_run"}
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("verdict",), "good"),
        (("schema",), 2),
        (("more",), 1),
        (("gates", 0, "state"), "running"),
        (("tests", 0, "outcome"), "not_run"),
        (("gates", 0, "counts", "passed"), -1),
    ],
)
def test_the_schema_refuses(place: tuple[Any, ...], value: object) -> None:
    document = json.loads(written(story()))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(document)
