"""The JSON Schema (draft 2020-12) for editors, generated from the table of keys.

It describes one file's shape.  What spans values (a need that names no gate) is
told by the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pytest_batchgate.config.kinds import NAME_PATTERN, Json
from pytest_batchgate.config.records import GateKind, Key, described
from pytest_batchgate.config.schema import CONTAINERS, GATE_KEYS, KIND_KEYS, TOP_KEYS

SCHEMA_PATH = Path(__file__).with_name("batchgate.schema.json")


def json_schema() -> Json:
    """The schema of a YAML file."""
    top = {key.name: _row(key) for key in TOP_KEYS.values()}
    in_profile = {key.name: _row(key, partial=True) for key in TOP_KEYS.values() if key.name != "version"}
    containers = {"defaults": _ref("defaults"), "gates": _named("partial-gate")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-batchgate",
        "type": "object",
        "properties": {
            **top,
            "defaults": _ref("defaults") | {"description": CONTAINERS["defaults"]},
            "profiles": _named("profile") | {"description": CONTAINERS["profiles"].replace("`", "")},
            # A profile may complete a gate, or add all of them.
            "gates": _named("partial-gate") | {"description": CONTAINERS["gates"]},
        },
        "required": ["version"],
        "anyOf": [{"required": ["profiles"]}, {"$ref": "#/$defs/complete"}],
        "additionalProperties": False,
        "$defs": {
            "complete": {
                "properties": {"gates": _named("gate") | {"minProperties": 1}},
                "required": ["gates"],
            },
            "gate": _gate(),
            "partial-gate": _object(GATE_KEYS.values()),
            "defaults": _object(key for key in GATE_KEYS.values() if key.name not in KIND_KEYS),
            "profile": {
                "type": "object",
                "properties": {**in_profile, **containers},
                "additionalProperties": False,
            },
        },
    }


def rendered() -> str:
    """The text of the file that is shipped."""
    return json.dumps(json_schema(), indent=1) + "\n"


def _row(key: Key, *, partial: bool = False) -> Json:
    return described(key, key.kind.partial_schema() if partial else key.kind.json_schema())


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def _named(definition: str) -> Json:
    return {
        "type": "object",
        "propertyNames": {"pattern": NAME_PATTERN},
        "additionalProperties": _ref(definition),
    }


def _object(keys: Iterable[Key]) -> Json:
    return {
        "type": "object",
        "properties": {key.name: _row(key, partial=True) for key in keys},
        "additionalProperties": False,
    }


def _gate() -> Json:
    """A whole gate: a command or a tests gate, with no key of the other."""
    return {
        "properties": {key.name: _row(key) for key in GATE_KEYS.values()},
        "oneOf": [
            {"required": ["run"], **_without("command"), "not": {"required": ["ready"]}},
            {"required": ["run", "ready"], **_without("service")},
            {"anyOf": [{"required": ["tests"]}, {"required": ["paths"]}], **_without("tests")},
        ],
    }


def _without(*kinds: GateKind) -> Json:
    """Refuse the keys that no gate of ``kinds`` has."""
    foreign = [key.name for key in GATE_KEYS.values() if key.on.isdisjoint(kinds)]
    return {"properties": dict.fromkeys(foreign, False)}
