"""Keys whose effect has not landed are refused when a gate that runs asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_batchgate.config import find_source, load_config, not_yet
from pytest_batchgate.config.notyet import NOT_YET_IN_GATES
from pytest_batchgate.core.model import Config, GateName

ASKING = {
    "cache": "cache: on",
    "inputs": "inputs: []",
}
DEFAULT = [
    "retries: 0",
    "retries: {count: 0, delay: 3s}",
    "fail-on-flaky: false",
    "retries: 2",
    "breaker: {}",
    "fail-on-flaky: true",
    "cache: off",
    "cache: auto",
]


def load(folder: Path, text: str) -> Config:
    (folder / "batchgate.yaml").write_text(f"version: 1\n{text}")
    source = find_source(folder, None)
    assert source is not None
    return load_config(source, profile=None)


def test_every_key_has_a_case() -> None:
    assert set(ASKING) == set(NOT_YET_IN_GATES)


@pytest.mark.parametrize("key", ASKING)
def test_refused_where_it_is_written(tmp_path: Path, key: str) -> None:
    config = load(tmp_path, f"gates:\n  a: {{run: y}}\n  unit:\n    run: x\n    {ASKING[key]}\n")
    error = not_yet(config, [GateName("a"), GateName("unit")])
    assert str(error) == f"batchgate.yaml:6: `{key}` (gate 'unit') is not supported yet. Remove it for now"
    assert not_yet(config, [GateName("a")]) is None


@pytest.mark.parametrize("line", DEFAULT)
def test_the_default_is_accepted(tmp_path: Path, line: str) -> None:
    config = load(tmp_path, f"gates:\n  unit:\n    run: x\n    {line}\n")
    assert not_yet(config, [GateName("unit")]) is None


def test_a_default_is_refused_at_its_own_place(tmp_path: Path) -> None:
    config = load(tmp_path, "defaults:\n  cache: on\ngates: {a: {run: x, cache: off}, b: {run: x}}\n")
    assert not_yet(config, [GateName("a")]) is None
    error = not_yet(config, [GateName("a"), GateName("b")])
    assert str(error) == "batchgate.yaml:3: `cache` (gate 'b') is not supported yet. Remove it for now"
