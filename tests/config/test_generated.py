"""What is generated from the table of keys is current, and says what the reader does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.config import Source, docs, find_source, load_config
from pytest_batchgate.config.docs import DOCS_PATH, filled
from pytest_batchgate.config.jsonschema import SCHEMA_PATH, json_schema, rendered
from pytest_batchgate.config.schema import GATE_KEYS, TOP_KEYS
from pytest_batchgate.errors import ConfigError

VALIDATOR = jsonschema.Draft202012Validator(json_schema())

GOOD = {
    "smallest": {"version": 1, "gates": {"a": {"run": "x"}}},
    "tests": {"version": 1, "gates": {"a": {"tests": True, "paths": ["t"]}, "b": {"paths": ["u"]}}},
    "commands": {"version": 1, "gates": {"a": {"run": ["sleep", 5]}, "b": {"run": {"shell": "a | b"}}}},
    "service": {"version": 1, "gates": {"a": {"run": "x", "ready": {"port": 1}, "cwd": "sub"}}},
    "policies": {
        "version": 1,
        "workers": "auto",
        "gates": {
            "a": {"run": "x", "retries": {"count": 1}, "breaker": {"window": "3/5"}, "memory-limit": "1GB"},
            "b": {
                "run": "x",
                "retries": 3,
                "timeout": 1.5,
                "grace": "0s",
                "env": {"A": 1, "B": True, "C": "x"},
            },
        },
    },
    "profile": {
        "version": 1,
        "defaults": {"timeout": "3m", "ready": {"timeout": 3}},
        "profiles": {"ci": {"workers": 0, "gates": {"a": {"timeout": 3}, "b": {"run": "y"}}}},
        "gates": {"a": {"run": "x", "ready": {"line": "up"}}, "b": {"run": "y", "ready": {"port": 3}}},
    },
}

BAD: dict[str, object] = {
    "list": [],
    "no version": {"gates": {"a": {"run": "x"}}},
    "version 2": {"version": 2, "gates": {"a": {"run": "x"}}},
    "no gates": {"version": 1},
    "unknown key": {"version": 1, "worker": 1, "gates": {"a": {"run": "x"}}},
    "workers": {"version": 1, "workers": -1, "gates": {"a": {"run": "x"}}},
    "stage": {"version": 1, "gates": {"a": {"run": "x", "stage": "-"}}},
}
BAD_GATES: list[dict[str, object]] = [
    {},
    {"run": "x", "tests": "y"},
    {"run": "x", "paths": ["y"]},
    {"run": ""},
    {"run": []},
    {"run": {"bash": "x"}},
    {"tests": False},
    {"tests": ""},
    {"paths": []},
    {"paths": "x"},
    {"run": "x", "max-workers": 1},
    {"tests": True, "weight": 1},
    {"tests": True, "ready": {"port": 1}},
    {"run": "x", "ready": {"port": 1}, "retries": 1},
    {"run": "x", "ready": {}},
    {"run": "x", "ready": {"port": 0}},
    {"run": "x", "ready": {"port": 1, "line": "x"}},
    {"run": "x", "timeout": "soon"},
    {"run": "x", "timeout": -1},
    {"run": "x", "timeout": 0},
    {"run": "x", "priority": 101},
    {"run": "x", "needs": ["a", "a"]},
    {"run": "x", "needs": "a"},
    {"run": "x", "retries": {"delay": 1}},
    {"run": "x", "cache": True},
    {"run": "x", "env": {"A": None}},
    {"run": "x", "required": "yes"},
    {"run": "x", "cwd": "/tmp"},
    {"run": "x", "tiemout": 3},
]
BAD |= {f"gate {gate}": {"version": 1, "gates": {"a": gate}} for gate in BAD_GATES}


def accepted(folder: Path, document: object) -> bool:
    """Whether the reader takes ``document``, written as YAML."""
    path = folder / "batchgate.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    try:
        load_config(Source(path=path, display=path.name), profile=None)
    except ConfigError:
        return False
    return True


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_shipped_schema_is_current() -> None:
    assert SCHEMA_PATH.read_text(encoding="utf-8") == rendered(), "run python -m pytest_batchgate.config.docs"
    assert json.loads(SCHEMA_PATH.read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize("name", GOOD)
def test_good_documents_fit_both(tmp_path: Path, name: str) -> None:
    VALIDATOR.validate(GOOD[name])
    assert accepted(tmp_path, GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_bad_documents_fit_neither(tmp_path: Path, name: str) -> None:
    assert not VALIDATOR.is_valid(BAD[name])
    assert not accepted(tmp_path, BAD[name])


SCALARS: list[object] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    101,
    70000,
    1.5,
    "",
    " ",
    "x",
    "a b",
    "true",
    "auto",
    "on",
]
STRINGS: list[object] = ["5s", "5", "2GiB", "../x", "/x", "http://x"]
LISTS: list[object] = [[], ["x"], ["x", "x"], [1], [None]]
MAPPINGS: list[object] = [{}, {"port": 1}, {"count": 1}, {"shell": "x"}, {"x": "y"}, {"threshold": 2}]
VALUES = st.sampled_from(SCALARS + STRINGS + LISTS + MAPPINGS)


@given(
    key=st.sampled_from(sorted(GATE_KEYS)), work=st.sampled_from([{"run": "x"}, {"tests": "x"}]), value=VALUES
)
def test_what_the_reader_takes_the_schema_takes(
    tmp_path_factory: pytest.TempPathFactory, key: str, work: dict[str, Any], value: object
) -> None:
    """The schema may be more generous (a path that leaves the rootdir), never stricter."""
    document = {"version": 1, "gates": {"a": {**work, key: value}}}
    if accepted(tmp_path_factory.getbasetemp(), document):
        VALIDATOR.validate(document)


@given(key=st.sampled_from(sorted(set(TOP_KEYS) - {"version"})), value=VALUES)
def test_the_same_of_the_files_keys(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    document = {"version": 1, key: value, "gates": {"a": {"run": "x"}}}
    if accepted(tmp_path_factory.getbasetemp(), document):
        VALIDATOR.validate(document)


def test_the_docs_are_current() -> None:
    text = DOCS_PATH.read_text(encoding="utf-8")
    assert filled(text) == text, "run python -m pytest_batchgate.config.docs"
    assert text.count("<!-- generated: ") == text.count("<!-- end -->") == 6
    missing = [key for key in (*GATE_KEYS, *TOP_KEYS) if f"| `{key}` |" not in text]
    assert not missing


def test_nothing_is_stale_as_the_command_sees_it() -> None:
    module = [sys.executable, "-m", "pytest_batchgate.config.docs", "--check"]
    done = subprocess.run(module, capture_output=True, text=True, check=False, cwd=DOCS_PATH.parents[1])
    assert (done.returncode, done.stdout) == (0, "")


def test_a_stale_file_is_told_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, schema = tmp_path / "configuration.md", tmp_path / "schema.json"
    page.write_text("a\n<!-- generated: ready -->\nold\n<!-- end -->\nb\n")
    monkeypatch.setattr(docs, "DOCS_PATH", page)
    monkeypatch.setattr(docs, "SCHEMA_PATH", schema)
    assert docs.main(["--check"]) == 1
    assert not schema.exists()
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    assert page.read_text().startswith("a\n<!-- generated: ready -->\n| Key |")
    assert page.read_text().endswith("|\n<!-- end -->\nb\n")


def examples(language: str) -> Iterator[str]:
    for block in DOCS_PATH.read_text(encoding="utf-8").split("```")[1::2]:
        kind, _, text = block.partition("\n")
        if kind == language and "gates" in text:
            yield text


def test_the_examples_of_the_docs_are_read(tmp_path: Path) -> None:
    (yaml_example,) = examples("yaml")
    (toml_example,) = examples("toml")
    VALIDATOR.validate(yaml.safe_load(yaml_example))
    for name, text in (("batchgate.yaml", yaml_example), ("pyproject.toml", toml_example)):
        (tmp_path / name).write_text(text)
        source = find_source(tmp_path, tmp_path / name)
        assert source is not None
        assert load_config(source, profile=None).stages == ("static", "test")
